"""What stewards decide: doubts, merges, splits, and taking them back; and contradictions that go back to the source."""

from typing import Any

import pytest

from registers.registers_kit import Town, values

HEADER = "id,name,district,born,income,married\n"
WHY = {"reason": "seen both identity cards"}


def id_of(town: Town, number: str) -> str:
    return str(
        town.rows(
            f"SELECT 'P' || lpad(entity::text, 12, '0') FROM registers.claim WHERE identifier = 'person:number:{number}' AND closed = 0"
        )[0][0]
    )


def act(town: Town, path: str, **body: Any) -> Any:
    return town.bureau.ask_register("POST", f"person/{path}", json={**WHY, **body})


def test_a_merge_puts_two_numbers_of_one_person_together_and_can_be_taken_back(town: Town) -> None:
    a2, b9, before = id_of(town, "a2"), id_of(town, "b9"), town.standing()
    moment = town.clock.now()
    town.clock.turn(hours=1)
    merged = act(town, "merges", from_id=b9, into=a2)
    assert merged.status_code == 200, merged.text
    assert (merged.json()["kind"], merged.json()["records"]) == ("merge", 1)
    record = town.housing.person("b9")
    assert record["id"] == a2
    assert {other["value"] for field in record["fields"] if field["name"] == "name" for other in field["others"]} == {
        "Bert Beech"
    }
    moved = town.housing.look_up(id=b9)
    assert (moved.status_code, moved.json()["code"], moved.json()["remedy"]) == (
        404,
        "registers.entity_moved",
        f"Read {a2}.",
    )
    old = town.housing.look_up(id=b9, known_on=moment.isoformat())
    assert values(old.json())["name"] == "Zoe Zander"
    town.housing.deliver("t2", "contract,person,name,born,dwelling\nc3,b9,Zoe Zeder,1970-01-01,h2\n", "tenant")
    town.follow()
    assert town.housing.person("b9")["id"] == a2
    undone = act(town, f"decisions/{merged.json()['id']}/undo")
    assert (undone.json()["kind"], undone.json()["undoes"], undone.json()["records"]) == (
        "undo",
        merged.json()["id"],
        1,
    )
    assert [each[:5] for each in town.standing()] == [each[:5] for each in before]
    assert values(town.housing.look_up(id=b9).json())["name"] == "Zoe Zeder"
    assert act(town, f"decisions/{merged.json()['id']}/undo").json()["code"] == "registers.decision_undone"
    assert act(town, f"decisions/{undone.json()['id']}/undo").json()["code"] == "registers.decision_final"
    listed = town.bureau.ask_register("GET", "person/decisions").json()
    assert [(each["kind"], each["undone_by"]) for each in listed] == [("undo", None), ("merge", undone.json()["id"])]


def test_a_split_gives_a_record_an_entity_of_its_own_and_it_stays_there(town: Town) -> None:
    a1 = id_of(town, "a1")
    before = len(town.bureau.ask_register("GET", f"person/{a1}/readings").json())
    found = town.bureau.ask_register("GET", f"person/{a1}/sources").json()
    assert [(each["dataset"], each["keeper"], each["key"]) for each in found] == [
        ("resident", "civil", ["a1"]), ("tenant", "housing", ["c1"]),
    ]  # fmt: skip
    assert {"field": "name", "title": "Name", "value": "Anna Apple"} in found[0]["says"]
    assert len(town.bureau.ask_register("GET", f"person/{a1}/readings").json()) == before + 1
    assert town.housing.ask_register("GET", f"person/{a1}/sources").status_code == 403
    answer = act(town, "splits", entity=a1, records=[{"dataset": "tenant", "key": ["c1"]}])
    assert answer.status_code == 200, answer.text
    own = answer.json()["into"]
    assert town.rows(
        "SELECT count(DISTINCT entity) FROM registers.claim WHERE identifier = 'person:number:a1' AND closed = 0"
    ) == [(2,)]
    town.housing.deliver("t2", "contract,person,name,born,dwelling\nc1,a1,Anna Abel,1980-05-01,h1\n", "tenant")
    town.follow()
    assert values(town.housing.look_up(id=own).json())["name"] == "Anna Abel"
    assert town.housing.look_up(id=a1).status_code == 404
    act(town, f"decisions/{answer.json()['id']}/undo")
    assert values(town.housing.look_up(id=a1).json())["name"] == "Anna Abel"


def test_a_split_that_makes_no_sense_changes_nothing(town: Town) -> None:
    a3, before = id_of(town, "a3"), town.standing()
    whole = act(town, "splits", entity=a3, records=[{"dataset": "resident", "key": ["a3"]}])
    assert (whole.status_code, whole.json()["code"]) == (422, "registers.split_whole")
    foreign = act(town, "splits", entity=a3, records=[{"dataset": "tenant", "key": ["c1"]}])
    assert foreign.json()["code"] == "registers.split_record"
    assert act(town, "merges", from_id=a3, into=a3).json()["code"] == "registers.same_entity"
    assert act(town, "merges", from_id=a3, into="P999999999999").json()["code"] == "registers.entity_empty"
    assert act(town, "merges", from_id="D000000000001", into=a3).json()["code"] == "registers.record_unknown"
    (home,) = town.rows("SELECT entity FROM registers.claim WHERE identifier = 'dwelling:number:h1'")
    for body in ({"from_id": f"P{home[0]:012}", "into": a3}, {"from_id": a3, "into": f"P{home[0]:012}"}):
        assert act(town, "merges", **body).json()["code"] == "registers.entity_empty"
    assert town.standing() == before


