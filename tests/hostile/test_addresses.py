"""Addresses that others choose: no webhook and no pull reaches what only this machine can reach."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from cityloom.exchange.connectors import fetch as connectors_fetch
from cityloom.exchange.connectors.sources import Bounds, Web
from cityloom.kernel.clock import SystemClock
from cityloom.kernel.errors import NotFound, Problem, Refused, Unavailable
from cityloom.sharing import connectors

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-type: text/csv\r\n\r\na\n1\n"
ENTICING = (
    "127.0.0.1", "localhost", "LOCALHOST", "localhost.", "127.1", "0", "0.0.0.0", "2130706433", "0x7f000001",  # noqa: S104
    "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.0.0.1.", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[::ffff:0:127.0.0.1]", "[fec0::1]",
    "１２７.0.0.1", "127。0。0。1", "①②⑦.0.0.1", "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "loca\u00adlhost", "%31%32%37.0.0.1", "169.254.169.254",
    "[fd00:ec2::254]", "10.0.0.1", "100.100.100.200", "[fe80::1%25lo]",
)  # fmt: skip
"""This machine, the private network and the metadata of clouds, in every spelling."""


class Listener:
    """A port of this machine, and all that came to it."""

    def __init__(self, answer: Callable[[socket.socket], None], host: str = "127.0.0.1", port: int = 0) -> None:
        self.heard: list[bytes] = []
        self._server = socket.create_server((host, port))
        self.port: int = self._server.getsockname()[1]
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._server.accept()
                with line, suppress(OSError):
                    self.heard.append(line.recv(65_536))
                    self._answer(line)

    def close(self) -> None:
        self._server.close()


Listen = Callable[..., Listener]


@pytest.fixture
def listen() -> Iterator[Listen]:
    made: list[Listener] = []

    def open_one(answer: Callable[[socket.socket], None] = lambda line: line.sendall(OK), **where: Any) -> Listener:
        made.append(Listener(answer, **where))
        return made[-1]

    yield open_one
    for each in made:
        each.close()


def push(url: str, *allowed: str) -> str:
    return connectors.send(url, b"{}", {"Content-Type": "application/json"}, allowed)


def pull(url: str, into: Path, *allowed: str, **bounds: Any) -> bytes | None:
    found = connectors_fetch.fetch(
        Web(url=url, format="csv"), None, into, secrets=unknown, bounds=Bounds(allowed=allowed, **bounds), clock=SystemClock()
    )  # fmt: skip
    return found.path.read_bytes() if found else None


def unknown(name: str, /) -> str:
    raise NotFound("exchange.secret_missing", secret=name)


@pytest.mark.parametrize("host", ENTICING)
def test_no_spelling_of_an_address_reaches_inside(listen: Listen, tmp_path: Path, host: str) -> None:
    trap = listen()
    for scheme in ("http", "https"):
        url = f"{scheme}://{host}:{trap.port}/a.csv"
        assert push(url) == connectors.UNREACHABLE
        with pytest.raises(Problem) as refused:
            pull(url, tmp_path)
        assert refused.value.code in (
            "exchange.pull_address_private",
            "exchange.pull_unreachable",
            "exchange.pull_url_wrong",
        )
    assert (trap.heard, list(tmp_path.iterdir())) == ([], [])


def names(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A resolver that says something else each time; the names it was asked for."""
    asked: list[str] = []
    real, left = socket.getaddrinfo, list(answers)

    def resolve(host: Any, port: Any, *more: Any, **named: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        if text != "rebind.example":
            return real(host, port, *more, **named)
        asked.append(text)
        found = left.pop(0) if len(left) > 1 else left[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_name_is_resolved_once_and_that_address_is_connected_to(
    listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = listen(host="127.0.0.2")
    trap = listen(host="127.0.0.3", port=first.port)
    url = f"http://rebind.example:{first.port}/a.csv"
    asked = names(monkeypatch, ["127.0.0.2"], ["127.0.0.3"])
    assert push(url, "127.0.0.2/32") == ""
    assert asked == ["rebind.example"]
    names(monkeypatch, ["127.0.0.2"], ["127.0.0.3"])
    assert pull(url, tmp_path, "127.0.0.2/32") == b"a\n1\n"
    assert trap.heard == []
    assert all(f"host: rebind.example:{first.port}".encode() in heard.lower() for heard in first.heard)
    assert len(first.heard) == 2


def test_a_name_with_one_private_address_is_not_connected_to(
    listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = listen()
    names(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    url = f"http://rebind.example:{trap.port}/a.csv"
    assert push(url) == connectors.UNREACHABLE
    with pytest.raises(Refused, match="pull_address_private"):
        pull(url, tmp_path)
    assert trap.heard == []


def test_the_environment_names_no_proxy(listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap, door = listen(), listen()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login kilo password secret\n")
    url = f"http://127.0.0.1:{door.port}/a.csv"
    assert push(url, "127.0.0.1") == ""
    assert pull(url, tmp_path, "127.0.0.1") == b"a\n1\n"
    assert trap.heard == []
    assert not any(b"authorization" in heard.lower() for heard in door.heard)
    trap.heard.clear()
    assert push(f"http://10.255.255.1:{door.port}/") == connectors.UNREACHABLE  # and none for what is refused
    assert trap.heard == []


@pytest.mark.parametrize(
    "where", ["http://169.254.169.254/", "http://localhost/", "//127.0.0.2/", "gopher://127.0.0.1/"]
)
def test_a_redirect_leads_nowhere(listen: Listen, tmp_path: Path, where: str) -> None:
    moved = f"HTTP/1.1 302 Found\r\nlocation: {where}\r\ncontent-length: 0\r\n\r\n".encode()
    door = listen(lambda line: line.sendall(moved))
    assert push(f"http://127.0.0.1:{door.port}/", "127.0.0.1") == "HTTP 302"
    with pytest.raises(Refused, match="pull_redirected"):
        pull(f"http://127.0.0.1:{door.port}/a.csv", tmp_path, "127.0.0.1")
    assert len(door.heard) == 2


def drip(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while not GONE.wait(0.05):
        line.sendall(b"x-more: y\r\n")


GONE = threading.Event()


def test_headers_that_never_end_are_left_in_time(
    listen: Listen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors, "LONGEST", 0.5)
    door = listen(drip)
    url = f"http://127.0.0.1:{door.port}/a.csv"
    assert push(url, "127.0.0.1") == connectors.UNREACHABLE
    with pytest.raises(Unavailable, match="pull_too_slow"):
        pull(url, tmp_path, "127.0.0.1", seconds=0.5)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_to_a_push_is_not_read(listen: Listen) -> None:
    """However long, and however tightly packed: no memory is spent on it."""
    sent: list[int] = []

    def flood(line: socket.socket) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n")
        with suppress(OSError):
            for number in range(1 << 14):
                line.sendall(b"\0" * 65_536)
                sent.append(number)

    door = listen(flood)
    assert push(f"http://127.0.0.1:{door.port}/", "127.0.0.1") == ""
    assert len(sent) < 1 << 13


def test_who_chose_an_address_learns_nothing_of_the_network(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open port, a closed one, a silent one, a private address and a name that is not there look the same."""
    monkeypatch.setattr(connectors, "LONGEST", 0.3)
    silent, strange = listen(lambda _: GONE.wait(0.6)), listen(lambda line: line.sendall(b"SSH-2.0-kilo\r\n"))
    with socket.create_server(("127.0.0.1", 0)) as closing:
        closed = closing.getsockname()[1]
    urls = [f"http://127.0.0.1:{port}/" for port in (silent.port, strange.port, closed)]
    told = {push(url, "127.0.0.1") for url in urls} | {push("http://10.0.0.1/"), push("http://no-such.invalid/")}
    assert told == {connectors.UNREACHABLE}
