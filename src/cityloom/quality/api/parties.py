"""What tickets have in common: who may see and move them, and in which scope they are written.

As in sharing: rows name all parties, each reads them in its own scope, and a move that was permitted is written in the
platform's scope.
"""

import hashlib
import hmac
from contextlib import AbstractContextManager

import msgspec

from cityloom.identity.api import organisations
from cityloom.identity.contracts import OrganisationKind
from cityloom.kernel import secrets
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, Scope, Transaction
from cityloom.kernel.errors import Conflict
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Act as FlowAct
from cityloom.kernel.flow.contracts import Step
from cityloom.quality import spec
from cityloom.quality.contracts import NewTicket, TicketAct
from cityloom.quality.rules import disputes
from cityloom.quality.store.tickets import NoticeRow, TicketRow


def everywhere(ctx: Context) -> AbstractContextManager[Transaction]:
    """A transaction that reaches the rows of all parties."""
    return ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name))


def resource(row: TicketRow | NoticeRow) -> Resource:
    """A ticket, or what is told of it, as the policies see it. It goes by its dataset's name, so that tokens can be narrowed to it."""
    facts = {"organisation": row.organisation, "keeper": row.keeper, "arbiter": row.arbiter}
    return Resource("CorrectionTicket", row.dataset, facts)


def flow_act(ctx: Context, row: TicketRow, act: TicketAct) -> FlowAct:
    """The act as the flow engine takes it."""
    roles = disputes.parts_of(ctx.principal, row.organisation, row.keeper, row.arbiter)
    return FlowAct(ctx.principal.name, roles, ctx.clock.now(), act.key, act.reason)


def steps(ctx: Context, number: int) -> tuple[Step, ...]:
    """The moves of a ticket, for a party to it."""
    with everywhere(ctx) as tx:
        return flow.steps(tx, number)


def overseers(ctx: Context) -> list[str]:
    """The organisations of the platform's own kind, by code."""
    return [each.code for each in organisations.listing(ctx) if each.active and each.kind == OrganisationKind.platform]


def arbiter(ctx: Context, row: TicketRow) -> str:
    """Who rules on a ticket: the first arbiter that is no party to it. Raises Conflict `quality.no_arbiter`."""
    for code in spec.limits(ctx.packs).arbiters or overseers(ctx):
        if code not in (row.organisation, row.keeper):
            return code
    raise Conflict("quality.no_arbiter", ticket=row.id)


def digest(ctx: Context, wish: NewTicket) -> str:
    """A keyed hash of a dispute (HMAC-SHA-256), which outlives the values in it."""
    secret = bytes.fromhex(secrets.load_or_make(ctx.settings.secrets, "quality_tickets"))
    return "hmac-sha256:" + hmac.new(secret, msgspec.json.encode(wish), hashlib.sha256).hexdigest()
