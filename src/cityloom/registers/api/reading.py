"""Records of registers under a purpose, answered in groups: each field as the reader may see its source.

One transaction looks up who asks, the claims and the grants, meters and keeps the uses, the readings and their audit
entries; only then is a record told.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import DatasetFacts
from cityloom.identity import api as identity
from cityloom.identity.contracts import Credentials
from cityloom.kernel import jobs
from cityloom.kernel.access import Principal, Resource
from cityloom.kernel.audit.entry import Entry
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import EVERY_ORGANISATION, PLATFORM, Scope, Transaction
from cityloom.kernel.desk import Desk
from cityloom.kernel.errors import BadRequest, NotFound, Problem, Refused, Unavailable
from cityloom.registers import spec
from cityloom.registers.contracts import HOWS, Link, Lookup, Reading, Record, Source, Version
from cityloom.registers.rules import ids, survivorship
from cityloom.registers.rules.survivorship import Said
from cityloom.registers.rules.versions import SEPARATOR, identifier_of
from cityloom.registers.spec import Feed, Register
from cityloom.registers.store import claims as store
from cityloom.registers.store import feeds as feed_store
from cityloom.registers.store.claims import ClaimRow, NewReading
from cityloom.sharing.api import sights
from cityloom.sharing.api.sights import Reader, Seen, Sights

READ = "registers.read"


class Asked(msgspec.Struct, frozen=True):
    """A question for a record as it came in."""

    register: str
    lookup: Lookup
    credentials: Credentials
    purpose: str
    request: str
    language: str
    known: Callable[[Principal], None] = lambda _: None
    """Is told who asks, once that is known."""


class Place(msgspec.Struct, frozen=True):
    """A feed as this process knows it."""

    register: str
    feed: Feed
    facts: DatasetFacts


class Draft(msgspec.Struct, frozen=True):
    """A record that will be told once it is kept that it was."""

    asked: Asked
    who: Principal
    entity: int
    record: Record
    seen: tuple[Seen, ...]


class Answerer:
    """Answers groups, one at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ctx = jobs.platform_context(parts, "registers.read")
        self._registers = spec.registers(parts.packs)
        self._sights = Sights(parts)
        self._places: dict[int, Place] = {}
        self._authorities: dict[str, frozenset[str]] = {}
        self._permits: dict[tuple[Any, ...], bool] = {}

    def answer(self, group: Sequence[Asked]) -> list[Record | Exception]:
        """One record, or the reason why not, for each question."""
        answers: list[Record | Exception] = [Unavailable("kernel.database_unreachable")] * len(group)
        now = self._parts.clock.now()
        with self._parts.db.begin(PLATFORM) as tx:
            self._learn(tx)
            people = self._people(tx, group, answers)
            entities = self._entities(tx, group, people, answers)
            drafts = self._drafts(tx, group, people, entities, answers, now)
            seen = [(place, each) for place, draft in drafts.items() for each in draft.seen]
            over = self._sights.meter(tx, [each for _, each in seen], now)
            for (place, _), problem in zip(seen, over, strict=True):
                if problem is not None and drafts.pop(place, None) is not None:
                    answers[place] = problem
            self._keep(tx, drafts, answers, now)
        return answers

    def _learn(self, tx: Transaction) -> None:
        """The numbers of feeds are given once; those that this process has not met are looked up."""
        if self._places:
            return
        for row in feed_store.known(tx):
            for feed in self._registers[row.register].sources if row.register in self._registers else ():
                if (feed.dataset, feed.role or "") == (row.dataset, row.role):
                    self._places[row.number] = Place(row.register, feed, excerpts.facts(self._ctx, feed.dataset))
        for place in self._places.values():
            names = frozenset(field.name for field in place.facts.fields if field.authoritative)
            self._authorities[place.facts.name] = names

    def _people(
        self, tx: Transaction, group: Sequence[Asked], answers: list[Record | Exception]
    ) -> dict[int, Principal]:
        shown = [each.credentials for each in group]
        found: list[Principal | Exception] = list(identity.authenticate_tokens(tx, self._parts, shown))
        people = {}
        for place, each in enumerate(group):
            who = found[place]
            if not each.credentials.authorization:
                try:
                    who = identity.authenticate(self._parts, each.credentials)
                except Problem as problem:
                    who = problem
            problem_of = who if isinstance(who, Exception) else self._refusal(who, each)
            if problem_of is not None:
                answers[place] = problem_of
            elif isinstance(who, Principal):
                each.known(who)
                people[place] = who
        return people

    def _refusal(self, who: Principal, asked: Asked) -> Problem | None:
        register = self._registers.get(asked.register)
        if register is None:
            return NotFound("registers.register_unknown", register=asked.register, known=", ".join(self._registers))
        if not asked.purpose:
            return BadRequest("registers.purpose_missing")
        facts = (who.name, who.organisation, who.roles, who.rights, who.names, asked.register, asked.purpose)
        permitted = self._permits.get(facts)
        if permitted is None:
            permitted = self._parts.policies.permits(who, READ, resource(asked.register, register), asked.purpose)
            self._permits[facts] = permitted
        return None if permitted else Refused("kernel.refused", right=READ, kind="Register", name=asked.register)

    def _entities(
        self, tx: Transaction, group: Sequence[Asked], people: dict[int, Principal], answers: list[Record | Exception]
    ) -> dict[int, int]:
        wanted = {
            place: identifier_of(asked.register, asked.lookup.kind, asked.lookup.value)
            for place in people
            if not (asked := group[place]).lookup.id
        }
        by_identifier = feed_store.entities(tx, list(set(wanted.values()))) if wanted else {}
        found = {}
        for place in people:
            asked = group[place]
            try:
                if asked.lookup.id:
                    found[place] = ids.read(self._registers, asked.register, asked.lookup.id)
                elif wanted[place] in by_identifier:
                    found[place] = by_identifier[wanted[place]]
                else:
                    answers[place] = NotFound("registers.record_unknown", register=asked.register)
            except Problem as problem:
                answers[place] = problem
        return found

    def _drafts(
        self, tx: Transaction, group: Sequence[Asked], people: dict[int, Principal], entities: dict[int, int],
        answers: list[Record | Exception], now: datetime,
    ) -> dict[int, Draft]:  # fmt: skip
        if not entities:
            return {}
        places = list(entities)
        rows = store.of_entities(tx, [entities[p] for p in places], [group[p].lookup.known_on for p in places])
        claims: dict[int, list[ClaimRow]] = {place: [] for place in places}
        for row in rows:
            claims[places[row.place]].append(row)
        readers = {place: self._reader(people[place], group[place]) for place in places}
        datasets = sorted({place.facts.name for place in self._places.values()})
        grants = self._sights.grants(tx, readers.values(), datasets, now)
        shown: dict[int, tuple[list[tuple[ClaimRow, Said]], list[Seen]]] = {}
        for place in places:
            lives = grants[readers[place].who.organisation, readers[place].purpose]
            said, seen = self._said(readers[place], lives, claims[place], group[place].register, now)
            if said:
                shown[place] = said, seen
            else:
                answers[place] = self._nothing(tx, group[place], entities[place], claims[place])
        links = {place: _links(said) for place, (said, _) in shown.items()}
        named = {f"{link.register}:{link.identifier}" for found in links.values() for link in found}
        others = feed_store.entities(tx, list(named)) if named else {}
        return {
            place: self._draft(group[place], people[place], entities[place], len(claims[place]), said,
                               tuple(self._known(link, others) for link in links[place]), seen, now)
            for place, (said, seen) in shown.items()
        }  # fmt: skip

    def _reader(self, who: Principal, asked: Asked) -> Reader:
        return Reader(who, asked.purpose, asked.lookup.case, asked.request)

    def _nothing(self, tx: Transaction, asked: Asked, entity: int, rows: Sequence[ClaimRow]) -> Problem:
        """Somebody who is shown nothing learns not even whether there is something, except where a merge took it."""
        into = store.merged_into(tx, entity) if asked.lookup.id and not rows else None
        if into is not None:
            id = ids.show(self._registers[asked.register], into)
            return NotFound("registers.entity_moved", id=asked.lookup.id, into=id)
        return NotFound("registers.record_unknown", register=asked.register)

    def _said(
        self, reader: Reader, lives: Sequence[Any], rows: Sequence[ClaimRow], register: str, now: datetime
    ) -> tuple[list[tuple[ClaimRow, Said]], list[Seen]]:
        said, seen = [], []
        for row in rows:
            place = self._places.get(row.feed)
            if place is None or place.register != register:
                continue
            record = msgspec.json.decode(row.record, type=dict[str, Any])
            if reader.who.organisation == place.facts.keeper:
                said.append((row, Said(place.feed, source_of(row, place.facts), record)))
                continue
            shown = [
                each for live in lives if live.dataset == place.facts.name
                if (each := self._sights.show(reader, live, record, now)) is not None
            ]  # fmt: skip
            if shown:
                said.append((row, _joined(place, row, shown)))
                key = tuple(row.key.split(SEPARATOR))
                seen += [Seen(reader, each.grant, key, row.sequence) for each in shown]
        return said, seen

    def _draft(
        self, asked: Asked, who: Principal, entity: int, claims: int, said: Sequence[tuple[ClaimRow, Said]],
        links: tuple[Link, ...], seen: list[Seen], now: datetime,
    ) -> Draft:  # fmt: skip
        register = self._registers[asked.register]
        record = Record(
            register=asked.register,
            id=ids.show(register, entity),
            known_on=asked.lookup.known_on or now,
            fields=survivorship.record(register, [each for _, each in said], self._authorities, asked.language),
            links=links,
            sources=tuple(each.source for _, each in said),
            hidden=claims - len(said),
            purpose=asked.purpose,
            case=asked.lookup.case,
            reading=0,
            audit_position=0,
        )
        return Draft(asked, who, entity, record, tuple(seen))

    def _known(self, link: Link, others: Mapping[str, int]) -> Link:
        entity = others.get(f"{link.register}:{link.identifier}")
        if entity is None:
            return link
        return msgspec.structs.replace(link, id=ids.show(self._registers[link.register], entity))

    def _keep(
        self, tx: Transaction, drafts: dict[int, Draft], answers: list[Record | Exception], now: datetime
    ) -> None:
        if not drafts:
            return
        ready = list(drafts.values())
        numbers = store.reading_ids(tx, len(ready))
        entries = [_entry(draft, number, now) for draft, number in zip(ready, numbers, strict=True)]
        positions = self._sights.keep(tx, [seen for draft in ready for seen in draft.seen], entries, now)
        store.keep_readings(tx, numbers, [_reading(draft) for draft in ready], positions, now)
        for place, draft, number, position in zip(drafts, ready, numbers, positions, strict=True):
            answers[place] = msgspec.structs.replace(draft.record, reading=number, audit_position=position)


