"""Which observations are in the lake, what they come to, and what was changed of them: the side of PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg

from cityloom.kernel import sql
from cityloom.kernel.db import Transaction
from cityloom.sensing.store.lake import COLUMNS, NAMES

LOCK = 7_216_044
"""Whoever changes single observations holds it together with others; whoever moves the border alone."""
PIECE = 256 << 20
"""Bytes of a file on the way to the lake."""
LAST = tuple(name for name in COLUMNS if name not in ("datastream_id", "keeper"))
TOTALS = ("total", "first_received", "first_start", "last_end", "first_result", "last_result")
KINDS = {"BIGINT": "bigint", "TIMESTAMP": "timestamptz", "DOUBLE": "float8", "VARCHAR": "text"}
JSON = ("result", "quality", "parameters")
READ = ", ".join(f"{name}::jsonb" if name in JSON else name for name in COLUMNS)
"""The columns of `given()`, as `observations` has them."""


class Border(msgspec.Struct, frozen=True):
    """Where the lake begins: received before `until` (None: nothing is in it); and for whom one looks."""

    until: datetime | None
    organisation: str
    corrected: bool
    """Whether some corrections are not yet written into the lake."""


def border(tx: Transaction) -> Border:
    """The border, as the transaction sees it now."""
    found = tx.one(
        _Border,
        """SELECT cold_until AS until, COALESCE(kernel.organisation(), '') AS organisation,
             EXISTS (SELECT FROM sensing.corrections) AS corrected FROM sensing.history""",
    )
    return Border(found.until if found.until.year > 1970 else None, found.organisation, found.corrected)


class _Border(msgspec.Struct, frozen=True):
    until: datetime
    organisation: str
    corrected: bool


def hold_border(tx: Transaction) -> None:
    """Let the border stay where it is until the transaction ends."""
    tx.execute(f"SELECT pg_advisory_xact_lock_shared({LOCK})")


def days(tx: Transaction) -> list[date]:
    """The days that have a partition, the oldest first."""
    return tx.values(date, "SELECT sensing.days()")


def seal(tx: Transaction, day: date) -> bool:
    """Let nothing more into a day's partition; whether there is one. Changes in it are noted from now on."""
    tx.execute("SET LOCAL lock_timeout = '30s'")
    return bool(tx.scalar(str, "SELECT sensing.seal_day(%s)", [day]))


def copied(tx: Transaction, first: datetime, end: datetime, folder: Path) -> Iterator[tuple[Path, int]]:
    """What was received in a span, by Datastream and time, as CSV files of some hundred MiB, with the length of the longest row;
    each file goes when the next is asked for."""
    columns = ", ".join(f"{name} AT TIME ZONE 'UTC'" if kind == "TIMESTAMP" else name for name, kind in COLUMNS.items())
    statement = f"""COPY (SELECT {columns} FROM sensing.observations WHERE received >= %s AND received < %s
        ORDER BY datastream_id, phenomenon_start, id) TO STDOUT (FORMAT csv)"""
    with tx.connection.cursor() as cursor, cursor.copy(statement.encode(), [first, end]) as copy:
        rows = iter(copy)
        while True:
            path, size, longest = folder / "piece.csv", 0, 0
            with path.open("wb", buffering=1 << 20) as file:
                for row in rows:
                    file.write(row)
                    size, longest = size + len(row), max(longest, len(row))
                    if size >= PIECE:
                        break
            if size:
                yield path, longest
            path.unlink()
            if size < PIECE:
                return


def forget_touched(tx: Transaction) -> None:
    """Nothing of what is moved next was changed yet."""
    tx.execute("DELETE FROM sensing.touched")


def add_cold(tx: Transaction, found: str) -> None:
    """Add to what observations in the lake come to; `found` as the lake's store tells it."""
    tx.execute(_cold("""ON CONFLICT (datastream_id) DO UPDATE SET total = c.total + excluded.total,
        first_received = least(c.first_received, excluded.first_received), first_start = least(c.first_start, excluded.first_start),
        last_end = greatest(c.last_end, excluded.last_end), first_result = least(c.first_result, excluded.first_result),
        last_result = greatest(c.last_result, excluded.last_result), """
        + ", ".join(f"{name} = CASE WHEN {NEWER} THEN excluded.{name} ELSE c.{name} END" for name in LAST)), [found])  # fmt: skip


def note_gone(tx: Transaction, found: str) -> None:
    """Those of the Datastreams that went while their day was moved have observations in the lake; `found` as for `add_cold`."""
    tx.execute(
        """INSERT INTO sensing.gone_streams SELECT j.datastream_id, j.keeper
           FROM json_to_recordset(%s::json) AS j(datastream_id bigint, keeper text)
           WHERE NOT EXISTS (SELECT FROM sensing.datastreams d WHERE d.id = j.datastream_id) ON CONFLICT DO NOTHING""",
        [found],
    )


