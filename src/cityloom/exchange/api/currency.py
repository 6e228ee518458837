"""How fresh datasets are now, for those who count. As far as the caller's scope sees; asks no policy."""

from cityloom.exchange.api import gate
from cityloom.exchange.contracts import Currency
from cityloom.exchange.rules import due
from cityloom.exchange.store import ledger
from cityloom.kernel.context import Context


def currencies(ctx: Context) -> dict[str, Currency]:
    """Every active dataset by name. One that is overdue by `cityloom exchange overdue` has missed a period."""
    now = ctx.clock.now()
    with ctx.begin() as tx:
        known = {row.name: row.organisation for row in ledger.datasets(tx) if row.active}
        last = ledger.last_accepted(tx)
        since = ledger.installed_at(tx)
    found = {}
    for name, keeper in known.items():
        update = gate.dataset(ctx, name).update
        period = due.missed(update, now, ctx.parts.calendars.of(keeper), since[name], last.get(name))
        found[name] = Currency(
            name, keeper, last.get(name), update.every != "irregular", period.ends_on if period else None
        )
    return found
