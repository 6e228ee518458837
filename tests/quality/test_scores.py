"""Scores of a dataset with faults of each type, against numbers counted by hand."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from cityloom.kernel.jobs import platform_context
from cityloom.quality import jobs
from cityloom.quality.api import scores, tickets
from cityloom.quality.contracts import Dimension, Measure, NewTicket
from quality.quality_kit import Place

STREET = """\
title: {en: Streets, zh: 街道}
keeper: civil
legal_basis: {en: none, zh: 无}
class: place
sharing: unconditional
update: {every: irregular}
key: [street]
retention: {records: P10Y}
fields:
  - {name: street, title: {en: Street, zh: 街道}, type: text, required: true}
"""
HOUSE = """\
title: {en: Houses, zh: 房屋}
keeper: civil
legal_basis: {en: none, zh: 无}
class: place
sharing: unconditional
modes: [upsert, replace, delete]
update: {every: day, due_days: 1, days: calendar}
key: [house]
retention: {records: P10Y}
fields:
  - {name: house, title: {en: House, zh: 房屋}, type: text, required: true, pattern: "h[0-9]+"}
  - {name: street, title: {en: Street, zh: 街道}, type: text, required: true, references: street.street}
  - {name: deed, title: {en: Deed, zh: 证号}, type: text, unique: true}
  - {name: built, title: {en: Built, zh: 建成}, type: date}
  - {name: sold, title: {en: Sold, zh: 售出}, type: date}
checks:
  - {name: order, expression: "sold >= built", title: {en: Sold after built, zh: 先建后售}, remedy: {en: Correct it, zh: 请更正}}
