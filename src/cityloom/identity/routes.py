"""The HTTP door of identity: sessions, the caller's password, accounts, roles, tokens, organisations, the audit log."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, delete, get, post, put
from litestar.datastructures import Cookie
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from cityloom.identity.api import (
    accounts,
    credentials,
    entrances,
    log,
    open_context,
    organisations,
    purposes,
    sessions,
    tokens,
)
from cityloom.identity.contracts import (
    Account,
    Attempt,
    AuditEntry,
    AuditPage,
    Entrance,
    Me,
    NewToken,
    OneTimePassword,
    Organisation,
    Purpose,
    Role,
    SignedIn,
    Token,
    TokenWish,
)
from cityloom.identity.rules import browser
from cityloom.identity.rules.tokens import LONGEST_SESSION
from cityloom.kernel import http
from cityloom.kernel.audit.entry import InclusionProof, Wanted

AnyRequest = Request[Any, Any, Any]
NamePath = Annotated[str, PathParameter(max_length=64)]
NameQuery = Annotated[str, QueryParameter(max_length=64)]
After = Annotated[str, QueryParameter(max_length=64, description="last one of the page before")]
Limit = Annotated[int, QueryParameter(ge=1, le=1000)]
Moment = Annotated[datetime | None, QueryParameter(description="without a zone it is UTC")]
Said = Annotated[str, QueryParameter(max_length=512, description="exactly so; empty: any")]
DEVICE_LASTS = 180 * 24 * 3600


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Name and password."""

    account: Annotated[str, Meta(min_length=1, max_length=64)]
    password: Annotated[str, Meta(min_length=1, max_length=256)]


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The old password proves that it is really the holder who changes it."""

    old: Annotated[str, Meta(min_length=1, max_length=256)]
    new: Annotated[str, Meta(min_length=1, max_length=1024)]


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account to make."""

    name: Annotated[str, Meta(min_length=1, max_length=64)]
    organisation: Annotated[str, Meta(min_length=1, max_length=64)]
    title: Annotated[str, Meta(max_length=100)] = ""


class Roles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The roles that an account shall have, all others taken away."""

    roles: Annotated[list[Role], Meta(max_length=10)]


class Addresses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses and networks, such as 10.3.0.0/16."""

    addresses: Annotated[list[Annotated[str, Meta(max_length=50)]], Meta(max_length=200)]


class NewCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client certificate in PEM."""

    pem: Annotated[str, Meta(max_length=20_000)]


class Rotation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many hours the old token still works beside the new one."""

    overlap_hours: int = tokens.OVERLAP


# ---- sessions


@post("/api/identity/session", tags=["session"], summary="Sign in", security=[{}], sync_to_thread=True)
def sign_in(request: AnyRequest, data: JSONBody[SignIn]) -> Response[Me]:
    """Begins a session, in a cookie. `csrf` of the answer goes into X-CSRF-Token of every change made with it."""
    parts, shown = http.parts_of(request), credentials(request)
    browser.check_origin(shown, parts.settings.public_url)
    names = browser.cookie_names(parts.settings.secure_cookies)
    attempt = Attempt(
        account=data.account,
        password=data.password,
        address=shown.address,
        device=request.cookies.get(names.device, ""),
        session=shown.session,
        language=http.language(request, parts.settings.language),
        request=http.request_number(request),
    )
    return _with_cookies(request, sessions.sign_in(parts, attempt), 201)


@get("/api/identity/session", tags=["session"], summary="Who am I", sync_to_thread=True)
def who_am_i(request: AnyRequest) -> Me:
    """The caller's account, roles, and what the token narrows them to."""
    return sessions.who_am_i(http.parts_of(request), credentials(request))


@delete("/api/identity/session", tags=["session"], summary="Sign out", sync_to_thread=True, status_code=204)
def sign_out(request: AnyRequest) -> Response[None]:
    """Ends this session."""
    sessions.sign_out(open_context(request, must_have_changed=False), credentials(request).session)
    return _without_cookies(request)


