"""The offline verifier: damaged and forged exports and proofs, the commands, and the verifier that the docs print."""

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest
from audit_kit import Logged, entries, short
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from cityloom.kernel import words
from cityloom.kernel.audit import api, commands, entry, keys, merkle, verify
from cityloom.kernel.audit.walk import MOST_FINDINGS, Findings, Walk
from cityloom.kernel.db import PLATFORM, Database
from cityloom.kernel.errors import Conflict, Invalid

Found = list[tuple[str, int, int]]
Damage = Callable[[Path], None]


@pytest.fixture
def log(scratch: Any, database: Database) -> Iterator[Logged]:
    """A log of 100 entries under the heads 10, 30, 60 and 100."""
    settings = scratch.settings
    found = Logged(database, scratch.admin_url, settings.audit_files, keys.open_signer(settings.secrets))
    found.grow(10, 20, 30, 40)
    return found


def lines(name: str, change: Callable[[list[bytes]], list[bytes]]) -> Damage:
    """Change the lines of a file of an export."""

    def damage(folder: Path) -> None:
        path = folder / name
        path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))

    return damage


def flip(name: str, at: int) -> Damage:
    """Turn one bit of a file."""

    def damage(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[at] ^= 1
        (folder / name).write_bytes(data)

    return damage


def cut(name: str, size: int) -> Damage:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:size]) and None


def without(*names: str) -> Damage:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def both(*damages: Damage) -> Damage:
    def damage(folder: Path) -> None:
        for one in damages:
            one(folder)

    return damage


def forged(line: bytes) -> bytes:
    return line.replace(b"person", b"nobody")


