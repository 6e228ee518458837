"""What the tests of faults share: a place for their figures, which docs/reliability.md shows."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from exchange.conftest import door, http, town
from faults.running import RunningCity

__all__ = ["Tell", "city", "door", "http", "shared_city", "tell", "town"]

LAKE_MIB = 512
Tell = Callable[..., None]


@pytest.fixture(scope="session")
def shared_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """One city for all tests, since a start costs seconds: two web workers, one job worker for files above a MiB."""
    city = RunningCity(tmp_path_factory.mktemp("city"), web_workers=2, inline_mib=1, lake_memory_mib=LAKE_MIB)
    try:
        city.start()
        city.wait()
        assert city.token
        yield city
    finally:
        city.remove()


@pytest.fixture
def city(shared_city: RunningCity) -> Iterator[RunningCity]:
    """The city, running and ready; nobody goes on delivering to it when the test has failed."""
    shared_city.well()
    yield shared_city
    shared_city.quiet()


@pytest.fixture
def tell(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Tell:
    """Note figures of this test: in the report, and as a JSON line in the file that FAULT_FIGURES names."""

    def note(what: str, **figures: float) -> None:
        rounded = {name: round(value, 1) for name, value in figures.items()}
        record_property(what, rounded)
        if into := os.environ.get("FAULT_FIGURES"):
            line = {"test": request.node.name, "what": what, **rounded}
            with Path(into).open("ab") as file:
                file.write(msgspec.json.encode(line) + b"\n")

    return note
