"""A dispute from its opening to its end, as its parties meet it, and as others are kept from it."""

from typing import Any

import pytest

from quality.quality_kit import Place, restarted
from sharing.sharing_kit import ROWS


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def mended(old: str = "Bert Birch", new: str = "Bert Beech") -> str:
    return ROWS.replace(old, new)


def test_a_ticket_ends_when_the_source_changes_and_not_before(place: Place) -> None:
    place.grant()
    opened = place.housing.dispute()
    assert opened.status_code == 200, opened.text
    seen = opened.json()
    assert (seen["state"], seen["version"], seen["keeper"], seen["organisation"]) == ("disputed", 1, "civil", "housing")
    assert seen["due_at"] == "2026-03-16T10:00:00Z"  # ten working days on, when the office closes
    assert [each["id"] for each in place.civil.quality("tickets", side="keeper", status="open").json()] == ["t1"]
    assert place.civil.quality("tickets", side="mine").json() == []
    accepted = place.civil.decide("accept").json()
    assert (accepted["state"], accepted["due_at"]) == ("mending", "2026-03-16T10:00:00Z")  # the clock runs on
    place.follow()
    assert place.housing.ticket()["state"] == "mending"
    place.civil.deliver("d2", ROWS + "a4,Dora Dogwood,N2,1991-01-01,,\n")  # another record
    place.civil.deliver("d3", mended("200.00", "300.00"))  # another field of the record
    place.follow()
    assert place.housing.ticket()["state"] == "mending"
    place.civil.deliver("d4", mended())
    place.follow()
    ended = place.housing.ticket()
    assert (ended["state"], ended["delivery"], ended["removed"], ended["due_at"]) == ("corrected", "d4", False, None)
    assert ended["closed_at"] == "2026-03-02T01:00:00Z"
    assert [(step["move"], step["role"]) for step in ended["steps"]] == [
        ("start", ""), ("accept", "keeper"), ("correct", "source"),
    ]  # fmt: skip
    assert place.civil.quality("tickets", status="open").json() == []
    assert [event["state"] for event in place.events("quality.ticket_moved")] == ["disputed", "mending", "corrected"]
    (corrected,) = place.events("quality.corrected")
    assert (corrected["field"], corrected["told"]) == ("name", ["housing"])


@pytest.mark.parametrize("move", ["correct", "lapse", "close", "corrected", "start"])
def test_nobody_closes_a_ticket_as_corrected_by_hand(place: Place, move: str) -> None:
    place.grant()
    place.housing.dispute()
    before = place.kept()
    for door in (place.civil, place.housing, place.bureau):
        assert code(door.decide(move, reason="done"))[0] in (404, 422)
    assert place.kept() == before


def test_the_same_dispute_is_kept_once(place: Place) -> None:
    place.grant()
    place.grant("r2", place.other)
    first = place.housing.dispute().json()
    before = place.kept()
    assert place.housing.dispute().json() == first
    assert code(place.housing.dispute(evidence="another")) == (409, "quality.ticket_id_reused")
    assert code(place.other.dispute(grant="r2")) == (409, "quality.ticket_id_taken")
    assert code(place.housing.dispute("a b")) == (400, "quality.ticket_id_wrong")
    assert place.kept() == before


