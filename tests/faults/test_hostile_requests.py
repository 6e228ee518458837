"""Requests that no client sends, over a bare socket to the running city: nobody is smuggled in, nobody waits for them."""

import socket
import time
from contextlib import ExitStack, suppress

import httpx
import pytest

from cityloom import app
from cityloom.identity.api import entrances, services
from cityloom.kernel.jobs import platform_context
from faults.conftest import Tell
from faults.running import RIGHTS, RunningCity

HIDDEN = b"GET /api/exchange/datasets HTTP/1.1\r\nhost: x\r\n\r\n"
"""What would be answered if the rest of a body were taken for a request of its own."""
HEAD = b"POST /api/identity/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
UNCLEAR = {
    "two lengths": HEAD + b"content-length: 2\r\ncontent-length: 4\r\n\r\n{}" + HIDDEN,
    "a length and chunks": HEAD + b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks by another name": HEAD + b"content-length: 2\r\ntransfer-encoding: xchunked\r\n\r\n{}" + HIDDEN,
    "chunks twice": HEAD + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a signed length": HEAD + b"content-length: +2\r\n\r\n{}" + HIDDEN,
    "a folded header": HEAD + b"content-length: 2\r\nx-a: b\r\n transfer-encoding: chunked\r\n\r\n{}",
    "a space before the colon": HEAD + b"content-length : 2\r\n\r\n{}" + HIDDEN,
    "a chunk without a size": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a bare return in a header": HEAD + b"x-a: b\rcontent-length: 0\r\ncontent-length: 2\r\n\r\n{}",
    "NUL in a header": HEAD + b"x-a: \x00\r\ncontent-length: 2\r\n\r\n{}",
    "no host": b"GET /api/exchange/datasets HTTP/1.1\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
    "headers without end": b"GET /healthz HTTP/1.1\r\n" + b"x: " + b"a" * (2 << 20) + b"\r\n\r\n",
    "too many headers": b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 5000 + b"\r\n",
    "an address without end": b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nhost: x\r\n\r\n",
}  # fmt: skip


def said(city: RunningCity, request: bytes) -> bytes:
    """What comes back until the city is done or falls silent."""
    answer = b""
    with socket.create_connection(("127.0.0.1", city.settings.port), timeout=2) as line, suppress(OSError):
        line.sendall(request)
        while piece := line.recv(65_536):
            answer += piece
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("unclear", UNCLEAR)
def test_an_unclear_request_is_refused_and_hides_no_other(city: RunningCity, unclear: str) -> None:
    found = statuses(said(city, UNCLEAR[unclear]))
    assert len(found) <= 1 or unclear == "a length and chunks", found
    assert all(400 <= status < 500 for status in found), found
    assert httpx.get(f"{city.url}/healthz").status_code == 200


def test_two_accounts_in_one_request_are_none(city: RunningCity) -> None:
    """Whichever of two Authorization headers a proxy believes, the city does not take the other."""
    wrong, right = b"authorization: Bearer nobody\r\n", f"authorization: Bearer {city.token}\r\n".encode()
    for headers in (wrong + right, right + wrong):
        request = b"GET /api/exchange/datasets HTTP/1.1\r\nhost: x\r\nconnection: close\r\n" + headers + b"\r\n"
        assert statuses(said(city, request)) in ([400], [401])


def test_of_proxies_that_add_a_line_each_the_last_is_believed(city: RunningCity) -> None:
    """X-Forwarded-For may come in several lines, which are one list (RFC 9110, 5.3); the first one is the caller's own."""
    with app.running_parts(city.settings) as parts:
        ctx = platform_context(parts, "test")
        entrances.set_addresses(ctx, "other", ("10.3.0.0/16",))
        secret = services.issue(ctx, "other", RIGHTS).secret
    request = "GET /api/identity/session HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
    inside, outside = "x-forwarded-for: 10.3.1.1\r\n", "x-forwarded-for: 10.4.0.1\r\n"
    for headers, status in ((inside, 200), (inside + outside, 403), (outside + inside, 200)):
        shown = f"{request}authorization: Bearer {secret}\r\n{headers}\r\n"
        assert statuses(said(city, shown.encode())) == [status], headers


def test_who_sends_slowly_keeps_nobody_waiting(city: RunningCity, tell: Tell) -> None:
    with ExitStack() as stack:
        for number in range(400):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", city.settings.port), timeout=5))
            line.sendall(HEAD if number % 2 else HEAD + b"content-length: 1000\r\n\r\n{")
        begun = time.monotonic()
        for _ in range(10):
            answer = httpx.get(f"{city.url}/readyz", timeout=30)
            assert answer.status_code == 200
        tell("ten answers beside 400 slow senders", seconds=time.monotonic() - begun)
    assert httpx.get(f"{city.url}/healthz").status_code == 200


def test_the_log_of_all_this_is_lines_of_json(city: RunningCity) -> None:
    """Whatever was asked for: no line but our own, and nothing in them that a terminal obeys."""
    for path in ("/%0d%0aforged", "/%1b[31m", "/api/exchange/datasets/%e2%80%a8x", "/%c2%9b31m"):
        assert httpx.get(f"{city.url}{path}").status_code in (401, 404)
    for line in city.log.read_text(errors="surrogateescape").split("\n"):
        assert line.isprintable(), ascii(line)
