"""Retention and erasure through the doors: what goes, what stays, what proves it, and that no copy is left."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import pytest
from litestar.testing import TestClient

from cityloom.exchange.api import deletions, deliveries, maintenance, retention, spool
from cityloom.exchange.contracts import Declaration, State
from cityloom.exchange.rules import forms
from cityloom.exchange.spec import ResolvedField
from cityloom.exchange.store import evidence, ledger
from cityloom.identity.api import services
from cityloom.kernel import lanes
from cityloom.kernel.clock import FixedClock
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.errors import Unavailable
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.words import Text
from exchange.conftest import Door
from exchange.lake_model import traces
from faults.running import RIGHTS
from scratch import Scratch

NOW = timedelta(0)
BASIS = "《中华人民共和国个人信息保护法》第四十七条"
KEY, SECRET = "erasedkey7", "a note of the erased"


@pytest.fixture
def platform(town: Parts) -> Context:
    return platform_context(town, "test")


@pytest.fixture
def officer(town: Parts, http: "TestClient[object]") -> Door:
    """The town hall with the right to erase."""
    token = services.issue(platform_context(town, "test"), "town", (*RIGHTS, "exchange.erase")).secret
    return Door(http, token)


def later(town: Parts, by: timedelta) -> Context:
    """The platform, so much later."""
    moved = msgspec.structs.replace(town, clock=FixedClock(datetime.now(UTC) + by))  # noqa: TID251
    return platform_context(moved, "test")


def erase(door: Door, *keys: str, basis: str = BASIS):  # type: ignore[no-untyped-def]
    body = msgspec.json.encode({"keys": [[key] for key in keys], "legal_basis": basis})
    return door.post("stock/erasures", body, media="application/json")


def fill(door: Door) -> None:
    """Enough rows for files, and a person with a life: set, changed, confirmed, quarantined, changed again."""
    others = "".join(f"k{number},{number},n\n" for number in range(40))
    assert door.put("d1", f"item,amount,note\n{KEY},1,{SECRET}\n{others}").status_code == 200
    assert door.put("d2", f"item,amount,note\n{KEY},2,{SECRET}\n").status_code == 200
    assert door.put("d3", f"item,amount,note\n{KEY},2,{SECRET}\nk1,1,n\n").status_code == 200
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in KEY.upper())
    held = door.put("d4", f"item,amount,note\n{KEY},minus,{SECRET}\n {wide} ,-1,{SECRET}\nk2,-5,n\n")
    assert held.json()["counts"]["quarantined"] == 3
    changed = "".join(f"k{number},{number},again\n" for number in range(20))
    assert door.put("d5", f"item,amount,note\n{KEY},3,{SECRET}\n{changed}").status_code == 200


def test_an_erasure_leaves_a_change_row_with_the_key_and_nothing_else(officer: Door, town: Parts) -> None:
    fill(officer)
    before = officer.records()
    answer = erase(officer, KEY)
    assert answer.status_code == 200, answer.text
    deletion = answer.json()
    # current row, three change rows, a confirmation, two quarantined rows
    assert (deletion["kind"], deletion["rows"], deletion["legal_basis"]) == ("erasure", 7, BASIS)
    assert KEY not in answer.text
    del before[KEY]
    assert officer.records() == before
    rows = [row for row in officer.lines("stock/changes") if row["item"] == KEY]
    assert [(row["_op"], row["_cause"], row["amount"], row["note"]) for row in rows] == [
        ("delete", "erasure", None, None)
    ]
    assert [row["item"] for row in officer.lines("stock/deliveries/d4/quarantine", format="ndjson")] == ["k2"]
    listed = officer.get("stock/deletions").json()
    assert [each["audit_position"] for each in listed] == [deletion["audit_position"]]


def test_an_erased_key_may_come_back_and_what_was_erased_does_not(officer: Door) -> None:
    fill(officer)
    erase(officer, KEY)
    assert officer.put("d6", f"item,amount,note\n{KEY},9,new\n").json()["counts"]["inserted"] == 1
    assert officer.withdraw("d6").status_code == 200
    assert KEY not in officer.records()
    assert officer.withdraw("d5").status_code == 200
    assert KEY not in officer.records()


def test_erasing_what_is_not_there_is_evidence_too_and_changes_nothing(officer: Door) -> None:
    fill(officer)
    changes = officer.lines("stock/changes")
    assert erase(officer, "nobody").json()["rows"] == 0
    assert erase(officer, KEY).json()["rows"] == 7
    assert erase(officer, KEY).json()["rows"] == 0
    assert len(officer.lines("stock/changes")) == len(changes) - 3 + 1


def test_who_may_not_erase_changes_nothing(officer: Door, stranger: Door, door: Door) -> None:
    fill(officer)
    before = officer.records(), officer.lines("stock/changes")
    for other in (stranger, door):  # another department; the keeper without the right
        assert erase(other, KEY).status_code == 403
    assert erase(officer, KEY, basis=" ").status_code == 422
    assert erase(officer).status_code == 422
    body = msgspec.json.encode({"keys": [[KEY, "more"]], "legal_basis": BASIS})
    wrong = officer.post("stock/erasures", body, media="application/json")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "exchange.erasure_key_parts")
    assert (officer.records(), officer.lines("stock/changes")) == before
    assert officer.get("stock/deletions").json() == []


def test_no_copy_of_what_was_erased_is_left(officer: Door, town: Parts, platform: Context, scratch: Scratch) -> None:
    lake = Path(town.settings.lake_files)
    fill(officer)
    maintenance.tidy(platform, "stock")
    officer.put("d7", f"item,amount,note\n{KEY},4,{SECRET}\n")
    marks = (KEY, KEY.upper(), SECRET)
    assert "ducklake_table_column_stats" in traces(scratch.admin_url, lake, *marks)
    erase(officer, KEY)
    maintenance.rewrite(platform, "stock")
    deletion = officer.get("stock/deletions").json()[0]
    held = {Path(path).name for path in deletion["files"]}
    with_it = {name for name in traces(scratch.admin_url, lake, SECRET) if name.endswith(".parquet")}
    assert with_it
    assert with_it <= held
    assert "files_gone_at" not in deletion
    maintenance.clean(platform, keep=NOW, readers=NOW, orphans=NOW)
    # what stays is the key, in the change row that tells subscribers of the deletion
    assert traces(scratch.admin_url, lake, KEY.upper(), SECRET) == set()
    assert held.isdisjoint(path.name for path in lake.rglob("*"))
    assert "files_gone_at" in officer.get("stock/deletions").json()[0]
    officer.put("d8", "item,amount,note\nk1,77,n\n")
    assert traces(scratch.admin_url, lake, SECRET) == set()
    assert KEY not in officer.records()


def test_the_key_itself_goes_with_the_change_rows(
    officer: Door, town: Parts, platform: Context, scratch: Scratch
) -> None:
    fill(officer)
    erase(officer, KEY)
    future = later(town, timedelta(days=3 * 366))
    retention.retain(future)
    maintenance.rewrite(future, "stock")
    maintenance.clean(future, keep=NOW, readers=NOW, orphans=NOW)
    assert traces(scratch.admin_url, Path(town.settings.lake_files), KEY, KEY.upper(), SECRET) == set()
    assert all("files_gone_at" in each for each in officer.get("stock/deletions").json())


def test_retention_deletes_by_the_declared_durations(officer: Door, town: Parts) -> None:
    fill(officer)
    last = officer.get("stock").json()["last_sequence"]
    assert retention.retain_dataset(later(town, timedelta(days=100)), "stock") == []
    half_a_year = retention.retain_dataset(later(town, timedelta(days=200)), "stock")
    assert [(each.kind, each.rows) for each in half_a_year] == [("quarantine", 3)]
    assert officer.lines("stock/deliveries/d4/quarantine", format="ndjson") == []
    two_years = retention.retain_dataset(later(town, timedelta(days=2 * 366)), "stock")
    # 41 + 1 + 21 change rows, and the confirmations of d3, both records having been set again since
    assert [(each.kind, each.rows) for each in two_years] == [("changes", 63 + 2)]
    assert officer.get("stock").json()["floor_sequence"] == last
    assert officer.get("stock/changes", since=last - 1).status_code == 410
    assert officer.lines("stock/changes", since=last) == []
    assert len(officer.records()) == 41
    ten_years = retention.retain_dataset(later(town, timedelta(days=10 * 366)), "stock")
    assert next((each.kind, each.rows) for each in ten_years) == ("records", 41)
    assert officer.records() == {}
    rows = officer.lines("stock/changes", since=last)
    assert {(row["_op"], row["_cause"]) for row in rows} == {("delete", "retention")}
    assert len({row["item"] for row in rows}) == 41


def deliver_as(ctx: Context, id: str, text: str) -> None:
    """A delivery made at the context's time: a token would have expired by then."""
    delivery = deliveries.claim(ctx, "stock", id, Declaration(media="text/csv"))
    deliveries.received(ctx, delivery, spool.copy(ctx, iter([text.encode()])))
    assert deliveries.process(ctx, "stock", id).state == State.accepted


