"""A delivery from its claim to its receipt.

The id is claimed in PostgreSQL before the first byte is read; the bytes are spooled; the rows are checked; then, under
the dataset's lane, one lake commit (which carries the receipt's facts) is followed by one PostgreSQL
transaction with ledger, audit entry and event. Whoever dies in between, `finish` brings it to its end.
"""

import base64
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, timedelta
from pathlib import Path

import duckdb
import msgspec

from cityloom.exchange.api import gate, leftovers
from cityloom.exchange.contracts import (
    DELIVERY_ID,
    Counts,
    Declaration,
    Mode,
    Receipt,
    Refusal,
    Signature,
    Spooled,
    State,
    Trial,
)
from cityloom.exchange.events import DeliveryAccepted, DeliveryWithdrawn
from cityloom.exchange.store import ledger, quarantine, records
from cityloom.exchange.store.ledger import Delivery
from cityloom.kernel import jobs, lanes, log, metrics
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, Conflict, Invalid, NoRoom, NotFound, Problem, Unavailable

logger = log.logger("exchange")

BEAT = 4.0
MISSING = timedelta(hours=1)
MOST_TRIES = 10
ROOM = 3
"""A delivery may take this many times its bytes in the lake: its records twice, and what replaces old files."""
Facts = dict[str, int | str | None]


def describe(ctx: Context, dataset: str) -> ledger.DatasetRow:
    """Where the dataset stands. Raises NotFound `exchange.dataset_unknown`."""
    with ctx.begin() as tx:
        row = ledger.dataset(tx, dataset)
    if row is None or not row.active:
        raise NotFound("exchange.dataset_unknown", dataset=dataset)
    return row


def resource(row: ledger.DatasetRow) -> Resource:
    """The dataset as the policies see it."""
    return Resource("Dataset", row.name, {"keeper": row.organisation})


def readable(ctx: Context, dataset: str, keeper: str) -> bool:
    """Whether the caller may read how a dataset's deliveries went: lists leave out what a role or token is not for."""
    return ctx.permits("exchange.read_receipt", Resource("Dataset", dataset, {"keeper": keeper}))


def claim(ctx: Context, dataset: str, id: str, declared: Declaration) -> Delivery:
    """Take the delivery id. The answer's state says what to do: `receiving` means send the bytes, else it is known.

    Raises NotFound, Refused, Invalid `exchange.mode_not_allowed`, Conflict `exchange.delivery_in_progress` while
    another sender is at it.
    """
    row = describe(ctx, dataset)
    ctx.require("exchange.deliver", resource(row))
    if not DELIVERY_ID.fullmatch(id):
        raise BadRequest("exchange.delivery_id_wrong", delivery=id[:130])
    mode = _mode(ctx, dataset, declared)
    with ctx.begin() as tx:
        now = ctx.clock.now()
        keeper, account = row.organisation, ctx.principal.name
        owner = keeper if ctx.principal.organisation == "*" else ctx.principal.organisation
        taken = ledger.claim(tx, dataset, id, owner, account, keeper, mode, declared, ctx.language, now)
        found = ledger.find(tx, dataset, id)
        if found is None:
            raise Conflict("exchange.delivery_id_taken", dataset=dataset, delivery=id)
        if taken or found.state != State.receiving:
            return found
        if not ledger.reclaim(tx, found, account, mode, declared, now):
            raise Conflict("exchange.delivery_in_progress", dataset=dataset, delivery=id)
        return _found(tx, dataset, id)


def _mode(ctx: Context, dataset: str, declared: Declaration) -> Mode:
    allowed = gate.dataset(ctx, dataset).modes
    mode = declared.mode or Mode(allowed[0])
    if mode not in allowed:
        raise Invalid("exchange.mode_not_allowed", dataset=dataset, mode=mode, allowed=", ".join(allowed))
    return mode


def keep_alive(ctx: Context, delivery: Delivery) -> None:
    """Say that the bytes still come. Raises Conflict when another sender took the id over."""
    with ctx.begin() as tx:
        if not ledger.extend(tx, delivery, ctx.clock.now()):
            raise Conflict("exchange.delivery_in_progress", dataset=delivery.dataset, delivery=delivery.id)


