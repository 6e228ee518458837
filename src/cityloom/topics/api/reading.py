"""One subject's records in a library: the register's record, and what the reader keeps or holds a grant on in each dataset.

The register's record comes from the registers' own desk. Records of datasets are found by the subject's numbers, only where
the reader keeps the dataset or a grant shows the field by which they are found; each that a grant shows is a use of it,
metered and kept before it is told, and the subject sees the reading with those of its record.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from cityloom.exchange.api import excerpts, histories, measures
from cityloom.exchange.contracts import DatasetFacts, plain
from cityloom.identity.contracts import Credentials
from cityloom.kernel import jobs
from cityloom.kernel.audit.entry import Entry
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import PLATFORM, Transaction
from cityloom.kernel.desk import Desk
from cityloom.kernel.errors import BadRequest, Invalid, NotFound
from cityloom.registers.api import agreement, noting
from cityloom.registers.api.noting import Note
from cityloom.registers.api.reading import Asked as RecordAsked
from cityloom.registers.api.reading import ReadingDesk
from cityloom.registers.contracts import Lookup, Record
from cityloom.sharing.api.sights import Granted, Reader, Seen, Sights
from cityloom.topics.api import declared
from cityloom.topics.contracts import (
    MOST_RECORDS,
    PartRecord,
    PartRecords,
    SubjectRecords,
    SubjectsWish,
    TopicRecords,
)
from cityloom.topics.spec import Part, Topic

FOUND = 2_000
"""Records that are looked at in one field of a dataset for one number."""
Access = Literal["own", "grant", "none"]
Numbers = tuple[tuple[str, str], ...]
"""Kind and value of each identifier of a subject."""


class Asked(msgspec.Struct, frozen=True):
    """A permitted reading: who asks, of which subjects, by which numbers, and what their register showed."""

    ctx: Context
    name: str
    topic: Topic
    case: str
    registers: tuple[str, ...]
    records: tuple[Record | None, ...]
    numbers: tuple[Numbers, ...]


class Found(msgspec.Struct, frozen=True):
    """What one part shows, by the place of the subject."""

    part: Part
    facts: DatasetFacts
    access: Access
    shown: Mapping[int, Sequence[PartRecord]]
    seen: Sequence[Seen]
    more: frozenset[int]
    """Subjects of whom there is more to show."""


TopicDesk = Desk[Asked, TopicRecords]


def desk(parts: Parts) -> TopicDesk:
    """Where the readings of one process are answered, one after another."""
    return Desk("topics-desk", Answerer(parts).answer)


async def read(
    ctx: Context, credentials: Credentials, name: str, wish: SubjectsWish, registers: ReadingDesk, topics: TopicDesk
) -> TopicRecords:
    """What the caller may see of these subjects in a library, for the context's purpose. Right `registers.read` on each register.

    Raises BadRequest `topics.purpose_missing`, NotFound `topics.topic_unknown`, `topics.register_unknown`,
    `topics.nothing_shown` where nothing is shown of anybody (whether or not there is anything), Invalid
    `topics.subject_wrong`, Throttled `sharing.quota_used`, `sharing.too_fast`.
    """
    topic = declared.topic(ctx, name)
    if not ctx.purpose:
        raise BadRequest("topics.purpose_missing")
    wanted = tuple(_register(name, topic, each.register) for each in wish.subjects)
    for place, subject in enumerate(wish.subjects):
        if bool(subject.id) == bool(subject.kind and subject.value):
            raise Invalid("topics.subject_wrong", place=place)
    lookups = [Lookup(wish.case, each.id, each.kind, each.value) for each in wish.subjects]
    answers = await asyncio.gather(
        *(
            registers.ask(RecordAsked(register, lookup, credentials, ctx.purpose, ctx.request, ctx.language))
            for register, lookup in zip(wanted, lookups, strict=True)
        ),
        return_exceptions=True,
    )
    records = tuple(_shown(each) for each in answers)
    numbers = await asyncio.to_thread(_numbers, ctx, wanted, lookups, records)
    return await topics.ask(Asked(ctx, name, topic, wish.case, wanted, records, numbers))


def _register(name: str, topic: Topic, register: str) -> str:
    chosen = register or (topic.subjects[0] if topic.subjects else "")
    if chosen not in topic.subjects:
        raise NotFound("topics.register_unknown", topic=name, register=chosen, known=", ".join(topic.subjects))
    return chosen


def _shown(answer: Record | BaseException) -> Record | None:
    if isinstance(answer, NotFound):
        return None
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _numbers(
    ctx: Context, registers: Sequence[str], lookups: Sequence[Lookup], records: Sequence[Record | None]
) -> tuple[Numbers, ...]:
    """All numbers of a subject of whom the register shows something; of others only the one that the reader gave."""
    return tuple(
        tuple(agreement.identifiers_of(ctx, register, record.id)) if record is not None
        else ((lookup.kind, lookup.value),) if lookup.value else ()
        for register, lookup, record in zip(registers, lookups, records, strict=True)
    )  # fmt: skip


class Answerer:
    """Finds, shows, meters and keeps what datasets have of subjects. One for each answering thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ctx = jobs.platform_context(parts, "topics.read")
        self._sights = Sights(parts)

    def answer(self, group: Sequence[Asked]) -> list[TopicRecords | Exception]:
        """Each by itself, so that nobody pays for another's question."""
        answers: list[TopicRecords | Exception] = []
        for asked in group:
            try:
                answers.append(self._one(asked))
            except Exception as failure:  # noqa: BLE001 - whoever asked is told
                answers.append(failure)
        return answers

    def _one(self, asked: Asked) -> TopicRecords:
        now = self._parts.clock.now()
        reader = Reader(asked.ctx.principal, asked.ctx.purpose, asked.case, asked.ctx.request)
        with self._parts.db.begin(PLATFORM) as tx:
            found = self._find(tx, asked, reader, now)
            seen = [each for part in found for each in part.seen]
            for problem in self._sights.meter(tx, seen, now):
                if problem is not None:
                    raise problem
            told = any(part.shown for part in found)
            if not told and not any(asked.records):
                raise NotFound("topics.nothing_shown", topic=asked.name)
            position = self._keep(tx, asked, found, seen, now) if told else 0
        return _answer(asked, found, position)

    def _find(self, tx: Transaction, asked: Asked, reader: Reader, now: datetime) -> list[Found]:
        active = frozenset(measures.datasets(self._ctx))
        parts = [part for part in asked.topic.parts if part.links and part.dataset in active]
        names = [part.dataset or "" for part in parts]
        grants = self._sights.grants(tx, [reader], names, now)[reader.who.organisation, reader.purpose] if names else ()
        return [self._part(asked, part, reader, grants, now) for part in parts]

    def _part(self, asked: Asked, part: Part, reader: Reader, grants: Iterable[Granted], now: datetime) -> Found:
        facts = excerpts.facts(self._ctx, part.dataset or "")
        own = facts.keeper == reader.who.organisation
        shown: dict[int, list[PartRecord]] = {}
        seen: list[Seen] = []
        more: set[int] = set()
        access: Access = "own" if own else "none"
        for field in dict.fromkeys(link.field for link in part.links):
            lives = [] if own else self._sights.find(grants, facts.name, field)
            access = "grant" if lives else access
            places = _places(asked, part, field) if own or lives else {}
            for record in self._records(facts, field, list(places)):
                for each, sight in self._sight(reader, facts, lives, record, now):
                    room = [p for p in places[plain(record[field])] if len(shown.setdefault(p, [])) < MOST_RECORDS]
                    more |= {p for p in places[plain(record[field])] if p not in room}
                    for place in room:
                        shown[place].append(each)
                    seen += sight if room else []
        return Found(part, facts, access, shown, seen, frozenset(more))

    def _sight(
        self, reader: Reader, facts: DatasetFacts, lives: Sequence[Granted], record: dict[str, Any], now: datetime
    ) -> Iterator[tuple[PartRecord, list[Seen]]]:
        """A record as its keeper sees it, or as each of the grants shows it."""
        if facts.keeper == reader.who.organisation:
            yield PartRecord(record, (), ""), []
        for live in lives:
            sight = self._sights.show(reader, live, record, now)
            if sight is not None:
                key = tuple(plain(record[name]) for name in facts.key)
                masked = tuple(sorted(sight.masked & sight.fields.keys()))
                yield PartRecord(sight.fields, masked, live.id), [Seen(reader, live, key, facts.last_sequence)]

    def _records(self, facts: DatasetFacts, field: str, values: list[str]) -> list[dict[str, Any]]:
        return histories.having(self._ctx, facts.name, field, values, FOUND) if values else []

    def _keep(
        self, tx: Transaction, asked: Asked, found: Sequence[Found], seen: Sequence[Seen], now: datetime
    ) -> int:  # fmt: skip
        """Uses, the entry of the audit log, and the readings that the subjects will see; before anything is told."""
        notes = [
            Note(register, id, asked.case, told)
            for place, register in enumerate(asked.registers)
            if (told := tuple(f"{each.facts.name}.*" for each in found if each.shown.get(place)))
            and (id := self._id(asked, place))
        ]
        (position,) = self._sights.keep(tx, seen, [_entry(asked, found, now)], now)
        noting.keep(asked.ctx, tx, asked.ctx.principal, notes, position, now)
        return position

    def _id(self, asked: Asked, place: int) -> str:
        record = asked.records[place]
        if record is not None:
            return record.id
        kind, value = asked.numbers[place][0]
        return agreement.entity_of(self._ctx, asked.registers[place], kind, value)


