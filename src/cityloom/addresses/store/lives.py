"""SQL of one address: its way, its spans, what it became and what became it; and of searching."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import msgspec

from cityloom.kernel.db import Transaction

MOST_STEPS: Final = 60
MOST_RELATIVES: Final = 500


class TextRow(msgspec.Struct, frozen=True, gc=False):
    """How an address is written."""

    code: str
    level: int
    full_text: str


class EntryRow(msgspec.Struct, frozen=True):
    """A standard address with all that its keeper says of it."""

    code: str
    parent: str
    level: int
    said: str
    full_text: str
    division: str
    since: date
    until: date | None
    replaced_by: list[str]
    longitude: float | None
    latitude: float | None


class SpanRow(msgspec.Struct, frozen=True):
    """Where an address lay."""

    address: str
    place: str
    since: date
    until: date | None
    name: str


class RelativeRow(msgspec.Struct, frozen=True):
    """An address that another leads to, or comes from."""

    code: str
    full_text: str
    since: date
    until: date | None
    replaced_by: list[str]
    steps: int


class FoundRow(msgspec.Struct, frozen=True):
    """One line of a search."""

    code: str
    level: int
    full_text: str
    division: str
    until: date | None
    goes_on: bool


def texts(tx: Transaction, codes: Iterable[str]) -> dict[str, TextRow]:
    """How these addresses are written."""
    rows = tx.all(TextRow, "SELECT code, level, full_text FROM addresses.entry WHERE code = ANY(%s)", [sorted(codes)])
    return {row.code: row for row in rows}


COLUMNS = "code, parent, level, said, full_text, division, since, until, replaced_by, longitude, latitude"


def way(tx: Transaction, code: str) -> list[EntryRow]:
    """The address and what it lies in, from the widest on; empty when there is none of this code."""
    return tx.all(
        EntryRow,
        f"""WITH RECURSIVE f AS (
              SELECT {COLUMNS}, 0 AS depth FROM addresses.entry WHERE code = %s
              UNION ALL
              SELECT {", ".join("e." + name for name in COLUMNS.split(", "))}, f.depth + 1
              FROM f JOIN addresses.entry e ON e.code = f.parent WHERE f.parent <> '' AND f.depth < {MOST_STEPS})
            SELECT {COLUMNS} FROM f ORDER BY depth DESC""",
        [code],
    )


def divisions(tx: Transaction, codes: Sequence[str]) -> list[SpanRow]:
    """The divisions in which these addresses lay."""
    return tx.all(
        SpanRow,
        """SELECT address, division AS place, since, until, '' AS name FROM addresses.span WHERE address = ANY(%s)
           ORDER BY since""",
        [list(codes)],
    )


def cells(tx: Transaction, codes: Sequence[str]) -> list[SpanRow]:
    """The cells of the grid in which these addresses lay."""
    return tx.all(
        SpanRow,
        """SELECT s.address, s.cell AS place, s.since, s.until, coalesce(c.name, '') AS name
           FROM addresses.cell_span s LEFT JOIN addresses.cell c ON c.code = s.cell
           WHERE s.address = ANY(%s) ORDER BY s.since""",
        [list(codes)],
    )


def successors(tx: Transaction, code: str) -> list[RelativeRow]:
    """What an address became, by however many changes, without itself."""
    return _relatives(tx, code, "h.new_code", "h.old_code")


def predecessors(tx: Transaction, code: str) -> list[RelativeRow]:
    """What became this address, by however many changes, without itself."""
    return _relatives(tx, code, "h.old_code", "h.new_code")


def _relatives(tx: Transaction, code: str, there: str, here: str) -> list[RelativeRow]:
    return tx.all(
        RelativeRow,
        f"""WITH RECURSIVE f AS (
              SELECT %(code)s::text COLLATE "C" AS code, 0 AS steps
              UNION
              SELECT {there}, f.steps + 1 FROM f JOIN addresses.heir h ON {here} = f.code WHERE f.steps < {MOST_STEPS})
            SELECT e.code, e.full_text, e.since, e.until, e.replaced_by, min(f.steps) AS steps
            FROM f JOIN addresses.entry e ON e.code = f.code WHERE f.code <> %(code)s
            GROUP BY e.code ORDER BY steps, e.code LIMIT {MOST_RELATIVES}""",
        {"code": code},
    )


FOUND = "e.code, e.level, e.full_text, e.division, e.until, e.below <> 0 AS goes_on"


def within(
    tx: Transaction, parent: str, first: str, division: str, after: str, limit: int
) -> list[FoundRow]:  # fmt: skip
    """What lies directly in an address and has a name that begins so, by code."""
    return tx.all(
        FoundRow,
        f"""SELECT {FOUND} FROM addresses.entry e
            WHERE e.parent = %s AND e.parent <> '' AND starts_with(e.name, %s) AND starts_with(e.division, %s) AND e.code > %s
            ORDER BY e.code LIMIT %s""",
        [parent, first, division, after, limit],
    )


def coded(tx: Transaction, first: str, division: str, after: str, limit: int) -> list[FoundRow]:
    """Addresses whose code begins so, by code."""
    return tx.all(
        FoundRow,
        f"""SELECT {FOUND} FROM addresses.entry e
            WHERE e.code >= %s AND e.code < %s AND e.code > %s AND starts_with(e.division, %s) ORDER BY e.code LIMIT %s""",
        [first, first + ":", after, division, limit],
    )


def named(tx: Transaction, part: str, division: str, after: str, limit: int) -> list[FoundRow]:
    """Roads, estates, communities and groups whose name contains this, by code."""
    return tx.all(
        FoundRow,
        f"""SELECT {FOUND}
            FROM (SELECT level, name FROM addresses.name WHERE strpos(name, %(part)s) > 0
                  ORDER BY length(name), level, name LIMIT 2000) n
            JOIN addresses.entry e ON e.level = n.level AND e.name = n.name AND (e.level IN (5, 6, 7, 9) OR e.parent = '')
            WHERE e.division >= %(division)s AND e.division < %(division)s || ':' AND e.code > %(after)s
            ORDER BY e.code LIMIT %(limit)s""",
        {"part": part, "division": division, "after": after, "limit": limit},
    )
