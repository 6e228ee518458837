"""One pull from any source."""

from pathlib import Path

from cityloom.exchange.connectors import mysql, postgres, web
from cityloom.exchange.connectors.sources import Bounds, Fetched, Mysql, Other, Postgres, Secrets, SourceSpec, Web
from cityloom.kernel.clock import Clock


def fetch(
    source: SourceSpec, state: bytes | None, into: Path, *, secrets: Secrets, bounds: Bounds, clock: Clock
) -> Fetched | None:
    """Bring what is new into the folder `into`; None if nothing is. Blocks, and must not run in an event loop's thread.

    `state` is that of the last pull that was delivered. Raises the Problems that the source's own module names, each with
    a code of words/connectors.yaml; nothing is left in `into` then.
    """
    match source:
        case Postgres():
            return postgres.fetch(source, state, into, secrets, bounds)
        case Mysql():
            return mysql.fetch(source, state, into, secrets, bounds)
        case Other():
            from cityloom.exchange.connectors import other  # SQLAlchemy and SSH take a second to import

            return other.fetch(source, state, into, secrets, bounds)
        case Web():
            return web.fetch(source, state, into, secrets, bounds)
        case _:
            from cityloom.exchange.connectors import sftp

            return sftp.fetch(source, state, into, secrets, bounds, clock)
