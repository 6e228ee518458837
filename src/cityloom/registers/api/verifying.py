"""Source records about persons, for a floor above that judges what they say: each as its reader's grant lets it be seen.

The floor above names people by their verified identifiers, and a grant for each dataset (or none: its reader keeps it).
Nothing of a record leaves here that the grant does not give; who was looked at is kept as a reading, with the uses.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import DatasetFacts, key_parts
from cityloom.kernel import jobs
from cityloom.kernel.audit.entry import Entry
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import Transaction
from cityloom.kernel.packs import Packs
from cityloom.registers import spec
from cityloom.registers.api import reading
from cityloom.registers.rules import ids
from cityloom.registers.rules.versions import identifier_of
from cityloom.registers.store import claims as store
from cityloom.registers.store import feeds as feed_store
from cityloom.registers.store.claims import ClaimRow, NewReading
from cityloom.sharing.api.sights import Granted, Reader, Sights


class Subject(msgspec.Struct, frozen=True):
    """Somebody, by a verified identifier."""

    register: str
    kind: str
    value: str


class Person(msgspec.Struct, frozen=True):
    """The entity that a subject is; `numbers` are all identifiers of the subject's kind that its records have."""

    entity: int
    id: str
    numbers: tuple[str, ...]


class Wanted(msgspec.Struct, frozen=True):
    """Records of a dataset about a person: those that are the person's, or (with `links`) that lead to it by these links."""

    reader: Reader
    grant: Granted | None
    dataset: str
    subject: Subject
    links: tuple[str, ...] = ()


class Held(msgspec.Struct, frozen=True):
    """A source record as it may be seen, and which version of it."""

    key: tuple[str, ...]
    fields: dict[str, Any]
    sequence: int
    known_since: datetime
    as_of: date | None


class Regarded(msgspec.Struct, frozen=True):
    """That somebody's records were looked at, to be kept as a reading; `what` names what was asked."""

    reader: Reader
    register: str
    entity: int
    what: tuple[str, ...]


class Readings(msgspec.Struct, frozen=True):
    """Readings that are about to be kept, in groups with one entry of the audit log each."""

    entries: tuple[Entry, ...]
    groups: list[list[tuple[int, NewReading]]]


class Verifier:
    """Looks records up in the transactions of the floor above, in the platform's scope. One for each answering thread."""

    def __init__(self, parts: Parts, sights: Sights) -> None:
        self._ctx = jobs.platform_context(parts, "registers.verify")
        self._registers = spec.registers(parts.packs)
        self._sights = sights
        self._feeds: dict[int, tuple[str, DatasetFacts]] = {}

    def people(self, tx: Transaction, subjects: Sequence[Subject]) -> "People":
        """Who these are, with their records, for the length of the transaction."""
        self._learn(tx)
        wanted = {each: identifier_of(each.register, each.kind, each.value) for each in subjects}
        entities = feed_store.entities(tx, list(set(wanted.values()))) if wanted else {}
        known = {each: entities[text] for each, text in wanted.items() if text in entities}
        order = sorted(set(known.values()))
        rows: dict[int, list[ClaimRow]] = {entity: [] for entity in order}
        for row in store.of_entities(tx, order, [None] * len(order)) if order else ():
            rows[row.entity].append(row)
        found = {}
        for each, entity in known.items():
            prefix = identifier_of(each.register, each.kind, "")
            texts = [row.identifier for row in rows[entity] if row.identifier is not None]
            numbers = {text.removeprefix(prefix) for text in texts if text.startswith(prefix)}
            id = ids.show(self._registers[each.register], entity)
            found[each] = Person(entity, id, tuple(sorted({*numbers, each.value})))
        return People(found, rows)

    def records(
        self, tx: Transaction, people: "People", wanted: Sequence[Wanted], now: datetime
    ) -> list[tuple[Held, ...]]:
        """For each wish the records that its reader may see, in the order in which they came."""
        linked = self._linked(tx, people, wanted)
        found = []
        for place, each in enumerate(wanted):
            rows = linked[place] if each.links else people.rows_of(each.subject)
            kept = []
            for row in sorted(rows, key=lambda row: row.id):
                dataset, facts = self._feeds.get(row.feed, ("", None))
                fields = self._seen(each, facts, row, now) if facts is not None and dataset == each.dataset else None
                if fields is not None:
                    kept.append(Held(key_parts(row.key), fields, row.sequence, row.since, row.as_of))
            found.append(tuple(kept))
        return found

    def followed(self, tx: Transaction) -> dict[str, datetime | None]:
        """Up to when each dataset was followed; by its name."""
        return {row.dataset: row.followed_at for row in feed_store.known(tx)}

    def prepare(self, tx: Transaction, regarded: Sequence[Regarded], now: datetime) -> "Readings":
        """What is to be kept of this: first its entries in the audit log, then, by `note`, the readings."""
        groups = _grouped(regarded, store.reading_ids(tx, len(regarded)) if regarded else [])
        return Readings(tuple(reading.entry(each, now) for each in groups), groups)

    def note(self, tx: Transaction, readings: "Readings", positions: Sequence[int], now: datetime) -> None:
        """Keep the readings; `positions` are those of their entries in the audit log."""
        for each, position in zip(readings.groups, positions, strict=True):
            store.keep_readings(tx, [number for number, _ in each], [new for _, new in each], position, now)

    def _learn(self, tx: Transaction) -> None:
        if not self._feeds:
            for row in (row for row in feed_store.known(tx) if row.register in self._registers):
                self._feeds[row.number] = row.dataset, excerpts.facts(self._ctx, row.dataset)

    def _linked(self, tx: Transaction, people: "People", wanted: Sequence[Wanted]) -> dict[int, list[ClaimRow]]:
        """For each wish by links, by its place, the records that lead to its subject."""
        texts = {place: people.links_to(each) for place, each in enumerate(wanted) if each.links}
        places: dict[str, list[int]] = {}
        for place, some in texts.items():
            for text in some:
                places.setdefault(text, []).append(place)
        found: dict[int, dict[int, ClaimRow]] = {place: {} for place in texts}
        for row in store.linked(tx, sorted(places)) if places else ():
            for place in (place for link in row.links or () for place in places.get(link, ())):
                found[place][row.id] = row
        return {place: list(rows.values()) for place, rows in found.items()}

    def _seen(self, wanted: Wanted, facts: DatasetFacts, row: ClaimRow, now: datetime) -> dict[str, Any] | None:
        record = msgspec.json.decode(row.record, type=dict[str, Any])
        if wanted.grant is None:
            return record if facts.keeper == wanted.reader.who.organisation else None
        shown = self._sights.show(wanted.reader, wanted.grant, record, now)
        return None if shown is None else shown.fields


