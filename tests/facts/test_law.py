"""Under the law of the house: grants, purposes, consent, quotas, what is kept, what never leaks."""

import base64
import hashlib
import time
from typing import Any

import msgspec
import psycopg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cityloom.facts import jobs
from cityloom.facts.api import records
from facts.facts_kit import (
    ADAM,
    AMY,
    ANNA,
    BELLA,
    BEN,
    BO,
    CARL,
    CASS,
    FILES,
    GRANTS,
    PAID,
    PEOPLE,
    SCHOOL,
    City,
    question,
)  # fmt: skip

VALUES = (
    "D0000000000", "H0000000000", "T0000000000", "F0000000000", "R0000000000", "Q00000000", "亚当", "安娜", "艾米", "博文",
    "East Road", "4321.00", "9876.5", "1234.5", "2025-02-20", "2027-02-19", "2025-03-0", "2014-12-01", "2027-03-01",
    "1988-01-01", "2020-03-10",
)  # fmt: skip
"""Of the records that facts are judged by."""


def kept(city: City) -> dict[str, int]:
    """How much of each thing is kept."""
    tables = ("facts.asked", "facts.about", "sharing.use", "registers.reading")
    return {table: city.rows(f"SELECT count(*) FROM {table}")[0][0] for table in tables}


def test_anybody_can_read_what_is_asked_and_by_which_law(city: City) -> None:
    listed = city.client.get("/api/facts", headers={"accept-language": "zh"})
    (one,) = listed.json()
    assert (listed.status_code, one["name"], one["title"]) == (200, "school_admission", "义务教育入学资格核验")
    shown = city.client.get("/api/facts/school_admission", headers={"accept-language": "en"}).json()
    tenancy = next(fact for fact in shown["facts"] if fact["name"] == "tenancy")
    assert tenancy["paper"] == "Tenancy registration"
    assert [source["dataset"] for source in tenancy["sources"]] == ["tenancy", "dwelling", "school_catchment"]
    assert {each["name"]: each["value"] for each in shown["parameters"]}["insurance_gap"] == 1
    assert city.client.get("/api/facts/nothing").json()["code"] == "facts.list_unknown"


def test_a_signed_answer_is_verified_offline_and_says_whom_it_is_about(city: City) -> None:
    answer = city.ask(question(AMY, [ANNA])).json()[0]
    text = answer["statement"].encode()
    jwk = city.client.get("/.well-known/jwks.json").json()["keys"][0]
    key = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(jwk["x"] + "=="))
    signature = base64.b64decode(answer["signature"]["value"])
    key.verify(signature, text)
    with pytest.raises(InvalidSignature):
        key.verify(signature, text.replace(b'"yes"', b'"no"', 1))
    statement = msgspec.json.decode(text)
    about = [hashlib.sha256(f"{statement['id']}\x1f{number}".encode()).hexdigest() for number in (AMY, ANNA)]
    assert statement["about"] == {"child": about[:1], "guardians": about[1:]}


def test_each_record_looked_at_is_a_use_of_its_grant_kept_in_the_audit_log(city: City) -> None:
    before = kept(city)
    statement = city.statement(AMY, [ANNA, ADAM], facts=["household", "dwelling_owned"])
    after = kept(city)
    # three residents, two deeds of one certificate, one dwelling; the catchment is education's own
    assert after["sharing.use"] - before["sharing.use"] == 6
    assert (after["facts.asked"] - before["facts.asked"], after["facts.about"] - before["facts.about"]) == (1, 3)
    assert after["registers.reading"] - before["registers.reading"] == 3
    named = {use for fact in statement["facts"] for source in fact["sources"] for use in source["uses"]}
    uses = city.rows("SELECT id, granted, way, purpose, case_reference, fields, found FROM sharing.use")
    mine = [use for use in uses if use[0] in named]
    sources = {each["dataset"]: each["grant"] for fact in statement["facts"] for each in fact["sources"]}
    assert sources["school_catchment"] == ""
    assert {use[1:5] for use in mine} == {
        (sources[dataset], "verify", "school_admission", "2026-0001")
        for dataset in ("household_resident", "ownership", "dwelling")
    }
    assert {tuple(use[5]) for use in mine if use[1] == sources["ownership"]} == {("dwelling",)}
    entries = city.rows("SELECT body FROM kernel.audit_entry ORDER BY position")
    actions = [msgspec.json.decode(row[0])["action"] for row in entries[-5:]]
    assert actions.count("sharing.used") == 3
    assert {"registers.read", "facts.asked"} <= set(actions)
    assert msgspec.json.decode(entries[statement["audit_position"]][0])["action"] == "facts.asked"


