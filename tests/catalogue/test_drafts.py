"""Drafts: edited unseen, submitted, reviewed by another, in force from their day."""

from pathlib import Path
from typing import Any

import pytest
from catalogue_kit import Door, Town, item, refused, wish
from test_guide import book, export, hand_in

from cityloom.catalogue.contracts import ImportReport

ESTATE = wish("小区", "housing", item("编码", authoritative=True), item("名称"), subject="place")


def draft(door: Door, id: str, resource: str, record: dict[str, Any] | None, **more: Any) -> Any:
    return door.call("PUT", f"drafts/{id}", json={"resource": resource, "record": record, **more})


def move(door: Door, id: str, name: str, version: int, **more: Any) -> Any:
    sent = {"move": name, "version": version, "key": f"{name} {version}", **more}
    return door.call("POST", f"drafts/{id}/moves", json=sent)


def moved(door: Door, id: str, name: str, **more: Any) -> dict[str, Any]:
    """A move that must be taken, from where the draft stands."""
    answer = move(door, id, name, door.get(f"drafts/{id}")["version"], **more)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def states(door: Door) -> list[tuple[str, str]]:
    return [(each["id"], each["state"]) for each in door.get("drafts")]


@pytest.fixture
def strict(tmp_path: Path) -> None:
    """The town's pack says that nothing is published without a review."""
    folder = tmp_path / "packs" / "town" / "catalogue"
    folder.mkdir(parents=True)
    (folder / "limits.yaml").write_text("review: required\n", encoding="utf-8")


def test_a_draft_is_seen_by_nobody_else_until_it_is_submitted_and_in_force_once_approved(
    town: Town, housing: Door, data: Door, psb: Door
) -> None:
    assert draft(housing, "d1", "estate", ESTATE).json()["state"] == "editing"
    for other in (data, psb):
        refused(other.call("GET", "drafts/d1"), 404, "catalogue.draft_unknown")
        assert states(other) == []
    refused(housing.call("GET", "resources/estate"), 404, "catalogue.resource_unknown")
    before = town.everything()
    assert draft(housing, "d1", "estate", ESTATE).json()["version"] == 1
    assert town.everything() == before, "the same again"
    better = {**ESTATE, "summary": {"zh": "全市小区", "en": ""}}
    assert draft(housing, "d1", "estate", better).json()["record"]["summary"]["zh"] == "全市小区"
    sent = moved(housing, "d1", "submit")
    assert (sent["state"], sent["due_at"]) == ("submitted", "2026-03-09T10:00:00Z")
    assert states(data) == [("d1", "submitted")]
    assert data.get("messages")[0]["told"] == "The draft d1 of resource estate was submitted for review."
    refused(psb.call("GET", "drafts/d1"), 404, "catalogue.draft_unknown")
    refused(draft(housing, "d1", "estate", ESTATE), 409, "catalogue.draft_not_edited")
    done = moved(data, "d1", "approve")
    assert (done["state"], [step["move"] for step in done["steps"]]) == (
        "published", ["start", "submit", "approve", "publish"],
    )  # fmt: skip
    found = psb.get("resources/estate")
    assert (found["revision"], found["record"]["summary"]["zh"]) == (1, "全市小区")
    assert housing.get("resources/estate/revisions")[0]["cause"] == "reviewed"
    assert housing.get("messages")[-1]["state"] == "published"
    assert [each["state"] for each in town.events("catalogue.draft_moved")] == ["submitted", "published"]
    assert len(town.audited("catalogue.draft_moved")) == 2


def test_a_returned_draft_is_mended_and_submitted_again(town: Town, housing: Door, data: Door) -> None:
    draft(housing, "d1", "estate", ESTATE)
    moved(housing, "d1", "submit")
    refused(move(data, "d1", "return", 2), 422, "flow.reason_missing")
    assert move(data, "d1", "return", 2, reason="summary missing").json()["state"] == "editing"
    refused(data.call("GET", "drafts/d1"), 404, "catalogue.draft_unknown")
    assert housing.get("drafts/d1")["steps"][-1]["reason"] == "summary missing"
    draft(housing, "d1", "estate", {**ESTATE, "summary": {"zh": "全市小区", "en": ""}})
    moved(housing, "d1", "submit")
    assert moved(data, "d1", "approve")["state"] == "published"
    refused(move(housing, "d1", "submit", 6), 409, "flow.ended")


