"""Reading the audit log, which is the audit administrator's alone."""

import msgspec

from cityloom.identity.api.entry import everywhere
from cityloom.identity.contracts import AuditEntry, AuditPage
from cityloom.kernel.access import Resource
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit.entry import InclusionProof, Wanted
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


def seek(ctx: Context, wanted: Wanted, before: int | None = None, limit: int = 100) -> AuditPage:
    """The newest entries before a position that fit. Right `audit.read`. That they were read is an entry itself."""
    ctx.require("audit.read", Resource("AuditLog", "city"))
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        found, upto = audit.seek(tx, wanted, before, limit)
        head, size = audit.last_head(tx), audit.size(tx)
        ctx.record(tx, "audit.read", "audit:city", entries=len(found))
    entries = tuple(msgspec.json.decode(record.body, type=AuditEntry) for record in found)
    return AuditPage(entries, upto, size, head.size if head else 0)


def proof(ctx: Context, position: int) -> InclusionProof:
    """That the entry at a position is in the log as last signed. Right `audit.read`.

    Raises NotFound `audit.entry_not_signed`, Contradiction when the entry is not the one that was signed.
    """
    ctx.require("audit.read", Resource("AuditLog", "city"))
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        found = audit.prove_entry(tx, ctx.settings.audit_files, position)
        ctx.record(tx, "audit.proved", "audit:city", position=position)
    return found
