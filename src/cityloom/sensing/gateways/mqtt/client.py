"""The client side of the city's broker: shared subscriptions, acknowledged by hand after the commit.

`mqtt://user:password@host:1883/?client=loom-1` or `mqtts://…`; further options: `group` (of the shared subscription, `loom`),
`level` (4 for brokers of 3.1.1 alone), `ca`, `cert`, `key` (files), `insecure` (1: the name in the certificate is not looked at).
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from cityloom.kernel import log
from cityloom.kernel.clock import Clock
from cityloom.kernel.errors import Invalid
from cityloom.sensing.contracts.mqtt import Arrived
from cityloom.sensing.gateways.mqtt.gathering import Gathering
from cityloom.sensing.intake.mqtt import packets
from cityloom.sensing.intake.mqtt.fields import Malformed, Property
from cityloom.sensing.intake.mqtt.packets import Connect, Filter, Publish, Raw, Type
from cityloom.sensing.rules import topics

LOG = log.logger(__name__)
KEEP_ALIVE = 30
SESSION = 7 * 86_400
"""Seconds that the broker keeps what comes while we are away."""
OPTIONS = frozenset({"client", "group", "level", "ca", "cert", "key", "insecure"})


class Broker(msgspec.Struct, frozen=True):
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    tls: bool
    user: str = ""
    password: str = ""
    client: str = "cityloom"
    """Our name; another one for each worker, always the same for each, so that the broker knows what we did not acknowledge."""
    group: str = "loom"
    level: int = 5
    ca: str = ""
    cert: str = ""
    key: str = ""
    insecure: bool = False
    inflight: int = 20_000
    """Messages that may be unacknowledged at once; the broker of level 5 is told so (receive maximum)."""

    def context(self) -> ssl.SSLContext | None:
        """How TLS is spoken. Raises OSError where a file is missing."""
        if not self.tls:
            return None
        found = ssl.create_default_context(cafile=self.ca or None)
        if self.insecure:
            found.check_hostname = False
        if self.cert:
            found.load_cert_chain(self.cert, self.key or None)
        return found


def broker(url: str, worker: int = 1) -> Broker:
    """The broker of a URL. Raises Invalid `kernel.setting_wrong`."""
    try:
        parts = urlsplit(url)
        given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or given.keys() - OPTIONS:
            raise ValueError("mqtt://host:1883 or mqtts://host:8883, options " + ", ".join(sorted(OPTIONS)))
        tls = parts.scheme == "mqtts"
        names = {"group", "ca", "cert", "key"} & given.keys()
        plain = Broker(parts.hostname, parts.port or (8883 if tls else 1883), tls, level=int(given.get("level", "5")))
        return msgspec.structs.replace(
            plain, user=unquote(parts.username or ""), password=unquote(parts.password or ""),
            client=f"{given.get('client', plain.client)}-{worker}", insecure=given.get("insecure") == "1",
            **{name: given[name] for name in names},
        )  # fmt: skip
    except ValueError as error:
        raise Invalid("kernel.setting_wrong", reason=f"CITYLOOM_MQTT_BROKER: {error}") from error


class Refused(Exception):
    """The broker does not let us in, or not subscribe; the reason code is its argument."""


class BrokerClient:
    """Receives what the filters match, and acknowledges what is kept. `run` comes again whatever happens."""

    def __init__(
        self, broker: Broker, filters: Sequence[str], gathering: Gathering, clock: Clock,
        ready: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self.broker, self.gathering, self.clock, self._ready = broker, gathering, clock, ready
        shared = f"{topics.SHARE}{broker.group}/" if broker.level == 5 else ""
        self.filters = tuple(Filter(f"{shared}{each}", 1) for each in filters)
        self.connected = False
        self._round = 0
        self._inflight = 0
        self._settled = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._acknowledged = bytearray()
        self._heard = 0.0

    async def run(self) -> None:
        """Connect, and again after a pause that grows while it is in vain; until it is cancelled."""
        pause = self.gathering.limits.first_pause
        while True:
            try:
                await self._visit()
            except (OSError, TimeoutError, Malformed, Refused, asyncio.IncompleteReadError) as error:
                LOG.warning(
                    "sensing.broker_lost", broker=self.broker.host, error=f"{type(error).__name__} {error}"[:200]
                )
            if self.connected:
                pause = self.gathering.limits.first_pause
            self.connected = False
            await asyncio.sleep(pause)
            pause = min(pause * 2, self.gathering.limits.longest_pause)

    async def _visit(self) -> None:
        broker = self.broker
        async with asyncio.timeout(15):
            reader, writer = await asyncio.open_connection(
                broker.host, broker.port, ssl=broker.context(), limit=1 << 20
            )
        self._round += 1
        self._writer, self._inflight = writer, 0
        self._acknowledged.clear()
        beat = asyncio.create_task(self._beat(writer))
        try:
            await self._begin(reader, writer)
        finally:
            beat.cancel()
            self._writer = None
            writer.close()

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        broker, level = self.broker, self.broker.level
        said = Connect(
            level, broker.client, clean=False, keep_alive=KEEP_ALIVE, user=broker.user, password=broker.password
        )
        given = [(Property.session_expiry, SESSION), (Property.receive_maximum, broker.inflight)]
        writer.write(packets.write_connect(said, given))
        buffer = bytearray()
        found: list[Raw] = []
        async with asyncio.timeout(15):
            while not found:
                found = await self._more(reader, buffer)
        first = found[0]
        if first.type is not Type.connack:
            raise Malformed("connack_missing")
        answer = packets.connack(first, level)
        if answer.reason:
            raise Refused(answer.reason)
        writer.write(packets.write_subscribe(packets.Subscribe(1, self.filters), level))
        self.connected = True
        LOG.info("sensing.broker_connected", broker=broker.host, client=broker.client, session=answer.present)
        rest = found[1:]
        while True:
            for raw in rest:
                await self._hear(raw)
            rest = await self._more(reader, buffer)

    async def _more(self, reader: asyncio.StreamReader, buffer: bytearray) -> list[Raw]:
        data = await reader.read(1 << 18)
        if not data:
            raise ConnectionResetError("closed")
        self._heard = asyncio.get_running_loop().time()
        buffer += data
        return packets.cut(buffer, 1 << 28)

    async def _hear(self, raw: Raw) -> None:
        type = raw.type
        if type is Type.publish:
            await self._published(packets.publish(raw, self.broker.level))
        elif type is Type.suback:
            reasons = packets.suback(raw, self.broker.level).reasons
            if any(each >= 0x80 for each in reasons):
                raise Refused(max(reasons))
            if self._ready is not None:
                self._ready()
        elif type is Type.disconnect:
            raise ConnectionResetError(f"disconnect {raw.body[:1].hex()}")

    async def _published(self, said: Publish) -> None:
        await self.gathering.room()
        if not said.qos:
            self.gathering.put(self._arrived(said, ""))
            return
        while self._inflight >= 2 * self.broker.inflight:  # a broker of 3.1.1 knows no receive maximum
            self._settled.clear()
            await self._settled.wait()
        self._inflight += 1
        visit = self._round
        mark = f"{self.broker.client}/{said.packet}"
        self.gathering.put(self._arrived(said, mark), lambda _outcome: self._done(visit, said.packet))

    def _arrived(self, said: Publish, mark: str) -> Arrived:
        return Arrived(said.topic, said.payload, self.clock.now(), None, said.again, mark, self.broker.host)

    def _done(self, visit: int, packet: int) -> None:
        """It is kept, or put aside: acknowledge it, if the connection is still the one on which it came."""
        if visit != self._round or self._writer is None:
            return
        self._inflight -= 1
        self._settled.set()
        if not self._acknowledged:
            asyncio.get_running_loop().call_soon(self._flush, visit)
        self._acknowledged += bytes((0x40, 2, packet >> 8, packet & 0xFF))

    def _flush(self, visit: int) -> None:
        """All acknowledgements of a batch go out at once."""
        if visit == self._round and self._writer is not None and self._acknowledged:
            self._writer.write(bytes(self._acknowledged))
            self._acknowledged.clear()

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        """Say that we are there; a broker that says nothing for two keep-alives is left."""
        self._heard = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(KEEP_ALIVE / 2)
            if asyncio.get_running_loop().time() - self._heard > 2 * KEEP_ALIVE:
                writer.close()
                return
            writer.write(packets.PINGREQ)
