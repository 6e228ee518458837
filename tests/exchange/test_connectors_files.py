"""Pulls over HTTP and SFTP bring what is new, from where they may and from nobody else."""

import asyncio
import gzip
import os
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import asyncssh
import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from cityloom.exchange.connectors import fetch as connectors
from cityloom.exchange.connectors.sources import Bounds, Fetched, Sftp, SourceSpec, Web
from cityloom.kernel import reach
from cityloom.kernel.clock import FixedClock
from cityloom.kernel.errors import Invalid, NotFound, Problem, Refused, TooLarge, Unavailable

NOON = FixedClock(datetime(2025, 1, 31, 12, tzinfo=UTC))
TABLE = "id,姓名\n1,张三\n".encode()
LOCAL = ("127.0.0.0/8",)


def pull(
    source: SourceSpec, into: Path, state: bytes | None = None, secrets: dict[str, str] | None = None,
    bounds: Bounds = Bounds(allowed=LOCAL),  # noqa: B008
) -> Fetched | None:  # fmt: skip
    def known(name: str) -> str:
        if name not in (secrets or {}):
            raise NotFound("exchange.secret_unknown", name=name)
        return (secrets or {})[name]

    return connectors.fetch(source, state, into, secrets=known, bounds=bounds, clock=NOON)


Answer = Callable[[BaseHTTPRequestHandler], None]


