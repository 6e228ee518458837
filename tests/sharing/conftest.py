"""The town of these tests, behind its HTTP door, in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installing import installed
from scratch import Scratch
from serving import served
from sharing.sharing_kit import Door, Town, TurnedClock, write_pack


@pytest.fixture
def town(scratch: Scratch, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Town]:
    """Three departments; civil keeps what there is."""
    packs = write_pack(tmp_path / "packs", getattr(request, "param", {}))
    clock = TurnedClock()
    parts = installed(scratch, clock, packs=str(packs), city="small")
    with served(parts) as client:
        doors = [Door(client, parts, name) for name in ("civil", "housing", "other")]
        yield Town(parts, clock, scratch.admin_url, client, *doors)
