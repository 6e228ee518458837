"""What the catalogue does by itself: one resource that cannot be worked on holds up no other, and is tried again."""

import psycopg
from catalogue_kit import Door, Town, item, wish

from cityloom.catalogue.jobs import bring_into_force


def spoil(town: Town, statement: str) -> None:
    """Make a row what no code of ours would write."""
    with psycopg.connect(town.admin_url) as connection:
        assert connection.execute(statement.encode()).rowcount == 1


def test_an_announcement_that_fails_holds_up_no_other_and_is_told_and_tried_again(
    town: Town, housing: Door, psb: Door
) -> None:
    for id in ("first", "second"):
        housing.describe(id, wish(id, "housing"))
        housing.describe(id, wish(id, "housing", item("名称")), effective_on="2026-03-12")
    kept = "UPDATE catalogue.announcement SET record = record {} WHERE resource = 'first'"
    spoil(town, kept.format("|| '{\"sharing\": 7}'"))
    town.clock.turn(days=10)
    for _ in range(2):
        bring_into_force(town.platform)
    assert (town.resource("second").revision, town.resource("second").announced) == (2, None)
    told = housing.get("messages")
    assert [(each["kind"], each["subject"], each["state"]) for each in told] == [
        ("setback", "resource:first", "announced")
    ]
    assert "first" in told[0]["told"]
    assert psb.get("messages") == []
    assert [each["subject"] for each in town.audited("catalogue.set_back")] == ["resource:first"]
    spoil(town, kept.format('|| \'{"sharing": "unconditional"}\''))
    bring_into_force(town.platform)
    assert town.resource("first").revision == 2
    assert town.everything()["setback"] == []


def test_a_reason_that_can_be_told_is_told(town: Town, housing: Door) -> None:
    housing.describe("first", wish("first", "housing"))
    housing.describe("first", wish("first", "housing", item("名称"), code="301001/000007"), effective_on="2026-03-12")
    housing.describe("quick", wish("快的", "housing", code="301001/000007"))
    town.clock.turn(days=10)
    bring_into_force(town.platform)
    assert housing.get("messages")[0]["told"] == "The code 301001/000007 belongs to resource quick."
    assert housing.call("DELETE", "resources/first/announcement").status_code == 200
    assert town.everything()["setback"] == [], "nobody wants it any more"


def test_what_cannot_be_graded_anew_holds_up_no_other(town: Town, housing: Door) -> None:
    name = item("名称", element="person_name")
    housing.describe("source", wish("来源", "housing", name))
    for id in ("bad", "good"):
        housing.describe(id, wish(id, "housing", name, derived_from=["source"]))
    town.hear()
    spoil(town, "UPDATE catalogue.resource SET record = record - 'sharing' WHERE id = 'bad'")
    housing.describe("source", wish("来源", "housing", {**name, "grade": 3}), effective_on="2026-03-12")
    town.clock.turn(days=10)
    bring_into_force(town.platform)
    town.hear()
    assert town.resource("good").grade == 3
    assert [each["subject"] for each in housing.get("messages")] == ["resource:bad"]
    housing.describe("later", wish("以后", "housing", name, derived_from=["source"]))
    town.hear()
    assert town.everything()["setback"], "events after it were heard, and it still waits"
    restored = """UPDATE catalogue.resource SET record = record || '{"sharing": "unconditional"}' WHERE id = 'bad'"""
    spoil(town, restored)
    bring_into_force(town.platform)
    assert town.resource("bad").grade == 3
    assert town.everything()["setback"] == []


def test_two_announcements_do_not_close_a_circle(town: Town, housing: Door) -> None:
    for id in ("one", "two"):
        housing.describe(id, wish(id, "housing"))
    narrow = wish("one", "housing", item("名称"), derived_from=["two"])
    housing.describe("one", narrow, effective_on="2026-03-12")
    housing.describe("two", wish("two", "housing", derived_from=["one"]))
    town.clock.turn(days=10)
    bring_into_force(town.platform)
    assert town.resource("one").revision == 1
    assert housing.get("messages")[0]["told"] == "one: its derivation goes in a circle."