@delete("/api/identity/sessions", tags=["session"], summary="Sign out everywhere", sync_to_thread=True, status_code=204)
def sign_out_everywhere(request: AnyRequest) -> Response[None]:
    """Ends every session of the caller."""
    sessions.sign_out_everywhere(open_context(request, must_have_changed=False))
    return _without_cookies(request)


@put("/api/identity/password", tags=["session"], summary="Change one's password", sync_to_thread=True)
def change_password(request: AnyRequest, data: JSONBody[PasswordChange]) -> Response[Me]:
    """Ends every session of the caller and begins a new one."""
    ctx = open_context(request, must_have_changed=False)
    return _with_cookies(request, sessions.change_password(ctx, data.old, data.new), 200)


def _with_cookies(request: AnyRequest, signed_in: SignedIn, status: int) -> Response[Me]:
    secure = http.parts_of(request).settings.secure_cookies
    names = browser.cookie_names(secure)
    lasts = int(LONGEST_SESSION.total_seconds())
    cookies = [
        _cookie(names.session, signed_in.session, lasts, secure, httponly=True),
        _cookie(names.csrf, signed_in.me.csrf, lasts, secure, httponly=False),
    ]
    if signed_in.device:
        cookies.append(_cookie(names.device, signed_in.device, DEVICE_LASTS, secure, httponly=True))
    return Response(signed_in.me, status_code=status, cookies=cookies)


def _without_cookies(request: AnyRequest) -> Response[None]:
    secure = http.parts_of(request).settings.secure_cookies
    names = browser.cookie_names(secure)
    ended = [_cookie(names.session, "", 0, secure, httponly=True), _cookie(names.csrf, "", 0, secure, httponly=False)]
    return Response(None, status_code=204, cookies=ended)


def _cookie(name: str, value: str, lasts: int, secure: bool, httponly: bool) -> Cookie:
    return Cookie(name, value=value, max_age=lasts, path="/", secure=secure, httponly=httponly, samesite="lax")


# ---- accounts and roles


@get("/api/identity/accounts", tags=["accounts"], summary="Accounts", sync_to_thread=True)
def list_accounts(
    request: AnyRequest, organisation: NameQuery = "", after: After = "", limit: Limit = 100
) -> list[Account]:
    """Accounts by name; the next page is asked for with `after` = the last name. For administrators."""
    return accounts.listing(open_context(request), organisation, after, limit)


@post("/api/identity/accounts", tags=["accounts"], summary="Make an account", sync_to_thread=True)
def create_account(request: AnyRequest, data: JSONBody[NewAccount]) -> OneTimePassword:
    """Made by the system administrator, without roles. The one-time password is shown this once."""
    return accounts.create(open_context(request), data.name, data.organisation, data.title)


@get("/api/identity/accounts/{name:str}", tags=["accounts"], summary="One account", sync_to_thread=True)
def get_account(request: AnyRequest, name: NamePath) -> Account:
    """For administrators."""
    return accounts.find(open_context(request), name)


@put("/api/identity/accounts/{name:str}/roles", tags=["accounts"], summary="Give and take roles", sync_to_thread=True)
def give_roles(request: AnyRequest, name: NamePath, data: JSONBody[Roles]) -> Account:
    """By the security administrator, for others only. An administrator's role goes with no other (三员分立)."""
    return accounts.give_roles(open_context(request), name, data.roles)


@post(
    "/api/identity/accounts/{name:str}/password", tags=["accounts"], summary="Reset a password", sync_to_thread=True
)  # fmt: skip
def reset_password(request: AnyRequest, name: NamePath) -> OneTimePassword:
    """By the system administrator. Takes the roles away: the security administrator gives them again."""
    return accounts.reset_password(open_context(request), name)


@post(
    "/api/identity/accounts/{name:str}/disable", tags=["accounts"], summary="Disable an account",
    status_code=200, sync_to_thread=True,
)  # fmt: skip
def disable_account(request: AnyRequest, name: NamePath) -> Account:
    """By the system or the security administrator; sessions and tokens stop at once."""
    return accounts.disable(open_context(request), name)


