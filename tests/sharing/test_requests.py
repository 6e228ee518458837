"""A request from its asking to its decision, as both parties meet it, and as a third is kept from it."""

from typing import Any

import pytest

from sharing.sharing_kit import Town, wish


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def test_a_request_is_approved(town: Town) -> None:
    asked = town.housing.ask().json()
    assert (asked["state"], asked["version"], asked["keeper"]) == ("asked", 1, "civil")
    assert asked["due_at"] == "2026-03-16T10:00:00Z"  # ten working days on, when the office closes
    assert [line["id"] for line in town.civil.get("requests", status="asked").json()] == ["r1"]
    approved = town.civil.move("r1", "approve").json()
    assert (approved["state"], approved["grant"], approved["due_at"]) == ("approved", "r1", None)
    grant = town.housing.get("grants/r1").json()
    assert grant["terms"]["fields"] == ["id", "name", "district"]
    assert (grant["state"], grant["purpose"], grant["valid_until"]) == ("active", "rent_aid", "2027-03-02T01:00:00Z")
    seen = town.housing.get("requests/r1").json()
    assert [(step["move"], step["role"], step["actor"]) for step in seen["steps"]] == [
        ("start", "", "housing-service"), ("approve", "keeper", "civil-service"),
    ]  # fmt: skip
    assert [entry["facts"]["move"] for entry in town.entries("sharing.request_moved")] == ["ask", "approve"]
    assert [entry["organisation"] for entry in town.entries("sharing.request_moved")] == ["housing", "civil"]
    assert [event["state"] for event in town.events("sharing.request_moved")] == ["asked", "approved"]
    assert [event["state"] for event in town.events("sharing.grant_changed")] == ["active"]


def test_the_same_request_is_kept_once(town: Town) -> None:
    first = town.housing.ask().json()
    before = town.everything()
    assert town.housing.ask().json() == first
    assert code(town.housing.ask(reason="another")) == (409, "sharing.request_id_reused")
    assert code(town.other.ask()) == (409, "sharing.request_id_taken")
    assert town.everything() == before
    decided = town.civil.move("r1", "approve").json()
    after = town.everything()
    assert town.civil.move("r1", "approve").json() == decided
    assert town.everything() == after


def test_a_refusal_cites_a_law(town: Town) -> None:
    town.housing.ask()
    before = town.everything()
    assert code(town.civil.move("r1", "refuse", reason="no")) == (422, "sharing.law_missing")
    assert code(town.civil.move("r1", "refuse", law="Law, article 1")) == (422, "flow.reason_missing")
    assert town.everything() == before
    town.civil.move("r1", "refuse", reason="not needed for rent", law="PIPL, article 6")
    seen = town.housing.get("requests/r1").json()
    assert (seen["state"], seen["law"], seen["answer"]) == ("refused", "PIPL, article 6", "not needed for rent")
    assert town.housing.get("grants").json() == []


PURPOSES = """\
- {code: rent_aid, title: {en: Rent aid, zh: 房租补贴}, legal_basis: {en: "Housing Act, article 3", zh: 住房法第三条}}
- {code: schooling, title: {en: Schooling, zh: 入学}, legal_basis: {en: "Education Act, article 12", zh: 教育法第十二条}}
"""


@pytest.mark.parametrize("town", [{"identity/purposes.yaml": PURPOSES}], indirect=True)
def test_a_city_that_declares_purposes_takes_no_other(town: Town) -> None:
    before = town.everything()
    refused = town.housing.ask(purpose="curiosity")
    assert code(refused) == (422, "identity.purpose_undeclared")
    assert "rent_aid, schooling" in refused.json()["remedy"]
    assert town.everything() == before
    assert town.housing.ask().status_code == 200
    listed = town.client.get("/api/identity/purposes", headers=town.housing.headers).json()
    assert [(each["code"], each["title"]["zh"]) for each in listed] == [("rent_aid", "房租补贴"), ("schooling", "入学")]


