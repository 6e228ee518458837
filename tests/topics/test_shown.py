"""Figures of a library against numbers counted by hand, to whom they are shown, and what stands behind each."""

from pathlib import Path
from shutil import copytree

import msgspec
import pytest

from cityloom.kernel.errors import Invalid
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.packs import Packs
from cityloom.topics.api import declared
from topics.topics_kit import FIRST, PEOPLE, Door, Town, numbers, of_parts


def test_every_figure_is_as_counted_by_hand(shared_town: Town) -> None:
    topic = shared_town.bureau.topic()
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
    assert [state] == shared_town.bureau.topic("")
    (relief,) = [part for part in topic["parts"] if part["name"] == "relief"]
    assert (relief["state"], relief["responsible"], relief["legal_basis"]) == ("missing", "Civil affairs", "Relief Act")


def test_figures_of_a_part_are_for_its_keeper_the_librarys_and_the_bureau(shared_town: Town) -> None:
    def seen(door: Door) -> set[str]:
        return {part["name"] for part in door.topic()["parts"] if part["open"] and part["figures"]}

    assert seen(shared_town.bureau) == seen(shared_town.civil)
    assert seen(shared_town.bureau) == {"register:person", "resident", "tenant", "payment", "relief"}
    assert seen(shared_town.housing) == {"tenant"}
    assert seen(shared_town.other) == {"payment"}
    parts = shared_town.housing.topic()["parts"]
    assert [part["last_accepted"] is not None for part in parts] == [False, False, True, False, False]
    bureau = shared_town.bureau.topic()
    assert [part["last_accepted"] is not None for part in bureau["parts"]] == [False, True, True, True, False]
    assert shared_town.housing.topic()["state"] == bureau["state"]


def test_a_figure_leads_to_what_it_was_counted_from(shared_town: Town) -> None:
    town = shared_town
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
    assert "Bert" not in str(lines) + str(answer) + town.audit_text()


def test_what_is_not_there_and_who_may_not_is_told(shared_town: Town) -> None:
    town = shared_town
    before = town.kept()
    assert town.housing.topic("/people/differences", status=403)["code"] == "kernel.refused"
    assert town.kept() == before
    assert town.bureau.topic("/people/days/2026-01-01", status=404)["code"] == "topics.not_counted"
    assert town.bureau.topic("/nothing", status=404)["code"] == "topics.topic_unknown"
    assert (
        town.bureau.topic("/people/differences", status=404, register="dwelling")["code"] == "topics.register_unknown"
    )


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
def test_a_library_that_does_not_fit_is_refused_at_the_start(
    shared_town: Town, old: str, new: str, what: str, tmp_path: Path
) -> None:
    """`packs` of another identity, so that nothing that was read before is taken for them."""
    assert old in PEOPLE
    folder = tmp_path / "people"
    copytree(shared_town.parts.packs.named("small").folder, folder)
    (folder / "topics/people.yaml").write_text(PEOPLE.replace(old, new, 1))
    pack = msgspec.structs.replace(shared_town.parts.packs.named("small"), folder=folder)
    ctx = platform_context(msgspec.structs.replace(shared_town.parts, packs=Packs((pack,))), "test")
    with pytest.raises(Invalid) as refused:
        declared.check(ctx)
    assert (refused.value.code, refused.value.params["what"]) == ("topics.topic_wrong", what)
