"""Which of the asker's grants lets a source be asked, if any; what is lacking is said by name."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from cityloom.exchange.contracts import DatasetFacts
from cityloom.facts.api.gathering import Choice, Job, Task
from cityloom.facts.rules.plans import PlannedFind
from cityloom.sharing.api.sights import Granted, GrantsOf, Sights
from cityloom.sharing.contracts import Kind


def tasks(sights: Sights, job: Job, grants: GrantsOf, datasets: Mapping[str, DatasetFacts], now: datetime) -> None:
    """Give the job a task for each find of the facts that it asks for."""
    lives = grants[job.who.organisation, job.planned.declared.purpose]
    for fact in job.facts:
        for number, way in enumerate(fact.ways):
            choices = [_choose(sights, job, lives, datasets[each.find.dataset], each, now) for each in way.finds]
            looks = not any(choice.code for choice in choices)
            for find, choice in zip(way.finds, choices, strict=True):
                which = (fact.fact.name, number, find.name)
                job.tasks[which] = Task(which, find, choice, looks)


def _choose(
    sights: Sights, job: Job, lives: Sequence[Granted], facts: DatasetFacts, find: PlannedFind, now: datetime
) -> Choice:
    """What shows most goes first: all rows before some, to be read before only to be judged."""
    if facts.keeper == job.who.organisation:
        return Choice(None, reads=True)
    usable = []
    for live in lives:
        reads = live.terms.kind == Kind.read
        reader = job.reads if reads else job.judges
        if live.dataset == facts.name and sights.refusal(reader, live, now) is None:
            usable.append((bool(live.terms.rows.strip()), not reads, live))
    if not usable:
        return Choice(None, "facts.no_grant")
    usable.sort(key=lambda each: each[:2])
    lacking = [_lacking(live, find) for *_, live in usable]
    for (_, judged, live), missing in zip(usable, lacking, strict=True):
        if not missing:
            return Choice(live, reads=not judged)
    return Choice(None, "facts.fields_not_granted", min(lacking, key=len))


def _lacking(live: Granted, find: PlannedFind) -> tuple[str, ...]:
    masked = {mask.field for mask in live.terms.masks}
    return tuple(name for name in find.find.fields if name not in live.terms.fields or name in masked)
