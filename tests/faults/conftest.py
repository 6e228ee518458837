"""What the tests of faults share: a place for their figures, which docs/reliability.md shows."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from exchange.conftest import door, http, town

__all__ = ["Tell", "door", "http", "tell", "town"]

Tell = Callable[..., None]


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
