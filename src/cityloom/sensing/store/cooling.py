"""Where lake and PostgreSQL must say the same: what Datastreams come to in the lake, corrections included."""

from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb

from cityloom.kernel.db import Transaction
from cityloom.sensing.store import history, lake


def overrule_touched(tx: Transaction, cursor: duckdb.DuckDBPyConnection, first: datetime, end: datetime) -> list[int]:
    """What was changed or removed while its day was moved becomes corrections; of which Datastreams, before and after."""
    ids = history.touched(tx)
    rows = _rows(cursor, f"{lake.of_days(first, end)} AND id IN (SELECT unnest($ids::BIGINT[]))", ids) if ids else "[]"
    if rows == "[]":
        return []
    history.overrule(tx, rows)
    return history.streams_of_corrections(tx, ids)


def refresh(tx: Transaction, cursor: duckdb.DuckDBPyConnection, streams: Sequence[int]) -> None:
    """Say anew what the observations of Datastreams in the lake come to, and which features they have."""
    until, ids = history.border(tx).until, ", ".join(str(int(each)) for each in sorted(set(streams)))
    if until is None or not ids:
        return
    where = f"datastream_id IN ({ids}) AND received < {lake.moment(until)}"
    overruled = history.overruled(tx, streams)
    if overruled:
        where += f" AND id NOT IN ({', '.join(map(str, overruled))})"
    history.set_cold(tx, streams, _whole(lake.cold(cursor, where)))
    history.add_cold(tx, history.cold_of_corrections(tx, streams))
    history.mark_pairs_anew(tx, streams, lake.pairs(cursor, where))


def _whole(found: Iterator[str]) -> Iterator[str]:
    """All of it read, before the cursor is asked something else."""
    return iter(list(found))


def _rows(cursor: duckdb.DuckDBPyConnection, where: str, ids: Sequence[int]) -> str:
    shown = ", ".join(f"'{name}': {lake.as_text(name)}" for name in lake.COLUMNS)
    found = lake.rows(cursor, f"SELECT to_json({{{shown}}})::VARCHAR FROM {lake.RAW} WHERE {where}", {"ids": list(ids)})
    return f"[{','.join(row[0] for row in found)}]"
