"""A real small city is copied while it works, brought back elsewhere, and is the same city; nothing false is brought back."""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
import typer
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from cityloom import app as city
from cityloom import backup as backups
from cityloom.client import Exchange, File
from cityloom.exchange.api import deliveries, spool
from cityloom.exchange.contracts import Declaration
from cityloom.kernel import sealed
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Problem, Unavailable, Unsupported
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings
from faults.running import RunningCity, write_pack
from scratch import Scratch

cli = typer.Typer()
cli.command()(backups.backup)
cli.command()(backups.restore)


def csv(folder: Path, name: str, text: str) -> File:
    path = folder / f"{name}.csv"
    path.write_text(text)
    return File(path)


def fill(door: Exchange, folder: Path) -> None:
    """Rows in files, rows in PostgreSQL, deleted rows, quarantined rows."""
    rows = "".join(f"k{number},{number},n\n" for number in range(200))
    door.deliver("stock", "d1", csv(folder, "d1", f"item,amount,note\n{rows}"))
    door.deliver("stock", "d2", csv(folder, "d2", "item,amount,note\na,1,x\nb,-1,y\n"))
    gone = "".join(f"k{number}\n" for number in range(0, 60, 2))
    door.deliver("stock", "d3", csv(folder, "d3", f"item\n{gone}"), mode="delete")


def home_of(running: RunningCity, home: Path) -> Settings:
    return msgspec.structs.replace(running.settings, home=home)