def test_a_record_that_is_stated_again_stays(officer: Door, town: Parts) -> None:
    officer.put("d1", "item,amount,note\na,1,x\nb,2,y\n")
    deliver_as(later(town, timedelta(days=9 * 365)), "d2", "item,amount,note\na,1,x\n")
    for years in (12, 13):  # by then the change rows, and with them the confirmation's number, are forgotten
        retention.retain_dataset(later(town, timedelta(days=years * 366)), "stock")
    assert officer.records() == {"a": (1, "x")}
    retention.retain_dataset(later(town, timedelta(days=20 * 366)), "stock")
    assert officer.records() == {}


class Killed(BaseException):
    """What takes a process from one moment to the next."""


@pytest.fixture
def dying(officer: Door, town: Parts) -> Iterator[Door]:
    """An erasure that died after its lake commit."""
    fill(officer)

    def die(*_: object) -> None:
        raise Killed

    row = retention._row(platform_context(town, "test"), "stock")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deletions, "_settle", die)
        with pytest.raises(Killed):
            retention.erase(platform_context(town, "test"), row.name, [[KEY]], BASIS)
    return officer


def test_a_deletion_that_died_is_finished_by_the_sweeper(dying: Door, town: Parts) -> None:
    before = dying.get("stock").json()["last_sequence"]
    retention.sweep(platform_context(town, "test"))  # too young: its process may still live
    assert dying.get("stock/deletions").json() == []
    future = later(town, timedelta(minutes=1))
    retention.sweep(future)
    retention.sweep(future)
    assert [each["rows"] for each in dying.get("stock/deletions").json()] == [7]
    assert dying.get("stock").json()["last_sequence"] == before + 1
    assert dying.put("d6", "item,amount,note\nz,9,new\n").json()["first_sequence"] == before + 2


