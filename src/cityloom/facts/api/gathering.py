"""Finds the records that facts are judged by, for many questions at once: one look-up for each stage and kind of source."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from itertools import islice, product
from typing import Any

import msgspec

from cityloom.exchange.contracts import DatasetFacts
from cityloom.facts.contracts import Question
from cityloom.facts.rules import judging, plans, spans
from cityloom.facts.rules.expressions import Value
from cityloom.facts.rules.judging import Found, Piece
from cityloom.facts.rules.plans import Part, PlannedFact, PlannedFind, PlannedList
from cityloom.kernel.access import Principal
from cityloom.kernel.db import Transaction
from cityloom.registers.api.verifying import Held, People, Subject, Verifier, Wanted
from cityloom.sharing.api.sights import Copy, Granted, Look, Reader, Sights

MOST_KEYS = 400
"""Keys that one find looks for."""
Which = tuple[str, int, str]
"""A find: the fact, the place of the way in it, and its name."""


class Choice(msgspec.Struct, frozen=True):
    """Under which grant a find looks; none for a dataset of the asker's own."""

    grant: Granted | None
    code: str = ""
    """Why it must not look; empty if it may."""
    lacking: tuple[str, ...] = ()
    reads: bool = False
    """Whether what is found may be told, not only judged."""


class Task(msgspec.Struct, frozen=True):
    """A find of one question."""

    which: Which
    planned: PlannedFind
    choice: Choice
    looks: bool
    """Whether it is looked for: in a way of which one source may not be asked, none is."""


class Job:
    """One question that may be asked, and what was found for it."""

    def __init__(
        self, place: int, who: Principal, question: Question, planned: PlannedList, on: date, request: str
    ) -> None:
        self.place = place
        self.who = who
        self.question = question
        self.planned = planned
        self.on = on
        purpose, case = planned.declared.purpose, question.case
        self.judges = Reader(who, purpose, case, request, "verify")
        self.reads = Reader(who, purpose, case, request, "query")
        self.subjects = {
            each.name: tuple(Subject(each.register, each.identifier, value) for value in question.subjects[each.name])
            for each in planned.declared.subjects
        }
        self.tasks: dict[Which, Task] = {}
        self.found: dict[Which, Found] = {}
        self.held: dict[Which, list[Held]] = {}
        self.looked: dict[Which, tuple[str, ...]] = {}
        """A key that was looked for and not found, of finds that found nothing."""

    @property
    def facts(self) -> list[PlannedFact]:
        """Those that are asked."""
        asked = self.question.facts
        return [fact for name, fact in self.planned.facts.items() if not asked or name in asked]

    def reader(self, choice: Choice) -> Reader:
        """As whom a choice is used: who may read reads, everybody else has it judged."""
        return self.reads if choice.reads else self.judges

    def constants(self, people: People) -> dict[str, Value]:
        """What conditions may name beside records."""
        found: dict[str, Value] = {each.name: each.value for each in self.planned.declared.parameters}
        for name, subjects in self.subjects.items():
            found[name] = tuple(number for each in subjects for number in numbers(people, each))
        return found | dict(self.question.given) | {plans.ON: self.on}


def numbers(people: People, subject: Subject) -> tuple[str, ...]:
    """All identifiers of somebody, of the kind that was named."""
    person = people.find(subject)
    return person.numbers if person is not None else (subject.value,)


