"""The town of these tests, behind its HTTP door, in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from appraisal.appraisal_kit import Door, Place, march, write_pack
from installing import installed
from scratch import Scratch
from serving import served
from sharing.sharing_kit import TurnedClock


@pytest.fixture
def sets() -> dict[str, str]:
    """Indicator sets of the town's own, by version."""
    return {}


@pytest.fixture
def place(scratch: Scratch, tmp_path: Path, sets: dict[str, str]) -> Iterator[Place]:
    """Three departments, the bureau that appraises them, and an office."""
    packs = write_pack(tmp_path / "packs", sets)
    clock = TurnedClock()
    parts = installed(scratch, clock, packs=str(packs), city="small")
    with served(parts) as client:
        names = (("civil", 1), ("housing", 1), ("other", 1), ("bureau", 1), ("bureau", 2), ("council", 1))
        doors = [Door(client, parts, name, number) for name, number in names]
        yield Place(parts, clock, scratch.admin_url, client, *doors)


@pytest.fixture
def after_march(place: Place) -> Place:
    """The town on 3 April."""
    march(place)
    return place
