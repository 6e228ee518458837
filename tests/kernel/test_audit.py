"""The audit log on a real PostgreSQL: who may write it, gapless positions, signing, and what a crash leaves behind."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from audit_kit import NOW, Logged, entries
from hypothesis import given
from hypothesis import strategies as st

from cityloom.kernel.audit import api, entry, files, keys, merkle, seal, store, verify
from cityloom.kernel.db import PLATFORM, Database, Scope
from cityloom.kernel.errors import Conflict, Invalid, NotFound

POLICE = Scope("psb", "li")


@pytest.fixture
def log(scratch: Any, database: Database, tmp_path: Path) -> Iterator[Logged]:
    return Logged(database, scratch.admin_url, tmp_path / "audit", keys.open_signer(tmp_path / "own-secrets"))


def table(log: Logged) -> list[tuple[Any, ...]]:
    return log.superuser("SELECT position, body FROM kernel.audit_entry ORDER BY position")


def test_entries_get_the_next_positions_and_are_kept_byte_for_byte(log: Logged) -> None:
    assert log.append(3) == [0, 1, 2]
    assert log.append(2, 3) == [3, 4]
    with log.db.begin(PLATFORM) as tx:
        assert api.append(tx, []) == []
    assert table(log) == [(place, entry.body(one, place)) for place, one in enumerate(entries(5))]
    assert entry.body(entries(1)[0], 0) == (
        '{"position":0,"time":"2026-03-01T08:00:00.000000Z","actor":"li","organisation":"psb",'
        '"action":"registers.person_read","subject":"person:0","purpose":"检查","request":"r0",'
        '"facts":{"fields":["name","sex"],"rows":0}}'
    )


def test_an_act_that_is_rolled_back_leaves_neither_entry_nor_gap(log: Logged) -> None:
    log.append(1)
    with pytest.raises(ZeroDivisionError), log.db.begin(PLATFORM) as tx:
        1 / len(api.append(tx, entries(4))[4:])
    assert log.append(1, 1) == [1]
    assert [row[0] for row in table(log)] == [0, 1]


def test_eight_writers_at_once_leave_no_gap(log: Logged) -> None:
    given: list[int] = []
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            for round_ in range(12):
                with log.db.begin(PLATFORM) as tx:
                    found = api.append(tx, entries(1 + (writer + round_) % 3))
                given.extend(found)
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    writers = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    assert sorted(given) == list(range(len(given)))
    assert len(given) == 8 * 12 * 2
    assert [row[0] for row in table(log)] == sorted(given)
    log.seal()
    assert log.check() == []


@pytest.mark.parametrize(
    "statement",
    [
        """INSERT INTO kernel.audit_entry (position, body) VALUES (3, '{"position":3,"a":1}')""",
        "UPDATE kernel.audit_entry SET body = body || ' ' WHERE position = 1",
        "DELETE FROM kernel.audit_entry",
        "TRUNCATE kernel.audit_entry",
        "UPDATE kernel.audit_log SET size = 0",
        "DELETE FROM kernel.audit_signed_head",
        "UPDATE kernel.audit_signed_head SET head = ''",
        "INSERT INTO kernel.audit_signed_head VALUES (9, '', '')",
        "ALTER TABLE kernel.audit_entry DISABLE ROW LEVEL SECURITY",
        "CREATE OR REPLACE FUNCTION kernel.audit_append(entries text[]) RETURNS bigint RETURN 0::bigint",
    ],
)
def test_the_application_cannot_touch_the_tables(log: Logged, statement: str) -> None:
    log.grow(3)
    before = table(log), log.superuser("SELECT * FROM kernel.audit_log, kernel.audit_signed_head")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), log.db.begin(PLATFORM) as tx:
        tx.execute(statement)
    assert (table(log), log.superuser("SELECT * FROM kernel.audit_log, kernel.audit_signed_head")) == before
    assert log.check() == []


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        (POLICE, entries(2) + entries(1, organisation="tax")),
        (POLICE, entries(1, actor="wang")),
        (Scope("tax", "li"), entries(1)),
    ],
)
def test_a_scope_writes_in_its_own_name_only(log: Logged, scope: Scope, given: list[entry.Entry]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), log.db.begin(scope) as tx:
        api.append(tx, given)
    assert (table(log), log.size()) == ([], 0)


def test_without_a_scope_nothing_is_written_or_seen(log: Logged) -> None:
    log.append(2)
    with log.db.raw() as connection:
        assert connection.execute("SELECT count(*) FROM kernel.audit_entry").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT kernel.audit_append(%s)", [[entry.draft(entries(1)[0])]])
    assert log.size() == 2


def test_only_the_platform_seals(log: Logged) -> None:
    with log.db.begin(POLICE) as tx:
        api.append(tx, entries(1))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), log.db.begin(POLICE) as tx:
        tx.execute("SELECT kernel.audit_seal(0, 1, 'x', %s)", [bytes(32)])
    assert log.superuser("SELECT count(*) FROM kernel.audit_signed_head") == [(0,)]


@pytest.mark.parametrize(("after", "reached", "leaves"), [(0, 3, 96), (0, 0, 0), (0, 2, 32), (0, -1, 0)])
def test_a_head_that_cannot_follow_is_refused(log: Logged, after: int, reached: int, leaves: int) -> None:
    log.append(2)
    with pytest.raises(psycopg.errors.CheckViolation), log.db.begin(PLATFORM) as tx:
        tx.execute("SELECT kernel.audit_seal(%s, %s, 'x', %s)", [after, reached, bytes(leaves)])
    assert log.superuser("SELECT count(*) FROM kernel.audit_signed_head") == [(0,)]


def test_a_seal_is_on_disk_when_it_is_committed(log: Logged) -> None:
    log.append(1)
    with log.db.begin(PLATFORM) as tx:
        tx.execute("SET LOCAL synchronous_commit = off")
        assert store.seal(tx, 0, 1, "x", bytes(32))
        assert tx.scalar(str, "SELECT current_setting('synchronous_commit')") == "on"
        assert not store.seal(tx, 0, 1, "x", bytes(32))


def test_reading_is_by_subject_or_actor_newest_first_and_within_the_scope(log: Logged) -> None:
    with log.db.begin(PLATFORM) as tx:
        api.append(tx, entries(3) + entries(3, organisation="tax", actor="wang") + entries(1, 1))
    with log.db.begin(PLATFORM) as tx:
        assert [found.position for found in api.read(tx)] == [6, 5, 4, 3, 2, 1, 0]
        assert [found.position for found in api.read(tx, subject="person:1")] == [6, 4, 1]
        assert [found.position for found in api.read(tx, actor="wang", before=5)] == [4, 3]
        assert [found.position for found in api.read(tx, limit=2)] == [6, 5]
    with log.db.begin(POLICE) as tx:
        assert [found.position for found in api.read(tx, subject="person:1")] == [6, 1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time": datetime(2026, 1, 1)}, "time"),  # noqa: DTZ001 - the missing zone is the point
        ({"actor": "a\x00b"}, "actor"),
        ({"actor": ""}, "actor"),
        ({"organisation": ""}, "organisation"),
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 513}, "subject"),
        ({"purpose": "two\nlines"}, "purpose"),
        ({"action": "Read It"}, "action"),
        ({"facts": {"name": "张三"}}, "facts.name"),
        ({"facts": {"name": "John Smith"}}, "facts.name"),
        ({"facts": {"rows": 2**63}}, "facts.rows"),
        ({"facts": {"rows": 1.5}}, "facts.rows"),
        ({"facts": {"ids": ("a", "张三")}}, "facts.ids"),
        ({"facts": {"ids": ("x" * 100,) * 700}}, "facts"),
        ({"facts": {"Wrong name": 1}}, "facts"),
    ],
)
def test_what_is_not_fit_for_the_log_is_refused(log: Logged, change: dict[str, Any], field: str) -> None:
    wrong = msgspec.structs.replace(entries(1)[0], **change)
    with pytest.raises(Invalid) as caught, log.db.begin(PLATFORM) as tx:
        api.append(tx, [*entries(1), wrong])
    assert (caught.value.code, caught.value.params) == ("audit.entry_refused", {"field": field})
    assert log.size() == 0


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=30)
IDENTIFIERS = st.text(st.characters(min_codepoint=33, max_codepoint=126))
FACTS = st.dictionaries(
    st.from_regex(r"\A[a-z]{1,5}\Z"),
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | IDENTIFIERS,
    max_size=4,
)


@given(WORDS, WORDS, FACTS)
def test_every_entry_is_one_line_that_says_what_was_given(actor: str, subject: str, facts: dict[str, Any]) -> None:
    one = entry.Entry(time=NOW, actor=actor, organisation="o", action="a", subject=subject, facts=facts)
    text = entry.body(one, 17)
    found = msgspec.json.decode(text)
    assert "\n" not in text
    assert (found["position"], found["actor"], found["subject"], found["facts"]) == (17, actor, subject, facts)


def test_a_seal_signs_everything_once(log: Logged) -> None:
    assert log.seal() is None
    log.append(5)
    head = log.seal()
    assert head is not None
    leaves = [entry.leaf(entry.body(one, place)) for place, one in enumerate(entries(5))]
    assert (head.size, head.root) == (5, merkle.Frontier().extend(leaves).root().hex())
    assert (head.time, head.hash, head.algorithm) == ("2026-03-01T08:00:00.000000Z", "SHA-256", "Ed25519")
    assert log.seal(NOW + timedelta(hours=1)) == head
    assert (log.folder / "leaves.sha256").read_bytes() == b"".join(leaves)
    assert (log.folder / "heads.ndjson").read_bytes() == entry.encode(head) + b"\n"
    with log.db.begin(PLATFORM) as tx:
        assert api.last_head(tx) == head


def test_a_bulk_is_signed_in_several_heads(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "BATCH", 4)
    log.append(10)
    log.seal()
    assert [line.size for line in heads(log)] == [4, 8, 10]
    assert log.check() == []


def heads(log: Logged) -> list[entry.SignedHead]:
    lines = (log.folder / "heads.ndjson").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=entry.SignedHead) for line in lines]


def test_sealers_and_writers_at_once_are_harmless(log: Logged) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for _ in range(6):
                if number % 2:
                    log.append(3)
                else:
                    log.seal()
        except Exception as error:  # noqa: BLE001 - shown below
            failures.append(error)

    workers = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    log.seal()
    assert failures == []
    assert heads(log)[-1].size == 3 * 6 * 3
    assert log.check() == []


def test_two_homes_that_seal_one_database_take_over_from_each_other(log: Logged, tmp_path: Path) -> None:
    other = msgspec.structs.replace(log, folder=tmp_path / "other")
    log.grow(3)
    other.grow(2)
    log.grow(4)
    other.seal()
    assert heads(log) == heads(other)
    assert (log.check(), other.check()) == ([], [])


def signed(log: Logged) -> tuple[bytes, bytes]:
    return (log.folder / "heads.ndjson").read_bytes(), (log.folder / "leaves.sha256").read_bytes()


def test_a_head_that_did_not_reach_the_files_is_taken_over(log: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    log.grow(3)
    log.append(300, 3)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_append", crash)
        with pytest.raises(OSError, match="no space"):
            log.seal()
    assert log.superuser("SELECT max(size) FROM kernel.audit_signed_head") == [(303,)]
    assert log.check() == []
    head = log.seal(NOW + timedelta(hours=1))
    assert head is not None
    assert (head.size, head.time) == (303, "2026-03-01T08:00:00.000000Z")
    assert log.check() == []


def crash(_path: Path, _data: bytes) -> None:
    raise OSError("no space")


@pytest.mark.parametrize(
    ("file", "keep", "more"),
    [
        ("heads.ndjson", None, b'{"algorithm":"Ed'),
        ("heads.ndjson", None, b"\x00" * 100),
        ("heads.ndjson", None, b"\x00" * 100 + b"\n"),
        ("heads.ndjson", -7, b""),
        ("heads.ndjson", 0, b""),
        ("leaves.sha256", None, b"\x01" * 17),
        ("leaves.sha256", None, b"\x01" * 64),
        ("leaves.sha256", -40, b""),
        ("leaves.sha256", -32, b"\x00" * 32),
        ("leaves.sha256", 0, b""),
        ("nodes-08.sha256", None, b"\x01" * 40),
        ("nodes-08.sha256", -32, b"\x00" * 32),
        ("nodes-08.sha256", 0, b""),
    ],
)
def test_files_that_a_crash_left_torn_are_mended(log: Logged, file: str, keep: int | None, more: bytes) -> None:
    log.grow(500, 2, 100)
    whole, nodes = signed(log), (log.folder / "nodes-08.sha256").read_bytes()
    path = log.folder / file
    path.write_bytes(path.read_bytes()[:keep] + more)
    log.seal()
    assert signed(log) == whole
    assert (log.folder / "nodes-08.sha256").read_bytes() == nodes
    log.grow(300)
    assert log.check() == []


def test_lost_files_come_back_from_the_database_as_they_were(log: Logged) -> None:
    log.grow(300, 2, 100)
    whole = signed(log)
    shutil.rmtree(log.folder)
    log.seal()
    assert signed(log) == whole
    assert log.check() == []


def test_files_are_not_mended_with_what_the_key_did_not_sign(log: Logged) -> None:
    log.grow(3, 2)
    log.superuser("UPDATE kernel.audit_signed_head SET leaves = set_byte(leaves, 0, 255 - get_byte(leaves, 0))")
    (log.folder / "leaves.sha256").write_bytes(b"")
    for _ in range(2):
        with pytest.raises(entry.Contradiction) as caught:
            log.seal()
        assert (caught.value.code, caught.value.params["size"]) == ("audit.head_inserted", 3)


def test_a_proof_reads_a_few_hashes_of_a_long_log(tmp_path: Path) -> None:
    size = 70_000
    leaves = [merkle.leaf_hash(b"%d" % number) for number in range(size)]
    stored = files.Leaves(tmp_path, "SHA-256")
    stored.append(b"".join(leaves[:1000]))
    stored.append(b"".join(leaves[1000:]))
    root = merkle.Frontier().extend(leaves).root()
    assert merkle.frontier(stored.node, size).root() == root
    assert [(tmp_path / f"nodes-{level:02}.sha256").stat().st_size // 32 for level in (8, 16)] == [273, 1]
    for place in (0, 255, 65_536, size - 1):
        proof = merkle.inclusion_proof(stored.node, place, size)
        assert merkle.verify_inclusion(leaves[place], place, size, proof, root)
    with pytest.raises(LookupError):
        stored.node(0, size)


def test_entry_and_growth_are_proved_without_the_database(log: Logged, tmp_path: Path) -> None:
    log.grow(4, 9, 1)
    document = tmp_path / "proof.json"
    with log.db.begin(PLATFORM) as tx:
        for place in range(14):
            document.write_bytes(entry.encode(api.prove_entry(tx, log.folder, place)))
            report = verify.verify(document, [log.signer.public], heads(log))
            assert (report.ok, report.pinned, report.signed) == (True, True, 14)
        for first, second in ((4, 4), (4, 13), (4, None), (13, 14)):
            document.write_bytes(entry.encode(api.prove_growth(tx, log.folder, first, second)))
            assert verify.verify(document).ok
        with pytest.raises(NotFound, match=r"audit\.entry_not_signed"):
            api.prove_entry(tx, log.folder, 14)
        with pytest.raises(NotFound, match=r"audit\.no_such_head"):
            api.prove_growth(tx, log.folder, 5)


def test_the_key_is_private_and_stays_the_same(tmp_path: Path) -> None:
    first = keys.open_signer(tmp_path)
    assert (tmp_path / keys.FILE).stat().st_mode & 0o777 == 0o600
    assert keys.open_signer(tmp_path).public.id == first.public.id
    signature = first.sign(b"receipt")
    public = keys.read_public(first.public.pem())
    assert (signature.algorithm, signature.key_id, len(signature.value)) == ("Ed25519", first.public.id, 64)
    assert public.verifies(signature, b"receipt")
    assert not public.verifies(signature, b"receipt ")
    assert not public.verifies(keys.Signature("SM2", signature.key_id, signature.value), b"receipt")
    assert not keys.open_signer(tmp_path / "other").public.verifies(signature, b"receipt")
    (tmp_path / keys.FILE).chmod(0o640)
    with pytest.raises(Conflict, match=r"audit\.key_exposed"):
        keys.open_signer(tmp_path)
    (tmp_path / keys.FILE).chmod(0o600)
    (tmp_path / keys.FILE).write_text("abc")
    with pytest.raises(Conflict, match=r"audit\.key_damaged"):
        keys.open_signer(tmp_path)


def test_openssl_verifies_a_head(log: Logged, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here")
    log.grow(3)
    head = heads(log)[0]
    message, signature, key = (tmp_path / name for name in ("message", "signature", "key.pem"))
    plain = msgspec.json.decode((log.folder / "heads.ndjson").read_bytes())
    value = plain.pop("signature")
    message.write_bytes(msgspec.json.encode(plain, order="sorted"))
    signature.write_bytes(msgspec.json.decode(f'"{value}"', type=bytes))
    key.write_text((log.folder / "keys" / f"{head.key}.pem").read_text())
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", key, "-in", message]
    done = subprocess.run([*command, "-sigfile", signature], check=False, capture_output=True)
    assert (done.returncode, done.stdout.strip()) == (0, b"Signature Verified Successfully")
