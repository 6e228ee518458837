"""Reports between catalogues: up, down, twice, with a gap, under another's name."""

import copy
from typing import Any

import pytest
from catalogue_kit import Door, Town, item, refused, wish

from cityloom.catalogue.api import cascade
from cityloom.catalogue.contracts import Report
from cityloom.identity.api import accounts
from cityloom.identity.contracts import Role
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Refused


def change(sequence: int, id: str, title: str, **more: Any) -> dict[str, Any]:
    record = wish(title, "streets", **more)
    return {"sequence": sequence, "id": id, "code": f"301000/{sequence}", "grade": 1, "record": record}


def report(*changes: dict[str, Any], since: int = 0, until: int | None = None) -> dict[str, Any]:
    last = changes[-1]["sequence"] if changes else since
    return {"catalogue": "one", "since": since, "until": until or last, "changes": list(changes)}


def hear(door: Door, told: dict[str, Any]) -> Any:
    return door.call("POST", "reports", json=told)


def test_a_district_reports_up_and_again_without_effect(town: Town, district: Door, housing: Door) -> None:
    first = report(change(3, "street", "街道网格"), change(5, "well", "窨井盖"))
    assert hear(district, first).json() == {
        "catalogue": "one", "until": 5, "added": 2, "changed": 0, "retired": 0, "unchanged": 0,
    }  # fmt: skip
    before = town.everything()
    assert hear(district, first).json()["unchanged"] == 2
    after = town.everything()
    assert {table for table in before if before[table] != after[table]} <= {"partner"}
    assert [each["id"] for each in housing.get("resources", q="网格")["resources"]] == ["one~street"]
    found = housing.get("resources/one~street")
    assert (found["keeper"], found["source"], found["record"]["keeper"]) == ("district_one", "one", "streets")
    second = report(change(6, "well", "井盖"), {**change(7, "street", ""), "record": None}, since=5)
    assert hear(district, second).json()["changed"] == 1
    assert housing.get("resources/one~well")["revision"] == 2
    assert housing.get("resources/one~street")["retired_at"]
    assert housing.get("resources", q="网格")["total"] == 0
    assert len(town.audited("catalogue.report_heard")) == 2


def test_a_report_that_cannot_be_right_changes_nothing(town: Town, district: Door, housing: Door) -> None:
    assert hear(district, report(change(3, "street", "街道网格"))).status_code == 200
    before = town.everything()
    refused(hear(district, report(change(9, "well", "井盖"), since=8)), 409, "catalogue.report_gap")
    disordered = report(change(9, "well", "井盖"), change(8, "post", "灯杆"), since=3)
    refused(hear(district, disordered), 422, "catalogue.report_disordered")
    refused(hear(district, {**report(), "catalogue": "town"}), 422, "catalogue.report_of_itself")
    no_law = report(change(4, "well", "井盖", sharing="refused"), since=3)
    refused(hear(district, no_law), 422, "catalogue.resource.refusal_without_law")
    refused(hear(housing, report(change(4, "well", "井盖"))), 409, "catalogue.report_of_another")
    refused(district.put("one~street", wish("街道网格", "district_one")), 409, "catalogue.kept_elsewhere")
    refused(housing.put("one~street", wish("街道网格", "housing")), 403, "kernel.refused")
    refused(housing.put("two~street", wish("街道网格", "housing")), 422, "catalogue.id_reserved")
    assert town.everything() == before


def test_ids_too_long_or_twice_are_refused(town: Town, district: Door) -> None:
    before = town.everything()
    long = "a" * 125
    refused(hear(district, report(change(1, long, "长"))), 422, "catalogue.report_id_too_long")
    derived = change(1, "short", "短", derived_from=[long])
    refused(hear(district, report(derived)), 422, "catalogue.report_id_too_long")
    twice = report(change(1, "well", "井盖"), change(2, "well", "窨井盖"))
    refused(hear(district, twice), 422, "catalogue.report_id_twice")
    assert town.everything() == before
    assert hear(district, report(change(1, long[:-1], "长"))).json()["added"] == 1
    assert district.get(f"resources/one~{long[:-1]}")["revision"] == 1


def test_one_code_is_one_resources(town: Town, district: Door) -> None:
    well, post = change(1, "well", "井盖"), change(2, "post", "灯杆")
    before = town.everything()
    told = refused(hear(district, report(well, {**post, "code": well["code"]})), 422, "catalogue.report_code_twice")
    assert all(each in told["detail"] for each in ("301000/1", "well", "post"))
    assert town.everything() == before
    assert hear(district, report(well, post)).json()["added"] == 2
    before = town.everything()
    taken = {**change(3, "lamp", "路灯"), "code": "301000/1"}
    told = refused(hear(district, report(taken, since=2)), 409, "catalogue.report_code_held")
    assert all(each in told["detail"] for each in ("301000/1", "well", "lamp"))
    gone = {**change(3, "post", "灯杆"), "code": "301000/1", "record": None}
    refused(hear(district, report(gone, since=2)), 409, "catalogue.report_code_held")
    assert town.everything() == before


