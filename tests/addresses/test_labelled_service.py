"""The labelled file through the HTTP door: as good as the library in memory says, and the same answers."""

from collections import Counter
from collections.abc import Iterator

import pytest

from addresses.address_kit import TODAY, divisions, labelled
from addresses.city_kit import City, delivered, opened, table
from cityloom.addresses.rules.gazetteer import Gazetteer
from cityloom.addresses.rules.levels import Level
from cityloom.addresses.rules.parsing import parse
from cityloom.addresses.rules.search import Match, match
from cityloom.samplecity.rules.addressbook import REDRAWN
from scratch import Scratch

COUNT, STRIDE, GROUP = 20_000, 12, 400
EVERY = 3
"""The whole file is matched in memory by `test_matching`."""


@pytest.fixture(scope="module")
def city(shared_scratch: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A city whose library has 20,000 addresses and those of their spans."""
    with opened(shared_scratch, tmp_path_factory.mktemp("packs")) as found:
        given = labelled("shenzhen", COUNT, STRIDE)
        found.psb.deliver("standard_address", "all", delivered(given.addresses))
        spans = [
            (each.code, each.former_division, each.since, REDRAWN) for each in given.addresses if each.former_division
        ]
        found.psb.deliver("address_division", "all", table(("address", "division", "since", "until"), spans))
        found.follow()
        yield found


def test_the_service_answers_as_the_library_in_memory(city: City) -> None:
    """Each text is matched twice: over the whole library in memory, and over what is fetched of the database."""
    given = labelled("shenzhen", COUNT, STRIDE)
    names: dict[Level, list[str]] = {Level.road: [], Level.estate: []}
    for each in given.addresses:
        if each.level in ("road", "estate"):
            names[Level[each.level]].append(each.name)
    known = Gazetteer([each for each in divisions() if not each.code.startswith("3209")], places=names, home="4403")
    found: Counter[str] = Counter()
    spellings = given.spellings[::EVERY]
    for start in range(0, len(spellings), GROUP):
        group = spellings[start : start + GROUP]
        answers = city.other.match(*(each.text for each in group), on=TODAY.isoformat(), candidates=6)
        for spelling, answer in zip(group, answers, strict=True):
            own = match(given.library, parse(spelling.text, known), TODAY)
            assert _told(answer) == _said(own), spelling
            right = "none" if not spelling.code else "right" if answer["code"] == spelling.code else "wrong"
            found[f"{right} {answer['decision']}"] += 1
    meant = sum(count for name, count in found.items() if not name.startswith("none"))
    taken = found["right matched"] + found["wrong matched"] + found["none matched"]
    assert meant > 600
    assert sum(count for name, count in found.items() if name.startswith("none")) > 50
    assert found["right matched"] / taken >= 0.995, found
    assert found["right matched"] / meant >= 0.95, found


def _told(answer: "dict[str, object]") -> tuple[object, ...]:
    return answer["decision"], answer["score"], answer["code"], answer["via"]


def _said(own: Match) -> tuple[object, ...]:
    return own.decision.value, own.score, own.code, own.via