"""
SEEDED = """\
house,street,deed,built,sold
h1,Elm,d1,2000-01-01,2001-01-01
h2,Oak,,,
h2,Oak,,,
h3,Elm,d3,2010-05-05,
h4,,d4,,
x5,Elm,,,
h6,Nowhere,d6,,
h7,Elm,d7,2005-01-01,2004-01-01
h8,Elm,d8,2005-01-01,not a day
h9,Oak,d9,,
h9,Elm,d9,,
h10,Oak,same,,
h11,Oak,same,,
"""
"""Rows: h1, h2, h3 good; h2 again; without a street (h4); a wrong number (x5); an unknown street (h6); sold before built
(h7); no day (h8); one key twice with other content (h9); two houses with one deed (h10, h11)."""


@pytest.fixture
def more() -> dict[str, str]:
    return {"exchange/street.yaml": STREET, "exchange/house.yaml": HOUSE}


def delivered(place: Place) -> None:
    """On 2 March at 09:00."""
    place.civil.deliver("st1", "street\nElm\nOak\n", "street")
    place.civil.deliver("h1", SEEDED, "house")


def by_dimension(answer: Any) -> dict[str, tuple[int, int]]:
    return {each["dimension"]: (each["good"], each["total"]) for each in answer}


def parts(answer: Any, dimension: str) -> dict[str, tuple[int, int]]:
    (found,) = [each for each in answer if each["dimension"] == dimension]
    return {part["name"]: (part["good"], part["total"]) for part in found["parts"]}


def test_seeded_faults_of_each_type_are_found(place: Place) -> None:
    delivered(place)
    place.clock.turn(days=1)
    address = "/api/quality/scores/house/2026-03-02"
    answer = place.civil.client.post(address, headers=place.civil.headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    # 13 rows came, 3 stayed: h1 with 5 values, h2 with 2, h3 with 4
    assert parts(found, "completeness") == {
        "required": (25, 26), "filled:house": (3, 3), "filled:street": (3, 3), "filled:deed": (2, 3),
        "filled:built": (2, 3), "filled:sold": (1, 3),
    }  # fmt: skip
    assert parts(found, "validity") == {
        "rule:expression:order:sold": (12, 13), "rule:key:house": (11, 13), "rule:pattern:house": (12, 13),
        "rule:reference:street": (12, 13), "rule:required:street": (12, 13), "rule:type:sold": (12, 13),
        "rule:unique:deed": (11, 13),
    }  # fmt: skip
    assert parts(found, "uniqueness") == {"delivered": (8, 13), "keys:house": (3, 3), "unique:deed": (2, 2)}
    assert parts(found, "consistency") == {
        "delivered": (11, 13), "reference:street": (3, 3), "check:order": (1, 1), "tickets": (0, 0),
    }  # fmt: skip
    assert by_dimension(found) == {
        "completeness": (36, 41), "validity": (4, 13), "uniqueness": (13, 18), "consistency": (15, 17),
        "timeliness": (2, 2),  # Saturday, a working day (调休), and Sunday were due on this Monday at 18:00
    }  # fmt: skip
    assert all(each["definition"] and each["title"] for each in found)
    assert place.civil.client.post(address, headers=place.civil.headers).json() == found
    assert place.civil.quality("scores/house/2026-03-02").json() == found


def test_a_day_is_measured_as_it_ended_however_late(place: Place) -> None:
    delivered(place)
    place.clock.turn(days=1)
    jobs.measure(platform_context(place.parts, "test"))
    before = place.civil.quality("scores/house/2026-03-02").json()
    place.civil.deliver("h2", "house,street,deed,built,sold\nh1,Oak,,,\nh12,Oak,,,\n", "house")
    place.civil.deliver("h3", "house\nh3\n", "house", mode="delete")
    place.clock.turn(days=1)
    again = place.civil.client.post("/api/quality/scores/house/2026-03-02", headers=place.civil.headers).json()
    assert again == before
    jobs.measure(platform_context(place.parts, "test"))
    found = place.civil.quality("scores/house/2026-03-03").json()
    assert parts(found, "completeness")["filled:built"] == (0, 3)  # h1, h2, h12
    assert by_dimension(found)["validity"] == (2, 2)  # the delete brought no values


def test_a_reference_that_is_gone_and_an_open_ticket_are_inconsistent(place: Place) -> None:
    delivered(place)
    place.civil.deliver("st2", "street\nAsh\n", "street")
    place.civil.withdraw("st1", "street")
    wish = NewTicket("house", ("h1",), "street", "the street sign", "Elm", "Ash")
    tickets.open(platform_context(place.parts, "registers"), "reg-1", wish)
    place.clock.turn(days=1)
    jobs.measure(platform_context(place.parts, "test"))
    found = place.civil.quality("scores/house/2026-03-02").json()
    assert parts(found, "consistency") == {
        "delivered": (11, 13), "reference:street": (0, 3), "check:order": (1, 1), "tickets": (0, 1),
    }  # fmt: skip
    place.civil.decide("reject", id="reg-1", reason="it is Elm", evidence="the land register")
    place.clock.turn(days=1)
    jobs.measure(platform_context(place.parts, "test"))
    assert parts(place.civil.quality("scores/house/2026-03-03").json(), "consistency")["tickets"] == (1, 1)


def test_timeliness(place: Place) -> None:
    """Due by the day after at 18:00: what came on 2 March cannot be that day's, what came on the 3rd and the 5th can."""
    rows = "house,street\nh{0},Elm\n"
    place.civil.deliver("st1", "street\nElm\n", "street")
    place.clock.turn(days=1)
    place.civil.deliver("h1", rows.format(1), "house")  # 3 March 09:00, for the 2nd
    place.clock.turn(days=1, hours=10)
    place.civil.deliver("h2", rows.format(2), "house")  # 4 March 19:00, an hour late for the 3rd
    place.clock.turn(days=1)
    jobs.measure(platform_context(place.parts, "test"))
    place.clock.turn(days=1)
    jobs.measure(platform_context(place.parts, "test"))
    listed = place.civil.quality("scores", start="2026-03-01", end="2026-03-06", dataset="house").json()
    timely = {each["day"]: (each["good"], each["total"]) for each in listed if each["dimension"] == "timeliness"}
    assert timely == {"2026-03-04": (0, 1), "2026-03-05": (0, 1)}
    place.civil.client.post("/api/quality/scores/house/2026-03-03", headers=place.civil.headers)
    assert parts(place.civil.quality("scores/house/2026-03-03").json(), "timeliness") == {"period:2026-03-02": (1, 1)}


