"""Resources: described, refused, one source per item, graded, announced, retired, compared."""

from pathlib import Path
from typing import Any

import msgspec
import psycopg
from catalogue_kit import RESIDENT, Door, Town, install, item, refused, wish, write_pack

from cityloom.catalogue import api as catalogue
from cityloom.catalogue.api import upkeep
from cityloom.kernel import packs

LAW = {"zh": "《中华人民共和国统计法》第九条", "en": "Statistics Law, article 9"}


def test_a_dataset_of_a_pack_is_a_resource(town: Town, housing: Door) -> None:
    found = housing.get("resources/resident")
    assert (found["keeper"], found["grade"], found["revision"]) == ("psb", 3, 1)
    assert found["code"] == "101000/000001"  # the subject person belongs to the category 101
    assert found["record"]["cycle"] == "month"
    assert [each["name"]["zh"] for each in found["record"]["items"]] == ["公民身份号码", "姓名", "户籍地址"]
    before = town.everything()
    install(town.parts)
    assert town.everything() == before


def test_a_changed_declaration_is_a_new_revision_and_is_told(town: Town, psb: Door, tmp_path: Path) -> None:
    write_pack(tmp_path / "packs", RESIDENT.replace("{every: month}", "{every: year}"))
    install(town.parts)
    assert psb.get("resources/resident")["revision"] == 2
    diff = psb.get("resources/resident/diff", first=1, second=2)
    assert diff["changes"] == [{"path": "cycle", "before": '"month"', "after": '"year"', "breaking": True}]
    told = town.events("catalogue.changed")[-1]
    assert (told["resource"], told["breaking"], told["paths"]) == ("resident", True, ["cycle"])
    (tmp_path / "packs/town/exchange/resident.yaml").unlink()
    install(town.parts)
    assert psb.get("resources/resident")["retired_at"]
    assert psb.get("resources")["total"] == 0


def test_what_a_pack_declares_is_not_described_over_http(town: Town, psb: Door) -> None:
    before = town.everything()
    refused(psb.put("resident", wish("户籍人口", "psb")), 409, "catalogue.kept_by_pack")
    assert town.everything() == before


def test_a_department_describes_what_it_keeps(town: Town, housing: Door) -> None:
    made = housing.describe(
        "estate", wish("住宅小区", "housing", summary={"zh": "全市小区", "en": ""}, subject="place")
    )
    assert (made["id"], made["code"], made["revision"], made["grade"]) == ("estate", "103000/000001", 1, 1)
    again = housing.describe(
        "estate", wish("住宅小区", "housing", summary={"zh": "全市小区", "en": ""}, subject="place")
    )
    assert again["revision"] == 1
    changed = housing.describe(
        "estate",
        wish(
            "住宅小区",
            "housing",
            item("名称", "Name"),
            item("数量", "Amount", type="integer"),
            item("地址"),
            subject="place",
        ),
    )
    assert (changed["revision"], changed["code"]) == (2, made["code"])
    assert [each["revision"] for each in housing.get("resources/estate/revisions")] == [2, 1]
    audited = town.audited("catalogue.resource_put")
    assert [each["facts"]["outcome"] for each in audited] == ["added", "changed"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"sharing": "refused"}, "refusal_without_law"),
    ({"sharing": "refused", "refusal_law": {"zh": "涉密，按内部规定执行", "en": ""}}, "refusal_without_law"),
    ({"refusal_law": LAW}, "law_without_refusal"),
    ({"sharing": "conditional"}, "condition_untold"),
    ({"sharing": "conditional", "sharing_condition": {"zh": "无", "en": ""}}, "condition_untold"),
    ({"sharing_condition": {"zh": "须局长签字", "en": ""}}, "condition_invented"),
    ({"openness": "conditional"}, "open_condition_untold"),
    ({"sharing": "refused", "refusal_law": LAW, "openness": "open"}, "open_but_refused"),
    ({"openness": "open", "items": [item("姓名", personal=True, grade=2)]}, "open_too_high"),
    ({"openness": "open", "items": [item("产量", grade=2)]}, "open_too_high"),
    ({"items": []}, "no_items"),
    ({"items": [item("名称"), item("名 称")]}, "item_twice"),
    ({"items": [item("　")]}, "item_without_name"),
    ({"items": [item("姓名", personal=True)]}, "personal_too_low"),
    ({"items": [item("姓名", element="nothing")]}, "element_unknown"),
    ({"items": [item("姓名", authoritative=True)]}, "source_without_subject"),
    ({"subject": "ghost"}, "subject_unknown"),
    ({"category": "901001"}, "category_unknown"),
    ({"category": "109001"}, "category_unknown"),
    ({"category": "101001", "code": "102001/1"}, "code_differs"),
    ({"derived_from": ["nobody"]}, "derived_unknown"),
    ({"derived_from": ["odd"]}, "derived_from_itself"),
    ({"title": {"zh": " ", "en": ""}}, "no_title"),
]


