"""The town of these tests, behind its HTTP door, in this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from installing import installed
from registers.registers_kit import HOMES, TENANTS
from scratch import Scratch
from serving import served
from sharing.sharing_kit import ROWS, TurnedClock
from topics.topics_kit import PAYMENTS, Door, Town, write_pack


@pytest.fixture
def town(scratch: Scratch, tmp_path: Path) -> Iterator[Town]:
    """A town of one test."""
    with opened_town(scratch, tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def shared_town(shared_scratch: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town for all tests of a file: each names a purpose of its own, and changes nothing that another counts on."""
    with opened_town(shared_scratch, tmp_path_factory.mktemp("town")) as found:
        yield found


@contextmanager
def opened_town(scratch: Scratch, folder: Path) -> Iterator[Town]:
    """Three departments and the bureau; all have delivered, the registers have followed, and quality has measured the day."""
    packs = write_pack(folder / "packs")
    clock = TurnedClock()
    parts = installed(scratch, clock, packs=str(packs), city="small")
    with served(parts) as client:
        doors = [Door(client, parts, name) for name in ("civil", "housing", "other", "bureau")]
        found = Town(parts, clock, scratch.admin_url, client, *doors)
        found.civil.deliver("d1", ROWS)
        found.housing.deliver("t1", TENANTS, "tenant")
        found.other.deliver("h1", HOMES, "home")
        found.other.deliver("p1", PAYMENTS, "payment")
        found.follow()
        clock.turn(days=1)
        found.measure()
        found.count()
        yield found
