"""One number and two people: a record that does not fit who has its number is kept apart, and shown to a steward."""

from typing import Any

import pytest

from cityloom.registers import jobs
from cityloom.registers.api import following
from registers.registers_kit import PERSON, Town, values
from registers.test_stewarding import act, id_of

IDENTITY = (
    PERSON + "identity: [{field: name, kind: name}, {field: born, kind: date}, {field: district, kind: category}]\n"
)
TENANT = "contract,person,name,born,dwelling\n"

pytestmark = pytest.mark.parametrize("town", [{"registers/person.yaml": IDENTITY}], indirect=True)


def rent(town: Town, id: str, *lines: str) -> None:
    town.housing.deliver(id, TENANT + "".join(f"{line},h1\n" for line in lines), "tenant")
    town.follow()


def whose(town: Town, contract: str) -> tuple[str, int]:
    """To whom a contract belongs, and why."""
    (found,) = town.rows(
        f"SELECT 'P' || lpad(entity::text, 12, '0'), how FROM registers.claim WHERE key = '{contract}' AND closed = 0"
    )
    return str(found[0]), int(found[1])


def doubts(town: Town, status: str = "open") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = town.bureau.ask_register("GET", "person/doubts", params={"status": status}).json()
    return found


def test_somebody_elses_number_is_doubted_with_evidence_and_never_merged(town: Town) -> None:
    assert (
        doubts(town) == []
    )  # Bert Birch and Bert Beech were born on one day: one person, and a correction of the name
    anna = id_of(town, "a1")
    rent(town, "t2", "c9,a1,Zoe Zander,1955-03-03")
    apart, how = whose(town, "c9")
    assert (how, apart == anna) == (4, False)
    (doubt,) = doubts(town)
    assert (doubt["why"], doubt["left"], doubt["right"], doubt["state"]) == ("reused", anna, apart, "open")
    shown = town.bureau.ask_register("GET", f"person/doubts/{doubt['id']}").json()
    evidence = {each["name"]: (each["left"], each["right"], each["agree"]) for each in shown["evidence"]}
    assert evidence["number"] == (["a1"], ["a1"], True)
    assert evidence["name"] == (["Anna Apple"], ["Zoe Zander"], False)
    assert evidence["born"] == (["1980-05-01"], ["1955-03-03"], False)
    record = town.housing.person("a1")
    assert (record["id"], values(record)["name"]) == (anna, "Anna Apple")
    other = town.housing.look_up(id=apart).json()
    assert ([source["how"] for source in other["sources"]], values(other)["name"]) == (["apart"], "Zoe Zander")
    rent(town, "t3", "c10,a1,Zoe Zander,1955-03-03", "c11,a1,Anna Apple,1980-05-01")
    assert (whose(town, "c10"), whose(town, "c11")) == ((apart, 4), (anna, 0))
    assert [each["id"] for each in doubts(town)] == [doubt["id"]]
    assert act(town, f"doubts/{doubt['id']}/ruling", answer="distinct").json()["state"] == "distinct"
    rent(town, "t4", "c9,a1,Zoe Zander,1955-03-04")
    assert whose(town, "c9") == (apart, 4)
    assert doubts(town) == []


@pytest.mark.parametrize(
    "line",
    ["Anna Aple,1980-05-01", "Anna Apple,1980-01-05", "Apple Anna,1980-05-07", "Olga Oak,1980-05-01", "Anna Apple,"],
)
def test_slips_a_new_name_and_a_corrected_day_are_one_person(town: Town, line: str) -> None:
    rent(town, "t2", f"c9,a1,{line}")
    assert whose(town, "c9") == (id_of(town, "a1"), 0)
    assert doubts(town) == []


def test_a_record_that_is_corrected_finds_its_person_and_the_doubt_goes(town: Town) -> None:
    rent(town, "t2", "c9,a1,Zoe Zander,1955-03-03")
    rent(town, "t3", "c9,a1,Anna Apple,1980-05-01")
    assert whose(town, "c9") == (id_of(town, "a1"), 0)
    following.tidy(town.platform)
    assert (doubts(town), len(doubts(town, "gone"))) == ([], 1)
    rent(town, "t4", "c1,a1,Otto Oak,1960-02-02")  # it was known, and now speaks of somebody else
    assert whose(town, "c1")[1] == 4
    assert len(doubts(town)) == 1


def test_a_steward_who_finds_them_to_be_one_is_believed(town: Town) -> None:
    rent(town, "t2", "c9,a1,Zoe Zander,1955-03-03")
    (doubt,) = doubts(town)
    assert act(town, f"doubts/{doubt['id']}/ruling", answer="same").json()["state"] == "merged"
    assert whose(town, "c9") == (id_of(town, "a1"), 3)
    rent(town, "t3", "c9,a1,Zoe Zoomer,1944-03-03")
    assert whose(town, "c9") == (id_of(town, "a1"), 3)
    assert doubts(town) == []


@pytest.mark.parametrize("page", [1, 20_000])
def test_two_strangers_of_one_new_number_are_two(town: Town, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(following, "PAGE", page)
    lines = [
        "c7,a7,Olga Oak,1970-01-01",
        "c8,a7,Paul Pine,1988-08-08",
        "c9,a7,Olga Oak,1970-01-01",
        "c10,a7,Paul Pine,",
    ]
    rent(town, "t2", *lines)
    olga, paul = whose(town, "c7"), whose(town, "c8")
    assert (olga[1], paul[1], olga[0] != paul[0]) == (0, 4, True)
    assert (whose(town, "c9"), whose(town, "c10")) == (olga, paul)
    assert [(each["left"], each["right"], each["why"]) for each in doubts(town)] == [(olga[0], paul[0], "reused")]


@pytest.mark.parametrize("number", [300, pytest.param(10_000, marks=pytest.mark.full)])
def test_many_doubtful_pairs_at_once_are_all_there_and_their_pages_stay_short(
    town: Town, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(following, "PAGE", number // 4 - 5)
    rows = "".join(f"n{n},Some Body {'xyz'[n % 3]},N1,1980-01-01,1.00,true\n" for n in range(number))
    town.civil.deliver("d2", "id,name,district,born,income,married\n" + rows)
    town.follow()
    rent(town, "t2", *(f"s{n},n{n},Quite Else,1950-09-09" for n in range(number)))
    seen, after = [], 0
    while True:
        page = town.bureau.ask_register(
            "GET", "person/doubts", params={"after": after, "limit": min(number // 7, 1000)}
        ).json()
        if not page:
            break
        seen += page
        after = page[-1]["id"]
    assert len(seen) == len({(each["left"], each["right"]) for each in seen}) == number
    pairs = {(id_of(town, f"n{n}"), whose(town, f"s{n}")[0]) for n in (0, number // 4 - 6, number // 4 - 5, number - 1)}
    assert pairs <= {(each["left"], each["right"]) for each in seen}
    jobs.tidy(town.platform)
    assert len(doubts(town)) == 100  # a page, unless more is asked for
    assert town.bureau.ask_register("GET", "person").json()["doubts"] == number