NEWER = "(excluded.phenomenon_start, excluded.id) > (c.phenomenon_start, c.id)"


def set_cold(tx: Transaction, streams: Sequence[int], found: Iterator[str]) -> None:
    """Say anew what the observations of Datastreams in the lake come to."""
    tx.execute("DELETE FROM sensing.cold_streams WHERE datastream_id = ANY(%s)", [list(streams)])
    for each in found:
        tx.execute(_cold(""), [each])


def _cold(then: str) -> str:
    last = ", ".join(f"(j.last ->> '{name}')::{'jsonb' if name in JSON else KINDS[COLUMNS[name]]}" for name in LAST)
    return f"""INSERT INTO sensing.cold_streams AS c (datastream_id, keeper, {", ".join(TOTALS)}, {", ".join(LAST)})
        SELECT j.datastream_id, d.keeper, {", ".join(f"j.{name}" for name in TOTALS)}, {last}
        FROM json_to_recordset(%s::json) AS j(datastream_id bigint, keeper text, total bigint, first_received timestamptz,
          first_start timestamptz, last_end timestamptz, first_result timestamptz, last_result timestamptz, last json)
        JOIN sensing.datastreams d ON d.id = j.datastream_id ORDER BY 1 {then}"""


def mark_pairs(tx: Transaction, pairs: Sequence[tuple[int, int]]) -> None:
    """Some observation in the lake of each Datastream has the feature."""
    tx.execute(
        """INSERT INTO sensing.datastream_features AS f (datastream_id, feature_id, keeper, public, cold)
           SELECT DISTINCT d.id, n.feature, d.keeper, d.public, true FROM unnest(%s::bigint[], %s::bigint[]) n(stream, feature)
           JOIN sensing.datastreams d ON d.id = n.stream JOIN sensing.features e ON e.id = n.feature ORDER BY 1, 2
           ON CONFLICT (datastream_id, feature_id) DO UPDATE SET cold = true WHERE NOT f.cold""",
        [[each[0] for each in pairs], [each[1] for each in pairs]],
    )


def move_border(tx: Transaction, day: date, span: tuple[int, int, int], now: datetime) -> None:
    """From now on what was received until the end of a day is read from the lake."""
    tx.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
    until = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    tx.execute("UPDATE sensing.history SET cold_until = %s WHERE cold_until < %s", [until, until])
    tx.execute("INSERT INTO sensing.history_days (day, total, first_id, last_id, moved) VALUES (%s, %s, %s, %s, %s)",
               [day, *span, now])  # fmt: skip


def touched(tx: Transaction) -> list[int]:
    """What was changed or removed in a partition since it was sealed."""
    return tx.values(int, "SELECT id FROM sensing.touched")


def overrule(tx: Transaction, rows: str) -> None:
    """Rows of the lake, a JSON array, are what `observations` has of them now: changed, or removed. Right after `move_border`."""
    own = ", ".join(f"CASE WHEN o.id IS NULL THEN g.{name} ELSE o.{name} END" for name in COLUMNS)
    tx.execute(
        f"""INSERT INTO sensing.corrections ({NAMES}, removed, was_of)
            SELECT {own}, o.id IS NULL, g.datastream_id FROM ({given("%s")}) g LEFT JOIN sensing.observations o ON o.id = g.id""",
        [rows],
    )


def correct(tx: Transaction, rows: str, values: Mapping[str, object], *, removed: bool) -> None:
    """Rows of the lake, a JSON array, have other values from now on, or are removed. Rows that are corrections already change there."""
    tx.execute(
        f"""INSERT INTO sensing.corrections ({NAMES}, removed, was_of)
            SELECT {NAMES}, false, datastream_id FROM ({given("%s")}) g ON CONFLICT (id) DO NOTHING""",
        [rows],
    )
    ids = [each["id"] for each in msgspec.json.decode(rows)]
    amend(tx, ids, values, removed=removed)


def amend(tx: Transaction, ids: Sequence[int], values: Mapping[str, object], *, removed: bool) -> None:
    """Corrections that are there change once more."""
    pairs = "".join(f"{sql.name(name)} = %({name})s, " for name in values)
    tx.execute(
        f"""UPDATE sensing.corrections SET {pairs} removed = %(own_removed)s, version = nextval('sensing.correction_versions')
            WHERE id = ANY(%(own_ids)s)""",
        {**values, "own_removed": removed, "own_ids": list(ids)},
    )


def old_days(tx: Transaction, before: datetime) -> list[date]:
    """Days that are read from the lake since before a moment and whose partition is still there."""
    return tx.values(
        date, "SELECT day FROM sensing.history_days WHERE dropped IS NULL AND moved <= %s ORDER BY day", [before]
    )