def test_who_asked_has_a_record_of_it_and_the_persons_keeper_sees_who_asked(city: City) -> None:
    text = city.ask(question(AMY, [ANNA], case="2026-77", facts=["household"])).json()[0]["statement"]
    statement = msgspec.json.decode(text)
    mine = city.education.call("GET", f"facts/asked/{statement['id']}").json()
    assert (mine["case"], mine["consent"], mine["answers"]) == ("2026-77", "form-7", {"household": "yes"})
    assert mine["statement"] == hashlib.sha256(text.encode()).hexdigest()
    hidden = city.doors["housing"].call("GET", f"facts/asked/{statement['id']}")
    assert (hidden.status_code, hidden.json()["code"]) == (404, "facts.asked_unknown")
    read = {"case": "c-1", "kind": "citizen_id", "value": AMY}
    amy = city.doors["psb"].call("POST", "registers/person/read", json=read).json()["id"]
    about = city.doors["data_bureau"].call("GET", f"facts/asked-about/person/{amy}").json()
    assert (about[0]["id"], about[0]["role"], about[0]["facts"]) == (statement["id"], "child", ["household"])
    assert (about[0]["organisation"], about[0]["case"], about[0]["consent"]) == ("education", "2026-77", "form-7")
    page = city.doors["data_bureau"].call("GET", f"facts/asked-about/person/{amy}?before={about[0]['id']}").json()
    assert statement["id"] not in {each["id"] for each in page}
    readings = city.doors["data_bureau"].call("GET", f"registers/person/{amy}/readings").json()
    assert ("education", ["school_admission.household"]) in [
        (each["organisation"], each["fields"]) for each in readings
    ]
    assert city.education.call("GET", f"facts/asked-about/person/{amy}").status_code == 403

    # five years later it is forgotten, with whom it was about, and nothing else is
    before = kept(city)
    assert records.forget(city.platform) == 0
    with psycopg.connect(city.admin_url) as connection:
        connection.execute("UPDATE facts.asked SET at = at - interval '1827 days' WHERE id = %s", [statement["id"]])
    jobs.tidy(city.platform)
    assert city.education.call("GET", f"facts/asked/{statement['id']}").json()["code"] == "facts.asked_unknown"
    after = kept(city)
    assert (before["facts.asked"] - after["facts.asked"], before["facts.about"] - after["facts.about"]) == (1, 2)
    assert before["registers.reading"] == after["registers.reading"]


def test_verification_tells_no_value_anywhere(city: City, capfd: pytest.CaptureFixture[str]) -> None:
    told = [
        city.ask(question(child, guardians), accept_language=language).text
        for child, guardians in ((AMY, [ADAM, ANNA]), (BO, [BEN, BELLA]), (CASS, [CARL]))
        for language in ("en", "zh")
    ]
    names = [number for number in PEOPLE if any(number in text for text in told)]
    assert set(names) <= {AMY, ADAM, ANNA, BO, BEN, BELLA, CASS, CARL}  # keys that were named themselves
    tables = ("facts.asked", "facts.about", "sharing.use", "registers.reading", "kernel.audit_entry", "kernel.outbox")
    stored = [row[0] for table in tables for row in city.rows(f"SELECT t::text FROM {table} t")]
    streams = capfd.readouterr()
    for value in VALUES:
        assert not [text for text in told if value in text], value
        assert not [text for text in stored if value in text], value
        assert value not in streams.out + streams.err, value
    for number in PEOPLE:
        assert not [text for text in stored if number in text]
        assert number not in streams.out + streams.err


