"""The town whose things are tried, behind its HTTP door, in this process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cityloom.kernel.jobs import platform_context
from cityloom.maps.api import drawing
from cityloom.sensing.api import streaming
from hostile.hostile_kit import write_pack
from installing import installed
from scratch import Scratch
from serving import served
from sharing.sharing_kit import Door, Town, TurnedClock


@pytest.fixture
def town(scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """Three departments and the platform's own; civil keeps what there is."""
    packs = write_pack(tmp_path / "packs")
    clock = TurnedClock()
    parts = installed(scratch, clock, packs=str(packs), city="small")
    drawing.draw_due(platform_context(parts, "test"))
    monkeypatch.setattr(streaming, "LONGEST", 0)  # a stream says what there is, and ends
    with served(parts) as client:
        doors = [Door(client, parts, name) for name in ("civil", "housing", "other")]
        yield Town(parts, clock, scratch.admin_url, client, *doors)
