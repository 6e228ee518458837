"""Who may dispute what, what a disputer can and cannot learn, and who is told of a correction."""

from typing import Any

import pytest

from cityloom.kernel.errors import NotFound
from cityloom.kernel.jobs import platform_context
from cityloom.quality.api import tickets
from cityloom.quality.contracts import NewTicket
from quality.quality_kit import Door, Place
from sharing.sharing_kit import ROWS


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def refused(place: Place, door: Door, status: int, problem: str, id: str = "t1", **changed: Any) -> None:
    """The dispute is refused; nothing but the use that looked, if it came so far, is kept."""
    before = place.kept()
    assert code(door.dispute(id, **changed)) == (status, problem)
    after = place.kept()
    uses = {"sharing.use": before["sharing.use"]}
    assert {**after, **uses} == {**before, **uses}


def test_without_a_grant_there_is_no_dispute(place: Place) -> None:
    place.grant()
    refused(place, place.housing, 403, "quality.grant_needed", grant=None)
    refused(place, place.other, 404, "sharing.grant_unknown")
    refused(place, place.civil, 403, "kernel.refused")  # the keeper delivers
    assert code(place.housing.dispute(purpose="other")) == (403, "sharing.purpose_differs")
    refused(place, place.housing, 404, "exchange.dataset_unknown", dataset="nothing")
    refused(place, place.housing, 422, "quality.grant_differs", dataset="shop", field="owner", key=["s1"])
    refused(place, place.housing, 422, "quality.field_unknown", field="nothing")
    refused(place, place.housing, 422, "quality.key_parts", key=["a1", "a2"])


def test_a_grant_that_ended_gives_no_dispute(place: Place) -> None:
    place.grant()
    place.civil.move("r1", "revoke", kind="grants", reason="misused")
    refused(place, place.housing, 409, "sharing.grant_over")


def test_what_the_grant_does_not_show_cannot_be_disputed(place: Place) -> None:
    place.grant(terms={"rows": "district = 'N1'"})
    refused(place, place.housing, 403, "sharing.field_not_granted", field="income", value="200.00")
    # whether there is such a record at all is told as little as what it says
    hidden, missing = place.housing.dispute(), place.housing.dispute(key=["zz"])
    assert code(hidden) == code(missing) == (404, "sharing.record_unknown")
    assert hidden.json()["detail"] == missing.json()["detail"]
    refused(place, place.housing, 409, "quality.value_differs", key=["a1"], value="Anne Apple")
    assert place.housing.dispute(key=["a1"], value="Anna Apple").json()["state"] == "disputed"
    uses = place.civil.get("grants/r1/uses").json()
    assert [(use["way"], use["case"], use["found"]) for use in uses] == [
        ("verify", "t1", False), ("verify", "t1", False), ("verify", "t1", True), ("verify", "t1", True),
    ]  # fmt: skip


def test_what_a_record_said_outside_the_rows_of_a_grant_cannot_be_guessed(place: Place) -> None:
    place.grant(terms={"rows": "district = 'N1'"})
    place.housing.lines("grants/r1/records", case="c-1")
    (use,) = place.housing.get("grants/r1/uses").json()
    place.civil.deliver("d2", ROWS.replace("Anna Apple,N1", "Anna Hidden,N2"))
    place.civil.deliver("d3", ROWS.replace("Anna Apple", "Anne Apple"))
    refused(place, place.housing, 409, "quality.value_differs", key=["a1"], value="Anna Hidden", use=use["id"])
    assert place.housing.dispute(key=["a1"], value="Anna Apple", use=use["id"]).json()["state"] == "disputed"
    refused(place, place.housing, 404, "sharing.use_unknown", id="t2", key=["a1"], value="Anne Apple", use="u0")


def test_a_quota_holds_for_disputes(place: Place) -> None:
    place.grant(terms={"per_day": 2})
    for key in ("zz", "zy"):
        assert place.housing.dispute(key=[key]).status_code == 404
    refused(place, place.housing, 429, "sharing.quota_used", key=["zx"])


@pytest.mark.parametrize(
    "terms",
    [
        {"kind": "verify", "fields": ["name"]},
        {"fields": ["id", "name"], "masks": [{"field": "name", "kind": "keep", "first": 1}]},
    ],
)
def test_a_value_that_is_not_shown_is_disputed_without_it(place: Place, terms: dict[str, Any]) -> None:
    place.grant(terms=terms)
    refused(place, place.housing, 403, "quality.value_not_shown")
    refused(place, place.housing, 403, "quality.value_not_shown", value="Anybody")
    opened = place.housing.dispute(value=None)
    assert opened.status_code == 200, opened.text
    assert "value" not in opened.json()
    place.civil.deliver("d2", ROWS.replace("200.00", "300.00"))
    place.follow()
    assert place.housing.ticket()["state"] == "disputed"
    place.civil.deliver("d3", ROWS.replace("Bert Birch", "Bert Beech"))
    place.follow()
    assert place.housing.ticket()["state"] == "corrected"


