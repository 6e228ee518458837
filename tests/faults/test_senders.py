"""Senders that come twice, at once, with other content, stop half way, or come back."""

import contextlib
import gzip
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cityloom import client
from cityloom.exchange.api import deliveries
from cityloom.exchange.contracts import Declaration, Spooled, State
from cityloom.exchange.store.ledger import LEASE
from cityloom.kernel.clock import FixedClock
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.errors import Conflict
from cityloom.kernel.jobs import platform_context
from exchange.conftest import Door
from faults.conftest import Tell
from faults.running import RunningCity
from faults.senders import Senders

FILE = b"item,amount,note\na,1,x\nb,2,\nc,3,z\n"


def put(city: RunningCity, id: str, body: bytes) -> httpx.Response:
    """One try, without insisting."""
    headers = {"authorization": f"Bearer {city.token}", "content-type": "text/csv", "accept-language": "en"}
    return httpx.put(
        f"{city.url}/api/exchange/datasets/stock/deliveries/{id}", content=body, headers=headers, timeout=60
    )


def test_an_answer_that_needs_no_body_leaves_the_connection_to_be_used(city: RunningCity) -> None:
    body = b"item,amount,note\n" + b"".join(b"long-%d,1,%s\n" % (number, b"x" * 90) for number in range(3_000))
    query = {"sha256": hashlib.sha256(body).hexdigest()}
    headers = {"authorization": f"Bearer {city.token}", "content-type": "text/csv"}
    with httpx.Client(base_url=f"{city.url}/api/exchange/datasets/", headers=headers, timeout=60) as kept:
        for dataset, expected in (("stock", {200, 202}), ("absent", {404})):
            for _ in range(30):
                chunks = (body[start : start + (1 << 20)] for start in range(0, len(body), 1 << 20))
                assert kept.put(f"{dataset}/deliveries/long", params=query, content=chunks).status_code in expected
                assert kept.get("stock").status_code == 200


def rows_of(city: RunningCity, id: str) -> list[dict[str, Any]]:
    """Change rows that a delivery made."""
    address = f"{city.url}/api/exchange/datasets/stock/changes"
    answer = httpx.get(
        address, params={"limit": 1_000_000}, headers={"authorization": f"Bearer {city.token}"}, timeout=60
    )
    assert answer.status_code == 200
    return [row for row in map(msgspec.json.decode, answer.content.splitlines()) if row["_delivery"] == id]


def at_once(city: RunningCity, id: str, bodies: list[bytes]) -> list[httpx.Response]:
    """All of them in the same moment, each until it is no longer told to wait."""
    answers: list[httpx.Response] = []
    gate = threading.Barrier(len(bodies))

    def send(body: bytes) -> None:
        gate.wait()
        answer = put(city, id, body)
        while answer.status_code == 202 or client._in_progress(answer):
            time.sleep(0.2)
            answer = put(city, id, body)
        answers.append(answer)

    threads = [threading.Thread(target=send, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == len(bodies)
    return answers


@pytest.mark.parametrize("threads", [16, pytest.param(64, marks=pytest.mark.full)])
def test_the_same_id_from_many_threads_at_once(city: RunningCity, threads: int) -> None:
    for round_ in range(3):
        id = f"same-{threads}-{round_}"
        answers = at_once(city, id, [FILE + f"r{round_},1,\n".encode()] * threads)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.text for answer in answers}) == 1
        rows = rows_of(city, id)
        assert len(rows) == len({row["item"] for row in rows})
        counts = answers[0].json()["counts"]
        assert (counts["accepted"], counts["rows_in"]) == (len(rows), 4)


def test_the_same_id_with_other_content_at_once(city: RunningCity) -> None:
    bodies = [f"item,amount\nw{number},1\n".encode() for number in range(8)]
    answers = at_once(city, "contested", bodies)
    accepted = [answer.json() for answer in answers if answer.status_code == 200]
    refused = [answer.json()["code"] for answer in answers if answer.status_code == 409]
    assert len(accepted) == 1
    assert refused == ["exchange.delivery_id_reused"] * 7
    rows = rows_of(city, "contested")
    assert len(rows) == 1
    late = put(city, "contested", b"item,amount\nother,1\n")
    assert (late.status_code, late.json()["code"]) == (409, "exchange.delivery_id_reused")
    assert rows_of(city, "contested") == rows


HEAD = "PUT /api/exchange/datasets/stock/deliveries/{id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\n"


