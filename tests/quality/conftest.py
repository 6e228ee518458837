"""The town of these tests, behind its HTTP door, in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from installing import installed
from quality.quality_kit import Door, Place, write_pack
from scratch import Scratch
from serving import served
from sharing.sharing_kit import ROWS, TurnedClock


@pytest.fixture
def more() -> dict[str, str]:
    """More files of the town's pack, by their path."""
    return {}


@pytest.fixture
def place(scratch: Scratch, tmp_path: Path, more: dict[str, str], request: pytest.FixtureRequest) -> Iterator[Place]:
    """Three departments and a bureau; civil keeps what there is, and has delivered its residents."""
    packs = write_pack(tmp_path / "packs", {**more, **getattr(request, "param", {})})
    clock = TurnedClock()
    parts = installed(scratch, clock, packs=str(packs), city="small")
    with served(parts) as client:
        doors = [Door(client, parts, name) for name in ("civil", "housing", "other", "bureau")]
        found = Place(parts, clock, scratch.admin_url, client, *doors)
        found.civil.deliver("d1", ROWS)
        yield found