def test_a_change_before_the_job_and_after_a_restart_is_not_missed(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    place.civil.deliver("d2", mended())
    place.civil.deliver("d3", mended("Bert Birch", "Bert Birch"))  # and back again, before anybody looked
    later = restarted(place)
    later.follow()
    ended = place.housing.ticket()
    assert (ended["state"], ended["delivery"]) == ("corrected", "d2")
    before = place.kept()
    later.follow()
    place.follow()
    assert place.kept() == before


def test_a_change_between_the_use_and_the_dispute_counts(place: Place) -> None:
    place.grant()
    place.housing.lines("grants/r1/records", case="c-1")
    (use,) = place.housing.get("grants/r1/uses").json()
    place.civil.deliver("d2", ROWS.replace("Anna Apple", "Anne Apple"))
    assert code(place.housing.dispute(key=["a1"], value="Anna Apple")) == (409, "quality.value_differs")
    opened = place.housing.dispute(key=["a1"], value="Anna Apple", use=use["id"]).json()
    assert opened["sequence"] == use["sequence"]
    place.follow()
    assert place.housing.ticket()["delivery"] == "d2"


@pytest.mark.parametrize(
    ("how", "delivery"),
    [("withdraw", "d2"), ("delete", "d3")],
)
def test_a_removed_record_ends_the_dispute(place: Place, how: str, delivery: str) -> None:
    place.civil.deliver("d2", "id,name,district,born,income,married\na9,Zoe Zelkova,N1,1970-01-01,,\n")
    place.grant()
    place.housing.dispute(key=["a9"], value="Zoe Zelkova")
    if how == "withdraw":
        place.civil.withdraw("d2")
    else:
        place.civil.deliver("d3", "id\na9\n", mode="delete")
    place.follow()
    ended = place.civil.ticket()
    assert (ended["state"], ended["removed"], ended["delivery"]) == ("corrected", True, delivery)
    assert place.housing.told() == [("name", ["a9"], True)]


def test_an_erasure_ends_the_dispute_and_takes_its_values(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    place.housing.dispute("t2", field="district", value="N1", expected="N2", key=["a1"])
    place.housing.decide("withdraw", id="t2")
    place.civil.erase("a1", "a2")
    place.follow()
    ended = place.housing.ticket()
    assert (ended["state"], ended["removed"], ended["key"], ended["evidence"]) == ("corrected", True, [], "")
    assert "value" not in ended
    assert place.housing.ticket("t2")["key"] == []
    assert place.housing.told() == [("name", None, True)]
    assert not [row for rows in place.kept().values() for row in rows if "Bert" in row[0] or "identity card" in row[0]]


def test_a_rejection_is_contested_and_upheld(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    before = place.kept()
    assert code(place.civil.decide("reject", reason="no")) == (422, "quality.rejection_unfounded")
    assert code(place.civil.decide("reject", law="Law, article 1")) == (422, "flow.reason_missing")
    assert code(place.housing.decide("reject", reason="no", law="Law"))[0] == 403
    assert code(place.other.decide("accept")) == (404, "quality.ticket_unknown")
    assert code(place.bureau.decide("uphold", reason="so"))[0] == 404  # it is not before the bureau
    assert place.kept()["quality.ticket"] == before["quality.ticket"]
    rejected = place.civil.decide("reject", reason="it is right", evidence="register sheet 12").json()
    assert (rejected["state"], rejected["answer"], rejected["answer_evidence"]) == (
        "rejected", "it is right", "register sheet 12",
    )  # fmt: skip
    assert place.bureau.quality("tickets").json() == []
    contested = place.housing.decide("contest", 2, reason="the card says otherwise").json()
    assert (contested["state"], contested["arbiter"]) == ("contested", "bureau")
    assert [each["id"] for each in place.bureau.quality("tickets", side="arbiter").json()] == ["t1"]
    assert code(place.civil.decide("dismiss", 3, reason="no"))[0] == 403
    upheld = place.bureau.decide("uphold", 3, reason="the card is valid").json()
    assert (upheld["state"], upheld["due_at"]) == ("upheld", "2026-03-16T10:00:00Z")
    assert code(place.civil.decide("reject", 4, reason="no", law="Law")) == (409, "flow.move_illegal")
    place.civil.deliver("d2", mended())
    place.follow()
    assert place.civil.ticket()["state"] == "corrected"


def test_a_dispute_is_dismissed_or_given_up(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    place.civil.decide("reject", reason="it is right", law="Registration Act, article 3")
    place.housing.decide("contest", 2, reason="no")
    assert place.bureau.decide("dismiss", 3, reason="the register is right").json()["state"] == "dismissed"
    assert code(place.housing.decide("withdraw", 4)) == (409, "flow.ended")
    place.housing.dispute("t2")
    assert place.housing.decide("withdraw", id="t2").json()["state"] == "withdrawn"
    place.civil.deliver("d2", mended())
    place.follow()
    assert [place.civil.ticket(id)["state"] for id in ("t1", "t2")] == ["dismissed", "withdrawn"]
    assert place.housing.told() == []


def test_a_contested_value_that_changes_ends_too(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    place.civil.decide("reject", reason="it is right", law="Law")
    place.civil.deliver("d2", mended())
    place.follow()
    assert place.housing.ticket()["state"] == "corrected"


@pytest.mark.parametrize("place", [{"quality/limits.yaml": "arbiters: [civil, other]"}], indirect=True)
def test_no_party_rules_in_its_own_matter(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    place.civil.decide("reject", reason="it is right", law="Law")
    assert place.housing.decide("contest", 2, reason="no").json()["arbiter"] == "other"
    assert place.other.ticket()["state"] == "contested"
    assert code(place.bureau.quality("tickets/t1")) == (404, "quality.ticket_unknown")


def test_clock_over_a_holiday(place: Place) -> None:
    """Qingming, 4 to 6 April 2026, is no working time: ten working days from 27 March end on 13 April."""
    place.clock.turn(days=25)
    place.grant()
    assert place.housing.dispute().json()["due_at"] == "2026-04-13T10:00:00Z"
    told = [
        ("warning", "keeper"),
        ("warning", "keeper"),
        ("overdue", "keeper"),
        ("escalation", "keeper"),
        ("escalation", "platform"),
    ]
    for days, number in ((11, 0), (2, 1), (2, 2), (2, 2), (1, 3), (1, 4), (6, 5)):
        place.clock.turn(days=days)
        place.tick()
        place.tick()
        found = [(each["kind"], each["to"]) for each in place.civil.quality("notices").json()]
        assert found == told[:number], (place.clock.moment, found)
    assert place.housing.quality("notices").json() == place.civil.quality("notices").json()
    assert place.other.quality("notices").json() == []
    place.civil.deliver("d2", mended())
    place.follow()
    assert place.civil.ticket()["state"] == "corrected"  # late, and still possible


def test_a_rejection_that_nobody_contests_stands(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    place.civil.decide("reject", reason="it is right", law="Law")
    place.clock.turn(days=14)
    place.tick()
    assert place.housing.ticket()["state"] == "rejected"
    place.clock.turn(days=2)
    place.tick()
    seen = place.housing.ticket()
    assert (seen["state"], seen["steps"][-1]["role"]) == ("settled", "platform")


def test_values_are_forgotten_in_time(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    place.civil.deliver("d2", mended())
    place.follow()
    place.clock.turn(days=300)
    place.tick()
    for door in (place.housing, place.civil):
        door.sign_in()  # their tokens are over by then
    assert place.housing.ticket()["value"] == "Bert Birch"
    place.clock.turn(days=66)
    place.tick()
    for door in (place.housing, place.civil):
        door.sign_in()
    seen = place.housing.ticket()
    assert (seen["state"], seen["key"], seen["evidence"], "value" in seen) == ("corrected", [], "", False)
    assert place.housing.told() == [("name", None, False)]
    before = place.kept()["quality.ticket"]
    assert place.housing.dispute().json() == seen  # sent again, it is still the same dispute
    assert place.kept()["quality.ticket"] == before


def test_no_value_is_in_the_audit_log_or_in_an_event(place: Place) -> None:
    place.grant()
    place.housing.dispute()
    place.civil.decide("reject", reason="Bert Birch it is", evidence="sheet of Bert Birch")
    place.civil.deliver("d2", mended())
    place.follow()
    text = place.audit_text() + str(place.events("quality.ticket_moved") + place.events("quality.corrected"))
    assert "quality.corrected" in text
    assert not [word for word in ("Bert", "Beech", "identity card", '"a2"') if word in text]
