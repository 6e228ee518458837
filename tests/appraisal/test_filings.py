"""What departments file: decided by the platform with a reason, by another account, once, in time."""

import pytest

from appraisal.appraisal_kit import MARCH, Place, codes

POINTS = {"of": "points", "good": 4}


def test_a_filing_counts_once_it_is_accepted(place: Place) -> None:
    civil, bureau = place.civil, place.bureau
    made = civil.file("f1", "institutions", POINTS).json()
    assert (made["state"], made["version"], made["given"], made["due_at"]) == ("filed", 1, [], "2026-03-23T10:00:00Z")
    assert civil.file("f1", "institutions", POINTS).json() == made
    assert civil.score()["score"]["points"] == "0.00"
    done = bureau.decide("f1", "accept", claims=[{"of": "points", "good": "3.25"}], reason="half of it").json()
    assert (done["state"], done["answer"]) == ("accepted", "half of it")
    assert bureau.decide("f1", "accept", claims=[{"of": "points", "good": "3.25"}], reason="half of it").json() == done
    assert [(step["move"], step["actor"], step["role"]) for step in done["steps"]] == [
        ("start", "civil-1", ""), ("accept", "bureau-1", "appraiser"),
    ]  # fmt: skip
    (row,) = civil.evidence("institutions")["rows"]
    assert (row["kind"], row["id"], row["good"], row["href"]) == ("filing", "f1", "3.25", "/api/appraisal/filings/f1")
    told = {each["name"]: each["points"] for each in civil.score()["score"]["indicators"]}
    assert told["institutions"] == "3.32"  # 3.25 × 100/98: feedback is spread
    assert civil.score(start="2026-03-02")["score"]["points"] == "0.00"  # its time is not within
    assert [each["state"] for each in place.events("appraisal.filing_moved")] == ["filed", "accepted"]
    assert [each["facts"]["move"] for each in place.entries("appraisal.filing_moved")] == ["file", "accept"]


def test_what_is_rejected_or_withdrawn_counts_for_nothing(place: Place) -> None:
    for id, move, door in (("f1", "reject", place.bureau), ("f2", "withdraw", place.civil)):
        place.civil.file(id, "institutions", POINTS)
        assert door.decide(id, move).json()["state"] in ("rejected", "withdrawn")
    assert "reviewed" not in place.civil.score()["facts"]
    assert codes(place.bureau.decide("f2", "accept", version=2)) == (409, "flow.ended")


def test_the_platform_files_for_a_department_and_another_account_decides(place: Place) -> None:
    """Such as what the public said of it."""
    claim = {"of": "feedback", "good": 9, "total": 12}
    assert place.bureau.file("p1", "feedback", claim).status_code == 200
    before = place.kept()
    assert codes(place.bureau.decide("p1", "accept")) == (403, "appraisal.own_filing")
    assert place.kept() == before
    assert place.second.decide("p1", "accept").json()["given"] == [{"of": "feedback", "good": "9", "total": "12"}]
    assert place.civil.score()["facts"]["feedback"] == {"good": 9, "total": 12}


@pytest.mark.parametrize(
    ("indicator", "claim", "code"),
    [
        ("institutions", {"of": "points", "good": "10.01"}, "appraisal.claim_wrong"),
        ("institutions", {"of": "points", "good": "1.005"}, "appraisal.claim_wrong"),
        ("institutions", {"of": "points", "good": "NaN"}, "appraisal.claim_wrong"),
        ("institutions", {"of": "points", "good": "-1"}, "appraisal.claim_wrong"),
        ("institutions", {"of": "points", "good": 1, "total": 2}, "appraisal.claim_wrong"),
        ("institutions", {"of": "provided", "good": 1, "total": 2}, "appraisal.claim_unknown"),
        ("provision", {"of": "provided", "good": 1, "total": 1}, "appraisal.claim_unknown"),
        ("provision", {"of": "points", "good": 1}, "appraisal.claim_unknown"),
        ("use", {"of": "forms", "good": 3, "total": 2}, "appraisal.claim_wrong"),
        ("use", {"of": "forms", "good": 0, "total": 0}, "appraisal.claim_wrong"),
        ("use", {"of": "forms", "good": "0.5", "total": 1}, "appraisal.claim_wrong"),
        ("use", {"of": "asked.tax_payment", "good": 1}, "appraisal.claim_unknown"),
    ],
)
def test_what_the_logs_count_cannot_be_filed(place: Place, indicator: str, claim: dict[str, object], code: str) -> None:
    before = place.kept()
    answer = place.civil.file("f1", indicator, claim)
    assert codes(answer) == (422, code)
    assert answer.json()["remedy"]
    assert place.kept() == before