@post(
    "/api/identity/accounts/{name:str}/enable", tags=["accounts"], summary="Enable an account again",
    status_code=200, sync_to_thread=True,
)  # fmt: skip
def enable_account(request: AnyRequest, name: NamePath) -> Account:
    """By the system administrator."""
    return accounts.enable(open_context(request), name)


@delete(
    "/api/identity/accounts/{name:str}/sessions", tags=["accounts"], summary="Sign an account out everywhere",
    status_code=204, sync_to_thread=True,
)  # fmt: skip
def end_sessions(request: AnyRequest, name: NamePath) -> None:
    """By the system or the security administrator."""
    accounts.end_sessions(open_context(request), name)


# ---- tokens


@get("/api/identity/tokens", tags=["tokens"], summary="API tokens", sync_to_thread=True)
def list_tokens(request: AnyRequest, account: NameQuery = "", after: After = "", limit: Limit = 100) -> list[Token]:
    """One's own tokens; administrators may name another account."""
    return tokens.listing(open_context(request), account, after, limit)


@post("/api/identity/tokens", tags=["tokens"], summary="Make an API token", sync_to_thread=True)
def make_token(request: AnyRequest, data: JSONBody[TokenWish]) -> NewToken:
    """For one's own account, narrowed to rights and, if named, to datasets. The secret is shown this once."""
    return tokens.make(open_context(request), data)


@post("/api/identity/tokens/{id:str}/rotation", tags=["tokens"], summary="Rotate an API token", sync_to_thread=True)
def rotate_token(request: AnyRequest, id: NamePath, data: JSONBody[Rotation]) -> NewToken:
    """A new secret with the same rights; the old one works beside it until the overlap is over."""
    return tokens.rotate(open_context(request), id, data.overlap_hours)


@delete(
    "/api/identity/tokens/{id:str}", tags=["tokens"], summary="Revoke an API token",
    status_code=200, sync_to_thread=True,
)  # fmt: skip
def revoke_token(request: AnyRequest, id: NamePath) -> Token:
    """It is refused from the next request on. By its holder, or the system or security administrator."""
    return tokens.revoke(open_context(request), id)


# ---- organisations and the audit log


@get("/api/identity/organisations", tags=["organisations"], summary="Organisations", sync_to_thread=True)
def list_organisations(request: AnyRequest) -> list[Organisation]:
    """All organisations of the city, by code."""
    return organisations.listing(open_context(request))


@get("/api/identity/organisations/{code:str}", tags=["organisations"], summary="One organisation", sync_to_thread=True)
def get_organisation(request: AnyRequest, code: NamePath) -> Organisation:
    """By its code."""
    return organisations.find(open_context(request), code)


@get(
    "/api/identity/organisations/{code:str}/entrance", tags=["organisations"],
    summary="From where an organisation comes in", sync_to_thread=True,
)  # fmt: skip
def get_entrance(request: AnyRequest, code: NamePath) -> Entrance:
    """Networks, and client certificates of its programs. For administrators."""
    return entrances.find(open_context(request), code)


@put(
    "/api/identity/organisations/{code:str}/entrance/addresses", tags=["organisations"],
    summary="Let an organisation in from these networks only", sync_to_thread=True,
)  # fmt: skip
def put_addresses(request: AnyRequest, code: NamePath, data: JSONBody[Addresses]) -> Entrance:
    """By the security administrator. None: from anywhere. Holds for sessions and tokens, from the next request on."""
    return entrances.set_addresses(open_context(request), code, tuple(data.addresses))


@post(
    "/api/identity/organisations/{code:str}/entrance/certificates", tags=["organisations"],
    summary="Add a client certificate", status_code=200, sync_to_thread=True,
)  # fmt: skip
def post_certificate(request: AnyRequest, code: NamePath, data: JSONBody[NewCertificate]) -> Entrance:
    """By the security administrator. From then on the organisation's tokens work only over mutual TLS with one of its
    certificates; add the next one before the last one ends."""
    return entrances.add_certificate(open_context(request), code, data.pem)