ReadingDesk = Desk[Asked, Record]


def desk(parts: Parts) -> ReadingDesk:
    """Where the questions of one process are answered, in groups."""
    return Desk("registers-desk", Answerer(parts).answer)


def resource(name: str, register: Register) -> Resource:
    """A register as the policies see it."""
    return Resource("Register", name, {"keeper": register.keeper, "personal": register.personal})


def source_of(row: ClaimRow, facts: DatasetFacts) -> Source:
    """Where a claim comes from."""
    return Source(facts.name, facts.keeper, row.sequence, row.delivery, row.since, row.as_of, HOWS[row.how])


def _joined(place: Place, row: ClaimRow, shown: Sequence[sights.Shown]) -> Said:
    """What several grants show of one record together; masked is what none of them shows whole."""
    fields: dict[str, Any] = {}
    masked: set[str] = set()
    for each in sorted(shown, key=lambda one: len(one.masked), reverse=True):
        masked = (masked | (each.masked & each.fields.keys())) - (each.fields.keys() - each.masked)
        fields |= {name: value for name, value in each.fields.items() if name not in fields or name not in each.masked}
    return Said(place.feed, source_of(row, place.facts), fields, frozenset(masked))


def _links(said: Sequence[tuple[ClaimRow, Said]]) -> list[Link]:
    """The links of claims whose field is shown, without the ids of the others."""
    found = []
    for row, each in said:
        for text in row.links or ():
            name, _, identifier = text.partition(":")
            register, _, numbered = identifier.partition(":")
            field = each.feed.links[name].field if name in each.feed.links else ""
            if field in each.fields and field not in each.masked:
                found.append(Link(name, register, "", numbered, each.source))
    return found


