"""Single-record questions and verification: answers, signatures, uses, quotas, copies that follow and are rebuilt."""

import base64
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import psycopg
import pytest

from cityloom.identity.contracts import Credentials
from cityloom.kernel.audit.keys import Signature
from cityloom.kernel.straight import MOST_BYTES
from cityloom.sharing.api import projections
from cityloom.sharing.api.questions import Asked, desk
from cityloom.sharing.contracts import Answer, Question
from sharing.sharing_kit import ROWS, Door, Town

HEAD = ROWS.splitlines()[0]


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def query(door: Door, key: str, grant: str = "r1", purpose: str = "rent_aid", case: str = "c-1") -> Any:
    return door.post(f"grants/{grant}/query", {"key": [key], "case": case}, purpose)


def verify(door: Door, key: str, claims: dict[str, Any], grant: str = "r1") -> Any:
    return door.post(f"grants/{grant}/verify", {"key": [key], "case": "c-1", "claims": claims})


def said(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.json()["statement"], type=dict[str, Any])


def copied(town: Town) -> None:
    """What the worker does every second."""
    projections.follow(town.platform)
    with psycopg.connect(town.admin_url, options="-c search_path=jobs") as connection:
        query = "SELECT args ->> 'dataset' FROM jobs.procrastinate_jobs WHERE task_name = 'sharing.rebuild'"
        waiting = [row[0] for row in connection.execute(query).fetchall()]
        connection.execute("DELETE FROM jobs.procrastinate_jobs")
    for dataset in waiting:
        projections.rebuild(town.platform, dataset)
    projections.follow(town.platform)


@pytest.fixture
def asked(town: Town) -> Town:
    """A town with a grant on residents of N1, and the copy of them."""
    town.civil.deliver("d1", ROWS)
    town.grant(terms={"fields": ["id", "name", "born", "income", "married"]})
    copied(town)
    return town


def test_a_record_is_answered_signed_and_kept(asked: Town) -> None:
    answer = query(asked.housing, "a1", case="case-7")
    statement = said(answer)
    assert statement["record"] == {
        "id": "a1", "name": "Anna Apple", "born": "1980-05-01", "income": "100.50", "married": True,
    }  # fmt: skip
    assert {name: statement[name] for name in ("type", "grant", "dataset", "purpose", "case", "found", "sequence")} == {
        "type": "cityloom.sharing.answer/1", "grant": "r1", "dataset": "resident", "purpose": "rent_aid",
        "case": "case-7", "found": True, "sequence": 3,
    }  # fmt: skip
    assert statement["lag_seconds"] == 0
    body = answer.json()
    signature = Signature(
        body["signature"]["algorithm"], body["signature"]["key_id"], base64.b64decode(body["signature"]["value"])
    )
    assert signature.algorithm == "Ed25519"
    assert asked.parts.signer.public.verifies(signature, body["statement"].encode())
    [use] = asked.civil.get("grants/r1/uses").json()
    assert (use["id"], use["case"], use["way"], use["found"]) == (statement["use"], "case-7", "query", True)
    assert use["audit_position"] == statement["audit_position"]
    [entry] = asked.entries("sharing.used")
    assert (entry["position"], entry["facts"]["first"], entry["organisation"]) == (
        use["audit_position"], use["id"], "housing",
    )  # fmt: skip
    assert re.fullmatch("hmac-sha256:[0-9a-f]{40}", use["key_digest"])


def test_whichever_way_a_body_takes_the_answer_is_the_same(asked: Town) -> None:
    body = b'{"key": ["a1"], "case": "c-1"}'
    headers = {**asked.housing.headers, "content-type": "application/json"}

    def ask(content: Any, grant: str = "r1") -> Any:
        return asked.housing.client.post(f"/api/sharing/grants/{grant}/query", content=content, headers=headers)

    shown = [said(ask(content))["record"] for content in (body, body + b" " * MOST_BYTES, iter([body[:9], body[9:]]))]
    assert shown[0]["name"] == "Anna Apple"
    assert shown == [shown[0]] * 3
    for wrong in (b"", b"{", body[:-1], b'{"key": "a1"}', b"\xff", b"[" * 5000, b"1" * (MOST_BYTES + 1)):
        assert code(ask(wrong)) == (400, "kernel.request_wrong"), wrong[:20]
    assert code(ask(body, "r2")) == (404, "sharing.grant_unknown")