def test_a_filing_that_does_not_fit_is_refused(place: Place) -> None:
    civil, other, bureau = place.civil, place.other, place.bureau
    civil.file("f1", "institutions", POINTS)
    before = place.kept()
    assert codes(civil.file("f1", "institutions", {"of": "points", "good": 5})) == (409, "appraisal.id_reused")
    assert codes(other.file("f1", "institutions", POINTS, organisation="other")) == (409, "appraisal.id_taken")
    assert codes(other.file("f2", "institutions", POINTS)) == (403, "kernel.refused")
    assert codes(civil.file("f2", "institutions", POINTS, POINTS)) == (422, "appraisal.claim_twice")
    assert codes(civil.file("f2", "beauty", POINTS)) == (404, "appraisal.indicator_unknown")
    assert codes(civil.file("f2", "institutions", POINTS, set="1999")) == (404, "appraisal.set_unknown")
    assert codes(bureau.file("f2", "institutions", POINTS, organisation="council")) == (404, "appraisal.not_appraised")
    assert codes(civil.file("f2", "institutions", POINTS, start="2026-04-01")) == (422, "appraisal.period_backwards")
    assert codes(civil.file("f2", "institutions", POINTS, documents=[]))[0] == 400
    for door, code in ((civil, (403, "kernel.refused")), (other, (404, "appraisal.filing_unknown"))):
        assert codes(door.decide("f1", "accept")) == code
    assert codes(other.call("GET", "appraisal/filings/f1")) == (404, "appraisal.filing_unknown")
    assert codes(bureau.decide("f1", "withdraw")) == (403, "kernel.refused")
    assert codes(bureau.decide("f1", "uphold")) == (422, "appraisal.move_unknown")
    assert codes(bureau.decide("f1", "accept", reason="")) == (422, "flow.reason_missing")
    assert codes(bureau.decide("f1", "accept", version=3)) == (409, "flow.stale")
    assert codes(bureau.decide("f1", "reject", claims=[POINTS])) == (422, "appraisal.claims_without_accept")
    assert codes(bureau.decide("f1", "accept", claims=[{"of": "points", "good": 11}])) == (422, "appraisal.claim_wrong")
    assert place.kept() == before
    assert other.done("GET", "appraisal/filings") == []
    assert [each["id"] for each in bureau.done("GET", "appraisal/filings", params={"organisation": "civil"})] == ["f1"]


def test_the_eight_and_sixteen_documents_are_evaluated(place: Place) -> None:
    """Tenancies come by sharing; tax proofs are asked of applicants; what is not needed does not count."""
    civil, housing = place.civil, place.housing
    housing.deliver("w1", "dwelling\nh1\n", "lease")
    civil.ask("g1", dataset="lease", terms={"fields": ["dwelling"], "rows": ""})
    for case in ("c1", "c2", "c3"):
        civil.lines("grants/g1/records", case=case)
    place.clock.turn(minutes=1)
    claims = [{"of": "asked.tenancy", "good": 1}, {"of": "asked.tax_payment", "good": 7}]
    assert civil.file("f1", "documents", *claims, set="2013").status_code == 200
    assert place.bureau.decide("f1", "accept").status_code == 200
    rates = (("apply", 45), ("query", 50), ("process", 20))
    for name, good in rates:
        civil.file(f"f-{name}", name, {"of": name, "good": good, "total": 50}, set="2013")
        assert place.bureau.decide(f"f-{name}", "accept").status_code == 200
    found = civil.score(set="2013")
    assert found["facts"]["documents"] == [
        {"document": "tax_payment", "good": 0, "total": 7}, {"document": "tenancy", "good": 3, "total": 4},
    ]  # fmt: skip
    told = {each["name"]: each["points"] for each in found["score"]["indicators"]}
    # 20 × 45/50, 20 × 50/50, 20 × 20/50, 40 × ((0/7 + 3/4) / 2) / 0.8
    assert told == {"apply": "18.00", "query": "20.00", "process": "8.00", "documents": "18.75"}
    rows = civil.evidence("documents", set="2013")["rows"]
    assert [(row["measure"], row["kind"], row["good"], row["total"]) for row in rows] == [
        ("documents.tax_payment", "filing", "0", "7"),
        ("documents.tenancy", "filing", "0", "1"),
        ("documents.tenancy", "grant", "3", "3"),
    ]
    eight = civil.score(set="2012")  # tenancies are none of the eight, and nothing was filed for that set
    assert (eight["facts"]["documents"], eight["score"]["points"]) == ([], "0.00")
    assert {each["name"]: each["treatment"] for each in eight["score"]["indicators"]}["documents"] == "spread"


def test_a_document_that_was_only_asked_for_is_needed_and_not_shared(place: Place) -> None:
    wish = {
        "title": "租赁信息", "purpose": "aid", "legal_basis": "Housing Act", "items": ["房屋编码"], "resource": "lease",
    }  # fmt: skip
    assert place.civil.call("POST", "catalogue/demands", json=wish).status_code == 201
    place.clock.turn(minutes=1)
    found = place.civil.score(set="2013")["facts"]["documents"]
    assert found == [{"document": "tenancy", "good": 0, "total": 0}]
    (row,) = place.civil.evidence("documents", set="2013")["rows"]
    assert (row["kind"], row["good"], row["total"]) == ("demand", "0", "0")


def test_sets_are_shown_with_their_digest(place: Place) -> None:
    found = place.other.done("GET", "appraisal/sets")
    assert [each["name"] for each in found] == ["2012", "2013", "2014", "2018"]
    assert place.other.done("GET", "appraisal/sets/2018") == found[3]
    assert place.civil.score()["digest"] == found[3]["digest"]
    assert codes(place.civil.call("GET", "appraisal/sets/1999")) == (404, "appraisal.set_unknown")
    early = place.civil.call("GET", "appraisal/scores/civil", params={"start": "2001-01-01", "end": "2001-12-31"})
    assert codes(early) == (404, "appraisal.set_none")
    assert codes(place.bureau.call("GET", "appraisal/scores/bureau", params=MARCH)) == (404, "appraisal.not_appraised")