def test_a_draft_comes_into_force_on_its_day_and_until_then_all_stays(town: Town, housing: Door, data: Door) -> None:
    draft(housing, "d1", "estate", ESTATE, effective_on="2026-03-20")
    moved(housing, "d1", "submit")
    assert moved(data, "d1", "approve")["state"] == "approved"
    town.work()
    refused(housing.call("GET", "resources/estate"), 404, "catalogue.resource_unknown")
    town.clock.turn(days=18)
    town.work()
    town.work()
    assert town.resource("estate").revision == 1
    assert states(housing) == [("d1", "published")]
    less = {**ESTATE, "items": ESTATE["items"][:1]}
    draft(housing, "d2", "estate", less)
    refused(move(housing, "d2", "submit", 1), 422, "catalogue.notice_needed")
    draft(housing, "d2", "estate", less, effective_on="2026-04-10")
    changes = housing.get("drafts/d2")["changes"]
    assert [(each["path"], each["breaking"]) for each in changes] == [("items.名称", True)]
    moved(housing, "d2", "submit")
    assert moved(data, "d2", "approve")["state"] == "approved"
    assert housing.get("resources/estate")["announced"]["effective_on"] == "2026-04-10"
    refused(housing.call("DELETE", "resources/estate/announcement"), 409, "catalogue.draft_approved")
    town.clock.turn(days=30)
    town.work()
    assert [len(town.resource("estate").record.items), states(housing)[1]] == [1, ("d2", "published")]


def test_withdrawing_an_approved_draft_takes_its_announcement_along(town: Town, housing: Door, data: Door) -> None:
    housing.describe("estate", ESTATE)
    draft(housing, "gone", "estate", None, reason="merged", effective_on="2026-04-10")
    moved(housing, "gone", "submit")
    moved(data, "gone", "approve")
    assert housing.get("resources/estate")["announced"]["reason"] == "merged"
    assert moved(housing, "gone", "withdraw")["state"] == "withdrawn"
    town.clock.turn(days=60)
    town.work()
    assert town.resource("estate").retired_at is None
    draft(housing, "again", "estate", None, reason="merged", effective_on="2026-06-10")
    moved(housing, "again", "submit")
    moved(data, "again", "approve")
    town.clock.turn(days=60)
    town.work()
    assert town.resource("estate").retired_at
    assert states(housing) == [("again", "published"), ("gone", "withdrawn")]


def test_what_cannot_be_right_is_refused_and_changes_nothing(town: Town, housing: Door, data: Door, psb: Door) -> None:
    housing.describe("estate", ESTATE)
    wrong = {**ESTATE, "sharing": "refused"}
    draft(housing, "d1", "estate", wrong)
    before = town.everything()
    refused(move(housing, "d1", "submit", 1), 422, "catalogue.resource.refusal_without_law")
    refused(draft(housing, "d2", "estate", ESTATE), 409, "catalogue.draft_open")
    refused(draft(housing, "d1", "other", ESTATE), 409, "catalogue.draft_id_reused")
    refused(draft(psb, "d1", "mine", wish("我的", "psb")), 409, "catalogue.draft_id_taken")
    refused(draft(psb, "d2", "estate", ESTATE), 403, "kernel.refused")
    refused(draft(psb, "d2", "estate", None), 403, "kernel.refused")
    refused(draft(psb, "d2", "resident", wish("户籍", "psb")), 409, "catalogue.kept_by_pack")
    refused(draft(housing, "d2", "nothing", None), 404, "catalogue.resource_unknown")
    refused(move(psb, "d1", "withdraw", 1), 404, "catalogue.draft_unknown")
    refused(move(data, "d1", "approve", 1), 404, "catalogue.draft_unknown")
    refused(move(housing, "d1", "approve", 1), 403, "kernel.refused")
    refused(move(housing, "d1", "withdraw", 7), 409, "flow.stale")
    assert town.everything() == before


