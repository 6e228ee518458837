"""Tokens for departments' programs, made at the machine itself."""

from collections.abc import Sequence

from cityloom.identity.api import accounts, tokens
from cityloom.identity.contracts import NewToken, Role, TokenWish
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict


def issue(ctx: Context, organisation: str, rights: Sequence[str], days: int = 90) -> NewToken:
    """A token of the organisation's service account (`<organisation>-service`, a data officer), which is made if needed.

    Only the platform itself may: `ctx` is `jobs.platform_context`. Raises NotFound `identity.organisation_missing`,
    Invalid `identity.token_right_wrong`.
    """
    name = f"{organisation}-service"
    try:
        accounts.create(ctx, name, organisation, "service account")
    except Conflict as problem:
        if problem.code != "identity.account_exists":
            raise
    else:
        accounts.give_roles(ctx, name, [Role.data_officer])
    return tokens.make(ctx, TokenWish(title="service", rights=tuple(rights), days=days), name)
