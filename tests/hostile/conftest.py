"""The town whose things are tried, behind its HTTP door, in this process."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cityloom import app
from cityloom.kernel.jobs import platform_context
from hostile.hostile_kit import write_pack
from scratch import Scratch
from serving import served
from sharing.sharing_kit import Door, Town, TurnedClock


@pytest.fixture
def town(scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """Three departments and the platform's own; civil keeps what there is."""
    packs = write_pack(tmp_path / "packs")
    settings = msgspec.structs.replace(scratch.settings, packs=str(packs), city="small", language="en", min_free_mib=1)
    opened, clock = app.open_parts(settings), TurnedClock()
    parts = msgspec.structs.replace(opened, clock=clock)
    for module in app.MODULES:
        if module.install:
            module.install(platform_context(parts, "install"))
    with served(parts) as client:
        doors = [Door(client, parts, name) for name in ("civil", "housing", "other")]
        yield Town(parts, clock, scratch.admin_url, client, *doors)
