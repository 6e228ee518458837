"""Retention by the datasets' declared durations, legal erasure, and the evidence of both."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import duckdb
import msgspec

from cityloom.exchange.api import deletions, deliveries, gate
from cityloom.exchange.rules import excerpts as excerpt_rules
from cityloom.exchange.rules import forms
from cityloom.exchange.spec import ResolvedDataset, span
from cityloom.exchange.store import evidence, ledger, retention, told
from cityloom.exchange.store.evidence import DeletionRow
from cityloom.exchange.store.retention import Asked
from cityloom.exchange.store.shape import Shape
from cityloom.exchange.store.told import RowFilter
from cityloom.exchange.store.withdrawal import Replacement
from cityloom.kernel import lanes, log
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Invalid, NotFound, Unavailable

logger = log.logger("exchange")

MOST_KEYS = 1000
MOST_WORDS = 500
LEFT_ALONE = timedelta(seconds=20)


class Deletion(msgspec.Struct, frozen=True, omit_defaults=True):
    """Evidence that rows were deleted for good."""

    id: int
    dataset: str
    kind: str
    """records, changes, quarantine, or erasure."""
    legal_basis: str
    rows: int
    """Rows deleted: of the current state, change rows, confirmations and quarantined rows."""
    keys_digest: str
    """`sha-256:<salt>:<hex>` over the salt and the sorted keys, each on a line (docs/concepts/retention.md)."""
    done_at: datetime
    audit_position: int
    before: datetime | None = None
    """What was older than this moment was deleted."""
    files: list[str] = []
    """Files of the lake that held the rows, complete once they were rewritten."""
    rewritten_at: datetime | None = None
    files_gone_at: datetime | None = None
    """When none of the files existed any more."""


class Erasure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be erased, and which law asks for it."""

    keys: list[list[str]]
    """Each a key: the values of the dataset's key fields as text, in the order of its declaration."""
    legal_basis: str


class Held(msgspec.Struct, frozen=True):
    """A dataset whose lane is held, with everything that was begun finished."""

    cursor: duckdb.DuckDBPyConnection
    term: lanes.Term
    row: ledger.DatasetRow
    declared: ResolvedDataset
    shape: Shape
    withdrawn: list[str]


def erase(ctx: Context, dataset: str, keys: Sequence[Sequence[str]], legal_basis: str) -> Deletion:
    """Erase everything held under these keys, of retired datasets too; subscribers get a change row with the key alone.

    Raises NotFound `exchange.dataset_unknown`, Refused, Invalid `exchange.erasure_…` naming key and field.
    """
    row = _row(ctx, dataset)
    ctx.require("exchange.erase", deliveries.resource(row))
    if not legal_basis.strip() or len(legal_basis) > MOST_WORDS:
        raise Invalid("exchange.erasure_without_basis", most=MOST_WORDS)
    if not 0 < len(keys) <= MOST_KEYS:
        raise Invalid("exchange.erasure_size", found=len(keys), most=MOST_KEYS)
    with _held(ctx, row) as held:
        count = retention.plan_erasure(held.cursor, held.shape, [_asked(held, key) for key in keys])
        with ctx.begin() as tx:
            filters = told.noted(tx, dataset)
            earlier = _told_before(tx, held)
        work = deletions.Work(
            kind="erasure",
            legal_basis=legal_basis.strip(),
            rows=count,
            keys_digest=retention.digest(held.cursor, held.shape, "asked", secrets.token_hex(16)),
            write=lambda stamp: retention.write_erasure(held.cursor, held.shape, stamp),
            numbers=retention.announced(held.cursor),
            asked=tuple(each.id for each in filters),
            told=(*earlier, *_told(held, filters)),
        )
        done = deletions.carry_out if count else _nothing
        return _shown(done(ctx, held.cursor, held.row, work, held.term))


def _nothing(
    ctx: Context, _cursor: duckdb.DuckDBPyConnection, row: ledger.DatasetRow, work: deletions.Work, _term: lanes.Term
) -> DeletionRow:
    return deletions.nothing_found(ctx, row, work)