def test_who_wrote_a_draft_does_not_review_it(town: Town, data: Door) -> None:
    draft(data, "own", "list", wish("名录", "data"))
    moved(data, "own", "submit")
    before = town.everything()
    refused(move(data, "own", "approve", 2), 403, "catalogue.draft_of_own")
    assert town.everything() == before


def test_a_draft_of_what_has_changed_since_is_not_approved(town: Town, housing: Door, data: Door) -> None:
    housing.describe("estate", ESTATE)
    draft(housing, "d1", "estate", {**ESTATE, "cycle": "day"})
    moved(housing, "d1", "submit")
    housing.describe("estate", {**ESTATE, "cycle": "week"})
    before = town.everything()
    refused(move(data, "d1", "approve", 2), 409, "catalogue.draft_stale")
    assert town.everything() == before
    move(data, "d1", "return", 2, reason="changed meanwhile")
    draft(housing, "d1", "estate", {**ESTATE, "cycle": "day"})
    moved(housing, "d1", "submit")
    assert moved(data, "d1", "approve")["state"] == "published"


def test_a_review_that_waits_is_told(town: Town, housing: Door, data: Door) -> None:
    draft(housing, "d1", "estate", ESTATE)
    moved(housing, "d1", "submit")
    town.clock.turn(days=10)
    for _ in range(2):
        town.work()
    told = [each["kind"] for each in data.get("messages")]
    assert told == ["moved", "warning", "overdue", "escalation"]
    assert [each["kind"] for each in housing.get("messages")] == told[1:]
    assert "2026-03-09" in housing.get("messages")[0]["told"]


@pytest.mark.usefixtures("strict")
def test_a_city_may_have_everything_reviewed(town: Town, housing: Door, data: Door) -> None:
    before = town.everything()
    refused(housing.put("estate", ESTATE), 403, "catalogue.review_needed")
    assert town.everything() == before
    draft(housing, "d1", "estate", ESTATE)
    moved(housing, "d1", "submit")
    moved(data, "d1", "approve")
    before = town.everything()
    retiring = {"reason": "merged", "effective_on": "2026-06-10"}
    refused(housing.call("DELETE", "resources/estate", params=retiring), 403, "catalogue.review_needed")
    assert town.everything() == before
    assert hand_in(housing, export(housing, keeper="housing")).json()["unchanged"] == 1


@pytest.mark.usefixtures("strict")
def test_a_workbook_becomes_drafts_where_everything_is_reviewed(town: Town, housing: Door, data: Door) -> None:
    rows = [
        ["信息资源名称", "信息项名称", "共享类型"],
        ["物业企业", "企业名称", "无条件共享"],
        ["维修资金", "余额", "不予共享"],
        ["电梯", "编号", "无条件共享"],
    ]
    for _ in range(2):
        report = hand_in(housing, book(*rows)).json()
        assert (report["read"], report["drafted"], report["refused"], report["added"]) == (3, 2, 1, 0)
        told = [(line["row"], line["title"], line["outcome"]) for line in report["lines"]]
        assert told == [(2, "物业企业", "added"), (3, "维修资金", "refused"), (4, "电梯", "added")]
    assert report["faults"][0]["row"] == 3
    found = housing.get("drafts")
    assert [each["state"] for each in found] == ["editing"] * 2
    for each in found:
        moved(housing, each["id"], "submit")
        moved(data, each["id"], "approve")
    assert housing.get("resources", q="物业企业")["total"] == 1
    assert hand_in(housing, book(*rows)).json()["unchanged"] == 2
    assert ImportReport.__struct_fields__[-3:] == ("drafted", "lines", "earliest")