def test_counts_and_masked_keys_give_no_dispute(place: Place) -> None:
    place.grant(terms={"kind": "aggregate", "fields": ["district"]})
    refused(place, place.housing, 403, "sharing.kind_differs", field="district", value="N2")
    place.grant("r2", terms={"fields": ["id", "name"], "masks": [{"field": "id", "kind": "pseudonym"}]})
    refused(place, place.housing, 403, "sharing.key_masked", grant="r2")


def test_unconditional_data_is_for_everybody_to_dispute_unless_it_is_personal(place: Place) -> None:
    place.civil.deliver("s1", "shop,owner\ns1,Olga Oak\n", "shop")
    shop = {"dataset": "shop", "key": ["s1"], "grant": None}
    refused(place, place.other, 403, "quality.grant_needed", **shop, field="owner", value="Olga Oak")
    refused(place, place.other, 404, "quality.record_unknown", **{**shop, "key": ["s2"]}, field="shop", value="s2")
    assert place.other.dispute(**shop, field="shop", value="s1").json()["organisation"] == "other"
    place.civil.withdraw("s1", "shop")
    place.follow()
    assert place.other.ticket()["state"] == "corrected"
    assert place.other.told() == [("shop", None, True)]


def test_the_platform_disputes_for_registers(place: Place) -> None:
    ctx = platform_context(place.parts, "registers")
    wish = NewTicket("resident", ("a2",), "name", "two registers differ", "Bert Birch", "Bert Beech")
    opened = tickets.open(ctx, "reg-1", wish)
    assert (opened.organisation, opened.state) == ("*", "disputed")
    assert tickets.open(ctx, "reg-1", wish) == opened
    with pytest.raises(NotFound):
        tickets.open(ctx, "reg-2", NewTicket("resident", ("zz",), "name", "no such record"))
    assert place.civil.decide("accept", id="reg-1").json()["state"] == "mending"
    assert code(place.housing.quality("tickets/reg-1")) == (404, "quality.ticket_unknown")
    place.civil.deliver("d2", ROWS.replace("Bert Birch", "Bert Beech"))
    place.follow()
    assert place.civil.ticket("reg-1")["state"] == "corrected"


def test_the_parties_and_nobody_else_see_a_ticket(place: Place) -> None:
    place.grant()
    place.grant("r2", place.other)
    place.housing.dispute()
    assert place.civil.ticket()["value"] == "Bert Birch"
    before = place.kept()
    for door in (place.other, place.bureau):
        assert code(door.quality("tickets/t1")) == (404, "quality.ticket_unknown")
        assert door.quality("tickets").json() == []
        assert code(door.decide("withdraw")) == (404, "quality.ticket_unknown")
    assert place.kept() == before


def test_exactly_those_who_have_the_field_are_told(place: Place) -> None:
    """Housing reads it; other only verifies it, in the rows that the record comes into; the bureau asked while it had a
    grant, which is over. Nobody else: not those whose grant lacks the field, or whose rows the record was and is not in."""
    place.grant()
    place.grant("r2", place.other, terms={"kind": "verify", "fields": ["name"], "rows": "district = 'N9'"})
    place.grant("r3", place.bureau, terms={"kind": "verify", "fields": ["name"]})
    place.housing.dispute()
    place.bureau.dispute("b1", grant="r3", value=None)
    place.bureau.decide("withdraw", id="b1")
    place.bureau.move("r3", "give_back", kind="grants")
    place.civil.deliver("d2", ROWS.replace("Bert Birch,N2", "Bert Beech,N9"))
    place.follow()
    assert place.housing.told() == [("name", ["a2"], False)]
    assert place.other.told() == [("name", None, False)]
    assert place.bureau.told() == [("name", None, False)]
    assert place.civil.told() == []
    assert place.housing.told("shop") == []
    (event,) = place.events("quality.corrected")
    assert event["told"] == ["bureau", "housing", "other"]
    (row,) = place.housing.quality("corrections").json()
    uses = place.housing.get("grants/r1/uses").json()
    assert row["key_digest"] == uses[0]["key_digest"]  # so that it finds its own uses of the record
    assert "Bert" not in str(row)


def test_who_has_not_the_field_or_the_row_is_not_told(place: Place) -> None:
    place.grant()
    place.grant("r2", place.other, terms={"fields": ["id", "district"]})
    place.grant("r3", place.bureau, terms={"rows": "district = 'N1'"})
    place.housing.dispute()
    assert code(place.bureau.dispute("b1", grant="r3")) == (404, "sharing.record_unknown")  # asked, and told of nothing
    place.civil.deliver("d2", ROWS.replace("Bert Birch", "Bert Beech"))
    place.follow()
    assert (place.other.told(), place.bureau.told()) == ([], [])
    assert place.housing.told() == [("name", ["a2"], False)]


def test_an_erasure_is_told_to_those_who_may_have_seen_the_record(place: Place) -> None:
    place.grant()
    place.grant("r2", place.other, terms={"rows": "district = 'N2'"})
    place.grant("r3", place.bureau, terms={"rows": "district = 'N1'"})
    for door, grant in ((place.other, "r2"), (place.bureau, "r3")):
        door.lines(f"grants/{grant}/records", case="c-1")
    place.housing.dispute()
    place.civil.erase("a2")
    place.follow()
    assert place.housing.told() == place.other.told() == [("name", None, True)]
    assert place.bureau.told() == []