def clear(home: Path) -> None:
    """The database cluster of a home may lie elsewhere, when the tests run as root."""
    server = Server(home)
    server.stop()
    shutil.rmtree(server.state, ignore_errors=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    """A small city, filled, and running until all tests are done."""
    folder = tmp_path_factory.mktemp("city")
    running = RunningCity(folder)
    running.start()
    try:
        running.wait()
        door = running.door()
        fill(door, folder)
        door.close()
        yield running
    finally:
        running.stop()
        clear(running.settings.home)


@pytest.fixture(scope="module")
def copy(source: RunningCity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of it, its secrets sealed."""
    path = tmp_path_factory.mktemp("backups") / "first"
    backups.make(source.settings, path, "correct horse")
    return path


@pytest.fixture
def target(source: RunningCity, tmp_path: Path) -> Iterator[Settings]:
    """The same settings with a new home."""
    settings = home_of(source, tmp_path / "home")
    yield settings
    clear(settings.home)


def lines(door: Exchange, address: str, folder: Path) -> list[bytes]:
    path = folder / "lines.ndjson"
    door.download(f"/api/exchange/datasets/{address}", path)
    return sorted(path.read_bytes().splitlines())


def decided(door: Exchange) -> list[dict[str, Any]]:
    """The receipts, once nothing waits any more."""
    end = time.monotonic() + 60
    while True:
        found: list[dict[str, Any]] = door.get("/api/exchange/datasets/stock/deliveries", limit=1000)
        if time.monotonic() > end or all(each["state"] not in ("received", "committing") for each in found):
            return found
        time.sleep(0.2)


def test_a_city_copied_while_it_works_comes_back_whole(source: RunningCity, tmp_path: Path) -> None:
    accepted: list[str] = []
    ended = threading.Event()

    def send() -> None:
        door = source.door()
        for number in range(10_000):
            if ended.is_set():
                break
            name = f"while-{number}"
            door.deliver("stock", name, csv(tmp_path, name, f"item,amount,note\nw{number},{number},w\n"))
            accepted.append(name)
        door.close()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        while len(accepted) < 5:
            ended.wait(0.05)
        before = list(accepted)
        made = backups.make(source.settings, tmp_path / "copy", "")
        after = list(accepted)
    finally:
        ended.set()
        sender.join()
    assert len(after) > len(before)
    assert backups.faults(tmp_path / "copy") == []
    assert made.files == len(backups.read_manifest(tmp_path / "copy").files)
    restored = RunningCity(tmp_path, home=tmp_path / "restored")
    try:
        told = backups.bring_back(tmp_path / "copy", restored.settings)
        assert told.audit_verified
        assert told.findings == ()
        assert told.audit_signed > 10
        assert told.datasets >= 1
        restored.start()
        restored.wait()
        restored._token = source.token
        door = restored.door()
        receipts = decided(door)
        there = {each["delivery"] for each in receipts}
        assert set(before) <= there
        assert {each["state"] for each in receipts} <= {"accepted", "receiving"}
        there -= {each["delivery"] for each in receipts if each["state"] == "receiving"}
        records = lines(door, "stock/records", tmp_path)
        written = [each for each in there if each.startswith("while-")]
        assert len(records) == 200 - 30 + 1 + len(written)
        # the receipts are the same, byte for byte, and so is what follows them
        original = source.door()
        for name in ("d1", "d3", before[0]):
            address = f"/api/exchange/datasets/stock/deliveries/{name}"
            assert door.get(address) == original.get(address)
        again = door.deliver("stock", "d1", csv(tmp_path, "d1", (source.settings.home.parent / "d1.csv").read_text()))
        assert again["first_sequence"] == 1
        new = door.deliver("stock", "new", csv(tmp_path, "new", "item,amount,note\nz,1,z\n"))
        assert new["first_sequence"] == max(each.get("last_sequence", 0) for each in receipts) + 1
        original.close()
        door.close()
    finally:
        restored.stop()
        clear(restored.settings.home)


def test_both_commands_tell_what_they_did(source: RunningCity, tmp_path: Path) -> None:
    environment = {"CITYLOOM_PACKS": source.settings.packs, "CITYLOOM_CITY": "small"}
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    call = CliRunner(env=environment)
    made = call.invoke(
        cli,
        [
            "backup",
            str(tmp_path / "copy"),
            "--home",
            str(source.settings.home),
            f"--passphrase-file={secret}",
            "--json",
        ],
    )
    assert made.exit_code == 0, made.output
    assert msgspec.json.decode(made.stdout)["files"] > 5
    assert call.invoke(cli, ["backup", str(tmp_path / "copy"), "--verify"]).exit_code == 0
    home = tmp_path / "home"
    try:
        told = call.invoke(
            cli, ["restore", str(tmp_path / "copy"), "--into", str(home), f"--passphrase-file={secret}", "--json"]
        )
        assert told.exit_code == 0, told.output
        result = msgspec.json.decode(told.stdout)
        assert result["audit_verified"]
        assert result["records"] >= 171
    finally:
        clear(home)


def test_secrets_are_sealed_and_nothing_else_tells_them(source: RunningCity, copy: Path) -> None:
    assert (copy / backups.SEALED).exists()
    assert not (copy / backups.PLAIN).exists()
    held = [path.read_bytes() for path in copy.rglob("*") if path.is_file()]
    found = [path for path in source.settings.secrets.iterdir() if path.is_file()]
    assert len(found) >= 4
    for path in found:
        text = path.read_text().strip()
        assert not any(text.encode() in content for content in held), path.name
    assert {path.stat().st_mode & 0o077 for path in copy.glob("*.sealed")} == {0}
    assert (copy / backups.DATABASE).stat().st_mode & 0o077 == 0


def test_a_wrong_passphrase_restores_nothing(copy: Path, target: Settings) -> None:
    for wrong in ("", "correct horsf"):
        with pytest.raises(Invalid, match=r"backup\.passphrase_wrong"):
            backups.bring_back(copy, target, wrong)
    assert not target.home.exists() or list(target.home.iterdir()) == []


def lake_file(folder: Path) -> Path:
    return max(folder.glob("lake/**/*.parquet"), key=lambda path: path.stat().st_size)


def flip(folder: Path) -> None:
    path = lake_file(folder)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lose(folder: Path) -> None:
    lake_file(folder).unlink()


def cut(folder: Path) -> None:
    path = folder / backups.DATABASE
    os.truncate(path, path.stat().st_size - 1)


def add(folder: Path) -> None:
    (folder / "audit" / "more").write_text("?")


@pytest.mark.parametrize("harm", [flip, lose, cut, add])
def test_a_backup_that_was_touched_is_found_out_and_not_restored(
    copy: Path, target: Settings, tmp_path: Path, harm: object
) -> None:
    touched = tmp_path / "touched"
    shutil.copytree(copy, touched)
    assert backups.faults(touched) == []
    harm(touched)  # type: ignore[operator]
    assert len(backups.faults(touched)) == 1
    assert CliRunner().invoke(cli, ["backup", str(touched), "--verify"]).exit_code == 1
    with pytest.raises(Invalid, match=r"backup\.damaged"):
        backups.bring_back(touched, target, "correct horse")
    assert not target.home.exists()


def test_a_path_that_leads_out_of_the_backup_is_refused(copy: Path, target: Settings, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    shutil.copytree(copy, touched)
    (tmp_path / "outside").write_text("x")
    manifest = backups.read_manifest(touched)
    outside = msgspec.structs.replace(manifest.files[0], path="lake/../../outside")
    (touched / backups.MANIFEST).write_bytes(
        msgspec.json.encode(msgspec.structs.replace(manifest, files=(*manifest.files, outside)))
    )
    with pytest.raises(Invalid, match=r"backup\.damaged"):
        backups.bring_back(touched, target, "correct horse")


def test_only_an_empty_home_is_restored_into(copy: Path, target: Settings, source: RunningCity) -> None:
    target.home.mkdir()
    (target.home / "mine").write_text("mine")
    with pytest.raises(Conflict, match=r"backup\.home_not_empty"):
        backups.bring_back(copy, target, "correct horse")
    assert [path.name for path in target.home.iterdir()] == ["mine"]
    with pytest.raises(Conflict, match=r"backup\.home_not_empty"):
        backups.bring_back(copy, source.settings, "correct horse")


def test_nothing_is_overwritten_and_no_city_is_made_up(source: RunningCity, copy: Path, tmp_path: Path) -> None:
    with pytest.raises(Conflict, match=r"backup\.exists"):
        backups.make(source.settings, copy)
    with pytest.raises(NotFound, match=r"backup\.no_city"):
        backups.make(home_of(source, tmp_path / "nowhere"), tmp_path / "copy")
    with pytest.raises(NotFound, match=r"backup\.no_backup"):
        backups.faults(tmp_path)
    assert not (tmp_path / "copy").exists()


def test_a_lake_in_a_bucket_is_not_copied_in_silence(source: RunningCity, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(source.settings, lake_path="s3://bucket/city")
    with pytest.raises(Unsupported, match=r"backup\.lake_in_bucket"):
        backups.make(settings, tmp_path / "copy")
    backups.make(settings, tmp_path / "copy", bucket=True)
    manifest = backups.read_manifest(tmp_path / "copy")
    assert len(manifest.elsewhere) > 1
    assert not (tmp_path / "copy" / "lake").exists()
    with pytest.raises(Unsupported, match=r"backup\.lake_in_bucket"):
        backups.bring_back(tmp_path / "copy", home_of(source, tmp_path / "home"))
    clear(tmp_path / "home")


def test_an_entry_that_was_edited_before_the_backup_is_named_after_it(source: RunningCity, tmp_path: Path) -> None:
    first, settings = home_of(source, tmp_path / "first"), home_of(source, tmp_path / "second")
    try:
        backups.make(source.settings, tmp_path / "copy")
        backups.bring_back(tmp_path / "copy", first)
        server = Server(first.home)
        server.start()
        try:
            with psycopg.connect(server.admin_url) as connection:
                connection.execute(
                    "UPDATE kernel.audit_entry SET body = replace(body, '\"accepted\":200', '\"accepted\":199')"
                    " WHERE body LIKE '%delivery_accepted%stock/d1%'"
                )
        finally:
            server.stop()
        backups.make(first, tmp_path / "edited")
        told = backups.bring_back(tmp_path / "edited", settings)
        assert not told.audit_verified
        assert [finding.split()[0] for finding in told.findings] == ["audit.entry_changed"]
    finally:
        for home in (first.home, settings.home):
            clear(home)


@pytest.mark.parametrize("harm", [lambda text: text[:-1], lambda text: text.replace(b"32768", b"16384"), lambda _: b""])
def test_sealed_bytes_open_only_as_they_are(harm: object) -> None:
    text = sealed.seal(b"content", "passphrase")
    assert b"content" not in text
    assert sealed.unseal(text, "passphrase") == b"content"
    with pytest.raises(Problem, match=r"backup\.passphrase_wrong"):
        sealed.unseal(harm(text), "passphrase")  # type: ignore[operator]


def test_a_header_cannot_ask_for_all_memory() -> None:
    header = msgspec.json.encode(sealed.Header("00" * 16, "00" * 12, n=1 << 30))
    with pytest.raises(Problem, match=r"backup\.passphrase_wrong"):
        sealed.unseal(header + b"\n" + bytes(32), "passphrase")


@pytest.fixture
def quiet(scratch: Scratch, tmp_path: Path) -> Settings:
    """A small city that does not run, in a database by URL."""
    packs = tmp_path / "packs"
    packs.mkdir()
    write_pack(packs)
    settings = msgspec.structs.replace(scratch.settings, packs=str(packs), city="small", min_free_mib=1, inline_mib=0)
    city.prepare(settings)
    return settings


@pytest.fixture
def empty(postgres: Server, quiet: Settings, tmp_path: Path) -> Iterator[Settings]:
    """The same settings with a new home and an empty database."""
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE brought_back")
        url = make_conninfo(postgres.admin_url, dbname="brought_back")
        try:
            yield msgspec.structs.replace(quiet, home=tmp_path / "other", database_url=url)
        finally:
            connection.execute("DROP DATABASE brought_back WITH (FORCE)")


def count(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    return int(row[0]) if row else -1


def test_a_database_by_url_is_dumped_and_filled_alike(quiet: Settings, empty: Settings, tmp_path: Path) -> None:
    entries = count(quiet.database_url, "kernel.audit_entry")
    backups.make(quiet, tmp_path / "copy")
    told = backups.bring_back(tmp_path / "copy", empty)
    assert (told.audit_entries, told.audit_verified) == (entries, True)
    again = msgspec.structs.replace(empty, home=tmp_path / "again")
    with pytest.raises(Conflict, match=r"backup\.database_not_empty"):
        backups.bring_back(tmp_path / "copy", again)
    assert list(again.home.iterdir()) == []


def test_undecided_deliveries_are_decided_in_the_restored_city(
    quiet: Settings, empty: Settings, tmp_path: Path
) -> None:
    content = b"item,amount,note\n" + b"".join(b"u%d,%d,u\n" % (number, number) for number in range(50))
    parts = city.open_parts(quiet)
    ctx = platform_context(parts, "test")
    delivery = deliveries.claim(ctx, "stock", "u1", Declaration(media="text/csv"))
    deliveries.received(ctx, delivery, spool.copy(ctx, iter([content])))
    backups.make(quiet, tmp_path / "copy")
    city.close_parts(parts)
    shutil.rmtree(quiet.spool)
    told = backups.bring_back(tmp_path / "copy", empty)
    assert (told.undecided, told.deliveries, told.records) == (1, 1, 0)
    parts = city.open_parts(empty)
    receipt = deliveries.process(platform_context(parts, "test"), "stock", "u1")
    city.close_parts(parts)
    assert (receipt.state, receipt.counts and receipt.counts.accepted) == ("accepted", 50)
    assert count(empty.database_url, "jobs.procrastinate_jobs WHERE status = 'todo'") == 1


def test_a_dump_that_fails_says_why_and_leaves_no_backup(quiet: Settings, scratch: Scratch, tmp_path: Path) -> None:
    # the application's role may read, and not all rows
    weak = msgspec.structs.replace(quiet, database_url=scratch.app_url)
    with pytest.raises(Unavailable, match=r"backup\.dump_failed"):
        backups.make(weak, tmp_path / "copy")
    assert [path.name for path in tmp_path.glob("copy*")] == []