def test_a_counter_offer_is_accepted(town: Town) -> None:
    town.housing.ask(terms={"fields": ["id", "name", "born"], "rows": ""})
    offer = {"fields": ["id", "born"], "masks": [{"field": "born", "kind": "year"}], "days": 30}
    offered = town.civil.move("r1", "offer", reason="the year will do", terms=offer).json()
    assert (offered["state"], offered["offer"]["days"]) == ("offered", 30)
    assert code(town.civil.move("r1", "accept", 2))[0] == 403
    accepted = town.housing.move("r1", "accept", 2).json()
    assert (accepted["state"], accepted["grant"]) == ("approved", "r1")
    grant = town.civil.get("grants/r1").json()
    assert grant["terms"]["masks"] == [{"field": "born", "kind": "year", "first": 0, "last": 0}]
    assert grant["valid_until"] == "2026-04-01T01:00:00Z"


def test_an_offer_is_declined_and_the_request_withdrawn(town: Town) -> None:
    town.housing.ask()
    town.civil.move("r1", "offer", reason="verification will do", terms={"fields": ["name"], "kind": "verify"})
    declined = town.housing.move("r1", "decline", 2, reason="names differ").json()
    assert (declined["state"], declined["version"]) == ("asked", 3)
    assert town.housing.move("r1", "withdraw", 3).json()["state"] == "withdrawn"
    assert code(town.civil.move("r1", "approve", 4)) == (409, "flow.ended")


@pytest.mark.parametrize(
    ("terms", "refused"),
    [
        ({"fields": ["id", "name", "district", "born"]}, "sharing.offer_wider"),
        ({"fields": ["id"], "days": 400}, "sharing.offer_wider"),
        ({"fields": ["name"]}, "sharing.terms_without_key"),
        ({"fields": ["id"], "masks": [{"field": "id", "kind": "keep"}]}, "sharing.terms_key_masked"),
        ({"fields": ["id"], "rows": "nobody = 1"}, "exchange.excerpt_rows"),
        (None, "sharing.offer_terms"),
    ],
)
def test_an_offer_that_does_not_fit_is_refused(town: Town, terms: Any, refused: str) -> None:
    town.housing.ask()
    before = town.everything()
    answer = town.civil.move("r1", "offer", reason="less", terms=terms)
    assert code(answer) == (422, refused)
    assert answer.json()["remedy"]
    assert town.everything() == before


