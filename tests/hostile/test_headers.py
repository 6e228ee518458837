"""What stands in headers, addresses and bodies does nothing but what it says, and no line of a log can be forged."""

import json
import subprocess
import sys
from typing import Any

import msgspec
import psycopg

from hostile.hostile_kit import own, rightful, state
from sharing.sharing_kit import Town

SAYING = r"""
import logging, sys
from cityloom.kernel import log
log.configure()
nasty = "a\n{\"event\": \"forged\"}\r\x1b[31mred\x9b32m\u2028\u2029\x85\u202eback\x7f\x00\ud800 " + "110101199003070000"
log.logger("part").warning(nasty, path=nasty, nested=[nasty], **{"key\n": nasty})
logging.getLogger("library").warning('%s said "%s"', nasty, nasty)
try:
    raise ValueError(nasty)
except ValueError:
    log.logger("part").exception("failed")
    logging.getLogger("library").exception("failed")
"""


def test_a_line_of_the_log_stays_one_line_and_shows_what_cannot_be_seen() -> None:
    run = subprocess.run([sys.executable, "-c", SAYING], capture_output=True, check=True)
    lines = run.stderr.decode("utf-8", "surrogateescape").split("\n")
    assert lines.pop() == ""
    assert len(lines) == 4
    said = [json.loads(line) for line in lines]
    assert not any(event["event"] == "forged" for event in said)
    for line in lines:
        assert line.isprintable(), ascii(line)
        assert line.splitlines() == [line]
    assert all("[personal]" in event["event"] for event in said[:2])


def test_a_caller_does_not_choose_the_number_of_a_request(town: Town) -> None:
    name = "x-request-id"
    answer = town.client.get("/api/sharing/grants/absent", headers={**town.civil.headers, name: "deadbeef"})
    assert "deadbeef" not in answer.headers["x-request-id"]
    assert answer.json()["instance"] == f"urn:cityloom:request:{answer.headers['x-request-id']}"
    assert "deadbeef" not in answer.text


def test_a_wrong_value_is_answered_with_those_that_would_do(town: Town) -> None:
    body = {"dataset": "x", "purpose": "p", "legal_basis": "b", "reason": "r", "terms": {"kind": "all"}}
    headers = {**town.housing.headers, "accept-language": "zh"}
    detail = town.client.put("/api/sharing/requests/x", json=body, headers=headers).json()["detail"]
    assert detail == "请求无法识别：terms.kind: 'all' 不是可用的取值，可用：read, verify, aggregate"


SPOOFS = (
    {"x-forwarded-for": "10.0.0.1, 127.0.0.1"}, {"forwarded": "for=127.0.0.1;host=civil;proto=https"},
    {"x-real-ip": "127.0.0.1"}, {"x-forwarded-user": "civil-service"}, {"x-original-url": "/healthz"},
    {"x-rewrite-url": "/healthz"}, {"x-http-method-override": "GET"}, {"x-forwarded-host": "127.0.0.1"},
    {"host": "127.0.0.1"}, {"host": "evil.example"}, {"x-organisation": "civil"}, {"x-scope": "*"},
    {"cookie": "cityloom_session=; cityloom_session=x"}, {"authorization": "Basic Y2l2aWw6Y2l2aWw="},
    {"authorization": "Bearer"}, {"authorization": "bearer  ctl_0000000000000000_" + "A" * 43},
)  # fmt: skip


def test_no_header_lets_a_stranger_in(town: Town) -> None:
    owned = own(town)
    before = state(town)
    for spoof in SPOOFS:
        for method, path in (("GET", "/api/sharing/grants"), ("POST", "/api/exchange/datasets/resident/erasures")):
            anonymous = town.client.request(method, path, json={"keys": [["kilo1"]], "legal_basis": "x"}, headers=spoof)
            assert anonymous.status_code in (401, 403), spoof
        if "authorization" not in spoof:
            other = {**town.other.headers, **spoof}
            refused = town.client.get(f"/api/sharing/grants/{owned.names['grants', 'id']}", headers=other)
            assert (refused.status_code, refused.json()["code"]) == (404, "sharing.grant_unknown")
        assert state(town) == before


def test_a_purpose_and_a_language_are_words_and_nothing_else(town: Town) -> None:
    for purpose in ("rent aid", "rent_aid,other", "RENT", "rent_aid\t", "r" * 101, "рent_aid".encode(), b"\xff"):
        headers = {**town.civil.headers, "x-purpose": purpose}
        assert town.client.get("/api/sharing/grants", headers=headers).status_code == 400
    for language in ("*;q=nan", "zh;q=inf", "en" * 5000, "../en", "zh\t, en;q=", ",,,;;;"):
        headers = {**town.civil.headers, "accept-language": language}
        answer = town.client.get("/api/sharing/grants/absent", headers=headers)
        assert answer.status_code == 404
        assert answer.headers["content-language"] in ("en", "zh")


