"""What a module tells of itself: its doors, its jobs, what it reads from packs, which events it hears,
and by which numbers one sees that it is well."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec
from litestar.handlers import BaseRouteHandler

from cityloom.kernel.context import Context, Parts
from cityloom.kernel.outbox import Envelope
from cityloom.kernel.packs import Packs
from cityloom.kernel.settings import Settings
from cityloom.kernel.words import Text


class Job(msgspec.Struct, frozen=True):
    """Queued work (`every` is None) or timed work. Safe to run twice; runs as the platform."""

    name: str
    run: Callable[..., None]
    """Called with the Context, then for queued work the arguments it was queued with (JSON values)."""
    every: timedelta | None = None


class Listener(msgspec.Struct, frozen=True):
    """Hears the events of some topics, each at least once, in commit order."""

    name: str
    topics: tuple[str, ...]
    hear: Callable[[Context, Envelope], None]


class Reading(msgspec.Struct, frozen=True):
    """What a gauge shows: the worst value, and of what it is, such as a dataset."""

    value: float
    subject: str = ""


class Gauge(msgspec.Struct, frozen=True):
    """A number that an operator must know of when it is out of its limits. Where `alarm` is lower, less is worse."""

    name: str
    title: Text
    unit: Literal["seconds", "days", "MiB", "rows", "files"]
    warning: float
    alarm: float
    read: Callable[[Context], Reading | None]
    """Called every half minute as the platform, so it must be cheap. None: there is nothing to measure."""


class Process(msgspec.Struct, frozen=True):
    """Work that needs a process of its own, such as ports that devices speak to; it is started again when it dies."""

    name: str
    wanted: Callable[[Settings, Packs], bool]
    """Whether this city has it at all."""
    run: Callable[[Parts], None]
    """Works until SIGINT or SIGTERM."""


class Module(msgspec.Struct, frozen=True):
    """One module, as `app.MODULES` lists it."""

    name: str
    routes: Sequence[BaseRouteHandler | Any] = ()
    jobs: tuple[Job, ...] = ()
    listeners: tuple[Listener, ...] = ()
    gauges: tuple[Gauge, ...] = ()
    processes: tuple[Process, ...] = ()
    install: Callable[[Context], None] | None = None
    """Called at each start after the migrations, with the packs in the context; safe to run twice."""
    check: Callable[[Packs], object] | None = None
    """Reads what this module reads from packs and raises the Problem that it meets, for `packs check`."""

    @property
    def package(self) -> str:
        return f"cityloom.{self.name}"
