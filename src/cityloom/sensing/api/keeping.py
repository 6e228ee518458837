"""History kept: days that are over go into the lake, corrections follow them, what is past its retention goes, files stay few.

All of it is done in one lane, one after the other. Whatever is cut off is done again from its beginning, and nobody reads what was
half done: until its border moves, a day is read from PostgreSQL alone.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from cityloom.kernel import lanes, log
from cityloom.kernel.context import Context
from cityloom.sensing.contracts.buckets import Ruler, Width
from cityloom.sensing.rules import buckets
from cityloom.sensing.spec import retention as spec
from cityloom.sensing.store import cooling, history, lake, observations

logger = log.logger("sensing")

LANE = "sensing/history"
READERS = timedelta(minutes=10)
"""How long a partition stays after its day is read from the lake: who began to read before is done by then."""
FEW, MANY = 5_000, 1_000
"""Corrections that are written at once; Datastreams whose totals are worked out at once."""


def keep(ctx: Context) -> None:
    """Everything that is due."""
    moved = move(ctx)
    drop(ctx)
    wrote = write_corrections(ctx)
    gone = expire(ctx)
    if moved or wrote or gone:
        tidy(ctx)


def rulers(ctx: Context) -> list[Ruler]:
    """The buckets of the city, of each width."""
    return [buckets.ruler(width, offset(ctx)) for width in Width]


def offset(ctx: Context) -> timedelta:
    """How far the city's clocks are ahead of UTC; a calendar's zone has no summer time."""
    zone = ctx.parts.calendars.city.table.zone
    return ctx.clock.now().astimezone(zone).utcoffset() or timedelta()


def move(ctx: Context) -> list[date]:
    """Move the days that are no longer hot; which."""
    hot = timedelta(days=spec.hot_days(spec.retention(ctx.packs)))
    moved: list[date] = []
    while True:
        with _lane(ctx) as (cursor, term):
            with ctx.begin() as tx:
                border, there = history.border(tx).until, history.days(tx)
            left = [day for day in there if border is None or _start(day) >= border]
            if not left or _start(left[0]) + timedelta(days=1) + hot > ctx.clock.now():
                return moved
            move_day(ctx, cursor, term, left[0])
        moved.append(left[0])


def move_day(ctx: Context, cursor: duckdb.DuckDBPyConnection, term: lanes.Term, day: date) -> None:
    """Move one day: one lake commit, then one transaction. The oldest that is not yet moved, in the lane."""
    with ctx.begin() as tx:
        history.seal(tx, day)
    first, end = _start(day), _start(day) + timedelta(days=1)
    with ctx.lake.commit(cursor, f"sensing {day}", {}, term):
        lake.make_tables(cursor)
        lake.forget_day(cursor, day)
        with ctx.begin() as tx:
            history.forget_touched(tx)
        with TemporaryDirectory(dir=_room(ctx), prefix="history-") as folder, ctx.begin() as tx:
            for path, longest in history.copied(tx, first, end, Path(folder)):
                lake.put(cursor, path, longest)
        lake.make_parts(cursor, rulers(ctx), day)
    with ctx.begin() as tx:
        where = lake.of_days(first, end)
        for found in lake.cold(cursor, where):
            history.add_cold(tx, found)
            history.note_gone(tx, found)
        history.mark_pairs(tx, lake.pairs(cursor, where))
        span = lake.span_of_day(cursor, day)
        history.move_border(tx, day, span, ctx.clock.now())
        overruled = cooling.overrule_touched(tx, cursor, first, end)
        if overruled:
            cooling.refresh(tx, cursor, overruled)
        ctx.record(tx, "sensing.day_moved", f"day:{day}", observations=span[0])
    logger.info("day_moved", day=str(day), observations=span[0])


def prepare(ctx: Context) -> None:
    """Make the tables of the lake, unless they are there."""
    with _lane(ctx) as (cursor, term), ctx.lake.commit(cursor, "sensing tables", {}, term):
        lake.make_tables(cursor)


def rebuild(ctx: Context, day: date) -> None:
    """Work out all parts of a day of arrival anew, from the observations in the lake."""
    with _lane(ctx) as (cursor, term), ctx.lake.commit(cursor, f"sensing parts {day}", {}, term):
        lake.forget_parts(cursor, day)
        lake.make_parts(cursor, rulers(ctx), day)


def drop(ctx: Context, after: timedelta = READERS) -> None:
    """Drop the partitions that nobody reads any more."""
    with ctx.begin() as tx:
        days = history.old_days(tx, ctx.clock.now() - after)
    for day in days:
        with ctx.begin() as tx:
            if not history.try_drop(tx, day):
                return


def write_corrections(ctx: Context) -> int:
    """Write into the lake what was corrected of it, and take out the Datastreams that went; how many of both."""
    done = 0
    while True:
        with ctx.begin() as tx:
            if not history.corrections(tx, 1) and not history.gone_streams(tx, 1):
                return done
        with _lane(ctx) as (cursor, term):
            with ctx.begin() as tx:
                found, gone = history.corrections(tx, FEW), history.gone_streams(tx, FEW)
                rows = history.corrected_rows(tx, [each.id for each in found])
            with ctx.lake.commit(cursor, "sensing corrections", {}, term):
                if found:
                    lake.replace(cursor, rulers(ctx), [(each.id, each.was_of, each.received) for each in found], rows)
                if gone:
                    lake.forget_streams(cursor, gone)
            with ctx.begin() as tx:
                history.written(tx, found)
                history.forget_gone(tx, gone)
        done += len(found) + len(gone)


def expire(ctx: Context) -> int:
    """Delete observations of the lake that are past the retention of their class; of how many Datastreams."""
    classes = spec.retention(ctx.packs)
    named = sorted(name for name in classes if name != spec.DEFAULT)
    count = 0
    for name, each in classes.items():
        if each.raw_days is None:
            continue
        today = ctx.clock.now().astimezone(UTC).date()
        before = _start(today - timedelta(days=each.raw_days))
        with ctx.begin() as tx:
            only = None if name == spec.DEFAULT else history.of_class(tx, [name])
            but = history.of_class(tx, named) if name == spec.DEFAULT else []
            due = bool(history.expired(tx, before, only, but, 1))
        if due:
            count += _expire(ctx, name, before, only, but)
    return count


def _expire(ctx: Context, name: str, before: datetime, only: Sequence[int] | None, but: Sequence[int]) -> int:
    count = 0
    with _lane(ctx) as (cursor, term):
        with ctx.lake.commit(cursor, f"sensing retention {name}", {}, term):
            rows = lake.expire(cursor, before, only, but)
        while True:
            with ctx.begin() as tx:
                streams = history.expired(tx, before, only, but, MANY)
                cooling.refresh(tx, cursor, streams)
                observations.recount(tx, streams)
                count += len(streams)
                if len(streams) < MANY:
                    ctx.record(tx, "sensing.history_expired", f"retention:{name}", before=before.isoformat(), observations=rows,
                               datastreams=count)  # fmt: skip
                    return count


def tidy(ctx: Context) -> None:
    """Bring rows out of PostgreSQL into files, rewrite worn files and make few of many, sorted."""
    for table in lake.SORTED:
        for statement in lake.tidy(table):
            with _lane(ctx) as (cursor, term):
                _work(ctx, cursor, term, partial(lake.do, cursor, statement))


def _work(ctx: Context, cursor: duckdb.DuckDBPyConnection, term: lanes.Term, step: Callable[[], None]) -> None:
    with ctx.lake.commit(cursor, "sensing upkeep", {}, term):
        step()


@contextmanager
def _lane(ctx: Context) -> Iterator[tuple[duckdb.DuckDBPyConnection, lanes.Term]]:
    with ExitStack() as stack:
        stack.enter_context(ctx.lake.turn())
        cursor = stack.enter_context(ctx.lake.session())
        yield cursor, stack.enter_context(lanes.hold(ctx.parts.db, LANE))


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _room(ctx: Context) -> Path:
    folder = ctx.settings.home / "tmp"
    folder.mkdir(exist_ok=True)
    return folder