def test_days_without_a_worker_are_measured_afterwards(place: Place) -> None:
    ctx = platform_context(place.parts, "test")
    jobs.measure(ctx)
    assert scores.measured(ctx, date(2026, 2, 1), date(2026, 3, 3)) == (), "nothing was there yesterday"
    place.clock.turn(days=1)
    jobs.measure(ctx)
    place.clock.turn(days=3)
    jobs.measure(ctx)
    before = place.kept()["quality.score"]
    jobs.measure(ctx)
    assert place.kept()["quality.score"] == before
    found = scores.measured(ctx, date(2026, 3, 1), date(2026, 3, 10))
    assert sorted({each.day.day for each in found if each.dataset == "house"}) == [2, 3, 4, 5]
    assert scores.measured(ctx, date(2026, 3, 3), date(2026, 3, 4), "nobody") == ()
    one = [each for each in scores.measured(ctx, date(2026, 3, 2), date(2026, 3, 3)) if each.dataset == "resident"]
    # three residents of six values each, one income missing; one row needs nothing but its key
    assert one[0] == Measure("resident", "civil", date(2026, 3, 2), Dimension.completeness, 20, 21)
    assert [each.dimension for each in one] == sorted(Dimension)


def test_scores_are_for_the_keeper_and_the_bureau(place: Place) -> None:
    day, span = "2026-03-02", {"start": "2026-03-01", "end": "2026-03-05"}
    delivered(place)
    place.clock.turn(days=1)
    for door, status in ((place.housing, 403), (place.civil, 200), (place.bureau, 200)):
        address = f"/api/quality/scores/house/{day}"
        before = place.kept()
        assert door.client.post(address, headers=door.headers).status_code == status
        if status != 200:
            assert place.kept() == before
        else:  # whoever has it measured, the same deliveries count
            assert by_dimension(place.civil.quality(f"scores/house/{day}").json())["validity"] == (4, 13)
    assert place.housing.quality(f"scores/house/{day}").status_code == 403
    assert place.housing.quality("scores", **span, organisation="civil").status_code == 403
    assert place.housing.quality("scores", **span).json() == []
    assert len(place.civil.quality("scores", **span).json()) == 5
    assert len(place.bureau.quality("scores", **span, organisation="civil").json()) == 5
    first = place.bureau.quality("scores", **span, limit=1).json()
    assert place.bureau.quality("scores", **span, after=f"{first[-1]['day']}/{first[-1]['dataset']}").json() == []
    today = place.civil.client.post("/api/quality/scores/house/2026-03-03", headers=place.civil.headers)
    assert (today.status_code, today.json()["code"]) == (422, "quality.day_not_over")
    assert place.civil.quality("scores/house/2026-03-09").json()["code"] == "quality.not_measured"


def test_closures_say_who_answered_in_time(place: Place) -> None:
    ctx = platform_context(place.parts, "appraisal")
    delivered(place)
    for number, house in enumerate(("h1", "h2", "h3"), 1):
        wish = NewTicket("house", (house,), "street", "the street sign")
        tickets.open(platform_context(place.parts, "registers"), f"reg-{number}", wish)
    place.clock.turn(days=1)
    place.civil.decide("reject", id="reg-1", reason="no", evidence="register")
    place.civil.deliver("h2", "house,street\nh2,Elm\n", "house")
    place.follow()
    place.clock.turn(days=40)
    place.tick()
    place.civil.sign_in()
    place.civil.deliver("h3", "house,street\nh3,Oak\n", "house")
    place.follow()
    april = (datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
    march = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))

    def seen(span: tuple[datetime, datetime]) -> list[tuple[str, str, bool, bool]]:
        found = tickets.closures(ctx, *span, "civil")
        return [(each.ticket, each.state, each.closed_at is not None, each.in_time) for each in found]

    assert seen(march) == [
        ("reg-1", "settled", False, True), ("reg-2", "corrected", True, True), ("reg-3", "corrected", False, False),
    ]  # fmt: skip
    assert seen(april) == [("reg-1", "settled", True, True), ("reg-3", "corrected", True, False)]
    assert tickets.closures(ctx, *march, "housing") == ()
