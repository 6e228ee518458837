"""Accounts for people who look at the demo: one in each department and the bureau, with a password of this home's own."""

import httpx

from cityloom.identity.api import accounts, organisations
from cityloom.identity.contracts import OrganisationKind, Role
from cityloom.kernel import jobs, secrets
from cityloom.kernel.context import Parts
from cityloom.kernel.errors import Conflict

ROLES = [Role.data_officer, Role.steward, Role.analyst]
DESKS = (OrganisationKind.department, OrganisationKind.platform)
"""Whose people the demo has: departments, and the bureau whose stewards keep the registers."""


def furnish(parts: Parts, url: str) -> tuple[list[str], str]:
    """The accounts' names (those of their departments) and the password of them all; made once for each home."""
    ctx = jobs.platform_context(parts, "demo")
    password = secrets.load_or_make(parts.settings.secrets, "demo_password", 8)
    departments = [each.code for each in organisations.listing(ctx) if each.kind in DESKS]
    for name in departments:
        try:
            one_time = accounts.create(ctx, name, name, "demo").password
        except Conflict:  # made when this home was built
            continue
        accounts.give_roles(ctx, name, ROLES)
        _choose(url, name, one_time, password)
    return departments, password


def _choose(url: str, account: str, one_time: str, password: str) -> None:
    """Sign in and choose the password, as a person does; cookies by hand, since plain HTTP sends no secure ones."""
    with httpx.Client(base_url=url, trust_env=False) as browser:
        began = browser.post("/api/identity/session", json={"account": account, "password": one_time})
        began.raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in began.cookies.items())
        headers = {"cookie": cookies, "x-csrf-token": began.json()["csrf"]}
        browser.put(
            "/api/identity/password", json={"old": one_time, "new": password}, headers=headers
        ).raise_for_status()