def test_a_wrong_description_is_refused_with_its_remedy_and_changes_nothing(town: Town, housing: Door) -> None:
    before = town.everything()
    for more, fault in WRONG:
        described = {**wish("异常", "housing"), **more}
        refused(housing.put("odd", described), 422, f"catalogue.resource.{fault}")
        tried = housing.call("POST", "resources/odd/trials", json=described).json()
        assert tried["outcome"] == "refused"
        assert f"catalogue.resource.{fault}" in {each["code"] for each in tried["faults"]}
        assert town.everything() == before


def test_a_withdrawn_element_is_refused(town: Town, housing: Door) -> None:
    """Also while an earlier version of it is still on record as current."""
    element = "plot:\n  title: {en: Plot, zh: 宗地}\n  type: text\n"
    file = Path(town.parts.settings.packs) / "town/catalogue/elements.yaml"
    file.parent.mkdir()
    described = wish("宗地", "housing", item("宗地号", element="plot"))
    for text in (element, element + '  version: "2"\n  status: withdrawn\n'):
        file.write_text(text, encoding="utf-8")
        chosen = packs.choose(packs.folders(town.parts.settings), "town")
        install(msgspec.structs.replace(town.parts, packs=chosen))
        answer = housing.put("plots", described)
        if text == element:
            assert answer.status_code == 200, answer.text
            before = town.everything()
    refused(answer, 422, "catalogue.resource.element_withdrawn")
    refused(housing.put("plots_two", described), 422, "catalogue.resource.element_withdrawn")
    assert town.everything() == before


def test_a_refusal_that_cites_its_law_is_kept(town: Town, housing: Door) -> None:
    made = housing.describe("secret", wish("统计个体资料", "housing", sharing="refused", refusal_law=LAW))
    assert made["record"]["refusal_law"] == LAW
    english = {"zh": "", "en": "Regulations on State Secrets, article 12"}
    housing.describe("secret_two", wish("统计资料", "housing", sharing="refused", refusal_law=english))


SECOND = [
    item("公民身份号码", personal=True, grade=3),
    item("公民 身份号码", personal=True, grade=3),
    item("身份证号", element="citizen_id", personal=True, grade=3),
    item("户籍地址", personal=True, grade=3),
    item("地址", qualifier="户籍", element="address", personal=True, grade=3),
]
"""The same name; with other spaces; the same element; the same name without the element; the same qualifier."""


def test_a_second_source_is_refused_and_names_the_keeper(town: Town, housing: Door) -> None:
    before = town.everything()
    for claimed in SECOND:
        answer = housing.put("tenant", wish("租户", "housing", {**claimed, "authoritative": True}, subject="person"))
        document = refused(answer, 409, "catalogue.second_source")
        assert "Public Security Bureau" in document["detail"]
        assert document["params"]["resource"] == "resident"
        assert town.everything() == before


def test_the_same_item_of_another_subject_or_unclaimed_is_taken(town: Town, housing: Door) -> None:
    address = item("居住地址", element="address", qualifier="居住", personal=True, grade=3, authoritative=True)
    name = item("姓名", element="person_name", personal=True, grade=2)
    housing.describe("tenant", wish("租户", "housing", name, address, subject="person"))
    agent = item("姓名", personal=True, grade=2, authoritative=True)
    housing.describe("agency", wish("中介机构", "housing", agent, subject="organisation"))
    found = catalogue.source_of(town.platform, "person", name="居住地址")
    assert found is not None
    assert (found.resource, found.keeper) == ("tenant", "housing")
    listed = {(each["item"], each["keeper"]) for each in housing.get("sources", subject="person")}
    assert listed == {("公民身份号码", "psb"), ("姓名", "psb"), ("户籍地址", "psb"), ("居住地址", "housing")}