def abandon(ctx: Context, delivery: Delivery) -> None:
    """The bytes did not all come, or were not as declared: give the id back, keep nothing."""
    with ctx.begin() as tx:
        ledger.drop_claim(tx, delivery)


def repeat(ctx: Context, delivery: Delivery, sha256: str) -> Receipt:
    """The same id again: its receipt if the content is the same. Raises Conflict `exchange.delivery_id_reused`."""
    if delivery.sha256 != sha256:
        raise Conflict("exchange.delivery_id_reused", dataset=delivery.dataset, delivery=delivery.id)
    return receipt_of(ctx, delivery)


def received(ctx: Context, delivery: Delivery, spooled: Spooled) -> Delivery:
    """All bytes are here and as declared. Large ones are queued, small ones are the caller's to `process`.

    Raises Invalid `exchange.hash_differs` (nothing kept), Conflict when another sender took the id over.
    """
    if delivery.declared_sha256 and delivery.declared_sha256.lower() != spooled.sha256:
        abandon(ctx, delivery)
        raise Invalid("exchange.hash_differs", declared=delivery.declared_sha256, found=spooled.sha256)
    with ctx.begin() as tx:
        if not ledger.received(tx, delivery, spooled, ctx.clock.now()):
            raise Conflict("exchange.delivery_in_progress", dataset=delivery.dataset, delivery=delivery.id)
        if spooled.bytes > ctx.settings.inline_mib << 20:
            arguments: dict[str, str | int | None] = {"dataset": delivery.dataset, "delivery": delivery.id}
            jobs.enqueue(tx, "exchange.process", arguments, lock=f"exchange/{delivery.dataset}")
        return _found(tx, delivery.dataset, delivery.id)


def process(ctx: Context, dataset: str, id: str) -> Receipt:
    """Check, commit and decide a received delivery; safe to call again, by anybody, at any time."""
    with ctx.begin() as tx:
        delivery = _found(tx, dataset, id)
        if delivery.state not in (State.received, State.committing):
            return receipt_of(ctx, delivery)
        tries = ledger.begin_try(tx, delivery)
    try:
        _need_room(ctx, delivery)
        return _process(ctx, delivery) if tries <= MOST_TRIES else _give_up(ctx, delivery)
    except Unavailable:
        with suppress(Unavailable), ctx.begin() as tx:
            ledger.let_go(tx, delivery)
        raise


def _process(ctx: Context, delivery: Delivery) -> Receipt:
    dataset, id = delivery.dataset, delivery.id
    with at_work(ctx, delivery), ctx.lake.turn(), metrics.DELIVERY_SECONDS.time(), ctx.lake.session() as cursor:
        try:
            source = _check(ctx, cursor, delivery)
        except Problem as problem:
            if isinstance(problem, Unavailable):
                raise
            return _refuse(ctx, delivery, problem)
        with lanes.hold(ctx.parts.db, lane(dataset)) as term:
            take_up(ctx, cursor, dataset, term)
            with ctx.begin() as tx:
                delivery = _found(tx, dataset, id)
            if delivery.state == State.received:
                delivery = _commit(ctx, cursor, delivery, source, term)
    _drop_spool(delivery)
    return receipt_of(ctx, delivery)


def _give_up(ctx: Context, delivery: Delivery) -> Receipt:
    """Whoever worked on it died or met a fault of ours, time and again: refuse it, so that its sender and others go on."""
    with ctx.lake.session() as cursor, lanes.hold(ctx.parts.db, lane(delivery.dataset)) as term:
        take_up(ctx, cursor, delivery.dataset, term)
    return _refuse(ctx, delivery, Invalid("exchange.tried_in_vain", tries=MOST_TRIES))


def _need_room(ctx: Context, delivery: Delivery) -> None:
    """A full disk is better met before the first byte is written: DuckDB leaves what it began."""
    if "://" not in ctx.settings.lake_files:
        files = Path(ctx.settings.lake_files)
        files.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(files).free >> 20
        needed = (ROOM * (delivery.bytes or 0)) >> 20
        if free < needed:
            raise NoRoom("kernel.disk_full", free=free, needed=needed)