def _told(held: Held, filters: Sequence[RowFilter]) -> Iterator[tuple[int, int]]:
    """Which filters had shown which of the records that go, as (offset, filter)."""
    retention.unpack(held.cursor, held.shape)
    for each in filters:
        try:
            rows = excerpt_rules.condition(held.declared, each.rows)
        except Invalid:  # the declaration has lost a field: nobody reads through it now, and who did shall know
            rows = "true"
        yield from ((offset, each.id) for offset in retention.shown_to(held.cursor, rows))


def _told_before(tx: Transaction, held: Held) -> list[tuple[int, int]]:
    """The filters whose readers an earlier erasure of a key told of it: they may not have heard yet."""
    offsets = dict(retention.told_before(held.cursor, held.shape))
    return [(offsets[sequence], id) for sequence, id in told.told_before(tx, held.row.name, list(offsets))]


def _asked(held: Held, key: Sequence[str]) -> Asked:
    if len(key) != len(held.shape.key):
        raise Invalid("exchange.erasure_key_parts", fields=", ".join(held.shape.key), found=len(key))
    for name in retention.unreadable(held.cursor, held.shape, key):
        raise Invalid("exchange.erasure_key_unreadable", field=name, type=held.declared.field(name).type)
    spellings = [forms.forms(held.declared.field(name), part) for name, part in zip(held.shape.key, key, strict=True)]
    return Asked(tuple(key), tuple(spellings))


def retain(ctx: Context) -> None:
    """Delete what is past its retention, in every dataset, retired ones too."""
    with ctx.begin() as tx:
        oldest = evidence.oldest_decisions(tx)
    for name in sorted(oldest):
        try:
            if _may_be_due(ctx, name, ctx.clock.now() - oldest[name]):
                retain_dataset(ctx, name)
        except Unavailable:
            raise
        except Exception:
            logger.exception("retention_failed", dataset=name)  # and the other datasets go on


def _may_be_due(ctx: Context, dataset: str, age: timedelta) -> bool:
    """Whether anything of this age can be past its retention; a month has at least 28 days."""
    kept = declaration(ctx, dataset).retention
    spans = [span(duration) for duration in (kept.records, kept.changes, kept.quarantine)]
    return age > min(timedelta(each.months * 28 + each.days, each.seconds) for each in spans) - timedelta(days=1)


def retain_dataset(ctx: Context, dataset: str) -> list[Deletion]:
    """Delete what is past its retention in one dataset: records, change rows, quarantined rows."""
    found = []
    for kind in (_records, _changes, _quarantine):
        with _held(ctx, _row(ctx, dataset)) as held:
            work = kind(ctx, held)
            if work is not None:
                found.append(_shown(deletions.carry_out(ctx, held.cursor, held.row, work, held.term)))
    return found


def _records(ctx: Context, held: Held) -> deletions.Work | None:
    before = _before(ctx, held, held.declared.retention.records)
    count = retention.plan_records(held.cursor, held.shape, before, held.withdrawn)
    if not count:
        return None
    return deletions.Work(
        kind="records",
        legal_basis=f"retention.records {held.declared.retention.records}",
        rows=count,
        keys_digest=retention.digest(held.cursor, held.shape, "doomed", secrets.token_hex(16)),
        write=lambda stamp: retention.write_records(held.cursor, held.shape, stamp),
        before=before.replace(tzinfo=UTC),
        numbers=count,
    )


def _changes(ctx: Context, held: Held) -> deletions.Work | None:
    before = _before(ctx, held, held.declared.retention.changes)
    floor = _floor(ctx, held, before)
    with ctx.begin() as tx:
        standing = ledger.standing_replacements(tx, held.row.name, held.row.floor_sequence)
    replacements = [Replacement(each.id, each.first_sequence or 0) for each in standing]
    below = [each for each in replacements if each.position <= floor]
    count = retention.plan_changes(held.cursor, held.shape, floor, before, held.withdrawn, below)
    if not count:
        return None
    return deletions.Work(
        kind="changes",
        legal_basis=f"retention.changes {held.declared.retention.changes}",
        rows=count,
        keys_digest=retention.digest(held.cursor, held.shape, "forgotten", secrets.token_hex(16)),
        write=lambda _stamp: retention.write_changes(held.cursor, held.shape, floor, before),
        before=before.replace(tzinfo=UTC),
        floor=floor,
    )