def test_no_commit_takes_the_numbers_of_an_unfinished_deletion(dying: Door, platform: Context) -> None:
    with platform.begin() as tx, pytest.raises(Unavailable, match=r"exchange\.deletion_unfinished"):
        ledger.unfinished(tx, "stock")
    with (
        platform.lake.session() as cursor,
        lanes.hold(platform.parts.db, deliveries.lane("stock")),
    ):
        deletions.finish(platform, cursor, "stock")
        deliveries.finish(platform, cursor, "stock")
    numbers = [row["_sequence"] for row in dying.lines("stock/changes")]
    dying.put("d6", "item,amount,note\nz,9,new\n")
    numbers.append(dying.lines("stock/changes")[-1]["_sequence"])
    assert len(set(numbers)) == len(numbers)


def test_what_an_unfinished_deletion_is_known_by_does_not_expire(dying: Door, town: Parts, platform: Context) -> None:
    maintenance.clean(platform, keep=NOW, readers=NOW, orphans=NOW)
    retention.sweep(later(town, timedelta(minutes=1)))
    assert [each["rows"] for each in dying.get("stock/deletions").json()] == [7]


def test_a_deletion_that_never_reached_the_lake_did_not_happen(officer: Door, town: Parts, platform: Context) -> None:
    fill(officer)
    before = officer.records()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cityloom.exchange.store.retention.write_erasure", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            retention.erase(platform, "stock", [[KEY]], BASIS)
    retention.sweep(later(town, timedelta(minutes=1)))
    assert officer.records() == before
    assert officer.get("stock/deletions").json() == []
    with platform.begin() as tx:
        assert evidence.intent(tx, "stock") is None


def test_files_stay_while_somebody_copies_them(officer: Door, town: Parts, platform: Context) -> None:
    fill(officer)
    erase(officer, KEY)
    maintenance.rewrite(platform, "stock")
    files = set(Path(town.settings.lake_files).rglob("*.parquet"))
    with maintenance.files_stay(platform.parts.db):
        maintenance.clean(platform, keep=NOW, readers=NOW, orphans=NOW)
        assert set(Path(town.settings.lake_files).rglob("*.parquet")) == files
    maintenance.clean(platform, keep=NOW, readers=NOW, orphans=NOW)
    assert set(Path(town.settings.lake_files).rglob("*.parquet")) < files