def _check(ctx: Context, cursor: duckdb.DuckDBPyConnection, delivery: Delivery) -> gate.Checked:
    try:
        return gate.check(ctx, cursor, delivery)
    except FileNotFoundError:
        if delivery.spool and Path(delivery.spool).exists():
            raise
        # a disk that is not mounted comes back; what is still missing after an hour does not
        if delivery.received_at and ctx.clock.now() - delivery.received_at < MISSING:
            raise Unavailable("exchange.bytes_away") from None
        raise Invalid("exchange.bytes_lost") from None


def _commit(
    ctx: Context, cursor: duckdb.DuckDBPyConnection, delivery: Delivery, source: gate.Checked, term: lanes.Term
) -> Delivery:
    shape, mode = source.shape, Mode(delivery.mode)
    with ctx.begin() as tx:
        row = ledger.dataset(tx, delivery.dataset)
    base = row.last_sequence if row else 0
    delta = records.compare(cursor, shape, mode, base == 0)
    delivery = begin_attempt(ctx, delivery, State.committing)
    if delta.counts.quarantined:
        quarantine.gather(cursor, shape, source.faults, source.raw, mode)
    now = ctx.clock.now()
    facts = _facts(delta, base, source.columns)
    stamp = records.Stamp(delivery.id, now.astimezone(UTC), base, delivery.as_of)
    with ctx.lake.commit(cursor, delivery.message, facts, term):
        records.write(cursor, shape, mode, delta, stamp)
        if delta.counts.quarantined:
            quarantine.write(cursor, shape, stamp)
    with ctx.begin() as tx:
        if same_attempt(tx, delivery):
            return _settle(ctx, tx, delivery, facts)
        return _found(tx, delivery.dataset, delivery.id)


def begin_attempt(ctx: Context, delivery: Delivery, state: State, why: str | None = None) -> Delivery:
    """Note in the ledger that a lake commit follows. Raises Unavailable if the delivery moved on since it was read."""
    with ctx.begin() as tx:
        begun = ledger.committing(tx, delivery, state, why, ctx.clock.now())
    if begun is None:
        raise Unavailable("kernel.lake_commit_late")
    return begun


def same_attempt(tx: Transaction, delivery: Delivery) -> bool:
    """Lock the ledger's line; whether it still is at this attempt, and nobody has finished it in our place."""
    current = ledger.find(tx, delivery.dataset, delivery.id, lock=True)
    return current is not None and current.message == delivery.message


def _facts(delta: records.Delta, base: int, columns: tuple[str, ...]) -> Facts:
    counts = delta.counts
    return {
        "rows_in": counts.rows_in, "accepted": counts.accepted, "quarantined": counts.quarantined,
        "duplicates": counts.duplicates, "inserted": counts.inserted, "updated": counts.updated,
        "deleted": counts.deleted, "deletes_held": int(delta.deletes_held),
        "first_sequence": base + 1, "last_sequence": base + delta.numbers,
        "columns": msgspec.json.encode(columns).decode(),
    }  # fmt: skip


def _settle(ctx: Context, tx: Transaction, delivery: Delivery, facts: Facts) -> Delivery:
    """One transaction after the lake commit: ledger, event, audit entry, signed receipt."""
    now = ctx.clock.now()
    decided = {**facts, "deletes_held": bool(facts["deletes_held"]), "decided_at": now}
    ledger.decide(tx, delivery, State.accepted, decided)
    last = int(facts["last_sequence"] or 0)
    ledger.give_out(tx, delivery.dataset, last)
    ledger.settle_overdue(tx, delivery.dataset, now)
    accepted, quarantined = int(facts["accepted"] or 0), int(facts["quarantined"] or 0)
    first = int(facts["first_sequence"] or 0)
    ctx.emit(tx, DeliveryAccepted(delivery.dataset, delivery.id, accepted, quarantined, first, last))
    _count(delivery.dataset, Counts(int(facts["rows_in"] or 0), accepted, quarantined, int(facts["duplicates"] or 0)))
    return _sign(ctx, tx, _found(tx, delivery.dataset, delivery.id), "exchange.delivery_accepted")


