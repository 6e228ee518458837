"""Facts asked about people under a purpose, answered in groups: yes, no or unknown, and why.

One transaction looks up who asks, whom about, the grants and the records; judges; meters; and keeps the uses of the
grants, the readings of the registers and what was asked, with their entries of the audit log. Only then is anything told.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from cityloom.exchange.api import excerpts, upkeep
from cityloom.exchange.contracts import DatasetFacts
from cityloom.facts import store
from cityloom.facts.api import choosing, lists
from cityloom.facts.api.gathering import Gatherer, Job
from cityloom.facts.api.telling import Teller, UseOf
from cityloom.facts.contracts import Known, Outcome, Question, Statement
from cityloom.facts.rules import entering, judging
from cityloom.facts.rules.judging import Verdict
from cityloom.facts.rules.plans import PlannedFact
from cityloom.facts.store import NewAbout, NewAsked
from cityloom.identity import api as identity
from cityloom.identity.contracts import Credentials
from cityloom.kernel import jobs as kernel_jobs
from cityloom.kernel.access import Memory, Principal
from cityloom.kernel.audit.entry import Entry
from cityloom.kernel.context import Parts
from cityloom.kernel.db import PLATFORM, Transaction
from cityloom.kernel.desk import MOST, Desk
from cityloom.kernel.errors import BadRequest, NotFound, Problem, Refused, Unavailable
from cityloom.kernel.words import Words
from cityloom.registers.api.verifying import People, Regarded, Verifier
from cityloom.sharing.api import signing
from cityloom.sharing.api.sights import Seen, Sights
from cityloom.sharing.contracts import Answer, LineAnswer

ASK = "facts.ask"
LOOKS = timedelta(minutes=1)
"""How long it is believed which sources are late."""
FOLLOWS = timedelta(hours=1)
"""A copy or register that was not up to date for so long is stale."""


class Asked(msgspec.Struct, frozen=True):
    """A question as it came in."""

    list: str
    question: Question
    credentials: Credentials
    purpose: str
    request: str
    language: str
    known: Callable[[Principal], None] = lambda _: None
    """Is told who asks, once that is known."""


class Draft(msgspec.Struct, frozen=True):
    """An answer that will be told once it is kept that it was asked for."""

    job: Job
    verdicts: tuple[tuple[PlannedFact, int, Verdict], ...]
    seen: tuple[Seen, ...]
    id: str

    @property
    def papers(self) -> int:
        """Facts for which a paper must be brought."""
        return sum(
            verdict.outcome == Outcome.unknown and verdict.code != "facts.way_refused" for *_, verdict in self.verdicts
        )


class Answerer:
    """Answers groups, one at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ctx = kernel_jobs.platform_context(parts, "facts.ask")
        self._lists = lists.planned(parts.packs)
        self._digests = {name: lists.digest(each.declared) for name, each in self._lists.items()}
        self._sights = Sights(parts)
        self._verifier = Verifier(parts, self._sights)
        self._policies = Memory(parts.policies)
        self._datasets: dict[str, DatasetFacts] = {}
        self._late: tuple[datetime, frozenset[str]] | None = None

    def answer(self, group: Sequence[Asked]) -> list[Answer | Exception]:
        """One answer, or the reason why not, for each question."""
        answers: list[Answer | Exception] = [Unavailable("kernel.database_unreachable")] * len(group)
        now = self._parts.clock.now()
        self._learn(group)
        late = self._overdue(now)
        with self._parts.db.begin(PLATFORM) as tx:
            people = identity.authenticate_many(tx, self._parts, [each.credentials for each in group])
            jobs = self._enter(group, people, answers, now)
            known = self._verifier.people(tx, [each for job in jobs for some in job.subjects.values() for each in some])
            self._gather(tx, jobs, known, late, now)
            drafts = self._drafts(jobs, known, answers)
            drafts = self._metered(tx, drafts, answers, now)
            refused = [
                _refused(group[place], who, now)
                for place, who in enumerate(people)
                if isinstance(who, Principal)
                and group[place].list in self._lists
                and isinstance(answers[place], Refused)
            ]
            self._keep(tx, group, drafts, known, refused, answers, now)
        return answers

    def _learn(self, group: Sequence[Asked]) -> None:
        names = {
            name for asked in group if asked.list in self._lists for name in self._lists[asked.list].declared.datasets
        }
        for name in sorted(names - set(self._datasets)):
            self._datasets[name] = excerpts.facts(self._ctx, name)

    def _overdue(self, now: datetime) -> frozenset[str]:
        """Sources that missed the deadline of their last period."""
        if self._late is None or not timedelta(0) <= now - self._late[0] < LOOKS:
            self._late = now, frozenset(each.dataset for each in upkeep.late(self._ctx, set(self._datasets)))
        return self._late[1]

    def _enter(
        self,
        group: Sequence[Asked],
        people: Sequence[Principal | Problem],
        answers: list[Answer | Exception],
        now: datetime,
    ) -> list[Job]:
        """The questions that may be asked."""
        today = now.astimezone(self._parts.calendars.city.table.zone).date()
        found = []
        for place, (asked, who) in enumerate(zip(group, people, strict=True)):
            if isinstance(who, Problem):
                answers[place] = who
                continue
            asked.known(who)
            problem = self._refusal(who, asked)
            if problem is None:
                planned = self._lists[asked.list]
                problem = entering.fault(asked.list, planned.declared, asked.question, now, today)
            if problem is None:
                found.append(Job(place, who, asked.question, planned, asked.question.day or today, asked.request))
            else:
                answers[place] = problem
        return found

    def _refusal(self, who: Principal, asked: Asked) -> Problem | None:
        planned = self._lists.get(asked.list)
        if planned is None:
            return NotFound("facts.list_unknown", list=asked.list, known=", ".join(self._lists))
        if not asked.purpose:
            return BadRequest("facts.purpose_missing", purpose=planned.declared.purpose)
        resource = lists.resource(asked.list, planned.declared)
        if self._policies.permits(who, ASK, resource, asked.purpose):
            return None
        if self._policies.permits(who, ASK, resource, planned.declared.purpose):
            return Refused("facts.purpose_differs", purpose=planned.declared.purpose, given=asked.purpose)
        return Refused("kernel.refused", right=ASK, kind="FactList", name=asked.list)

    def _gather(
        self, tx: Transaction, jobs: Sequence[Job], people: People, late: frozenset[str], now: datetime
    ) -> None:  # fmt: skip
        if not jobs:
            return
        grants = self._sights.grants(tx, [job.judges for job in jobs], sorted(self._datasets), now)
        for job in jobs:
            choosing.tasks(self._sights, job, grants, self._datasets, now)
        stale = late | self._behind(tx, now)
        Gatherer(self._verifier, self._sights, self._datasets, stale).gather(tx, jobs, people, now)

    def _behind(self, tx: Transaction, now: datetime) -> frozenset[str]:
        """Sources whose copy, or register, was not up to date for too long."""
        followed = dict(self._verifier.followed(tx))
        copies = self._sights.copies(tx, sorted(set(self._datasets) - set(followed)))
        followed |= {name: copy.followed_at for name, copy in copies.items()}
        return frozenset(name for name, at in followed.items() if at is None or now - at > FOLLOWS)

    def _drafts(self, jobs: Sequence[Job], people: People, answers: list[Answer | Exception]) -> list[Draft]:
        found = []
        for job in jobs:
            verdicts = tuple(_verdict(job, fact, people) for fact in job.facts)
            if all(verdict.outcome == Outcome.refused for *_, verdict in verdicts):
                name = job.planned.name
                answers[job.place] = Refused("facts.no_grants", list=name, purpose=job.planned.declared.purpose)
            else:
                found.append(Draft(job, verdicts, _seen(job), _new_id()))
        return found

    def _metered(
        self, tx: Transaction, drafts: Sequence[Draft], answers: list[Answer | Exception], now: datetime
    ) -> list[Draft]:  # fmt: skip
        """Those within the quotas of all their grants; the others are told when to come again."""
        over = iter(self._sights.meter(tx, [each for draft in drafts for each in draft.seen], now))
        within = []
        for draft in drafts:
            problems = [problem for problem in [next(over) for _ in draft.seen] if problem is not None]
            if problems:
                answers[draft.job.place] = problems[0]
            else:
                within.append(draft)
        return within

    def _keep(
        self, tx: Transaction, group: Sequence[Asked], drafts: Sequence[Draft], people: People, refused: Sequence[Entry],
        answers: list[Answer | Exception], now: datetime,
    ) -> None:  # fmt: skip
        """Keep everything, with one entry of the audit log for all that one account asks of one list at once; then tell."""
        if not drafts and not refused:
            return
        readings = self._verifier.prepare(tx, [each for draft in drafts for each in _regarded(draft, people)], now)
        groups: dict[tuple[str, str], list[Draft]] = {}
        for draft in drafts:
            groups.setdefault((draft.job.who.name, draft.job.planned.name), []).append(draft)
        entries = [_entry(some, now) for some in groups.values()]
        uses = self._sights.uses([each for draft in drafts for each in draft.seen])
        _, positions = self._sights.keep_uses(tx, uses, [*readings.entries, *refused, *entries], now)
        self._verifier.note(tx, readings, positions[: len(readings.entries)], now)
        made = iter(uses)
        used = {draft.id: _uses(draft, [next(made).id for _ in draft.seen]) for draft in drafts}
        kept = []
        for some, position in zip(groups.values(), positions[len(readings.entries) + len(refused) :], strict=True):
            for draft in some:
                asked = group[draft.job.place]
                text = msgspec.json.encode(self._statement(draft, used[draft.id], asked.language, position, now))
                answers[draft.job.place] = signing.signed(self._parts.signer, text)
                kept.append(_asked(draft, people, hashlib.sha256(text).hexdigest(), position))
        store.keep(tx, kept, now)

    def _statement(self, draft: Draft, uses: UseOf, language: str, position: int, now: datetime) -> Statement:
        job, declared = draft.job, draft.job.planned.declared
        teller = Teller(self._parts.words, self._datasets)
        told: list[Known] = [
            teller.fact(job, fact, way, verdict, uses, language) for fact, way, verdict in draft.verdicts
        ]
        return Statement(
            id=draft.id,
            list=job.planned.name,
            declaration=self._digests[job.planned.name],
            organisation=job.who.organisation,
            purpose=declared.purpose,
            case=job.question.case,
            about=_about(draft),
            consent=job.question.consent.reference,
            day=job.on,
            parameters={each.name: each.value for each in declared.parameters},
            facts=tuple(told),
            papers_asked=draft.papers,
            at=now,
            audit_position=position,
        )


