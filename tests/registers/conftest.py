"""The town of these tests, behind its HTTP door, in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installing import installed
from registers.registers_kit import HOMES, TENANTS, Door, Town, write_pack
from scratch import Scratch
from serving import served
from sharing.sharing_kit import ROWS, TurnedClock


@pytest.fixture
def town(scratch: Scratch, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Town]:
    """Three departments and the bureau that keeps the registers; all have delivered, and the registers have followed."""
    packs = write_pack(tmp_path / "packs", getattr(request, "param", {}))
    clock = TurnedClock()
    parts = installed(scratch, clock, packs=str(packs), city="small")
    with served(parts) as client:
        doors = [Door(client, parts, name) for name in ("civil", "housing", "other", "bureau")]
        found = Town(parts, clock, scratch.admin_url, client, *doors)
        found.civil.deliver("d1", ROWS)
        found.housing.deliver("t1", TENANTS, "tenant")
        found.other.deliver("h1", HOMES, "home")
        found.follow()
        yield found