def _floor(ctx: Context, held: Held, before: datetime) -> int:
    """The last sequence number before the first commit that is within retention; never within a delivery."""
    kept = retention.oldest_kept(held.cursor, held.shape, held.row.floor_sequence, before)
    if kept is None:
        return held.row.last_sequence
    if not kept.by_delivery:
        return kept.sequence - 1
    with ctx.begin() as tx:
        delivery = ledger.find(tx, held.row.name, kept.delivery)
    first = delivery.first_sequence if delivery else None
    return (first or kept.sequence) - 1


def _quarantine(ctx: Context, held: Held) -> deletions.Work | None:
    before = _before(ctx, held, held.declared.retention.quarantine)
    count = retention.plan_quarantine(held.cursor, held.shape, before)
    if not count:
        return None
    return deletions.Work(
        kind="quarantine",
        legal_basis=f"retention.quarantine {held.declared.retention.quarantine}",
        rows=count,
        keys_digest=retention.digest_quarantine(held.cursor, held.shape, before, secrets.token_hex(16)),
        write=lambda _stamp: retention.write_quarantine(held.cursor, held.shape, before),
        before=before.replace(tzinfo=UTC),
    )


def _before(ctx: Context, held: Held, duration: str) -> datetime:
    return retention.cutoff(held.cursor, ctx.clock.now().astimezone(UTC), span(duration))


def evidence_of(ctx: Context, dataset: str, after: int = 0, limit: int = 100) -> list[Deletion]:
    """Deletions of a dataset by id, those after `after`. Raises NotFound, Refused."""
    row = _row(ctx, dataset)
    ctx.require("exchange.read_receipt", deliveries.resource(row))
    with ctx.begin() as tx:
        return [_shown(each) for each in evidence.page(tx, dataset, after, limit)]


def sweep(ctx: Context) -> None:
    """Finish the deletions that dead processes left."""
    with ctx.begin() as tx:
        left = evidence.unfinished(tx, ctx.clock.now() - LEFT_ALONE)
    for dataset in left:
        # whoever holds the lane finishes what others left before doing its own
        with ctx.lake.session() as cursor, lanes.try_hold(ctx.parts.db, deliveries.lane(dataset)) as term:
            if term:
                deletions.finish(ctx, cursor, dataset)


@contextmanager
def _held(ctx: Context, row: ledger.DatasetRow) -> Iterator[Held]:
    lane = deliveries.lane(row.name)
    with ctx.lake.turn(), ctx.lake.session() as cursor, lanes.hold(ctx.parts.db, lane) as term:
        deletions.finish(ctx, cursor, row.name)
        deliveries.finish(ctx, cursor, row.name)
        declared = declaration(ctx, row.name)
        with ctx.begin() as tx:
            withdrawn = ledger.withdrawn_ids(tx, row.name)
        yield Held(cursor, term, _row(ctx, row.name), declared, gate.shape_of(declared), withdrawn)


def declaration(ctx: Context, dataset: str) -> ResolvedDataset:
    """The dataset as last installed, retired or not. Raises NotFound `exchange.dataset_unknown`."""
    with ctx.begin() as tx:
        encoded = evidence.declared(tx, dataset)
    if encoded is None:
        raise NotFound("exchange.dataset_unknown", dataset=dataset)
    return msgspec.json.decode(encoded, type=ResolvedDataset)


def _row(ctx: Context, dataset: str) -> ledger.DatasetRow:
    with ctx.begin() as tx:
        row = ledger.dataset(tx, dataset)
    if row is None:
        raise NotFound("exchange.dataset_unknown", dataset=dataset)
    return row


def _shown(row: DeletionRow) -> Deletion:
    return Deletion(
        id=row.id,
        dataset=row.dataset,
        kind=row.kind,
        legal_basis=row.legal_basis,
        rows=row.rows,
        keys_digest=row.keys_digest,
        done_at=row.done_at,
        audit_position=row.audit_position,
        before=row.before,
        files=row.paths,
        rewritten_at=row.rewritten_at,
        files_gone_at=row.files_gone_at,
    )