def test_codes_move_between_resources_within_a_report(town: Town, district: Door) -> None:
    assert hear(district, report(change(1, "well", "井盖"), change(2, "post", "灯杆"))).json()["added"] == 2
    swapped = [{**change(3, "post", "灯杆"), "code": "301000/1"}, {**change(4, "well", "井盖"), "code": "301000/2"}]
    assert hear(district, report(*swapped, since=2)).json()["changed"] == 2
    assert [town.resource(f"one~{id}").code for id in ("post", "well")] == ["one:301000/1", "one:301000/2"]
    follows = [{**change(5, "lamp", "路灯"), "code": "301000/1"}, change(6, "post", "灯杆")]
    assert hear(district, report(*follows, since=4)).json() == {
        "catalogue": "one", "until": 6, "added": 1, "changed": 1, "retired": 0, "unchanged": 0,
    }  # fmt: skip
    assert town.resource("one~post").code == "one:301000/6"


def test_an_export_with_what_others_report_is_handed_in_again(town: Town, district: Door) -> None:
    told = [change(1, "well", "井盖"), change(2, "post", "灯杆")]
    told = [{**each, "record": {**each["record"], "keeper": "district_one"}} for each in told]
    assert hear(district, report(*told)).json()["added"] == 2
    content = district.call("GET", "guide.xlsx", params={"keeper": "district_one"}).content
    again = district.call("POST", "guide-imports", content=content).json()
    assert (again["unchanged"], again["refused"]) == (2, 0), again
    turtle = district.call("GET", "dcat.ttl", params={"keeper": "district_one"}).text
    sent = {"content": turtle.replace("井盖", "窨井盖").encode(), "headers": {"content-type": "text/turtle"}}
    changed = district.call("POST", "dcat-imports", **sent).json()
    assert [each["code"] for each in changed["faults"]] == ["catalogue.kept_elsewhere"]
    assert changed["unchanged"] == 1


def test_a_grade_that_rose_there_rises_here(town: Town, district: Door) -> None:
    well = change(1, "well", "井盖")
    assert hear(district, report(well)).json()["added"] == 1
    assert hear(district, report({**well, "sequence": 2, "grade": 3}, since=1)).json()["changed"] == 1
    assert town.resource("one~well").grade == 3


def test_a_name_that_another_took_with_an_empty_report_is_anothers(town: Town, district: Door, housing: Door) -> None:
    assert hear(housing, report()).status_code == 200
    before = town.everything()
    refused(hear(district, report(change(1, "well", "井盖"))), 409, "catalogue.report_of_another")
    refused(hear(district, report()), 409, "catalogue.report_of_another")
    assert town.everything() == before
    assert hear(housing, report(change(1, "well", "井盖"))).json()["added"] == 1


def test_what_one_catalogue_reports_another_hears_whole(town: Town, housing: Door, district: Door) -> None:
    housing.describe("estate", wish("小区", "housing", item("名称", grade=2), subject="place"))
    housing.describe("fused", wish("画像", "housing", derived_from=["estate"]))
    told = district.get("report")
    assert [each["id"] for each in told["changes"]] == ["resident", "estate", "fused"]
    pages = [district.get("report", limit=2)]
    pages.append(district.get("report", limit=2, since=pages[0]["until"]))
    assert [page["more"] for page in pages] == [True, False]
    assert [each for page in pages for each in page["changes"]] == told["changes"]
    down = {**copy.deepcopy(told), "catalogue": "parent"}
    assert hear(district, down).json()["added"] == 3
    assert housing.get("resources/parent~estate")["grade"] == 2
    assert housing.get("resources/parent~fused")["record"]["derived_from"] == ["parent~estate"]
    assert housing.get("resources/parent~estate/lineage")["lines"][0]["target"] == "parent~fused"
    again = district.get("report", since=told["until"])
    assert again["changes"] == [], "what was heard is not reported onward as one's own"


def test_an_analyst_reports_nothing(town: Town, district: Door) -> None:
    accounts.create(town.platform, "li.na", "district_one")
    accounts.give_roles(town.platform, "li.na", [Role.analyst])
    ctx = Context(town.parts, Principal("li.na", "district_one", frozenset({"analyst"})))
    before = town.everything()
    with pytest.raises(Refused):
        cascade.hear(ctx, Report("one", 0, 0, ()))
    assert town.everything() == before