def test_what_the_filter_hides_is_as_if_it_were_not_there(asked: Town) -> None:
    hidden, nobody = said(query(asked.housing, "a2")), said(query(asked.housing, "a9"))
    for statement in (hidden, nobody):
        assert (statement["found"], statement["record"]) == (False, None)


def test_claims_are_verified_without_showing_a_value(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant(terms={"kind": "verify", "fields": ["name", "born", "income", "married"], "rows": ""})
    copied(town)
    answer = verify(town.housing, "a1", {"name": "Anna Apple", "born": "1980-05-02", "income": 100.5, "married": True})
    statement = said(answer)
    assert statement["matches"] == {"name": True, "born": False, "income": True, "married": True}
    assert statement["record"] is None
    assert said(verify(town.housing, "a9", {"name": "Anna Apple"}))["matches"] == {"name": False}
    assert said(verify(town.housing, "a3", {"income": None}))["matches"] == {"income": True}
    before = town.everything()
    assert code(verify(town.housing, "a1", {"district": "N1"})) == (403, "sharing.claim_not_granted")
    assert code(query(town.housing, "a1")) == (403, "sharing.kind_differs")
    assert town.everything() == before


def test_who_may_not_ask(asked: Town) -> None:
    before = asked.everything()
    assert code(query(asked.other, "a1")) == (404, "sharing.grant_unknown")
    assert code(query(asked.civil, "a1")) == (403, "kernel.refused")
    assert code(query(asked.housing, "a1", purpose="curiosity")) == (403, "sharing.purpose_differs")
    assert code(query(asked.housing, "a1", grant="r9")) == (404, "sharing.grant_unknown")
    assert code(asked.housing.post("grants/r1/query", {"key": ["a1", "b"], "case": "c"})) == (422, "sharing.key_parts")
    assert code(asked.housing.post("grants/r1/query", {"key": ["a1"], "case": ""}))[0] == 400
    nobody = asked.housing.client.post("/api/sharing/grants/r1/query", json={"key": ["a1"], "case": "c"})
    assert code(nobody) == (401, "identity.not_signed_in")
    wrong = asked.housing.client.post(
        "/api/sharing/grants/r1/query", json={"key": ["a1"], "case": "c"}, headers={"authorization": "Bearer ctl_x"}
    )
    assert code(wrong) == (401, "identity.token_refused")
    assert asked.everything() == before
    refused = [(entry["organisation"], entry["subject"]) for entry in asked.entries("access.refused")]
    assert refused == [("civil", "grant:r1"), ("housing", "grant:r1")]


def test_a_revoked_grant_answers_no_more(asked: Town) -> None:
    assert said(query(asked.housing, "a1"))["found"]
    asked.civil.move("r1", "revoke", kind="grants", reason="over")
    before = asked.everything()
    assert code(query(asked.housing, "a1")) == (409, "sharing.grant_over")
    assert asked.everything() == before


def test_quotas(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant(terms={"per_minute": 2, "per_day": 3})
    copied(town)
    assert [query(town.housing, "a1").status_code for _ in range(2)] == [200, 200]
    slower = query(town.housing, "a1")
    assert code(slower) == (429, "sharing.too_fast")
    assert slower.headers["retry-after"] == "60"
    town.clock.turn(minutes=1)
    assert code(query(town.housing, "a1")) == (429, "sharing.quota_used")
    assert [each["used_today"] for each in town.civil.get("grants").json()] == [4]
    town.clock.turn(days=1)
    assert town.civil.get("grants/r1").json()["used_today"] == 0
    assert query(town.housing, "a1").status_code == 200
    assert town.housing.get("grants/r1").json()["used_today"] == 1
    assert len(town.civil.get("grants/r1/uses").json()) == 3


def test_many_ask_at_once_and_each_gets_its_own(asked: Town) -> None:
    keys = [f"a{number % 4}" for number in range(60)]
    with ThreadPoolExecutor(12) as askers:
        answers = list(askers.map(lambda key: (key, said(query(asked.housing, key, case=f"c-{key}"))), keys))
    for key, statement in answers:
        assert statement["case"] == f"c-{key}"
        assert statement["found"] == (key in ("a1", "a3"))
        assert (statement["record"] or {"id": key})["id"] == key
    uses = asked.civil.get("grants/r1/uses").json()
    assert len(uses) == 60
    assert sorted(use["id"] for use in uses) == sorted(statement["use"] for _, statement in answers)
    entries = asked.entries("sharing.used")
    assert sum(entry["facts"]["uses"] for entry in entries) == 60


def test_the_copy_follows_changes_withdrawals_and_deletes(asked: Town) -> None:
    asked.civil.deliver("d2", f"{HEAD}\na1,Anna Ash,N1,1980-05-01,1,true\na4,Dora,N1,1999-01-01,2,true\n")
    assert said(query(asked.housing, "a1"))["sequence"] == 3
    asked.clock.turn(seconds=3)
    assert said(query(asked.housing, "a1"))["lag_seconds"] == 3
    copied(asked)
    new = said(query(asked.housing, "a1"))
    assert (new["record"]["name"], new["sequence"], new["lag_seconds"]) == ("Anna Ash", 5, 0)
    asked.civil.deliver("d3", "id\na4\n", mode="delete")
    asked.civil.withdraw("d2")
    copied(asked)
    assert said(query(asked.housing, "a1"))["record"]["name"] == "Anna Apple"
    assert said(query(asked.housing, "a4"))["found"] is False
    assert asked.civil.get("copies").json()[0]["sequence"] == asked.civil.get("copies").json()[0]["last_sequence"]
    assert asked.housing.get("copies").json() == []


def test_a_copy_is_rebuilt_while_it_answers(asked: Town) -> None:
    before = asked.everything()
    for stranger in (asked.housing, asked.other):
        assert code(stranger.post("copies/resident/rebuilds", {})) == (403, "kernel.refused")
    assert asked.everything() == before
    with psycopg.connect(asked.admin_url) as connection:
        connection.execute("UPDATE sharing.record SET row = replace(row, 'Anna', 'Broken')")
    assert said(query(asked.housing, "a1"))["record"]["name"] == "Broken Apple"
    assert asked.civil.post("copies/resident/rebuilds", {}).status_code == 202
    copied(asked)
    assert said(query(asked.housing, "a1"))["record"]["name"] == "Anna Apple"
    projections.clean(asked.platform)
    with psycopg.connect(asked.admin_url) as connection:
        counted = connection.execute("SELECT generation, count(*) FROM sharing.record GROUP BY 1").fetchall()
    assert counted == [(2, 3)]


def test_without_a_copy_there_is_no_answer_yet(town: Town) -> None:
    town.grant()
    assert code(query(town.housing, "a1")) == (503, "sharing.copy_not_ready")
    assert town.civil.get("grants/r1/uses").json() == []


def batch(town: Town, content: str, door: Door | None = None) -> Any:
    door = door or town.housing
    return door.client.post(
        "/api/sharing/grants/r1/batches", params={"case": "c-9"}, content=content.encode(), headers=door.headers
    )


def test_many_records_are_asked_for_by_file(asked: Town) -> None:
    answer = batch(asked, "id\r\n" + "a1\r\na2\r\n" * 100)
    assert answer.status_code == 200, answer.text
    rows = [msgspec.json.decode(line, type=dict[str, Any]) for line in answer.content.splitlines()]
    assert [row["line"] for row in rows] == list(range(2, 202))
    statements = [msgspec.json.decode(row["statement"], type=dict[str, Any]) for row in rows]
    assert [statement["found"] for statement in statements] == [True, False] * 100
    assert len({statement["use"] for statement in statements}) == 200
    uses = asked.civil.get("grants/r1/uses", limit=1000).json()
    assert sorted(use["id"] for use in uses) == sorted(statement["use"] for statement in statements)


def test_a_line_over_the_quota_does_not_stop_the_others(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant(terms={"per_minute": 2})
    copied(town)
    rows = [
        msgspec.json.decode(line, type=dict[str, Any]) for line in batch(town, "id\na1\na2\na3\n").content.splitlines()
    ]
    assert [row.get("code", "") for row in rows] == ["", "", "sharing.too_fast"]
    assert rows[2]["remedy"]
    assert len(town.civil.get("grants/r1/uses").json()) == 2


@pytest.mark.parametrize(
    ("content", "refused"),
    [("name\nx\n", (422, "sharing.file_header")), ("id\na,b\n", (422, "sharing.file_line")), ("", (422, "sharing.file_header")),
     ("id\n" + "a\n" * 10_001, (413, "sharing.file_too_long"))],
)  # fmt: skip
def test_a_file_that_cannot_be_read_asks_nothing(asked: Town, content: str, refused: tuple[int, str]) -> None:
    before = asked.everything()
    assert code(batch(asked, content)) == refused
    assert code(batch(asked, "id\na1\n", asked.other)) == (404, "sharing.grant_unknown")
    assert code(batch(asked, "id\na1\n", asked.civil)) == (403, "kernel.refused")
    assert asked.everything() == before


def test_a_masked_key_is_not_asked_by(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant(terms={"fields": ["id", "district"], "rows": "", "masks": [{"field": "id", "kind": "pseudonym"}]})
    copied(town)
    before = town.everything()
    assert code(query(town.housing, "a1")) == (403, "sharing.key_masked")
    assert code(verify(town.housing, "a1", {"district": "N1"})) == (403, "sharing.key_masked")
    assert town.everything() == before
    assert {row["district"] for row in town.housing.lines("grants/r1/records", case="c-1")} == {"N1", "N2"}


def test_a_key_that_no_text_holds_is_refused(asked: Town) -> None:
    before = asked.everything()
    for key in ("a\0", "a1\x1fa2", "x" * 501):
        assert code(query(asked.housing, key)) == (400, "kernel.request_wrong")
    headers = {**asked.housing.headers, "content-type": "text/csv"}
    batch = asked.housing.client.post(
        "/api/sharing/grants/r1/batches", params={"case": "c-1"}, content=b"id\na1\na\0\n", headers=headers
    )
    assert code(batch) == (422, "sharing.file_key")
    assert batch.json()["params"]["line"] == 3
    assert asked.everything() == before


def test_nobody_pays_for_anothers_question(asked: Town) -> None:
    """A group that fails as a whole is answered one by one."""
    shown = Credentials(method="POST", authorization=asked.housing.headers["authorization"])
    good, bad = (Asked("r1", "query", Question((key,), "c-1"), shown, "rent_aid", "n1") for key in ("a1", "a\0"))
    answers = desk(asked.parts)._answer([good, bad, good])
    assert [isinstance(answer, Answer) for answer in answers] == [True, False, True]
    assert len(asked.civil.get("grants/r1/uses").json()) == 2


def test_what_a_grant_can_no_longer_give_is_told_to_its_parties_only(asked: Town) -> None:
    with psycopg.connect(asked.admin_url) as connection:
        connection.execute(
            "UPDATE sharing.granted SET terms = replace(terms::text, 'income', 'gone')::jsonb, version = 9"
        )
    assert code(query(asked.housing, "a1")) == (422, "exchange.excerpt_field")
    assert code(query(asked.other, "a1")) == (404, "sharing.grant_unknown")
    stranger = asked.housing.client.post("/api/sharing/grants/r1/query", json={"key": ["a1"], "case": "c-1"})
    assert stranger.status_code == 401


def test_odd_input_is_the_callers_fault(town: Town) -> None:
    assert code(town.housing.get("requests", dataset="\0")) == (400, "kernel.request_wrong")
    huge = town.housing.client.put(
        "/api/sharing/requests/r1", content=b'{"dataset": "' + b"x" * (41 << 20) + b'"}', headers=town.housing.headers
    )
    assert code(huge) == (413, "kernel.body_too_large")


def test_a_copy_that_cannot_follow_does_not_hold_up_the_others(asked: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    [real] = projections.excerpts.queryable(asked.platform)
    broken = msgspec.structs.replace(real, name="aaa_gone")
    monkeypatch.setattr(projections.excerpts, "queryable", lambda _: [broken, real])
    monkeypatch.setattr(projections, "begin", lambda _, dataset: (_ for _ in ()).throw(RuntimeError(dataset)))
    asked.clock.turn(seconds=30)
    projections.follow(asked.platform)
    assert said(query(asked.housing, "a1"))["lag_seconds"] == 0
