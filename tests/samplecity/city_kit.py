"""A small city with all its files, for the tests of the sample city."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cityloom.samplecity import api
from cityloom.samplecity.contracts import PlannedDelivery

ROOT = Path(__file__).parents[2]
AS_OF = datetime(2026, 11, 21, 3, 30, tzinfo=UTC)
CITIES = ("shenzhen", "yancheng")
PEOPLE, SEED = 10_000, 7


class Delivered(msgspec.Struct, frozen=True):
    """A city with all its files on disk."""

    city: str
    plan: api.Plan
    files: list[PlannedDelivery]
    packs: list[Path]
