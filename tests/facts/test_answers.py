"""Each fact of the shipped list, worked by hand; on 2026-03-02, for the school that serves the eastern community."""

import pytest

from facts.facts_kit import (
    ADAM,
    AMY,
    ANNA,
    BELLA,
    BEN,
    BEN_BEFORE,
    BI,
    BO,
    CARL,
    CASS,
    DAN,
    DORA,
    City,
)  # fmt: skip


def test_a_family_that_is_registered_here(city: City) -> None:
    assert city.answers(AMY, [ANNA, ADAM]) == {
        "guardianship": "yes",  # she is the daughter, Anna the wife, of the head
        "household": "yes",
        "residence_permit": "no",
        "dwelling_owned": "yes",
        "tenancy": "no",
        "insurance": "yes",  # Anna: twelve months up to February
        "immunisation": "yes",
    }
    statement = city.statement(AMY, [ANNA, ADAM])
    assert statement["papers_asked"] == 0
    assert [fact["paper"] for fact in statement["facts"]] == [""] * 7


@pytest.mark.parametrize("owner", [ANNA, ADAM])
def test_a_dwelling_owned_jointly_counts_for_each_owner(city: City, owner: str) -> None:
    fact = city.facts(AMY, [owner])["dwelling_owned"]
    assert (fact["answer"], fact["code"]) == ("yes", "facts.holds")
    assert [(each["dataset"], each["records"]) for each in fact["sources"]] == [
        ("ownership", 1), ("dwelling", 1), ("school_catchment", 1),
    ]  # fmt: skip


def test_a_family_from_elsewhere_with_twins(city: City) -> None:
    for twin, place in ((BO, 2), (BI, 3)):
        facts = city.facts(twin, [BEN, BELLA])
        assert {name: fact["answer"] for name, fact in facts.items()} == {
            "guardianship": "yes",
            "household": "no",
            "residence_permit": "no",  # Bella's is a day short of twelve months; Ben's has another number of his
            "dwelling_owned": "no",
            "tenancy": "yes",  # Ben's: registered twelve months ago to the day
            "insurance": "yes",  # Ben's: one month is missing, which this city allows
            "immunisation": "unknown",
        }
        certificate = next(each for each in facts["guardianship"]["sources"] if each["dataset"] == "birth")
        assert certificate["sequence"] == place  # each by its own certificate, born on one day of one mother
        assert facts["household"]["code"] == "facts.absent"
        assert facts["household"]["why"].startswith("The child is not registered in this city.")
        assert facts["residence_permit"]["why"].startswith("The permit was issued too lately.")
        assert facts["immunisation"]["paper"] == "Immunisation booklet"


def test_a_tenancy_that_ended_yesterday_and_one_that_still_runs_today(city: City) -> None:
    fact = city.facts(BO, [BELLA])["tenancy"]
    assert (fact["answer"], fact["code"]) == ("no", "facts.failed")
    assert fact["why"].startswith("The tenancy ended before the day.")
    assert [each["holds"] for each in fact["conditions"]] == [True, True, False]
    assert city.answers(BO, [BELLA], day="2026-03-01")["tenancy"] == "yes"


def test_a_tenancy_is_long_enough_from_the_day_of_the_twelfth_month_on(city: City) -> None:
    assert city.answers(BO, [BEN], day="2026-03-02")["tenancy"] == "yes"
    early = city.facts(BO, [BEN], day="2026-03-01")["tenancy"]
    assert (early["answer"], early["conditions"][-1]["otherwise"]) == ("no", "The tenancy was registered too lately.")


@pytest.mark.parametrize(
    ("guardian", "answer"),
    [
        (ANNA, "yes"),  # 12 months, the last is February
        (ADAM, "no"),  # 11 months
        (BEN, "yes"),  # 6 and 6 months, one between them missing, and the city allows one
        (BELLA, "no"),  # 6 months; before them two are missing
        (CARL, "no"),  # 40 months, the last one in November: more than two months ago
        (DORA, "yes"),  # 12 records of one month each
        (DAN, "no"),  # none, and the source is complete
    ],
)
def test_months_of_insurance_up_to_the_day(city: City, guardian: str, answer: str) -> None:
    assert city.answers(BO, [guardian], facts=["insurance"]) == {"insurance": answer}


