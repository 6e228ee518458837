"""What a superuser of the database, or a forger of an export, does to the audit log is found and named."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from audit_kit import NOW, Logged, short
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cityloom.kernel.audit import entry, keys, merkle, seal, verify
from cityloom.kernel.db import Database

Found = list[tuple[str, int, int]]

FREE = (
    "ALTER TABLE kernel.audit_entry DROP CONSTRAINT audit_entry_pkey, DROP CONSTRAINT audit_entry_body_check,"
    " DROP CONSTRAINT audit_entry_body_check1, DROP CONSTRAINT audit_entry_check"
)
FORGED = "replace(body, 'person:', 'nobody:')"


@pytest.fixture
def log(scratch: Any, database: Database, tmp_path: Path) -> Iterator[Logged]:
    """A log of 100 entries under the heads 10, 30, 60 and 100."""
    found = Logged(database, scratch.admin_url, tmp_path / "audit", keys.open_signer(tmp_path / "own-secrets"))
    found.grow(10, 20, 30, 40)
    return found


def hash_again(position: int, first: int, size: int) -> str:
    """The stored leaf hash made to fit the changed body."""
    return (
        f"UPDATE kernel.audit_signed_head SET leaves = overlay(leaves placing (SELECT sha256('\\x00'::bytea ||"
        f" convert_to(body, 'UTF8')) FROM kernel.audit_entry WHERE position = {position})"
        f" from {(position - first) * 32 + 1} for 32) WHERE size = {size}"
    )


TAMPERED: dict[str, tuple[list[str], Found]] = {
    "a body": (
        [f"UPDATE kernel.audit_entry SET body = {FORGED} WHERE position = 41"],
        [("entry_changed", 41, 41)],
    ),
    "bodies here and there": (
        [f"UPDATE kernel.audit_entry SET body = {FORGED} WHERE position IN (0, 50, 51, 52, 99)"],
        [("entry_changed", 0, 0), ("entry_changed", 50, 52), ("entry_changed", 99, 99)],
    ),
    "a body and its stored hash": (
        [f"UPDATE kernel.audit_entry SET body = {FORGED} WHERE position = 41", hash_again(41, 30, 60)],
        [("entry_changed", 41, 41)],
    ),
    "a space in a body": (
        ["UPDATE kernel.audit_entry SET body = body || ' ' WHERE position = 7"],
        [("entry_changed", 7, 7)],
    ),
    "the last rows": (["DELETE FROM kernel.audit_entry WHERE position >= 97"], [("entry_missing", 97, 99)]),
    "every row": (["DELETE FROM kernel.audit_entry"], [("entry_missing", 0, 99)]),
    "the first row": (["DELETE FROM kernel.audit_entry WHERE position = 0"], [("entry_missing", 0, 0)]),
    "a middle row": (["DELETE FROM kernel.audit_entry WHERE position = 33"], [("entry_missing", 33, 33)]),
    "a middle row, the others moved up": (
        [
            FREE,
            "DELETE FROM kernel.audit_entry WHERE position = 33",
            """UPDATE kernel.audit_entry SET position = position - 1,
               body = replace(body, '{"position":' || position, '{"position":' || position - 1) WHERE position > 33""",
            "UPDATE kernel.audit_log SET size = 99",
        ],
        [("entry_changed", 33, 98), ("entry_missing", 99, 99)],
    ),
    "two rows exchanged": (
        [FREE, "UPDATE kernel.audit_entry SET position = 21 - position WHERE position IN (10, 11)"],
        [("entry_missing", 10, 10), ("entry_inserted", 10, 10)],
    ),
    "a row put in twice": (
        [FREE, f"INSERT INTO kernel.audit_entry SELECT 20, {FORGED} FROM kernel.audit_entry WHERE position = 20"],
        [("entry_inserted", 20, 20)],
    ),
    "a row before the first": (
        [FREE, """INSERT INTO kernel.audit_entry VALUES (-1, '{"position":-1,"a":1}')"""],
        [("entry_inserted", -1, -1)],
    ),
    "a row behind the last": (
        ["""INSERT INTO kernel.audit_entry VALUES (100, '{"position":100,"a":1}')"""],
        [("entry_inserted", 100, 100)],
    ),
    "a row far behind the last": (
        ["""INSERT INTO kernel.audit_entry VALUES (7000000000, '{"position":7000000000,"a":1}')"""],
        [("entry_inserted", 7_000_000_000, 7_000_000_000)],
    ),
    "the last rows and every trace of them": (
        [
            "DELETE FROM kernel.audit_entry WHERE position >= 60",
            "UPDATE kernel.audit_log SET size = 60",
            "DELETE FROM kernel.audit_signed_head WHERE size > 60",
        ],
        [("entry_missing", 60, 99), ("head_missing", 99, 99)],
    ),
}
ONLINE: dict[str, Found] = {
    "two rows exchanged": [("entry_changed", 10, 11)],
    "the last rows and every trace of them": [
        ("head_missing", 99, 99),
        ("size_changed", 60, 99),
        ("entry_missing", 60, 99),
    ],
    "a middle row, the others moved up": [
        ("size_changed", 99, 99),
        ("entry_changed", 33, 98),
        ("entry_missing", 99, 99),
    ],
}


@pytest.mark.parametrize("case", TAMPERED)
def test_what_a_superuser_did_is_named(log: Logged, tmp_path: Path, case: str) -> None:
    statements, expected = TAMPERED[case]
    log.superuser(*statements)
    report = verify.verify(log.export(tmp_path / "export"), [log.signer.public])
    assert sorted(set(short(report))) == sorted(expected)
    assert (report.signed, report.ok, report.root) == (100, False, heads(log)[-1].root)
    online = ONLINE.get(case, expected)
    assert sorted(set(log.check())) == sorted(online)


@pytest.mark.parametrize("case", TAMPERED)
def test_nothing_more_is_signed_on_a_log_that_contradicts_what_was(log: Logged, case: str) -> None:
    statements, expected = TAMPERED[case]
    log.superuser(*statements)
    before = (log.folder / "heads.ndjson").read_bytes()
    with pytest.raises(entry.Contradiction) as caught:
        log.seal(NOW + timedelta(hours=1))
    assert (caught.value.code, str(caught.value.params["positions"])) in {
        (f"audit.{code}", str(first) if first == last else f"{first}–{last}")
        for code, first, last in [*expected, *ONLINE.get(case, [])]
    }
    assert (log.folder / "heads.ndjson").read_bytes() == before


def test_history_rewritten_with_a_key_of_his_own_is_named_row_by_row(log: Logged, tmp_path: Path) -> None:
    forger = keys.Signer(Ed25519PrivateKey.generate())
    log.superuser(f"UPDATE kernel.audit_entry SET body = {FORGED} WHERE position >= 30")
    sign_all(log, forger)
    with pytest.raises(entry.Contradiction, match=r"audit\.head_changed"):
        log.seal()
    path = log.export(tmp_path / "export.zip")
    expected = [("entry_changed", 30, 99), *[("head_changed", size - 1, size - 1) for size in (10, 30, 60, 100)]]
    assert short(verify.verify(path)) == expected
    assert sorted(log.check()) == sorted(expected)


def test_history_rewritten_everywhere_shows_by_a_key_or_a_head_from_outside(log: Logged, tmp_path: Path) -> None:
    kept = heads(log)[1]
    real = log.signer.public
    log.superuser(f"UPDATE kernel.audit_entry SET body = {FORGED} WHERE position = 12")
    forger = keys.Signer(Ed25519PrivateKey.generate())
    sign_all(log, forger)
    other = msgspec.structs.replace(log, folder=tmp_path / "forged", signer=forger)
    other.folder.mkdir()
    other.seal()
    path = other.export(tmp_path / "export")
    alone = verify.verify(path)
    assert (alone.ok, alone.pinned, alone.keys) == (True, False, (forger.public.id,))
    pinned = verify.verify(path, [real])
    assert short(pinned)[:4] == [("head_key_unknown", size - 1, size - 1) for size in (10, 30, 60, 100)]
    assert (pinned.pinned, pinned.signed) == (True, 0)
    assert short(verify.verify(path, [real, forger.public], [kept])) == [("history_rewritten", 10, 29)]


def test_history_rewritten_by_the_holder_of_the_key_shows_between_heads(log: Logged, tmp_path: Path) -> None:
    old = heads(log)
    log.superuser(f"UPDATE kernel.audit_entry SET body = {FORGED} WHERE position = 45")
    sign_all(log, log.signer)
    other = msgspec.structs.replace(log, folder=tmp_path / "second")
    other.seal()
    path = other.export(tmp_path / "export")
    assert verify.verify(path, [log.signer.public]).ok
    write_lines(path / "heads.ndjson", [*map(entry.encode, old[:3]), entry.encode(heads(other)[3])])
    (path / "database-heads.ndjson").unlink()
    assert short(verify.verify(path, [log.signer.public])) == [("history_rewritten", 30, 59)]


def test_a_log_cut_short_by_the_holder_of_the_key_is_found_by_a_kept_head(log: Logged, tmp_path: Path) -> None:
    kept = heads(log)[3]
    log.superuser(*TAMPERED["the last rows and every trace of them"][0])
    other = msgspec.structs.replace(log, folder=tmp_path / "second")
    other.seal()
    path = other.export(tmp_path / "export")
    assert verify.verify(path, [log.signer.public]).ok
    report = verify.verify(path, [log.signer.public], [kept])
    assert short(report) == [("entry_missing", 60, 99), ("history_shorter", 60, 99), ("leaf_missing", 60, 99)]


def test_a_search_column_that_hides_an_entry_is_named(log: Logged) -> None:
    log.superuser(
        "ALTER TABLE kernel.audit_entry ALTER COLUMN subject DROP EXPRESSION",
        "UPDATE kernel.audit_entry SET subject = 'person:0' WHERE position = 66",
    )
    assert log.check() == [("column_changed", 66, 66)]
    with pytest.raises(entry.Contradiction, match=r"audit\.column_changed"):
        log.seal()


def test_another_log_in_its_place_is_refused(log: Logged, tmp_path: Path) -> None:
    log.superuser("UPDATE kernel.audit_log SET id = gen_random_uuid()")
    with pytest.raises(entry.Contradiction, match=r"audit\.log_replaced"):
        log.seal()
    assert ("log_replaced", 0, 99) in log.check()
    assert verify.verify(log.export(tmp_path / "export")).ok


def test_a_row_changed_before_it_was_signed_shows_in_its_position_only(log: Logged) -> None:
    """What the log cannot do: until the next seal, about a second, nobody vouches for an entry."""
    log.append(2, 100)
    log.superuser(f"UPDATE kernel.audit_entry SET body = {FORGED} WHERE position = 100")
    head = log.seal()
    assert head is not None
    assert head.size == 102
    log.append(1)
    log.superuser(FREE, "UPDATE kernel.audit_entry SET body = replace(body, ':102', ':5') WHERE position = 102")
    with pytest.raises(entry.Contradiction, match=r"audit\.entry_changed \(positions=102"):
        log.seal()


def test_the_patrol_comes_by_every_entry_of_a_long_log() -> None:
    for size in (0, 1, seal.PATROL, 10 * seal.PATROL + 7):
        starts = {first for second in range(100) for first in seal._patrol(size, second)}
        assert set(range(size)) <= {first + offset for first in starts for offset in range(seal.PATROL)}


def sign_all(log: Logged, signer: keys.Signer) -> None:
    """Put heads into the database that fit its entries as they are now, signed by `signer`."""
    identity = log.superuser("SELECT id::text FROM kernel.audit_log")[0][0]
    bodies = [row[0] for row in log.superuser("SELECT body FROM kernel.audit_entry ORDER BY position")]
    frontier = merkle.Frontier()
    for head in heads(log):
        if head.size > len(bodies):
            break
        added = [entry.leaf(body) for body in bodies[frontier.size : head.size]]
        frontier = frontier.extend(added)
        plain = entry.Head(
            log=identity, size=head.size, hash="SHA-256", root=frontier.root().hex(), time=head.time,
            algorithm="Ed25519", key=signer.public.id,
        )  # fmt: skip
        log.superuser(
            "UPDATE kernel.audit_signed_head SET head = %s, leaves = %s WHERE size = %s",
            params=[entry.encode(sign(plain, signer)).decode(), b"".join(added), head.size],
        )


def sign(head: entry.Head, signer: keys.Signer) -> entry.SignedHead:
    value = base64.b64encode(signer.sign(entry.encode(head)).value).decode()
    return entry.SignedHead(**msgspec.structs.asdict(head), signature=value)


def heads(log: Logged) -> list[entry.SignedHead]:
    lines = (log.folder / "heads.ndjson").read_bytes().splitlines()
    return [msgspec.json.decode(line, type=entry.SignedHead) for line in lines]


def write_lines(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
