"""What crosses the border of operation."""

from datetime import datetime
from typing import Literal

import msgspec

Level = Literal["ok", "warning", "alarm"]
ORDER: tuple[Level, ...] = ("ok", "warning", "alarm")
"""From good to bad."""


class Limits(msgspec.Struct, frozen=True):
    """From which value on it is a warning, and an alarm. When `alarm` is the lower one, less is worse."""

    warning: float
    alarm: float


class Measured(msgspec.Struct, frozen=True):
    """One gauge: what was measured last, and the level it has had since when."""

    name: str
    title: str
    level: Level
    value: float
    unit: str
    subject: str
    """What the value is the worst of, such as a dataset or a folder."""
    warning: float
    alarm: float
    since: datetime
    seen_at: datetime


class Health(msgspec.Struct, frozen=True):
    """All gauges, the worst first, and the level of the worst."""

    level: Level
    current: bool
    """False when nothing was measured for two minutes: then no job worker runs, which is an alarm."""
    gauges: tuple[Measured, ...]


class TimedJob(msgspec.Struct, frozen=True):
    """A job that runs by itself, on this machine since its processes were started."""

    name: str
    runs: int
    failures: int
    """Runs that ended in an error; waiting for a part that is away is none."""
    last_at: datetime | None
    """When it last ended well."""
    failed_at: datetime | None


class PackVersion(msgspec.Struct, frozen=True):
    """A pack that is on."""

    name: str
    title: str
    version: str
    keeper: str


class Versions(msgspec.Struct, frozen=True):
    """What runs here."""

    cityloom: str
    python: str
    postgresql: str
    duckdb: str
    packs: tuple[PackVersion, ...]


class LogLine(msgspec.Struct, frozen=True):
    """A line of this machine's logs."""

    at: str
    level: str
    process: str
    event: str
    facts: msgspec.Raw
    """All else that the line says, by name."""
