"""Lineage as a graph: up, down, as deep as asked, through circles that others report, with what the console shows."""

from typing import Any

import pytest
from catalogue_kit import Door, Town, item, refused, wish
from test_cascade import change, hear, report

from cityloom.catalogue.api import datasets


def drawn(graph: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(each["distance"], each["source"], each["target"]) for each in graph["lines"]]


@pytest.fixture
def built(housing: Door, psb: Door) -> Door:
    """resident and estate make household; household makes profile and count; profile makes list."""
    housing.describe("estate", wish("小区", "housing", item("地址", element="address", qualifier="坐落", grade=2)))
    for id, sources in (
        ("household", ["resident", "estate"]), ("profile", ["household"]), ("count", ["household"]), ("list", ["profile"]),
    ):  # fmt: skip
        housing.describe(id, wish(id, "housing", derived_from=sources))
    return housing


def test_the_graph_goes_up_and_down_as_deep_as_asked(built: Door) -> None:
    up = [(-1, "estate", "household"), (-1, "resident", "household")]
    down = [(1, "household", "count"), (1, "household", "profile")]
    assert drawn(built.get("resources/household/lineage", way="up")) == up
    assert drawn(built.get("resources/household/lineage", way="down", depth=1)) == down
    both = built.get("resources/household/lineage", depth=2)
    assert drawn(both) == [up[0], down[0], down[1], up[1], (2, "profile", "list")]
    assert [(each["id"], each["distance"], each["keeper"], each["grade"]) for each in both["nodes"]] == [
        ("estate", -1, "housing", 2), ("resident", -1, "psb", 3), ("household", 0, "housing", 1),
        ("count", 1, "housing", 1), ("profile", 1, "housing", 1), ("list", 2, "housing", 1),
    ]  # fmt: skip
    assert both["cut"] is False
    assert drawn(built.get("resources/list/lineage", way="up", depth=20))[-1] == (-3, "resident", "household")
    for depth in (0, 21):
        refused(built.call("GET", "resources/list/lineage", params={"depth": depth}), 400, "kernel.request_wrong")
    refused(built.call("GET", "resources/nothing/lineage"), 404, "catalogue.resource_unknown")


def test_a_circle_that_another_catalogue_reports_ends(town: Town, district: Door) -> None:
    one, two = change(1, "a", "甲", derived_from=["b"]), change(2, "b", "乙", derived_from=["a"])
    assert hear(district, report(one, two)).json()["added"] == 2
    found = district.get("resources/one~a/lineage", depth=20)
    assert drawn(found) == [
        (1, "one~a", "one~b"), (-1, "one~b", "one~a"), (-2, "one~a", "one~b"), (2, "one~b", "one~a"),
    ]  # fmt: skip
    assert [(each["id"], each["distance"]) for each in found["nodes"]] == [("one~a", 0), ("one~b", 1)]


def test_an_answer_that_is_cut_says_so(built: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "MOST_LINES", 2)
    found = built.get("resources/household/lineage")
    assert (len(found["lines"]), found["cut"]) == (2, True)
