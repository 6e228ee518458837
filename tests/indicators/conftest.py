"""The town of these tests: the shipped city with the sample's datasets of 10,000 people, delivered; and its HTTP door."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from litestar.testing import TestClient

from cityloom import app
from cityloom.exchange.api import deliveries, spool
from cityloom.exchange.contracts import Declaration
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.samplecity import api as samplecity
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
    zone = parts.calendars.city.table.zone
    today = datetime.combine(parts.clock.now().astimezone(zone).date(), datetime.min.time(), zone)
    for each in samplecity.deliveries(
        samplecity.plan(parts.packs, people=10_000, seed=5, as_of=today, months=1), planned
    ):
        if each.dataset not in NEEDED:
            each.path.unlink()
            continue
        declared = Declaration(
            mode=each.mode, media=each.content_type, encoding=each.content_encoding, charset=each.charset or "",
            file_name=each.path.name, rows=each.rows,
        )  # fmt: skip
        delivery = deliveries.claim(ctx, each.dataset, each.delivery_id, declared)
        with each.path.open("rb") as file:
            spooled = spool.copy(ctx, iter(lambda: file.read(1 << 20), b""))
        deliveries.received(ctx, delivery, spooled)
        deliveries.process(ctx, each.dataset, each.delivery_id)
        each.path.unlink()
    yield parts
    app.close_parts(parts)


@pytest.fixture
def http(town: Parts) -> Iterator["TestClient[object]"]:
    with served(town) as client:
        yield client
