"""History in the lake: the observations, and for each width of buckets what those of one day of arrival come to (parts).

A bucket is the merger of its parts, so that what arrives late adds a part and changes none. Moments are UTC without a zone.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from cityloom.kernel import sql
from cityloom.sensing.contracts.buckets import GOOD, Ruler

RAW = "lake.sensing.observations"
COLUMNS: dict[str, str] = {
    "id": "BIGINT", "datastream_id": "BIGINT", "feature_id": "BIGINT", "phenomenon_start": "TIMESTAMP",
    "phenomenon_end": "TIMESTAMP", "result_time": "TIMESTAMP", "received": "TIMESTAMP", "number": "DOUBLE", "keeper": "VARCHAR",
    "result": "VARCHAR", "quality": "VARCHAR", "valid_start": "TIMESTAMP", "valid_end": "TIMESTAMP", "parameters": "VARCHAR",
}  # fmt: skip
"""As in PostgreSQL; JSON as text."""
NAMES = ", ".join(COLUMNS)
ORDER = "datastream_id, phenomenon_start, id"
PART = (
    "datastream_id BIGINT, bucket TIMESTAMP, arrival DATE, total BIGINT, numbers BIGINT, good BIGINT, added DOUBLE, least DOUBLE,"
    " most DOUBLE, opening DOUBLE, opened TIMESTAMP, closing DOUBLE, closed TIMESTAMP"
)
"""Of a bucket and day of arrival: observations, those with a number, those of good quality; sum, least and greatest number, the
first and the last with their moments. Where there is one number, it stands in `added` and its moment in `opened`, alone."""
SORTED = {"observations": ORDER, **{f"parts_{width}": "datastream_id, bucket" for width in ("minute", "hour", "day")}}
SMALL = 256 << 20
"""Files below this many bytes are merged."""
WORN = 0.1
"""Files of which more than this share is deleted are written anew."""
CHUNK = 20_000


def make_tables(cursor: duckdb.DuckDBPyConnection) -> None:
    """Make the tables, unless they are there. In a lake commit."""
    cursor.execute("CREATE SCHEMA IF NOT EXISTS lake.sensing")
    there = {row[0] for row in cursor.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'lake' AND schema_name = 'sensing'"
    ).fetchall()}  # fmt: skip
    raw = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    for table, keys in SORTED.items():
        if table in there:
            continue
        name = sql.name("lake", "sensing", table)
        cursor.execute(f"CREATE TABLE {name} ({raw if table == 'observations' else PART})")
        cursor.execute(f"ALTER TABLE {name} SET SORTED BY ({keys})")
        if table == "observations":
            cursor.execute(f"ALTER TABLE {name} SET PARTITIONED BY (year(received), month(received))")


def forget_day(cursor: duckdb.DuckDBPyConnection, day: date) -> None:
    """Take out what a mover that died wrote of a day of arrival, which nobody reads."""
    cursor.execute(f"DELETE FROM {RAW} WHERE {of_day(day)}")
    forget_parts(cursor, day)


def forget_parts(cursor: duckdb.DuckDBPyConnection, day: date) -> None:
    """Take out the parts of a day of arrival."""
    for width in ("minute", "hour", "day"):
        cursor.execute(f"DELETE FROM {parts(width)} WHERE arrival = ?", [day])


def put(cursor: duckdb.DuckDBPyConnection, file: Path, longest: int) -> None:
    """Write the rows of a CSV file of PostgreSQL's, which come in order and are no longer than so many bytes."""
    line = max(2 << 20, longest + 1)
    columns = ", ".join(f"{sql.literal(name)}: {sql.literal(kind)}" for name, kind in COLUMNS.items())
    cursor.execute(
        f"""INSERT INTO {RAW} SELECT * FROM read_csv({sql.literal(str(file))}, columns = {{{columns}}}, header = false,
            auto_detect = false, delim = ',', quote = '"', escape = '"', nullstr = '', allow_quoted_nulls = false,
            max_line_size = {line}, buffer_size = {2 * line}, parallel = false)"""
    )


def make_parts(
    cursor: duckdb.DuckDBPyConnection, rulers: Sequence[Ruler], day: date, streams: Sequence[int] = ()
) -> None:
    """Work out the parts of a day of arrival, of some Datastreams or all; those that there were must be gone."""
    where = of_day(day) + (f" AND datastream_id IN ({_list(streams)})" if streams else "")
    for ruler in rulers:
        cursor.execute(
            f"INSERT INTO {parts(ruler.width)} SELECT * FROM ({slim(ruler, f'{RAW} WHERE {where}')}) ORDER BY datastream_id, bucket"
        )