def _places(asked: Asked, part: Part, field: str) -> dict[str, list[int]]:
    """Which number stands for which subjects, of the numbers that this field has: two subjects may turn out to be one."""
    kinds = {(link.register, link.identifier) for link in part.links if link.field == field}
    found: dict[str, list[int]] = {}
    for place, register in enumerate(asked.registers):
        for kind, value in asked.numbers[place]:
            if (register, kind) in kinds:
                found.setdefault(value, []).append(place)
    return found


def _answer(asked: Asked, found: Sequence[Found], position: int) -> TopicRecords:
    language = asked.ctx.language
    subjects = tuple(
        SubjectRecords(
            place,
            register,
            asked.records[place],
            tuple(
                PartRecords(
                    each.part.name, each.facts.title.of(language), each.facts.keeper, each.access,
                    tuple(each.shown.get(place, ())), place in each.more,
                )
                for each in found
                if any(link.register == register for link in each.part.links)
            ),
        )
        for place, register in enumerate(asked.registers)
    )  # fmt: skip
    return TopicRecords(asked.name, asked.ctx.purpose, asked.case, subjects, position)


def _entry(asked: Asked, found: Sequence[Found], now: datetime) -> Entry:
    who = asked.ctx.principal
    told = [each for each in found if each.shown]
    return Entry(
        time=now, actor=who.name, organisation=who.organisation, action="topics.read", subject=f"topic:{asked.name}",
        purpose=asked.ctx.purpose, request=asked.ctx.request,
        facts={
            "case": asked.case, "subjects": len(asked.registers), "datasets": tuple(each.facts.name for each in told),
            "records": sum(len(records) for each in told for records in each.shown.values()),
        },
    )  # fmt: skip
