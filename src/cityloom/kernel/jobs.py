"""Queued work on PostgreSQL (procrastinate) and timed work, run by worker processes; dead workers are reaped."""

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from uuid import uuid4

import procrastinate
import psycopg

from cityloom.kernel import log, metrics, outbox
from cityloom.kernel.context import PLATFORM, Context, Parts
from cityloom.kernel.db import PLATFORM as PLATFORM_SCOPE
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Problem, Unavailable
from cityloom.kernel.manifest import Job, Listener, Module

HEARTBEAT = 2.0
DEAD_AFTER = 10.0
PAUSE = 0.5
RETRY_AFTER = 2
"""Seconds until a job that met an unavailable part is tried again. Short, because it keeps its lock while it waits."""

logger = log.logger("jobs")


def platform_context(parts: Parts, name: str) -> Context:
    """A context of the platform itself, for work that nobody asked for just now."""
    return Context(parts, PLATFORM, language=parts.settings.language, request=f"{name}-{uuid4().hex[:12]}")


class Queue:
    """The jobs of the installed modules by name."""

    def __init__(self, parts: Parts, modules: Sequence[Module], url: str) -> None:
        self.parts = parts
        self.jobs = {f"{module.name}.{job.name}": job for module in modules for job in module.jobs}
        self.listeners = [listener for module in modules for listener in module.listeners]
        connector = procrastinate.PsycopgConnector(
            conninfo=url,
            kwargs={"options": "-c search_path=jobs"},
        )
        self.app = procrastinate.App(connector=connector)
        self._at_work: set[int | None] = set()
        self._worker: int | None = None
        retry = procrastinate.RetryStrategy(wait=RETRY_AFTER, retry_exceptions=[Unavailable])
        for name, job in self.jobs.items():
            if job.every is None:
                self.app.task(name=name, queue="work", retry=retry, pass_context=True)(self._task(name, job))

    def _task(self, name: str, job: Job) -> Callable[..., None]:
        def run(context: procrastinate.JobContext, **arguments: str | int | None) -> None:
            self._worker = context.job.worker_id
            self._at_work.add(context.job.id)
            try:
                job.run(platform_context(self.parts, name), **arguments)
            except Problem as problem:
                logger.warning("job_refused", job=name, code=problem.code)
                raise
            finally:
                self._at_work.discard(context.job.id)

        return run

    def timers(self) -> "Timers":
        """The timed jobs, to run in a worker."""
        timed = {name: job for name, job in self.jobs.items() if job.every is not None}
        return Timers(self.parts, timed, self.listeners)

    async def work(self, concurrency: int) -> None:
        """Run queued jobs until SIGINT or SIGTERM says stop. A database that goes away is waited for."""
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        while not stopping.is_set():
            try:
                await self._work_until(stopping, concurrency)
            except procrastinate.exceptions.ConnectorException:
                logger.warning("worker_lost_database")
                await asyncio.sleep(PAUSE)

    async def _work_until(self, stopping: asyncio.Event, concurrency: int) -> None:
        work = asyncio.create_task(self._work(concurrency))
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        work.cancel()  # lets running jobs end
        with suppress(asyncio.CancelledError):
            await work

    async def _work(self, concurrency: int) -> None:
        """Until cancelled, or until the database was away for too long."""
        async with self.app.open_async():
            reaper = asyncio.create_task(self._reap())
            try:
                await self.app.run_worker_async(
                    concurrency=concurrency,
                    fetch_job_polling_interval=2.0,
                    update_heartbeat_interval=HEARTBEAT,
                    stalled_worker_timeout=DEAD_AFTER,
                    shutdown_graceful_timeout=20.0,
                    install_signal_handlers=False,
                    delete_jobs="successful",
                )
            finally:
                reaper.cancel()

    async def _reap(self) -> None:
        """Hand the jobs of workers whose heart stopped to the living ones, and this worker's own lost jobs."""
        lost: set[int | None] = set()
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                lost = await self._look_after(lost)
            except procrastinate.exceptions.ConnectorException:
                logger.warning("reaper_waits_for_database")
            except Exception:
                logger.exception("reaper_failed")

    async def _look_after(self, lost: set[int | None]) -> set[int | None]:
        """One look; the ids of jobs that stand as ours and that nobody works on. Seen twice, they are queued again.

        Such a job ended while the database was away and could not say so; its lock would be held for ever.
        """
        manager = self.app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER):
            logger.warning("job_of_dead_worker", job=job.task_name, id=job.id)
            await manager.retry_job(job)
        if self._worker is None:
            return set()
        standing = await manager.list_jobs_async(status="doing", worker_id=self._worker)
        idle = {job.id: job for job in standing if job.id not in self._at_work}
        for id in idle.keys() & lost:
            logger.warning("job_without_end", job=idle[id].task_name, id=id)
            await manager.retry_job(idle[id])
        return set(idle)