class Gatherer:
    """Works the finds of a group of jobs off, stage by stage, in one transaction."""

    def __init__(
        self, verifier: Verifier, sights: Sights, datasets: Mapping[str, DatasetFacts], stale: frozenset[str]
    ) -> None:
        self._verifier = verifier
        self._sights = sights
        self._kinds = {
            name: {field.name: str(field.type) for field in facts.fields} for name, facts in datasets.items()
        }
        self._stale = stale

    def gather(self, tx: Transaction, jobs: Sequence[Job], people: People, now: datetime) -> None:
        """Fill `found` and `held` of every job, for all its tasks that may look."""
        names = {task.planned.find.dataset for job in jobs for task in job.tasks.values() if task.planned.parts}
        self._copies: dict[str, Copy] = self._sights.copies(tx, sorted(names))
        while ready := self._ready(jobs):
            some = [each for each in ready if each[1].planned.find.of is not None]
            self._register(tx, some, people, now)
            self._keyed(tx, [each for each in ready if each[1].planned.parts], people, now)

    def _ready(self, jobs: Sequence[Job]) -> list[tuple[Job, Task]]:
        """Finds whose keys can be made now; those in stale sources are settled."""
        ready = []
        for job in jobs:
            for which, task in job.tasks.items():
                if which in job.found or not task.looks:
                    continue
                find = task.planned.find
                if find.dataset in self._stale or (task.planned.parts and find.dataset not in self._copies):
                    job.found[which] = Found(stale=True)
                    job.held[which] = []
                elif all((*which[:2], name) in job.found for name in task.planned.after):
                    ready.append((job, task))
        return ready

    def _register(self, tx: Transaction, ready: Sequence[tuple[Job, Task]], people: People, now: datetime) -> None:
        wanted: list[Wanted] = []
        known: dict[tuple[Any, ...], int] = {}
        places: list[tuple[Job, Task, int, int]] = []
        for job, task in ready:
            find, choice = task.planned.find, task.choice
            grant = choice.grant.id if choice.grant else ""
            for number, subject in enumerate(job.subjects[find.of or ""]):
                same = (job.place, grant, find.dataset, find.links, subject)
                if same not in known:
                    known[same] = len(wanted)
                    wanted.append(Wanted(job.reader(choice), choice.grant, find.dataset, subject, find.links))
                places.append((job, task, number, known[same]))
        records = self._verifier.records(tx, people, wanted, now) if wanted else []
        for job, task in ready:
            job.held[task.which], job.found[task.which] = [], Found(partial=_partial(task.choice))
        for job, task, number, place in places:
            self._add(job, task, {task.planned.find.of or "": number}, records[place])
        for job, task in ready:
            if not job.held[task.which]:
                job.looked[task.which] = (job.subjects[task.planned.find.of or ""][0].value,)

    def _keyed(self, tx: Transaction, ready: Sequence[tuple[Job, Task]], people: People, now: datetime) -> None:
        looks: list[Look] = []
        known: dict[tuple[Any, ...], int] = {}
        places: list[tuple[Job, Task, dict[str, int], tuple[str, ...], int]] = []
        for job, task in ready:
            job.held[task.which], job.found[task.which] = [], Found(partial=_partial(task.choice))
            choice, dataset = task.choice, task.planned.find.dataset
            for persons, key in self._keys(job, task, people):
                same = (job.place, choice.grant.id if choice.grant else "", dataset, key)
                if same not in known:
                    known[same] = len(looks)
                    looks.append(Look(job.reader(choice), choice.grant, dataset, key))
                places.append((job, task, persons, key, known[same]))
        records = self._sights.look(tx, looks, now)
        for job, task, persons, key, place in places:
            record, copy = records[place], self._copies[task.planned.find.dataset]
            if record is not None:
                held = Held(key, record, copy.sequence, copy.followed_at or now, None)
                self._add(job, task, persons, (held,))
                job.looked.pop(task.which, None)
            elif not job.held[task.which]:
                job.looked.setdefault(task.which, key)

    def _keys(self, job: Job, task: Task, people: People) -> list[tuple[dict[str, int], tuple[str, ...]]]:
        """The keys that a find looks for, each with the persons whose it is."""
        names = sorted(task.planned.subjects)
        found = []
        for choice in product(*(range(len(job.subjects[name])) for name in names)):
            persons = dict(zip(names, choice, strict=True))
            values = [self._values(job, task, part, persons, people) for part in task.planned.parts]
            found += [(persons, key) for key in islice(product(*values), MOST_KEYS)]
        return found

    def _values(
        self, job: Job, task: Task, part: Part, persons: Mapping[str, int], people: People
    ) -> list[str]:  # fmt: skip
        if part.kind == "text":
            return [part.name]
        if part.kind == "subject":
            return list(numbers(people, job.subjects[part.name][persons[part.name]]))
        if part.kind == "field":
            pieces = job.found[(*task.which[:2], part.name)].pieces
            mine = [each for each in pieces if all(persons.get(name) == at for name, at in each.persons.items())]
            values = (each.fields.get(part.field) for each in mine)
            return list(dict.fromkeys(str(value) for value in values if value is not None))
        value = job.constants(people)[part.name]
        if part.kind == "months":
            return spans.last_months(job.on, value if isinstance(value, int) else 0)
        return [str(value)]

    def _add(self, job: Job, task: Task, persons: Mapping[str, int], records: Sequence[Held]) -> None:
        find, which = task.planned.find, task.which
        pieces = list(job.found[which].pieces)
        for record in records:
            fields = judging.typed(record.fields, self._kinds[find.dataset], find.fields)
            pieces.append(Piece(fields, persons, len(job.held[which])))
            job.held[which].append(record)
        job.found[which] = msgspec.structs.replace(job.found[which], pieces=tuple(pieces))


def _partial(choice: Choice) -> bool:
    return choice.grant is not None and bool(choice.grant.terms.rows.strip())
