"""The HTTP door of identity, as browsers and programs use it."""

from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import msgspec
import pytest
from identity_kit import GOOD, OTHER, Town, make_town
from litestar import Litestar, Request, get
from litestar.datastructures import State
from litestar.testing import TestClient

from cityloom.identity import api, routes
from cityloom.identity.contracts import Role
from cityloom.kernel import http
from cityloom.kernel.context import Parts
from scratch import Scratch

SESSION = "/api/identity/session"


@pytest.fixture
def town(parts: Parts, scratch: Scratch, tmp_path: Path) -> Town:
    return make_town(parts, scratch.admin_url, tmp_path)


def sign_in(client: TestClient[Litestar], account: str, password: str = GOOD) -> dict[str, Any]:
    """Sign in and send the session's token from now on, as the console does."""
    answer = client.post(SESSION, json={"account": account, "password": password})
    assert answer.status_code == 201, answer.text
    me: dict[str, Any] = answer.json()
    client.headers["x-csrf-token"] = me["csrf"]
    return me


def settle_in(client: TestClient[Litestar], account: str, one_time: str) -> None:
    sign_in(client, account, one_time)
    changed = client.put("/api/identity/password", json={"old": one_time, "new": GOOD})
    assert changed.status_code == 200, changed.text
    client.headers["x-csrf-token"] = changed.json()["csrf"]


def test_a_city_is_staffed_over_http(town: Town) -> None:
    """Three administrators with one-time passwords, an officer with a role, and a token that works."""
    with town.client() as system, town.client() as security, town.client() as officer, town.client() as gateway:
        settle_in(system, "sysadmin", town.one_time["sysadmin"])
        settle_in(security, "secadmin", town.one_time["secadmin"])
        wish = {"name": "zhang.wei", "organisation": "psb", "title": "Zhang Wei"}
        made = system.post("/api/identity/accounts", json=wish)
        assert made.status_code == 201
        given = security.put("/api/identity/accounts/zhang.wei/roles", json={"roles": ["data_officer"]})
        assert given.json()["roles"] == ["data_officer"]
        settle_in(officer, "zhang.wei", made.json()["password"])
        token = officer.post("/api/identity/tokens", json={"title": "gateway", "rights": ["exchange.deliver"]})
        assert token.status_code == 201
        assert token.json()["token"]["datasets"] is None
        gateway.headers["authorization"] = f"Bearer {token.json()['secret']}"
        me = gateway.get(SESSION).json()
        assert (me["account"], me["roles"], me["rights"]) == ("zhang.wei", ["data_officer"], ["exchange.deliver"])
        rotated = officer.post(
            f"/api/identity/tokens/{token.json()['token']['id']}/rotation", json={"overlap_hours": 0}
        )
        assert rotated.status_code == 201
        assert gateway.get(SESSION).status_code == 401
        gateway.headers["authorization"] = f"Bearer {rotated.json()['secret']}"
        assert gateway.get(SESSION).status_code == 200
        assert officer.delete(f"/api/identity/tokens/{rotated.json()['token']['id']}").status_code == 200
        assert gateway.get(SESSION).status_code == 401
        assert [each["revoked_at"] is None for each in officer.get("/api/identity/tokens").json()] == [False, False]
        assert [each["code"] for each in officer.get("/api/identity/organisations").json()] == [
            "data",
            "psb",
            "psb_east",
        ]
        assert officer.get("/api/identity/organisations/psb").json()["title"]["zh"] == "公安局"
        assert system.post("/api/identity/accounts/zhang.wei/disable").json()["active"] is False
        assert officer.get(SESSION).status_code == 401
        assert system.post("/api/identity/accounts/zhang.wei/enable").json()["active"] is True
        assert system.delete("/api/identity/accounts/zhang.wei/sessions").status_code == 204
        reset = system.post("/api/identity/accounts/zhang.wei/password")
        assert reset.json()["roles"] == []
        assert system.get("/api/identity/accounts/zhang.wei").json()["title"] == "Zhang Wei"
        assert len(system.get("/api/identity/accounts").json()) == 4