def test_the_guardian_can_dispute_the_source_through_a_ticket(city: City) -> None:
    fact = city.facts(AMY, [CARL])["household"]
    dispute = next(each for source in fact["sources"] for each in source["disputes"] if each["key"] == [AMY])
    ticket = {
        "dataset": dispute["dataset"], "key": dispute["key"], "field": dispute["fields"][0], "grant": dispute["grant"],
        "use": dispute["use"], "evidence": "we moved to his household",
    }  # fmt: skip
    opened = city.education.call(
        "PUT", dispute["address"].replace("{id}", "dispute-1").removeprefix("/api/"), json=ticket
    )
    assert opened.status_code == 200, opened.text
    assert (opened.json()["keeper"], opened.json()["field"]) == ("psb", "household")
    hidden = city.facts(AMY, [ADAM])["dwelling_owned"]["sources"][0]["disputes"]
    assert [each["key"] for each in hidden] == [None]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"subjects": {"child": [AMY]}}, "facts.subjects_wrong"),
        ({"subjects": {"child": [AMY, BO], "guardians": [ANNA]}}, "facts.subjects_wrong"),
        ({"subjects": {"child": [AMY], "guardians": [ANNA, ANNA]}}, "facts.subjects_wrong"),
        ({"given": {}}, "facts.given_wrong"),
        ({"given": {"school": "E1"}}, "facts.given_wrong"),
        ({"given": {"school": SCHOOL, "address": "East Road"}}, "facts.given_unknown"),
        ({"facts": ["income"]}, "facts.fact_unknown"),
        ({"consent": {"by": BEN, "reference": "f", "given_at": "2026-03-01T00:00:00Z"}}, "facts.consent_of_another"),
        ({"consent": {"by": ANNA, "reference": "f", "given_at": "2026-03-02T01:00:01Z"}}, "facts.consent_not_yet"),
        ({"consent": {"by": ANNA, "reference": "f", "given_at": "2026-03-01T00:00:00"}}, "facts.consent_not_yet"),
        ({"consent": {"by": ANNA, "reference": "f", "given_at": "2025-09-01T00:00:00Z"}}, "facts.consent_over"),
        ({"day": "2028-03-02"}, "facts.day_too_far"),
    ],
)
def test_a_question_that_does_not_fit_is_refused_and_nothing_is_kept(
    city: City, changed: dict[str, Any], code: str
) -> None:
    before = kept(city)
    answer = city.ask(question(AMY, [ANNA], **changed))
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["detail"]
    assert kept(city) == before


