"""The nine libraries as they are shipped, in the shipped city."""

import pytest

from cityloom.exchange.api import gate
from cityloom.kernel import packs
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from cityloom.topics import spec
from cityloom.topics.api import counting, showing
from cityloom.topics.contracts import Measure

BASE = {"population", "legal_entity", "housing", "geography"}
TOPIC = {"credit", "certificates", "social_development", "market_supervision", "approvals"}


@pytest.mark.parametrize("city", ["shenzhen", "yancheng"])
def test_every_part_is_a_dataset_of_the_city_or_says_who_ought_to_deliver_it_by_which_law(city: str) -> None:
    chosen = packs.choose([packs.shipped()], city)
    libraries, datasets = spec.topics(chosen), gate.declared(chosen)
    assert {name for name, each in libraries.items() if each.kind == "base"} == BASE
    assert {name for name, each in libraries.items() if each.kind == "topic"} == TOPIC
    for name, library in libraries.items():
        for part in library.parts:
            if part.dataset is not None and part.dataset not in datasets:
                assert None not in (part.title, part.responsible, part.legal_basis), f"{name}: {part.name}"
            elif part.dataset is not None:
                assert part.required, f"{name}: {part.name}"
                fields = {field.name for field in datasets[part.dataset].fields}
                named = {*part.fields, *part.required, *(link.field for link in part.links)}
                assert named <= fields, f"{name}: {part.name}: {named - fields}"


def test_the_shipped_city_starts_with_nothing_in_its_libraries_and_says_what_is_missing(city: Parts) -> None:
    ctx = platform_context(city, "test")
    counting.count(ctx)
    found = {each.name: each for each in showing.listing(ctx)}
    assert found.keys() == BASE | TOPIC
    assert {each.delivered for each in found.values()} == {0}
    parts = {name: (each.parts, len(each.missing)) for name, each in found.items()}
    assert parts == {
        "population": (14, 2), "legal_entity": (9, 2), "housing": (7, 2), "geography": (12, 3), "credit": (10, 6),
        "certificates": (20, 10), "social_development": (14, 4), "market_supervision": (11, 6), "approvals": (11, 6),
    }  # fmt: skip
    for each in found.values():
        (delivered,) = [figure for figure in each.figures if figure.measure == Measure.delivered]
        assert (delivered.count, delivered.total) == (0, each.parts)
    topic = showing.shown(ctx, "credit", 31)
    assert {part.state for part in topic.parts} == {"empty", "missing"}
    assert all(part.responsible and part.legal_basis for part in topic.parts if part.state == "missing")
