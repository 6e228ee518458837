"""What a steward is shown of a pair that the linkage could not decide on."""

import pytest

from cityloom.registers.api import linking
from registers.registers_kit import Town
from registers.test_linking import FILES, LINKED, deliver, people


@pytest.mark.parametrize(
    "town", [{**FILES, "registers/person.yaml": LINKED + "  link: 0.999999\n  doubt: 0.01\n"}], indirect=True
)
def test_a_steward_sees_how_far_a_doubtful_pair_agrees_and_what_that_weighs(town: Town) -> None:
    known = people(400)
    births: list[tuple[str, ...]] = [(f"c{n}", *known[n][1:]) for n in range(60)]
    births += [(f"d{n}", known[n][1], f"{known[n][2][:-2]}30", "N9") for n in range(60, 70)]
    deliver(town, known, births)
    linking.link(town.platform, "person")
    asked = [each["id"] for each in town.bureau.ask_register("GET", "person/doubts").json()]
    assert asked
    doubts = [town.bureau.ask_register("GET", f"person/doubts/{each}").json() for each in asked]
    evidence = [each for doubt in doubts for each in doubt["evidence"] if each["level"]]
    assert {each["name"] for each in evidence} == {"name", "born", "district", "number"}
    seen = {(each["name"], each["level"], each["weight"] > 0) for each in evidence}
    assert {("name", "the same", True), ("district", "different", False)} <= seen
    assert all((each["level"] == "the same") == each["agree"] for each in evidence)