def test_cookies_are_closed_to_scripts_other_sites_and_plain_http(town: Town) -> None:
    settings = msgspec.structs.replace(town.parts.settings, secure_cookies=True)
    town = msgspec.structs.replace(town, parts=msgspec.structs.replace(town.parts, settings=settings))
    town.person("zhang.wei")
    with town.client() as client:
        answer = client.post(SESSION, json={"account": "zhang.wei", "password": GOOD})
        cookies: SimpleCookie = SimpleCookie()
        for header in answer.headers.get_list("set-cookie"):
            cookies.load(header)
        assert set(cookies) == {"__Host-cityloom_session", "__Host-cityloom_csrf", "__Host-cityloom_device"}
        for name, cookie in cookies.items():
            assert cookie["secure"] is True
            assert cookie["samesite"] == "lax"
            assert cookie["path"] == "/"
            assert cookie["domain"] == ""
            assert bool(cookie["httponly"]) == (name != "__Host-cityloom_csrf")
        assert cookies["__Host-cityloom_csrf"].value == answer.json()["csrf"]
        assert answer.headers["cache-control"] == "no-store"


def test_a_session_lives_in_cookies_and_ends(town: Town) -> None:
    town.person("zhang.wei")
    with town.client() as client:
        assert client.get(SESSION).status_code == 401
        sign_in(client, "zhang.wei")
        assert client.get(SESSION).json()["account"] == "zhang.wei"
        kept = client.cookies["cityloom_session"]
        assert client.delete(SESSION).status_code == 204
        assert client.get(SESSION).status_code == 401
        client.cookies["cityloom_session"] = kept
        assert client.get(SESSION).json()["code"] == "identity.session_over"
    with town.client() as one, town.client() as two:
        sign_in(one, "zhang.wei")
        sign_in(two, "zhang.wei")
        assert one.delete("/api/identity/sessions").status_code == 204
        assert two.get(SESSION).status_code == 401


def test_forged_requests_change_nothing(town: Town) -> None:
    town.person("sys.two", Role.system_admin, organisation="data")
    with town.client() as client:
        sign_in(client, "sys.two")
        before = town.everything()
        right = client.headers.pop("x-csrf-token")
        wish = {"name": "zhang.wei", "organisation": "psb"}
        for headers, code in (
            ({}, "identity.csrf_refused"),
            ({"x-csrf-token": "wrong"}, "identity.csrf_refused"),
            ({"x-csrf-token": right, "origin": "http://evil.test"}, "identity.origin_refused"),
            ({"x-csrf-token": right, "sec-fetch-site": "cross-site"}, "identity.origin_refused"),
        ):
            answer = client.post("/api/identity/accounts", json=wish, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, code)
            assert client.delete(SESSION, headers=headers).status_code == 403
        assert town.everything() == before
        ours = {"x-csrf-token": right, "origin": "http://city.test", "sec-fetch-site": "same-origin"}
        assert client.post("/api/identity/accounts", json=wish, headers=ours).status_code == 201


def test_nobody_is_signed_in_from_another_site(town: Town) -> None:
    town.person("zhang.wei")
    with town.client(origin="http://evil.test") as client:
        answer = client.post(SESSION, json={"account": "zhang.wei", "password": GOOD})
        assert (answer.status_code, answer.json()["code"]) == (403, "identity.origin_refused")
        assert "set-cookie" not in answer.headers