def test_a_claim_that_is_given_up_can_be_taken_by_another(town: Town, housing: Door, psb: Door) -> None:
    claimed = item("房屋编码", authoritative=True)
    housing.describe("dwelling", wish("房屋", "housing", claimed, subject="place"))
    refused(psb.put("house", wish("实有房屋", "psb", claimed, subject="place")), 409, "catalogue.second_source")
    housing.describe("dwelling", wish("房屋", "housing", item("房屋编码"), subject="place"))
    psb.describe("house", wish("实有房屋", "psb", claimed, subject="place"))


def test_a_pack_that_claims_what_another_answers_for_starts_without_the_claim(
    town: Town, housing: Door, tmp_path: Path
) -> None:
    housing.describe("tenant", wish("租户", "housing", item("居住证号", authoritative=True), subject="person"))
    field = "  - {name: permit, title: {en: Permit, zh: 居住证号}, type: text, authoritative: true}\n"
    write_pack(tmp_path / "packs", RESIDENT + field)
    install(town.parts)
    last = housing.get("resources/resident")["record"]["items"][-1]
    assert (last["name"]["zh"], last.get("authoritative", False)) == ("居住证号", False)
    assert {each["facts"]["kept_by"] for each in town.audited("catalogue.claim_dropped")} == {"housing"}


def test_the_grade_is_the_highest_items_and_follows_what_it_is_fused_from(town: Town, housing: Door) -> None:
    housing.describe("rent", wish("租金", "housing", item("租金", type="decimal"), item("面积", grade=2)))
    assert housing.get("resources/rent")["grade"] == 2
    name = item("姓名", personal=True, grade=2)
    fused = wish("居住画像", "housing", name, item("租金", type="decimal"), derived_from=["rent", "resident"])
    assert housing.describe("fused", fused)["grade"] == 2
    with_number = wish("居住核验", "housing", item("公民身份号码", personal=True, grade=2), derived_from=["resident"])
    assert housing.describe("check", with_number)["grade"] == 3
    why = {"zh": "按街道汇总，见附录I", "en": ""}
    assert housing.describe("count", {**with_number, "regraded": why})["grade"] == 2
    secret = wish("租金", "housing", item("租金", type="decimal", grade=4), item("面积", grade=2))
    refused(housing.put("rent", secret), 422, "catalogue.notice_needed")
    housing.describe("rent", secret, effective_on="2026-03-20")
    town.clock.turn(days=20)
    assert upkeep.bring_into_force(town.platform) == 1
    town.hear()
    assert housing.get("resources/fused")["grade"] == 4
    assert [each["cause"] for each in housing.get("resources/fused/revisions")] == ["regraded", "put"]
    town.hear()
    assert housing.get("resources/fused")["revision"] == 2


def test_derivations_in_a_circle_are_refused(town: Town, housing: Door) -> None:
    housing.describe("one", wish("甲", "housing"))
    housing.describe("two", wish("乙", "housing", derived_from=["one"]))
    before = town.everything()
    answer = housing.put("one", wish("甲", "housing", derived_from=["two"]))
    refused(answer, 422, "catalogue.resource.derived_circle")
    assert town.everything() == before
    lines = housing.get("resources/one/lineage", depth=2)["lines"]
    assert [(line["source"], line["target"], line["distance"]) for line in lines] == [("one", "two", 1)]