def test_the_shipped_list_allows_no_month_to_be_missing_and_this_city_one(city: City) -> None:
    assert city.statement(BO, [BEN], facts=["insurance"])["parameters"]["insurance_gap"] == 1


def test_in_another_community_than_the_schools(city: City) -> None:
    facts = city.facts(CASS, [CARL])
    assert {name: facts[name]["answer"] for name in ("dwelling_owned", "tenancy")} == {
        "dwelling_owned": "no", "tenancy": "no",
    }  # fmt: skip
    for name in ("dwelling_owned", "tenancy"):
        assert facts[name]["why"].startswith("The dwelling is not in the school's catchment.")
    assert facts["guardianship"]["answer"] == "yes"  # by the immunisation record, which has him as the father
    assert facts["immunisation"]["answer"] == "no"
    assert facts["immunisation"]["code"] == "facts.failed"


def test_what_no_source_can_tell_is_unknown_and_asks_for_the_paper(city: City) -> None:
    """That the register knows neither of them is not told from there being no such record."""
    statement = city.statement(DAN, [DORA])
    facts = {fact["name"]: fact for fact in statement["facts"]}
    assert {name: (fact["answer"], fact["code"], fact["paper"]) for name, fact in facts.items()} == {
        "guardianship": ("unknown", "facts.no_record", "Birth certificate"),
        "household": ("no", "facts.absent", ""),
        "residence_permit": ("no", "facts.absent", ""),
        "dwelling_owned": ("no", "facts.absent", ""),
        "tenancy": ("no", "facts.absent", ""),
        "insurance": ("yes", "facts.holds", ""),
        "immunisation": ("unknown", "facts.no_record", "Immunisation booklet"),
    }
    assert statement["papers_asked"] == 2


def test_parents_of_another_child_are_no_guardians_by_its_record(city: City) -> None:
    """The record names others; births elsewhere may still say otherwise, so it is not known."""
    fact = city.facts(CASS, [DORA])["guardianship"]
    assert (fact["answer"], fact["paper"]) == ("unknown", "Birth certificate")
    other = city.facts(AMY, [CARL])["guardianship"]
    assert other["answer"] == "unknown"
    assert city.facts(AMY, [CARL])["household"]["why"].startswith(
        "Child and guardian are not registered in one household."
    )


def test_a_guardian_with_two_numbers_is_one_person_once_a_steward_says_so(city: City) -> None:
    assert city.answers(BO, [BEN])["residence_permit"] == "no"
    read = {"case": "c-1", "kind": "citizen_id"}
    ben, before = (
        city.doors[keeper].call("POST", "registers/person/read", json={**read, "value": number}).json()["id"]
        for keeper, number in (("grid", BEN), ("psb", BEN_BEFORE))
    )
    merge = {"from_id": before, "into": ben, "reason": "corrected number"}
    done = city.doors["data_bureau"].call("POST", "registers/person/merges", json=merge)
    assert done.status_code == 200, done.text
    number = done.json()["id"]
    by_either = [city.answers(BO, [number]) for number in (BEN, BEN_BEFORE)]
    undone = city.doors["data_bureau"].call(
        "POST", f"registers/person/decisions/{number}/undo", json={"reason": "for the other tests"}
    )  # fmt: skip
    assert undone.status_code == 200, undone.text
    assert by_either[0] == by_either[1]
    assert {name: by_either[0][name] for name in ("residence_permit", "tenancy", "insurance", "guardianship")} == {
        "residence_permit": "yes", "tenancy": "yes", "insurance": "yes", "guardianship": "yes",
    }  # fmt: skip


def test_words_in_chinese(city: City) -> None:
    statement = city.statement(BO, [BELLA], language="zh", facts=["tenancy", "insurance", "immunisation"])
    tenancy, insurance, immunisation = statement["facts"]
    assert (
        tenancy["why"]
        == "租赁已于当日前到期。来源：房屋租赁登记（housing，2026-03-02）、房屋（housing，2026-03-02）、学区（education，2026-03-02）。"
    )
    assert insurance["title"] == "监护人社保连续缴费满规定月数"
    assert immunisation["paper"] == "预防接种证"
    assert immunisation["why"] == "儿童预防接种档案（health）中没有此记录，不能据此认定不属实。"
