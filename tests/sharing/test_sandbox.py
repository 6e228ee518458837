"""The sandbox: the doors of a grant over made-up records."""

from typing import Any

import msgspec

from sharing.sharing_kit import ROWS, Town


def lines(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return [msgspec.json.decode(line) for line in answer.content.splitlines()]


def test_whoever_has_no_grant_develops_against_made_up_records(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    rows = lines(town.other.get("sandbox/resident/records"))
    assert len(rows) == 100
    assert rows == lines(town.housing.get("sandbox/resident/records"))
    assert not {"a1", "a2", "a3"} & {row["id"] for row in rows}
    assert all(row["born"] is None or row["born"] < "2026" for row in rows)  # the dataset's own check
    changes = lines(town.other.get("sandbox/resident/changes", since=98))
    assert [(row["_sequence"], row["_op"], row["id"]) for row in changes] == [
        (99, "insert", rows[98]["id"]), (100, "insert", rows[99]["id"]),
    ]  # fmt: skip
    before = town.everything()
    first = rows[0]
    answer = town.other.post("sandbox/resident/query", {"key": [first["id"]], "case": "c"}).json()
    statement = msgspec.json.decode(answer["statement"], type=dict[str, Any])
    assert (statement["type"], statement["record"]) == ("cityloom.sharing.sandbox/1", first)
    verified = town.other.post(
        "sandbox/resident/verify",
        {"key": [first["id"]], "case": "c", "claims": {"name": first["name"], "district": "?"}},
    ).json()
    matches = msgspec.json.decode(verified["statement"], type=dict[str, Any])["matches"]
    assert matches == {"name": True, "district": False}
    assert town.everything() == before
    real = town.other.post("sandbox/resident/query", {"key": ["a1"], "case": "c"}).json()
    assert msgspec.json.decode(real["statement"], type=dict[str, Any])["found"] is False
    nobody = town.other.client.get("/api/sharing/sandbox/resident/records")
    assert nobody.status_code == 401
