"""The HTTP door: one ASGI application made of the modules' routes."""

import gc
import os
import signal
from typing import Any, cast

from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels
from litestar import Litestar, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, SecurityScheme

from cityloom import app as city
from cityloom.kernel import http, log, openapi, processes
from cityloom.kernel.context import Parts
from cityloom.kernel.settings import load


def make_app(parts: Parts) -> Litestar:
    """The application over these parts."""
    routes = [*http.ROUTES, *(route for module in city.MODULES for route in module.routes)]
    app = Litestar(
        # one router: handed over singly, handlers that share a path would be registered, and wrapped, once for each
        route_handlers=[Router(path="/", route_handlers=routes)],
        state=State({"parts": parts}),
        exception_handlers={Exception: http.answer_problem},
        compression_config=CompressionConfig(
            backend="gzip", minimum_size=2000, exclude=["/changes", "/records", "/query$", "/verify$", "^/console"]
        ),
        on_shutdown=[_close],
        openapi_config=OpenAPIConfig(
            title="CityLoom 织城",
            version="1",
            description="Departments hand in their data; the platform checks it, keeps it, and can prove what happened.",
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            path="/schema",
            render_plugins=[openapi.Description(path="/openapi.json")],
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer", description="An API token: `ctl_…`"),
                    "session": SecurityScheme(type="apiKey", name="cityloom_session", security_scheme_in="cookie"),
                }
            ),
            security=[{"token": []}, {"session": []}],
        ),
        request_max_body_size=http.MOST_BODY_MIB << 20,
        logging_config=None,  # Litestar's own would take what libraries log away from ours, as lines that are no JSON
        debug=False,
    )
    # outermost, since middleware of Litestar never hears of requests that no route answers
    app.asgi_handler = http.number_requests(app.asgi_handler)
    return app


def description() -> dict[str, Any]:
    """The API's description (OpenAPI 3.1), for what is made from it; no city need run."""
    app = make_app(cast(Parts, None))  # routes alone are looked at
    return openapi.mended(app.openapi_schema.to_schema())


def _close(app: Litestar) -> None:
    parts: Parts = app.state.parts
    city.close_parts(parts)
    log.close()


def create_app() -> Litestar:
    """What each web worker runs: settings from the environment, parts of its own."""
    processes.die_with_parent(signal.SIGKILL)
    settings = load()
    log.configure(settings.log_level, settings.logs, "web")
    app = make_app(city.open_parts(settings))
    log.logger("web").info("started")
    gc.collect()
    gc.freeze()  # what lives as long as the process is not looked through again and again: pauses of tens of milliseconds
    return app


def main() -> None:
    """Serve until told to stop: the web workers and the process that keeps them running (`python -m cityloom.server`)."""
    processes.die_with_parent(signal.SIGKILL)
    os.environ[processes.PARENT] = str(os.getpid())
    settings = load()
    Granian(
        "cityloom.server:create_app",
        factory=True,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        address=settings.host,
        port=settings.port,
        workers=settings.web_workers,
        respawn_failed_workers=True,
        backpressure=512,
        log_level=LogLevels.warning,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    main()
