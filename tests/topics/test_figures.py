"""Figures of a library against numbers counted by hand, and how they move when sources do."""

from datetime import date
from typing import Any

import msgspec
import pytest

from cityloom.kernel.errors import Invalid
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.packs import Pack, Packs
from cityloom.registers.api import agreement
from cityloom.topics import jobs
from cityloom.topics.api import declared
from registers.registers_kit import TENANTS
from topics.topics_kit import PEOPLE, Door, Town, numbers, of_parts

FIRST = "2026-03-03"


def conflict(town: Town) -> dict[tuple[str, ...], tuple[int, int]]:
    """Figures of conflict, as they are counted now."""
    town.follow()
    town.count()
    return {key[2:]: value for key, value in of_parts(town.bureau.topic()).items() if key[1] == "conflict"}


def test_every_figure_is_as_counted_by_hand(town: Town) -> None:
    topic = town.bureau.topic()
    state = topic["state"]
    assert (state["day"], state["parts"], state["delivered"], state["missing"]) == (FIRST, 5, 4, ["Relief"])
    # a1, a2, a3 are residents, a1, a2, b9 tenants, one tenant has no number: five people; a1 and a2 are in both, and a2 is
    # called Birch by one and Beech by the other
    assert of_parts(topic) == {
        ("register:person", "delivered"): (1, 1), ("register:person", "records"): (5, 5),
        ("register:person", "filled", "name"): (5, 5), ("register:person", "filled", "born"): (5, 5),
        ("register:person", "filled"): (10, 10), ("register:person", "conflict"): (1, 2),
        ("register:person", "conflict", "name"): (1, 2), ("register:person", "conflict", "born"): (0, 2),
        ("register:person", "conflict", "name", "resident/tenant"): (1, 2),
        ("register:person", "conflict", "born", "resident/tenant"): (0, 2),
        ("resident", "delivered"): (1, 1), ("resident", "records"): (3, 3), ("resident", "filled", "name"): (3, 3),
        ("resident", "filled", "income"): (2, 3), ("resident", "filled"): (5, 6), ("resident", "age"): (1, 0),
        ("resident", "coverage", "person"): (3, 5),
        ("tenant", "delivered"): (1, 1), ("tenant", "records"): (4, 4), ("tenant", "filled", "name"): (4, 4),
        ("tenant", "filled", "born"): (4, 4), ("tenant", "filled"): (8, 8), ("tenant", "age"): (1, 0),
        ("tenant", "fresh"): (1, 1), ("tenant", "coverage", "person"): (4, 5),
        # of the numbers a1, a2, zz the register does not know zz
        ("payment", "delivered"): (1, 1), ("payment", "records"): (4, 4), ("payment", "filled", "amount"): (3, 4),
        ("payment", "filled"): (3, 4), ("payment", "age"): (1, 0), ("payment", "fresh"): (1, 1),
        ("payment", "coverage", "person"): (2, 5), ("payment", "known", "person"): (2, 3),
        ("relief", "delivered"): (0, 1),
    }  # fmt: skip
    whole = {
        ("delivered",): (4, 5), ("filled",): (26, 28), ("known",): (2, 3), ("fresh",): (2, 2), ("conflict",): (1, 2),
    }  # fmt: skip
    assert numbers(state["figures"]) == whole
    assert {(point["day"], point["measure"]) for point in topic["curve"]} == {(FIRST, key) for (key,) in whole}
    assert [state] == town.bureau.topic("")
    (relief,) = [part for part in topic["parts"] if part["name"] == "relief"]
    assert (relief["state"], relief["responsible"], relief["legal_basis"]) == ("missing", "Civil affairs", "Relief Act")


def test_a_source_that_changes_resolves_a_conflict(town: Town) -> None:
    assert conflict(town)["name",] == (1, 2)
    town.housing.deliver("t2", TENANTS.replace("Bert Beech", "bert\u3000 BIRCH"), "tenant")
    assert conflict(town) == {
        (): (0, 2), ("name",): (0, 2), ("born",): (0, 2), ("name", "resident/tenant"): (0, 2),
        ("born", "resident/tenant"): (0, 2),
    }  # fmt: skip
    assert town.bureau.topic("/people/differences") == []


def test_of_several_records_of_one_source_one_that_agrees_is_enough(town: Town) -> None:
    """Somebody may rent twice: only where no value is the other's do two sources contradict each other."""
    head = "contract,person,name,born,dwelling\n"
    town.housing.deliver("t2", head + "c5,a2,Bert Birch,1990-06-02,h2\nc6,a3,,2001-07-04,h2\n", "tenant")
    assert conflict(town) == {
        (): (1, 3), ("name",): (0, 2), ("born",): (1, 3), ("name", "resident/tenant"): (0, 2),
        ("born", "resident/tenant"): (1, 3),
    }  # fmt: skip


