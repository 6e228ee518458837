"""What was asked: for who asked, and for who answers for the person's record in the register; and when it is forgotten."""

from datetime import timedelta

from cityloom.facts import spec, store
from cityloom.facts.contracts import Asked, AskedAbout
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import PLATFORM
from cityloom.kernel.errors import NotFound
from cityloom.registers.api import verifying

PAGE = 5_000
"""Questions that are forgotten in one transaction."""


def find(ctx: Context, id: str) -> Asked:
    """What the caller's organisation asked. Right `facts.read_asked`. Raises NotFound `facts.asked_unknown`."""
    with ctx.begin() as tx:
        row = store.find(tx, id)
    if row is None:
        raise NotFound("facts.asked_unknown", id=id[:64])
    ctx.require("facts.read_asked", Resource("AskedFacts", row.id, {"organisation": row.organisation}))
    return row


def about(ctx: Context, register: str, entity: str, before: str, limit: int) -> list[AskedAbout]:
    """Who asked about somebody and why, newest first. Right `registers.read_readings`, as for who read the record."""
    verifying.require_overseer(ctx, register, entity)
    with ctx.parts.db.begin(PLATFORM) as tx:
        found = store.about(tx, register, entity, before, limit)
    with ctx.begin() as tx:
        ctx.record(tx, "facts.asked_read", f"entity:{entity}", number=len(found))
    return found


def forget(ctx: Context) -> int:
    """Forget what was asked longer ago than its list keeps it; how many questions. As the platform; safe to run twice."""
    declared, now, gone = spec.lists(ctx.packs), ctx.clock.now(), 0
    with ctx.begin() as tx:
        kept = store.lists(tx)
    for name in kept:
        days = declared[name].keep_days if name in declared else spec.KEEP_DAYS
        while True:
            with ctx.begin() as tx:
                number = store.forget(tx, name, now - timedelta(days=days), PAGE)
            gone += number
            if number < PAGE:
                break
    return gone