class Site:
    """A web server on loopback whose paths answer as a test wants; it remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, dict(self.headers.items())))
                site.answers[self.path](self)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


def answer(status: int, body: bytes = b"", **headers: str) -> Answer:
    def give(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in ({"Content_Length": str(len(body))} | headers).items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return give


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_file_comes_once_per_version(site: Site, tmp_path: Path) -> None:
    site.answers["/data/firm%20list.csv?y=1"] = answer(
        200, TABLE, ETag='"v1"', Last_Modified="Fri, 31 Jan 2025 00:00:00 GMT"
    )
    source = Web(url=site.url("/data/firm%20list.csv?y=1"), authorization="door")
    first = pull(source, tmp_path, secrets={"door": "Bearer open"})
    assert first is not None
    assert (first.path.read_bytes(), first.format, first.rows, first.name) == (TABLE, "csv", None, "firm list.csv")
    assert first.path.parent == tmp_path
    asked = site.asked[0][1]
    assert (asked["Host"], asked["Authorization"]) == (f"127.0.0.1:{site.port}", "Bearer open")
    assert "If-None-Match" not in asked

    site.answers["/data/firm%20list.csv?y=1"] = answer(304)
    assert pull(source, tmp_path, first.state, {"door": "Bearer open"}) is None
    asked = site.asked[1][1]
    assert (asked["If-None-Match"], asked["If-Modified-Since"]) == ('"v1"', "Fri, 31 Jan 2025 00:00:00 GMT")
    assert list(tmp_path.iterdir()) == [first.path]


def test_packed_answers_stay_packed_and_the_type_may_tell_the_format(site: Site, tmp_path: Path) -> None:
    packed = gzip.compress(TABLE)
    site.answers["/a"] = answer(200, packed, Content_Encoding="gzip", Content_Type="text/csv; charset=utf-8")
    site.answers["/b.ndjson.gz"] = answer(200, packed)
    site.answers["/c"] = answer(200, b"PAR1")
    first, second = pull(Web(url=site.url("/a")), tmp_path), pull(Web(url=site.url("/b.ndjson.gz")), tmp_path)
    third = pull(Web(url=site.url("/c"), format="parquet"), tmp_path)
    assert first is not None
    assert second is not None
    assert third is not None
    assert (first.path.read_bytes(), first.format) == (packed, "csv")
    assert (second.format, third.format) == ("ndjson", "parquet")


def test_redirects_stay_on_the_host(site: Site, tmp_path: Path) -> None:
    site.answers["/old.csv"] = answer(302, Location="/new.csv")
    site.answers["/new.csv"] = answer(200, TABLE)
    site.answers["/away.csv"] = answer(302, Location=site.url("/new.csv", "localhost"))
    site.answers["/port.csv"] = answer(307, Location="http://127.0.0.1:1/new.csv")
    site.answers["/file.csv"] = answer(302, Location="file:///etc/passwd")
    site.answers["/loop.csv"] = answer(301, Location="/loop.csv")
    found = pull(Web(url=site.url("/old.csv")), tmp_path)
    assert found is not None
    assert (found.path.read_bytes(), found.name) == (TABLE, "new.csv")
    found.path.unlink()
    for path in ("/away.csv", "/port.csv", "/file.csv", "/loop.csv"):
        with pytest.raises(Refused) as refused:
            pull(Web(url=site.url(path), authorization="door"), tmp_path, secrets={"door": "x"})
        assert refused.value.code == "exchange.pull_redirected"
    assert [path for path, _ in site.asked].count("/loop.csv") == 4
    assert [path for path, _ in site.asked].count("/new.csv") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254",  # noqa: S104
             "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "[fd00::1]", "[fe80::1]", "[64:ff9b::7f00:1]", "224.0.0.1"]
)  # fmt: skip
def test_private_addresses_are_not_reached(site: Site, tmp_path: Path, host: str) -> None:
    site.answers["/x.csv"] = answer(200, TABLE)
    with pytest.raises(Problem) as refused:
        pull(Web(url=site.url("/x.csv", host)), tmp_path, bounds=Bounds())
    assert refused.value.code in (
        "exchange.pull_address_private",
        "exchange.pull_url_wrong",
        "exchange.pull_unreachable",
    )
    if host in ("127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1"):
        assert refused.value.code == "exchange.pull_address_private"
    assert site.asked == []


def test_the_administrator_may_allow_a_host_or_a_network(site: Site, tmp_path: Path) -> None:
    site.answers["/x.csv"] = answer(200, TABLE)
    for host, allowed in [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.0/24"), ("LOCALHOST", "localhost")]:
        assert pull(Web(url=site.url("/x.csv", host)), tmp_path, bounds=Bounds(allowed=(allowed,))) is not None
    with pytest.raises(Refused):
        pull(Web(url=site.url("/x.csv")), tmp_path, bounds=Bounds(allowed=("localhost", "10.0.0.0/8")))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True), ("2400:3200::1", True), ("127.1.2.3", False), ("10.9.8.7", False), ("169.254.0.1", False),
        ("::1", False), ("::", False), ("fe80::1", False), ("fc00::1", False), ("ff02::1", False), ("192.0.2.1", False),
        ("::ffff:10.0.0.1", False), ("::ffff:8.8.8.8", True), ("64:ff9b::a00:1", False), ("64:ff9b::808:808", True),
        ("2002:a00:1::", False), ("2002:808:808::", True), ("::7f00:1", False), ("198.18.0.1", False),
        ("255.255.255.255", False), ("239.1.1.1", False), ("fec0::1", False), ("64:ff9b:1::7f00:1", False),
        ("::ffff:0:7f00:1", False), ("5f00::1", False), ("3fff::1", False), ("192.0.0.8", False), ("2001::1", False),
    ],
)  # fmt: skip
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert reach.is_public(ip_address(address)) is public


def test_web_faults_are_told_and_leave_nothing(site: Site, tmp_path: Path) -> None:
    site.answers["/gone.csv"] = answer(404)
    site.answers["/busy.csv"] = answer(503)
    site.answers["/large.csv"] = answer(200, b"x" * (3 << 20))
    site.answers["/lie.csv"] = answer(200, TABLE, Content_Length="1000")
    site.answers["/blob"] = answer(200, TABLE)
    endless = answer(200, b"x" * (3 << 20), Content_Length="", Connection="close")
    site.answers["/endless.csv"] = lambda handler: endless(handler)
    small = Bounds(allowed=LOCAL, max_bytes=1 << 20)
    cases: list[tuple[str, Bounds, type[Problem], str]] = [
        (site.url("/gone.csv"), small, Invalid, "exchange.pull_status"),
        (site.url("/busy.csv"), small, Unavailable, "exchange.pull_unreachable"),
        (site.url("/large.csv"), small, TooLarge, "exchange.pull_too_large"),
        (site.url("/lie.csv"), small, Unavailable, "exchange.pull_unreachable"),
        (site.url("/blob"), small, Invalid, "exchange.pull_format_unknown"),
        ("http://127.0.0.1:1/x.csv", small, Unavailable, "exchange.pull_unreachable"),
        ("http://no-such-host.invalid/x.csv", small, Unavailable, "exchange.pull_unreachable"),
        ("ftp://127.0.0.1/x.csv", small, Invalid, "exchange.pull_url_wrong"),
        ("file:///etc/passwd", small, Invalid, "exchange.pull_url_wrong"),
        ("http://user:secret@127.0.0.1/x.csv", small, Invalid, "exchange.pull_url_wrong"),
    ]
    for url, bounds, kind, code in cases:
        with pytest.raises(kind) as refused:
            pull(Web(url=url), tmp_path, bounds=bounds)
        assert refused.value.code == code, url
        assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_that_never_ends_is_cut_off(site: Site, tmp_path: Path) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"x" * 1000)
        except OSError:
            pass  # the puller has gone, as it should

    site.answers["/drip.csv"] = drip
    with pytest.raises(TooLarge) as large:
        pull(Web(url=site.url("/drip.csv")), tmp_path, bounds=Bounds(allowed=LOCAL, max_bytes=1 << 20))
    assert large.value.code == "exchange.pull_too_large"
    with pytest.raises(Unavailable) as slow:
        pull(Web(url=site.url("/drip.csv")), tmp_path, bounds=Bounds(allowed=LOCAL, seconds=0.2))
    assert slow.value.code == "exchange.pull_too_slow"
    assert list(tmp_path.iterdir()) == []


def certificate(folder: Path, name: str) -> Path:
    """A key and a certificate for the host `name`, signed by itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), 1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form) + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_the_server_must_prove_the_name_and_not_the_address(site: Site, tmp_path: Path) -> None:
    """The connection goes to the address that was checked, and still asks for the name's certificate."""
    mine = certificate(tmp_path, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(mine)
    asked: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    site.server.socket = context.wrap_socket(site.server.socket, server_side=True)
    site.answers["/x.csv"] = answer(200, TABLE)
    bounds = Bounds(allowed=("localhost", "127.0.0.0/8"))
    address = f"https://localhost:{site.port}/x.csv"

    found = pull(Web(url=address, ca=str(mine)), tmp_path, bounds=bounds)
    assert found is not None
    assert (found.path.read_bytes(), asked) == (TABLE, ["localhost"])
    other = certificate(tmp_path, "data.example.cn")
    for source in (
        Web(url=address),
        Web(url=address, ca=str(other)),
        Web(url=f"https://127.0.0.1:{site.port}/x.csv", ca=str(mine)),
    ):
        with pytest.raises(Unavailable) as refused:
            pull(source, tmp_path, bounds=bounds)
        assert refused.value.code == "exchange.pull_unreachable"
    with pytest.raises(Invalid) as wrong:
        pull(Web(url=address, ca=str(tmp_path / "missing.pem")), tmp_path, bounds=bounds)
    assert wrong.value.code == "exchange.pull_ca_wrong"
    assert len(site.asked) == 1


class Depot:
    """An SFTP server on loopback over a folder, with one user `psb` who has a password and a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def run(self, ready: "Future[None]") -> None:
        self.loop.run_until_complete(self._serve(ready))
        self.loop.close()

    async def _serve(self, ready: "Future[None]") -> None:
        depot = self

        class Door(asyncssh.SSHServer):
            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == ("psb", "open")

            def public_key_auth_supported(self) -> bool:
                return True

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                return username == "psb" and key.public_data == depot.user_key.public_data

        class Files(asyncssh.SFTPServer):
            def __init__(self, chan: "asyncssh.SSHServerChannel[bytes]") -> None:
                super().__init__(chan, chroot=os.fsencode(depot.folder))

        server = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Door, server_host_keys=[self.host_key], sftp_factory=Files
        )
        self.port = server.get_port()
        ready.set_result(None)
        await self._stop.wait()
        server.close()
        await server.wait_closed()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)

    def put(self, name: str, data: bytes, hour: int) -> None:
        path = self.folder / "out" / name
        path.write_bytes(data)
        moment = datetime(2025, 1, 31, hour, tzinfo=UTC).timestamp()
        os.utime(path, (moment, moment))

    def source(self, **more: object) -> Sftp:
        key = self.host_key.export_public_key().decode()
        facts: dict[str, object] = {
            "kind": "sftp", "host": "127.0.0.1", "port": self.port, "user": "psb", "folder": "/out", "host_key": key,
            "password": "pass",
        }  # fmt: skip
        return msgspec.convert(facts | more, Sftp)


@pytest.fixture
def depot(tmp_path: Path) -> Iterator[Depot]:
    folder = tmp_path / "depot"
    (folder / "out").mkdir(parents=True)
    made = Depot(folder)
    ready: Future[None] = Future()
    thread = threading.Thread(target=made.run, args=[ready])
    thread.start()
    ready.result(30)
    yield made
    made.stop()
    thread.join()


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


WORDS = {"pass": "open", "wrong": "shut"}


def test_new_files_come_one_by_one_in_their_order(depot: Depot, into: Path) -> None:
    depot.put("二月.csv", b"b", 9)
    depot.put("一月.csv", b"a", 8)
    depot.put("ignored.pdf", b"x", 7)
    depot.put(".hidden.csv", b"x", 7)
    depot.put("half.csv.part", b"x", 7)
    (depot.folder / "out" / "folder.csv").mkdir()
    (depot.folder / "out" / "link.csv").symlink_to("/etc/passwd")
    source = depot.source(pattern="*.csv*")
    state, names = None, []
    while (fetched := pull(source, into, state, WORDS)) is not None:
        names.append((fetched.name, fetched.path.read_bytes(), fetched.format, fetched.rows))
        state = fetched.state
    assert names == [("一月.csv", b"a", "csv", None), ("二月.csv", b"b", "csv", None)]

    depot.put("一月.csv", b"a, corrected", 10)
    fetched = pull(source, into, state, WORDS)
    assert fetched is not None
    assert (fetched.name, fetched.path.read_bytes()) == ("一月.csv", b"a, corrected")
    assert pull(source, into, fetched.state, WORDS) is None
    (depot.folder / "out" / "二月.csv").unlink()
    depot.put("三月.csv", b"c", 11)
    last = pull(source, into, fetched.state, WORDS)
    assert last is not None
    assert set(msgspec.json.decode(last.state)["seen"]) == {"一月.csv", "三月.csv"}  # what is gone is forgotten


def test_files_that_may_still_grow_are_left(depot: Depot, into: Path) -> None:
    depot.put("now.csv", b"a", 12)
    assert pull(depot.source(), into, None, WORDS) is None
    assert pull(depot.source(settle_seconds=0), into, None, WORDS) is not None


def test_a_private_key_opens_too(depot: Depot, into: Path) -> None:
    depot.put("a.csv", b"a", 8)
    secrets = {"key": depot.user_key.export_private_key().decode()}
    assert pull(depot.source(password=None, private_key="key"), into, None, secrets) is not None
    other = {"key": asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()}
    with pytest.raises(Refused) as refused:
        pull(depot.source(password=None, private_key="key"), into, None, other)
    assert refused.value.code == "exchange.pull_login"


def test_sftp_faults_are_told_and_leave_nothing(depot: Depot, into: Path) -> None:
    depot.put("large.csv", b"x" * (2 << 20), 8)
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    small = Bounds(max_bytes=1 << 20)
    cases: list[tuple[Sftp, type[Problem], str]] = [
        (depot.source(host_key=stranger), Refused, "exchange.pull_host_key"),
        (depot.source(host_key="no key"), Invalid, "exchange.pull_key_wrong"),
        (depot.source(password="wrong"), Refused, "exchange.pull_login"),
        (depot.source(folder="/missing"), NotFound, "exchange.pull_folder_missing"),
        (depot.source(port=1), Unavailable, "exchange.pull_unreachable"),
        (depot.source(), TooLarge, "exchange.pull_too_large"),
    ]
    for source, kind, code in cases:
        with pytest.raises(kind) as refused:
            pull(source, into, None, WORDS, small)
        assert refused.value.code == code
    assert list(into.iterdir()) == []


def test_specs_are_told_apart_by_their_kind_and_hold_no_secret() -> None:
    text = b"kind: http\nurl: https://data.example.cn/x.csv\n"
    assert msgspec.yaml.decode(text, type=SourceSpec) == Web(url="https://data.example.cn/x.csv")
    text = b"kind: mysql\nhost: h\ndatabase: d\nuser: u\nquery: SELECT 1\npassword: 'a real password!'\n"
    with pytest.raises(msgspec.ValidationError, match=r"password"):
        msgspec.yaml.decode(text, type=SourceSpec)