def parts(width: str) -> str:
    """The table of the parts of a width."""
    return sql.name("lake", "sensing", f"parts_{width}")


def slim(ruler: Ruler, source: str) -> str:
    """The statement that makes parts of observations, without saying a single number five times."""
    one = "numbers = 1"
    return f"""SELECT datastream_id, bucket, arrival, total, numbers, good, added,
        CASE WHEN NOT ({one}) THEN least END, CASE WHEN NOT ({one}) THEN most END,
        CASE WHEN NOT ({one}) THEN opening END, opened, CASE WHEN NOT ({one}) THEN closing END, CASE WHEN NOT ({one}) THEN closed END
        FROM ({summed(ruler, source)})"""


def summed(ruler: Ruler, source: str) -> str:
    """The statement that makes whole parts of observations."""
    length = int(ruler.length.total_seconds())
    finite = "FILTER (WHERE isfinite(number))"
    at = "{'at': phenomenon_start, 'id': id}"
    return f"""SELECT datastream_id,
        time_bucket(to_seconds({length}), phenomenon_start, {moment(ruler.origin)}) AS bucket, received::DATE AS arrival,
        count(*) AS total, count(*) {finite} AS numbers, count(*) FILTER (WHERE {good()}) AS good, sum(number) {finite} AS added,
        min(number) {finite} AS least, max(number) {finite} AS most, arg_min(number, {at}) {finite} AS opening,
        min(phenomenon_start) {finite} AS opened, arg_max(number, {at}) {finite} AS closing,
        max(phenomenon_start) {finite} AS closed
        FROM {source} GROUP BY ALL"""


def good() -> str:
    """Whether an observation is of good quality: without a mark, or with one of those that say so."""
    marks = ", ".join(sql.literal(mark) for mark in GOOD)
    return f"quality IS NULL OR COALESCE(quality ->> '$.flag', quality ->> '$') IN ({marks})"


def expire(cursor: duckdb.DuckDBPyConnection, before: datetime, only: Sequence[int] | None, but: Sequence[int]) -> int:
    """Delete the observations that were received before a moment: of `only` these Datastreams (None: of all), and not of `but`."""
    where, values = "", {}
    if only is not None:
        where, values = where + " AND datastream_id IN (SELECT unnest($only::BIGINT[]))", {"only": list(only)}
    if but:
        where, values = (
            where + " AND datastream_id NOT IN (SELECT unnest($but::BIGINT[]))",
            {**values, "but": list(but)},
        )
    return int(cursor.execute(f"DELETE FROM {RAW} WHERE received < {moment(before)}{where}", values).fetchall()[0][0])


def forget_streams(cursor: duckdb.DuckDBPyConnection, streams: Sequence[int]) -> None:
    """Delete all there is of Datastreams."""
    for table in SORTED:
        cursor.execute(
            f"DELETE FROM {sql.name('lake', 'sensing', table)} WHERE datastream_id IN (SELECT unnest($ids::BIGINT[]))",
            {"ids": list(streams)},
        )


def replace(
    cursor: duckdb.DuckDBPyConnection, rulers: Sequence[Ruler], touched: Sequence[tuple[int, int, datetime]], rows: str
) -> None:  # fmt: skip
    """Delete observations (id, Datastream, moment of arrival) and write others, a JSON array; work out their parts anew."""
    streams, days = sorted({each[1] for each in touched}), sorted({each[2].astimezone(UTC).date() for each in touched})
    ids = [each[0] for each in touched]
    within = f"datastream_id IN ({_list(streams)})"
    for day in days:
        cursor.execute(
            f"DELETE FROM {RAW} WHERE {of_day(day)} AND {within} AND id IN (SELECT unnest($ids::BIGINT[]))",
            {"ids": ids},
        )
    cursor.execute(f"INSERT INTO {RAW} SELECT {NAMES} FROM ({from_json()}) ORDER BY {ORDER}", {"rows": rows})
    moved = cursor.execute(f"SELECT DISTINCT datastream_id FROM ({from_json()})", {"rows": rows}).fetchall()
    streams = sorted({*streams, *(int(row[0]) for row in moved)})
    for day in days:
        for ruler in rulers:
            cursor.execute(
                f"DELETE FROM {parts(ruler.width)} WHERE arrival = ? AND datastream_id IN ({_list(streams)})", [day]
            )
        make_parts(cursor, rulers, day, streams)