@contextlib.contextmanager
def half_sent(city: RunningCity, id: str, chunked: bool) -> Iterator[socket.socket]:
    """A connection on which the head and two whole rows of a longer body were sent."""
    head = HEAD.format(id=id, token=city.token)
    part = FILE[:24]
    if chunked:
        text = f"{head}Transfer-Encoding: chunked\r\n\r\n{len(part):x}\r\n".encode() + part + b"\r\n"
    else:
        text = f"{head}Content-Length: {len(FILE)}\r\n\r\n".encode() + part
    with socket.create_connection(("127.0.0.1", city.settings.port)) as line:
        line.sendall(text)
        time.sleep(0.5)
        yield line


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_sender_stops_in_mid_body_and_comes_back(city: RunningCity, chunked: bool, tell: Tell) -> None:
    id = f"half-{chunked}"
    before = city.spooled()
    with half_sent(city, id, chunked):
        assert put(city, id, FILE).status_code == 409
    started = time.monotonic()
    answer = put(city, id, FILE)
    while client._in_progress(answer):
        time.sleep(0.1)
        answer = put(city, id, FILE)
    tell("came back", seconds=time.monotonic() - started)
    assert time.monotonic() - started < 10
    assert answer.status_code == 200
    assert answer.json()["counts"]["rows_in"] == 3
    assert city.spooled() == before


def test_a_gzip_body_cut_short_is_refused_whole(city: RunningCity) -> None:
    packed = gzip.compress(FILE * 1000)
    headers = {"authorization": f"Bearer {city.token}", "content-type": "text/csv", "content-encoding": "gzip"}
    address = f"{city.url}/api/exchange/datasets/stock/deliveries/cut"
    answer = httpx.put(address, content=packed[: len(packed) // 2], headers=headers, timeout=60)
    assert answer.status_code == 422
    assert answer.json()["refusal"]["code"] == "exchange.gzip_broken"
    assert rows_of(city, "cut") == []


def test_several_senders_and_two_processes_on_one_dataset(city: RunningCity, tmp_path: Path, tell: Tell) -> None:
    senders = Senders(city, tmp_path, many=6)
    senders.progress(20)
    senders.let_end()
    tell("six senders", deliveries=senders.check())


@pytest.fixture
def department(town: Parts, door: Door) -> Context:
    """The town hall's context with a clock that a test moves."""
    return platform_context(msgspec.structs.replace(town, clock=FixedClock(town.clock.now())), "test")


def later(ctx: Context, seconds: float) -> Context:
    """The same at another time."""
    clock = FixedClock(ctx.clock.now() + timedelta(seconds=seconds))
    return msgspec.structs.replace(ctx, parts=msgspec.structs.replace(ctx.parts, clock=clock))


def test_a_silent_sender_keeps_its_id_for_a_lease_and_no_longer(department: Context) -> None:
    lease = LEASE.total_seconds()
    first = deliveries.claim(department, "stock", "d1", Declaration())
    assert first.state == State.receiving
    with pytest.raises(Conflict) as told:
        deliveries.claim(later(department, lease - 1), "stock", "d1", Declaration())
    assert told.value.code == "exchange.delivery_in_progress"
    deliveries.keep_alive(later(department, lease - 1), first)
    with pytest.raises(Conflict):
        deliveries.claim(later(department, 2 * lease - 2), "stock", "d1", Declaration())
    late = 2 * lease
    second = deliveries.claim(later(department, late), "stock", "d1", Declaration())
    assert (second.state, second.attempt) == (State.receiving, first.attempt + 1)
    with pytest.raises(Conflict):
        deliveries.keep_alive(later(department, late + 1), first)
    with pytest.raises(Conflict):
        deliveries.received(later(department, late + 1), first, Spooled("/nowhere", 1, "0" * 64))
    deliveries.abandon(later(department, late + 1), first)
    deliveries.keep_alive(later(department, late + 2), second)


@pytest.mark.parametrize("back", [41, 3600, 86400 * 365])
def test_a_clock_set_back_blocks_nothing(department: Context, back: int) -> None:
    deliveries.claim(department, "stock", "d1", Declaration())
    earlier = later(department, -back)
    assert deliveries.claim(earlier, "stock", "d1", Declaration()).state == State.receiving


def test_two_claims_in_the_same_microsecond_have_one_winner(department: Context) -> None:
    deliveries.claim(department, "stock", "d1", Declaration())
    with pytest.raises(Conflict):
        deliveries.claim(department, "stock", "d1", Declaration())