ENTRIES, HEADS, LEAVES = "entries.ndjson", "heads.ndjson", "leaves.sha256"
ALONE = without("database-heads.ndjson")
DAMAGED: dict[str, tuple[Damage, Found]] = {
    "nothing": (both(), []),
    "no heads of the database": (ALONE, []),
    "no leaves": (without(LEAVES), []),
    "a line changed": (lines(ENTRIES, lambda row: [*row[:5], forged(row[5]), *row[6:]]), [("entry_changed", 5, 5)]),
    "a line without its position": (lines(ENTRIES, lambda row: [*row[:5], b"{}", *row[6:]]), [("entry_changed", 5, 5)]),
    "a line that claims another": (
        lines(ENTRIES, lambda row: [*row[:5], forged(row[80]), *row[6:]]),
        [("entry_inserted", 80, 80), ("entry_missing", 5, 5)],
    ),
    "a line gone": (lines(ENTRIES, lambda row: [*row[:5], *row[6:]]), [("entry_missing", 5, 5)]),
    "a line put in": (lines(ENTRIES, lambda row: [*row[:5], forged(row[5]), *row[5:]]), [("entry_inserted", 5, 5)]),
    "a line twice": (lines(ENTRIES, lambda row: [*row[:5], row[4], *row[5:]]), [("entry_inserted", 4, 4)]),
    "an empty line": (lines(ENTRIES, lambda row: [*row[:5], b"", *row[5:]]), [("entry_inserted", 5, 5)]),
    "a changed and a missing line": (
        lines(ENTRIES, lambda row: [*row[:5], forged(row[6]), *row[7:]]),
        [("entry_missing", 5, 5), ("entry_changed", 6, 6)],
    ),
    "the last lines gone": (lines(ENTRIES, lambda row: row[:97]), [("entry_missing", 97, 99)]),
    "no lines": (lines(ENTRIES, lambda _: []), [("entry_missing", 0, 99)]),
    "lines too many": (lines(ENTRIES, lambda row: [*row, b'{"position":100,"a":1}']), [("entry_inserted", 100, 100)]),
    "a torn last line": (cut(ENTRIES, -9), [("entry_changed", 99, 99)]),
    "a leaf changed": (flip(LEAVES, 32 * 41), [("leaf_changed", 41, 41)]),
    "leaves short": (cut(LEAVES, 32 * 97 + 5), [("leaf_missing", 97, 99)]),
    "a leaf and its line changed": (
        both(flip(LEAVES, 32 * 41), lines(ENTRIES, lambda row: [*row[:41], forged(row[41]), *row[42:]])),
        [("entry_changed", 41, 41), ("history_rewritten", 30, 59)],
    ),
    "no leaves, a line changed": (
        both(without(LEAVES), lines(ENTRIES, lambda row: [*row[:5], forged(row[5]), *row[6:]])),
        [("history_rewritten", 0, 9)],
    ),
    "no leaves, a line gone": (
        both(without(LEAVES), lines(ENTRIES, lambda row: [*row[:71], *row[72:]])),
        [("entry_missing", 71, 71)],
    ),
    "a head's signature": (
        both(ALONE, lines(HEADS, lambda row: [row[0], row[1].replace(b'"time":"2026', b'"time":"2025'), *row[2:]])),
        [("head_signature", 29, 29)],
    ),
    "a head's signature is no base64": (
        both(ALONE, lines(HEADS, lambda row: [re.sub(rb'"signature":"..', b'"signature":"??', row[0]), *row[1:]])),
        [("head_signature", 9, 9)],
    ),
    "a head of another log": (
        both(ALONE, lines(HEADS, lambda row: [re.sub(rb'"log":"........', b'"log":"00000000', row[0]), *row[1:]])),
        [("head_foreign", 9, 9)],
    ),
    "heads out of order": (
        both(ALONE, lines(HEADS, lambda row: [row[0], row[2], row[1], row[3]])),
        [("head_order", 29, 29)],
    ),
    "a line that is no head": (
        both(ALONE, lines(HEADS, lambda row: [row[0], b"{}", *row[1:]])),
        [("head_unreadable", 0, 0)],
    ),
    "a head written otherwise": (
        both(ALONE, lines(HEADS, lambda row: [row[0].replace(b",", b", "), *row[1:]])),
        [("head_unreadable", 0, 0)],
    ),
    "the last head gone": (both(ALONE, lines(HEADS, lambda row: row[:3])), [("leaf_unsigned", 60, 99)]),
    "no heads": (
        both(ALONE, without(HEADS)),
        [("nothing_signed", 0, 99), ("leaf_unsigned", 0, 99)],
    ),
    "a head the database lacks": (
        lines("database-heads.ndjson", lambda row: [row[0], *row[2:]]),
        [("head_missing", 29, 29)],
    ),
    "a head only the database has": (lines(HEADS, lambda row: [row[0], *row[2:]]), [("head_inserted", 29, 29)]),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_to_an_export_is_named(log: Logged, tmp_path: Path, case: str) -> None:
    damage, expected = DAMAGED[case]
    path = log.export(tmp_path / "export")
    damage(path)
    for form in (path, pack(path)):
        report = verify.verify(form, [log.signer.public])
        assert short(report) == expected
        assert report.ok is (expected == [])


def pack(folder: Path) -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder))
    return path


def test_both_forms_of_an_export_hold_the_same_and_nothing_is_overwritten(log: Logged, tmp_path: Path) -> None:
    log.append(3, 100)
    folder, packed = log.export(tmp_path / "export"), log.export(tmp_path / "export.zip")
    with zipfile.ZipFile(packed) as archive:
        inside = {name: archive.read(name) for name in archive.namelist()}
    outside = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert inside == outside
    signed = {HEADS, LEAVES, f"keys/{log.signer.public.id}.pem"}
    assert set(outside) == {"README.md", "log.json", "database-heads.ndjson", ENTRIES} | signed
    for path in (folder, packed):
        report = verify.verify(path)
        assert (report.ok, report.entries, report.signed, report.unsigned, report.heads) == (True, 103, 100, 3, 4)
        with pytest.raises(Conflict, match=r"audit\.export_exists"):
            log.export(path)
    assert {path.name for path in tmp_path.glob("export*")} == {"export", "export.zip"}


@pytest.mark.parametrize(
    "damage",
    [
        without("log.json"),
        flip("log.json", 0),
        lines("log.json", lambda row: [row[0].replace(b"SHA-256", b"MD5")]),
        without(ENTRIES),
        lambda folder: (folder / "keys/x.pem").write_text("no key") and None,
        lines(ENTRIES, lambda row: [b"x" * (18 << 20), *row]),
    ],
)
def test_what_is_no_export_cannot_be_read(log: Logged, tmp_path: Path, damage: Damage) -> None:
    path = log.export(tmp_path / "export")
    damage(path)
    with pytest.raises(Invalid, match=r"audit\.(export|key)_unreadable"):
        verify.verify(path)


