"""A small town for the tests of identity: organisations, administrators, a clock that can be turned."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from litestar import Litestar
from litestar.datastructures import State
from litestar.testing import TestClient
from litestar.types import ASGIApp, Receive, Scope, Send

from cityloom.identity import routes
from cityloom.identity.api import accounts, organisations, sessions
from cityloom.identity.contracts import Attempt, Role, SignedIn
from cityloom.kernel import http, packs
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ADDRESS = "192.0.2.7"
GOOD = "seven wet umbrellas"
OTHER = "a lamp under rivers"
ORGANISATIONS = """
- {code: data, title: {en: Data Bureau, zh: 数据局}, kind: platform}
- {code: psb, title: {en: Public Security, zh: 公安局}, kind: department, division: "440300"}
- {code: psb_east, title: {en: Eastern Branch, zh: 东部分局}, kind: department, parent: psb}
"""
TABLES = ("organisation", "account", "password", "session", "token")


class TurnedClock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def turn(self, **span: float) -> None:
        self.moment += timedelta(**span)


class Town(msgspec.Struct, frozen=True):
    """The parts, the clock, and what the administrators were given."""

    parts: Parts
    clock: TurnedClock
    admin_url: str
    one_time: dict[str, str]

    @property
    def platform(self) -> Context:
        return platform_context(self.parts, "test")

    def person(self, name: str, *roles: Role, organisation: str = "psb") -> Context:
        """Somebody with these roles and the password GOOD; the context in which they act."""
        issued = accounts.create(self.platform, name, organisation)
        if roles:
            accounts.give_roles(self.platform, name, roles)
        self.settle_in(name, issued.password)
        return self.acting(name)

    def settle_in(self, name: str, password: str, new: str = GOOD) -> SignedIn:
        """Sign in with a one-time password and change it."""
        self.sign_in(name, password)
        return sessions.change_password(self.acting(name), password, new)

    def acting(self, name: str) -> Context:
        """The account as a session of it would act now."""
        found = accounts.find(self.platform, name)
        principal = Principal(name, found.organisation, frozenset(str(role) for role in found.roles))
        return Context(self.parts, principal, language="en", request="test")

    def sign_in(self, name: str, password: str = GOOD, **more: str) -> SignedIn:
        given = {"address": ADDRESS, "language": "en", "request": "test"} | more
        return sessions.sign_in(self.parts, Attempt(account=name, password=password, **given))

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of identity but the tries: what a refused act must leave as it was."""
        with psycopg.connect(self.admin_url) as connection:
            return {
                table: connection.execute(f"SELECT t::text FROM identity.{table} t ORDER BY 1".encode()).fetchall()
                for table in TABLES
            }

    def entries(self, *actions: str) -> list[dict[str, Any]]:
        """The audit log's entries, oldest first, of these actions or all."""
        with psycopg.connect(self.admin_url) as connection:
            found = connection.execute("SELECT body FROM kernel.audit_entry ORDER BY position").fetchall()
        bodies = [msgspec.json.decode(row[0], type=dict[str, Any]) for row in found]
        return [body for body in bodies if not actions or body["action"] in actions]

    def client(self, peer: str = "testclient", **headers: str) -> TestClient[Litestar]:
        """A browser, or a program if it sends a token, at the network address `peer`."""
        app = Litestar(
            route_handlers=routes.ROUTES,
            state=State({"parts": self.parts}),
            middleware=[at(peer), http.number_requests],
            exception_handlers={Exception: http.answer_problem},
            openapi_config=None,
        )
        client = TestClient(app, base_url="http://city.test")
        client.headers.update(headers)
        return client


def at(peer: str) -> Any:
    """Middleware: requests come from this network address."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            scope["client"] = (peer, 50_000)
            await app(scope, receive, send)

        return wrapped

    return middleware


def a_pack(folder: Path, organisations: str = ORGANISATIONS) -> packs.Packs:
    """A pack with these organisations."""
    home = folder / "town"
    (home / "identity").mkdir(parents=True, exist_ok=True)
    manifest = "{name: town, title: {en: Town, zh: 镇}, version: '1', keeper: data, city: true}"
    (home / "pack.yaml").write_text(manifest, encoding="utf-8")
    (home / "identity" / "organisations.yaml").write_text(organisations, encoding="utf-8")
    return packs.choose([folder], "town")


def make_town(parts: Parts, admin_url: str, folder: Path) -> Town:
    """Organisations installed and the three administrators made, with their one-time passwords."""
    clock = TurnedClock()
    parts = msgspec.structs.replace(parts, clock=clock, packs=a_pack(folder))
    organisations.install(platform_context(parts, "install"))
    issued = accounts.bootstrap(platform_context(parts, "bootstrap"))
    return Town(parts, clock, admin_url, {each.account: each.password for each in issued})


def actions(entries: Iterable[dict[str, Any]]) -> list[str]:
    return [entry["action"] for entry in entries]