@pytest.mark.parametrize(
    ("terms", "refused"),
    [
        ({"fields": ["id", "nothing"]}, "exchange.excerpt_field"),
        ({"fields": ["id", "id"]}, "exchange.excerpt_twice"),
        ({"masks": [{"field": "name", "kind": "year"}]}, "exchange.excerpt_mask"),
        ({"rows": "income + 1 > 2"}, "exchange.excerpt_rows"),
        ({"rows": "(SELECT 1) = 1"}, "exchange.excerpt_rows"),
        ({"days": 800}, "sharing.terms_too_long"),
        ({"fields": ["name"]}, "sharing.terms_without_key"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(town: Town, terms: Any, refused: str) -> None:
    before = town.everything()
    answer = town.housing.ask(terms=terms)
    assert code(answer) == (422, refused)
    assert answer.json()["remedy"]
    assert town.everything() == before


def test_what_no_law_lets_share_is_refused_with_the_law(town: Town) -> None:
    before = town.everything()
    answer = town.housing.ask(dataset="secret", terms={"fields": ["thing"], "rows": ""})
    assert code(answer) == (403, "sharing.dataset_refused")
    assert "State Secrets Law, article 25" in answer.json()["detail"]
    assert town.everything() == before
    assert [entry["facts"]["right"] for entry in town.entries("access.refused")] == ["sharing.ask"]


def test_what_is_shared_unconditionally_is_granted_at_once(town: Town) -> None:
    asked = town.housing.ask(dataset="shop", terms={"fields": ["shop"], "rows": ""}).json()
    assert (asked["state"], asked["grant"]) == ("approved", "r1")
    personal = town.housing.ask("r2", dataset="shop", terms={"fields": ["shop", "owner"], "rows": ""}).json()
    assert (personal["state"], personal["grant"]) == ("asked", "")
    for number, rows in enumerate(["owner = 'Zhang San'", "starts_with(owner, 'Z') OR shop = 's1'"], 3):
        probing = town.housing.ask(f"r{number}", dataset="shop", terms={"fields": ["shop"], "rows": rows}).json()
        assert (probing["state"], probing["grant"]) == ("asked", ""), rows
    plain = town.housing.ask("r9", dataset="shop", terms={"fields": ["shop"], "rows": "shop LIKE 's%'"}).json()
    assert plain["state"] == "approved"


def test_a_third_organisation_sees_and_changes_nothing(town: Town) -> None:
    town.housing.ask("r1")
    town.grant("r2")
    before = town.everything()
    assert town.other.get("requests").json() == []
    assert town.other.get("grants").json() == []
    assert code(town.other.get("requests/r1")) == (404, "sharing.request_unknown")
    assert code(town.other.get("grants/r2")) == (404, "sharing.grant_unknown")
    assert code(town.other.get("grants/r2/uses"))[0] == 404
    for move in ("approve", "offer", "refuse", "accept", "withdraw"):
        assert code(town.other.move("r1", move))[0] == 404
    for move in ("certify", "revoke", "give_back"):
        assert code(town.other.move("r2", move, kind="grants"))[0] == 404
    assert code(town.other.get("grants/r2/changes", case="c1"))[0] == 404
    assert town.everything() == before


def test_nobody_decides_for_the_other_party(town: Town) -> None:
    town.housing.ask()
    before = town.everything()
    for move in ("approve", "offer", "refuse"):
        assert code(town.housing.move("r1", move, reason="x", law="y")) == (403, "kernel.refused")
    assert code(town.civil.move("r1", "withdraw")) == (403, "kernel.refused")
    assert code(town.civil.ask("r2", **wish())) == (403, "kernel.refused")  # its own data
    assert code(town.civil.move("r1", "approve", 7)) == (409, "flow.stale")
    assert code(town.civil.move("r1", "burn")) == (422, "sharing.move_unknown")
    assert town.everything() == before


def test_a_grant_is_certified_revoked_and_given_back(town: Town) -> None:
    town.grant("r1")
    certified = town.civil.move("r1", "certify", kind="grants").json()
    assert (certified["state"], certified["version"]) == ("active", 2)
    before = town.everything()
    assert code(town.housing.move("r1", "revoke", 2, kind="grants", reason="x"))[0] == 403
    assert code(town.civil.move("r1", "revoke", 2, kind="grants")) == (422, "flow.reason_missing")
    assert town.everything() == before
    revoked = town.civil.move("r1", "revoke", 2, kind="grants", reason="misused").json()
    assert (revoked["state"], revoked["ended_why"], revoked["ended_at"]) == (
        "revoked",
        "misused",
        "2026-03-02T01:00:00Z",
    )
    town.grant("r2")
    assert town.housing.move("r2", "give_back", kind="grants").json()["state"] == "given_back"


def test_a_renewal_keeps_the_grant_and_changes_its_terms(town: Town) -> None:
    town.grant("r1")
    town.clock.turn(days=80)
    renewal = {"terms": {"fields": ["id"], "days": 365}, "renews": "r1"}
    assert code(town.other.ask("r2", **renewal))[0] == 404
    assert town.grant("r2", **renewal) == "r1"
    grant = town.housing.get("grants/r1").json()
    assert (grant["terms"]["fields"], grant["valid_until"]) == (["id"], "2027-05-21T01:00:00Z")
    assert [step["move"] for step in grant["steps"]] == ["start", "renew"]
    town.civil.move("r1", "revoke", grant["version"], kind="grants", reason="over")
    assert code(town.housing.ask("r3", **renewal)) == (409, "sharing.grant_over")