def _sign(ctx: Context, tx: Transaction, delivery: Delivery, action: str) -> Delivery:
    statement = msgspec.json.encode(_plain_receipt(delivery))
    signature = ctx.parts.signer.sign(statement)
    signed = Signature(signature.algorithm, signature.key_id, base64.b64encode(signature.value).decode())
    counts = delivery.counts or Counts()
    position = ctx.record(
        tx, action, f"delivery:{delivery.dataset}/{delivery.id}", sha256=delivery.sha256 or "", rows=counts.rows_in,
        accepted=counts.accepted, quarantined=counts.quarantined, duplicates=counts.duplicates,
        last_sequence=delivery.last_sequence, by=delivery.account, organisation=delivery.organisation,
    )  # fmt: skip
    ledger.sign(tx, delivery, position, statement, signed)
    return _found(tx, delivery.dataset, delivery.id)


def _refuse(ctx: Context, delivery: Delivery, problem: Problem) -> Receipt:
    """The file as a whole cannot be read: nothing is kept but the ledger's line saying why."""
    refusal = msgspec.json.encode({"code": problem.code, "params": problem.params}).decode()
    with ctx.begin() as tx:
        current = ledger.find(tx, delivery.dataset, delivery.id, lock=True)
        if current is None or current.state != State.received:
            return receipt_of(ctx, current or delivery)
        ledger.decide(tx, delivery, State.refused, {"refusal": refusal, "decided_at": ctx.clock.now()})
        settled = _sign(ctx, tx, _found(tx, delivery.dataset, delivery.id), "exchange.delivery_refused")
    metrics.DELIVERIES.labels(delivery.dataset, "refused").inc()
    _drop_spool(settled)
    return receipt_of(ctx, settled)


def take_up(ctx: Context, cursor: duckdb.DuckDBPyConnection, dataset: str, term: lanes.Term) -> None:
    """Begin in a lane just taken: decide what is undecided, and remove what never became part of the lake."""
    failed = finish(ctx, cursor, dataset)
    if failed:
        leftovers.drop(ctx, cursor, dataset, term, min(each.received_at or each.claimed_at for each in failed))


def finish(ctx: Context, cursor: duckdb.DuckDBPyConnection, dataset: str) -> list[Delivery]:
    """Decide what a dead process left between its lake commit and its transaction. Call while holding its lane.

    Those whose lake commit never happened are as before it, and returned.
    """
    with ctx.begin() as tx:
        left = ledger.unfinished(tx, dataset)
    failed = []
    for delivery in left:
        commit = ctx.lake.find(cursor, delivery.message)
        with ctx.begin() as tx:
            if not same_attempt(tx, delivery):
                continue
            if commit is None:
                before = State.received if delivery.state == State.committing else State.accepted
                ledger.reset(tx, delivery, before)
                failed.append(delivery)
            elif delivery.state == State.committing:
                _settle(ctx, tx, delivery, commit.facts)
            else:
                settle_withdrawal(ctx, tx, delivery, commit.facts)
        logger.info("delivery_finished", dataset=dataset, delivery=delivery.id, committed=commit is not None)
    return failed


def settle_withdrawal(ctx: Context, tx: Transaction, delivery: Delivery, facts: Facts) -> Delivery:
    """One transaction after the lake commit that took a delivery back."""
    first, last = int(facts["first_sequence"] or 0), int(facts["last_sequence"] or 0)
    ledger.give_out(tx, delivery.dataset, last)
    ledger.decide(tx, delivery, State.withdrawn, {"withdrawn_at": ctx.clock.now(), "withdrawn_rows": facts["rows"]})
    ctx.emit(tx, DeliveryWithdrawn(delivery.dataset, delivery.id, first, last))
    ctx.record(
        tx, "exchange.delivery_withdrawn", f"delivery:{delivery.dataset}/{delivery.id}", rows=facts["rows"],
        last_sequence=last, sha256=delivery.sha256 or "",
    )  # fmt: skip
    return _found(tx, delivery.dataset, delivery.id)


