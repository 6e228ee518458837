"""Records of a register: what is shown to whom, from which source, and who hears of it."""

from datetime import timedelta
from typing import Any

import pytest

from cityloom.identity.contracts import Credentials
from cityloom.registers.api.reading import Answerer, Asked
from cityloom.registers.contracts import Lookup, Record
from registers.registers_kit import Town, values
from sharing.sharing_kit import START


def test_a_keeper_sees_what_its_own_dataset_says_and_how_much_it_does_not_see(town: Town) -> None:
    record = town.civil.person("a1")
    assert values(record) == {"name": "Anna Apple", "born": "1980-05-01", "district": "N1", "income": "100.50"}
    assert record["hidden"] == 1
    assert [source["dataset"] for source in record["sources"]] == ["resident"]
    (name,) = [field for field in record["fields"] if field["name"] == "name"]
    assert name["authority"] is True
    assert (name["source"]["delivery"], name["source"]["how"], name["source"]["keeper"]) == (
        "d1",
        "identifier",
        "civil",
    )
    assert name["source"]["known_since"] == START.isoformat().replace("+00:00", "Z")
    assert town.civil.look_up(id=record["id"]).json()["fields"] == record["fields"]


def test_without_grant_or_purpose_a_record_cannot_be_told_from_none(town: Town) -> None:
    before = town.rows("SELECT count(*) FROM registers.reading")
    unknown = town.other.look_up(kind="number", value="nobody")
    hidden = town.other.look_up(kind="number", value="a1")
    elsewhere = town.other.look_up(id="D000000000001")
    for answer in (unknown, hidden, elsewhere):
        assert answer.status_code == 404
    bodies = [{key: value for key, value in answer.json().items() if key != "instance"} for answer in (unknown, hidden)]
    assert {body["code"] for body in bodies} == {"registers.record_unknown"}
    assert bodies[0]["detail"] == bodies[1]["detail"]
    nothing = town.civil.look_up(kind="number", value="a1", purpose="")
    assert (nothing.status_code, nothing.json()["code"]) == (400, "registers.purpose_missing")
    assert town.other.look_up("nothing", id="P000000000001").json()["code"] == "registers.register_unknown"
    refusals = town.entries("access.refused")
    assert [each["organisation"] for each in refusals] == ["other"] * 3
    assert {each["subject"] for each in refusals} == {"register:person"}
    assert town.rows("SELECT count(*) FROM registers.reading") == before


def test_a_grant_shows_its_fields_of_its_rows_for_its_purpose_and_that_is_a_use_of_it(town: Town) -> None:
    town.grant("r1", terms={"fields": ["id", "name", "born"], "rows": "district = 'N1'"})
    record = town.housing.person("a1")
    assert values(record) == {"name": "Anna Apple", "born": "1980-05-01"}
    assert record["hidden"] == 0
    assert {source["dataset"] for source in record["sources"]} == {"resident", "tenant"}
    bert = town.housing.person("a2")
    assert (values(bert)["name"], bert["hidden"]) == ("Bert Beech", 1)
    assert [f["authority"] for f in bert["fields"] if f["name"] == "name"] == [False]
    (use,) = town.housing.get("grants/r1/uses").json()
    assert (use["way"], use["case"], use["fields"], use["found"]) == ("query", "case-1", ["id", "name", "born"], True)
    other = town.housing.look_up(kind="number", value="a1", purpose="curiosity").json()
    assert [source["dataset"] for source in other["sources"]] == ["tenant"]
    assert len(town.housing.get("grants/r1/uses").json()) == 1


def test_what_is_masked_gives_way_to_what_is_not(town: Town) -> None:
    masks = [{"field": "name", "kind": "keep", "first": 1, "last": 0}]
    town.grant("r1", terms={"fields": ["id", "name"], "masks": masks})
    (name,) = [field for field in town.housing.person("a1")["fields"] if field["name"] == "name"]
    assert (name["value"], name["source"]["dataset"]) == ("Anna Apple", "tenant")
    assert [other["value"] for other in name["others"]] == ["A*********"]
    assert name["agree"] is True
    cleo = town.housing.look_up(kind="number", value="a3").json()
    assert values(cleo) == {"name": "C*********"}
    assert cleo["fields"][0]["dispute"] == {"key": ["a3"], "field": "name", "grant": "r1", "whole": False}


def test_contradictions_are_shown_with_the_authority_first(town: Town) -> None:
    town.grant("r1", terms={"fields": ["id", "name"]})
    (name,) = [field for field in town.housing.person("a2")["fields"] if field["name"] == "name"]
    assert (name["value"], name["authority"], name["agree"]) == ("Bert Birch", True, False)
    assert [(other["value"], other["source"]["dataset"]) for other in name["others"]] == [("Bert Beech", "tenant")]
    # what a grant shows of a record that the reader knows can be disputed; one's own is corrected, not disputed
    assert name["dispute"] == {"key": ["a2"], "field": "name", "grant": "r1", "whole": True}
    assert name["others"][0]["dispute"] is None


