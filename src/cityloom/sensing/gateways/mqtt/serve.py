"""The processes of MQTT: the door, and workers at the city's broker."""

import asyncio
import signal
import ssl
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import uvloop

from cityloom.kernel import log
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.packs import Packs
from cityloom.kernel.settings import Settings
from cityloom.sensing import spec
from cityloom.sensing.api.publishing import Publishing
from cityloom.sensing.contracts.devices import Protocol
from cityloom.sensing.gateways.mqtt.client import BrokerClient, broker
from cityloom.sensing.gateways.mqtt.door import MqttDoor
from cityloom.sensing.gateways.mqtt.gathering import Figures, Gathering, Limits
from cityloom.sensing.gateways.serve import ports
from cityloom.sensing.spec.mappings import mappings

LOG = log.logger(__name__)
TELL = 60.0
AGAIN = 2.0
MOST_WORKERS = 4
OBSERVATIONS = ("v1.1/+/Observations", "v1.0/+/Observations")
"""What is subscribed to at a broker besides the topics of mappings; the Datastream stands in the topic."""


def door_wanted(settings: Settings, packs: Packs) -> bool:
    """Whether there is a port to listen on."""
    return bool(settings.gateway_host) and spec.gate(packs, Protocol.mqtt) is not None


def worker_wanted(number: int) -> Callable[[Settings, Packs], bool]:
    """Whether there is a broker, and the worker of that number."""
    return lambda settings, _packs: bool(settings.mqtt_broker) and number <= settings.mqtt_workers


def filters(packs: Packs) -> tuple[str, ...]:
    """What the workers subscribe to."""
    own = [topic for each in mappings(packs).values() for topic in each.topics]
    return (*OBSERVATIONS, *sorted(set(own)))


def tls(settings: Settings) -> ssl.SSLContext | None:
    """How the door speaks TLS; None: it does not. Raises OSError, ssl.SSLError."""
    if not settings.gateway_certificate:
        return None
    found = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    found.load_cert_chain(settings.gateway_certificate, settings.gateway_key or None)
    return found


def keeper(parts: Parts) -> Publishing:
    """What keeps the messages of a process; what strangers send is for whoever looks after the port."""
    found = spec.gate(parts.packs, Protocol.mqtt)
    return Publishing(platform_context(parts, "mqtt"), found.keeper if found else "")


def door(parts: Parts, figures: Figures, limits: Limits) -> tuple[MqttDoor, Gathering]:
    """The door and what it hands messages to, in the loop that runs; guests whose device is changed are looked up anew."""
    keeps, loop = keeper(parts), asyncio.get_running_loop()
    gather = Gathering(keeps.keep, figures, limits)
    made = MqttDoor(platform_context(parts, "mqtt"), gather, figures, limits)

    def changed(ids: Sequence[int]) -> None:
        loop.call_soon_threadsafe(made.recheck, frozenset(ids))

    keeps.changed = changed
    return made, gather


def serve_door(parts: Parts) -> None:
    """Serve devices and subscribers until SIGINT or SIGTERM."""
    uvloop.run(_until_told(lambda: _door(parts)))


def serve_worker(number: int) -> Callable[[Parts], None]:
    """Take part in the broker's shared subscriptions until SIGINT or SIGTERM."""
    return lambda parts: uvloop.run(_until_told(lambda: _worker(parts, number)))


async def _until_told(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    task, told = asyncio.create_task(work()), asyncio.create_task(stopping.wait())
    await asyncio.wait({task, told}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    task.cancel()
    told.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _door(parts: Parts) -> None:
    figures, limits, found = Figures(), Limits(), spec.gate(parts.packs, Protocol.mqtt)
    if found is None:
        return
    opened, gather = door(parts, figures, limits)
    port = ports(parts.settings).get(Protocol.mqtt, found.port)
    while True:
        try:
            port = await opened.start(parts.settings.gateway_host, port, tls(parts.settings))
            break
        except OSError as error:
            LOG.warning("sensing.port_taken", port=port, error=error.strerror or str(error))
            await asyncio.sleep(AGAIN)
    LOG.info("sensing.gateway_listens", protocol="mqtt", port=port)
    try:
        await asyncio.gather(gather.run(), _tell(figures, "mqtt"))
    finally:
        await opened.stop()


async def _worker(parts: Parts, number: int) -> None:
    figures, limits = Figures(), Limits()
    gather = Gathering(keeper(parts).keep, figures, limits)
    client = BrokerClient(broker(parts.settings.mqtt_broker, number), filters(parts.packs), gather, parts.clock)
    await asyncio.gather(client.run(), gather.run(), _tell(figures, "broker"))


async def _tell(figures: Figures, at: str) -> None:
    """Figures into the log, for ever."""
    while True:
        await asyncio.sleep(TELL)
        LOG.info(
            "sensing.mqtt_figures", at=at, connections=figures.connections, received=figures.received, kept=figures.kept,
            repeated=figures.repeated, put_aside=figures.put_aside, dropped=figures.dropped, waited=figures.waited,
            denied=figures.denied, malformed=figures.malformed, sent=figures.sent, unsent=figures.unsent,
        )  # fmt: skip
