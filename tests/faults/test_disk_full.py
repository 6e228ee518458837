"""No room left: for the spool, for the lake's files, for PostgreSQL. A clear answer, nothing half there, and it goes on."""

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import psycopg
import pytest

from cityloom import client
from cityloom.kernel.postgres import Server
from faults.conftest import LAKE_MIB, Tell
from faults.running import RunningCity
from faults.senders import Senders

SPOOL_MIB, LAKE_FILES_MIB, DATABASE_MIB = 64, 400, 420


@contextlib.contextmanager
def small_disks(disks: dict[Path, int]) -> Iterator[None]:
    """A file system of its own for each folder, so many MiB large."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk to fill")
    mounted: list[Path] = []
    try:
        for folder, size in disks.items():
            folder.mkdir(parents=True, exist_ok=True)
            command = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"mounting a small disk is not allowed here: {done.stderr.strip()}")
            mounted.append(folder)
        yield
    finally:
        for folder in reversed(mounted):
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


@pytest.fixture(scope="module")
def small_city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A city whose spool, lake and database each have a small disk of their own."""
    folder = tmp_path_factory.mktemp("small")
    home = folder / "home"
    home.mkdir()
    state = Server(home).state
    disks = {home / "spool": SPOOL_MIB, home / "lake": LAKE_FILES_MIB, state: DATABASE_MIB}
    with small_disks(disks):
        city = RunningCity(folder, inline_mib=1, lake_memory_mib=LAKE_MIB)
        try:
            city.start()
            city.wait()
            assert city.token
            yield city
        finally:
            city.remove()


@contextlib.contextmanager
def filled(folder: Path, leave_mib: float = 0.0) -> Iterator[None]:
    """No room in this folder but so much."""
    ballast = folder / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            disk = os.statvfs(folder)
            left, step = disk.f_bavail * disk.f_frsize - int(leave_mib * (1 << 20)), 1 << 24
            while left > 0 and step >= disk.f_frsize:
                try:
                    file.write(bytes(min(left, step)))
                    left -= step
                except OSError:  # somebody else took some
                    step //= 4
        yield
    finally:
        ballast.unlink(missing_ok=True)


def rows(mib: float) -> bytes:
    """A file of about that size that packs badly."""
    lines = [b"item,amount,note\n"]
    lines += [b"r%d,%d,%s\n" % (number, number, os.urandom(400).hex().encode()) for number in range(int(mib * 1280))]
    return b"".join(lines)


def put(city: RunningCity, dataset: str, id: str, body: bytes, length: bool = True) -> httpx.Response:
    """One try, without insisting."""
    headers = {"authorization": f"Bearer {city.token}", "content-type": "text/csv", "accept-language": "en"}
    pieces = (body[start : start + 65536] for start in range(0, len(body), 65536))
    address = f"{city.url}/api/exchange/datasets/{dataset}/deliveries/{id}"
    return httpx.put(address, content=body if length else pieces, headers=headers, timeout=120)


def deliver(city: RunningCity, dataset: str, id: str, path: Path) -> dict[str, object]:
    """Insist until the receipt."""
    with closing(city.door()) as door:
        return door.deliver(dataset, id, client.File(path))


def told_of_no_room(answer: httpx.Response) -> None:
    assert answer.status_code == 507, answer.text
    assert answer.json()["code"] == "kernel.disk_full"
    assert int(answer.headers["retry-after"]) > 0


def nothing_of(city: RunningCity, dataset: str) -> None:
    """No record and no change row."""
    with closing(city.door()) as door:
        for what in ("records", "changes"):
            assert door.http.get(f"/api/exchange/datasets/{dataset}/{what}").content == b""


@pytest.mark.parametrize("length", [True, False], ids=["told", "untold"])
def test_no_room_in_the_spool(small_city: RunningCity, tmp_path: Path, length: bool) -> None:
    """Refused before the first byte when the length is told, and when the disk is full if not."""
    city, dataset = small_city, small_city.dataset()
    body = rows(40)
    with filled(city.settings.spool, leave_mib=20):
        told_of_no_room(put(city, dataset, "d1", body, length))
        assert {path.name for path in city.spooled()} == {"ballast"}
        nothing_of(city, dataset)
        assert put(city, dataset, "small", b"item,amount\na,1\n").status_code == 200
    (tmp_path / "d1.csv").write_bytes(rows(10))
    assert deliver(city, dataset, "d1", tmp_path / "d1.csv")["state"] == "accepted"


def test_no_room_for_the_lakes_files(small_city: RunningCity, tmp_path: Path, tell: Tell) -> None:
    """What was received waits, and is decided when there is room; what is decided meanwhile is not hurt."""
    city, dataset = small_city, small_city.dataset()
    lake = Path(city.settings.lake_files)
    (tmp_path / "large.csv").write_bytes(rows(12))
    (tmp_path / "inline.csv").write_bytes(rows(0.9))
    with filled(lake):  # nearly full: refused before the first byte
        told_of_no_room(put(city, dataset, "early", b"item,amount\na,1\n"))
    with filled(lake, leave_mib=1.3):  # enough to begin, not to end
        told_of_no_room(put(city, dataset, "inline", (tmp_path / "inline.csv").read_bytes()))
        assert put(city, dataset, "large", (tmp_path / "large.csv").read_bytes()).status_code == 202
        time.sleep(4)
        nothing_of(city, dataset)
        again = put(city, dataset, "large", (tmp_path / "large.csv").read_bytes())
        assert (again.status_code, again.json()["state"]) == (202, "received")
    started = time.monotonic()
    large = deliver(city, dataset, "large", tmp_path / "large.csv")
    inline = deliver(city, dataset, "inline", tmp_path / "inline.csv")
    assert {large["state"], inline["state"]} == {"accepted"}
    tell("after room was made in the lake", seconds=time.monotonic() - started)
    with closing(city.door()) as door:
        lines = door.http.get(
            f"/api/exchange/datasets/{dataset}/changes", params={"limit": 1_000_000}
        ).content.splitlines()
    counts = [found["counts"] for found in (large, inline)]
    assert len(lines) == sum(each["accepted"] for each in counts)  # type: ignore[index]
    assert time.monotonic() - started < 60


def write_until_it_stops(city: RunningCity) -> None:
    """Have PostgreSQL write its log until there is no room for it, which it does not survive."""
    end = time.monotonic() + 60
    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(city.server.admin_url, autocommit=True) as connection,
    ):
        while time.monotonic() < end:
            connection.execute("SELECT pg_logical_emit_message(false, 'filling', repeat('x', 4000000))")
    assert time.monotonic() < end, city.tail()


def test_no_room_for_the_database(small_city: RunningCity, tmp_path: Path, tell: Tell) -> None:
    """PostgreSQL stops when it cannot write its log. Callers are told to come again, and do; nothing is lost."""
    city = small_city
    senders = Senders(city, tmp_path)
    senders.progress(2)
    state = city.server.state
    before = city.postmaster()
    with filled(state):
        write_until_it_stops(city)
        refused = put(city, senders.dataset, "refused", b"item,amount\na,1\n")
        assert refused.status_code == 503, refused.text
        assert int(refused.headers["retry-after"]) > 0
        time.sleep(5)
        ended = city.postmaster() != before
        assert httpx.get(f"{city.url}/readyz", timeout=60).status_code == 503
    back = city.wait()
    senders.progress(3)
    senders.let_end()
    tell("after room was made for the database", postmaster_ended=ended, back_s=back, deliveries=senders.check())
    assert back < 60
