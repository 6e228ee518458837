"""SQL of the feeds: how far each dataset of the library was followed, and what is written of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from cityloom.addresses.contracts import NewCell, NewChange, NewEntry, NewSpan
from cityloom.kernel.db import Transaction

COLUMNS = "part, dataset, sequence, snapshot, generation, followed_at"
NAMED: Final = (5, 6, 7, 9)
"""Levels by whose names an address is looked up: community, group, road, estate."""


class FeedRow(msgspec.Struct, frozen=True):
    """One row of addresses.feed."""

    part: str
    dataset: str
    sequence: int
    snapshot: int | None
    generation: int
    followed_at: datetime | None


def known(tx: Transaction) -> list[FeedRow]:
    """All feeds."""
    return tx.all(FeedRow, f"SELECT {COLUMNS} FROM addresses.feed ORDER BY part")


def add(tx: Transaction, part: str, dataset: str) -> None:
    """Begin to follow a dataset for a part; another one than before is taken in from its beginning."""
    tx.execute(
        """INSERT INTO addresses.feed (part, dataset, snapshot) VALUES (%s, %s, 0)
           ON CONFLICT (part) DO UPDATE SET dataset = excluded.dataset, sequence = 0, snapshot = 0, followed_at = NULL
           WHERE feed.dataset <> excluded.dataset""",
        [part, dataset],
    )


def lock(tx: Transaction, part: str) -> None:
    """Nobody else writes this part until the transaction ends."""
    tx.execute("SELECT FROM addresses.feed WHERE part = %s FOR UPDATE", [part])


def follow(tx: Transaction, part: str, sequence: int, now: datetime) -> None:
    """Every change up to here has been taken in."""
    tx.execute(
        "UPDATE addresses.feed SET sequence = %s, snapshot = NULL, followed_at = %s WHERE part = %s",
        [sequence, now, part],
    )


def begin_snapshot(tx: Transaction, part: str, sequence: int) -> int:
    """Take the current state in; the generation that marks what is in it."""
    return tx.scalar(
        int,
        "UPDATE addresses.feed SET snapshot = %s, generation = generation + 1 WHERE part = %s RETURNING generation",
        [sequence, part],
    )


TABLES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "addresses": ("addresses.entry", ("code",)),
    "divisions": ("addresses.span", ("address", "since")),
    "changes": ("addresses.division_change", ("old_code", "new_code", "changed_on")),
    "cells": ("addresses.cell", ("code",)),
    "cell_spans": ("addresses.cell_span", ("address", "since")),
}
"""Table of each part, and its key."""


def end_snapshot(tx: Transaction, part: str, generation: int) -> int:
    """Remove what is of an older generation; how many rows."""
    if part == "addresses":
        gone = tx.values(str, "SELECT code FROM addresses.entry WHERE generation < %s", [generation])
        _remove_entries(tx, gone)
        return len(gone)
    return tx.execute(f"DELETE FROM {TABLES[part][0]} WHERE generation < %s", [generation])


def remove(tx: Transaction, part: str, keys: Sequence[Sequence[Any]]) -> None:
    """Rows that are there no more, by their key as `TABLES` has it."""
    if not keys:
        return
    if part == "addresses":
        _remove_entries(tx, [key[0] for key in keys])
        return
    table, names = TABLES[part]
    values = ", ".join(
        f"(e ->> {place})::{'date' if name in ('since', 'changed_on') else 'text'}" for place, name in enumerate(names)
    )
    tx.execute(
        f"DELETE FROM {table} WHERE ({', '.join(names)}) IN (SELECT {values} FROM json_array_elements(%s::json) AS t (e))",
        [_json(keys)],
    )


def _remove_entries(tx: Transaction, codes: Sequence[str]) -> None:
    if not codes:
        return
    parents = tx.values(str, "SELECT DISTINCT parent FROM addresses.entry WHERE code = ANY(%s)", [list(codes)])
    tx.execute("DELETE FROM addresses.heir WHERE old_code = ANY(%s)", [list(codes)])
    tx.execute("DELETE FROM addresses.entry WHERE code = ANY(%s)", [list(codes)])
    _recount_below(tx, parents)


def write_entries(tx: Transaction, entries: Sequence[NewEntry], generation: int) -> None:
    """New and changed addresses, each code once."""
    if not entries:
        return
    codes = [entry.code for entry in entries]
    before = tx.values(str, "SELECT DISTINCT parent FROM addresses.entry WHERE code = ANY(%s)", [codes])
    tx.execute(
        """INSERT INTO addresses.entry AS x (code, parent, level, name, division, since, until, replaced_by, said, full_text,
             longitude, latitude, generation)
           SELECT e ->> 0, e ->> 1, (e ->> 2)::smallint, e ->> 3, e ->> 4, (e ->> 5)::date, (e ->> 6)::date,
             ARRAY(SELECT json_array_elements_text(e -> 7)), e ->> 8, e ->> 9, (e ->> 10)::float8, (e ->> 11)::float8, %s
           FROM json_array_elements(%s::json) AS t (e)
           ON CONFLICT (code) DO UPDATE SET parent = excluded.parent, level = excluded.level, name = excluded.name,
             division = excluded.division, since = excluded.since, until = excluded.until,
             replaced_by = excluded.replaced_by, said = excluded.said, full_text = excluded.full_text,
             longitude = excluded.longitude, latitude = excluded.latitude, generation = excluded.generation""",
        [generation, _json([msgspec.structs.astuple(entry) for entry in entries])],
    )
    _write_names(tx, entries)
    _write_heirs(tx, entries)
    _recount_below(tx, [*before, *codes, *(entry.parent for entry in entries)])


def _write_names(tx: Transaction, entries: Sequence[NewEntry]) -> None:
    names = sorted({(entry.level, entry.name) for entry in entries if entry.level in NAMED})
    tx.execute(
        """INSERT INTO addresses.name (level, name)
           SELECT (e ->> 0)::smallint, e ->> 1 FROM json_array_elements(%s::json) AS t (e)
           WHERE NOT EXISTS (SELECT FROM addresses.name n WHERE n.level = (e ->> 0)::smallint AND n.name = e ->> 1)
           ON CONFLICT DO NOTHING""",
        [_json(names)],
    )


def _write_heirs(tx: Transaction, entries: Sequence[NewEntry]) -> None:
    tx.execute("DELETE FROM addresses.heir WHERE old_code = ANY(%s)", [[entry.code for entry in entries]])
    rows = sorted({(heir, entry.code) for entry in entries for heir in entry.replaced_by})
    if rows:
        tx.execute(
            """INSERT INTO addresses.heir (new_code, old_code)
               SELECT e ->> 0, e ->> 1 FROM json_array_elements(%s::json) AS t (e)""",
            [_json(rows)],
        )


def _recount_below(tx: Transaction, codes: Sequence[str]) -> None:
    """At which levels something lies directly in these."""
    wanted = sorted({code for code in codes if code})
    if wanted:
        tx.execute(
            """UPDATE addresses.entry p SET below = n.below
               FROM (SELECT w.code, coalesce((SELECT bit_or(1 << c.level) FROM addresses.entry c
                                              WHERE c.parent = w.code AND c.parent <> ''), 0) AS below
                     FROM unnest(%s::text[]) AS w (code)) n
               WHERE p.code = n.code AND p.below <> n.below""",
            [wanted],
        )


def write_spans(tx: Transaction, part: str, spans: Sequence[NewSpan], generation: int) -> None:
    """Where addresses lay: divisions, or cells of the grid."""
    table, place = ("addresses.span", "division") if part == "divisions" else ("addresses.cell_span", "cell")
    tx.execute(
        f"""INSERT INTO {table} (address, since, until, {place}, generation)
            SELECT e ->> 0, (e ->> 1)::date, (e ->> 2)::date, e ->> 3, %s FROM json_array_elements(%s::json) AS t (e)
            ON CONFLICT (address, since) DO UPDATE SET until = excluded.until, {place} = excluded.{place},
              generation = excluded.generation""",
        [generation, _json([msgspec.structs.astuple(span) for span in spans])],
    )


def write_cells(tx: Transaction, cells: Sequence[NewCell], generation: int) -> None:
    """Cells of the grid."""
    tx.execute(
        """INSERT INTO addresses.cell (code, division, name, since, until, generation)
           SELECT e ->> 0, e ->> 1, e ->> 2, (e ->> 3)::date, (e ->> 4)::date, %s
           FROM json_array_elements(%s::json) AS t (e)
           ON CONFLICT (code) DO UPDATE SET division = excluded.division, name = excluded.name, since = excluded.since,
             until = excluded.until, generation = excluded.generation""",
        [generation, _json([msgspec.structs.astuple(cell) for cell in cells])],
    )


def write_changes(tx: Transaction, changes: Sequence[NewChange], generation: int) -> None:
    """Changes of divisions."""
    tx.execute(
        """INSERT INTO addresses.division_change (old_code, new_code, changed_on, kind, old_name, new_name, approval,
             generation)
           SELECT e ->> 0, e ->> 1, (e ->> 2)::date, e ->> 3, e ->> 4, e ->> 5, e ->> 6, %s
           FROM json_array_elements(%s::json) AS t (e)
           ON CONFLICT (old_code, new_code, changed_on) DO UPDATE SET kind = excluded.kind,
             old_name = excluded.old_name, new_name = excluded.new_name, approval = excluded.approval,
             generation = excluded.generation""",
        [generation, _json([msgspec.structs.astuple(change) for change in changes])],
    )


def forget_names(tx: Transaction) -> int:
    """Names that no address has any more; how many."""
    gone = tx.execute(
        """DELETE FROM addresses.name n
           WHERE NOT EXISTS (SELECT FROM addresses.entry e
                             WHERE e.level = n.level AND e.name = n.name AND e.level IN (5, 6, 7, 9))"""
    )
    if gone:
        tx.execute("UPDATE addresses.feed SET forgotten = forgotten + 1 WHERE part = 'addresses'")
    return gone


def _json(value: Any) -> str:
    """As JSON: arrays of texts cost the client several times as much."""
    return msgspec.json.encode(value).decode()