def test_a_damaged_zip_cannot_be_read(log: Logged, tmp_path: Path) -> None:
    path = log.export(tmp_path / "export.zip")
    data = bytearray(path.read_bytes())
    data[data.index(b"entries.ndjson") + 2000] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(Invalid, match=r"audit\.export_unreadable"):
        verify.verify(path)
    for wrong in (b"", b"PK", bytes(100)):
        path.write_bytes(wrong)
        with pytest.raises(Invalid, match=r"audit\.export_unreadable"):
            verify.verify(path)
    with pytest.raises(Invalid, match=r"audit\.export_unreadable"):
        verify.verify(tmp_path / "nowhere")


def changed(document: Any, **fields: Any) -> bytes:
    return entry.encode(msgspec.structs.replace(document, **fields))


def test_proofs_that_prove_nothing_are_refused(log: Logged, tmp_path: Path) -> None:
    with log.db.begin(PLATFORM) as tx:
        inclusion = api.prove_entry(tx, log.folder, 42)
        growth = api.prove_growth(tx, log.folder, 30)
    swapped = (inclusion.proof[1], inclusion.proof[0], *inclusion.proof[2:])
    false_head = msgspec.structs.replace(inclusion.head, root="00" * 32)
    cases = [
        (entry.encode(inclusion), []),
        (changed(inclusion, position=43), [("entry_not_proved", 43, 43)]),
        (changed(inclusion, entry=inclusion.entry.replace("person", "nobody")), [("entry_not_proved", 42, 42)]),
        (changed(inclusion, proof=swapped), [("entry_not_proved", 42, 42)]),
        (changed(inclusion, head=growth.first), [("entry_not_proved", 42, 42)]),
        (changed(inclusion, head=false_head), [("entry_not_proved", 42, 42), ("head_signature", 99, 99)]),
        (entry.encode(growth), []),
        (changed(growth, proof=growth.proof[1:]), [("growth_not_proved", 0, 29)]),
        (changed(growth, first=growth.second, second=growth.first), [("growth_not_proved", 0, 99)]),
    ]
    path = tmp_path / "proof.json"
    for data, expected in cases:
        path.write_bytes(data)
        assert short(verify.verify(path, [log.signer.public])) == expected
    path.write_bytes(entry.encode(inclusion))
    stranger = keys.open_signer(tmp_path / "stranger").public
    assert short(verify.verify(path, [stranger])) == [("head_key_unknown", 99, 99)]
    assert short(verify.verify(path, [], [false_head])) == [("history_rewritten", 0, 99)]
    for wrong in (b"", b"{}", b'{"type":"x"}', changed(inclusion, proof=("zz",)), changed(inclusion, keys={"a": "b"})):
        path.write_bytes(wrong)
        with pytest.raises(Invalid, match=r"audit\.(export|key)_unreadable"):
            verify.verify(path)


BODIES = [entry.body(one, place).encode() for place, one in enumerate(entries(12))]
HASHES = b"".join(merkle.leaf_hash(body) for body in BODIES)
EDITS = st.lists(st.tuples(st.sampled_from(["change", "drop", "repeat", "forge"]), st.integers(0, 11)), max_size=5)


@given(EDITS, st.integers(1, 5))
def test_a_walk_finds_nothing_only_where_nothing_was_done(edits: list[tuple[str, int]], step: int) -> None:
    rows: list[list[bytes]] = [[body] for body in BODIES]
    for kind, place in edits:
        match kind:
            case "change":
                rows[place] = [forged(body) for body in rows[place]]
            case "drop":
                rows[place] = []
            case "repeat":
                rows[place] = rows[place] * 2
            case _:
                rows[place] = [*rows[place], forged(BODIES[place])]
    given_ = [body for row in rows for body in row]
    findings = Findings()
    walk = Walk(findings, lambda first, end: HASHES[first * 32 : end * 32], 12, 12, "SHA-256")
    for at in range(0, len(given_), step):
        walk.take(given_[at : at + step])
    walk.finish()
    named = {place for finding in findings.all() for place in range(finding.first, finding.last + 1)}
    assert named == {place for place, row in enumerate(rows) if row != [BODIES[place]]}
    assert walk.seen == len(given_)


