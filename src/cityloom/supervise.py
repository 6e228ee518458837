"""Runs a whole city on one machine: database, web workers, job workers; whatever dies is started again."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import httpx

from cityloom import app
from cityloom.kernel import log, processes
from cityloom.kernel.notify import notify
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings, environment

PAUSE = 0.2
LONGEST_PAUSE = 10.0
LEAVE = 30.0
"""Seconds that web and job processes get to end what they do."""
LONGEST_STOP = 120
"""Seconds after which whoever asked us to stop may use force: LEAVE, and the database's own shutdown (60)."""
TELL_EVERY = 10.0

logger = log.logger("supervisor")


class Child:
    """One process that is kept running; the pause before each new start doubles while it keeps dying young."""

    def __init__(self, name: str, command: list[str], env: dict[str, str]) -> None:
        self.name = name
        self.command = command
        self.env = env
        self.process: subprocess.Popen[bytes] | None = None
        self.pause = PAUSE
        self.started = 0.0

    def watch(self) -> None:
        """Start it if it does not run and its pause is over."""
        if self.process is not None and self.process.poll() is None:
            return
        now = time.monotonic()
        if self.process is not None:
            logger.warning("process_ended", process=self.name, status=self.process.returncode)
            self.pause = PAUSE if now - self.started > 30 else min(self.pause * 2, LONGEST_PAUSE)
            self.process = None
            self.started = now
        elif now - self.started >= self.pause or self.started == 0.0:
            self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL)
            self.started = now

    def stop(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def wait(self, patience: float) -> None:
        """Wait until it has ended; it is killed when patience ends."""
        if self.process is not None:
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class City:
    """All processes of one home."""

    def __init__(self, settings: Settings, talk: Callable[[str], None]) -> None:
        self.settings = settings
        self.server = None if settings.database_url else Server(settings.home, talk)
        self.talk = talk
        self.children: list[Child] = []
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        """Where the HTTP door is."""
        return f"http://{self.settings.host}:{self.settings.port}"

    def start(self) -> None:
        """Database, migrations, packs, then the workers."""
        if self.server:
            self.server.start()
        else:
            self._await_database()
        app.prepare(self.settings)
        figures = self.settings.home / "metrics"
        figures.mkdir(parents=True, exist_ok=True)
        self.settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in figures.glob("*.db"):
            old.unlink()
        env = {**os.environ, **environment(self.settings), "PROMETHEUS_MULTIPROC_DIR": str(figures)}
        env[processes.PARENT] = str(os.getpid())
        self.children = [Child("web", [sys.executable, "-m", "cityloom.server"], env)]
        work = [sys.executable, "-m", "cityloom.worker"]
        self.children += [Child(f"worker-{number}", work, env) for number in range(self.settings.job_workers)]
        for name in app.processes_of(self.settings):
            self.children.append(Child(name, [sys.executable, "-m", "cityloom.process", name], env))
        for child in self.children:
            child.watch()

    def wait_until_ready(self, patience: float = 60.0) -> None:
        """Until /readyz says so. Raises TimeoutError."""
        end = time.monotonic() + patience
        with httpx.Client(timeout=5, trust_env=False) as door:
            while time.monotonic() < end:
                self.watch()
                try:
                    if door.get(f"{self.url}/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        raise TimeoutError(f"{self.url} did not become ready in {patience:.0f} s")

    def watch(self) -> None:
        """One look at every process."""
        if self.server and self.server.revive():
            logger.error("database_ended_and_started_again")
        for child in self.children:
            child.watch()

    def _await_database(self) -> None:
        if not app.database_answers(self.settings):
            self.talk("waiting for the database")
            while not app.database_answers(self.settings):
                time.sleep(0.5)

    def pids(self) -> list[int]:
        """The first process of the database and of each worker that runs."""
        found = [child.process.pid for child in self.children if child.process is not None]
        database = self.server.pid() if self.server else None
        return [*found, database] if database else found

    def run(self) -> None:
        """Watch until SIGINT or SIGTERM, then stop."""

        def stop(_signal: int, _frame: FrameType | None) -> None:
            self.stopping.set()

        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGTERM, stop)
        notify("READY=1")
        told = time.monotonic()
        while not self.stopping.wait(0.2):
            self.watch()
            if time.monotonic() - told > TELL_EVERY:
                told = time.monotonic()
                notify("WATCHDOG=1")
        self.stop()

    def stop(self) -> None:
        """Workers first, so that running work ends, then the database."""
        notify("STOPPING=1")
        end = time.monotonic() + LEAVE
        for child in self.children:
            child.stop()
        for child in self.children:
            child.wait(max(0.1, end - time.monotonic()))
        if self.server:
            self.server.stop()