def _verdict(job: Job, fact: PlannedFact, people: People) -> tuple[PlannedFact, int, Verdict]:
    """The best answer of all ways that may be looked at; where another way was refused, a no is not known to be one."""
    counts = {name: len(some) for name, some in job.subjects.items()}
    constants = job.constants(people)
    found: list[tuple[int, Verdict]] = []
    refused: list[tuple[int, Verdict]] = []
    for number, way in enumerate(fact.ways):
        choices = {find.name: job.tasks[fact.fact.name, number, find.name].choice for find in way.finds}
        closed = next((name for name, choice in choices.items() if choice.code), None)
        if closed is not None:
            refused.append((number, Verdict(Outcome.refused, choices[closed].code, closed)))
        else:
            records = {find.name: job.found[fact.fact.name, number, find.name] for find in way.finds}
            found.append((number, judging.judge(way, counts, records, constants)))
    if not found:
        return fact, *refused[0]
    number, best = max(found, key=lambda each: each[1].rank)
    if refused and best.outcome != Outcome.yes:
        number, why = refused[0]
        best = msgspec.structs.replace(why, outcome=Outcome.unknown, code="facts.way_refused")
    return fact, number, best


def _seen(job: Job) -> tuple[Seen, ...]:
    """Every record that was looked at under a grant, once, with all the fields that were; and keys with nothing there."""
    fields: dict[tuple[str, tuple[str, ...], bool], dict[str, None]] = {}
    first: dict[tuple[str, tuple[str, ...], bool], Seen] = {}
    for which, held in job.held.items():
        task = job.tasks[which]
        grant = task.choice.grant
        if grant is None:
            continue
        reader = job.reader(task.choice)
        looked = job.looked.get(which)
        found = [Seen(reader, grant, record.key, record.sequence) for record in held]
        found += [Seen(reader, grant, looked, 0, found=False)] if looked and not held else []
        for each in found:
            same = grant.id, each.key, each.found
            first.setdefault(same, each)
            fields.setdefault(same, {}).update(dict.fromkeys(task.planned.find.fields))
    return tuple(msgspec.structs.replace(each, fields=tuple(fields[same])) for same, each in first.items())


