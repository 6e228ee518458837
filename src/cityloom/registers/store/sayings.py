"""SQL of what records of one identifier say of who has it."""

from collections.abc import Iterable, Sequence

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.registers.contracts import Change, Saying
from cityloom.registers.store.linkage import Column, whens


class SayingRow(msgspec.Struct, frozen=True):
    """One standing record; its values as a JSON list."""

    identifier: str
    entity: int
    feed: int
    key: str
    said: str


def differing(tx: Transaction, columns: Sequence[Column], changes: Iterable[Change]) -> list[Saying]:
    """What stands of the identifiers of these changes, of those alone on which somebody says something else."""
    asked = {
        (each.identifier, *each.identity) for each in changes if each.identifier is not None and any(each.identity)
    }
    if not asked or not columns:
        return []
    places = range(len(columns[0].fields))
    values = ", ".join(f"CASE c.feed {whens(columns, place)} END AS v{place}" for place in places)
    differ = " OR ".join(f"s.v{place} <> a.asked ->> {place + 1}" for place in places)
    rows = tx.all(
        SayingRow,
        f"""WITH asked AS MATERIALIZED (SELECT e AS asked, e ->> 0 AS identifier FROM jsonb_array_elements(%s::jsonb) AS t (e)),
             said AS MATERIALIZED (
               SELECT c.identifier, c.entity, c.feed, c.key, {values}
               FROM (SELECT DISTINCT identifier FROM asked) a JOIN registers.claim c ON c.identifier = a.identifier
               WHERE c.closed = 0)
            SELECT identifier, entity, feed, key, json_build_array({", ".join(f"v{place}" for place in places)})::text AS said
            FROM said WHERE identifier IN (
              SELECT a.identifier FROM said s JOIN asked a ON a.identifier = s.identifier WHERE {differ})
            ORDER BY identifier, entity, feed, key""",
        [msgspec.json.encode(sorted(asked, key=str)).decode()],
    )
    return [
        Saying(
            row.identifier, row.entity, row.feed, row.key, msgspec.json.decode(row.said, type=tuple[str | None, ...])
        )
        for row in rows
    ]
