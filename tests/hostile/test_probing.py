"""What a holder of a grant may not learn by asking cleverly: records outside its filter, and few among many."""

from typing import Any

import msgspec

from cityloom.sharing.api import projections
from sharing.sharing_kit import Town
from sharing.test_questions import copied, query, said, verify

HEAD = "id,name,district,born,income,married"
OWN = {"use", "at", "audit_position"}
"""What differs between any two answers."""


def people(*groups: tuple[int, str, bool]) -> str:
    rows, number = [HEAD], 0
    for count, district, married in groups:
        for _ in range(count):
            number += 1
            rows.append(f"k{number:03},Kilo {number},{district},1980-01-01,1,{str(married).lower()}")
    return "\n".join(rows) + "\n"


def seen(answer: Any) -> dict[str, Any]:
    """All that an answer tells, its length and headers with it, but for what differs between any two."""
    statement = said(answer)
    told = {name: value for name, value in statement.items() if name not in OWN}
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "content-length")}
    return {"statement": told, "headers": headers, "status": answer.status_code}


def test_a_record_outside_the_filter_is_as_if_it_were_not_there(town: Town) -> None:
    """By question, by claims, by file, in the log of uses, and in what is counted towards the quota."""
    town.civil.deliver("d1", people((3, "N1", True), (1, "N2", True)))
    town.grant()
    copied(town)
    hidden, missing = "k004", "k999"
    assert said(query(town.housing, "k001"))["found"]
    assert seen(query(town.housing, hidden)) == seen(query(town.housing, missing))
    for claims in ({"name": "Kilo 4"}, {"name": "nobody"}, {"district": "N2"}, {"name": None}):
        answers = [seen(verify(town.housing, key, claims)) for key in (hidden, missing)]
        assert answers[0] == answers[1]
        assert answers[0]["statement"]["matches"] == dict.fromkeys(claims, False)
    both = f"id\n{hidden}\n{missing}\n".encode()
    headers = {**town.housing.headers, "content-type": "text/csv"}
    lines = town.housing.client.post(
        "/api/sharing/grants/r1/batches", params={"case": "c"}, content=both, headers=headers
    ).content.splitlines()
    stated = [msgspec.json.decode(msgspec.json.decode(line)["statement"]) for line in lines]
    assert [{name: value for name, value in each.items() if name not in OWN} for each in stated] == [
        {name: value for name, value in stated[0].items() if name not in OWN}
    ] * 2
    uses = town.housing.get("grants/r1/uses").json()
    assert {use["found"] for use in uses[1:]} == {False}
    assert len({len(use["key_digest"]) for use in uses}) == 1


def test_a_filter_on_what_is_not_granted_is_for_the_keeper_to_judge(town: Town) -> None:
    """Which rows come would tell who earns more; so it is never granted without a decision, and errors say nothing."""
    town.civil.deliver("d1", people((3, "N1", True)))
    asked = town.housing.ask("r1", terms={"fields": ["id"], "rows": "income > 50"})
    assert asked.json()["state"] == "asked"
    answers = [
        town.housing.ask(f"p{number}", terms={"fields": ["id"], "rows": rows})
        for number, rows in enumerate(
            ("1 / (income - 1) > 0", "name = (SELECT 1)", "read_csv('/etc/passwd') = 1", "x > 1")
        )
    ]
    assert {answer.status_code for answer in answers} == {422}
    assert not any("Kilo" in answer.text for answer in answers)


def test_no_two_counts_tell_of_the_few_by_which_they_differ(town: Town) -> None:
    """One of twelve in N1 is not married: 12 in all less 11 married would say so of him."""
    town.civil.deliver("d1", people((11, "N1", True), (1, "N1", False), (30, "N2", True), (4, "N3", True)))
    town.grant(terms={"kind": "aggregate", "fields": ["district", "married"], "rows": ""})

    def counted(*by: str) -> dict[tuple[str, ...], int]:
        answer = town.housing.get("grants/r1/counts", case="c", by=list(by)).json()
        return {tuple(group["values"].values()): group["rows"] for group in answer["groups"]}

    by_district, by_both, by_married = counted("district"), counted("district", "married"), counted("married")
    assert by_district == {("N1",): 10, ("N2",): 30}
    assert by_both == {("N1", "true"): 10, ("N2", "true"): 30}
    assert by_married == {("true",): 40}
    town.civil.deliver("d2", people((11, "N1", True), (2, "N1", False), (29, "N2", True), (4, "N3", True)))
    assert counted("district")[("N1",)] == 10  # and none of one who came since


def test_a_copy_tells_only_its_keeper_how_far_it_follows(town: Town) -> None:
    town.civil.deliver("d1", people((3, "N1", True)))
    town.grant()
    projections.follow(town.platform)
    assert [each["dataset"] for each in town.civil.get("copies").json()] == ["resident"]
    assert town.housing.get("copies").json() == []
