"""What drafts and disputes have in common: who reviews, who may see them, in which scope they are written.

Each party reads its rows in its own scope. A move touches rows of several, so it is written in the platform's scope,
after the row was seen in the caller's own and the policies have permitted the move.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager

from cityloom.catalogue.store import messages
from cityloom.catalogue.store.messages import NewMessage, Params
from cityloom.identity.api import organisations
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, Scope, Transaction
from cityloom.kernel.errors import Conflict
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Act, Step

REVIEWER = "reviewer"


def everywhere(ctx: Context) -> AbstractContextManager[Transaction]:
    """A transaction that reaches the rows of every party."""
    return ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name))


def reviewer(ctx: Context) -> str:
    """The organisation that reviews and rules: the platform's. Raises Conflict `catalogue.no_reviewer`."""
    found = next((each.code for each in organisations.listing(ctx) if each.active and each.kind == "platform"), None)
    if found is None:
        raise Conflict("catalogue.no_reviewer")
    return found


def act_of(ctx: Context, roles: dict[str, str], key: str, reason: str) -> Act:
    """The act as the flow engine takes it; `roles` says which organisation has which."""
    own = frozenset(role for role, owner in roles.items() if owner == ctx.principal.organisation)
    if ctx.principal.organisation == EVERY_ORGANISATION:
        own = frozenset({"platform"})
    return Act(ctx.principal.name, own, ctx.clock.now(), key, reason)


def steps(ctx: Context, number: int) -> tuple[Step, ...]:
    """The moves of a flow, for a party to it."""
    with everywhere(ctx) as tx:
        return flow.steps(tx, number)


def tell(
    ctx: Context, tx: Transaction, organisations: Iterable[str], subject: str, code: str, state: str, params: Params
) -> None:
    """Tell organisations that something stands elsewhere now, except the one that moved it."""
    now = ctx.clock.now()
    for each in sorted(set(organisations) - {ctx.principal.organisation, ""}):
        messages.tell(tx, NewMessage(each, "moved", subject, code, params, now, state=state))
