"""What was asked: for who asked, and for who answers for the person's record in the register."""

from cityloom.facts import store
from cityloom.facts.contracts import Asked, AskedAbout
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import PLATFORM
from cityloom.kernel.errors import NotFound
from cityloom.registers.api import verifying


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