def from_json() -> str:
    """The rows of the JSON array `$rows`, as PostgreSQL writes them."""
    shape = ", ".join(f'"{name}": "{kind}"' for name, kind in COLUMNS.items())
    return f"""SELECT r.* FROM (SELECT unnest(from_json($rows, '[{{{shape}}}]')) AS r)"""


def cold(cursor: duckdb.DuckDBPyConnection, where: str) -> Iterator[str]:
    """For each Datastream what its observations in the lake come to and the last of them, as JSON arrays of some thousands."""
    last = ", ".join(f"'{name}': {as_text(name)}" for name in COLUMNS if name not in ("datastream_id", "keeper"))
    cursor.execute(
        f"""SELECT to_json({{'datastream_id': datastream_id, 'keeper': any_value(keeper), 'total': count(*),
              'first_received': min(received)::VARCHAR || 'Z', 'first_start': min(phenomenon_start)::VARCHAR || 'Z',
              'last_end': max(COALESCE(phenomenon_end, phenomenon_start))::VARCHAR || 'Z',
              'first_result': min(result_time)::VARCHAR || 'Z', 'last_result': max(result_time)::VARCHAR || 'Z',
              'last': arg_max({{{last}}}, {{'at': phenomenon_start, 'id': id}})}})::VARCHAR
            FROM {RAW} WHERE {where} GROUP BY datastream_id"""
    )
    while rows := cursor.fetchmany(CHUNK):
        yield f"[{','.join(row[0] for row in rows)}]"


def pairs(cursor: duckdb.DuckDBPyConnection, where: str) -> list[tuple[int, int]]:
    """Datastreams and the features that their observations in the lake have."""
    return cursor.execute(f"SELECT DISTINCT datastream_id, feature_id FROM {RAW} WHERE {where}").fetchall()


def span_of_day(cursor: duckdb.DuckDBPyConnection, day: date) -> tuple[int, int, int]:
    """How many observations of a day there are, their least and their greatest id."""
    row = cursor.execute(
        f"SELECT count(*), COALESCE(min(id), 0), COALESCE(max(id), 0) FROM {RAW} WHERE {of_day(day)}"
    ).fetchone()
    return row or (0, 0, 0)


def do(cursor: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Carry out a statement that was told here."""
    cursor.execute(statement).fetchall()


def tidy(table: str) -> Iterator[str]:
    """The statements that keep a table in order, each in a lake commit of its own: rows out of PostgreSQL into files, files with
    many deleted rows anew, small files together, in the table's order."""
    name = sql.literal(table)
    yield f"CALL ducklake_flush_inlined_data('lake', schema_name => 'sensing', table_name => {name})"
    yield f"CALL ducklake_rewrite_data_files('lake', {name}, schema => 'sensing', delete_threshold => {WORN})"
    yield f"CALL ducklake_merge_adjacent_files('lake', {name}, schema => 'sensing', max_file_size => {SMALL})"


def files(cursor: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """How many files the tables have that history is in, and how many bytes."""
    row = cursor.execute(
        " UNION ALL ".join(
            f"SELECT count(*), COALESCE(sum(data_file_size_bytes), 0) FROM ducklake_list_files('lake', '{table}', schema => 'sensing')"
            for table in SORTED
        )
    ).fetchall()
    return sum(int(each[0]) for each in row), sum(int(each[1]) for each in row)


def as_text(name: str) -> str:
    """A column as PostgreSQL reads it out of JSON: moments with their zone, numbers with all their digits."""
    if COLUMNS[name] == "TIMESTAMP":
        return f"{name}::VARCHAR || 'Z'"
    return f"{name}::VARCHAR" if name == "number" else name


def moment(at: datetime) -> str:
    """A moment as a literal."""
    return f"TIMESTAMP {sql.literal(at.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' '))}"


def of_days(first: datetime, end: datetime) -> str:
    """The condition that an observation was received from `first` on and before `end`."""
    return f"received >= {moment(first)} AND received < {moment(end)}"


def of_day(day: date) -> str:
    """The condition that an observation was received on a day."""
    return f"received >= DATE '{day.isoformat()}' AND received < DATE '{day.isoformat()}' + 1"


def _list(ids: Sequence[int]) -> str:
    return ", ".join(str(int(each)) for each in ids) or "NULL"


def rows(cursor: duckdb.DuckDBPyConnection, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    return cursor.execute(statement, values).fetchall()