@delete(
    "/api/identity/organisations/{code:str}/entrance/certificates/{fingerprint:str}", tags=["organisations"],
    summary="Remove a client certificate", status_code=200, sync_to_thread=True,
)  # fmt: skip
def delete_certificate(request: AnyRequest, code: NamePath, fingerprint: NamePath) -> Entrance:
    """By the security administrator. Without the last one, no certificate is asked for."""
    return entrances.drop_certificate(open_context(request), code, fingerprint)


@get("/api/identity/purposes", tags=["organisations"], summary="Declared purposes", sync_to_thread=True)
def list_purposes(request: AnyRequest) -> list[Purpose]:
    """For what data may be asked for and read in this city, by code; empty when its packs declare none."""
    return purposes.listing(open_context(request))


@get("/api/identity/audit", tags=["audit"], summary="Read the audit log", sync_to_thread=True)
def read_audit(
    request: AnyRequest,
    subject: Annotated[str | None, QueryParameter(max_length=512, description="such as account:zhang.wei")] = None,
    actor: Annotated[str | None, QueryParameter(max_length=64)] = None,
    before: Annotated[int | None, QueryParameter(ge=0, description="last position of the page before")] = None,
    limit: Limit = 100,
) -> list[AuditEntry]:
    """The newest entries first. By the audit administrator; reading it is an entry itself."""
    return log.read(open_context(request), subject, actor, before, limit)


@get(
    "/api/identity/audit/search",
    tags=["audit"],
    summary="Look for entries of the audit log",
    description="By the audit administrator; looking is an entry itself. One call looks through 200,000 entries at most: ask "
    "again with `before` of the answer to look further back, until it is 0.",
    sync_to_thread=True,
)
def search_audit(
    request: AnyRequest,
    subject: Said = "", actor: Said = "", organisation: Said = "", purpose: Said = "",
    action: Annotated[str, QueryParameter(max_length=100, description="registers.read, or registers")] = "",
    earliest: Moment = None,
    until: Moment = None,
    before: Annotated[int | None, QueryParameter(ge=0, le=http.MOST_NUMBER)] = None, limit: Limit = 100,
) -> AuditPage:  # fmt: skip
    """The newest first, from `earliest` until before `until`; a moment without a zone is UTC."""
    wanted = Wanted(
        subject=subject, actor=actor, organisation=organisation, purpose=purpose, action=action,
        start=_aware(earliest), until=_aware(until),
    )  # fmt: skip
    return log.seek(open_context(request), wanted, before, limit)


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


@get(
    "/api/identity/audit/proof",
    tags=["audit"],
    summary="Proof that an entry stands in the signed log",
    description="The entry, the path of hashes from it to the last signed head (RFC 9162, 2.1.3), and the head. `cityloom "
    "audit verify` checks it without the city.",
    sync_to_thread=True,
)
def prove_entry(
    request: AnyRequest, position: Annotated[int, QueryParameter(ge=0, le=http.MOST_NUMBER)]
) -> InclusionProof:
    """By the audit administrator; 404 for a second or so after the entry was written."""
    return log.proof(open_context(request), position)


HANDLERS = [
    sign_in, who_am_i, sign_out, sign_out_everywhere, change_password,
    list_accounts, create_account, get_account, give_roles, reset_password,
    disable_account, enable_account, end_sessions,
    list_tokens, make_token, rotate_token, revoke_token,
    list_organisations, get_organisation, get_entrance, put_addresses, post_certificate, delete_certificate,
    list_purposes, read_audit, search_audit, prove_entry,
]  # fmt: skip

# within a router each handler is registered once; given to the application one by one, Litestar 2.25 wraps those that
# share an address in a second thread, and their answers are lost
ROUTES = [Router("/", route_handlers=HANDLERS)]