@contextmanager
def at_work(ctx: Context, delivery: Delivery) -> Iterator[None]:
    """Say every few seconds that somebody works on the delivery, so that the sweeper leaves it alone."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            with suppress(Problem), ctx.begin() as tx:
                ledger.touch(tx, delivery, ctx.clock.now())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def lane(dataset: str) -> str:
    """The dataset's one commit queue."""
    return f"exchange/{dataset}"


def trial(ctx: Context, dataset: str, declared: Declaration, spooled: Spooled, most: int = 1000) -> Trial:
    """What the delivery would do (试校验): the same checks and the same comparison, and nothing is written."""
    row = describe(ctx, dataset)
    ctx.require("exchange.deliver", resource(row))
    mode = _mode(ctx, dataset, declared)
    with ctx.lake.turn(), ctx.lake.session() as cursor:
        source = gate.check_file(ctx, cursor, dataset, mode, declared, spooled)
        delta = records.compare(cursor, source.shape, mode, row.last_sequence == 0)
        faults, total = gate.explain_faults(ctx, cursor, source, mode, most)
    return Trial(dataset, delta.counts, faults, total, delta.deletes_held)


def receipt(ctx: Context, dataset: str, id: str) -> Receipt:
    """The receipt of a delivery. Raises NotFound `exchange.delivery_unknown`."""
    row = describe(ctx, dataset)
    ctx.require("exchange.read_receipt", resource(row))
    with ctx.begin() as tx:
        return receipt_of(ctx, _found(tx, dataset, id))


def receipts(ctx: Context, dataset: str, after: str, limit: int) -> list[Receipt]:
    """Receipts of a dataset by delivery id, those after `after`."""
    row = describe(ctx, dataset)
    ctx.require("exchange.read_receipt", resource(row))
    with ctx.begin() as tx:
        return [receipt_of(ctx, delivery) for delivery in ledger.page(tx, dataset, after, limit)]


def receipt_of(ctx: Context, delivery: Delivery) -> Receipt:
    """The receipt as it stands now, in the caller's language."""
    plain = _plain_receipt(delivery)
    refusal = None
    if delivery.refusal:
        said = msgspec.json.decode(delivery.refusal)
        detail, remedy = ctx.parts.words.problem(Problem(said["code"], **said["params"]), ctx.language)
        refusal = Refusal(said["code"], detail, remedy)
    where = f"/api/exchange/datasets/{delivery.dataset}/deliveries/{delivery.id}/quarantine"
    return msgspec.structs.replace(
        plain,
        state=State(delivery.state),
        audit_position=delivery.audit_position,
        statement=delivery.receipt.decode() if delivery.receipt else None,
        signature=msgspec.json.decode(delivery.signature, type=Signature) if delivery.signature else None,
        refusal=refusal,
        quarantine=where if delivery.quarantined else None,
        withdrawn_at=delivery.withdrawn_at,
        withdrawn_why=delivery.withdrawn_why,
    )


def _plain_receipt(delivery: Delivery) -> Receipt:
    return Receipt(
        dataset=delivery.dataset,
        delivery=delivery.id,
        state=State(delivery.state),
        mode=Mode(delivery.mode),
        organisation=delivery.organisation,
        bytes=delivery.bytes,
        sha256=delivery.sha256,
        received_at=delivery.received_at,
        decided_at=delivery.decided_at,
        counts=delivery.counts,
        deletes_held_back=delivery.deletes_held,
        first_sequence=delivery.first_sequence,
        last_sequence=delivery.last_sequence,
        corrects=delivery.corrects,
    )


def _found(tx: Transaction, dataset: str, id: str) -> Delivery:
    delivery = ledger.find(tx, dataset, id)
    if delivery is None:
        raise NotFound("exchange.delivery_unknown", dataset=dataset, delivery=id)
    return delivery


def _count(dataset: str, counts: Counts) -> None:
    metrics.DELIVERIES.labels(dataset, "accepted").inc()
    for outcome in ("accepted", "quarantined", "duplicates"):
        metrics.RECORDS.labels(dataset, outcome).inc(getattr(counts, outcome))


def _drop_spool(delivery: Delivery) -> None:
    if delivery.spool and delivery.state not in (State.received, State.committing):
        with suppress(OSError):
            Path(delivery.spool).unlink()
