"""What others may call of identity: from a request to a context in which its account acts."""

import re
from collections.abc import Sequence
from typing import Any

from litestar import Request

from cityloom.identity.api import entry
from cityloom.identity.contracts import Credentials
from cityloom.identity.rules import browser, entrance
from cityloom.kernel import http
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, Problem, Refused

ONCE = frozenset({b"authorization", b"client-cert", b"x-ssl-client-cert", b"x-csrf-token", b"origin", b"host"})
PURPOSE = re.compile(r"[a-z0-9_.:-]{0,100}")


def authenticate(parts: Parts, shown: Credentials, must_have_changed: bool = True) -> Principal:
    """Who sends a request, by `Authorization: Bearer ctl_…` or else by the session's cookie.

    Asks the database each time, so that what is revoked is refused at once. Raises Unauthorised
    `identity.not_signed_in`, `identity.session_over`, `identity.token_refused`; Refused `identity.origin_refused`,
    `identity.csrf_refused`, `identity.address_refused`, `identity.certificate_…`, and `identity.password_must_change`
    while the password is a one-time one (unless `must_have_changed` is False).
    """
    principal, session = entry.enter(parts, shown)
    if session is not None and session.must_change and must_have_changed:
        raise Refused("identity.password_must_change")
    return principal


def authenticate_many(tx: Transaction, parts: Parts, shown: Sequence[Credentials]) -> list[Principal | Problem]:
    """As `authenticate`, for many requests at once, in the platform's transaction: all tokens in one look-up.

    In the order given; for one that lets nobody in, the problem to answer with.
    """
    found: list[Principal | Problem] = list(entry.by_tokens(tx, parts, shown))
    for place, each in enumerate(shown):
        if not each.authorization:
            try:
                found[place] = authenticate(parts, each)
            except Problem as problem:
                found[place] = problem
    return found


def open_context(request: Request[Any, Any, Any], must_have_changed: bool = True) -> Context:
    """The context of a request: its account, purpose (header X-Purpose), language and number. Blocks on the database.

    Raises what `authenticate` raises, and BadRequest `identity.purpose_wrong`.
    """
    parts = http.parts_of(request)
    principal = authenticate(parts, credentials(request), must_have_changed)
    note_account(request, principal)
    return Context(
        parts=parts,
        principal=principal,
        purpose=purpose_of(request),
        language=http.language(request, parts.settings.language),
        request=http.request_number(request),
    )


def purpose_of(request: Request[Any, Any, Any]) -> str:
    """The purpose that a request names (header X-Purpose). Raises BadRequest `identity.purpose_wrong`."""
    purpose = next((value.decode("latin-1") for name, value in request.scope["headers"] if name == b"x-purpose"), "")
    if not PURPOSE.fullmatch(purpose):
        raise BadRequest("identity.purpose_wrong")
    return purpose


def note_account(request: Request[Any, Any, Any], who: Principal) -> None:
    """Let the log of the request know who sent it."""
    http.note_caller(request, account=who.name, organisation=who.organisation)


def credentials(request: Request[Any, Any, Any]) -> Credentials:
    """What a request shows of who sends it.

    Raises BadRequest `kernel.header_twice` where it says so twice: a proxy and the city might each believe another one.
    """
    said: dict[bytes, str] = {}
    for name, value in request.scope["headers"]:
        if name in said and name in ONCE:
            raise BadRequest("kernel.header_twice", name=name.decode())
        said.setdefault(name, value.decode("latin-1"))
    settings = http.parts_of(request).settings
    names = browser.cookie_names(settings.secure_cookies)
    peer, trusted = request.client.host if request.client else "", entrance.listed(settings.trusted_proxies)
    proxied = entrance.within(peer, trusted)
    forwarded = ", ".join(request.headers.getall("x-forwarded-for", [])) if proxied else ""  # one list, RFC 9110 5.3
    address = entrance.client_address(peer, forwarded, trusted)
    http.note_caller(request, address=address)
    return Credentials(
        method=request.method,
        authorization=said.get(b"authorization", ""),
        session=request.cookies.get(names.session, "") if b"cookie" in said else "",
        csrf=said.get(browser.CSRF_HEADER.encode(), ""),
        origin=said.get(b"origin", ""),
        fetch_site=said.get(b"sec-fetch-site", ""),
        host=said.get(b"host", ""),
        address=address,
        certificate=entrance.fingerprint(said.get(b"client-cert", ""), said.get(b"x-ssl-client-cert", ""))
        if proxied
        else "",
    )