def test_a_breaking_change_is_announced_to_followers_before_it_comes(town: Town, housing: Door, psb: Door) -> None:
    first = wish("房屋", "housing", item("编码"), item("面积", type="decimal"))
    housing.describe("dwelling", first)
    assert psb.call("PUT", "resources/dwelling/following").status_code == 204
    second = wish("房屋", "housing", item("编码"), item("产权", type="text"))
    document = refused(housing.put("dwelling", second), 422, "catalogue.notice_needed")
    assert document["params"] == {"resource": "dwelling", "paths": "items.面积", "earliest": "2026-03-12"}
    refused(housing.put("dwelling", second, effective_on="2026-03-11"), 422, "catalogue.notice_short")
    found = housing.describe("dwelling", second, effective_on="2026-03-12", reason="new survey")
    assert found["revision"] == 1
    assert found["announced"]["effective_on"] == "2026-03-12"
    told = town.events("catalogue.change_announced")
    assert told == [
        {
            "resource": "dwelling",
            "organisation": "housing",
            "effective_on": "2026-03-12",
            "paths": ["items.面积"],
            "reason": "new survey",
        }
    ]
    notices = psb.get("notices")
    assert [(each["resource"], each["effective_on"]) for each in notices] == [("dwelling", "2026-03-12")]
    assert {(each["path"], each["breaking"]) for each in notices[0]["changes"]} == {
        ("items.面积", True),
        ("items.产权", False),
    }
    refused(housing.put("dwelling", {**first, "en": "x"} | {"cycle": "day"}), 400, "kernel.request_wrong")
    refused(housing.put("dwelling", first | {"cycle": "day"}), 409, "catalogue.change_pending")
    town.clock.turn(days=9)
    assert upkeep.bring_into_force(town.platform) == 0
    town.clock.turn(days=1)
    assert upkeep.bring_into_force(town.platform) == 1
    assert upkeep.bring_into_force(town.platform) == 0
    now = housing.get("resources/dwelling")
    assert (now["revision"], now["announced"]) == (2, None)
    assert psb.get("notices") == []
    assert housing.get("resources/dwelling/revisions")[0]["breaking"] is True
    assert psb.call("DELETE", "resources/dwelling/following").status_code == 204


def test_an_announced_code_that_was_taken_meanwhile_holds_up_no_other_change(town: Town, housing: Door) -> None:
    for id, on in (("first", "2026-03-12"), ("second", "2026-03-13")):
        housing.describe(id, wish(id, "housing"))
        code = {"code": "301001/000007"} if id == "first" else {}
        housing.describe(id, wish(id, "housing", item("名称"), **code), effective_on=on)
    housing.describe("quick", wish("快的", "housing", code="301001/000007"))
    town.clock.turn(days=20)
    assert upkeep.bring_into_force(town.platform) == 1
    assert (town.resource("first").revision, town.resource("second").revision) == (1, 2)
    assert housing.get("resources/first")["announced"]["effective_on"] == "2026-03-12", "it waits"
    housing.describe("quick", wish("快的", "housing", code="301001/000008"), effective_on="2026-04-01")
    town.clock.turn(days=20)
    assert [upkeep.bring_into_force(town.platform) for _ in range(2)] == [1, 1]
    assert town.resource("first").code == "301001/000007"


def test_an_announcement_is_taken_back(town: Town, housing: Door) -> None:
    housing.describe("dwelling", wish("房屋", "housing"))
    housing.describe("dwelling", wish("房屋", "housing", item("名称")), effective_on="2026-04-01")
    assert housing.call("DELETE", "resources/dwelling/announcement").json()["announced"] is None
    refused(housing.call("DELETE", "resources/dwelling/announcement"), 404, "catalogue.nothing_announced")
    town.clock.turn(days=60)
    assert upkeep.bring_into_force(town.platform) == 0


def test_retiring_is_announced_and_its_code_is_not_given_again(town: Town, housing: Door) -> None:
    code = housing.describe("dwelling", wish("房屋", "housing"))["code"]
    answer = housing.call("DELETE", "resources/dwelling", params={"reason": "merged"})
    refused(answer, 422, "catalogue.notice_needed")
    when = {"reason": "merged", "effective_on": "2026-03-20"}
    assert housing.call("DELETE", "resources/dwelling", params=when).json()["announced"]["reason"] == "merged"
    assert housing.get("resources", q="房屋")["total"] == 1
    town.clock.turn(days=30)
    assert upkeep.bring_into_force(town.platform) == 1
    assert housing.get("resources/dwelling")["retired_at"]
    assert housing.get("resources", q="房屋")["total"] == 0
    assert housing.describe("other", wish("其他", "housing"))["code"] != code
    refused(housing.put("third", wish("第三", "housing", code=code)), 409, "catalogue.code_taken")


