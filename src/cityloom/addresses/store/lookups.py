"""SQL of matching: what is wanted for a group of texts, a statement for each kind."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from cityloom.addresses.contracts import Named, Row, Wants
from cityloom.kernel.db import Transaction

MOST_BASES: Final = 500
"""Entries of one name that are looked at in one division."""
MOST_SIBLINGS: Final = 400
DEEPEST: Final = 12
MOST_STEPS: Final = 60
"""Changes of one address that are followed in a row."""

FIELDS = "e.code, e.parent, e.level, e.name, e.division, e.since, e.until, e.replaced_by, e.below"
FORMER = "ARRAY(SELECT s.division FROM addresses.span s WHERE s.address = f.code ORDER BY s.since) AS former"
ROW = f"f.code, f.parent, f.level, f.name, f.division, f.since, f.until, f.replaced_by, f.below, {FORMER}"


class _NamedRow(msgspec.Struct, frozen=True, gc=False):
    place: int
    code: str


class Revision(msgspec.Struct, frozen=True):
    """By which a process sees whether what it keeps in memory is still so."""

    names: int
    """Number of the newest name."""
    forgotten: int
    """How often names were forgotten that no address has any more."""
    changes: int
    """How far the changes of divisions were followed."""
    generation: int


class NameRow(msgspec.Struct, frozen=True, gc=False):
    """A name of a named level."""

    level: int
    name: str


class ChangeRow(msgspec.Struct, frozen=True):
    """A change of divisions."""

    changed_on: date
    kind: str
    old_code: str
    old_name: str
    new_code: str
    new_name: str
    approval: str


def revision(tx: Transaction) -> Revision:
    """The newest name, and how far the changes of divisions go."""
    return tx.one(
        Revision,
        """SELECT coalesce((SELECT max(number) FROM addresses.name), 0)::bigint AS names,
             coalesce((SELECT forgotten FROM addresses.feed WHERE part = 'addresses'), 0) AS forgotten,
             coalesce((SELECT sequence FROM addresses.feed WHERE part = 'changes'), 0) AS changes,
             coalesce((SELECT generation FROM addresses.feed WHERE part = 'changes'), 0) AS generation""",
    )


def names(tx: Transaction, after: int, upto: int) -> list[NameRow]:
    """Names by their number."""
    return tx.all(
        NameRow, "SELECT level, name FROM addresses.name WHERE number > %s AND number <= %s", [after, upto]
    )  # fmt: skip


def changes(tx: Transaction) -> list[ChangeRow]:
    """All changes of divisions."""
    return tx.all(
        ChangeRow,
        """SELECT changed_on, kind, old_code, old_name, new_code, new_name, approval FROM addresses.division_change
           ORDER BY changed_on, old_code, new_code""",
    )


class Fetched(msgspec.Struct, frozen=True):
    """What was wanted. `rows` come with all that they lie in."""

    rows: list[Row]
    named: Mapping[Named, list[str]]
    reached: Mapping[str, set[str]]
    """Code → names that were looked for in it."""


def fetch(tx: Transaction, wants: Wants) -> Fetched:
    """Answer all that is wanted."""
    rows: list[Row] = []
    named = _named(tx, sorted(wants.named), rows) if wants.named else {}
    if wants.every:
        rows += _every(tx, sorted(wants.every))
    if wants.heirs:
        rows += _heirs(tx, sorted(wants.heirs))
    reached = _doors(tx, wants.doors, rows) if wants.doors else {}
    return Fetched(rows, named, reached)


def _named(tx: Transaction, wanted: Sequence[Named], rows: list[Row]) -> dict[Named, list[str]]:
    """Entries of these names that lie in their division or contain it."""
    asked = [
        (place, level, name, division, division + ":", [division[:length] for length in (4, 6, 9) if length < len(division)])
        for place, (level, name, division) in enumerate(wanted)
    ]  # fmt: skip
    found = tx.all(
        _NamedRow,
        """SELECT w.place, x.code
           FROM (SELECT (t.e ->> 0)::int AS place, (t.e ->> 1)::smallint AS level, t.e ->> 2 AS name, t.e ->> 3 AS first,
                   t.e ->> 4 AS last, ARRAY(SELECT json_array_elements_text(t.e -> 5)) AS wide
                 FROM json_array_elements(%s::json) AS t (e)) w,
             LATERAL (
               SELECT c.code FROM addresses.entry c
               WHERE c.level = w.level AND c.name = w.name AND (c.level IN (5, 6, 7, 9) OR c.parent = '')
                 AND ((c.division >= w.first AND c.division < w.last) OR c.division = ANY(w.wide))
               ORDER BY c.division LIMIT %s) x""",
        [_json(asked), MOST_BASES],
    )
    rows += with_above(tx, {row.code for row in found})
    named: dict[Named, list[str]] = {key: [] for key in wanted}
    for row in found:
        named[wanted[row.place]].append(row.code)
    return named


def with_above(tx: Transaction, codes: Iterable[str]) -> list[Row]:
    """Entries by code, with all that they lie in."""
    return tx.all(
        Row,
        f"""WITH RECURSIVE f AS (
              SELECT {FIELDS} FROM addresses.entry e WHERE e.code = ANY(%s)
              UNION SELECT {FIELDS} FROM f JOIN addresses.entry e ON e.code = f.parent WHERE f.parent <> '')
            SELECT {ROW} FROM f""",
        [sorted(codes)],
    )


def _every(tx: Transaction, wanted: Sequence[tuple[str, int]]) -> list[Row]:
    """What lies directly in these at a level, up to a number."""
    return tx.all(
        Row,
        f"""SELECT {ROW}
            FROM (SELECT t.e ->> 0 AS parent, (t.e ->> 1)::smallint AS level FROM json_array_elements(%s::json) AS t (e)) w,
              LATERAL (SELECT {FIELDS} FROM addresses.entry e
                       WHERE e.parent = w.parent AND e.parent <> '' AND e.level = w.level ORDER BY e.name LIMIT %s) f""",
        [_json(wanted), MOST_SIBLINGS],
    )


def _doors(tx: Transaction, wanted: Mapping[str, set[str]], rows: list[Row]) -> dict[str, set[str]]:
    """What lies in these under some names, and in that under the same names."""
    asked = sorted((code, sorted(names)) for code, names in wanted.items())

    found = tx.all(
        _DoorRow,
        f"""WITH RECURSIVE w AS (
              SELECT (row_number() OVER ())::int AS place, t.e ->> 0 AS code,
                ARRAY(SELECT json_array_elements_text(t.e -> 1)) AS names
              FROM json_array_elements(%s::json) AS t (e)),
            f AS (
              SELECT w.place, 1 AS depth, {FIELDS} FROM w JOIN addresses.entry e
                ON e.parent = w.code AND e.parent <> '' AND e.name = ANY(w.names)
              UNION ALL
              SELECT f.place, f.depth + 1, {FIELDS} FROM f JOIN w ON w.place = f.place JOIN addresses.entry e
                ON e.parent = f.code AND e.parent <> '' AND e.name = ANY(w.names) WHERE f.depth < {DEEPEST})
            SELECT f.place, f.depth, {ROW} FROM f""",
        [_json(asked)],
    )
    reached: dict[str, set[str]] = {code: set(names) for code, names in asked}
    for row in found:
        if row.depth < DEEPEST:
            reached.setdefault(row.code, set()).update(asked[row.place - 1][1])
        rows.append(
            Row(
                row.code, row.parent, row.level, row.name, row.division, row.since, row.until, row.replaced_by, row.below,
                row.former,
            )
        )  # fmt: skip
    return reached


class _DoorRow(Row, frozen=True, gc=False, kw_only=True):
    place: int
    depth: int


def _heirs(tx: Transaction, codes: Sequence[str]) -> list[Row]:
    """Entries by code with all that they lead to by their changes, and what those lie in."""
    found = tx.values(
        str,
        """WITH RECURSIVE f AS (
             SELECT code COLLATE "C" AS code, 0 AS steps FROM unnest(%s::text[]) AS t (code)
             UNION SELECT h.new_code, f.steps + 1 FROM f JOIN addresses.heir h ON h.old_code = f.code WHERE f.steps < %s)
           SELECT DISTINCT code FROM f""",
        [list(codes), MOST_STEPS],
    )
    return with_above(tx, found)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
