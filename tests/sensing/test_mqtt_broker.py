"""Workers at a broker that is not ours (Mosquitto): the load divided, nothing lost when one is killed, nothing kept twice."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from typer.testing import CliRunner

from cityloom.kernel.clock import SystemClock
from cityloom.kernel.settings import environment
from cityloom.sensing import commands
from cityloom.supervise import free_port
from sensing.conftest import City
from sensing.front import fronted
from sensing.mqtt_kit import Client, until
from sensing.test_devices import moved, registered
from sensing.test_mqtt import UP, device, strays, with_stream

MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="Mosquitto (Debian: mosquitto) is not installed")


class Mosquitto(msgspec.Struct, frozen=True):
    """A broker of one test."""

    port: int
    log: Path

    def subscribed(self, *clients: str) -> bool:
        """Whether these clients have subscribed."""
        lines = self.log.read_text()
        return all(f"Sending SUBACK to {each}" in lines for each in clients)


@contextmanager
def mosquitto(folder: Path, *more: str, port: int = 0) -> Iterator[Mosquitto]:
    """Mosquitto as the guide sets it up."""
    port = port or free_port()
    log, settings = folder / "mosquitto.log", folder / "mosquitto.conf"
    given = more or ("allow_anonymous true",)
    lines = (
        f"listener {port} 127.0.0.1", "max_queued_messages 0", "max_inflight_messages 0", "user root", "log_dest stderr",
        "log_type all", *given,
    )  # fmt: skip
    settings.write_text("\n".join(lines) + "\n")
    assert MOSQUITTO is not None
    with log.open("wb") as said:
        process = subprocess.Popen([MOSQUITTO, "-c", str(settings)], stdout=said, stderr=said)
    try:
        until(lambda: _answers(port))
        yield Mosquitto(port, log)
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def worker(town: City, url: str, number: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker in a process of its own, as the supervisor starts it."""
    settings = msgspec.structs.replace(town.parts.settings, mqtt_broker=url, mqtt_workers=4)
    env = {**os.environ, **environment(settings), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "cityloom.process", f"sensing.broker_{number}"]
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def results(town: City, stream: int) -> Counter[int]:
    """How often each number was kept."""
    with psycopg.connect(town.admin_url) as connection:
        rows = connection.execute("SELECT number FROM sensing.observations WHERE datastream_id = %s", [stream])
        return Counter(int(row[0]) for row in rows)


def body(number: int) -> bytes:
    """An Observation; every other one knows its moment."""
    when = f', "phenomenonTime": "2026-03-03T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"'
    return f'{{"result": {number}{when if number % 2 else ""}}}'.encode()


def test_nothing_is_lost_and_nothing_kept_twice_when_a_worker_is_killed(town: City, tmp_path: Path) -> None:
    streams = [with_stream(town.civil) for _ in range(2)]
    wanted = 6000
    with mosquitto(tmp_path) as broker, Client(broker.port, "", "", client="sender") as sender:
        url = f"mqtt://127.0.0.1:{broker.port}/?client=town"

        def kept() -> int:
            return sum(sum(results(town, each).values()) for each in streams)

        with worker(town, url, 1) as first, worker(town, url, 2):
            until(lambda: broker.subscribed("town-1", "town-2"), 60)
            for number in range(wanted):
                sender.paho.publish(f"v1.1/Datastreams({streams[number % 2]})/Observations", body(number), 1)
            until(lambda: kept() > wanted // 10, 60)
            first.kill()
            first.wait()
            at_death = kept()
            with worker(town, url, 1):
                until(lambda: kept() >= wanted, 60)
            time.sleep(0.5)
        assert at_death < wanted, "it was killed too late to show anything"
        assert results(town, streams[0]) + results(town, streams[1]) == Counter(range(wanted))


def test_mosquitto_knows_the_devices_by_the_files_that_are_written(town: City, tmp_path: Path) -> None:
    number = "mos-1"
    _, secret, streams = device(town.civil, number)
    _, _, others = device(town.civil, "mos:2")
    with_own = registered(
        town.civil, protocol="mqtt", number="mos-3", station="micro_air_station", secret="chosen by hand 1"
    )
    moved(town.civil, with_own["device"]["id"], "approve")
    assert town.other.send("GET", "/api/sensing/broker-files").status_code == 403
    port, folder = free_port(), tmp_path / "city"
    folder.mkdir()
    (folder / "extra.access").write_text("\nuser nobody\n")
    with fronted(town.client) as url:
        asked = ["broker", str(folder), "--port", str(port), "--url", url, "--token", town.civil.made.secret]
        told = CliRunner().invoke(commands.app, asked)
    assert told.exit_code == 0, told.output
    assert "left out: mos:2" in told.stderr
    assert "left out: mos-3" in told.stderr
    assert (folder / "passwords").stat().st_mode & 0o777 == 0o600
    assert (folder / "access").read_text().endswith("\nuser nobody\n")
    written = [line for line in (folder / "mosquitto.conf").read_text().splitlines() if not line.startswith("listener")]
    address = msgspec.json.decode(told.stdout)["broker"].replace("HOST", "127.0.0.1")
    with mosquitto(tmp_path, *written, port=port) as broker, worker(town, address, 1):
        until(lambda: broker.subscribed("cityloom-1"), 60)
        with Client(broker.port, number, "wrong") as stranger:
            assert stranger.refusal is not None
        with Client(broker.port, number, secret) as client:
            assert client.refusal is None
            client.send(f"devices/{number}/up", UP)
            client.send(f"v1.1/Datastreams({streams['o3']})/Observations", {"result": 80})
            assert client.send("devices/mos-3/up", UP).value == 0x87
            assert client.send(f"v1.1/Datastreams({others['o3']})/Observations", {"result": 1}).value == 0x87
            client.send(f"devices/{number}/up", b"{")
        until(lambda: strays(town.civil)[:1] == ["payload_not_json"])
    assert results(town, streams["o3"]) == {80: 1}
    assert town.civil.names(f"Datastreams({streams['pm25']})/Observations", "result") == [35.2]


def test_a_broker_of_tls_that_comes_late_and_goes_away(town: City, tmp_path: Path) -> None:
    of = with_stream(town.civil)
    certificate(tmp_path)
    port = free_port()
    url = f"mqtts://localhost:{port}/?ca={tmp_path}/cert.pem&client=tls"
    lines = (f"certfile {tmp_path}/cert.pem", f"keyfile {tmp_path}/key.pem", "allow_anonymous true")
    with worker(town, url, 1):
        for number in range(2):
            with mosquitto(tmp_path, *lines, port=port) as broker, tls_client(port, tmp_path) as client:
                until(lambda at=broker: at.subscribed("tls-1"), 60)
                client.send(f"v1.1/Datastreams({of})/Observations", {"result": number})
                until(lambda at=number: results(town, of)[at] == 1)
    assert results(town, of) == {0: 1, 1: 1}


def certificate(folder: Path) -> None:
    """A certificate of localhost that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def tls_client(port: int, folder: Path) -> Client:
    """A client that trusts the certificate."""
    found = Client(port, "", "")
    found.host = "localhost"
    found.paho.tls_set(ca_certs=str(folder / "cert.pem"))
    return found
