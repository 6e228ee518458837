"""Pulls from any database SQLAlchemy has a driver for, in batches; not tested but on SQLite."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import sqlalchemy
from sqlalchemy import exc

from cityloom.exchange.connectors.sources import Bounds, Fetched, Other, Secrets
from cityloom.exchange.connectors.spool import BATCH, spooled, write_texts
from cityloom.kernel.errors import Invalid, Unavailable


def fetch(source: Other, state: bytes | None, into: Path, secrets: Secrets, bounds: Bounds) -> Fetched | None:  # noqa: ARG001
    """All rows of the query as Parquet of texts.

    Raises Invalid `exchange.pull_driver_missing`, `exchange.pull_query_wrong`, `exchange.pull_column_type`, Unavailable
    `exchange.pull_unreachable`, and what `spooled`, `write_texts` and `Spool.check` raise.
    """
    engine = _engine(source, secrets)
    try:
        with spooled(into, bounds) as spool, engine.connect().execution_options(yield_per=BATCH) as connection:
            result = connection.exec_driver_sql(source.query)
            names = tuple(result.keys())
            rows = write_texts(spool, names, _batches(names, result))
            return Fetched(spool.path, "parquet", rows, b"", engine.url.database or engine.name)
    except exc.OperationalError as error:
        raise Unavailable(
            "exchange.pull_unreachable", host=engine.url.host or engine.name, reason=_name(error)
        ) from error
    except exc.SQLAlchemyError as error:
        raise Invalid("exchange.pull_query_wrong", reason=_name(error)) from error
    finally:
        engine.dispose()


def _engine(source: Other, secrets: Secrets) -> sqlalchemy.Engine:
    try:
        url = sqlalchemy.make_url(source.url)
        if source.password is not None:
            url = url.set(password=secrets(source.password))
        return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    except (exc.SQLAlchemyError, ImportError) as error:
        raise Invalid("exchange.pull_driver_missing", url=source.url.partition(":")[0]) from error


def _name(error: exc.SQLAlchemyError) -> str:
    """The error's kind alone: a driver's message may quote what is in the rows."""
    return type(error.__cause__ or error).__name__


def _batches(
    names: Sequence[str], result: sqlalchemy.CursorResult[tuple[object, ...]]
) -> Iterator[list[list[str | None]]]:
    for rows in result.partitions(BATCH):
        yield [[_text(name, value) for name, value in zip(names, row, strict=True)] for row in rows]


def _text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f").removesuffix(".0")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise Invalid("exchange.pull_column_type", column=name, type=type(value).__name__)