def test_a_code_far_ahead_is_refused_and_no_code_grows_past_its_room(town: Town, housing: Door) -> None:
    before = town.everything()
    for number in ("999999999999", "1000000"):
        far = wish("远的", "housing", code=f"300000/{number}")
        refused(housing.put("far", far), 422, "catalogue.code_too_far")
    assert town.everything() == before
    housing.describe("near", wish("近的", "housing", code="300000/999999"))
    assert housing.describe("next", wish("下一个", "housing"))["code"] == "300000/1000000"
    housing.describe("near", wish("近的", "housing", code="300000/999999", cycle="day"))
    with psycopg.connect(town.admin_url) as connection:
        connection.execute("UPDATE catalogue.code_counter SET last = 999999999998 WHERE category = '300000'")
    assert housing.describe("last", wish("最后", "housing"))["code"] == "300000/999999999999"
    before = town.everything()
    refused(housing.put("over", wish("再来", "housing")), 422, "catalogue.codes_used_up")
    assert town.everything() == before


def test_nobody_describes_what_another_keeps(town: Town, housing: Door, psb: Door, district: Door) -> None:
    """Every route that writes, at another organisation's resource: refused, kept in the audit log, nothing changed."""
    housing.describe("dwelling", wish("房屋", "housing"))
    housing.describe("dwelling", wish("房屋", "housing", item("名称")), effective_on="2026-04-01")
    before = town.everything()
    for answer in (
        psb.put("dwelling", wish("房屋", "housing")),
        psb.put("dwelling", wish("房屋", "psb")),
        psb.put("fresh", wish("新的", "housing")),
        district.call("DELETE", "resources/dwelling", params={"reason": "x", "effective_on": "2026-05-01"}),
        district.call("DELETE", "resources/dwelling/announcement"),
    ):
        refused(answer, 403, "kernel.refused")
    refused(housing.put("dwelling", wish("房屋", "psb")), 409, "catalogue.keeper_differs")
    for method, address in (("GET", "resources"), ("PUT", "resources/dwelling"), ("GET", "notices")):
        stranger = housing.client.request(method, f"/api/catalogue/{address}", json=wish("房屋", "housing"))
        assert stranger.status_code == 401
    assert town.everything() == before
    assert {each["facts"]["right"] for each in town.audited("access.refused")} == {
        "catalogue.write",
        "catalogue.retire",
    }


def test_a_trial_tells_everything_at_its_place_and_keeps_nothing(town: Town, housing: Door, psb: Door) -> None:
    flat = wish("住房", "housing", item("房号", authoritative=True), item("面积", type="decimal"), subject="place")
    housing.describe("flat", flat)
    before = town.everything()

    def tried(door: Door, id: str, wish: dict[str, Any], **query: Any) -> Any:
        answer = door.call("POST", f"resources/{id}/trials", json=wish, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    twice = wish(
        "租户", "housing", item("租约"), item("姓名", authoritative=True, grade=2), item("公民身份号码", authoritative=True),
        item("户籍地址"), subject="person", sharing="refused", related=["x"],
    )  # fmt: skip
    found = tried(housing, "tenants", twice)
    told = [(each["field"], each["item"], each["code"].split(".")[-1]) for each in found["faults"]]
    assert told == [
        ("refusal_law", None, "refusal_without_law"), ("authoritative", 1, "second_source"),
        ("authoritative", 2, "second_source"),
    ]  # fmt: skip
    assert found["faults"][0]["problem"] == "Sharing is refused and no law is cited (given: -)."
    assert "Public Security Bureau answers for the item" in found["faults"][1]["problem"]
    assert [(each["field"], each["resource"]) for each in found["findings"]] == [("户籍地址", "resident")]
    assert (found["outcome"], found["grade"], found["code"][:6]) == ("refused", 2, "101000")
    # what it is derived from, it may take over
    assert tried(housing, "tenants", {**twice, "derived_from": ["resident"]})["findings"] == []

    assert tried(housing, "flat", flat)["outcome"] == "unchanged"
    narrower = {**flat, "items": [flat["items"][0]]}
    gone = tried(housing, "flat", narrower)
    assert (gone["outcome"], gone["earliest"]) == ("announced", "2026-03-12")
    assert [(each["path"], each["breaking"]) for each in gone["changes"]] == [("items.面积", True)]
    early = tried(housing, "flat", narrower, effective_on="2026-03-03")
    assert [(each["field"], each["code"]) for each in early["faults"]] == [("effective_on", "catalogue.notice_short")]
    refused(psb.call("POST", "resources/flat/trials", json=flat), 403, "kernel.refused")
    assert town.everything() == before
