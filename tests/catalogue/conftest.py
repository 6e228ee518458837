"""The town, and its door as each department."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogue_kit import RIGHTS, Door, Town, TurnedClock, write_pack
from litestar.testing import TestClient

from cityloom import app
from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from installing import installed
from scratch import Scratch
from serving import served


@pytest.fixture
def town(scratch: Scratch, tmp_path: Path) -> Iterator[Town]:
    """A city whose pack is `town`, installed."""
    folder = tmp_path / "packs"
    folder.mkdir(exist_ok=True)
    write_pack(folder)
    clock = TurnedClock()
    parts = installed(scratch, clock, packs=str(folder), city="town")
    yield Town(parts, clock, scratch.admin_url)
    app.close_parts(parts)


@pytest.fixture
def http(town: Town) -> Iterator["TestClient[Any]"]:
    with served(town.parts) as client:
        yield client


def door(town: Town, http: "TestClient[Any]", organisation: str) -> Door:
    token = services.issue(platform_context(town.parts, "test"), organisation, RIGHTS, days=365)
    return Door(http, token.secret)


@pytest.fixture
def psb(town: Town, http: "TestClient[Any]") -> Door:
    return door(town, http, "psb")


@pytest.fixture
def housing(town: Town, http: "TestClient[Any]") -> Door:
    return door(town, http, "housing")


@pytest.fixture
def district(town: Town, http: "TestClient[Any]") -> Door:
    return door(town, http, "district_one")


@pytest.fixture
def data(town: Town, http: "TestClient[Any]") -> Door:
    """The platform's own organisation, which reviews and rules."""
    return door(town, http, "data")