class People:
    """Those who were looked up together, and their standing records."""

    def __init__(self, known: Mapping[Subject, Person], rows: Mapping[int, Sequence[ClaimRow]]) -> None:
        self._known = known
        self._rows = rows

    def find(self, subject: Subject) -> Person | None:
        """Who that is; None if the register knows nobody by this identifier."""
        return self._known.get(subject)

    def rows_of(self, subject: Subject) -> Sequence[ClaimRow]:
        """All records of a person, not to be told."""
        person = self.find(subject)
        return self._rows[person.entity] if person is not None else ()

    def links_to(self, wanted: Wanted) -> set[str]:
        """The links by which records lead to a person, by any of its numbers."""
        person = self.find(wanted.subject)
        numbers = person.numbers if person is not None else (wanted.subject.value,)
        register, kind = wanted.subject.register, wanted.subject.kind
        return {f"{link}:{identifier_of(register, kind, number)}" for link in wanted.links for number in numbers}


def _grouped(regarded: Sequence[Regarded], numbers: Sequence[int]) -> list[list[tuple[int, NewReading]]]:
    """One entry of the audit log for all that one account reads of one register for one purpose at once."""
    groups: dict[tuple[str, str, str], list[tuple[int, NewReading]]] = {}
    for number, each in zip(numbers, regarded, strict=True):
        who = each.reader.who
        new = NewReading(
            each.register, each.entity, who.organisation, who.name, each.reader.purpose, each.reader.case, each.what,
            each.reader.request,
        )  # fmt: skip
        groups.setdefault((who.name, each.register, each.reader.purpose), []).append((number, new))
    return list(groups.values())


def sources(packs: Packs) -> dict[tuple[str, str], frozenset[str]]:
    """Names of the links that records of a dataset have in a register, by (register, dataset)."""
    found: dict[tuple[str, str], frozenset[str]] = {}
    for name, register in spec.registers(packs).items():
        for feed in register.sources:
            before = found.get((name, feed.dataset), frozenset())
            found[name, feed.dataset] = before | frozenset(feed.links)
    return found


def require_overseer(ctx: Context, register: str, id: str) -> None:
    """That the caller may see who asked about an entity. Right `registers.read_readings`; NotFound
    `registers.record_unknown`."""
    declared = spec.registers(ctx.packs)
    ids.read(declared, register, id)
    ctx.require("registers.read_readings", reading.resource(register, declared[register]))
