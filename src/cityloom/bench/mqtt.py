"""Messages of MQTT at QoS 1: through Mosquitto and its workers, and through our own door; acknowledged means committed (fsync).

Senders, broker, workers and PostgreSQL share the cores. Each message is an Observation of its own with its own moment. At the
end every message that the senders were acknowledged must be there, once.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import psycopg
import uvloop

from cityloom import app
from cityloom.bench import sensing, town
from cityloom.bench.line import Line, Memory, show
from cityloom.kernel.settings import Settings, environment
from cityloom.supervise import City, free_port

STREAMS, CONNECTIONS, WINDOW = 10_000, 8, 250
SECONDS = 60
TARGET = 10_000
RIGHTS = ("sensing.read", "sensing.observe", "sensing.register")
START = datetime(2026, 3, 1, tzinfo=UTC)
DOORS = "gateways: [{protocol: mqtt, port: 0, keeper: keeper}]"
CONF = """listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 0
user root
"""


class Sender(msgspec.Struct, frozen=True):
    """Where messages are sent to, and as whom."""

    port: int
    user: str = ""
    password: str = ""


def run(quick: bool, talk: town.Talk) -> None:
    """Mosquitto where it is installed, then our own door; `quick` for a tenth of the time."""
    seconds = SECONDS // (10 if quick else 1)
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    with town.town(talk, {"sensing/doors.yaml": DOORS}) as city:
        with psycopg.connect(app.admin_url(city.settings), autocommit=True) as connection:
            connection.execute(sensing.DEVICES.encode(), {"things": STREAMS // 5, "districts": 100})
            connection.execute(b"VACUUM ANALYZE")
        if found:
            with _mosquitto(found, city.settings.home) as port, _worker(city, port) as pid:
                _measured(city, Sender(port), "through Mosquitto, one worker", [pid], seconds, talk)
        else:
            talk("Mosquitto is not installed: only our own door is measured")
        with _door(city) as (sender, pid):
            _measured(city, sender, "through our own door", [pid], seconds, talk)


def _measured(city: City, sender: Sender, item: str, pids: list[int], seconds: int, talk: town.Talk) -> None:
    before, memory = _kept(city), Memory()
    with memory.watch([*city.pids(), *pids]):
        started = time.perf_counter()
        acknowledged = uvloop.run(_send(sender, seconds, before))
        sent = time.perf_counter() - started
        while _kept(city) - before < acknowledged and time.perf_counter() - started < seconds + 120:
            time.sleep(0.05)
        took = time.perf_counter() - started
    kept = _kept(city) - before
    if kept != acknowledged:
        raise AssertionError(f"{acknowledged} acknowledged and {kept} kept")
    talk(f"{acknowledged} sent in {sent:.1f} s, kept in {took:.1f} s")
    rate = kept / took
    show(
        Line(
            bench="mqtt", item=f"QoS 1, committed, {item}, {CONNECTIONS} senders, {STREAMS:,} Datastreams", rows=kept,
            seconds=round(took, 2), rate=round(rate), peak_mib=memory.peak, target=f">= {TARGET}/s", met=rate >= TARGET,
        )
    )  # fmt: skip


async def _send(sender: Sender, seconds: int, seed: int) -> int:
    """Messages of all connections until the time is over; how many were acknowledged."""
    end = time.perf_counter() + seconds
    return sum(await asyncio.gather(*(_sender(sender, end, seed, each) for each in range(CONNECTIONS))))


async def _sender(sender: Sender, end: float, seed: int, number: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", sender.port)
    writer.write(_connect(f"sender-{seed}-{number}", sender))
    if (await reader.readexactly(4))[3]:
        raise AssertionError("the sender was not let in")
    streams = range(number + 1, STREAMS + 1, CONNECTIONS)
    sent = acknowledged = 0
    at = (START + timedelta(seconds=seed)).isoformat()[:-6]
    while time.perf_counter() < end or acknowledged < sent:
        room = WINDOW - (sent - acknowledged) if time.perf_counter() < end else 0
        if room:
            writer.write(b"".join(_publish(streams, at, sent + each) for each in range(room)))
            sent += room
        data = await reader.read(65_536)
        while len(data) % 4:
            data += await reader.readexactly(4 - len(data) % 4)
        acknowledged += len(data) // 4
        if not data:
            raise AssertionError("the connection was closed")
    writer.close()
    return acknowledged


def _connect(name: str, sender: Sender) -> bytes:
    """CONNECT of MQTT 3.1.1, written here anew: what is measured does not also measure itself."""
    parts = [name.encode(), *(each.encode() for each in (sender.user, sender.password) if each)]
    body = b"\x00\x04MQTT\x04" + bytes([0xC2 if sender.user else 2]) + b"\x00\x00"
    body += b"".join(len(each).to_bytes(2, "big") + each for each in parts)
    return b"\x10" + _length(len(body)) + body


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])


def _publish(streams: range, at: str, number: int) -> bytes:
    """The so-many-th PUBLISH of a connection at QoS 1; Datastreams take turns, and each has another moment each time."""
    step, place = divmod(number, len(streams))
    packet, topic = number % 65_000 + 1, b"v1.1/Datastreams(%d)/Observations" % streams[place]
    payload = b'{"result":%d.5,"phenomenonTime":"%s.%06dZ"}' % (place % 40, at.encode(), step)
    size = 4 + len(topic) + len(payload)
    return b"\x32" + _length(size) + len(topic).to_bytes(2, "big") + topic + packet.to_bytes(2, "big") + payload


def _kept(city: City) -> int:
    with psycopg.connect(app.admin_url(city.settings)) as connection:
        row = connection.execute("SELECT COALESCE(sum(total), 0)::bigint FROM sensing.latest").fetchone()
        return int(row[0]) if row else 0


@contextmanager
def _mosquitto(program: str, home: Path) -> Iterator[int]:
    port, conf = free_port(), home / "mosquitto.conf"
    conf.write_text(CONF.format(port=port))
    process = subprocess.Popen([program, "-c", str(conf)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _answers(port)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _process(settings: Settings, name: str) -> Iterator[int]:
    """A process of the city, as the supervisor starts it."""
    env = {**os.environ, **environment(settings)}
    process = subprocess.Popen([sys.executable, "-m", "cityloom.process", name], env=env, stdin=subprocess.DEVNULL)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _worker(city: City, port: int) -> Iterator[int]:
    """A worker that takes part: the first message has come through."""
    settings = msgspec.structs.replace(city.settings, mqtt_broker=f"mqtt://127.0.0.1:{port}/?client=bench")
    with _process(settings, "sensing.broker_1") as pid:
        before = _kept(city)
        for second in range(60):
            uvloop.run(_once(Sender(port), second))
            time.sleep(0.5)
            if _kept(city) > before:
                break
        time.sleep(1)
        yield pid


async def _once(sender: Sender, second: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", sender.port)
    at = (START - timedelta(seconds=second + 1)).isoformat()[:-6]
    writer.write(_connect("first", sender) + _publish(range(1, 2), at, 0))
    await reader.readexactly(8)
    writer.close()


@contextmanager
def _door(city: City) -> Iterator[tuple[Sender, int]]:
    """Our own door, and an account that may send."""
    parts = app.open_parts(city.settings)
    secret = town.token(parts, "keeper", RIGHTS)
    app.close_parts(parts)
    port = free_port()
    settings = msgspec.structs.replace(city.settings, gateway_host="127.0.0.1", gateway_ports=f"mqtt={port}")
    with _process(settings, "sensing.mqtt") as pid:
        _answers(port)
        yield Sender(port, "keeper-service", secret), pid


def _answers(port: int) -> None:
    """Until somebody listens there."""
    for _ in range(600):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise TimeoutError(f"nobody listens on {port}")
