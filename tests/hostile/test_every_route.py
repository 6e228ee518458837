"""Every route of the application × a thing of another organisation: refused, and nothing is changed."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from litestar import get
from litestar.params import FromPath
from litestar.testing import TestClient

from cityloom import app
from cityloom.identity.contracts import Role
from cityloom.kernel.jobs import platform_context
from cityloom.server import make_app
from hostile import recipes
from hostile.hostile_kit import (
    MARK,
    Caller,
    Owned,
    acts,
    differing,
    every_right,
    expired,
    followers,
    own,
    person,
    stale,
    state,
    token,
)
from hostile.recipes import DATA, ELSEWHERE, LISTS, MAY, OPEN, OWN, PARTS, PUBLIC, TAKEN, Call
from sharing.sharing_kit import Town

NOBODY = Caller("nobody", "", (), {"accept-language": "en"})


def send(client: "TestClient[Any]", call: Call, who: Caller) -> Any:
    media = {"content-type": call.media} if call.media else {}
    return client.request(
        call.method, call.url, params=dict(call.params), json=call.json, content=call.content,
        headers={**who.headers, **media},
    )  # fmt: skip


def fits(call: Call, who: Caller, answer: Any) -> bool:
    """Whether the answer is one for somebody who has no business with the thing."""
    shown = answer.text.lower()
    for name in call.named:
        shown = shown.replace(name.lower(), "·")
    allowed = {403, 404}
    if call.route in OPEN:
        allowed |= {200, 201}
    if call.route in LISTS:
        allowed = {200}
    if call.route in PARTS:
        allowed |= {200}
    if call.route in LISTS | PARTS:
        shown = shown.replace("resident", MARK)
    if call.route in TAKEN and not who.narrowed and set(who.roles) & set(DATA):
        allowed |= {TAKEN[call.route]}
    return answer.status_code in allowed and MARK not in shown


def may(call: Call, who: Caller) -> bool:
    """Whether this is the caller's own business, and not to be tried."""
    if who.narrowed:
        return bool(who.aim) and call.route.endswith(who.aim)
    return bool(set(who.roles) & set(MAY.get(call.route, ())))


def tried(town: Town, calls: list[Call], callers: list[Caller], right: Callable[..., bool] = fits) -> str:
    """What is wrong with the answers, and what they changed; empty when nothing is."""
    wrong = []
    before, told = state(town), acts(town)
    for some in batched(calls):
        got = {}
        for call in some:
            for who in callers:
                if not may(call, who):
                    answer = got[who.name, call.route] = send(town.client, call, who)
                    if not right(call, who, answer):
                        wrong.append(
                            f"{who.name}: {call.route} {call.json or ''}: {answer.status_code} {answer.text[:300]}"
                        )
        after = state(town)
        if changed := differing(before, after):
            heard = {who: answer.status_code for who, answer in got.items() if answer.status_code < 300}
            wrong.append(f"one of {[call.route for call in some]} changed {changed}; heard: {heard}")
        before = after
    assert set(acts(town) - told) <= {"access.refused"}
    return "\n".join(wrong)


def batched(calls: list[Call], size: int = 24) -> list[list[Call]]:
    """Some calls at a time: looking through every table after each would take most of the test."""
    return [calls[start : start + size] for start in range(0, len(calls), size)]


def private(owned: Owned) -> list[Call]:
    """Every call that is about another's things."""
    return [call for call in recipes.calls(recipes.application(), owned) if call.route not in {*PUBLIC, *OWN}]


def test_nobody_comes_in_without_an_account_or_with_a_token_that_is_over(town: Town) -> None:
    owned = own(town)
    callers = [NOBODY, *stale(town), expired(town)]
    town.clock.turn(days=2)
    calls = [call for call in recipes.calls(recipes.application(), owned) if call.route not in PUBLIC]
    assert tried(town, calls, callers, unknown) == ""


def unknown(call: Call, who: Caller, answer: Any) -> bool:
    return answer.status_code == 401 and MARK not in answer.text.lower()