def test_failures_and_waits_are_problems_in_the_callers_language(town: Town) -> None:
    with town.client(**{"accept-language": "zh"}) as client:
        wrong = {"account": "nobody.here", "password": "wrong"}
        answers = [client.post(SESSION, json=wrong) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert answers[0].headers["content-type"].startswith("application/problem+json")
        assert answers[0].json()["detail"] == "账户名或密码错误。"
        assert answers[5].headers["retry-after"] == "1"
        assert answers[5].json()["detail"] == "尝试次数过多，请在 1 秒后再试。"


def test_a_proxy_on_this_machine_tells_the_address(town: Town) -> None:
    """The test client calls from a name, not from this machine: what it forwards is not believed."""
    town.person("zhang.wei")
    with town.client(**{"x-forwarded-for": "203.0.113.9"}) as client:
        sign_in(client, "zhang.wei")
    assert town.entries("identity.signed_in")[-1]["facts"] == {"address": "testclient"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"account": "zhang.wei"}',
        b'{"account": 1, "password": "x"}',
        b'{"account": "zhang.wei", "password": "x", "more": 1}',
        b'{"account": "' + b"a" * 65 + b'", "password": "x"}',
        b'{"account": "zhang.wei", "password": "' + b"a" * 257 + b'"}',
    ],
)
def test_what_cannot_be_read_is_a_bad_request(town: Town, body: bytes) -> None:
    with town.client() as client:
        answer = client.post(SESSION, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 400, answer.text
    assert town.everything()["session"] == []


@pytest.mark.parametrize(
    "header", ["Bearer ctl_x", "Basic c3lzYWRtaW46eA==", "Bearer", "", "Bearer ctl_0123456789abcdef_" + "A" * 43]
)
def test_wrong_authorization_is_refused(town: Town, header: str) -> None:
    with town.client(authorization=header) as client:
        answer = client.get("/api/identity/organisations")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="cityloom"'


def test_bootstrap_has_no_address(town: Town) -> None:
    paths = {path for handler in routes.HANDLERS for path in handler.paths}
    assert not [path for path in paths if "bootstrap" in path or "administrator" in path]
    assert all(path.startswith("/api/identity/") for path in paths)


def test_every_address_but_the_sign_in_wants_to_know_who_calls(town: Town) -> None:
    """Also those added later: none answers a stranger, whatever the method."""
    with town.client() as client:
        for handler in routes.HANDLERS:
            for path in handler.paths:
                for method in handler.http_methods - {"OPTIONS"}:
                    if (method, path) != ("POST", SESSION):
                        filled = path.replace("{name:str}", "sysadmin").replace("{id:str}", "0" * 16)
                        wanted = {
                            "accounts": {"name": "abc", "organisation": "psb"},
                            "password": {"old": "x", "new": "y"},
                            "tokens": {"title": "t", "rights": ["a.b"]},
                            "roles": {"roles": []},
                            "addresses": {"addresses": []},
                            "certificates": {"pem": ""},
                        }.get(path.rpartition("/")[2], {})
                        query = {"position": 1} if path.endswith("/proof") else {}
                        answer = client.request(method, filled.replace("{code:str}", "psb"), params=query, json=wanted)
                        assert answer.status_code == 401, (method, path, answer.text)


def test_the_audit_log_is_the_audit_administrators(town: Town) -> None:
    with town.client() as auditor, town.client() as system:
        settle_in(auditor, "auditadmin", town.one_time["auditadmin"])
        settle_in(system, "sysadmin", town.one_time["sysadmin"])
        assert system.get("/api/identity/audit").status_code == 403
        found = auditor.get("/api/identity/audit", params={"subject": "account:auditadmin"}).json()
        assert [entry["action"] for entry in found] == ["identity.password_changed", "identity.signed_in"]
        assert found[1]["facts"] == {"address": "testclient"}
        assert auditor.get("/api/identity/accounts").status_code == 200
        wish = {"name": "zhang.wei", "organisation": "psb"}
        assert auditor.post("/api/identity/accounts", json=wish).status_code == 403


def test_other_modules_open_the_callers_context(town: Town) -> None:
    @get("/api/other", sync_to_thread=True)
    def other(request: Request[Any, Any, Any]) -> dict[str, str]:
        ctx = api.open_context(request)
        return {"name": ctx.principal.name, "purpose": ctx.purpose, "language": ctx.language, "request": ctx.request}

    town.person("zhang.wei")
    app = Litestar(
        route_handlers=[*routes.ROUTES, other],
        state=State({"parts": town.parts}),
        middleware=[http.number_requests],
        exception_handlers={Exception: http.answer_problem},
        openapi_config=None,
    )
    with TestClient(app, base_url="http://city.test") as client:
        assert client.get("/api/other").status_code == 401
        sign_in(client, "zhang.wei")
        answer = client.get("/api/other", headers={"x-purpose": "case:17", "accept-language": "en"})
        assert answer.json() == {
            "name": "zhang.wei",
            "purpose": "case:17",
            "language": "en",
            "request": answer.headers["x-request-id"],
        }
        wrong = client.get("/api/other", headers={"x-purpose": "Because I say so"})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "identity.purpose_wrong")


def test_a_password_is_changed_in_the_browser(town: Town) -> None:
    town.person("zhang.wei")
    with town.client() as client, town.client() as elsewhere:
        sign_in(client, "zhang.wei")
        sign_in(elsewhere, "zhang.wei")
        old = client.cookies["cityloom_session"]
        answer = client.put("/api/identity/password", json={"old": GOOD, "new": OTHER})
        assert answer.status_code == 200
        assert client.cookies["cityloom_session"] != old
        assert client.get(SESSION).status_code == 200
        assert elsewhere.get(SESSION).status_code == 401