def drop(tx: Transaction, day: date) -> None:
    """Drop a day's partition; raises psycopg.errors.LockNotAvailable while somebody reads long."""
    tx.execute("SET LOCAL lock_timeout = '2s'")
    tx.execute("SELECT sensing.drop_day(%s)", [day])


def try_drop(tx: Transaction, day: date) -> bool:
    """Drop a day's partition unless somebody is at it."""
    with suppress(psycopg.errors.LockNotAvailable), tx.connection.transaction():
        drop(tx, day)
        return True
    return False


def days_of(tx: Transaction, id: int) -> list[date]:
    """The days of the lake in which an observation of that id can have come."""
    return tx.values(date, "SELECT day FROM sensing.history_days WHERE first_id <= %s AND last_id >= %s", [id, id])


def cold_ids(tx: Transaction, streams: Sequence[int]) -> list[int]:
    """Those of the Datastreams that have observations in the lake."""
    return tx.values(
        int, "SELECT datastream_id FROM sensing.cold_streams WHERE datastream_id = ANY(%s)", [list(streams)]
    )


def last_cold(tx: Transaction, streams: Sequence[int]) -> datetime | None:
    """The greatest moment of observation in the lake of these Datastreams."""
    row = tx.connection.execute(
        b"SELECT max(phenomenon_start) FROM sensing.cold_streams WHERE datastream_id = ANY(%s)", [list(streams)]
    ).fetchone()
    return row[0] if row else None


def others(tx: Transaction, organisation: str) -> list[int]:
    """Datastreams of other keepers that the scope sees and that have observations in the lake."""
    return tx.values(int, "SELECT datastream_id FROM sensing.cold_streams WHERE keeper <> %s", [organisation])


def corrected_ids(tx: Transaction) -> list[int]:
    """The observations in the lake that are overruled."""
    return tx.values(int, "SELECT id FROM sensing.corrections")


def given(name: str) -> str:
    """Rows of the lake as a JSON array under a bound name, as rows of `observations`; only of Datastreams that the scope sees."""
    shape = ", ".join(f"{column} {KINDS[kind]}" for column, kind in COLUMNS.items())
    return f"""SELECT {", ".join(f"g.{each}::jsonb" if each in JSON else f"g.{each}" for each in COLUMNS)}
        FROM json_to_recordset({name}::json) AS g({shape}) WHERE EXISTS (SELECT FROM sensing.datastreams v WHERE v.id = g.datastream_id)"""


class Correction(msgspec.Struct, frozen=True):
    """One overruled observation of the lake: the Datastream it has there, when it came, and the version of the correction."""

    id: int
    was_of: int
    received: datetime
    version: int


def corrections(tx: Transaction, most: int) -> list[Correction]:
    """The corrections, the oldest first."""
    return tx.all(
        Correction, "SELECT id, was_of, received, version FROM sensing.corrections ORDER BY version LIMIT %s", [most]
    )


def corrected_rows(tx: Transaction, ids: Sequence[int]) -> str:
    """Those of the corrections that are no removals, as a JSON array for the lake."""
    columns = ", ".join(
        f"{name} AT TIME ZONE 'UTC' AS {name}"
        if kind == "TIMESTAMP"
        else f"{name}::text AS {name}"
        if name in JSON
        else name
        for name, kind in COLUMNS.items()
    )
    return tx.scalar(
        str,
        f"""SELECT COALESCE(json_agg(r)::text, '[]') FROM (SELECT {columns} FROM sensing.corrections
            WHERE id = ANY(%s) AND NOT removed) r""",
        [list(ids)],
    )


def written(tx: Transaction, done: Sequence[Correction]) -> None:
    """The corrections are in the lake; those that were made anew meanwhile stay. Waits for who reads with them."""
    tx.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
    tx.execute(
        """DELETE FROM sensing.corrections c USING unnest(%s::bigint[], %s::bigint[]) n(id, version)
           WHERE c.id = n.id AND c.version = n.version""",
        [[each.id for each in done], [each.version for each in done]],
    )


def gone_streams(tx: Transaction, most: int) -> list[int]:
    """Datastreams that went and have observations in the lake."""
    return tx.values(int, "SELECT datastream_id FROM sensing.gone_streams ORDER BY 1 LIMIT %s", [most])


def forget_gone(tx: Transaction, streams: Sequence[int]) -> None:
    """The lake has nothing more of them."""
    tx.execute("DELETE FROM sensing.gone_streams WHERE datastream_id = ANY(%s)", [list(streams)])


def of_class(tx: Transaction, names: Sequence[str]) -> list[int]:
    """Datastreams whose class of retention is one of these."""
    return tx.values(
        int, "SELECT id FROM sensing.datastreams WHERE properties ->> 'retention' = ANY(%s)", [list(names)]
    )