def test_a_flood_of_findings_is_cut_off_and_counted() -> None:
    findings = Findings()
    for place in range(0, 3 * MOST_FINDINGS, 2):
        findings.add("audit.entry_changed", place, place)
    found = findings.all()
    assert len(found) == MOST_FINDINGS + 1
    assert (found[-1].code, found[-1].detail) == ("audit.more_findings", str(MOST_FINDINGS // 2))


@pytest.fixture
def city(scratch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYLOOM_HOME", str(scratch.settings.home))
    monkeypatch.setenv("CITYLOOM_DATABASE_URL", scratch.admin_url)
    monkeypatch.setenv("CITYLOOM_LANGUAGE", "zh")


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(commands.app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout


@pytest.mark.usefixtures("city")
def test_the_commands_export_prove_and_verify(log: Logged, tmp_path: Path) -> None:
    log.append(5, 100)
    path, proof, key, head = (tmp_path / name for name in ("export.zip", "proof.json", "key.pem", "head.json"))
    code, text = run("export", path)
    assert (code, msgspec.json.decode(text)["size"]) == (0, 105)
    key.write_text(run("key")[1])
    head.write_text(run("head")[1])
    code, text = run("verify", path, "--key", key, "--head", head, "--json")
    report = msgspec.json.decode(text)
    assert (code, report["ok"], report["entries"], report["signed"], report["pinned"]) == (0, True, 105, 105, True)
    assert run("verify", path)[1].startswith("已核验 105 条记录、5 个签名日志头")
    for arguments in (("prove", 3), ("prove-growth", 10), ("prove-growth", 10, 60)):
        proof.write_text(run(*arguments)[1])
        assert run("verify", proof, "--key", key)[0] == 0
    assert run("check")[0] == 0


@pytest.mark.usefixtures("city")
def test_the_commands_name_what_is_wrong_and_exit_with_1(log: Logged, tmp_path: Path) -> None:
    log.superuser("DELETE FROM kernel.audit_entry WHERE position = 8")
    assert run("check") == (1, "第 8 条缺失。\n在 100 条记录、4 个签名日志头中发现 1 处问题。\n")
    assert run("export", tmp_path / "export")[0] == 0
    code, text = run("verify", tmp_path / "export", "--json")
    report = msgspec.json.decode(text)
    assert (code, report["ok"], report["texts"]) == (1, False, ["第 8 条缺失。"])
    assert report["findings"] == [{"code": "audit.entry_missing", "first": 8, "last": 8, "detail": ""}]
    with pytest.raises(Invalid):
        run("verify", tmp_path / "nowhere")
    with pytest.raises(entry.Contradiction, match=r"audit\.entry_missing"):
        run("prove", 8)


def test_the_verifier_in_the_docs_works_on_an_export(log: Logged, tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs/concepts/audit.md"
    script = tmp_path / "verifier.py"
    script.write_text(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)[0])
    path = log.export(tmp_path / "export")

    def verdict() -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, script, path], check=False, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    assert verdict() == (0, "100 entries verified\n", "")
    lines(ENTRIES, lambda row: [*row[:41], forged(row[41]), *row[42:]])(path)
    assert verdict() == (1, "", "the entries are not those of the head of size 60\n")


def test_every_code_has_words_in_both_languages() -> None:
    texts = words.load(["cityloom.kernel"]).texts
    package = resources.files("cityloom.kernel.audit")
    source = "".join(file.read_text(encoding="utf-8") for file in package.iterdir() if file.name.endswith(".py"))
    used = set(re.findall(r'"(audit\.[a-z_]+)"', source))
    known = {code for code in texts if code.startswith("audit.") and not code.endswith(".remedy")}
    assert used - {"audit.zip"} == known
    assert all(texts[code].en and texts[code].zh and texts[code].en != texts[code].zh for code in known)
