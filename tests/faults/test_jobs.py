"""Queued work whose worker dies, loses the database, or finishes without being able to say so."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
import procrastinate
import psycopg
import pytest

from cityloom.kernel import jobs
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.errors import Unavailable
from cityloom.kernel.events import Event
from cityloom.kernel.jobs import Queue, Timers, platform_context
from cityloom.kernel.manifest import Job, Listener, Module
from cityloom.kernel.outbox import Envelope
from scratch import Scratch


class Rung(Event, frozen=True):
    """An event of these tests."""

    topic: ClassVar[str] = "probe.rung"
    number: int


def test_an_event_that_a_listener_cannot_take_keeps_back_nothing_before_it(parts: Parts) -> None:
    heard: list[int] = []
    broken = {2}

    def hear(_: Context, envelope: Envelope) -> None:
        number = msgspec.json.decode(envelope.body, type=Rung).number
        if number in broken:
            raise ValueError(number)
        heard.append(number)

    listener = Listener("probe.bell", (Rung.topic,), hear)
    timers, ctx = Timers(parts, {}, [listener]), platform_context(parts, "test")
    for number in range(4):
        with ctx.begin() as tx:
            ctx.emit(tx, Rung(number))
    for _ in range(2):
        with pytest.raises(ValueError, match="2"):
            timers.hand_out(listener)
        assert heard == [0, 1]
    broken.clear()
    timers.hand_out(listener)
    timers.hand_out(listener)
    assert heard == [0, 1, 2, 3]


class Work:
    """A module with one job, which keeps what it was asked to do."""

    def __init__(self, parts: Parts, url: str) -> None:
        self.parts = parts
        self.done: list[str] = []
        self.fails: dict[str, int] = {}
        self.queue = Queue(parts, [Module("probe", jobs=(Job("run", self.run),))], url)

    def run(self, ctx: Context, name: str) -> None:
        self.done.append(name)
        if self.fails.get(name, 0):
            self.fails[name] -= 1
            raise Unavailable("kernel.lake_unreachable")

    def add(self, *names: str, lock: str = "one") -> None:
        with platform_context(self.parts, "test").begin() as tx:
            for name in names:
                jobs.enqueue(tx, "probe.run", {"name": name}, lock)

    def left(self) -> int:
        """Jobs that are not at their end."""
        with platform_context(self.parts, "test").begin() as tx:
            return tx.scalar(int, "SELECT count(*) FROM jobs.procrastinate_jobs WHERE status IN ('todo', 'doing')")

    def until(self, true: Callable[[], bool], patience: float = 30.0) -> float:
        """Have a worker work until it is so, then stop it by a signal; the seconds that took."""

        async def main() -> float:
            work = asyncio.create_task(self.queue.work(concurrency=1))
            started = time.monotonic()
            while not await asyncio.to_thread(true) and time.monotonic() < started + patience:
                await asyncio.sleep(0.1)
            took = time.monotonic() - started
            os.kill(os.getpid(), signal.SIGTERM)
            await work
            return took

        return asyncio.run(main())


@pytest.fixture
def work(parts: Parts, scratch: Scratch) -> Work:
    return Work(parts, scratch.app_url)


@pytest.fixture
def admin(scratch: Scratch) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        yield connection


def test_a_job_that_could_not_say_that_it_ended_does_not_keep_its_lock(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager = work.queue.app.job_manager
    real, lost = manager.finish_job, []

    async def finish(*arguments: Any, **named: Any) -> None:
        if not lost:
            lost.append(1)
            raise procrastinate.exceptions.ConnectorException
        await real(*arguments, **named)

    monkeypatch.setattr(manager, "finish_job", finish)
    work.add("first", "second")
    took = work.until(lambda: work.left() == 0)
    assert work.done == ["first", "first", "second"]
    assert took < 20


def test_a_job_that_waits_for_another_try_keeps_nobody_waiting_for_long(work: Work) -> None:
    work.fails["first"] = 3
    work.add("first", "second")
    took = work.until(lambda: work.left() == 0)
    assert work.done == ["first"] * 4 + ["second"]
    assert took < 20


def test_the_job_of_a_dead_worker_is_done_by_another(work: Work, admin: psycopg.Connection[Any]) -> None:
    work.add("first", "second")
    admin.execute("SET search_path = jobs")
    row = admin.execute(
        "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 minute') RETURNING id"
    ).fetchone()
    assert row is not None
    admin.execute("SELECT procrastinate_fetch_job_v2(NULL, %s)", [row[0]])
    assert admin.execute("SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing'").fetchone() == (1,)
    took = work.until(lambda: work.left() == 0)
    assert work.done == ["first", "second"]
    assert took < 20


def test_a_worker_outlives_its_connections(work: Work, admin: psycopg.Connection[Any]) -> None:
    def again() -> bool:
        if "first" in work.done and "second" not in work.done and not work.left():
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            time.sleep(1)
            for _ in range(2):
                try:
                    work.add("second")
                    break
                except Unavailable:
                    time.sleep(0.2)
        return "second" in work.done and not work.left()

    work.add("first")
    took = work.until(again, 60)
    assert work.done[0] == "first"
    assert work.done[-1] == "second"
    assert took < 45
