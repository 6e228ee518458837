"""The town of these tests: the shipped city with the sample's datasets of 10,000 people, delivered; and its HTTP door."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from litestar.testing import TestClient

from cityloom import app
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from indicators.indicators_kit import deliver
from installing import installed
from scratch import Scratch
from serving import served

NEEDED = {
    "household_resident", "household", "death", "birth", "pupil", "teacher", "school", "social_insurance_payment",
    "provident_fund_payment", "tenancy", "residence_collected", "residence_permit", "dwelling", "firm", "clinic",
    "school_catchment", "school_plan",
}  # fmt: skip


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture
def town(scratch: Scratch, planned: Path) -> Iterator[Parts]:
    """The shipped city with the datasets of its sample of 10,000 people, delivered."""
    parts = installed(scratch)
    ctx = platform_context(parts, "install")
    deliver(ctx, planned, NEEDED)
    yield parts
    app.close_parts(parts)


@pytest.fixture
def http(town: Parts) -> Iterator["TestClient[object]"]:
    with served(town) as client:
        yield client