def test_only_who_the_list_names_asks_and_only_for_its_purpose(city: City) -> None:
    before = kept(city)
    one = question(AMY, [ANNA])
    for headers, door, status, code in (
        ({"x_purpose": ""}, "education", 400, "facts.purpose_missing"),
        ({"x_purpose": "licensing"}, "education", 403, "facts.purpose_differs"),
        ({}, "housing", 403, "kernel.refused"),
        ({"authorization": "Bearer ctl_no"}, "education", 401, "identity.token_refused"),
    ):
        answer = city.ask(one, door=door, **headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert kept(city) == before
    entries = [
        msgspec.json.decode(row[0]) for row in city.rows("SELECT body FROM kernel.audit_entry ORDER BY position")
    ]
    refused = [each["organisation"] for each in entries if each["action"] == "access.refused"]
    assert refused[-2:] == ["education", "housing"]


def test_a_thousand_in_a_batch_and_one_of_them_wrong(city: City) -> None:
    families = ((AMY, [ANNA, ADAM], "yes"), (BO, [BEN, BELLA], "no"), (CASS, [CARL], "no"))
    questions = [
        question(*families[number % 3][:2], case=f"2026-{number}", facts=["household"]) for number in range(1_000)
    ]
    questions[500] = question(AMY, [ANNA], given={})
    started = time.perf_counter()
    answer = city.ask(*questions)
    took = time.perf_counter() - started
    assert answer.status_code == 200
    lines = answer.json()
    assert [line["line"] for line in lines] == list(range(1, 1_001))
    assert lines[500]["code"] == "facts.given_wrong"
    assert "school" in lines[500]["detail"]
    for number, line in enumerate(lines):
        if number != 500:
            statement = msgspec.json.decode(line["statement"])
            assert statement["case"] == f"2026-{number}"
            assert statement["facts"][0]["answer"] == families[number % 3][2]
    assert took < 60
    assert city.ask(*questions, question(AMY, [ANNA])).status_code == 400


def test_who_may_read_the_records_is_told_by_how_much_and_by_which(city: City) -> None:
    fields = ["id_number", "month", "kind", "months_paid"]
    with city.instead("social_insurance_payment", kind="read", fields=fields) as grant:
        fact = city.facts(AMY, [ADAM], facts=["insurance"])["insurance"]
    (condition,) = fact["conditions"]
    assert (condition["found"], condition["wanted"], condition["short"], condition["unit"]) == (
        "11",
        "12",
        1.0,
        "month",
    )
    (source,) = fact["sources"]
    assert source["shown"] == [{"month": PAID[ADAM][0][0], "months_paid": 11}]
    assert fact["why"].endswith(" It is 11, and 12 is asked for: a difference of 1 month.")
    assert city.rows(f"SELECT DISTINCT way FROM sharing.use WHERE granted = '{grant}'") == [("query",)]


def test_over_its_quota_a_question_waits_and_nothing_of_it_is_kept(city: City) -> None:
    with city.instead("social_insurance_payment", per_minute=2) as grant:
        answers = [city.ask(question(BO, [BEN], facts=["insurance"])) for _ in range(2)]  # two records each
    assert [answer.status_code for answer in answers] == [200, 429]
    assert answers[1].json()["code"] == "sharing.too_fast"
    assert int(answers[1].headers["retry-after"]) > 0
    assert len(city.rows(f"SELECT FROM sharing.use WHERE granted = '{grant}'")) == 2


def test_what_no_grant_gives_is_refused_by_name_and_the_rest_is_answered(city: City) -> None:
    assert city.answers(BO, [BEN])["tenancy"] == "yes"
    with city.instead("tenancy", none=True):
        before = kept(city)
        facts = city.facts(BO, [BEN], facts=["tenancy", "household", "guardianship"])
        after = kept(city)
        nothing = city.ask(question(BO, [BEN], facts=["tenancy"]))
        assert kept(city) == after
    assert after["facts.asked"] == before["facts.asked"] + 1
    assert (facts["tenancy"]["answer"], facts["tenancy"]["code"]) == ("refused", "facts.no_grant")
    assert facts["tenancy"]["why"] == (
        "Refused: your organisation holds no grant on Tenancy registrations of housing for the purpose school_admission."
    )
    assert (facts["tenancy"]["paper"], facts["tenancy"]["sources"]) == ("", [])
    assert (facts["household"]["answer"], facts["guardianship"]["answer"]) == ("no", "yes")
    assert (nothing.status_code, nothing.json()["code"]) == (403, "facts.no_grants")
    assert city.answers(BO, [BEN])["tenancy"] == "yes"


def test_a_grant_without_a_field_or_of_some_rows_only(city: City) -> None:
    with city.instead("tenancy", fields=["tenant_id", "starts_on", "ends_on", "registered_on"]):
        fact = city.facts(BO, [BEN])["tenancy"]
    assert (fact["answer"], fact["code"]) == ("refused", "facts.fields_not_granted")
    assert fact["why"].endswith("does not give dwelling.")
    with city.instead("tenancy", rows="ends_on > DATE '2028-01-01'"):
        hidden = city.facts(BO, [BEN])["tenancy"]
        shown = city.facts(CASS, [CARL])["tenancy"]
    assert (hidden["answer"], hidden["code"]) == ("unknown", "facts.rows_hidden")
    assert shown["answer"] == "no"  # his runs until March 2028: in the west


def test_where_another_way_is_refused_a_fact_is_not_known_and_no_paper_is_asked_for(city: City) -> None:
    with city.instead("birth", none=True):
        fact = city.facts(BO, [BEN], case="way-1")["guardianship"]
        registered = city.facts(AMY, [ANNA])["guardianship"]
    assert (fact["answer"], fact["code"], fact["paper"]) == ("unknown", "facts.way_refused", "")
    assert "Births of health" in fact["why"]
    # in a way that cannot be judged no other source is looked into
    looked = city.rows("SELECT DISTINCT dataset FROM sharing.use WHERE case_reference = 'way-1'")
    assert ("residence_collected",) not in looked
    assert registered["answer"] == "yes"  # the household register says so


def test_a_source_that_does_not_follow_or_missed_its_deadline_is_not_asked(city: City) -> None:
    start = city.clock.moment
    try:
        city.clock.turn(hours=2)
        behind = city.statement(AMY, [ANNA])
        city.follow()
        followed = city.answers(AMY, [ANNA])
        city.clock.turn(days=45)  # March is over, and was to be delivered in April's first days
        header, adam, *_ = FILES["household_resident"][1].splitlines()
        city.doors["psb"].deliver("household_resident", "residents-2", f"{header}\n{adam}\n")
        city.follow()
        late = city.facts(AMY, [ANNA])
    finally:
        city.clock.moment = start
        city.follow()
    assert {fact["code"] for fact in behind["facts"]} == {"facts.stale"}
    assert behind["papers_asked"] == 7
    assert followed["household"] == "yes"
    assert (late["household"]["answer"], late["guardianship"]["answer"]) == ("yes", "yes")
    assert (late["insurance"]["answer"], late["insurance"]["code"]) == ("unknown", "facts.stale")
    assert late["insurance"]["why"].startswith("Social insurance payments (hrss) is not up to date")
    assert late["insurance"]["paper"] == "Certificate of insurance payments"


def test_every_grant_stands_in_the_lists_sources(city: City) -> None:
    """What the shipped wishes ask for is what the list looks at."""
    shown = city.client.get("/api/facts/school_admission").json()
    named = {source["dataset"]: set(source["fields"]) for fact in shown["facts"] for source in fact["sources"]}
    assert set(named) - {"school_catchment"} == set(GRANTS)
    for dataset, (_, fields) in GRANTS.items():
        asked = {
            field
            for fact in shown["facts"]
            for source in fact["sources"]
            if source["dataset"] == dataset
            for field in source["fields"]
        }
        assert asked <= set(fields), dataset