def enqueue(tx: Transaction, task: str, arguments: Mapping[str, str | int | None], lock: str) -> None:
    """Queue a job in this transaction; jobs with the same `lock` run one after another."""
    tx.execute(
        """SELECT jobs.procrastinate_defer_jobs_v1(ARRAY[ROW('work', %s, 0, %s, NULL, %s::jsonb, NULL)
             ::jobs.procrastinate_job_to_defer_v1])""",
        [task, lock, psycopg.types.json.Jsonb(dict(arguments))],
    )


def queued(tx: Transaction, task: str, arguments: Mapping[str, str | int | None]) -> bool:
    """Whether this very job waits or runs already."""
    return tx.scalar(
        bool,
        """SELECT EXISTS (SELECT FROM jobs.procrastinate_jobs
             WHERE task_name = %s AND args = %s::jsonb AND status IN ('todo', 'doing'))""",
        [task, psycopg.types.json.Jsonb(dict(arguments))],
    )


class Timers:
    """Runs each timed job when its time has come, in one worker at a time (an advisory lock per job)."""

    def __init__(self, parts: Parts, jobs: Mapping[str, Job], listeners: Sequence[Listener]) -> None:
        self.parts = parts
        self.jobs = jobs
        self.listeners = listeners
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start one thread per timed job, and one that hands out events."""
        runs: list[tuple[str, float, Callable[[], None]]] = [
            (name, job.every.total_seconds(), lambda job=job, name=name: job.run(platform_context(self.parts, name)))  # type: ignore[misc]
            for name, job in self.jobs.items()
            if job.every is not None
        ]
        runs += [(f"hear.{each.name}", 1.0, lambda each=each: self.hand_out(each)) for each in self.listeners]  # type: ignore[misc]
        for name, pause, run in runs:
            thread = threading.Thread(target=self._loop, args=(name, pause, run), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Let running jobs end and start no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)

    def hand_out(self, listener: Listener) -> None:
        """Give a listener the events it has not had, in order, one transaction for the batch's cursor.

        One that it cannot take is what it is given next time; those before it stay heard. Raises what the listener raises.
        """
        context = platform_context(self.parts, listener.name)
        failed: Exception | None = None
        with self.parts.db.begin(PLATFORM_SCOPE) as tx:
            for envelope in outbox.pending(tx, listener.name, list(listener.topics)):
                try:
                    listener.hear(context, envelope)
                except Exception as error:  # noqa: BLE001 - raised below, when what was heard is kept
                    failed = error
                    break
                outbox.advance(tx, listener.name, envelope)
        if failed is not None:
            raise failed

    def _loop(self, name: str, pause: float, run: Callable[[], None]) -> None:
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                self._alone(name, run)
                self._note(name, "ok")
            except Unavailable as problem:
                self._note(name, "unavailable")
                logger.info("timed_job_waits", job=name, code=problem.code)
            except Exception:
                self._note(name, "failed")
                logger.exception("timed_job_failed", job=name)
            self._stop.wait(max(0.05, pause - (time.monotonic() - started)))

    def _note(self, name: str, outcome: str) -> None:
        metrics.TICKS.labels(name, outcome).inc()
        metrics.LAST_RUN.labels(name, outcome).set(self.parts.clock.now().timestamp())

    def _alone(self, name: str, run: Callable[[], None]) -> None:
        with self.parts.db.raw() as connection:
            row = connection.execute(
                "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", ["timer " + name]
            ).fetchone()
            if row is None or not row[0]:
                return
            try:
                run()
            finally:
                connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", ["timer " + name])
