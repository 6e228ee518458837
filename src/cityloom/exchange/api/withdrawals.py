"""Takes a delivery back with all its effects, in the same lane and by the same two steps as a delivery."""

from datetime import UTC

from cityloom.exchange.api import deliveries, gate
from cityloom.exchange.contracts import Receipt, State
from cityloom.exchange.store import ledger, records, withdrawal
from cityloom.exchange.store.ledger import Delivery
from cityloom.kernel import lanes
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict, Gone


def withdraw(ctx: Context, dataset: str, id: str, reason: str) -> Receipt:
    """Withdraw; the receipt with when and why. Withdrawing twice answers the same.

    Raises NotFound, Refused, Conflict `exchange.not_withdrawable` unless it was accepted, Gone
    `exchange.withdrawal_too_late` when its change rows are past their retention.
    """
    row = deliveries.describe(ctx, dataset)
    ctx.require("exchange.withdraw", deliveries.resource(row))
    with ctx.lake.turn(), ctx.lake.session() as cursor, lanes.hold(ctx.parts.db, deliveries.lane(dataset)) as term:
        deliveries.take_up(ctx, cursor, dataset, term)
        with ctx.begin() as tx:
            delivery = _withdrawable(ledger.find(tx, dataset, id), dataset, id, ledger.dataset(tx, dataset) or row)
            if delivery.state == State.withdrawn:
                return deliveries.receipt_of(ctx, delivery)
            gone = ledger.withdrawn_ids(tx, dataset)
            later = ledger.standing_replacements(tx, dataset, delivery.first_sequence or 0)
            base = (ledger.dataset(tx, dataset) or row).last_sequence
        shape = gate.shape_of(gate.dataset(ctx, dataset))
        others = [withdrawal.Replacement(each.id, each.first_sequence or 0) for each in later if each.id != id]
        rows = withdrawal.plan(cursor, shape, id, gone, others)
        delivery = deliveries.begin_attempt(ctx, delivery, State.withdrawing, reason)
        facts: deliveries.Facts = {"rows": rows, "first_sequence": base + 1, "last_sequence": base + max(rows, 1)}
        stamp = records.Stamp(id, ctx.clock.now().astimezone(UTC), base, delivery.as_of)
        with ctx.lake.commit(cursor, delivery.message, facts, term):
            withdrawal.write(cursor, shape, stamp)
        with ctx.begin() as tx:
            if deliveries.same_attempt(tx, delivery):
                deliveries.settle_withdrawal(ctx, tx, delivery, facts)
    return deliveries.receipt(ctx, dataset, id)


def _withdrawable(delivery: Delivery | None, dataset: str, id: str, row: ledger.DatasetRow) -> Delivery:
    if delivery is None or delivery.state not in (State.accepted, State.withdrawn):
        raise Conflict("exchange.not_withdrawable", dataset=dataset, delivery=id)
    if (delivery.first_sequence or 0) <= row.floor_sequence:
        raise Gone("exchange.withdrawal_too_late", dataset=dataset, delivery=id)
    return delivery
