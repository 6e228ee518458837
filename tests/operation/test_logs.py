"""Every request leaves a line that holds no personal data and steers no terminal; days are kept for half a year."""

import asyncio
import gzip
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cityloom.kernel import log, logfiles
from cityloom.kernel.clock import FixedClock
from cityloom.kernel.errors import Invalid
from cityloom.kernel.logfiles import DayFiles
from cityloom.kernel.settings import load
from cityloom.logs import moment
from faults.running import RunningCity
from faults.test_disk_full import small_disks

DAY = datetime(2026, 3, 2, 23, 59, 59, tzinfo=UTC)


class TurnedClock:
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def line(at: datetime, **facts: object) -> str:
    return msgspec.json.encode({"timestamp": logfiles.stamp(at), **facts}).decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    city = RunningCity(tmp_path_factory.mktemp("logged"), web_workers=2)
    city.start()
    try:
        city.wait()
        yield city
    finally:
        city.remove()


def command(city: RunningCity, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CITYLOOM_HOME": str(city.settings.home), "CITYLOOM_PORT": str(city.settings.port)}
    env |= {"CITYLOOM_CITY": "small", "CITYLOOM_PACKS": city.settings.packs}
    return subprocess.run(
        [sys.executable, "-m", "cityloom", *words], env=env, capture_output=True, text=True, check=False
    )


def access(city: RunningCity, answer: httpx.Response) -> dict[str, Any]:
    """The one line about this request, as the command shows it."""
    time.sleep(2 * logfiles.SOON)
    shown = command(city, "logs", "--access", "--json", "--request", answer.headers["x-request-id"])
    assert shown.returncode == 0, shown.stderr
    (found,) = shown.stdout.splitlines()
    return dict(json.loads(found))


def test_a_request_leaves_one_line_without_what_is_in_it(running: RunningCity) -> None:
    headers = {"authorization": f"Bearer {running.token}", "x-forwarded-for": "198.51.100.1, 192.0.2.9"}
    query = {"limit": 10, "after": "11010519491231002X"}
    with httpx.Client(base_url=running.url, headers=headers) as client:
        known = access(running, client.get("/api/exchange/datasets/stock/deliveries", params=query))
        assert known["path"] == "/api/exchange/datasets/{dataset}/deliveries"
        assert (known["level"], known["event"]) == ("info", "access")
        assert (known["method"], known["account"], known["organisation"]) == ("GET", "town-service", "town")
        assert known["address"] == "192.0.2.9"
        assert 0 < known["milliseconds"] < 60_000
        assert known["status"] in (200, 400)
        assert "002X" not in str(known)
        health = access(running, client.get("/healthz"))
        assert (health["status"], health["account"], health["address"]) == (200, "", "127.0.0.1")
        assert health["forwarded"] == "192.0.2.9"


def test_what_strangers_try_is_kept_and_steers_nothing(running: RunningCity) -> None:
    with httpx.Client(base_url=running.url) as client:
        nowhere = client.get("/nowhere/%1b%5b2J%0aevent%E2%80%AE/440300199001011234?token=secret")
        assert nowhere.status_code == 404
        told = access(running, nowhere)
        assert (told["path"], told["status"]) == ("/nowhere/\x1b[2J\nevent\u202e/[personal]", 404)
        wrong = access(running, client.request("PATCH", "/healthz", headers={"authorization": "Bearer ctl_secret"}))
        assert wrong["status"] == 405
        refused = access(running, client.get("/api/operation/health"))
        assert (refused["path"], refused["status"], refused["account"]) == ("/api/operation/health", 401, "")
    raw = b"".join(path.read_bytes() for path in running.settings.logs.glob("*"))
    assert b"secret" not in raw
    assert not {b"\x1b", b"\r", "\u202e".encode()} & {
        raw[place : place + size] for size in (1, 3) for place in range(len(raw))
    }
    shown = command(running, "logs", "--request", nowhere.headers["x-request-id"]).stdout
    assert shown.count("\n") == 1
    assert "\\x1b[2J\\n" in shown


def test_each_process_writes_a_file_of_its_own_and_status_knows_the_city(running: RunningCity) -> None:
    files = sorted(path.name for path in running.settings.logs.glob("*"))
    kinds = {name.split(".")[1] for name in files}
    assert {"web", "worker"} <= kinds <= {"web", "worker", "serve"}
    assert all(logfiles.NAME.fullmatch(name) for name in files)
    assert {path.stat().st_mode & 0o777 for path in running.settings.logs.glob("*")} == {0o600}
    with closing(running.door()) as door:
        door.get("/api/exchange/datasets/stock/deliveries")
    told = command(running, "status", "--json")
    found = json.loads(told.stdout)
    assert (found["door"], found["database"], found["current"]) == (True, True, True)
    assert told.returncode == ("ok", "warning", "alarm").index(found["level"])
    assert {"machine.disk_free", "exchange.waiting"} <= {each["name"] for each in found["gauges"]}


def test_status_of_a_city_that_does_not_run_is_an_alarm(running: RunningCity, tmp_path: Path) -> None:
    env = {**os.environ, "CITYLOOM_HOME": str(tmp_path / "none"), "CITYLOOM_PORT": "1"}
    words = [sys.executable, "-m", "cityloom", "status", "--json"]
    told = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    found = json.loads(told.stdout)
    assert (found["level"], found["door"], found["database"]) == ("alarm", False, False)
    told = subprocess.run(
        [*words[:-2], "identity", "token", "town"], env=env, capture_output=True, text=True, check=False
    )
    assert told.returncode == 2
    assert "There is no city in" in told.stderr
    assert not (tmp_path / "none").exists(), "who only looks makes nothing"


def test_a_day_that_ends_has_a_file_of_its_own(tmp_path: Path) -> None:
    clock = TurnedClock(DAY)
    files = DayFiles(tmp_path, "web", clock)
    files.write("first")
    clock.moment = DAY + timedelta(seconds=1)
    files.write("second")
    files.close()
    found = {path.name: path.read_text() for path in tmp_path.glob("*")}
    assert found == {
        f"2026-03-02.web.{os.getpid()}.ndjson": "first\n",
        f"2026-03-03.web.{os.getpid()}.ndjson": "second\n",
    }


def test_lines_that_come_together_are_written_together_and_none_is_left_at_the_end(tmp_path: Path) -> None:
    files, place = DayFiles(tmp_path, "web", FixedClock(DAY)), tmp_path / f"2026-03-02.web.{os.getpid()}.ndjson"

    async def come() -> None:
        files.write_soon("first")
        files.write_soon("second")
        assert not place.exists()
        await asyncio.sleep(3 * logfiles.SOON)
        assert place.read_text() == "first\nsecond\n"
        files.write_soon("third")

    asyncio.run(come())
    files.close()
    assert place.read_text() == "first\nsecond\nthird\n"


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    files = DayFiles(tmp_path, "web", FixedClock(DAY))
    threads = [
        threading.Thread(target=lambda name=name: [files.write(name * 500) for _ in range(200)]) for name in "abcd"
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    files.close()
    lines = next(tmp_path.glob("*")).read_text().splitlines()
    assert sorted(lines) == sorted(name * 500 for name in "abcd" for _ in range(200))


def test_past_days_are_packed_and_kept_for_their_time(tmp_path: Path) -> None:
    now = datetime(2026, 9, 3, 12, tzinfo=UTC)
    ages = {"today": 0, "yesterday": 1, "last": 184, "over": 185}
    for name, age in ages.items():
        day = (now - timedelta(days=age)).date().isoformat()
        (tmp_path / f"{day}.web.{age + 1}.ndjson").write_text(line(now - timedelta(days=age), event=name) + "\n")
    (tmp_path / "notes.txt").write_text("mine")
    assert logfiles.keep(tmp_path, 184, now) == (2, 1)
    assert logfiles.keep(tmp_path, 184, now) == (0, 0)
    assert sorted(path.name for path in tmp_path.glob("*")) == [
        "2026-03-03.web.185.ndjson.gz", "2026-09-02.web.2.ndjson.gz", "2026-09-03.web.1.ndjson", "notes.txt",
    ]  # fmt: skip
    kept = [each["event"] for each in logfiles.read(tmp_path, now - timedelta(days=400))]
    assert kept == ["last", "yesterday", "today"]
    assert gzip.decompress((tmp_path / "2026-09-02.web.2.ndjson.gz").read_bytes()).count(b"\n") == 1


def test_a_day_just_over_is_still_written_to(tmp_path: Path) -> None:
    (tmp_path / "2026-03-02.web.1.ndjson").write_text("{}\n")
    assert logfiles.keep(tmp_path, 184, DAY + timedelta(minutes=30)) == (0, 0)
    assert logfiles.keep(tmp_path, 184, DAY + timedelta(minutes=61)) == (1, 0)


def test_lines_of_several_processes_come_in_order_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    for process, seconds in (("1", (0, 2, 4)), ("2", (1, 3))):
        lines = [line(DAY + timedelta(seconds=each - 30), event=str(each), request=process) for each in seconds]
        (tmp_path / f"2026-03-02.web.{process}.ndjson").write_text("\n".join([*lines, '{"timestamp": "2026']))
    assert [each["event"] for each in logfiles.read(tmp_path, DAY - timedelta(minutes=1))] == ["0", "1", "2", "3", "4"]
    assert [each["event"] for each in logfiles.read(tmp_path, DAY - timedelta(seconds=28))] == ["2", "3", "4"]
    assert [each["event"] for each in logfiles.read(tmp_path, DAY - timedelta(days=1), "2")] == ["1", "3"]


def test_a_full_disk_stops_no_work_and_the_loss_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    with small_disks({folder: 1}):
        files = DayFiles(folder, "web", FixedClock(DAY))
        ballast = folder / "ballast"
        ballast.write_bytes(bytes((1 << 20) - 8192))
        for _ in range(30):
            files.write("x" * 1000)
        ballast.unlink()
        files.write("again")
        files.close()
        lines = (folder / f"2026-03-02.web.{os.getpid()}.ndjson").read_text()
    lost = json.loads(next(each for each in lines.splitlines() if "log_lines_lost" in each))
    assert 10 < lost["lines"] < 30
    assert lines.endswith("again\n")


def test_fewer_days_than_the_law_asks_are_refused() -> None:
    assert load({}).log_days == 184
    assert load({"CITYLOOM_LOG_DAYS": "400"}).log_days == 400
    with pytest.raises(Invalid, match=r"kernel\.setting_wrong"):
        load({"CITYLOOM_LOG_DAYS": "183"})


def test_spans_and_moments() -> None:
    assert [moment(text, DAY) for text in ("90s", "2h", "7d")] == [
        DAY - timedelta(seconds=90), DAY - timedelta(hours=2), DAY - timedelta(days=7),
    ]  # fmt: skip
    assert moment("2026-03-01T08:00+08:00", DAY) == datetime(2026, 3, 1, tzinfo=UTC)
    for wrong in ("", "yesterday", "2w", "-1h"):
        with pytest.raises(Invalid, match=r"logs\.since_wrong"):
            moment(wrong, DAY)


def test_controls_are_escaped_in_every_line() -> None:
    text = log.render({"event": "a\x1b\x85\u2028\u202eb\n", "字": "城"})
    assert text == '{"event":"a\\u001b\\u0085\\u2028\\u202eb\\n","字":"城"}'


@pytest.mark.parametrize("where", ["thread", "process"])
def test_what_ends_a_process_or_a_thread_is_one_line_of_json(where: str, tmp_path: Path) -> None:
    program = [
        "import sys, threading, pathlib",
        "from cityloom.kernel import log",
        "log.configure('info', pathlib.Path(sys.argv[1]), 'worker')",
        "def end(): raise OSError('no server\\n\\ton that socket of 13800138000')",
        "end()" if where == "process" else "threading.Thread(target=end).start()",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program), str(tmp_path)], capture_output=True, text=True, check=False
    )
    (told,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert (told["event"], told["level"]) == ("crashed", "critical")
    assert "no server\n\ton that socket of [personal]" in told["exception"]
    (kept,) = tmp_path.iterdir()
    assert json.loads(kept.read_text()) == told
    assert done.returncode == (where == "process")


def test_what_libraries_log_in_the_server_is_a_line_of_json(tmp_path: Path) -> None:
    program = [
        "import logging, pathlib, sys",
        "from cityloom import server",
        "from cityloom.kernel import log",
        "log.configure('info', pathlib.Path(sys.argv[1]), 'web')",
        "server.make_app(None)",
        "logging.getLogger('psycopg.pool').warning('no server\\n\\ton that socket')",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(program), str(tmp_path)], capture_output=True, text=True, check=False
    )
    (told,) = [json.loads(each) for each in done.stderr.splitlines()]
    assert (told["event"], told["logger"]) == ("no server\n\ton that socket", "psycopg.pool")