BOMBS = {
    "deep arrays": b"[" * 100_000, "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep and right so far": b'{"key": ["a"], "case": "c", "claims": {"name": ' + b"[" * 50_000,
    "NaN": b'{"key": ["a"], "case": "c", "claims": {"name": NaN}}', "infinite": b'{"key": [Infinity], "case": "c"}',
    "huge": b'{"key": ["a"], "case": "c", "claims": {"name": 1' + b"0" * 5000 + b"}}",
    "exponent": b'{"key": ["a"], "case": "c", "claims": {"name": 1e999999}}', "no text": b"\xff\xfe\x00",
    "lone surrogate": b'{"key": ["\\ud800"], "case": "c"}', "BOM": b'\xef\xbb\xbf{"key": ["a"], "case": "c"}',
    "UTF-16": '{"key": ["a"], "case": "c"}'.encode("utf-16"), "null": b"null", "nothing": b"",
}  # fmt: skip


def test_a_body_that_is_no_question_is_refused(town: Town) -> None:
    for bomb in BOMBS:
        for path in ("sandbox/resident/query", "sandbox/resident/verify"):
            answer = town.client.post(
                f"/api/sharing/{path}",
                content=BOMBS[bomb],
                headers={**town.civil.headers, "content-type": "application/json"},
            )
            assert answer.status_code in (400, 422), answer.text[:200]


def test_of_a_key_that_comes_twice_the_last_counts_everywhere(town: Town) -> None:
    """One parser reads a body once: what was checked is what is done."""
    town.civil.deliver("d1", "id,name,district\na1,Anna,N1\n")
    first = b'{"dataset": "secret", "dataset": "resident", "purpose": "p", "legal_basis": "l", "reason": "r", '
    body = first + b'"terms": {"fields": ["id", "born"], "fields": ["id"]}}'
    headers = {**town.housing.headers, "content-type": "application/json"}
    asked = town.housing.client.put("/api/sharing/requests/twice", content=body, headers=headers)
    assert (asked.json()["dataset"], asked.json()["wish"]["fields"]) == ("resident", ["id"])


def test_a_packed_body_is_not_unpacked_where_none_is_expected(town: Town) -> None:
    before = state(town)
    right = rightful(town, "civil")
    for coding in CODINGS:
        headers = {**right, "content-encoding": coding}
        packed = town.client.post(
            "/api/sharing/sandbox/resident/query",
            content=b"\x1f\x8b\x08\x00",
            headers={**headers, "content-type": "application/json"},
        )
        file = town.client.put(
            "/api/exchange/datasets/resident/deliveries/d1",
            content=b"\x1f\x8b\x08\x00",
            headers={**headers, "content-type": "text/csv"},
        )
        assert packed.status_code == 400
        assert file.status_code in (400, 415, 422), file.text
        if file.status_code == 415:
            assert state(town) == before


CODINGS = ("gzip", "br", "zstd", "deflate", "gzip, gzip", "identity, gzip", "x" * 200)
PATHS = (
    "grants/..%2frequests", "grants/%2e%2e/%2e%2e/identity/organisations", "grants//kilo-g1", "grants/kilo-g1%00",
    "grants/kilo-g1%0d%0aset-cookie:%20a=b", "grants;x=1/kilo-g1", "grants\\kilo-g1",
)  # fmt: skip
LOOKALIKES = (
    "kilо-g1",
    "ｋｉｌｏ-g1",
    "kilo\u200b-g1",
    "KILO-G1",
    "kilo-g1 ",
    "kilo-g1.",
    "kilo-g1\u0301",
)


def test_what_only_looks_like_a_name_is_another_name(town: Town) -> None:
    own(town)
    for name in LOOKALIKES:
        answer = town.housing.get(f"grants/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "sharing.grant_unknown")
        asked = town.housing.client.put(f"/api/sharing/requests/{name}", json={}, headers=town.housing.headers)
        assert asked.status_code == 400


def test_an_address_leads_where_it_says_or_nowhere(town: Town) -> None:
    own(town)
    for path in PATHS:
        answer = town.other.client.get(f"/api/sharing/{path}", headers=town.other.headers)
        assert answer.status_code in (400, 404), answer.text
        assert "set-cookie" not in answer.headers


def test_what_was_asked_for_stands_in_the_audit_log_as_it_was(town: Town) -> None:
    """A name with ends of lines and quotes in it makes no entry but its own."""
    name = "x\nforged: 1\u2028\x1b[31m\"'"
    before = entries(town)
    answer = town.client.get(f"/api/identity/accounts/{name.encode().hex()}", headers=town.civil.headers)
    assert answer.status_code in (403, 404)
    answer = town.client.get("/api/identity/accounts", params={"organisation": name}, headers=town.civil.headers)
    assert answer.status_code == 403
    assert len(entries(town)) - len(before) <= 2
    for body in entries(town):
        msgspec.json.decode(body, type=dict[str, Any])
        assert body.isprintable(), body


def entries(town: Town) -> list[str]:
    with psycopg.connect(town.admin_url) as connection:
        return [row[0] for row in connection.execute("SELECT body FROM kernel.audit_entry ORDER BY position")]
