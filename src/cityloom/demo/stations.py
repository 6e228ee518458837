"""Living stations: devices of the packs that speak their protocols to the demo's gateways, for as long as it runs."""

import os
import sys
import time
from typing import Final

import msgspec

from cityloom import client
from cityloom.kernel import processes
from cityloom.kernel.context import Parts
from cityloom.kernel.settings import Settings, environment
from cityloom.supervise import Child, City, free_port

RIGHTS: Final = ("sensing.read", "sensing.register", "sensing.approve")
CAST: Final = (("environment", "ecology", 12, 2.0), ("water", "water", 6, 0.5))
"""Pack, keeper of its stations, how many there are, and messages a second of all of them."""
COUNTED: Final = {"$count": "true", "$top": "0"}
PROTOCOLS: Final = ("hj212", "sl651", "jt808")
PATIENCE: Final = 60.0
MIDDLES: Final = {"shenzhen": "114.05,22.55", "yancheng": "120.15,33.35"}
"""Where the stations stand; the middles of the shipped cities."""


class Alive(msgspec.Struct, frozen=True):
    """What the stations came to."""

    stations: int
    """That are in service."""
    observations: int


def doors(given: Settings) -> Settings:
    """Gateways on ports of this machine that are free."""
    ports = ",".join(f"{name}={free_port()}" for name in PROTOCOLS)
    return msgspec.structs.replace(given, gateway_host="127.0.0.1", gateway_ports=ports)


def cast(parts: Parts) -> list[tuple[str, str, int, float]]:
    """Those whose packs are on."""
    on = {pack.name for pack in parts.packs}
    return [each for each in CAST if each[0] in on]


def start(city: City, parts: Parts, token: dict[str, str]) -> int:
    """Begin to play; how many stations there will be. `token`: by keeper."""
    count = 0
    for pack, keeper, devices, rate in cast(parts):
        env = {**os.environ, **environment(city.settings), "CITYLOOM_URL": city.url, "CITYLOOM_TOKEN": token[keeper]}
        env[processes.PARENT] = str(os.getpid())
        command = [
            sys.executable, "-m", "cityloom", "sensing", "simulate", pack, "--devices", str(devices), "--rate", str(rate),
            "--seconds", "0", "--near", MIDDLES.get(city.settings.city, MIDDLES["shenzhen"]),
        ]  # fmt: skip
        child = Child(f"stations-{pack}", command, env)
        city.children.append(child)
        child.watch()
        count += devices
    return count


def alive(url: str, token: dict[str, str], wanted: int) -> Alive:
    """How many stations speak; waited for until all do, or patience ends."""
    end = time.monotonic() + PATIENCE
    while True:
        found = Alive(0, 0)
        for each in token.values():
            door = client.Exchange(url, each)
            try:
                items = door.get("/api/sensing/devices", status="in_service", limit=1000)["items"]
                count = door.get("/v1.1/Observations", **COUNTED)["@iot.count"]
            finally:
                door.close()
            found = Alive(found.stations + len(items), found.observations + count)
        if found.stations >= wanted or time.monotonic() > end:
            return found
        time.sleep(1)
