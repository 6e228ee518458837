"""A whole city in processes of its own, to be killed in every way."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx

from cityloom import app, client
from cityloom.bench.line import tree
from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings, environment

RIGHTS = ("exchange.deliver", "exchange.read_receipt", "exchange.read_changes", "exchange.withdraw")
PACK = """\
name: small
title: {en: Small town, zh: 小镇}
version: "1"
keeper: town
city: true
"""
ORGANISATIONS = """\
- {code: town, title: {en: Town hall, zh: 镇政府}, kind: department}
- {code: other, title: {en: Another department, zh: 其他部门}, kind: department}
"""
DATASETS = ("stock", *(f"stock{number}" for number in range(1, 18)))
"""Several of a kind, so that tests which share a city do not share a dataset."""
DATASET = """\
title: {en: Stock, zh: 台账}
keeper: town
legal_basis: {en: none, zh: 无}
class: event
sharing: conditional
modes: [upsert, append, replace, delete]
update: {every: irregular}
key: [item]
retention: {records: P10Y}
fields:
  - {name: item, title: {en: Item, zh: 编号}, type: text, required: true, pattern: "[a-z0-9]+"}
  - {name: amount, title: {en: Amount, zh: 数量}, type: integer, required: true, min: 0}
  - {name: note, title: {en: Note, zh: 备注}, type: text}
"""


def write_pack(folder: Path, datasets: Sequence[str] = ("stock",)) -> Path:
    """The pack `small`: datasets of one kind, two organisations."""
    pack = folder / "small"
    (pack / "exchange").mkdir(parents=True)
    (pack / "identity").mkdir()
    (pack / "pack.yaml").write_text(PACK)
    (pack / "identity/organisations.yaml").write_text(ORGANISATIONS)
    for name in datasets:
        (pack / f"exchange/{name}.yaml").write_text(DATASET)
    return folder


class RunningCity:
    """`cityloom serve` in a process group of its own."""

    def __init__(self, folder: Path, **changed: object) -> None:
        packs = folder / "packs"
        if not packs.exists():
            packs.mkdir()
            write_pack(packs, DATASETS)
        values: dict[str, object] = {
            "home": folder / "home",
            "packs": str(packs),
            "city": "small",
            "port": free_port(),
            "language": "en",
            "lake_memory_mib": 512,
            "secure_cookies": False,
            "min_free_mib": 1,
            "log_level": "info",
        }
        self.settings = Settings(**(values | changed))  # type: ignore[arg-type]
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self.log = folder / "serve.log"
        self.server = Server(self.settings.home)
        self.process: subprocess.Popen[bytes] | None = None
        self._token = ""
        self._fresh = iter(DATASETS[1:])
        self.at_work: list[Callable[[], None]] = []
        """For each test that delivers to it, what ends its senders."""

    def dataset(self) -> str:
        """A dataset that nobody has used."""
        return next(self._fresh)

    def well(self) -> None:
        """Have it run and be ready, whatever was done to it before."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        self.wait()

    def quiet(self) -> None:
        """Have everybody who delivers stop."""
        while self.at_work:
            self.at_work.pop()()

    def start(self) -> None:
        """Start it; `wait` tells when it is ready."""
        env = {**os.environ, **environment(self.settings)}
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "cityloom", "serve"]
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)

    def wait(self, patience: float = 90.0) -> float:
        """Until it is ready; the seconds that took."""
        started = time.monotonic()
        with httpx.Client(timeout=5, trust_env=False) as door:
            while time.monotonic() < started + patience:
                try:
                    if door.get(f"{self.url}/readyz").status_code == 200:
                        return time.monotonic() - started
                except httpx.TransportError:
                    pass
                time.sleep(0.1)
        raise AssertionError(f"not ready after {patience} s:\n{self.tail()}")

    def tail(self, size: int = 4000) -> str:
        """The end of what it said, and of what its database said."""
        log = self.server.log
        said = log.read_text(errors="replace")[-size // 2 :] if log.exists() else ""
        return f"{self.log.read_text(errors='replace')[-size:]}\n--- {log}\n{said}"

    @property
    def token(self) -> str:
        """An API token of the town hall. Ask for it first while the city runs."""
        if not self._token:
            with app.running_parts(self.settings) as parts:
                self._token = services.issue(platform_context(parts, "test"), "town", RIGHTS).secret
        return self._token

    def door(self, patience: float = 120.0) -> client.Exchange:
        """A client with that token."""
        return client.Exchange(self.url, self.token, patience=patience)

    def spooled(self) -> set[Path]:
        """Files in the spool."""
        return set(self.settings.spool.glob("*"))

    def postmaster(self) -> int | None:
        """The database's first process."""
        return self.server.pid()

    def processes(self, module: str = "") -> list[int]:
        """All processes of the city, or those that run a module (`cityloom.server`, `cityloom.worker`), oldest first."""
        assert self.process is not None
        roots = [self.process.pid, *filter(None, [self.postmaster()])]
        if not module:
            return sorted(tree(roots))
        return sorted(pid for pid in tree(roots[:1]) if module.encode() in words(pid))

    def kill_group(self) -> None:
        """SIGKILL to every process of the city at once, the database's too, as systemd does to a unit."""
        assert self.process is not None
        for pid in self.processes():
            kill(pid)
        self.process.wait()

    def kill_worker(self) -> bool:
        """SIGKILL to one job worker; whether one ran."""
        return kill(*self.processes("cityloom.worker")[:1])

    def kill_web(self, keeper: bool = False) -> bool:
        """SIGKILL to a process that answers HTTP, or to the one that keeps such running; whether there was one."""
        found = self.processes("cityloom.server")
        return kill(*(found[:1] if keeper else found[1:2]))

    def kill_postmaster(self) -> bool:
        """SIGKILL to the database's first process; whether it ran."""
        return kill(*filter(None, [self.postmaster()]))

    def stop(self) -> None:
        """End it in good order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill_group()

    def remove(self) -> None:
        """End it, whatever state it is in, and leave nothing behind."""
        try:
            self.stop()
        finally:
            kill(*filter(None, [self.postmaster()]))
            shutil.rmtree(self.server.state, ignore_errors=True)
            shutil.rmtree(self.server.sockets, ignore_errors=True)


def kill(*pids: int) -> bool:
    """SIGKILL; whether anything was hit."""
    hit = False
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            hit = True
        except ProcessLookupError:
            pass
    return hit


def words(pid: int) -> bytes:
    """A process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
