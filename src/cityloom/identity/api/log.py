"""Reading the audit log, which is the audit administrator's alone."""

import msgspec

from cityloom.identity.api.entry import everywhere
from cityloom.identity.contracts import AuditEntry
from cityloom.kernel.access import Resource
from cityloom.kernel.audit import api as audit
from cityloom.kernel.context import Context


def read(
    ctx: Context, subject: str | None = None, actor: str | None = None, before: int | None = None, limit: int = 100
) -> list[AuditEntry]:
    """The newest entries before a position, about one subject, by one actor, or all. Right `audit.read`.

    That they were read is an entry itself.
    """
    ctx.require("audit.read", Resource("AuditLog", "city"))
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        found = audit.read(tx, subject, actor, before, limit)
        ctx.record(tx, "audit.read", "audit:city", entries=len(found))
    return [msgspec.json.decode(record.body, type=AuditEntry) for record in found]
