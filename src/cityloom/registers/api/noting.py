"""Keeping that somebody read of an entity elsewhere than in its record: the person sees it in the same list."""

from datetime import datetime

import msgspec

from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.registers import spec
from cityloom.registers.rules import ids
from cityloom.registers.store import claims as store
from cityloom.registers.store.claims import NewReading


class Note(msgspec.Struct, frozen=True):
    """Of whom something was read, for which case, and what."""

    register: str
    id: str
    case: str
    fields: tuple[str, ...]


def keep(ctx: Context, tx: Transaction, who: Principal, notes: list[Note], position: int, now: datetime) -> None:
    """Keep readings with the audit position that covers them, in a transaction of the platform's scope.

    Raises NotFound `registers.record_unknown` for what is no id.
    """
    declared = spec.registers(ctx.packs)
    readings = [
        NewReading(each.register, ids.read(declared, each.register, each.id), who.organisation, who.name, ctx.purpose,
                   each.case, each.fields, ctx.request)
        for each in notes
    ]  # fmt: skip
    if readings:
        store.keep_readings(tx, store.reading_ids(tx, len(readings)), readings, position, now)