def _uses(draft: Draft, ids: Sequence[str]) -> Mapping[tuple[str, str, tuple[str, ...]], str]:
    return {(each.grant.id, each.grant.dataset, each.key): id for each, id in zip(draft.seen, ids, strict=True)}


def _regarded(draft: Draft, people: People) -> list[Regarded]:
    """Who was looked at: all whose facts were asked and whom a register knows."""
    job = draft.job
    what = tuple(f"{job.planned.name}.{fact.fact.name}" for fact in job.facts)
    found = {}
    for each in (each for some in job.subjects.values() for each in some):
        person = people.find(each)
        if person is not None:
            found[person.entity] = Regarded(job.judges, each.register, person.entity, what)
    return list(found.values())


def _asked(draft: Draft, people: People, digest: str, position: int) -> NewAsked:
    job, consent = draft.job, draft.job.question.consent
    about = {}
    for role, some in job.subjects.items():
        for each in some:
            person = people.find(each)
            if person is not None:
                about[person.id, role] = NewAbout(each.register, person.id, role)
    return NewAsked(
        draft.id, job.planned.name, job.who.organisation, job.who.name, job.planned.declared.purpose, job.question.case,
        consent.reference, consent.given_at, {fact.fact.name: str(verdict.outcome) for fact, _, verdict in draft.verdicts},
        draft.papers, digest, position, tuple(about.values()),
    )  # fmt: skip


