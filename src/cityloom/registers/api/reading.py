"""Records of registers under a purpose, answered in groups: each field as the reader may see its source.

One transaction looks up who asks, the claims and the grants, meters and keeps the uses, the readings and their audit
entries; only then is a record told.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import DatasetFacts, key_parts
from cityloom.identity import api as identity
from cityloom.identity.contracts import Credentials
from cityloom.kernel import jobs
from cityloom.kernel.access import Memory, Principal, Resource
from cityloom.kernel.audit.entry import Entry
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import EVERY_ORGANISATION, PLATFORM, Scope, Transaction
from cityloom.kernel.desk import Desk
from cityloom.kernel.errors import BadRequest, NotFound, Problem, Refused, Unavailable
from cityloom.registers import spec
from cityloom.registers.contracts import HOWS, Link, Lookup, Reading, Record, Source, Version
from cityloom.registers.rules import ids, survivorship
from cityloom.registers.rules.survivorship import Said
from cityloom.registers.rules.versions import identifier_of
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
        self._policies = Memory(parts.policies)

    def answer(self, group: Sequence[Asked]) -> list[Record | Exception]:
        """One record, or the reason why not, for each question."""
        answers: list[Record | Exception] = [Unavailable("kernel.database_unreachable")] * len(group)
        now = self._parts.clock.now()
        with self._parts.db.begin(PLATFORM) as tx:
            self._learn(tx)
            known = self._people(tx, group, answers)
            people = self._permitted(group, known, answers)
            entities = self._entities(tx, group, people, answers)
            drafts = self._drafts(tx, group, people, entities, answers, now)
            refused = [
                _refused(group[place], who, now)
                for place, who in known.items()
                if group[place].register in self._registers and isinstance(answers[place], Refused | NotFound)
            ]
            seen = [(place, each) for place, draft in drafts.items() for each in draft.seen]
            over = self._sights.meter(tx, [each for _, each in seen], now)
            for (place, _), problem in zip(seen, over, strict=True):
                if problem is not None and drafts.pop(place, None) is not None:
                    answers[place] = problem
            self._keep(tx, drafts, refused, answers, now)
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
        """Who asks, by the place in the group."""
        found = identity.authenticate_many(tx, self._parts, [each.credentials for each in group])
        people = {}
        for place, (asked, who) in enumerate(zip(group, found, strict=True)):
            if isinstance(who, Problem):
                answers[place] = who
            else:
                asked.known(who)
                people[place] = who
        return people

    def _permitted(
        self, group: Sequence[Asked], people: dict[int, Principal], answers: list[Record | Exception]
    ) -> dict[int, Principal]:
        """Those who may ask this register for this purpose."""
        found = {}
        for place, who in people.items():
            problem = self._refusal(who, group[place])
            if problem is None:
                found[place] = who
            else:
                answers[place] = problem
        return found

    def _refusal(self, who: Principal, asked: Asked) -> Problem | None:
        register = self._registers.get(asked.register)
        if register is None:
            return NotFound("registers.register_unknown", register=asked.register, known=", ".join(self._registers))
        if not asked.purpose:
            return BadRequest("registers.purpose_missing")
        if self._policies.permits(who, READ, resource(asked.register, register), asked.purpose):
            return None
        return Refused("kernel.refused", right=READ, kind="Register", name=asked.register)

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
        links = {place: self._links(said, group[place].language) for place, (said, _) in shown.items()}
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
                key = key_parts(row.key)
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

    def _links(self, said: Sequence[tuple[ClaimRow, Said]], language: str) -> list[Link]:
        """The links of claims whose field is shown, without the ids of the others."""
        found = []
        for row, each in said:
            for text in row.links or ():
                name, _, identifier = text.partition(":")
                register, _, numbered = identifier.partition(":")
                to = each.feed.links.get(name)
                if to is not None and to.field in each.fields and to.field not in each.masked:
                    title = (to.title or self._registers[register].title).of(language)
                    found.append(Link(name, register, "", numbered, each.source, title))
        return found

    def _known(self, link: Link, others: Mapping[str, int]) -> Link:
        entity = others.get(f"{link.register}:{link.identifier}")
        if entity is None:
            return link
        return msgspec.structs.replace(link, id=ids.show(self._registers[link.register], entity))

    def _keep(
        self, tx: Transaction, drafts: dict[int, Draft], refused: Sequence[Entry], answers: list[Record | Exception],
        now: datetime,
    ) -> None:  # fmt: skip
        """Keep readings and refusals; one entry of the audit log for all that one account reads of one register at once."""
        if not drafts and not refused:
            return
        numbers = dict(zip(drafts, store.reading_ids(tx, len(drafts)), strict=True))
        groups: dict[tuple[str, str, str], list[int]] = {}
        for place, draft in drafts.items():
            groups.setdefault((draft.who.name, draft.asked.register, draft.asked.purpose), []).append(place)
        told = {place: _reading(draft) for place, draft in drafts.items()}
        entries = [entry([(numbers[place], told[place]) for place in places], now) for places in groups.values()]
        seen = [each for draft in drafts.values() for each in draft.seen]
        positions = self._sights.keep(tx, seen, [*refused, *entries], now)[len(refused) :]
        for places, position in zip(groups.values(), positions, strict=True):
            store.keep_readings(
                tx, [numbers[place] for place in places], [told[place] for place in places], position, now
            )
            for place in places:
                record = drafts[place].record
                answers[place] = msgspec.structs.replace(record, reading=numbers[place], audit_position=position)


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
    grants: dict[str, str] = {}
    for each in sorted(shown, key=lambda one: len(one.masked), reverse=True):
        masked = (masked | (each.masked & each.fields.keys())) - (each.fields.keys() - each.masked)
        new = {name: value for name, value in each.fields.items() if name not in fields or name not in each.masked}
        fields |= new
        grants |= dict.fromkeys(new, each.grant.id)
    known = all(name in fields and name not in masked for name in place.facts.key)
    return Said(
        place.feed, source_of(row, place.facts), fields, frozenset(masked), key_parts(row.key) if known else (), grants
    )  # fmt: skip


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


def entry(read: Sequence[tuple[int, NewReading]], now: datetime) -> Entry:
    """It holds their number, the first and the last, and the SHA-256 of their lines in order, so that no reading can be
    changed or left out afterwards."""
    first = read[0][1]
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in read)
    return Entry(
        time=now,
        actor=first.account,
        organisation=first.organisation,
        action="registers.read",
        subject=f"register:{first.register}",
        purpose=first.purpose,
        request=first.request,
        facts={
            "readings": len(read), "first": read[0][0], "last": read[-1][0],
            "digest": f"sha256:{hashlib.sha256(lines).hexdigest()}",
            "cases": tuple(dict.fromkeys(each.case for _, each in read))[:20],
        },
    )  # fmt: skip


def _refused(asked: Asked, who: Principal, now: datetime) -> Entry:
    return Entry(
        time=now, actor=who.name, organisation=who.organisation, action="access.refused",
        subject=f"register:{asked.register}", purpose=asked.purpose, request=asked.request, facts={"right": READ},
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
        store.keep_readings(tx, numbers, [reading], position, ctx.clock.now())
    return [
        Version(source_of(row, facts[row.feed]), row.until, msgspec.json.decode(row.record, type=dict[str, Any]))
        for row in own
    ]
