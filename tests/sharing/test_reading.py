"""Change rows, records and counts through a grant: fields, rows, masks; and what stops when it ends."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from cityloom.exchange.store import changes as change_store
from cityloom.exchange.store import retention as retention_store
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Conflict
from cityloom.sharing.api import reading
from sharing.sharing_kit import ROWS, Door, Town


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_the_current_state_through_a_grant(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    rows = sorted(town.housing.lines("grants/r1/records", case="c-1"), key=lambda row: row["id"])
    assert rows == [
        {"id": "a1", "name": "Anna Apple", "district": "N1"}, {"id": "a3", "name": "Cleo Cedar", "district": "N1"},
    ]  # fmt: skip
    table = town.housing.arrow("grants/r1/records", case="c-1")
    assert table.column_names == ["id", "name", "district"]


def test_a_row_that_leaves_the_filter_is_a_delete(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    read = town.housing.lines("grants/r1/changes", case="c-1")
    assert [(row["_op"], row["id"], row["name"]) for row in read] == [
        ("insert", "a1", "Anna Apple"), ("insert", "a3", "Cleo Cedar"),
    ]  # fmt: skip
    assert "born" not in read[0]
    head = ROWS.splitlines()[0]
    town.civil.deliver("d2", f"{head}\na1,Anna Apple,N2,1980-05-01,1,true\na2,Bert Birch,N1,1990-06-02,2,true\n")
    more = town.housing.lines("grants/r1/changes", case="c-1", since=read[-1]["_sequence"])
    assert [(row["_op"], row["id"], row["name"]) for row in more] == [
        ("delete", "a1", None), ("insert", "a2", "Bert Birch"),
    ]  # fmt: skip
    town.civil.withdraw("d2")
    back = town.housing.lines("grants/r1/changes", case="c-1", since=more[-1]["_sequence"])
    assert sorted((row["_op"], row["id"], row["name"]) for row in back) == [
        ("delete", "a2", None),
        ("insert", "a1", "Anna Apple"),
    ]


def operations(door: Door, since: int = 0) -> list[tuple[str, str]]:
    rows = door.lines("grants/r1/changes", case="c-1", since=since)
    assert all(row["name"] is None for row in rows if row["_op"] == "delete")
    return [(row["_op"], row["id"]) for row in rows]


def test_an_erasure_is_told_to_whom_the_record_was_shown_and_to_nobody_else(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    assert operations(town.housing) == [("insert", "a1"), ("insert", "a3")]
    head = ROWS.splitlines()[0]
    town.civil.deliver("d2", f"{head}\na3,Cleo Cedar,N2,2001-07-03,,true\n")  # it left the filter, unread as yet
    town.civil.erase("a1", "a2", "a3", "nobody")
    assert operations(town.housing, since=3) == [("delete", "a1"), ("delete", "a3")]
    assert town.housing.lines("grants/r1/records", case="c-1") == []


def test_whoever_begins_to_read_after_an_erasure_hears_nothing_of_it(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    town.civil.erase("a1")
    assert operations(town.housing) == [("insert", "a3")]


def test_an_erasure_is_told_though_the_key_came_back_elsewhere_and_was_erased_again(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    assert len(operations(town.housing)) == 2
    town.civil.erase("a1")
    head = ROWS.splitlines()[0]
    town.civil.deliver("d2", f"{head}\na1,Anna Apple,N2,1980-05-01,1,true\n")
    town.civil.erase("a1")
    assert operations(town.housing, since=3) == [("delete", "a1")]


def test_a_reader_who_begins_while_an_erasure_is_carried_out_is_told(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot that it reads may still have the record; better told of a key too many than left with it."""
    town.civil.deliver("d1", ROWS)
    town.grant()
    write = retention_store.write_erasure

    def read_and_write(*given: Any) -> None:
        assert len(town.housing.lines("grants/r1/records", case="c-1")) == 2
        write(*given)

    monkeypatch.setattr(retention_store, "write_erasure", read_and_write)
    town.civil.erase("a1")
    assert operations(town.housing, since=3) == [("delete", "a1")]