def test_only_stewards_of_the_keeper_decide(town: Town) -> None:
    a3, a2, before = id_of(town, "a3"), id_of(town, "a2"), town.standing()
    for door in (town.civil, town.housing):
        assert door.ask_register("POST", "person/merges", json={**WHY, "from_id": a3, "into": a2}).status_code == 403
        assert door.ask_register("GET", "person/doubts").status_code == 403
        assert door.ask_register("POST", f"person/{a2}/conflicts").status_code == 403
    assert town.standing() == before


def test_a_doubt_is_shown_with_its_evidence_and_decided_once(town: Town) -> None:
    a2, b9 = id_of(town, "a2"), id_of(town, "b9")
    asked = act_doubt(town, a2, b9)
    assert town.bureau.ask_register("GET", "person/doubts").json()[0]["id"] == asked
    doubt = town.bureau.ask_register("GET", f"person/doubts/{asked}").json()
    names = {each["name"]: (each["left"], each["right"], each["agree"]) for each in doubt["evidence"]}
    assert names["name"] == (["Bert Birch", "Bert Beech"], ["Zoe Zander"], False)
    assert names["number"] == (["a2"], ["b9"], False)
    assert len(town.bureau.ask_register("GET", f"person/{b9}/readings").json()) == 1
    ruled = act(town, f"doubts/{asked}/ruling", answer="same")
    assert ruled.json()["state"] == "merged"
    assert act(town, f"doubts/{asked}/ruling", answer="same").status_code == 200
    assert act(town, f"doubts/{asked}/ruling", answer="distinct").json()["code"] == "registers.doubt_decided"
    assert town.housing.person("b9")["id"] == a2
    (decision,) = town.bureau.ask_register("GET", "person/decisions").json()
    act(town, f"decisions/{decision['id']}/undo")
    assert act_doubt(town, a2, b9) == asked
    assert town.bureau.ask_register("GET", "person/doubts", params={"status": "distinct"}).json()[0]["id"] == asked
    assert town.bureau.ask_register("GET", "person/doubts").json() == []


def act_doubt(town: Town, left: str, right: str) -> int:
    answer = act(town, "doubts", left=left, right=right)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


def test_a_contradiction_goes_back_to_its_keeper_once_and_closes_when_the_source_changes(town: Town) -> None:
    a2 = id_of(town, "a2")
    listed = town.bureau.ask_register("POST", f"person/{a2}/conflicts").json()
    assert [(each["field"], each["authority"], each["dataset"], each["ticket"]) for each in listed] == [
        ("name", "resident", "tenant", "")
    ]
    assert town.housing.quality("tickets").json() == []
    for _ in range(2):
        (sent,) = town.bureau.ask_register("POST", f"person/{a2}/conflicts", params={"tickets": "true"}).json()
    (ticket,) = town.housing.quality("tickets").json()
    assert (ticket["id"], ticket["field"], ticket["expected"], ticket["organisation"]) == (
        sent["ticket"],
        "name",
        "Bert Birch",
        "*",
    )
    town.housing.deliver("t2", "contract,person,name,born,dwelling\nc2,a2,Bert Birch,1990-06-02,h1\n", "tenant")
    town.follow()
    assert town.housing.ticket(ticket["id"])["state"] == "corrected"
    assert town.bureau.ask_register("POST", f"person/{a2}/conflicts").json() == []


@pytest.mark.parametrize("answer", ["same", "distinct"])
def test_an_answer_is_taken_back_and_the_pair_waits_again(town: Town, answer: str) -> None:
    a2, b9 = id_of(town, "a2"), id_of(town, "b9")
    before = [each[:5] for each in town.standing()]
    doubt = act(town, "doubts", left=a2, right=b9).json()["id"]
    assert act(town, f"doubts/{doubt}/undo").json()["state"] == "open"
    assert act(town, f"doubts/{doubt}/ruling", answer=answer).status_code == 200
    assert ([each[:5] for each in town.standing()] == before) == (answer == "distinct")
    refused = town.housing.ask_register("POST", f"person/doubts/{doubt}/undo", json=WHY)
    assert refused.status_code == 403
    back = act(town, f"doubts/{doubt}/undo").json()
    assert (back["state"], back["reason"], back.get("decided_by", "")) == ("open", WHY["reason"], "")
    assert [each[:5] for each in town.standing()] == before
    again = act(town, f"doubts/{doubt}/ruling", answer="same")
    assert again.json()["state"] == "merged"
    assert town.housing.person("b9")["id"] == a2
    act(town, "merges", from_id=a2, into=id_of(town, "a3"))
    gone = act(town, f"doubts/{doubt}/undo")
    assert (gone.status_code, gone.json()["code"]) == (409, "registers.doubt_gone")
