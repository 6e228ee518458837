"""What requests and grants have in common: who may see and move them, and in which scope they are written.

Rows name both parties, and each party reads them in its own scope. A move touches rows of both (the flow belongs to the
keeper, the act to whoever moves), so it is written in the platform's scope, after the row was seen in the caller's own
scope and the policies have permitted the move.
"""

from contextlib import AbstractContextManager

from cityloom.kernel.access import Principal, Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, Scope, Transaction
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Act as FlowAct
from cityloom.kernel.flow.contracts import Step
from cityloom.sharing.contracts import Act
from cityloom.sharing.rules import terms
from cityloom.sharing.rules.using import Live
from cityloom.sharing.store.grants import GrantRow
from cityloom.sharing.store.requests import NoticeRow, RequestRow


def everywhere(ctx: Context) -> AbstractContextManager[Transaction]:
    """A transaction that reaches the rows of both parties."""
    return ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name))


def resource(row: RequestRow | GrantRow | Live | NoticeRow) -> Resource:
    """A request or grant, or a notice about one, as the policies see it.

    It goes by its dataset's name, so that tokens can be narrowed to it.
    """
    facts = {"organisation": row.organisation, "keeper": row.keeper, "purpose": row.purpose}
    return Resource("Sharing", row.dataset, facts)


def differs(row: GrantRow | Live, who: Principal, right: str, purpose: str) -> bool:
    """Whether a holder of the grant would use it for another purpose than the grant's."""
    return right == "sharing.use" and who.organisation == row.organisation and row.purpose != purpose


def flow_act(ctx: Context, row: RequestRow | GrantRow, act: Act) -> FlowAct:
    """The act as the flow engine takes it."""
    roles = terms.parts_of(ctx.principal, row.organisation, row.keeper)
    return FlowAct(ctx.principal.name, roles, ctx.clock.now(), act.key, act.reason)


def steps(ctx: Context, number: int) -> tuple[Step, ...]:
    """The moves of a flow, for a party to it."""
    with everywhere(ctx) as tx:
        return flow.steps(tx, number)
