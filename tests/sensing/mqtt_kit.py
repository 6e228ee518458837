"""The MQTT door on a real port, and a client that others wrote (paho) in front of it."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from cityloom.kernel.context import Parts
from cityloom.sensing.gateways.mqtt import serve
from cityloom.sensing.gateways.mqtt.door import MqttDoor
from cityloom.sensing.gateways.mqtt.gathering import Figures, Gathering, Limits

QUICK = Limits(look=0.05, first_pause=0.05, longest_pause=0.2, introduction=1.0)


def until(true: Callable[[], Any], patience: float = 10.0) -> None:
    """Wait until it holds."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


class Running:
    """A door in a loop of its own."""

    def __init__(self, parts: Parts, limits: Limits) -> None:
        self.parts, self.limits, self.figures = parts, limits, Figures()
        self.port = 0
        self.gather: Gathering
        self.door: MqttDoor
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._work()), daemon=True)

    async def _work(self) -> None:
        self.door, self.gather = serve.door(self.parts, self.figures, self.limits)
        self.port = await self.door.start("127.0.0.1", 0)
        running = asyncio.create_task(self.gather.run())
        self._ready.set()
        await self._stop.wait()
        await self.door.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    def start(self) -> None:
        """Until it listens."""
        self._thread.start()
        assert self._ready.wait(20)

    def stop(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        self._loop.close()


@contextmanager
def door(parts: Parts, limits: Limits = QUICK) -> Iterator[Running]:
    """The door, while the block runs."""
    found = Running(parts, limits)
    found.start()
    try:
        yield found
    finally:
        found.stop()


class Client:
    """A client of paho: what it received, and what it was told of what it sent."""

    def __init__(self, port: int, user: str, password: str, level: int = 5, client: str = "", **how: Any) -> None:
        version = MQTTProtocolVersion.MQTTv5 if level == 5 else MQTTProtocolVersion.MQTTv311
        self.paho = paho.Client(CallbackAPIVersion.VERSION2, client, protocol=version, **how)
        if user:
            self.paho.username_pw_set(user, password)
        self.refusal: Any = None
        self.received: list[tuple[str, Any]] = []
        self.told: dict[int, Any] = {}
        self.granted: dict[int, list[int]] = {}
        self.gone: list[Any] = []
        self._connected = threading.Event()
        self.paho.on_connect = self._on_connect
        self.paho.on_message = lambda _c, _u, said: self.received.append(
            (said.topic, msgspec.json.decode(said.payload))
        )
        self.paho.on_publish = lambda _c, _u, mid, reason, _p: self.told.update({mid: reason})
        self.paho.on_subscribe = lambda _c, _u, mid, reasons, _p: self.granted.update(
            {mid: [each.value for each in reasons]}
        )
        self.paho.on_disconnect = lambda _c, _u, _f, reason, _p: self.gone.append(reason)
        self.port, self.host = port, "127.0.0.1"

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self.refusal = reason if reason.is_failure else None
        self._connected.set()

    def __enter__(self) -> "Client":
        self.paho.connect(self.host, self.port, keepalive=30)
        self.paho.loop_start()
        assert self._connected.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.paho.disconnect()
        self.paho.loop_stop()

    def send(self, topic: str, body: Any, qos: int = 1) -> Any:
        """Publish, and wait for what one is told of it."""
        sent = self.paho.publish(topic, body if isinstance(body, bytes) else msgspec.json.encode(body), qos)
        until(lambda: sent.mid in self.told)
        return self.told[sent.mid]

    def subscribe(self, topic: str, qos: int = 1) -> int:
        """What was granted."""
        _, mid = self.paho.subscribe(topic, qos)
        assert mid is not None
        until(lambda: mid in self.granted)
        return self.granted[mid][0]
