"""One subject's records in a library: each reader gets what he keeps and what grants show him, and nothing tells him more.

One town for all: each test names a purpose of its own, so that no other test's grants are in force for it.
"""

from typing import Any

from registers.registers_kit import values
from topics.topics_kit import Town, parts


def paid(month: str, **more: Any) -> dict[str, Any]:
    return {"person": "a1", "month": month, "amount": "10.25", **more}


def uses(town: Town, grant: str) -> list[tuple[Any, ...]]:
    found = town.housing.get(f"grants/{grant}/uses").json()
    return [(use["way"], use["case"], use["fields"], use["found"]) for use in found]


def test_a_keeper_sees_its_own_and_no_more(shared_town: Town) -> None:
    answer = shared_town.other.records("a1", purpose="own")
    assert parts(answer) == {
        "resident": ("none", []), "tenant": ("none", []),
        "payment": ("own", [paid("2026-01", payer=None), paid("2026-02", payer=None),
                            {"person": "a2", "month": "2026-02", "amount": None, "payer": "a1"}]),
    }  # fmt: skip
    assert answer.json()["subjects"][0]["record"] is None
    civil = shared_town.civil.records("a1", "a3", purpose="own")
    anna, cleo = civil.json()["subjects"]
    assert (values(anna["record"])["name"], values(cleo["record"])["name"]) == ("Anna Apple", "Cleo Cedar")
    assert [access for access, _ in parts(civil).values()] == ["own", "none", "none"]
    assert parts(civil, 1)["resident"][1][0]["id"] == "a3"


def test_who_is_shown_nothing_cannot_tell_it_from_nothing_there(shared_town: Town) -> None:
    town = shared_town
    before = town.rows("SELECT count(*) FROM registers.reading"), town.everything()
    answers = [town.bureau.records(number, purpose="nothing") for number in ("a1", "nobody")]
    assert {answer.status_code for answer in answers} == {404}
    bodies = [{key: value for key, value in answer.json().items() if key != "instance"} for answer in answers]
    assert bodies[0] == bodies[1]
    assert bodies[0]["code"] == "topics.nothing_shown"
    assert (town.rows("SELECT count(*) FROM registers.reading"), town.everything()) == before
    assert town.civil.records("a1", purpose="").json()["code"] == "topics.purpose_missing"
    # beside somebody of whom there is something to show, an unknown number looks as a hidden one
    both = town.other.records("a1", "b9", "nobody", purpose="nothing").json()["subjects"]
    assert {**both[1], "place": 0} == {**both[2], "place": 0}


def test_a_grant_shows_its_fields_of_its_rows_for_its_purpose_and_that_is_a_use(shared_town: Town) -> None:
    town = shared_town
    town.grant_payments("g1", "use", terms={"rows": "month = '2026-02'"})
    before = len(town.entries("topics.read"))
    answer = town.housing.records("a1", "zz", purpose="use")
    assert parts(answer)["payment"] == ("grant", [paid("2026-02")])
    assert parts(answer)["tenant"][0] == "own"
    assert parts(answer)["resident"] == ("none", [])
    zz = {"person": "zz", "month": "2026-02", "amount": "777.75"}
    assert parts(answer, 1)["payment"] == ("grant", [zz])
    assert uses(town, "g1") == [("query", "case-1", ["person", "month", "amount"], True)] * 2
    assert parts(town.housing.records("a1", purpose="curiosity"))["payment"] == ("none", [])
    assert len(uses(town, "g1")) == 2
    entry = town.entries("topics.read")[before]
    assert entry["facts"] == {"case": "case-1", "subjects": 2, "datasets": ["tenant", "payment"], "records": 3}
    assert (entry["organisation"], entry["subject"], entry["purpose"]) == ("housing", "topic:people", "use")
    assert answer.json()["audit_position"] > 0
    assert "777.75" not in town.audit_text()


def test_the_subject_sees_who_read_what_of_it_where(shared_town: Town) -> None:
    town = shared_town
    town.grant_payments("g2", "seen")
    anna = town.housing.person("a1", "seen", case="before")["id"]
    town.housing.records("a1", purpose="seen", case="case-7")
    town.other.records("a1", purpose="seen", case="case-8")
    readings = town.bureau.ask_register("GET", f"person/{anna}/readings").json()
    assert [(each["case"], each["organisation"], each["fields"]) for each in readings if each["purpose"] == "seen"] == [
        ("case-8", "other", ["payment.*"]), ("case-7", "housing", ["tenant.*", "payment.*"]),
        ("case-7", "housing", ["name", "born"]), ("before", "housing", ["name", "born"]),
    ]  # fmt: skip


def test_a_grant_that_hides_a_number_finds_nobody_by_it(shared_town: Town) -> None:
    """Else who asks for a number would learn to whom a record without one belongs."""
    town = shared_town
    own = [paid("2026-01"), paid("2026-02")]
    town.grant_payments("g3", "without")
    assert parts(town.housing.records("a1", purpose="without"))["payment"] == ("grant", own)
    fields = {"fields": ["person", "month", "payer"]}
    town.grant_payments(
        "g4", "masked", terms={**fields, "masks": [{"field": "payer", "kind": "keep", "first": 1, "last": 0}]}
    )
    found = parts(town.housing.records("a1", purpose="masked"))["payment"][1]
    assert [record["person"] for record in found] == ["a1", "a1"]
    town.grant_payments("g5", "with", terms=fields)
    found = parts(town.housing.records("a1", purpose="with"))["payment"][1]
    assert found[-1] == {"person": "a2", "month": "2026-02", "payer": "a1"}


def test_a_grant_that_ends_shows_nothing_more(shared_town: Town) -> None:
    town = shared_town
    town.grant_payments("g6", "ends")
    assert len(parts(town.housing.records("a1", purpose="ends"))["payment"][1]) == 2
    revoked = town.other.move("g6", "revoke", kind="grants", version=1, reason="over", law="Act, article 1")
    assert revoked.status_code == 200, revoked.text
    assert parts(town.housing.records("a1", purpose="ends"))["payment"] == ("none", [])


def test_over_the_quota_nothing_is_told_or_kept(shared_town: Town) -> None:
    town = shared_town
    town.grant_payments("g7", "quota", terms={"per_day": 3, "per_minute": 3})
    assert len(parts(town.housing.records("a1", purpose="quota"))["payment"][1]) == 2
    before = len(uses(town, "g7")), len(town.entries("topics.read"))
    answer = town.housing.records("a1", purpose="quota")
    assert (answer.status_code, answer.json()["code"]) == (429, "sharing.quota_used")
    assert (len(uses(town, "g7")), len(town.entries("topics.read"))) == before
    assert len(parts(town.housing.records("zz", purpose="quota"))["payment"][1]) == 1  # the refused two do not count


def test_a_wish_that_is_wrong_is_refused(shared_town: Town) -> None:
    def answer(*subjects: dict[str, str]) -> tuple[int, str]:
        wish = {"case": "case-1", "subjects": list(subjects)}
        civil = shared_town.civil
        got = civil.client.post("/api/topics/people/records/read", json=wish, headers=civil.headers)
        return got.status_code, got.json().get("code", "")

    one = {"kind": "number", "value": "a1"}
    assert answer(*[one] * 20)[0] == 200
    assert answer(*[one] * 21)[0] == answer()[0] == 400
    assert answer({**one, "id": "P000000000001"}) == (422, "topics.subject_wrong")
    assert answer({"kind": "number"}) == (422, "topics.subject_wrong")
    assert answer({**one, "register": "dwelling"}) == (404, "topics.register_unknown")
