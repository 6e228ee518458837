"""Which roles may stand together, and which accounts must remain."""

import re
from collections.abc import Collection, Iterable

from cityloom.identity.contracts import Role
from cityloom.kernel.errors import Conflict, Invalid

ADMINISTRATORS = (Role.system_admin, Role.security_admin, Role.audit_admin)
NAME = re.compile(r"[a-z][a-z0-9._-]{2,63}")
NOBODYS = ("platform", "anonymous")
"""Names that the audit log uses for the platform and for strangers."""


def check_name(name: str) -> str:
    """The name of a new account. Raises Invalid `identity.account_name_wrong`."""
    if not NAME.fullmatch(name) or name in NOBODYS:
        raise Invalid("identity.account_name_wrong", name=name)
    return name


def kept_apart(roles: Iterable[Role]) -> tuple[Role, ...]:
    """The roles in their order, each once.

    Raises Invalid `identity.roles_not_apart` if one of the three administrators' roles is not alone.
    """
    wanted = set(roles)
    if wanted & set(ADMINISTRATORS) and len(wanted) > 1:
        raise Invalid("identity.roles_not_apart", roles=", ".join(sorted(wanted)))
    return tuple(role for role in Role if role in wanted)


def administers(roles: Iterable[str]) -> bool:
    """Whether one of the three is among the roles."""
    return any(role in ADMINISTRATORS for role in roles)


def check_remaining(account: str, lost: Iterable[str], holders: Collection[tuple[str, str]]) -> None:
    """That each administrator's role in `lost` is still held by another than `account`.

    `holders` are pairs of account and role of all active administrators. Raises Conflict `identity.last_administrator`.
    """
    for role in lost:
        if role in ADMINISTRATORS and not any(held == role and name != account for name, held in holders):
            raise Conflict("identity.last_administrator", role=role)
