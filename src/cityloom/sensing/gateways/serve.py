"""The process of the gateways: every port that the packs declare, until it is told to stop."""

import asyncio
import signal
from collections.abc import Iterable

from cityloom.kernel import log
from cityloom.kernel.context import Parts
from cityloom.kernel.errors import Invalid
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.packs import Packs
from cityloom.kernel.settings import Settings
from cityloom.sensing import spec
from cityloom.sensing.contracts.devices import Protocol
from cityloom.sensing.gateways.city import City, Door
from cityloom.sensing.gateways.hj212 import Hj212
from cityloom.sensing.gateways.jt808 import Jt808
from cityloom.sensing.gateways.server import Gateway, Talk
from cityloom.sensing.gateways.sl651 import Sl651

LOG = log.logger(__name__)
TALKS: dict[Protocol, type[Talk]] = {Protocol.hj212: Hj212, Protocol.jt808: Jt808, Protocol.sl651: Sl651}
TELL = 60.0
"""Seconds between two lines of figures in the log."""
AGAIN = 2.0
"""Seconds until a port that is taken is tried again."""


def wanted(settings: Settings, packs: Packs) -> bool:
    """Whether there is any port to listen on."""
    return bool(settings.gateway_host) and any(each.protocol in TALKS for each in spec.doors(packs).gateways)


def ports(settings: Settings) -> dict[Protocol, int]:
    """Ports that the settings say. Raises Invalid `kernel.setting_wrong`."""
    found: dict[Protocol, int] = {}
    for part in (each.strip() for each in settings.gateway_ports.split(",") if each.strip()):
        name, _, port = part.partition("=")
        if name not in set(Protocol) or not port.isdecimal() or int(port) > 65535:
            raise Invalid("kernel.setting_wrong", reason=f"CITYLOOM_GATEWAY_PORTS: {part}")
        found[Protocol(name)] = int(port)
    return found


class Gatehouse:
    """All gateways of a process."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.city = City(platform_context(parts, "gateways"))
        self.gateways: dict[Protocol, Gateway] = {}
        self.ports: dict[Protocol, int] = {}
        """Where they listen."""

    async def start(self, host: str, chosen: dict[Protocol, int] | None = None) -> None:
        """Open every port that the packs declare; one that is taken is waited for."""
        self.city.changed = self._changed
        self.city.start()
        for gate in spec.doors(self.parts.packs).gateways:
            if gate.protocol not in TALKS:
                continue
            door = Door(self.city, gate)
            gateway = Gateway(TALKS[gate.protocol], door, door, self.parts.clock)
            port = (chosen or {}).get(gate.protocol, gate.port)
            self.ports[gate.protocol] = await _listening(gateway, host, port)
            self.gateways[gate.protocol] = gateway
            LOG.info("sensing.gateway_listens", protocol=gate.protocol.value, port=self.ports[gate.protocol])

    def _changed(self, ids: Iterable[int]) -> None:
        names = {str(each) for each in ids}
        for each in self.gateways.values():
            each.recheck(names)

    async def stop(self) -> None:
        """Listen no more. What was not committed is not acknowledged, so devices send it again."""
        await asyncio.gather(*(each.stop() for each in self.gateways.values()))
        await self.city.stop()

    def tell(self) -> None:
        """Figures into the log."""
        for protocol, each in self.gateways.items():
            figures = each.figures
            LOG.info(
                "sensing.gateway_figures", protocol=protocol.value, connections=figures.connections,
                devices=each.devices_present(), frames=figures.frames, readings=figures.readings, denied=figures.denied,
                faults=figures.faults, unavailable=figures.unavailable, slowed=figures.slowed, lost=figures.lost,
            )  # fmt: skip


async def _listening(gateway: Gateway, host: str, port: int) -> int:
    while True:
        try:
            return await gateway.start(host, port)
        except OSError as error:
            LOG.warning("sensing.port_taken", port=port, error=error.strerror or "")
            await asyncio.sleep(AGAIN)


def run(parts: Parts) -> None:
    """Serve until SIGINT or SIGTERM."""
    asyncio.run(_serve(parts))


async def _serve(parts: Parts) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    house = Gatehouse(parts)
    start = asyncio.create_task(house.start(parts.settings.gateway_host, ports(parts.settings)))
    start.add_done_callback(lambda task: stopping.set() if not task.cancelled() and task.exception() else None)
    while not stopping.is_set():
        try:
            async with asyncio.timeout(TELL):
                await stopping.wait()
        except TimeoutError:
            house.tell()
    start.cancel()
    (ended,) = await asyncio.gather(start, return_exceptions=True)
    await house.stop()
    if isinstance(ended, Exception):
        raise ended