def _reading(draft: Draft) -> NewReading:
    asked, who = draft.asked, draft.who
    fields = tuple(field.name for field in draft.record.fields)
    return NewReading(
        asked.register,
        draft.entity,
        who.organisation,
        who.name,
        asked.purpose,
        asked.lookup.case,
        fields,
        asked.request,
    )


def _entry(draft: Draft, number: int, now: datetime) -> Entry:
    asked, who, record = draft.asked, draft.who, draft.record
    return Entry(
        time=now,
        actor=who.name,
        organisation=who.organisation,
        action="registers.read",
        subject=f"entity:{record.id}",
        purpose=asked.purpose,
        request=asked.request,
        facts={
            "reading": number, "case": asked.lookup.case, "fields": tuple(field.name for field in record.fields),
            "sources": tuple(dict.fromkeys(source.dataset for source in record.sources)), "hidden": record.hidden,
        },
    )  # fmt: skip


def readings(ctx: Context, register: str, id: str, before: int, limit: int) -> list[Reading]:
    """Who read a record and why, newest first. Right `registers.read_readings`, of the register's keeper."""
    declared = spec.registers(ctx.packs)
    entity = ids.read(declared, register, id)
    ctx.require("registers.read_readings", resource(register, declared[register]))
    with ctx.parts.db.begin(PLATFORM) as tx:
        found = store.readings(tx, entity, before, limit)
    with ctx.begin() as tx:
        ctx.record(tx, "registers.readings_read", f"entity:{id}", number=len(found))
    return found