def test_masks(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    masks = [
        {"field": "id", "kind": "pseudonym"}, {"field": "name", "kind": "keep", "first": 1, "last": 2},
        {"field": "born", "kind": "year"},
    ]  # fmt: skip
    terms = {"fields": ["id", "name", "born"], "masks": masks, "rows": ""}
    town.grant("r1", terms=terms)
    town.grant("r2", terms=terms)
    one = {row["name"]: row for row in town.housing.lines("grants/r1/records", case="c")}
    assert {(row["name"], row["born"]) for row in one.values()} == {
        ("A*******le", 1980), ("B*******ch", 1990), ("C*******ar", 2001),
    }  # fmt: skip
    changed = {row["name"]: row["id"] for row in town.housing.lines("grants/r1/changes", case="c")}
    assert changed == {name: row["id"] for name, row in one.items()}  # the same pseudonym everywhere in one grant
    two = {row["name"]: row["id"] for row in town.housing.lines("grants/r2/records", case="c")}
    assert set(two.values()).isdisjoint(changed.values())
    assert all(len(id) == 32 for id in [*two.values(), *changed.values()])


def test_counts_leave_small_groups_out(town: Town) -> None:
    head = ROWS.splitlines()[0]
    rows = [f"k{n},x,{'N1' if n < 12 else 'N2'},1980-01-01,1,true" for n in range(15)]
    town.civil.deliver("d1", "\n".join([head, *rows]) + "\n")
    town.grant(terms={"kind": "aggregate", "fields": ["district", "married"], "rows": ""})
    counts = town.housing.get("grants/r1/counts", case="c", by=["district"]).json()
    assert counts["groups"] == [{"values": {"district": "N1"}, "rows": 10}]
    assert counts["smallest"] == 10
    before = town.everything()
    assert code(town.housing.get("grants/r1/counts", case="c", by=["name"])) == (403, "sharing.field_not_granted")
    assert code(town.housing.get("grants/r1/records", case="c")) == (403, "sharing.kind_differs")
    assert town.everything() == before


def test_every_use_is_kept_with_its_evidence(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant()
    town.clock.turn(hours=1)
    town.housing.lines("grants/r1/changes", case="case-7")
    town.housing.lines("grants/r1/records", case="case-8")
    given_up = reading.records(holder(town), "r1", "case-9")
    given_up.close()
    uses = town.civil.get("grants/r1/uses").json()
    assert uses == town.housing.get("grants/r1/uses").json()
    assert {(use["purpose"], *use["fields"], use["account"]) for use in uses} == {
        ("rent_aid", "id", "name", "district", "housing-service")
    }
    assert [(use["way"], use["case"], use["rows"], use["complete"]) for use in uses] == [
        ("changes", "case-7", 2, True), ("records", "case-8", 2, True), ("records", "case-9", 0, False),
    ]  # fmt: skip
    ended = town.entries("sharing.use_ended")
    assert [(entry["facts"]["use"], entry["facts"]["rows"]) for entry in ended] == [
        (use["id"], use["rows"]) for use in uses
    ]
    entries = {entry["position"]: entry for entry in town.entries("sharing.used")}
    for use in uses:
        entry = entries[use["audit_position"]]
        assert (entry["subject"], entry["facts"]["first"], entry["purpose"]) == ("grant:r1", use["id"], "rent_aid")
        assert entry["facts"]["digest"].startswith("sha256:")
    assert town.civil.get("grants/r1").json()["last_used_at"] == "2026-03-02T02:00:00Z"


def test_who_may_not_use_a_grant(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant(terms={"days": 30})
    before = town.everything()
    assert code(town.housing.get("grants/r1/records", purpose="curiosity", case="c")) == (
        403,
        "sharing.purpose_differs",
    )
    assert code(town.housing.get("grants/r1/records", purpose="", case="c")) == (403, "sharing.purpose_differs")
    assert code(town.civil.get("grants/r1/records", case="c")) == (403, "kernel.refused")  # it keeps, and does not hold
    assert code(town.other.get("grants/r1/records", case="c")) == (404, "sharing.grant_unknown")
    assert code(town.housing.get("grants/r1/records"))[0] == 400
    town.clock.turn(days=31)
    assert code(town.housing.get("grants/r1/records", case="c")) == (409, "sharing.grant_not_now")
    assert town.everything() == before


def test_a_grant_withdrawn_in_mid_stream_stops_within_a_second(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader has had rows; the keeper revokes; a second later nothing more comes."""
    monkeypatch.setattr(change_store, "BATCH", 10)
    head = ROWS.splitlines()[0]
    rows = [f"k{n},x,N1,1980-01-01,1,true" for n in range(5000)]
    town.civil.deliver("d1", "\n".join([head, *rows]) + "\n")
    town.grant()
    ctx = holder(town)
    feed = reading.changes(ctx, "r1", "c", 0, 5000)
    chunks = feed.ndjson()
    next(chunks)
    assert town.civil.move("r1", "revoke", kind="grants", reason="now").status_code == 200
    ended = time.monotonic()
    with pytest.raises(Conflict, match=r"sharing\.grant_over"):
        read_slowly(chunks)
    feed.close()
    assert time.monotonic() - ended < 1


def read_slowly(chunks: Iterator[bytes]) -> None:
    """Would take five seconds if nothing stopped it."""
    for _ in chunks:
        time.sleep(0.01)


def holder(town: Town) -> Context:
    principal = Principal("housing-service", "housing", frozenset({"data_officer"}))
    return Context(town.parts, principal, purpose="rent_aid", language="en", request="test")
