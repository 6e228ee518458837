"""PostgreSQL killed, restarted, slow to recover, or believed to run by a stale pid file."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import httpx
import psycopg
import pytest

from cityloom.bench.line import tree
from cityloom.kernel import postgres
from cityloom.kernel.postgres import Server
from faults.conftest import Tell
from faults.running import RunningCity, kill, words
from faults.senders import Senders


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a cluster that holds one row."""
    home = tmp_path_factory.mktemp("database")
    server = Server(home)
    server.start()
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (a int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    server.stop()
    yield home
    rmtree(server.state, ignore_errors=True)
    rmtree(server.sockets, ignore_errors=True)


def kept(server: Server) -> list[tuple[int]]:
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        rows: list[tuple[int]] = connection.execute("SELECT a FROM kept").fetchall()
        return rows


def all_killed(server: Server) -> int:
    """The postmaster and its backends at once; the pid file stays. The pid that it names."""
    pid = server.pid()
    assert pid is not None
    kill(*tree([pid]))
    if server.process:
        server.process.wait()
    return pid


@pytest.mark.parametrize("named", ["another", "nobody", "garbage", "empty", "ourselves", "init"])
def test_a_stale_pid_file_is_not_believed(home: Path, named: str) -> None:
    server = Server(home)
    server.start()
    dead = all_killed(server)
    file = server.data / "postmaster.pid"
    rest = file.read_text().split("\n", 1)[1]
    neighbour = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", str(server.data)])
    says = {
        "another": f"{neighbour.pid}\n{rest}",
        "nobody": f"{dead}\n{rest}",
        "garbage": "\0\xff garbage",
        "empty": "",
        "ourselves": f"{os.getpid()}\n{rest}",
        "init": f"1\n{rest}",
    }
    try:
        file.write_text(says[named])
        again = Server(home)
        server._lock.close()  # type: ignore[union-attr]
        assert again.pid() is None
        again.start()
        assert again.pid() not in (None, dead, neighbour.pid, os.getpid(), 1)
        assert kept(again) == [(1,)]
        assert neighbour.poll() is None
        again.stop()
    finally:
        neighbour.kill()
        neighbour.wait()


def test_a_server_that_outlived_its_watcher_is_taken_over(home: Path) -> None:
    first = Server(home)
    first.start()
    pid = first.pid()
    first._lock.close()  # type: ignore[union-attr] # as the kernel does when the process dies
    second = Server(home)
    second.start()
    assert (second.adopted, second.pid(), second.alive()) == (pid, pid, True)
    assert kept(second) == [(1,)]
    second.stop()
    assert first.process is not None
    first.process.wait(10)
    assert second.pid() is None


def test_no_second_server_while_backends_of_a_killed_one_write(home: Path) -> None:
    """A backend that cannot end keeps the old memory; a server beside it would tear the files apart."""
    server = Server(home)
    server.start()
    pid = server.pid()
    assert pid is not None
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        kill(pid)
        assert server.process is not None
        server.process.wait()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            server.revive()
            time.sleep(0.1)
            assert not server.answers()
        os.kill(backend, signal.SIGCONT)
        end = time.monotonic() + 20
        while not server.answers():
            server.revive()
            time.sleep(0.1)
            assert time.monotonic() < end
    assert kept(server) == [(1,)]
    server.stop()


def test_a_shutdown_that_cannot_end_is_made_immediate(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to stop by somebody else, with a backend that does not obey: it comes back by itself."""
    monkeypatch.setattr(postgres, "LONGEST_SHUTDOWN", 1.0)
    monkeypatch.setattr(postgres, "LOOK_EVERY", 0.2)
    server = Server(home)
    server.start()
    first = server.pid()
    assert first is not None
    with psycopg.connect(server.admin_url, autocommit=True) as connection:
        os.kill(connection.info.backend_pid, signal.SIGSTOP)
        os.kill(first, signal.SIGINT)
        end = time.monotonic() + 40
        while not (server.pid() not in (None, first) and server.answers()):
            server.revive()
            time.sleep(0.1)
            assert time.monotonic() < end
    assert kept(server) == [(1,)]
    server.stop()


@pytest.mark.parametrize("restarts", [3, pytest.param(30, marks=pytest.mark.full)])
def test_restarted_under_load(city: RunningCity, tmp_path: Path, restarts: int, tell: Tell) -> None:
    """In good order (SIGINT), at once (SIGQUIT), and with one backend killed, which restarts all of them."""
    senders = Senders(city, tmp_path)
    for number in range(restarts):
        senders.progress(1)
        postmaster = city.postmaster()
        while postmaster is None:
            time.sleep(0.05)
            postmaster = city.postmaster()
        how = (signal.SIGKILL, signal.SIGINT, signal.SIGQUIT)[number % 3]
        backends = [pid for pid in tree([postmaster]) - {postmaster} if b"cityloom" in words(pid)]
        os.kill(backends[0] if how == signal.SIGKILL and backends else postmaster, how)
    back = city.wait()
    senders.progress(3)
    senders.let_end()
    tell("restarts", restarts=restarts, deliveries=senders.check(), back_s=back, slowest_receipt_s=senders.longest)


@pytest.mark.parametrize("seconds", [1, pytest.param(60, marks=pytest.mark.full)])
def test_recovers_for_long(city: RunningCity, tmp_path: Path, seconds: int, tell: Tell) -> None:
    """While it replays its log callers get 503 and when to come again; then everything goes on by itself."""
    senders = Senders(city, tmp_path)
    senders.progress(1)
    with psycopg.connect(city.server.admin_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE much AS SELECT n, repeat('x', 100) AS t FROM generate_series(1, 1500000) n")
    before = city.postmaster()
    city.kill_postmaster()
    startup = caught_in_recovery(city, before)
    stopped = time.monotonic()
    try:
        answers = asked_while_away(city, senders.dataset, seconds)
    finally:
        os.kill(startup, signal.SIGCONT)
    away = time.monotonic() - stopped
    back = city.wait()
    with psycopg.connect(city.server.admin_url, autocommit=True) as connection:
        connection.execute("DROP TABLE much")
    senders.progress(3)
    senders.let_end()
    longest = max(took for _, took in answers)
    deliveries = senders.check()
    tell("recovery", stopped_s=away, back_s=back, asked=len(answers), slowest_refusal_s=longest, deliveries=deliveries)
    for answer, _ in answers:
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["code"] in ("kernel.database_unreachable", "kernel.lake_unreachable")
    assert longest < 15
    assert back < 20


def caught_in_recovery(city: RunningCity, before: int | None) -> int:
    """Stop the process that replays the log, as soon as there is one."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        postmaster = city.postmaster()
        if postmaster not in (None, before):
            for pid in tree([postmaster]):
                if b"startup" in words(pid):
                    os.kill(pid, signal.SIGSTOP)
                    return pid
    raise AssertionError(f"no recovery was seen\n{city.tail()}")


def asked_while_away(city: RunningCity, dataset: str, seconds: float) -> list[tuple[httpx.Response, float]]:
    """Deliveries and receipts asked for without insisting, and how long each answer took."""
    answers: list[tuple[httpx.Response, float]] = []
    headers = {"authorization": f"Bearer {city.token}", "content-type": "text/csv"}
    address = f"{city.url}/api/exchange/datasets/{dataset}/deliveries"
    assert httpx.get(f"{city.url}/healthz", timeout=30).status_code == 200
    assert httpx.get(f"{city.url}/readyz", timeout=60).status_code == 503
    end = time.monotonic() + seconds
    while not answers or time.monotonic() < end:
        for ask in (
            lambda: httpx.put(f"{address}/away", content=b"item,amount\na,1\n", headers=headers, timeout=60),
            lambda: httpx.get(f"{address}/s0-0", headers=headers, timeout=60),
        ):
            started = time.monotonic()
            answers.append((ask(), time.monotonic() - started))
    return answers