def test_another_organisation_gets_nothing_in_any_role(town: Town) -> None:
    owned = own(town)
    callers = [person(town, f"other.{role}", "other", role) for role in Role]
    callers.append(person(town, "other.none", "other"))
    assert tried(town, private(owned), callers) == ""


def test_ones_own_organisation_gets_nothing_without_the_right(town: Town) -> None:
    owned = own(town)
    callers = [person(town, f"{name}.none", name) for name in ("civil", "housing")]
    callers += [followers(town, name) for name in ("civil", "housing")]
    callers += [token(town, name, every_right(town.parts), ("shop",)) for name in ("civil", "housing")]
    assert tried(town, private(owned), callers) == ""


def test_the_same_calls_are_heard_from_those_who_may(town: Town) -> None:
    """Else the refusals above would say nothing: each call must be right but for who makes it."""
    owned = own(town)
    callers = [token(town, name, every_right(town.parts)) for name in ("civil", "housing")]
    callers.append(person(town, "data.officer", "data", Role.data_officer))
    callers += [owned.holder, *(person(town, f"other.{role}", "other", role) for role in Role)]
    app.seal_audit(
        platform_context(town.parts, "test")
    )  # as the worker does each second: what is not signed has no proof
    ignored = []
    for call in sorted(
        private(owned), key=lambda call: ("/accounts/" in call.url, "/entrance" in call.url)
    ):  # those end sessions
        answers = [send(town.client, call, who).status_code for who in callers]
        if call.route not in ELSEWHERE and not {200, 201, 202, 204, 409} & set(answers):
            ignored.append(f"{call.route} {call.json or ''}: {answers}")
    assert not ignored, "\n".join(ignored)


HIDDEN = (
    "requests",
    "grants",
    "webhooks",
    "deliveries",
    "pulls",
    "accounts",
    "tokens",
    "drafts",
    "disputes",
    "tickets",
    "filings",
    "appeals",
)
"""Things of which a stranger may not even learn whether they are there."""


def test_a_stranger_cannot_tell_what_is_there(town: Town) -> None:
    owned = own(town)
    missing = {key: "absent" if key[0] in HIDDEN else name for key, name in owned.names.items()}
    nothing = msgspec.structs.replace(owned, names=missing)
    who = person(town, "other.officer", "other", Role.data_officer)
    for real, absent in zip(private(owned), private(nothing), strict=True):
        if real.url != absent.url and real.route not in TAKEN:
            assert shown(town, real, who) == shown(town, absent, who), real.route


def shown(town: Town, call: Call, who: Caller) -> tuple[int, str]:
    """Status and problem, without the names that the caller gave and without the request's number."""
    answer = send(town.client, call, who)
    problem = {**answer.json(), "instance": ""}
    text = msgspec.json.encode(problem).decode()
    for name in call.named:
        text = text.replace(name, "·")
    return answer.status_code, text


def test_a_route_that_leaks_is_found(town: Town) -> None:
    """The tests above can fail: a route that forgets to ask, and one of a kind that no recipe knows."""

    @get("/api/sharing/grants/{id:str}/leak", sync_to_thread=False)
    def leak(id: FromPath[str]) -> str:
        return f"{MARK} tells"

    @get("/api/sharing/parcels/{parcel:str}", sync_to_thread=False)
    def unknown_kind(parcel: FromPath[str]) -> str:
        return parcel

    owned, app = own(town), recipes.application()
    app.register(leak)
    calls = [call for call in recipes.calls(app, owned) if call.route.endswith("leak")]
    who = person(town, "other.officer", "other", Role.data_officer)
    with TestClient(make_app(town.parts)) as client:
        client.app.register(leak)
        assert not fits(calls[0], who, send(client, calls[0], who))
    app.register(unknown_kind)
    with pytest.raises(LookupError, match="parcel"):
        recipes.calls(app, owned)


def test_every_line_of_the_recipes_is_a_route() -> None:
    routes = {f"{method} {path}" for method, path, _ in recipes.handlers(recipes.application())}
    assert {*PUBLIC, *OWN, *OPEN, *LISTS, *MAY, *PARTS, *TAKEN, *ELSEWHERE, *recipes.FILES} <= routes
