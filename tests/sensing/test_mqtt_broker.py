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
from pathlib import Path

import msgspec
import psycopg
import pytest

from cityloom.kernel.settings import environment
from cityloom.supervise import free_port
from sensing.conftest import City
from sensing.mqtt_kit import Client, until
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
def mosquitto(folder: Path, *more: str) -> Iterator[Mosquitto]:
    """Mosquitto as the guide sets it up."""
    port = free_port()
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
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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
