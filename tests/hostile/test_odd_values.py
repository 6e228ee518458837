"""Every parameter and every value of every body × what nobody sends in good faith: a clear refusal, and never a 500."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from hostile import recipes
from hostile.hostile_kit import Caller, own, rightful
from hostile.recipes import PUBLIC, Call
from hostile.test_every_route import send
from sharing.sharing_kit import Town

IN_ADDRESSES = (
    "-1", "0", str(2**63), str(10**40), "NaN", "\x00", "a\r\nx-y: z", "\x1b[31m", "x" * 9000, "'\"--;", "%",
    "\u202e", "😀", "..", "../..", "%2e%2e%2f", "１２", " ", "ﬁle", "е" "xample",
    "0001-01-01", "9999-12-31",
)  # fmt: skip
"""Numbers beyond every type; NUL, ends of lines, escapes; ways out of a folder; letters that look like others; days
before and behind which there is none."""
IN_BODIES = (
    None, -1, 2**31, 2**63, 10**40, 1e308, True, [], {}, "", "\x00", "a\x00b", "\x1f", "\x1b[31m\r\n", "x" * 9000,
    "\u202e", "2026-02-30", "0001-01-01", "9999-12-31",
)  # fmt: skip
ENDING = ("/erasures", "/session", "/sessions", "/password", "/disable")
"""Calls that, right by accident, would take away what the others are tried on."""
TAKING = ("revoke", "give_back")


def asker(town: Town) -> tuple[Caller, Caller]:
    """Who may: the holder of the grant, and the keeper of everything else."""
    holder, keeper = (Caller(name, name, (), rightful(town, name)) for name in ("housing", "civil"))
    return holder, keeper


def harmless(calls: list[Call]) -> list[Call]:
    return [
        call
        for call in calls
        if call.route not in PUBLIC and call.method != "DELETE" and not call.url.endswith(ENDING)
        and not (call.json and call.json.get("move") in TAKING)
    ]  # fmt: skip


def in_addresses(call: Call, document: dict[str, Any]) -> Iterator[Call]:
    """The call with each odd value in each place of its address."""
    method, path = call.route.split(" ")
    for parameter in document["paths"][path][method.lower()].get("parameters", ()):
        name, parts = parameter["name"], path.split("/")
        for odd in IN_ADDRESSES:
            if parameter["in"] == "query":
                yield msgspec.structs.replace(call, params={**call.params, name: odd})
            elif odd not in ("..", "../.."):  # which a client takes out of the address itself
                real = call.url.split("/", len(parts) - 1)  # the last may have several parts
                pairs = zip(parts, real, strict=True)
                url = "/".join(quote(odd, safe="") if part == f"{{{name}}}" else was for part, was in pairs)
                yield msgspec.structs.replace(call, url=url)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a body."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    """The body with something else in one place."""
    if not path:
        return odd
    if isinstance(value, dict):
        return {key: put(each, path[1:], odd) if key == path[0] else each for key, each in value.items()}
    return [put(each, path[1:], odd) if place == path[0] else each for place, each in enumerate(value)]


def in_bodies(call: Call) -> Iterator[Call]:
    for path in places(call.json):
        for odd in IN_BODIES:
            yield msgspec.structs.replace(call, json=put(call.json, path, odd))


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.full)])
def test_what_nobody_sends_in_good_faith_is_refused_and_never_our_failure(town: Town, every: int) -> None:
    """Every third of them at each change, so that each kind comes up at many places; all before a release."""
    owned = own(town)
    holder, keeper = asker(town)
    document = town.client.get("/schema/openapi.json").json()
    failed, sent = [], 0
    for call in harmless(recipes.calls(recipes.application(), owned)):
        who = holder if "/grants/" in call.url else keeper
        odd = [*in_addresses(call, document), *(in_bodies(call) if call.json is not None else ())]
        for each in odd[sent % every :: every]:
            answer = send(town.client, each, who)
            sent += 1
            if answer.status_code >= 500 or (answer.status_code >= 400 and not answer.json()["detail"]):
                failed.append(f"{each.method} {each.url[:150]} {each.params} {each.json}: {answer.status_code}")
    assert not failed, "\n".join(failed)
    assert sent > 6000 / every