def test_a_file_that_nobody_names_keeps_a_deletion_unproved(officer: Door, town: Parts, platform: Context) -> None:
    fill(officer)
    erase(officer, KEY)
    maintenance.rewrite(platform, "stock")
    left = Path(town.settings.lake_files) / "exchange/stock/left-by-a-dead-writer.parquet"
    left.write_bytes(b"?")
    maintenance.clean(platform, keep=NOW, readers=NOW)
    assert "files_gone_at" not in officer.get("stock/deletions").json()[0]
    maintenance.clean(platform, keep=NOW, readers=NOW, orphans=NOW)
    assert "files_gone_at" in officer.get("stock/deletions").json()[0]
    assert not left.exists()


def test_maintenance_by_the_timer_does_all_of_it(officer: Door, town: Parts, platform: Context) -> None:
    fill(officer)
    erase(officer, KEY)
    before = officer.records()
    maintenance.maintain(platform)
    assert "rewritten_at" in officer.get("stock/deletions").json()[0]
    assert officer.records() == before
    with platform.lake.session() as cursor:
        rows = cursor.execute("SELECT DISTINCT filename FROM lake.exchange.stock").fetchall()
    assert all(str(row[0]).endswith(".parquet") for row in rows)


def test_the_digest_can_be_checked_by_who_knows_the_keys_and_the_salt(officer: Door) -> None:
    import hashlib

    fill(officer)
    algorithm, salt, found = erase(officer, KEY, "nobody").json()["keys_digest"].split(":")
    assert algorithm == "sha-256"
    assert found == hashlib.sha256(f"{salt}\n{KEY}\nnobody\n".encode()).hexdigest()


def field(kind: str, **more: object) -> ResolvedField:
    return ResolvedField("f", Text("", ""), kind, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "value", "spelling"),
    [
        (field("text", format="gb11643"), "11010519491231002X", "110105491231002"),
        (field("date"), "2020-01-31", "20200131"),
        (field("date"), "2020-01-31", "2020年1月31日"),
        (field("date"), "2020-01-05", "2020/1/5"),
        (field("integer"), "007", "7"),
        (field("decimal", precision=6, scale=2), "1.50", "1.5"),
        (field("timestamp"), "2020-01-31 08:00:00", "2020-01-31T08:00:00"),
    ],
)
def test_a_key_is_looked_for_in_the_spellings_of_its_type(declared: ResolvedField, value: str, spelling: str) -> None:
    found = forms.forms(declared, value)
    assert found[0] == value
    assert spelling in found


def test_what_is_no_value_of_the_type_has_one_spelling() -> None:
    assert forms.forms(field("date"), "soon") == ("soon",)
    assert duckdb.__version__ == "1.5.5"  # upkeep reads this version's own tables


def test_withdrawals_around_a_replacement_leave_out_what_it_left_out(door: Door) -> None:
    door.put("d1", "item,amount\nk,1\n")
    door.put("d2", "item\nk\n", mode="delete")
    door.put("d3", "item,amount\nother,1\n", mode="replace")
    door.put("d4", "item,amount\nk,2\n")
    for delivery in ("d2", "d4"):
        assert door.withdraw(delivery).status_code == 200
    assert door.records() == {"other": (1, None)}
    assert door.withdraw("d3").status_code == 200
    assert door.records() == {"k": (1, None)}


def test_withdrawing_after_the_floor_has_passed_falls_back_on_what_stood(officer: Door, town: Parts) -> None:
    officer.put("d1", "item,amount\nk,1\n")
    officer.put("d2", "item,amount\nk,2\n")
    deliver_as(later(town, timedelta(days=400)), "d3", "item,amount\nk,3\n")
    assert officer.withdraw("d2").status_code == 200  # k stays 3, and no change row tells of d1 any more than before
    found = retention.retain_dataset(later(town, timedelta(days=2 * 366 + 10)), "stock")
    assert [each.kind for each in found] == ["changes"]
    assert officer.withdraw("d1").status_code == 410
    assert officer.withdraw("d3").status_code == 200
    assert officer.records() == {"k": (1, None)}
