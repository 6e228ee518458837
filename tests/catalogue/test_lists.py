"""The three lists, and forms that ask for what sharing gives."""

from typing import Any

import pytest
from catalogue_kit import Door, Town, item, refused, wish

LAW = {"zh": "《中华人民共和国保守国家秘密法》第十三条", "en": ""}
NEED: dict[str, Any] = {
    "title": "核验租户身份",
    "purpose": "公租房资格审核",
    "legal_basis": "《公共租赁住房管理办法》第七条",
    "items": ["公民身份号码", "姓名"],
    "resource": "resident",
}


@pytest.fixture
def stocked(housing: Door) -> Door:
    condition = {"zh": "限行政审批", "en": "approvals only"}
    housing.describe(
        "dwelling",
        wish(
            "房屋", "housing", item("房屋编码", "Dwelling code", authoritative=True), item("面积"), subject="place",
            sharing="conditional", sharing_condition=condition,
        ),
    )  # fmt: skip
    secret = wish("涉密工程", "housing", item("密级"), subject="place", sharing="refused", refusal_law=LAW)
    housing.describe("secret", secret)
    return housing


def form(subject: str, *fields: dict[str, str]) -> dict[str, Any]:
    return {"title": "申请表", "subject": subject, "fields": list(fields)}


def check(door: Door, subject: str, *fields: dict[str, str]) -> dict[str, Any]:
    answer = door.call("POST", "form-checks", json=form(subject, *fields))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_supply_and_responsibility_are_computed_from_the_resources(stocked: Door) -> None:
    supplied = stocked.get("lists/supply")
    assert [(each["id"], each["sharing"], each["condition"]) for each in supplied] == [
        ("dwelling", "conditional", "approvals only"),
        ("resident", "conditional", ""),
    ]
    assert [each["id"] for each in stocked.get("lists/supply", keeper="psb")] == ["resident"]
    assert [each["id"] for each in stocked.get("lists/supply", after="dwelling", limit=1)] == ["resident"]
    answering = {each["resource"]: each["items"] for each in stocked.get("lists/responsibility")}
    assert answering == {
        "dwelling": ["Dwelling code"],
        "resident": ["Identity number", "Name", "Registered address"],
        "secret": [],
    }


def test_a_demand_is_made_once_and_taken_back_by_who_made_it(town: Town, stocked: Door, psb: Door) -> None:
    made = stocked.call("POST", "demands", json=NEED)
    assert made.status_code == 201, made.text
    assert stocked.call("POST", "demands", json=NEED).json() == made.json()
    assert [each["organisation"] for each in psb.get("lists/demand", status="open")] == ["housing"]
    before = town.everything()
    refused(psb.call("DELETE", f"demands/{made.json()['id']}"), 403, "kernel.refused")
    refused(psb.call("DELETE", "demands/nothing"), 404, "catalogue.demand_unknown")
    refused(psb.call("POST", "demands", json=NEED), 409, "catalogue.demand_of_own")
    refused(psb.call("POST", "demands", json=NEED | {"resource": "nothing"}), 404, "catalogue.resource_unknown")
    assert town.everything() == before
    assert stocked.call("DELETE", f"demands/{made.json()['id']}").json()["state"] == "withdrawn"
    refused(stocked.call("DELETE", f"demands/{made.json()['id']}"), 409, "catalogue.demand_ended")
    assert psb.get("lists/demand", status="open") == []


def test_a_demand_is_answered_by_the_keeper_alone(town: Town, stocked: Door, psb: Door, district: Door) -> None:
    id = stocked.call("POST", "demands", json=NEED).json()["id"]
    loose = stocked.call("POST", "demands", json={**NEED, "resource": None}).json()["id"]
    before = town.everything()
    given = {"state": "met", "answer": "granted for one year"}
    for door in (stocked, district):
        refused(door.call("POST", f"demands/{id}/answer", json=given), 403, "kernel.refused")
    refused(psb.call("POST", f"demands/{loose}/answer", json=given), 409, "catalogue.demand_of_nobody")
    assert town.everything() == before
    done = psb.call("POST", f"demands/{id}/answer", json=given).json()
    assert (done["state"], done["answer"]) == ("met", "granted for one year")
    refused(psb.call("POST", f"demands/{id}/answer", json=given), 409, "catalogue.demand_ended")


def test_a_form_may_not_ask_for_what_another_shares(stocked: Door, psb: Door) -> None:
    found = check(stocked, "person", {"name": "身份证号", "element": "citizen_id"}, {"name": "宠物名字"})
    assert found["publishable"] is False
    (finding,) = found["findings"]
    assert (finding["field"], finding["keeper"], finding["authoritative"]) == ("身份证号", "psb", True)
    assert "request it from Public Security Bureau" in finding["problem"]
    by_name = check(stocked, "person", {"name": "户籍 地址"}, {"name": "地址", "qualifier": "户籍"})
    assert [each["item"] for each in by_name["findings"]] == ["Registered address"] * 2


def test_a_form_may_ask_for_what_is_ones_own_refused_or_of_another_subject(stocked: Door, psb: Door) -> None:
    assert check(psb, "person", {"name": "姓名"})["publishable"]
    assert check(psb, "place", {"name": "密级"})["publishable"]
    assert check(psb, "organisation", {"name": "姓名"})["publishable"]
    assert not check(psb, "place", {"name": "面积"})["publishable"]
    answer = psb.call("POST", "form-checks", json=form("ghost", {"name": "x"}))
    refused(answer, 422, "catalogue.resource.subject_unknown")