def expired(tx: Transaction, before: datetime, only: Sequence[int] | None, but: Sequence[int], most: int) -> list[int]:
    """Datastreams, of `only` (None: all) and not of `but`, that by what is known had something received before a moment."""
    return tx.values(
        int,
        """SELECT datastream_id FROM sensing.cold_streams WHERE first_received < %s
           AND (%s::bigint[] IS NULL OR datastream_id = ANY(%s)) AND NOT datastream_id = ANY(%s) ORDER BY 1 LIMIT %s""",
        [before, None if only is None else list(only), [] if only is None else list(only), list(but), most],
    )


def cold_pairs(tx: Transaction, features: Sequence[int]) -> list[tuple[int, int]]:
    """Datastreams with observations in the lake that have one of these features, and the feature."""
    found = tx.connection.execute(
        b"SELECT datastream_id, feature_id FROM sensing.datastream_features WHERE cold AND feature_id = ANY(%s)",
        [list(features)],
    )
    return [(int(row[0]), int(row[1])) for row in found.fetchall()]


def streams_of_corrections(tx: Transaction, ids: Sequence[int]) -> list[int]:
    """The Datastreams that corrections take observations from or give them to."""
    return tx.values(
        int,
        "SELECT datastream_id FROM sensing.corrections WHERE id = ANY(%s) UNION SELECT was_of FROM sensing.corrections WHERE id = ANY(%s)",
        [list(ids), list(ids)],
    )


def overruled(tx: Transaction, streams: Sequence[int]) -> list[int]:
    """Observations of Datastreams in the lake that are overruled."""
    return tx.values(int, "SELECT id FROM sensing.corrections WHERE was_of = ANY(%s)", [list(streams)])


def cold_of_corrections(tx: Transaction, streams: Sequence[int]) -> str:
    """What the corrections of Datastreams come to, as `lake.cold` tells it."""
    last = ", ".join(f"k.{name}::text" if name in JSON else f"k.{name}" for name in LAST)
    return tx.scalar(
        str,
        f"""SELECT COALESCE(json_agg(x)::text, '[]') FROM (
              SELECT c.datastream_id, c.keeper, count(*) AS total, min(c.received) AS first_received,
                min(c.phenomenon_start) AS first_start, max(COALESCE(c.phenomenon_end, c.phenomenon_start)) AS last_end,
                min(c.result_time) AS first_result, max(c.result_time) AS last_result,
                (SELECT row_to_json(l) FROM (SELECT {last} FROM sensing.corrections k
                   WHERE k.datastream_id = c.datastream_id AND NOT k.removed
                   ORDER BY k.phenomenon_start DESC, k.id DESC LIMIT 1) l) AS last
              FROM sensing.corrections c WHERE NOT c.removed AND c.datastream_id = ANY(%s) GROUP BY 1, 2) x""",
        [list(streams)],
    )


def mark_pairs_anew(tx: Transaction, streams: Sequence[int], pairs: Sequence[tuple[int, int]]) -> None:
    """The observations of Datastreams in the lake have these features, and those of their corrections, and no others."""
    tx.execute(
        "UPDATE sensing.datastream_features SET cold = false WHERE cold AND datastream_id = ANY(%s)", [list(streams)]
    )
    more = tx.connection.execute(
        b"SELECT DISTINCT datastream_id, feature_id FROM sensing.corrections WHERE NOT removed AND datastream_id = ANY(%s)",
        [list(streams)],
    )
    mark_pairs(tx, [*pairs, *((int(row[0]), int(row[1])) for row in more.fetchall())])


class Spot(msgspec.Struct, frozen=True):
    """Of which Datastream an Observation is, and whose."""

    stream: int
    keeper: str


def hot(tx: Transaction, id: int) -> Spot | None:
    """An Observation that is not in the lake."""
    return tx.first(
        Spot,
        """SELECT datastream_id AS stream, keeper FROM sensing.observations
           WHERE id = %s AND received >= (SELECT cold_until FROM sensing.history)""",
        [id],
    )


def corrected(tx: Transaction, id: int) -> Spot | None:
    """An Observation of the lake that was changed, and not removed, since it was written there."""
    return tx.first(
        Spot, "SELECT datastream_id AS stream, keeper FROM sensing.corrections WHERE id = %s AND NOT removed", [id]
    )


def remove_of_feature(tx: Transaction, feature: int) -> None:
    """Corrections that have a feature are removals from now on."""
    tx.execute(
        """UPDATE sensing.corrections SET removed = true, version = nextval('sensing.correction_versions')
           WHERE feature_id = %s AND NOT removed""",
        [feature],
    )
