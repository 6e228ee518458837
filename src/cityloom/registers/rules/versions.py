"""From change rows to claims: which end, which begin, and to which entity each belongs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from cityloom.exchange.contracts import plain, record_key
from cityloom.registers.contracts import ALONE, IDENTIFIER, Change, Known, NewClaim, Plan
from cityloom.registers.spec import Feed

ERASURE = "erasure"
"""Cause of the change row of an erased record (docs/concepts/retention.md)."""
_encoder = msgspec.json.Encoder()


def changes(register: str, feed: Feed, key: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Change rows as the exchange gives them."""
    return [
        _change(register, feed, key, row, row["_sequence"], row["_at"], row["_as_of"], row["_delivery"] or "", row["_op"] == "delete",
                row["_cause"] == ERASURE)
        for row in rows
    ]  # fmt: skip


def snapshot(
    register: str, feed: Feed, key: Sequence[str], rows: Iterable[Mapping[str, Any]], sequence: int, at: datetime
) -> list[Change]:
    """Records of the current state, known as of the change row with this sequence."""
    return [_change(register, feed, key, row, sequence, at, None, "", False, False) for row in rows]


def _change(
    register: str, feed: Feed, key: Sequence[str], row: Mapping[str, Any], sequence: int, at: datetime, as_of: date | None,
    delivery: str, gone: bool, erased: bool,
) -> Change:  # fmt: skip
    name = record_key(key, row)
    if gone:
        return Change(name, sequence, at, as_of, delivery, None, (), None, erased)
    record = {field: value for field, value in row.items() if not field.startswith("_")}
    links = tuple(
        f"{link}:{identifier_of(to.register, to.identifier, plain(row[to.field]))}"
        for link, to in feed.links.items()
        if row[to.field] not in (None, "")
    )
    value = row[feed.by] if feed.by else None
    identifier = None if value in (None, "") else identifier_of(register, feed.identifier or "", plain(value))
    return Change(name, sequence, at, as_of, delivery, identifier, links, _encoder.encode(record).decode())


def identifier_of(register: str, kind: str, value: str) -> str:
    """An identifier as claims have it: two registers may have kinds of one name."""
    return f"{register}:{kind}:{value}"


def plan(
    page: Sequence[Change], known: Mapping[str, Known], entities: Mapping[str, int], shared: frozenset[str]
) -> Plan:
    """What to write for changes in order.

    `known` has the last claim of each key, `entities` the entity of each identifier that somebody has or had, `shared`
    the identifiers that more than one standing record has.

    A record stays with its entity as long as its identifier does, so that what a steward or the linkage decided
    stands. With another identifier it goes to whoever has that; an entity that nobody else vouches for keeps the record
    whose number was corrected.
    """
    found, fresh = dict(entities), 0
    ending: dict[int, datetime] = {}
    beginning: list[NewClaim] = []
    last: dict[str, NewClaim | Known] = dict(known)
    standing = {claim.key: claim.id for claim in known.values() if claim.standing}
    begun: dict[str, int] = {}
    for change in page:
        if change.key in begun:
            place = begun.pop(change.key)
            beginning[place] = msgspec.structs.replace(beginning[place], until=change.at)
        elif change.key in standing:
            ending[standing.pop(change.key)] = change.at
        if change.record is None:
            if change.erased:
                last.pop(change.key, None)
            continue
        entity, how, decision = _place(change, last.get(change.key), found, shared)
        if entity is None:
            fresh += 1
            entity = -fresh
        if change.identifier is not None:
            found[change.identifier] = entity
        begun[change.key] = len(beginning)
        beginning.append(NewClaim(entity, how, decision, change, None))
        last[change.key] = beginning[-1]
    erased = tuple(dict.fromkeys(change.key for change in page if change.erased))
    return Plan(tuple(ending.items()), tuple(beginning), fresh, erased)


def _place(
    change: Change, before: NewClaim | Known | None, found: Mapping[str, int], shared: frozenset[str]
) -> tuple[int | None, int, int | None]:
    """The entity of a record (None: a new one), why, and by which decision."""
    identifier = before.change.identifier if isinstance(before, NewClaim) else before.identifier if before else None
    if before is not None and identifier == change.identifier:
        return before.entity, before.how, before.decision
    if change.identifier is not None and change.identifier in found:
        return found[change.identifier], IDENTIFIER, None
    how = ALONE if change.identifier is None else IDENTIFIER
    if before is not None and identifier not in shared:
        return before.entity, how, None
    return None, how, None


def pages(rows: Iterable[Sequence[Mapping[str, Any]]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    """Batches gathered to pages of `size` rows; the last one may be smaller."""
    page: list[Mapping[str, Any]] = []
    for batch in rows:
        page += batch
        while len(page) >= size:
            yield page[:size]
            page = page[size:]
    if page:
        yield page
