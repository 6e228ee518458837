"""A whole city in processes of its own, to be killed in every way."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from cityloom import app, client
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings, environment

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


def write_pack(folder: Path) -> Path:
    """The pack `small`: one dataset, two organisations."""
    pack = folder / "small"
    (pack / "exchange").mkdir(parents=True)
    (pack / "identity").mkdir()
    (pack / "pack.yaml").write_text(PACK)
    (pack / "identity/organisations.yaml").write_text(ORGANISATIONS)
    (pack / "exchange/stock.yaml").write_text(DATASET)
    return folder


class RunningCity:
    """`cityloom serve` in a process group of its own."""

    def __init__(self, folder: Path, **changed: object) -> None:
        packs = folder / "packs"
        if not packs.exists():
            packs.mkdir()
            write_pack(packs)
        values = {"home": folder / "home", "packs": str(packs), "city": "small", "port": free_port(), "language": "en",
                  "lake_memory_mib": 512, "secure_cookies": False, "min_free_mib": 64, "log_level": "warning"}
        self.settings = Settings(**(values | changed))  # type: ignore[arg-type]
        self.url = f"http://127.0.0.1:{self.settings.port}"
        self.log = folder / "serve.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._token = ""

    def start(self) -> None:
        """Start it; `wait` tells when it is ready."""
        env = {**os.environ, **environment(self.settings)}
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "cityloom", "serve"]
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)

    def wait(self, patience: float = 90.0) -> None:
        """Until it is ready."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"not ready after {patience} s:\n{self.log.read_text()[-3000:]}")

    @property
    def token(self) -> str:
        """An API token of the town hall."""
        if not self._token:
            with app.running_parts(self.settings) as parts:
                from cityloom.identity import api as identity

                self._token = identity.issue_service_token(parts, "town", RIGHTS)
        return self._token

    def door(self, patience: float = 120.0) -> client.Exchange:
        """A client with that token."""
        return client.Exchange(self.url, self.token, patience=patience)

    def kill_group(self) -> None:
        """SIGKILL to every process of the city at once, the database's too."""
        server = Server(self.settings.home)
        postmaster = server._running_pid()
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        if postmaster:
            os.kill(postmaster, signal.SIGKILL)
        self.process.wait()

    def kill_child(self, word: str) -> bool:
        """SIGKILL to one process whose command line has this word."""
        assert self.process is not None
        for pid in children(self.process.pid):
            if word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def kill_postmaster(self) -> None:
        """SIGKILL to the database's first process."""
        pid = Server(self.settings.home)._running_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill_group()


RIGHTS = ("exchange.deliver", "exchange.read_receipt", "exchange.read_changes", "exchange.withdraw")


def children(parent: int) -> list[int]:
    """Child processes and theirs."""
    from cityloom.bench.line import tree

    return sorted(tree([parent]) - {parent})


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
