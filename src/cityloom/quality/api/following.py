"""Closes tickets whose source changed, and tells everybody who has the corrected field. As the platform.

Each ticket keeps the sequence up to which its record was followed, beginning where the disputer had seen it: so nothing
that happens between a dispute and this job is missed, whoever dies in between. Records of ended tickets are followed too,
until they are forgotten, so that what is erased at the source is erased here.
"""

from datetime import timedelta

from cityloom.exchange.api import histories
from cityloom.exchange.contracts import RecordChange, Watched
from cityloom.kernel import log
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict, NotFound, Unavailable
from cityloom.kernel.flow.contracts import Act as FlowAct
from cityloom.quality import spec
from cityloom.quality.api import tickets
from cityloom.quality.contracts import TicketAct
from cityloom.quality.events import Corrected
from cityloom.quality.rules import disputes
from cityloom.quality.store import corrections
from cityloom.quality.store import tickets as store
from cityloom.quality.store.corrections import NewCorrection
from cityloom.quality.store.tickets import TicketRow
from cityloom.sharing.api import consumers
from cityloom.sharing.contracts import Consumer

logger = log.logger("quality")

PAGE = 500
ERASURE = "erasure"
"""Cause of the change row of an erased record (docs/concepts/retention.md)."""


def follow(ctx: Context) -> None:
    """Look through the change rows of all records in tickets. Safe to run twice, and by several at once."""
    with ctx.begin() as tx:
        datasets = store.followed(tx)
    for dataset in datasets:
        try:
            _follow(ctx, dataset.name, dataset.followed)
        except NotFound as problem:  # no pack declares it any more
            logger.info("dataset_retired", dataset=dataset.name, code=problem.code)
        except Unavailable:
            raise
        except Exception:
            logger.exception("tickets_stuck", dataset=dataset.name)  # and those of the other datasets go on


def _follow(ctx: Context, dataset: str, followed: int) -> None:
    upto = histories.standing(ctx, dataset).last_sequence
    after, full = "", followed < upto
    while full:
        with ctx.begin() as tx:
            rows = store.behind(tx, dataset, upto, after, PAGE)
        watched = [Watched(tuple(row.key or ()), row.followed) for row in rows]
        changes: list[list[RecordChange]] = [[] for _ in rows]
        for change in histories.changes(ctx, dataset, watched, upto):
            changes[change.place].append(change)
        done = [row.id for row, found in zip(rows, changes, strict=True) if _settle(ctx, row, found)]
        with ctx.begin() as tx:
            store.follow(tx, done, upto)
        full, after = len(rows) == PAGE, rows[-1].id if rows else after


def _settle(ctx: Context, row: TicketRow, history: list[RecordChange]) -> bool:
    """Do what follows from the changes of a ticket's record; False if it was moved meanwhile and must be read again."""
    wish = tickets.wish_of(row)
    change = disputes.mending(wish, history) if wish and row.closed_at is None else None
    if change is not None:
        try:
            _close(ctx, row, change)
        except Conflict as problem:
            logger.info("ticket_moved_meanwhile", ticket=row.id, code=problem.code)
            return False
    if any(each.cause == ERASURE for each in history):
        with ctx.begin() as tx:
            store.forget_record(tx, row.dataset, row.key_digest)
            corrections.forget_record(tx, row.dataset, row.key_digest)
    return True


def _close(ctx: Context, row: TicketRow, change: RecordChange) -> None:
    told, key = _consumers(ctx, row, change), tuple(row.key or ())
    now, removed = ctx.clock.now(), change.after is None
    new = NewCorrection(row.keeper, row.dataset, row.field, row.key_digest, change.sequence, removed, now)
    act = TicketAct(spec.CORRECT, row.version, f"{spec.CORRECT} {change.sequence}")
    made = FlowAct(ctx.principal.name, frozenset({spec.SOURCE}), now, act.key)
    with ctx.begin() as tx:
        tickets.move(ctx, tx, row, act, made)
        store.mended(tx, row.id, change.sequence, change.delivery, removed=removed)
        corrections.tell(tx, new, [(each.organisation, key if each.reads_key else None) for each in told])
        names = tuple(each.organisation for each in told)
        ctx.emit(
            tx,
            Corrected(row.id, row.dataset, row.keeper, row.field, row.key_digest, change.sequence, removed, names),
        )
        ctx.record(
            tx, "quality.corrected", f"ticket:{row.id}", dataset=row.dataset, field=row.field, record=row.key_digest,
            sequence=change.sequence, delivery=change.delivery, removed=removed, told=names,
        )  # fmt: skip


def _consumers(ctx: Context, row: TicketRow, change: RecordChange) -> list[Consumer]:
    """Who has the field, the disputer among them; not the keeper, who changed it."""
    since = ctx.clock.now() - timedelta(days=spec.limits(ctx.packs).asked_days)
    found = consumers.of_record(ctx, row.dataset, tuple(row.key or ()), row.field, change, since)
    known = {each.organisation for each in found}
    if row.organisation not in {*known, disputes.EVERYBODY}:
        found.append(Consumer(row.organisation, reads_key=False))
    return [each for each in found if each.organisation != row.keeper]