def test_over_the_quota_nothing_is_told_or_kept(town: Town) -> None:
    town.grant("r1", terms={"fields": ["id", "name"], "per_day": 2, "per_minute": 2})
    for _ in range(2):
        town.housing.person("a3")
    before = town.rows("SELECT count(*) FROM registers.reading"), town.rows("SELECT count(*) FROM sharing.use")
    answer = town.housing.look_up(kind="number", value="a3")
    assert (answer.status_code, answer.json()["code"]) == (429, "sharing.quota_used")
    assert before == (
        town.rows("SELECT count(*) FROM registers.reading"),
        town.rows("SELECT count(*) FROM sharing.use"),
    )


def test_who_read_a_record_and_why_is_kept_and_proved(town: Town) -> None:
    record = town.civil.person("a1")
    readings = town.bureau.ask_register("GET", f"person/{record['id']}/readings").json()
    (reading,) = readings
    assert (reading["organisation"], reading["purpose"], reading["case"]) == ("civil", "rent_aid", "case-1")
    assert reading["fields"] == ["name", "born", "district", "income"]
    assert (reading["id"], reading["audit_position"]) == (record["reading"], record["audit_position"])
    (entry,) = town.entries("registers.read")
    facts = entry["facts"]
    assert (entry["subject"], entry["purpose"], facts["cases"]) == ("register:person", "rent_aid", ["case-1"])
    assert (facts["readings"], facts["first"], facts["last"]) == (1, record["reading"], record["reading"])
    assert "Anna" not in str(entry)
    refused = town.civil.ask_register("GET", f"person/{record['id']}/readings")
    assert refused.status_code == 403


def test_links_lead_to_other_registers_where_their_field_is_shown(town: Town) -> None:
    (link,) = town.housing.person("a1")["links"]
    assert (link["name"], link["register"], link["identifier"]) == ("rents", "dwelling", "number:h1")
    home = town.other.look_up("dwelling", id=link["id"]).json()
    assert values(home) == {"street": "High Street"}
    town.grant("r2", asker=town.other, dataset="resident", terms={"fields": ["id", "name"]})
    assert town.other.person("a1")["links"] == []


def test_what_was_known_on_a_day_stays_readable(town: Town) -> None:
    before = town.clock.now() + timedelta(minutes=1)
    town.clock.turn(hours=1)
    town.civil.deliver("d2", "id,name,district,born,income,married\na1,Anna Ash,N2,1980-05-01,100.50,true\n")
    town.follow()
    assert values(town.civil.person("a1"))["name"] == "Anna Ash"
    old = town.civil.person("a1", known_on=before.isoformat())
    assert (values(old)["name"], values(old)["district"]) == ("Anna Apple", "N1")
    earlier = town.civil.look_up(kind="number", value="a1", known_on="2020-01-01T00:00:00Z")
    assert earlier.status_code == 404
    versions = town.civil.ask_register("GET", f"person/{old['id']}/versions", params={"case": "case-2"}).json()
    assert [each["values"]["name"] for each in versions] == ["Anna Apple", "Anna Ash"]
    assert versions[0]["known_until"] == versions[1]["source"]["known_since"]
    assert versions[1]["known_until"] is None
    readings = town.bureau.ask_register("GET", f"person/{old['id']}/readings").json()
    assert readings[0]["case"] == "case-2"


def test_a_withdrawn_delivery_leaves_the_register_as_it_was(town: Town) -> None:
    before = town.standing()
    town.clock.turn(hours=1)
    wrong = "id,name,district,born,income,married\na1,Wrong One,N9,1981-01-01,1.00,true\nx1,New One,N9,1981-01-01,1.00,true\n"
    town.civil.deliver("d2", wrong)
    town.follow()
    assert values(town.civil.person("a1"))["name"] == "Wrong One"
    town.clock.turn(hours=1)
    town.civil.withdraw("d2")
    town.follow()
    assert town.standing() == before
    assert town.civil.look_up(kind="number", value="x1").status_code == 404


def test_what_is_erased_is_gone_from_every_day(town: Town) -> None:
    record = town.civil.person("a1")
    town.civil.erase("a1")
    town.follow()
    assert not town.rows(
        "SELECT FROM registers.claim WHERE record LIKE '%Anna Apple%' AND identifier = 'person:number:a1' AND key = 'a1'"
    )
    assert town.civil.look_up(id=record["id"]).status_code == 404
    assert values(town.housing.person("a1"))["name"] == "Anna Apple"


@pytest.mark.parametrize(
    ("lookup", "status"),
    [({}, 404), ({"id": "P1"}, 404), ({"id": "P999999999999"}, 404), ({"kind": "number"}, 404), ({"case": ""}, 400)],
)
def test_odd_questions_get_plain_answers(town: Town, lookup: dict[str, Any], status: int) -> None:
    assert town.civil.look_up(**lookup).status_code == status


def test_what_is_asked_together_pays_for_itself_alone(town: Town) -> None:
    grant = town.grant("r1", terms={"fields": ["id", "name"], "per_day": 3, "per_minute": 3})
    shown = Credentials(method="POST", authorization=town.housing.headers["authorization"])
    asked = [
        Asked("person", Lookup(f"case-{number}", kind="number", value="a3"), shown, "rent_aid", "req", "en")
        for number in range(5)
    ]
    answers = Answerer(town.parts).answer(asked)
    assert [isinstance(each, Record) for each in answers] == [True, True, True, False, False]
    assert {getattr(each, "code", "") for each in answers[3:]} == {"sharing.quota_used"}
    assert len(town.housing.get(f"grants/{grant}/uses").json()) == 3
