"""Change rows that are pushed: in order, signed, again until they are taken, and never to where they may not go."""

import base64
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter
from typing import Any

import httpx
import msgspec
import pytest

from cityloom.identity.api import accounts
from cityloom.kernel import retrying
from cityloom.kernel.audit.keys import Signature
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid, Unavailable
from cityloom.sharing import connectors
from cityloom.sharing.api import webhooks
from sharing.sharing_kit import ROWS, Town

HEAD = ROWS.splitlines()[0]


class Subscriber:
    """An address that answers as a test wants, and keeps what it got."""

    def __init__(self) -> None:
        self.status = 204
        self.got: list[tuple[bytes, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.got.append((body, self.headers["x-cityloom-signature"]))
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.send_header("location", "http://127.0.0.1:1/")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/changes"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pages(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(body) for body, _ in self.got]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    found = Subscriber()
    yield found
    found.server.shutdown()
    found.server.server_close()


def platform(town: Town, allowed: str = "127.0.0.1") -> Context:
    """The worker, where the operator allows this network."""
    settings = msgspec.structs.replace(town.parts.settings, webhook_allowed=allowed)
    return msgspec.structs.replace(town.platform, parts=msgspec.structs.replace(town.parts, settings=settings))


def subscribe(town: Town, url: str, since: int = 0) -> dict[str, Any]:
    """As the holder; set up past the door's check of plain http, which has a test of its own."""
    ctx = platform(town)
    principal = msgspec.structs.replace(
        ctx.principal, name="housing-service", organisation="housing", roles=frozenset({"data_officer"})
    )
    acting = msgspec.structs.replace(ctx, principal=principal, purpose="rent_aid")
    made = webhooks.add(acting, "r1", webhooks.NewWebhook(url, "c-1", since))
    return msgspec.to_builtins(made)  # type: ignore[no-any-return]


def standing(town: Town) -> dict[str, Any]:
    [row] = town.housing.get("grants/r1/webhooks").json()
    return row  # type: ignore[no-any-return]


def test_change_rows_are_sent_signed_in_order_and_once(
    town: Town, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PAGE", 1)
    town.civil.deliver("d1", ROWS)
    town.grant()
    subscribe(town, subscriber.url)
    webhooks.push(platform(town))
    pages = subscriber.pages()
    assert [(row["id"], row["name"]) for page in pages for row in page["rows"]] == [
        ("a1", "Anna Apple"), ("a3", "Cleo Cedar"),
    ]  # fmt: skip
    assert [(page["since"], page["upto"], page["case"], page["purpose"]) for page in pages] == [
        (0, 1, "c-1", "rent_aid"), (1, 3, "c-1", "rent_aid"),
    ]  # fmt: skip
    body, header = subscriber.got[0]
    parts = dict(re.findall(r'(\w+)="([^"]+)"', header))
    signature = Signature(parts["algorithm"], parts["key"], base64.b64decode(parts["value"]))
    assert town.parts.signer.public.verifies(signature, body)
    town.clock.turn(seconds=5)
    webhooks.push(platform(town))
    assert len(subscriber.got) == 2
    town.civil.deliver("d2", f"{HEAD}\na1,Anna Ash,N1,1980-05-01,1,true\n")
    town.clock.turn(seconds=5)
    webhooks.push(platform(town))
    assert [(row["_op"], row["name"]) for row in subscriber.pages()[-1]["rows"]] == [("update", "Anna Ash")]
    assert [(use["way"], use["rows"]) for use in town.civil.get("grants/r1/uses").json()] == [("changes", 1)] * 3


def test_what_is_not_taken_is_sent_again_and_at_last_given_up(town: Town, subscriber: Subscriber) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    made = subscribe(town, subscriber.url)
    subscriber.status = 500
    pauses = []
    for _ in range(15):
        webhooks.push(platform(town))
        webhooks.push(platform(town))  # too soon: nothing is sent
        row = standing(town)
        pauses.append(row["next_at"])
        town.clock.turn(hours=1)
    assert len(subscriber.got) == 15
    assert len({body for body, _ in subscriber.got if b'"since":0' in body}) >= 1
    held = standing(town)
    assert (held["state"], held["last_error"], held["cursor"], held["failures"]) == ("held", "HTTP 500", 0, 15)
    assert [(dead["since"], dead["tries"], dead["error"]) for dead in held["dead_letters"]] == [(0, 15, "HTTP 500")]
    subscriber.status = 200
    town.clock.turn(hours=2)
    webhooks.push(platform(town))
    assert len(subscriber.got) == 15
    before = town.everything()
    path = f"grants/r1/webhooks/{made['id']}"
    replay = f"/api/sharing/{path}/replays"
    for stranger, status in ((town.other, 404), (town.civil, 403)):
        assert town.civil.client.post(replay, params={"since": 0}, headers=stranger.headers).status_code == status
        assert town.civil.client.delete(f"/api/sharing/{path}", headers=stranger.headers).status_code == status
    assert town.everything() == before
    assert standing(town)["state"] == "held"
    again = town.housing.client.post(replay, params={"since": 0}, headers=town.housing.headers)
    assert again.json()["state"] == "active"
    webhooks.push(platform(town))
    assert [row["id"] for row in subscriber.pages()[-1]["rows"]] == ["a1", "a3"]
    assert (standing(town)["state"], standing(town)["cursor"]) == ("active", 3)
    stopped = town.housing.client.delete(f"/api/sharing/{path}", headers=town.housing.headers).json()
    assert stopped["state"] == "stopped"
    town.civil.deliver("d2", f"{HEAD}\na1,Anna Ash,N1,1980-05-01,1,true\n")
    town.clock.turn(hours=1)
    sent = len(subscriber.got)
    webhooks.push(platform(town))
    assert len(subscriber.got) == sent


def test_a_redirect_is_not_followed(town: Town, subscriber: Subscriber) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    subscribe(town, subscriber.url)
    subscriber.status = 307
    webhooks.push(platform(town))
    assert (standing(town)["last_error"], standing(town)["cursor"]) == ("HTTP 307", 0)


def test_nothing_is_sent_to_the_private_network(town: Town, subscriber: Subscriber) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    body = {"url": subscriber.url, "case": "c-1"}
    refused = town.housing.post("grants/r1/webhooks", body)
    assert (refused.status_code, refused.json()["code"]) == (422, "sharing.webhook_url")
    for url in ("https://user@host.example/", "file:///etc/passwd", "https:///x"):
        assert town.housing.post("grants/r1/webhooks", {"url": url, "case": "c"}).status_code == 422
    assert town.housing.get("grants/r1/webhooks").json() == []
    port = subscriber.server.server_address[1]
    assert (
        town.housing.post("grants/r1/webhooks", {"url": f"https://127.0.0.1:{port}/", "case": "c"}).status_code == 201
    )
    webhooks.push(platform(town, allowed=""))
    assert subscriber.got == []
    assert standing(town)["last_error"] == connectors.UNREACHABLE


@pytest.mark.parametrize("fault", [Unavailable("kernel.database_unreachable"), httpx.InvalidURL("x"), OSError("x")])
def test_a_passing_fault_is_a_miss_and_not_the_end(
    town: Town, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    subscribe(town, subscriber.url)

    def fails(*_: object) -> None:
        raise fault

    with monkeypatch.context() as broken:
        broken.setattr(accounts, "find", fails)
        webhooks.push(platform(town))
    row = standing(town)
    assert (row["state"], row["failures"], row["cursor"]) == ("active", 1, 0)
    assert row["last_error"] == getattr(fault, "code", type(fault).__name__)
    webhooks.push(platform(town))  # too soon
    assert subscriber.got == []
    town.clock.turn(seconds=6)
    webhooks.push(platform(town))
    assert len(subscriber.got) == 1
    assert (standing(town)["failures"], standing(town)["last_error"]) == (0, "")


def test_one_that_was_stopped_while_it_was_sent_is_not_held(
    town: Town, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    made = subscribe(town, subscriber.url)
    monkeypatch.setattr(retrying, "MOST_TRIES", 1)

    def stops(*_: object) -> str:
        path = f"/api/sharing/grants/r1/webhooks/{made['id']}"
        assert town.housing.client.delete(path, headers=town.housing.headers).status_code == 200
        return "HTTP 500"

    monkeypatch.setattr(connectors, "send", stops)
    webhooks.push(platform(town))
    assert (standing(town)["state"], standing(town)["dead_letters"]) == ("stopped", [])


def test_a_grant_has_only_so_many(town: Town) -> None:
    town.grant()
    body = {"url": "https://x.example/", "case": "c"}
    made = [town.housing.post("grants/r1/webhooks", body) for _ in range(6)]
    assert [each.status_code for each in made] == [201] * 5 + [409]
    assert made[-1].json()["code"] == "sharing.webhook_many"
    first = f"/api/sharing/grants/r1/webhooks/{made[0].json()['id']}"
    assert town.housing.client.delete(first, headers=town.housing.headers).status_code == 200
    assert town.housing.post("grants/r1/webhooks", body).status_code == 201
    again = town.housing.client.post(f"{first}/replays", params={"since": 0}, headers=town.housing.headers)
    assert (again.status_code, again.json()["code"]) == (409, "sharing.webhook_many")
    assert len(town.housing.get("grants/r1/webhooks").json()) == 6


def test_a_round_sends_only_so_many_pages(town: Town, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAGE", 1)
    monkeypatch.setattr(retrying, "MOST_PAGES", 1)
    town.civil.deliver("d1", ROWS)
    town.grant()
    subscribe(town, subscriber.url)
    webhooks.push(platform(town))
    assert len(subscriber.got) == 1
    webhooks.push(platform(town))
    assert [row["id"] for page in subscriber.pages() for row in page["rows"]] == ["a1", "a3"]


def test_a_receiver_that_drips_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectors, "LONGEST", 0.5)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            with server.accept()[0] as line, suppress(OSError):
                line.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.05):
                    line.sendall(b"x: y\r\n")

        thread = threading.Thread(target=drip)
        thread.start()
        begun = perf_counter()
        error = connectors.send(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, ["127.0.0.1"])
        took = perf_counter() - begun
        over.set()
        thread.join()
    assert error == connectors.UNREACHABLE
    assert took < 4


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://x.example/", True), ("https://127.0.0.1:8443/", True), ("http://x.example/", False),
        ("http://inside.example/", True), ("http://INSIDE.example:80/", True), ("http://10.1.2.3/", True),
        ("http://10.2.2.3/", False), ("https://x.example:99999/", False), ("https://x.example:0/", False),
        ("https://x\n.example/", False), ("https://[::1/", False), ("https://xn--/", False), ("https://a:b@x.example/", False),
    ],
)  # fmt: skip
def test_which_addresses_are_taken(url: str, fits: bool) -> None:
    with nullcontext() if fits else pytest.raises(Invalid, match=r"sharing\.webhook_url"):
        connectors.check_url(url, ["inside.example", "10.1.0.0/16"])


def test_it_stops_with_the_grant_and_with_the_account(town: Town, subscriber: Subscriber) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    assert town.other.post("grants/r1/webhooks", {"url": "https://x.example/", "case": "c"}).status_code == 404
    assert town.civil.post("grants/r1/webhooks", {"url": "https://x.example/", "case": "c"}).status_code == 403
    subscribe(town, subscriber.url)
    town.civil.move("r1", "revoke", kind="grants", reason="over")
    webhooks.push(platform(town))
    assert subscriber.got == []
    assert (standing(town)["state"], standing(town)["last_error"]) == ("stopped", "sharing.grant_over")


def test_it_stops_when_its_account_lost_its_role(town: Town, subscriber: Subscriber) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    subscribe(town, subscriber.url)
    accounts.give_roles(town.platform, "housing-service", [])
    webhooks.push(platform(town))
    assert subscriber.got == []
