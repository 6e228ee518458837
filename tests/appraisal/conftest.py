"""The town of these tests, behind its HTTP door, in this process."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from appraisal.appraisal_kit import Door, Place, march, write_pack
from cityloom import app
from cityloom.kernel.jobs import platform_context
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
    settings = msgspec.structs.replace(scratch.settings, packs=str(packs), city="small", language="en", min_free_mib=1)
    opened, clock = app.open_parts(settings), TurnedClock()
    parts = msgspec.structs.replace(opened, clock=clock)
    for module in app.MODULES:
        if module.install:
            module.install(platform_context(parts, "install"))
    with served(parts) as client:
        names = (("civil", 1), ("housing", 1), ("other", 1), ("bureau", 1), ("bureau", 2), ("council", 1))
        doors = [Door(client, parts, name, number) for name, number in names]
        yield Place(parts, clock, scratch.admin_url, client, *doors)


@pytest.fixture
def after_march(place: Place) -> Place:
    """The town on 3 April."""
    march(place)
    return place
