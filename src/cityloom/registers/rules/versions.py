"""From change rows to claims: which end, which begin, and to which entity each belongs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from cityloom.exchange.contracts import plain, record_key
from cityloom.registers.contracts import ALONE, APART, IDENTIFIER, Change, Changing, Known, NewClaim, Plan
from cityloom.registers.rules.identity import Company, identifier_before
from cityloom.registers.spec import Evidence, Feed

ERASURE = "erasure"
"""Cause of the change row of an erased record (docs/concepts/retention.md)."""
_encoder = msgspec.json.Encoder()


def changes(
    register: str, feed: Feed, key: Sequence[str], identity: Sequence[Evidence], rows: Iterable[Mapping[str, Any]]
) -> list[Change]:
    """Change rows as the exchange gives them."""
    named = identity_fields(feed, identity)
    return [
        _change(register, feed, key, named, row, row["_sequence"], row["_at"], row["_as_of"], row["_delivery"] or "",
                row["_op"] == "delete", row["_cause"] == ERASURE)
        for row in rows
    ]  # fmt: skip


def snapshot(
    register: str, feed: Feed, key: Sequence[str], identity: Sequence[Evidence], rows: Iterable[Mapping[str, Any]],
    sequence: int, at: datetime,
) -> list[Change]:  # fmt: skip
    """Records of the current state, known as of the change row with this sequence."""
    named = identity_fields(feed, identity)
    return [_change(register, feed, key, named, row, sequence, at, None, "", False, False) for row in rows]


def identity_fields(feed: Feed, identity: Sequence[Evidence]) -> tuple[str | None, ...]:
    """Under which name of its dataset a feed has each of these, if it has it."""
    return tuple(feed.fields.get(each.field) for each in identity)


def _change(
    register: str, feed: Feed, key: Sequence[str], named: Sequence[str | None], row: Mapping[str, Any], sequence: int,
    at: datetime, as_of: date | None, delivery: str, gone: bool, erased: bool,
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
    said = () if identifier is None else tuple(_said(row, field) for field in named)
    text = _encoder.encode(record).decode()
    return Change(name, sequence, at, as_of, delivery, identifier, links, text, identity=said)


def _said(row: Mapping[str, Any], field: str | None) -> str | None:
    value = row[field] if field else None
    return None if value in (None, "") else plain(value)


def identifier_of(register: str, kind: str, value: str) -> str:
    """An identifier as claims have it: two registers may have kinds of one name."""
    return f"{register}:{kind}:{value}"


def plan(
    page: Sequence[Change], known: Mapping[str, Known], entities: Mapping[str, int], shared: frozenset[str],
    company: Company | None = None,
) -> Plan:  # fmt: skip
    """What to write for changes in order.

    `known` has the last claim of each key, `entities` the entity of each identifier that somebody has or had, `shared`
    the identifiers that more than one standing record has, `company` what others with the same identifiers say.

    A record stays with its entity as long as its identifier does, so that what a steward or the linkage decided
    stands. With another identifier it goes to whoever has that; an entity that nobody else vouches for keeps the record
    whose number was corrected. A record that does not fit who has its identifier is kept apart from that one.
    """
    places = _Places(dict(entities), shared, company or Company((), 0, ()))
    ended: dict[str, datetime] = {}
    past: list[NewClaim] = []
    standing: dict[str, NewClaim] = {}
    last: dict[str, NewClaim | Known] = dict(known)
    for change in page:
        if change.key in standing:
            past.append(msgspec.structs.replace(standing.pop(change.key), until=change.at))
        else:
            ended.setdefault(change.key, change.at)
        if change.record is None:
            places.leave(change)
            if change.erased:
                last.pop(change.key, None)
            continue
        entity, how, decision = places.find(change, last.get(change.key))
        last[change.key] = standing[change.key] = NewClaim(entity, how, decision, change, None)
    stood = {claim.key: claim.id for claim in known.values() if claim.standing}
    return Plan(
        tuple((id, ended[key]) for key, id in stood.items() if key in ended and key not in standing),
        tuple(Changing(stood[key], ended[key], claim) for key, claim in standing.items() if key in stood),
        (*past, *(claim for key, claim in standing.items() if key not in stood)),
        places.fresh,
        tuple(dict.fromkeys(change.key for change in page if change.erased)),
        tuple(places.doubts),
    )


class _Places:
    """To whom the records of a page go, as it goes on."""

    def __init__(self, found: dict[str, int], shared: frozenset[str], company: Company) -> None:
        self._found = found
        self._shared = shared
        self._company = company
        self.fresh = 0
        self.doubts: list[tuple[int, int]] = []

    def leave(self, change: Change) -> None:
        """The record is no more."""
        self._company.leave(change.key)

    def find(self, change: Change, before: NewClaim | Known | None) -> tuple[int, int, int | None]:
        """The entity (a new one is negative), why, and by which decision."""
        self._company.leave(change.key)
        entity, how, decision = _place(change, before, self._found, self._shared)
        holder = self._found.get(change.identifier or "")
        if holder is not None:
            entity, how, decision = self._company.place(change, before, (entity, how, decision), holder)
        if entity is None:
            self.fresh += 1
            entity = -self.fresh
            if how == APART and holder is not None:
                self.doubts.append((holder, entity))
        if change.identifier is not None and how != APART:
            self._found[change.identifier] = entity
        self._company.enter(change, entity)
        return entity, how, decision


def _place(
    change: Change, before: NewClaim | Known | None, found: Mapping[str, int], shared: frozenset[str]
) -> tuple[int | None, int, int | None]:
    """The entity of a record (None: a new one), why, and by which decision."""
    identifier = identifier_before(before)
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