def versions(ctx: Context, register: str, id: str, case: str) -> list[Version]:
    """Everything that the caller's own datasets ever said of an entity, oldest first. Right `registers.read`."""
    declared = spec.registers(ctx.packs)
    entity = ids.read(declared, register, id)
    ctx.require(READ, resource(register, declared[register]))
    if not ctx.purpose:
        raise BadRequest("registers.purpose_missing")
    with ctx.parts.db.begin(PLATFORM) as tx:
        feeds = {row.number: row.dataset for row in feed_store.known(tx, register)}
        rows = store.history(tx, entity, 1000)
    facts = {number: excerpts.facts(ctx, dataset) for number, dataset in feeds.items()}
    own = [row for row in rows if facts[row.feed].keeper == ctx.principal.organisation]
    if not own:
        raise NotFound("registers.record_unknown", register=register)
    names = tuple(field.name for field in declared[register].fields)
    with ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name)) as tx:
        reading = NewReading(
            register, entity, ctx.principal.organisation, ctx.principal.name, ctx.purpose, case, names, ctx.request
        )
        numbers = store.reading_ids(tx, 1)
        position = ctx.record(tx, "registers.history_read", f"entity:{id}", versions=len(own), case=case)
        store.keep_readings(tx, numbers, [reading], [position], ctx.clock.now())
    return [
        Version(source_of(row, facts[row.feed]), row.until, msgspec.json.decode(row.record, type=dict[str, Any]))
        for row in own
    ]
