"""Disputes about who answers for an item: claimed, heard, ruled; the source moves or is confirmed."""

from pathlib import Path
from typing import Any

import pytest
from catalogue_kit import RESIDENT, Door, Town, install, item, refused, wish, write_pack

from cityloom.catalogue.jobs import bring_into_force

LAW = "《物业管理条例》第六条"
ESTATE = wish("小区", "housing", item("小区编码", authoritative=True), item("名称"), subject="place")
GRID = wish("网格", "psb", item("网格编码"), item("小区编码"), subject="place")
CLAIM = {"resource": "grid", "item": "小区编码", "law": LAW, "reason": "we number them"}


def claim(door: Door, id: str = "c1", **other: str) -> Any:
    return door.call("PUT", f"disputes/{id}", json={**CLAIM, **other})


def move(door: Door, name: str, version: int, id: str = "c1", **more: Any) -> Any:
    sent = {"move": name, "version": version, "key": f"{name} {version}", **more}
    return door.call("POST", f"disputes/{id}/moves", json=sent)


def source(door: Door, name: str = "小区编码") -> str:
    found = [each["resource"] for each in door.get("sources", subject="place") if each["item"] == name]
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def disputed(housing: Door, psb: Door, district: Door) -> Door:
    """Housing answers for the item, the police has it too, and a district follows."""
    housing.describe("estate", ESTATE)
    psb.describe("grid", GRID)
    assert district.call("PUT", "resources/estate/following").status_code == 204
    claimed = {**GRID, "items": [GRID["items"][0], {**GRID["items"][1], "authoritative": True}]}
    document = refused(psb.put("grid", claimed), 409, "catalogue.second_source")
    assert "file a dispute" in document["remedy"]
    return psb


def test_a_ruling_moves_the_source_and_everybody_is_told(
    town: Town, disputed: Door, housing: Door, data: Door, district: Door
) -> None:
    filed = claim(disputed).json()
    assert (filed["state"], filed["holder"], filed["held_by"], filed["due_at"]) == (
        "stated", "housing", "estate", "2026-03-09T10:00:00Z",
    )  # fmt: skip
    before = town.everything()
    assert claim(disputed).json() == filed
    refused(claim(disputed, reason="else"), 409, "catalogue.dispute_id_reused")
    refused(move(data, "move_source", 1, reason="x", law=LAW), 409, "catalogue.dispute_unheard")
    refused(move(housing, "answer", 1, reason="ours"), 422, "catalogue.dispute_lawless")
    refused(district.call("GET", "disputes/c1"), 404, "catalogue.dispute_unknown")
    assert town.everything() == before
    assert move(housing, "answer", 1, reason="ours", law="《民法典》第二百七十八条").json()["state"] == "answered"
    assert source(data) == "estate", "it stays until it is ruled"
    done = move(data, "move_source", 2, reason="numbering is the police's duty", law=LAW)
    assert done.json()["state"] == "moved"
    assert done.json()["ruling"] == "numbering is the police's duty"
    assert move(data, "move_source", 2, reason="numbering is the police's duty", law=LAW).json() == done.json()
    assert source(data) == "grid"
    for id in ("estate", "grid"):
        assert [each["cause"] for each in data.get(f"resources/{id}/revisions")] == ["ruled", "put"]
    for door in (district, housing, disputed):
        told = door.get("messages")[-1]
        assert (told["state"], told["subject"]) == ("moved", "dispute:c1")
        assert "moved from estate of housing to grid of psb" in told["told"]
    assert [each["state"] for each in town.events("catalogue.dispute_moved")] == ["stated", "answered", "moved"]
    assert len(town.audited("catalogue.dispute_moved")) == 3
    assert [step["move"] for step in data.get("disputes/c1")["steps"]] == ["start", "answer", "move_source"]
    refused(housing.put("estate", ESTATE), 409, "catalogue.second_source")


def test_a_source_is_confirmed_and_may_be_disputed_again(town: Town, disputed: Door, housing: Door, data: Door) -> None:
    claim(disputed)
    refused(claim(disputed, "c2"), 409, "catalogue.dispute_open")
    move(housing, "answer", 1, reason="ours", law=LAW)
    resources = town.everything()["resource"]
    assert move(data, "confirm", 2, reason="as it is", law=LAW).json()["state"] == "confirmed"
    assert town.everything()["resource"] == resources
    assert claim(disputed, "c2").json()["state"] == "stated"
    assert move(disputed, "withdraw", 1, "c2").json()["state"] == "withdrawn"
    assert [each["state"] for each in housing.get("disputes")] == ["confirmed", "withdrawn"]


def test_who_does_not_answer_is_overdue_and_ruled_upon(town: Town, disputed: Door, housing: Door, data: Door) -> None:
    claim(disputed)
    town.clock.turn(days=10)
    town.work()
    assert [each["kind"] for each in housing.get("messages")] == ["moved", "warning", "overdue", "escalation"]
    assert move(data, "move_source", 1, reason="nobody spoke", law=LAW).json()["state"] == "moved"
    assert source(data) == "grid"


def test_who_answers_for_it_may_concede(town: Town, disputed: Door, housing: Door, data: Door) -> None:
    claim(disputed)
    assert move(housing, "concede", 1).json()["state"] == "moved"
    assert source(data) == "grid"


def test_what_cannot_be_disputed_is_refused_and_changes_nothing(
    town: Town, disputed: Door, housing: Door, data: Door, district: Door
) -> None:
    before = town.everything()
    refused(claim(housing), 403, "kernel.refused")
    refused(claim(disputed, item="网格编码"), 409, "catalogue.source_undisputed")
    refused(claim(disputed, item="层数"), 422, "catalogue.dispute_item_unknown")
    refused(claim(disputed, law="because"), 422, "catalogue.dispute_lawless")
    refused(claim(disputed, resource="none"), 404, "catalogue.resource_unknown")
    assert town.everything() == before
    housing.describe("second", wish("副本", "housing", item("小区编码"), subject="place"))
    refused(claim(housing, resource="second"), 409, "catalogue.dispute_with_oneself")
    claim(disputed)
    before = town.everything()
    refused(move(district, "answer", 1, reason="x", law=LAW), 404, "catalogue.dispute_unknown")
    refused(move(housing, "move_source", 1, reason="x", law=LAW), 403, "kernel.refused")
    refused(move(disputed, "answer", 1, reason="x", law=LAW), 403, "kernel.refused")
    refused(move(data, "withdraw", 1), 403, "kernel.refused")
    assert town.everything() == before


def test_a_ruling_outlives_a_start_and_an_older_announcement(
    town: Town, housing: Door, psb: Door, data: Door, tmp_path: Path
) -> None:
    """The pack goes on claiming the item; what was announced before the ruling does not undo it."""
    register = wish("居民", "housing", item("公民身份号码", element="citizen_id"), item("楼栋"), subject="person")
    housing.describe("occupant", register)
    housing.describe("occupant", {**register, "items": register["items"][:1]}, effective_on="2026-03-20")
    claim(housing, resource="occupant", item="公民身份号码")
    move(psb, "concede", 1)
    town.clock.turn(days=20)
    bring_into_force(town.platform)
    assert [each.authoritative for each in town.resource("occupant").record.items] == [True]
    write_pack(tmp_path / "packs", RESIDENT.replace("every: month", "every: day"))
    install(town.parts)
    held = {each["item"]: each["resource"] for each in data.get("sources", subject="person")}
    assert held["公民身份号码"] == "occupant"
    assert town.resource("resident").record.cycle == "day"
