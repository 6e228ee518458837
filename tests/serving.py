"""The real application over the parts of one test. It is put together once in a process: that costs more than most tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, cast

from litestar import Litestar
from litestar.testing import TestClient

from cityloom.kernel.context import Parts
from cityloom.server import make_app


@cache
def _app() -> Litestar:
    return make_app(cast(Parts, None))


@contextmanager
def served(parts: Parts, **how: Any) -> Iterator["TestClient[Any]"]:
    """A client of the application; nothing of an earlier test is left in it, and the parts are closed at the end."""
    app = _app()
    for name in list(app.state.keys()):
        del app.state[name]
    app.state.parts = parts
    with TestClient(app, **how) as client:
        yield client