def _about(draft: Draft) -> dict[str, tuple[str, ...]]:
    """Whoever holds the identifiers can check that the statement is about them; nobody else can read them from it."""
    return {
        role: tuple(hashlib.sha256(f"{draft.id}\x1f{each.value}".encode()).hexdigest() for each in some)
        for role, some in draft.job.subjects.items()
    }


def _new_id() -> str:
    """Ids sort as their times do."""
    return f"f{time.time_ns():016x}{os.urandom(8).hex()}"


def _entry(drafts: Sequence[Draft], now: datetime) -> Entry:
    """It holds their number, the first and the last, and the SHA-256 of their lines in order."""
    first = drafts[0].job
    lines = b"".join(
        msgspec.json.encode(
            (draft.id, draft.job.question.case, draft.job.question.consent.reference,
             [(fact.fact.name, verdict.outcome) for fact, _, verdict in draft.verdicts])
        ) + b"\n"
        for draft in drafts
    )  # fmt: skip
    return Entry(
        time=now,
        actor=first.who.name,
        organisation=first.who.organisation,
        action="facts.asked",
        subject=f"facts:{first.planned.name}",
        purpose=first.planned.declared.purpose,
        request=first.judges.request,
        facts={
            "asked": len(drafts), "first": drafts[0].id, "last": drafts[-1].id,
            "digest": f"sha256:{hashlib.sha256(lines).hexdigest()}",
            "cases": tuple(dict.fromkeys(draft.job.question.case for draft in drafts))[:20],
        },
    )  # fmt: skip


def _refused(asked: Asked, who: Principal, now: datetime) -> Entry:
    return Entry(
        time=now, actor=who.name, organisation=who.organisation, action="access.refused", subject=f"facts:{asked.list}",
        purpose=asked.purpose, request=asked.request, facts={"right": ASK},
    )  # fmt: skip


FactDesk = Desk[Asked, Answer]


def desk(parts: Parts) -> FactDesk:
    """Where the questions of one process are answered, in groups."""
    return Desk("facts-desk", Answerer(parts).answer)


async def answer_lines(
    desk: FactDesk, asked: Sequence[Asked], words: Words, language: str
) -> AsyncIterator[LineAnswer]:  # fmt: skip
    """The answers to a batch in order, a group at a time; a question that is refused does not stop the others."""
    for start in range(0, len(asked), MOST):
        group = asked[start : start + MOST]
        answers = await asyncio.gather(*(desk.ask(each) for each in group), return_exceptions=True)
        for line, answer in enumerate(answers, start + 1):
            if isinstance(answer, Answer):
                yield LineAnswer(line, answer.statement, answer.signature)
            elif isinstance(answer, Problem):
                detail, remedy = words.problem(answer, language)
                yield LineAnswer(line, code=answer.code, detail=detail, remedy=remedy)
            else:
                raise answer
