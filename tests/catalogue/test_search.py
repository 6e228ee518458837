"""Search: words, pieces, wrong characters and letters, filters, pages, and the re-index."""

from typing import Any

import pytest
from catalogue_kit import Door, Town, item, wish
from hypothesis import given
from hypothesis import strategies as st

from cityloom.catalogue.api import search
from cityloom.catalogue.rules import terms

LAW = {"zh": "《中华人民共和国统计法》第九条", "en": ""}
ENTRIES = [
    ("estate", "住宅小区基本信息", "Residential estates", "place"),
    ("lease", "房屋租赁备案信息", "Tenancy registration", "event"),
    ("agency", "房地产经纪机构名录", "Directory of estate agencies", "organisation"),
    ("permit", "建筑工程施工许可证", "Building permits", "event"),
    ("lift", "电梯等特种设备台账", "Lifts and special equipment", "place"),
]


@pytest.fixture
def stocked(housing: Door) -> Door:
    for id, zh, en, subject in ENTRIES:
        summary = {"zh": f"全市{zh}", "en": ""}
        housing.describe(id, wish(zh, "housing", item("编号", "Number"), en=en, subject=subject, summary=summary))
    return housing


def found(door: Door, q: str, **more: Any) -> list[str]:
    return [each["id"] for each in door.get("resources", q=q, **more)["resources"]]


MEANT = [
    ("住宅小区基本信息", "estate"),
    ("信息 小区", "estate"),
    ("宅小区基", "estate"),
    ("住宅小曲基本信息", "estate"),
    ("房屋租凭备案", "lease"),
    ("经纪", "agency"),
    ("纪", "agency"),
    ("施工許可证工程", "permit"),
    ("ＴＥＮＡＮＣＹ", "lease"),
    ("tenan", "lease"),
    ("tenency registration", "lease"),
    ("bulding permits", "permit"),
    ("special equipment lifts", "lift"),
    ("電梯 特种设备", "lift"),
    ("公安局 户籍", "resident"),
    ("身份号码", "resident"),
    ("103000/000001", "estate"),
]


def test_what_is_meant_comes_first(stocked: Door) -> None:
    for asked, first in MEANT:
        assert found(stocked, asked)[:1] == [first], asked


def test_what_is_not_there_is_not_found(stocked: Door) -> None:
    for asked in ("龙卷风", "zzzqqq", "卫星遥感影像", "!!!", "'; DROP TABLE catalogue.search; --", "\\ : * & |"):
        page = stocked.get("resources", q=asked)
        assert page["resources"] == [] or terms.question(asked).is_empty


def test_filters_and_pages(stocked: Door) -> None:
    assert found(stocked, "信息", subject="place") == ["estate"]
    assert found(stocked, "", subject="event") == ["lease", "permit"]
    assert found(stocked, "", keeper="psb") == ["resident"]
    assert found(stocked, "", category="103") == ["estate", "lift"]
    assert found(stocked, "", grade=3, sharing="conditional") == ["resident"]
    page = stocked.get("resources", offset=2, limit=2)
    assert (page["total"], page["exact"], len(page["resources"])) == (6, True, 2)
    both = found(stocked, "信息", limit=1) + found(stocked, "信息", limit=1, offset=1)
    assert both == found(stocked, "信息", limit=2)
    assert stocked.call("GET", "resources", params={"limit": 0}).status_code == 400


def test_titles_are_told_in_the_callers_language(stocked: Door) -> None:
    chinese = stocked.call("GET", "resources", params={"q": "tenancy"}, headers={"accept-language": "zh"})
    assert chinese.json()["resources"][0]["title"] == "房屋租赁备案信息"
    assert stocked.get("resources", q="tenancy")["resources"][0]["title"] == "Tenancy registration"


def test_a_changed_title_is_found_and_the_old_one_is_not(stocked: Door) -> None:
    stocked.describe("lift", wish("索道与缆车", "housing", item("编号", "Number"), subject="place"))
    assert found(stocked, "索道") == ["lift"]
    assert found(stocked, "电梯") == []


def test_a_reindex_gathers_the_same(town: Town, stocked: Door) -> None:
    before = town.everything()["search"]
    done = search.reindex(town.platform)
    assert done.resources == 6
    counted = town.everything()["term"]
    assert search.recount(town.platform) == done.terms == len(counted)
    assert town.everything()["term"] == counted
    assert town.everything()["search"] == before
    assert found(stocked, "bulding permits") == ["permit"]


@given(st.text(max_size=80))
def test_any_text_makes_a_question_and_a_vector(text: str) -> None:
    asked = terms.question(text)
    if not asked.is_empty:
        assert terms.precise(asked, {})
    for run in terms.runs(text):
        assert terms.likeness(terms.question(run), text) == pytest.approx(1.0)


def test_letters_between_words_are_counted() -> None:
    assert terms.distance("tenancy", "tenency", 2) == 1
    assert terms.distance("permit", "premit", 2) == 1
    assert terms.distance("lift", "lifts", 1) == 1
    assert terms.distance("cat", "dogs", 1) == 2
    assert terms.nearest("bulding", ["building", "folding", "bidding"])[0] == "building"


def test_facets_count_what_the_search_finds(town: Town, housing: Door, psb: Door) -> None:
    housing.describe("estate", wish("住宅小区", "housing", subject="place"))
    housing.describe("lift", wish("小区电梯", "housing", item("编号"), openness="open"))
    psb.describe("gate", wish("小区门禁", "psb", item("编号", grade=3), sharing="refused", refusal_law=LAW))
    found = housing.get("facets", q="小区")
    counted = {each["name"]: {value["value"]: value["count"] for value in each["values"]} for each in found["facets"]}
    assert (found["total"], found["exact"]) == (3, True)
    assert counted == {
        "keeper": {"housing": 2, "psb": 1},
        "sharing": {"unconditional": 2, "refused": 1},
        "openness": {"closed": 2, "open": 1},
        "subject": {"": 2, "place": 1},
        "category": {"300": 2, "103": 1},
        "grade": {"1": 2, "3": 1},
    }
    titles = {value["value"]: value["title"] for each in found["facets"] for value in each["values"]}
    assert (titles["housing"], titles["refused"]) == ("Housing Bureau", "refused")
    assert housing.call("GET", "facets", headers={"accept-language": "zh"}).json()["facets"][1]["values"][0]["title"]
    narrowed = housing.get("facets", q="小区", keeper="housing", category="103")
    assert [each["values"] for each in narrowed["facets"] if each["name"] == "sharing"] == [
        [{"value": "unconditional", "title": "unconditional", "count": 1}]
    ]
    everything = housing.get("facets")
    assert everything["total"] == housing.get("resources")["total"] == 4
    assert housing.get("facets", q="火山")["total"] == 0