def test_a_merge_puts_sources_together_and_is_counted(town: Town) -> None:
    zoe = town.housing.person("b9")["id"]
    anna = town.housing.person("a1")["id"]
    merge = {"from_id": zoe, "into": anna, "reason": "one woman"}
    assert town.bureau.ask_register("POST", "person/merges", json=merge).status_code == 200
    found = conflict(town)
    assert (found[()], found["name",]) == ((1, 2), (1, 2))  # a tenant called Anna, too, is enough
    (line,) = town.bureau.topic("/people/differences")
    assert line["id"] == town.housing.person("a2")["id"]
    assert ("register:person", "records") in of_parts(town.bureau.topic())
    assert of_parts(town.bureau.topic())["register:person", "records"] == (4, 4)


def test_a_withdrawn_delivery_lowers_completeness_and_the_curve_keeps_both_days(town: Town) -> None:
    town.housing.withdraw("t1", "tenant")
    town.clock.turn(days=1)
    town.follow()
    town.measure()
    town.count()
    topic = town.bureau.topic()
    found = of_parts(topic)
    assert found["tenant", "delivered"] == (0, 1)
    assert found["tenant", "records"] == (0, 0)
    assert found["tenant", "fresh"] == (0, 1)
    assert ("tenant", "age") not in found
    assert found["register:person", "records"] == (3, 3)
    assert found["resident", "coverage", "person"] == (3, 3)
    assert ("register:person", "conflict", "name") not in found  # nothing is left to compare
    curve = {(point["day"], point["measure"]): (point["count"], point["total"]) for point in topic["curve"]}
    assert (curve[FIRST, "delivered"], curve["2026-03-04", "delivered"]) == ((4, 5), (3, 5))
    assert [point["day"] for point in town.bureau.topic(days=1)["curve"]] == ["2026-03-04"] * 5
    (tenant,) = [part for part in topic["parts"] if part["name"] == "tenant"]
    assert tenant["state"] == "empty"


def test_freshness_follows_the_rhythm_and_timeliness_is_qualitys(town: Town) -> None:
    def fresh() -> dict[str, Any]:
        town.measure()
        town.count()
        return {f"{key[0]} {key[1]}": value for key, value in of_parts(town.bureau.topic()).items()
                if key[0] in ("payment", "tenant") and key[1] in ("fresh", "timely", "age")}  # fmt: skip

    town.clock.turn(days=7)  # 10 March: February's was due on the 5th, and came on the 2nd
    assert fresh() == {
        "payment fresh": (1, 1), "payment timely": (1, 1), "payment age": (8, 0), "tenant fresh": (1, 1),
        "tenant age": (8, 0),
    }  # fmt: skip
    town.clock.turn(days=28)  # 7 April: March's was due on the 5th; tenants are stale after 30 days
    town.sign_in()
    assert fresh() == {
        "payment fresh": (0, 1), "payment timely": (1, 2), "payment age": (36, 0), "tenant fresh": (0, 1),
        "tenant age": (36, 0),
    }  # fmt: skip
    town.other.deliver("p2", "person,month,amount,payer\na1,2026-03,1.00,\n", "payment")
    found = fresh()
    assert (found["payment fresh"], found["payment timely"], found["payment age"]) == ((1, 1), (1, 2), (0, 0))


def test_a_day_is_counted_once_and_the_worker_does_it_by_itself(town: Town) -> None:
    ctx = platform_context(town.parts, "test")
    before = town.rows("SELECT * FROM topics.figure ORDER BY 1, 2, 3, 4, 5, 6")
    town.civil.deliver("d2", "id,name\na9,New Person\n")
    town.follow()
    jobs.count(ctx)  # today was counted
    town.clock.turn(hours=17)  # two in the morning
    jobs.count(ctx)
    assert town.rows("SELECT * FROM topics.figure ORDER BY 1, 2, 3, 4, 5, 6") == before
    town.clock.turn(hours=1)
    jobs.count(ctx)
    assert town.rows("SELECT DISTINCT day FROM topics.figure ORDER BY 1") == [(date(2026, 3, 3),), (date(2026, 3, 4),)]
    assert of_parts(town.bureau.topic())["register:person", "records"] == (6, 6)


