"""One town for all tests of a file: civil and other have devices; nobody sees the other's."""

import shutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from cityloom.kernel.context import Parts
from cityloom.kernel.packs import shipped
from installing import installed
from scratch import Scratch
from sensing.sensing_kit import Door
from serving import served
from sharing.sharing_kit import TurnedClock, write_pack

DOORS = """
public: true
gateways:
  - {protocol: hj212, port: 0, keeper: civil}
  - {protocol: sl651, port: 0, keeper: civil}
  - {protocol: mqtt, port: 0, keeper: civil}
  - {protocol: jt808, port: 0, keeper: other, station: service_vehicle, waiting: 2}
frames: {days: 7, most: 64}
quarantine: {days: 30, most: 5}
"""


class City(msgspec.Struct, frozen=True):
    """The town of these tests."""

    parts: Parts
    clock: TurnedClock
    admin_url: str
    client: "TestClient[Any]"
    civil: Door
    other: Door


@pytest.fixture(scope="module")
def town(shared_scratch: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    packs = write_pack(tmp_path_factory.mktemp("packs"))
    for pack, folder in (
        ("base", "catalogue"), ("base", "mappings"), ("environment", "devices"), ("environment", "quantities"), ("water", "devices"),
        ("water", "quantities"), ("vehicles", "devices"), ("vehicles", "items"),
    ):  # fmt: skip
        shutil.copytree(shipped() / pack / "sensing" / folder, packs / "small/sensing" / folder, dirs_exist_ok=True)
    (packs / "small/sensing/doors.yaml").write_text(DOORS)
    clock = TurnedClock()
    parts = installed(shared_scratch, clock, packs=str(packs), city="small")
    with served(parts) as client:
        civil, other = Door(client, parts, "civil"), Door(client, parts, "other")
        yield City(parts, clock, shared_scratch.admin_url, client, civil, other)


@pytest.fixture
def civil(town: City) -> Door:
    return town.civil
