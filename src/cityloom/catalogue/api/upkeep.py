"""What the catalogue does by itself, as the platform: bring announced changes into force, grade anew what is derived.

Each resource is a transaction of its own. What cannot be done holds up nothing else: it is logged, its keeper is told
once, and it is tried again.
"""

from collections.abc import Callable

import msgspec

from cityloom.catalogue.api import drafts
from cityloom.catalogue.api.desk import Desk, titles_of, today_of
from cityloom.catalogue.api.resources import existing
from cityloom.catalogue.contracts import ResourceWish
from cityloom.catalogue.rules import diff
from cityloom.catalogue.store import drafts as store
from cityloom.catalogue.store import messages, resources
from cityloom.catalogue.store.drafts import DraftRow
from cityloom.catalogue.store.messages import Act, NewMessage, Params, SetbackRow
from cityloom.catalogue.store.resources import AnnouncementRow
from cityloom.kernel import log
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Problem, Unavailable

logger = log.logger("catalogue")


def attempt(ctx: Context, act: Act, resource: str, organisation: str, do: Callable[[Desk], bool]) -> bool:
    """Do something for one resource in a transaction; whether it changed anything.

    Raises Unavailable: then nothing else could be done either.
    """
    try:
        titles = titles_of(ctx)
        with ctx.begin() as tx:
            done = do(Desk(ctx, tx, titles))
            messages.forget(tx, resource, act)
            return done
    except Unavailable:
        raise
    except Problem as problem:
        logger.warning("catalogue_set_back", act=act, resource=resource, code=problem.code)
        _hold(ctx, SetbackRow(resource, act, organisation, problem.code), problem.params)
    except Exception:
        logger.exception("catalogue_set_back", act=act, resource=resource)
        _hold(ctx, SetbackRow(resource, act, organisation, "catalogue.setback_inside"), {"resource": resource})
    return False


def _hold(ctx: Context, row: SetbackRow, params: Params) -> None:
    now = ctx.clock.now()
    with ctx.begin() as tx:
        if messages.set_back(tx, row, params, now):
            told = NewMessage(
                row.organisation, "setback", f"resource:{row.resource}", row.code, params, now, state=row.act
            )
            messages.tell(tx, told)
            ctx.record(tx, "catalogue.set_back", f"resource:{row.resource}", act=row.act, code=row.code)


def bring_into_force(ctx: Context) -> int:
    """Do what was announced for today or earlier; how many. Safe to run twice.

    What cannot be done, such as a change whose code others have taken meanwhile, stays announced.
    """
    with ctx.begin() as tx:
        due = resources.come(tx, today_of(ctx))
    return sum(attempt(ctx, "announced", row.resource, row.organisation, _bringer(row)) for row in due)


def _bringer(row: AnnouncementRow) -> Callable[[Desk], bool]:
    return lambda desk: _bring(desk, row)


def _bring(desk: Desk, row: AnnouncementRow) -> bool:
    before = existing(desk.tx, row.resource)
    if resources.announcement(desk.tx, row.resource) != row:
        return False
    if row.record is None:
        desk.write(row.resource, before.wish, before, "retired", [], retired=True)
    else:
        told = desk.ruled(row.resource, msgspec.json.decode(row.record, type=ResourceWish))
        wish = desk.coded(row.resource, told, before)
        desk.check_sources(row.resource, wish)
        desk.check_claims(row.resource, wish)
        desk.write(row.resource, wish, before, "announced", diff.compare(before.wish, wish))
    resources.drop_announcement(desk.tx, row.resource)
    desk.ctx.record(desk.tx, "catalogue.announced_change_done", f"resource:{row.resource}", announced_by=row.actor)
    return True


def publish_drafts(ctx: Context) -> int:
    """Publish approved drafts whose day has come; how many. Safe to run twice."""
    with ctx.begin() as tx:
        due = store.ripe(tx, today_of(ctx))
    return sum(attempt(ctx, "draft", row.resource, row.organisation, _publisher(row)) for row in due)


def _publisher(row: DraftRow) -> Callable[[Desk], bool]:
    return lambda desk: drafts.publish(desk, row)


def regrade(ctx: Context, id: str) -> int:
    """Grade anew what is derived from a resource; how many changed. Safe to run twice."""
    with ctx.begin() as tx:
        rows = resources.derived(tx, id)
    own = [(row.id, row.keeper) for row in rows if not row.source]  # others' grades come with their reports
    return sum(attempt(ctx, "regrade", each, keeper, _grader(each, id)) for each, keeper in own)


def grade_waiting(ctx: Context) -> int:
    """Try again what could not be graded anew; how many changed."""
    with ctx.begin() as tx:
        rows = messages.setbacks(tx, "regrade")
    return sum(attempt(ctx, "regrade", row.resource, row.organisation, _grader(row.resource, "")) for row in rows)


def _grader(resource: str, source: str) -> Callable[[Desk], bool]:
    return lambda desk: _regrade(desk, resource, source)


def _regrade(desk: Desk, id: str, source: str) -> bool:
    row = existing(desk.tx, id)
    if row.retired_at is not None or desk.grade(row.wish) == row.grade:
        return False
    desk.write(id, row.wish, row, "regraded", [])
    desk.ctx.record(desk.tx, "catalogue.regraded", f"resource:{id}", before=row.grade, source=source)
    return True