def test_what_was_counted_is_not_counted_again_while_nothing_is_new(town: Town) -> None:
    ctx = platform_context(town.parts, "test")
    first = town.rows("SELECT run, upto FROM registers.agreement WHERE register = 'person'")
    agreement.count(ctx, "person")
    assert town.rows("SELECT run, upto FROM registers.agreement WHERE register = 'person'") == first
    town.civil.erase("a2")
    assert conflict(town)["name",] == (0, 1)
    assert town.rows("SELECT count(*) FROM registers.difference") == [(0,)]
    assert town.rows("SELECT run FROM registers.agreement WHERE register = 'person'") != [first[0][:1]]


def test_figures_of_a_part_are_for_its_keeper_the_librarys_and_the_bureau(town: Town) -> None:
    def seen(door: Door) -> set[str]:
        return {part["name"] for part in door.topic()["parts"] if part["open"] and part["figures"]}

    everything = {"register:person", "resident", "tenant", "payment"}
    assert seen(town.bureau) == everything
    assert seen(town.civil) == everything | {"relief"}
    assert seen(town.housing) == {"tenant"}
    assert seen(town.other) == {"payment"}
    parts = town.housing.topic()["parts"]
    assert [part["last_accepted"] is not None for part in parts] == [False, False, True, False, False]
    assert town.housing.topic()["state"] == town.bureau.topic()["state"]


def test_a_figure_leads_to_what_it_was_counted_from(town: Town) -> None:
    lines = town.bureau.topic(f"/people/days/{FIRST}")
    found = {tuple(line["figure"][key] for key in ("part", "measure", "field", "other")): line for line in lines}
    assert all(line["title"] and line["definition"] for line in lines)
    filled = found["resident", "filled", "", ""]["evidence"]
    (completeness,) = [
        score for score in town.civil.client.get(filled, headers=town.civil.headers).json()
        if score["dimension"] == "completeness"
    ]  # fmt: skip
    assert ("filled:income", 2, 3) in [(part["name"], part["good"], part["total"]) for part in completeness["parts"]]
    address = found["register:person", "conflict", "name", "resident/tenant"]["evidence"]
    answer = town.bureau.client.get(address, headers=town.bureau.headers).json()
    bert = town.civil.person("a2")["id"]
    assert answer == [{"register": "person", "id": bert, "field": "name", "left": "resident", "right": "tenant"}]
    assert town.bureau.topic("/people/differences", field="born") == []
    assert town.bureau.topic("/people/differences", after=bert) == []
    detail = town.bureau.ask_register("POST", f"person/{bert}/conflicts").json()
    assert [(each["field"], each["dataset"]) for each in detail] == [("name", "tenant")]
    assert {line["figure"]["part"] for line in town.housing.topic(f"/people/days/{FIRST}")} == {"", "tenant"}
    before = town.kept()
    refused = town.housing.topic("/people/differences", status=403)
    assert refused["code"] == "kernel.refused"
    assert town.kept() == before
    assert "Bert" not in str(lines) + str(answer) + town.audit_text()
    assert town.bureau.topic("/people/days/2026-01-01", status=404)["code"] == "topics.not_counted"
    assert town.bureau.topic("/nothing", status=404)["code"] == "topics.topic_unknown"
    assert town.bureau.topic("/people/differences", status=404, register="dwelling")["code"] == "topics.register_unknown"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("required: [name, born]}", "required: [nothing]}", "register:person: nothing"),
        ("required: [name, income]", "required: [born]", "resident: born"),
        ("fields: [id, name, district, income]", "fields: [name, income, colour]", "resident: colour"),
        ("identifier: number, field: id", "identifier: passport, field: id", "resident: person.passport"),
        ("dataset: payment", "dataset: resident", "resident twice"),
        ("responsible: {en: Civil affairs, zh: 民政部门}", "every_days: 3", "relief: title, responsible"),
        ("subjects: [person]", "subjects: [ghost]", "ghost"),
    ],
)
def test_a_library_that_does_not_fit_is_refused_at_the_start(town: Town, old: str, new: str, what: str) -> None:
    folder = town.parts.packs.named("small").folder
    assert old in PEOPLE
    (folder / "topics/people.yaml").write_text(PEOPLE.replace(old, new, 1))
    anew = Packs(tuple(Pack(pack.manifest, pack.folder) for pack in town.parts.packs))
    declared.topics.__wrapped__ if False else None
    from cityloom.topics import spec

    spec.topics.cache_clear()
    ctx = platform_context(msgspec.structs.replace(town.parts, packs=anew), "test")
    with pytest.raises(Invalid) as refused:
        declared.check(ctx)
    assert (refused.value.code, refused.value.params["what"]) == ("topics.topic_wrong", what)
    spec.topics.cache_clear()
