"""What needs the caller today, gathered from the modules as the policies let the caller see it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from cityloom.appraisal.api import appeals, filings, parties
from cityloom.catalogue.api import disputes, drafts
from cityloom.console.contracts import KeptDataset, Task, TaskKind, Today
from cityloom.exchange.api import figures, reading, upkeep
from cityloom.identity.contracts import Role
from cityloom.kernel.context import Context
from cityloom.operation import api as operation
from cityloom.quality.api import tickets
from cityloom.quality.contracts import Side
from cityloom.registers.api import states
from cityloom.sharing.api import grants, requests

MOST = 1000
"""Requests that are looked at; who has more waiting has another trouble."""
SOON = timedelta(days=30)
"""So long before its end a grant is shown, and before the day by which it has to be certified."""
TICKETS: tuple[tuple[TaskKind, Side, tuple[str, ...]], ...] = (
    ("answer_tickets", "keeper", ("disputed", "mending", "upheld")),
    ("answer_rejections", "mine", ("rejected",)),
    ("rule_on_tickets", "arbiter", ("contested",)),
)
"""Whose move it is in which state."""
NEVER = datetime.max.replace(tzinfo=UTC)


def today(ctx: Context) -> Today:
    """What waits for the caller's organisation, and the datasets that it keeps."""
    ours = ctx.principal.organisation
    asked = [each for each in requests.listing(ctx, "asked", "", "", MOST) if each.keeper == ours]
    offered = [each for each in requests.listing(ctx, "offered", "", "", MOST) if each.organisation == ours]
    overdue = [each for each in upkeep.overdue(ctx) if each.settled_at is None and each.organisation == ours]
    tasks = [
        _task("decide_requests", (each.due_at for each in asked)),
        _task("answer_offers", (each.due_at for each in offered)),
        _task("deliver", (each.due_at for each in overdue)),
        _doubts(ctx),
        *_tickets(ctx),
        *_grants(ctx, ours),
        *_claims(ctx),
        *_sources(ctx, ours),
        _mend(ctx),
        _alarms(ctx),
    ]
    waiting = sorted((task for task in tasks if task.count), key=lambda task: task.due_at or NEVER)
    return Today(tuple(waiting), _datasets(ctx, ours))


def _task(kind: TaskKind, deadlines: Iterable[datetime | None]) -> Task:
    found = list(deadlines)
    return Task(kind, len(found), min((each for each in found if each is not None), default=None))


def _doubts(ctx: Context) -> Task:
    """Pairs that wait for the stewards of the organisation's registers."""
    if not {Role.data_officer, Role.steward} & ctx.principal.roles:
        return Task("decide_pairs", 0, None)
    return Task("decide_pairs", sum(states.state(ctx, name).doubts for name in states.kept(ctx)), None)


def _tickets(ctx: Context) -> list[Task]:
    return [
        _task(kind, (each.due_at for each in tickets.listing(ctx, side, "open", "", "", MOST) if each.state in waiting))
        for kind, side, waiting in TICKETS
    ]


def _grants(ctx: Context, ours: str) -> list[Task]:
    """Grants that end soon, for who holds them, and that have to be certified again soon, for their keepers."""
    soon = ctx.clock.now() + SOON
    active = grants.listing(ctx, "active", "", "", MOST)
    ending = [each.valid_until for each in active if each.organisation == ours and each.valid_until <= soon]
    due = [each.certify_by for each in active if each.keeper == ours and each.certify_by and each.certify_by <= soon]
    return [_task("renew_grants", ending), _task("certify_grants", due)]


def _claims(ctx: Context) -> list[Task]:
    """Filings and appeals, for who may decide on them."""
    everybody = parties.resource(ctx, parties.EVERYBODY)
    found: list[Task] = []
    if ctx.permits("appraisal.accept", everybody):
        filed = filings.listing(ctx, "", "filed", "", MOST)
        found.append(_task("decide_filings", (each.due_at for each in filed)))
    if ctx.permits("appraisal.uphold", everybody):
        appealed = appeals.listing(ctx, "", "appealed", "", MOST)
        found.append(_task("decide_appeals", (each.due_at for each in appealed)))
    return found


def _sources(ctx: Context, ours: str) -> list[Task]:
    """Disputes over sources and drafts of resources, for whose move it is."""
    if not {Role.data_officer, Role.steward} & ctx.principal.roles:
        return []
    now, mine = ctx.clock.now(), Role.data_officer in ctx.principal.roles
    stated = disputes.listing(ctx, "stated", "", MOST)
    unheard = [each for each in stated if each.due_at is not None and each.due_at < now]
    told = [*disputes.listing(ctx, "answered", "", MOST), *unheard]
    drafted = [each for each in drafts.listing(ctx, "submitted", "", "", MOST) if each.organisation != ours]
    return [
        _task("answer_disputes", (each.due_at for each in stated if each.holder == ours and mine)),
        _task("rule_on_disputes", (each.due_at for each in told if ours not in (each.organisation, each.holder))),
        _task("review_drafts", (each.due_at for each in drafted)),
    ]


def _mend(ctx: Context) -> Task:
    """Rows in quarantine; straight to them where they are of one delivery."""
    held = reading.held_back(ctx)
    place = f"{held[0].dataset}/{held[0].delivery}" if len(held) == 1 else ""
    return Task("mend", sum(each.rows for each in held), None, place)


def _alarms(ctx: Context) -> Task:
    """Gauges out of their limits, for who runs the machines."""
    if not ctx.permits("operation.read", operation.MACHINERY):
        return Task("alarms", 0, None)
    found = operation.health(ctx)
    return Task("alarms", sum(each.level != "ok" for each in found.gauges) + (not found.current), None)


def _datasets(ctx: Context, organisation: str) -> tuple[KeptDataset, ...]:
    last = figures.last_handed(ctx, ctx.clock.now())
    return tuple(
        KeptDataset(
            state.name, state.title, last[state.name].id if state.name in last else "",
            last[state.name].received_at if state.name in last else None,
        )
        for state in reading.datasets(ctx)
        if state.keeper == organisation
    )  # fmt: skip
