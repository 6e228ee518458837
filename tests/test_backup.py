"""A real small city is copied while it works, brought back elsewhere, and is the same city; nothing false is brought back."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
import typer
from typer.testing import CliRunner

from cityloom import backup as backups
from cityloom.client import Exchange, File
from cityloom.kernel import sealed
from cityloom.kernel.errors import Conflict, Invalid, NotFound, Problem, Unsupported
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings
from faults.running import RunningCity

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
        receipts = door.get("/api/exchange/datasets/stock/deliveries", limit=1000)
        there = {each["delivery"] for each in receipts}
        assert set(before) <= there
        assert {each["state"] for each in receipts} == {"accepted"}
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
        assert new["first_sequence"] == max(each["last_sequence"] for each in receipts) + 1
        original.close()
        door.close()
    finally:
        restored.stop()
        clear(restored.settings.home)


def test_undecided_deliveries_are_decided_in_the_restored_city(tmp_path: Path) -> None:
    running = RunningCity(tmp_path, home=tmp_path / "one", inline_mib=0)
    other = RunningCity(tmp_path, home=tmp_path / "two", inline_mib=0)
    try:
        running.start()
        running.wait()
        token = running.token
        for worker in running.processes("cityloom.worker"):
            os.kill(worker, 19)  # SIGSTOP: what is received stays undecided
        door = running.door()
        content = b"item,amount,note\n" + b"".join(b"u%d,%d,u\n" % (number, number) for number in range(50))
        answer = door.http.put(
            "/api/exchange/datasets/stock/deliveries/u1", content=content, headers={"content-type": "text/csv"}
        )
        assert answer.status_code == 202
        backups.make(running.settings, tmp_path / "copy")
        door.close()
        told = backups.bring_back(tmp_path / "copy", other.settings)
        assert (told.undecided, told.records) == (1, 0)
        other.start()
        other.wait()
        other._token = token
        door = other.door()
        while (receipt := door.get("/api/exchange/datasets/stock/deliveries/u1"))["state"] != "accepted":
            threading.Event().wait(0.2)
        assert receipt["counts"]["accepted"] == 50
        door.close()
    finally:
        for each in (running, other):
            for worker in each.processes("cityloom.worker"):
                os.kill(worker, 18)
            each.stop()
            clear(each.settings.home)


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
