"""Puts a verdict into words, with as much of the records as the asker may read."""

from collections.abc import Mapping
from typing import Any, Final

from cityloom.exchange.contracts import DatasetFacts
from cityloom.facts.api.gathering import Job, Task
from cityloom.facts.contracts import Dispute, Judged, Known, Outcome, Seen
from cityloom.facts.rules import judging
from cityloom.facts.rules.judging import Judgement, Verdict
from cityloom.facts.rules.plans import PlannedFact
from cityloom.facts.spec import Condition
from cityloom.kernel.words import Words
from cityloom.registers.api.verifying import Held

TICKETS: Final = "/api/quality/tickets/{id}"
MOST_DISPUTES: Final = 24
"""Records of one source that are offered for dispute one by one."""
UseOf = Mapping[tuple[str, str, tuple[str, ...]], str]
"""Id of the use in which a record was looked at, by grant, dataset and key."""


class Teller:
    """Tells the verdicts of one process's questions."""

    def __init__(self, words: Words, datasets: Mapping[str, DatasetFacts]) -> None:
        self._words = words
        self._datasets = datasets

    def fact(self, job: Job, fact: PlannedFact, way: int, verdict: Verdict, uses: UseOf, language: str) -> Known:
        """The answer to one fact, in a language."""
        seen = tuple(
            self._seen(job, job.tasks[fact.fact.name, way, name], places, uses, language)
            for name, places in verdict.used.items()
            if places
        )
        asks = verdict.outcome == Outcome.unknown and verdict.code != "facts.way_refused"
        return Known(
            name=fact.fact.name,
            title=fact.fact.title.of(language),
            answer=verdict.outcome,
            code=verdict.code,
            why=self._why(job, fact, way, verdict, seen, language),
            persons=dict(verdict.persons),
            conditions=tuple(
                self._judged(job, fact, way, verdict, number, language) for number in range(len(verdict.judged))
            ),
            sources=seen,
            paper=fact.fact.paper.of(language) if asks else "",
        )

    def _why(
        self, job: Job, fact: PlannedFact, way: int, verdict: Verdict, seen: tuple[Seen, ...], language: str
    ) -> str:  # fmt: skip
        planned = fact.ways[way]
        says = ""
        if verdict.code == "facts.failed":
            says = planned.way.when[len(verdict.judged) - 1].otherwise.of(language)
        find = next((each for each in planned.finds if each.name == verdict.find), None)
        if verdict.code == "facts.absent" and find is not None and find.find.absent is not None:
            says = find.find.absent.of(language)
        facts = self._datasets.get(find.find.dataset) if find is not None else None
        choice = job.tasks[fact.fact.name, way, find.name].choice if find is not None else None
        told = self._words.say(
            verdict.code, language, says=says, sources=_sources(seen, language),
            dataset=facts.title.of(language) if facts else "", keeper=facts.keeper if facts else "",
            fields=", ".join(choice.lacking) if choice else "", purpose=job.planned.declared.purpose,
        )  # fmt: skip
        return told + self._by_how_much(job, fact, way, verdict, language)

    def _by_how_much(self, job: Job, fact: PlannedFact, way: int, verdict: Verdict, language: str) -> str:
        if verdict.code != "facts.failed" or not self._open(job, fact, way, verdict):
            return ""
        judged = self._judged(job, fact, way, verdict, len(verdict.judged) - 1, language)
        if not judged.short:
            return ""
        return self._words.say(
            "facts.by_how_much", language, found=judged.found, wanted=judged.wanted, short=f"{judged.short:g}", unit=judged.unit
        )  # fmt: skip

    def _judged(self, job: Job, fact: PlannedFact, way: int, verdict: Verdict, number: int, language: str) -> Judged:
        planned, judgement = fact.ways[way], verdict.judged[number]
        condition, compiled = planned.way.when[number], planned.conditions[number]
        shows = self._open(job, fact, way, verdict)
        public = compiled.right is not None and not compiled.right.personal
        return Judged(
            holds=judgement.holds,
            otherwise=condition.otherwise.of(language),
            unit=condition.unit,
            found=_text(judgement.left) if shows and compiled.left is not None else None,
            wanted=_text(judgement.right) if compiled.right is not None and (shows or public) else None,
            short=_short(shows, compiled.operator, judgement, condition),
        )

    def _open(self, job: Job, fact: PlannedFact, way: int, verdict: Verdict) -> bool:
        """Whether the asker may read every record that this was judged by."""
        return all(job.tasks[fact.fact.name, way, name].choice.reads for name, places in verdict.used.items() if places)

    def _seen(self, job: Job, task: Task, places: tuple[int, ...], uses: UseOf, language: str) -> Seen:
        find, choice, facts = task.planned.find, task.choice, self._datasets[task.planned.find.dataset]
        records = [job.held[task.which][place] for place in places]
        newest = max(records, key=lambda record: (record.sequence, record.known_since))
        grant = choice.grant.id if choice.grant else ""
        used = {record.key: uses[grant, facts.name, record.key] for record in records if grant}
        return Seen(
            name=find.name,
            dataset=facts.name,
            title=facts.title.of(language),
            keeper=facts.keeper,
            grant=grant,
            records=len(records),
            sequence=newest.sequence,
            known_since=newest.known_since,
            as_of=max((record.as_of for record in records if record.as_of), default=None),
            uses=tuple(dict.fromkeys(used.values())),
            shown=tuple(_shown(record, find.fields) for record in records) if choice.reads else None,
            disputes=tuple(
                _dispute(job, facts, find.fields, grant, used[record.key], record, choice.reads)
                for record in records[:MOST_DISPUTES]
                if grant
            ),
        )


def _dispute(
    job: Job, facts: DatasetFacts, fields: tuple[str, ...], grant: str, use: str, record: Held, reads: bool
) -> Dispute:  # fmt: skip
    """The key is told to who may read it, or named every part of it."""
    named = {each.value for subjects in job.subjects.values() for each in subjects} | set(job.question.given.values())
    known = reads or set(record.key) <= named
    return Dispute(TICKETS, facts.name, fields, grant, use, record.key if known else None)


def _shown(record: Held, fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: record.fields.get(name) for name in fields}


def _short(shows: bool, operator: str, judgement: Judgement, condition: Condition) -> float | None:
    if not shows or judgement.holds is not False:
        return None
    return judging.short(operator, judgement.left, judgement.right) if condition.unit else None


def _text(value: object) -> str | None:
    if value is None:
        return None
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _sources(seen: tuple[Seen, ...], language: str) -> str:
    """Each source with the day since when its record is known."""
    texts = []
    for each in seen:
        known = each.as_of or each.known_since
        day = known.isoformat()[:10] if known else ""
        texts.append(
            f"{each.title}（{each.keeper}，{day}）" if language == "zh" else f"{each.title} ({each.keeper}, {day})"
        )
    return ("、" if language == "zh" else ", ").join(dict.fromkeys(texts))
