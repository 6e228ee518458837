"""Deliveries through the HTTP door: receipts, idempotency, quarantine, modes, withdrawal, changes."""

import base64
import gzip
import hashlib
from datetime import UTC, datetime

import msgspec
import pytest

from cityloom.exchange.api import deliveries, upkeep
from cityloom.exchange.store import ledger
from cityloom.kernel.audit.keys import Signature
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from exchange.conftest import Door

FIRST = "item,amount,note\na,1,x\nb,2,\nc,3,z\n"


def test_receipt_says_what_became_of_every_row_and_is_signed(door: Door, town: Parts) -> None:
    answer = door.put("d1", FIRST, rows=3)
    assert answer.status_code == 200, answer.text
    receipt = answer.json()
    assert receipt["state"] == "accepted"
    assert receipt["sha256"] == hashlib.sha256(FIRST.encode()).hexdigest()
    assert receipt["counts"]["rows_in"] == receipt["counts"]["accepted"] == 3
    assert (receipt["first_sequence"], receipt["last_sequence"]) == (1, 3)
    signature = receipt["signature"]
    signed = Signature(signature["algorithm"], signature["key_id"], base64.b64decode(signature["value"]))
    assert town.signer.public.verifies(signed, receipt["statement"].encode())
    assert msgspec.json.decode(receipt["statement"])["sha256"] == receipt["sha256"]
    assert door.records() == {"a": (1, "x"), "b": (2, None), "c": (3, "z")}


def test_the_same_id_again_answers_the_same_receipt_and_keeps_it_once(door: Door) -> None:
    first = door.put("d1", FIRST).json()
    again = door.put("d1", FIRST)
    declared = door.put("d1", FIRST, sha256=hashlib.sha256(FIRST.encode()).hexdigest())
    assert again.json() == first
    assert declared.json() == first
    assert len(door.lines("stock/changes")) == 3


def test_the_same_id_with_other_content_is_refused_and_changes_nothing(door: Door) -> None:
    first = door.put("d1", FIRST).json()
    other = door.put("d1", "item,amount\na,9\n")
    assert other.status_code == 409
    assert other.json()["code"] == "exchange.delivery_id_reused"
    assert other.headers["content-type"].startswith("application/problem+json")
    assert door.records()["a"] == (1, "x")
    assert door.get("stock/deliveries/d1").json() == first


def test_bad_rows_are_quarantined_and_come_back_corrected(door: Door) -> None:
    answer = door.put("d1", "item,amount,note\na,1,x\nB!,2,\nc,minus,z\n,4,\n").json()
    assert answer["counts"] == answer["counts"] | {"rows_in": 4, "accepted": 1, "quarantined": 3, "duplicates": 0}
    found = {(fault["row"], fault["field"], fault["rule"]) for fault in door.lines("stock/deliveries/d1/faults")}
    assert found == {(2, "item", "pattern"), (3, "amount", "type"), (4, "item", "required")}
    returned = door.get("stock/deliveries/d1/quarantine", format="csv").content
    assert returned.startswith(b"\xef\xbb\xbf")
    text = returned.decode("utf-8-sig").replace("B!", "b").replace("minus", "3").replace(",4,", "d,4,", 1)
    corrected = door.put("d2", text.encode("utf-8-sig"), corrects="d1").json()
    assert corrected["counts"]["quarantined"] == 0, door.lines("stock/deliveries/d2/faults")
    assert corrected["counts"]["accepted"] == 3
    assert corrected["corrects"] == "d1"


def test_a_trial_tells_all_and_keeps_nothing(door: Door) -> None:
    door.put("d1", FIRST)
    trial = door.post("stock/trials", "item,amount,note\na,1,x\nb,7,\nnew,1,\n!,1,\n")
    assert trial.status_code == 200, trial.text
    counts = trial.json()["counts"]
    assert (counts["inserted"], counts["updated"], counts["duplicates"], counts["quarantined"]) == (1, 1, 1, 1)
    assert [fault["rule"] for fault in trial.json()["faults"]] == ["pattern"]
    assert trial.json()["faults"][0]["row"] == 4
    assert len(door.lines("stock/changes")) == 3
    assert len(door.get("stock/deliveries").json()) == 1


def test_modes(door: Door) -> None:
    door.put("d1", FIRST)
    upserted = door.put("d2", "item,amount,note\nb,2,\nc,4,z\nd,5,\n", mode="upsert").json()["counts"]
    assert (upserted["inserted"], upserted["updated"], upserted["duplicates"]) == (1, 1, 1)
    deleted = door.put("d3", "item\na\nnobody\n", mode="delete").json()["counts"]
    assert (deleted["deleted"], deleted["duplicates"], deleted["accepted"]) == (1, 1, 1)
    replaced = door.put("d4", "item,amount,note\nb,2,\nq,1,\n", mode="replace").json()["counts"]
    assert (replaced["inserted"], replaced["deleted"], replaced["duplicates"]) == (1, 2, 1)
    assert door.records() == {"b": (2, None), "q": (1, None)}
    clash = door.put("d5", "item,amount,note\nb,3,\nb,3,\nz,1,\n", mode="append").json()["counts"]
    assert (clash["accepted"], clash["quarantined"], clash["duplicates"]) == (1, 1, 1)


def test_a_replacement_spares_what_it_may_have_meant(door: Door) -> None:
    door.put("d1", FIRST)
    protected = door.put("d2", "item,amount,note\na,1,x\nb,wrong,\n", mode="replace").json()
    assert protected["counts"]["deleted"] == 1
    assert set(door.records()) == {"a", "b"}
    held = door.put("d3", "item,amount,note\na,1,x\n,2,\n", mode="replace").json()
    assert held["deletes_held_back"] is True
    assert set(door.records()) == {"a", "b"}


def test_withdrawal_takes_every_effect_back(door: Door) -> None:
    door.put("d1", FIRST)
    before = door.records()
    door.put("d2", "item,amount,note\na,9,\nn,1,\n", mode="replace")
    answer = door.withdraw("d2")
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "withdrawn"
    assert door.records() == before
    assert {row["_cause"] for row in door.lines("stock/changes", since=7)} == {"withdrawal"}
    assert door.withdraw("d2").json()["state"] == "withdrawn"
    assert door.records() == before


def test_changes_resume_and_end_with_410_past_retention(door: Door, town: Parts) -> None:
    door.put("d1", FIRST)
    door.put("d2", "item,amount\na,5\n", mode="delete")
    rows = door.lines("stock/changes", limit=2)
    assert [(row["_sequence"], row["_op"]) for row in rows] == [(1, "insert"), (2, "insert")]
    rest = door.lines("stock/changes", since=2)
    assert [(row["_op"], row["item"]) for row in rest] == [("insert", "c"), ("delete", "a")]
    ctx = platform_context(town, "test")
    with ctx.begin() as tx:
        tx.execute("UPDATE exchange.dataset SET floor_sequence = 2 WHERE name = 'stock'")
    gone = door.get("stock/changes", since=1)
    assert gone.status_code == 410
    assert gone.json()["code"] == "exchange.changes_gone"
    assert len(door.lines("stock/changes", since=2)) == 2


def test_another_department_is_refused_and_nothing_changes(door: Door, stranger: Door, town: Parts) -> None:
    door.put("d1", FIRST)
    refused = [
        stranger.put("d2", FIRST),
        stranger.put("d1", FIRST),
        stranger.get("stock/changes"),
        stranger.get("stock/records"),
        stranger.get("stock/deliveries/d1"),
        stranger.get("stock/deliveries/d1/quarantine"),
        stranger.get("stock/deliveries/d1/faults"),
        stranger.post("stock/trials", FIRST),
        stranger.withdraw("d1"),
    ]
    assert {answer.status_code for answer in refused} == {403}
    assert len(door.lines("stock/changes")) == 3
    assert [row["delivery"] for row in door.get("stock/deliveries").json()] == ["d1"]


def test_declared_hash_and_count_are_held_against_what_came(door: Door) -> None:
    wrong_hash = door.put("d1", FIRST, sha256="0" * 64)
    assert (wrong_hash.status_code, wrong_hash.json()["code"]) == (422, "exchange.hash_differs")
    wrong_count = door.put("d2", FIRST, rows=4)
    assert wrong_count.status_code == 422, wrong_count.text
    assert wrong_count.json()["refusal"]["code"] == "exchange.rows_differ"
    assert door.records() == {}
    assert door.put("d1", FIRST).json()["state"] == "accepted"


FORMATS = {
    "gzip": (gzip.compress(FIRST.encode()), "text/csv"),
    "bom": (FIRST.encode("utf-8-sig"), "text/csv"),
    "gb18030": (FIRST.replace("x", "𠮷㐂").encode("gb18030"), "text/csv"),
    "ndjson": (
        b'{"item": "a", "amount": 1}\n{"item": "b", "amount": 2}\n{"item":"c","amount":3}\n',
        "application/x-ndjson",
    ),
}


@pytest.mark.parametrize("name", list(FORMATS))
def test_formats_and_encodings(door: Door, name: str) -> None:
    body, media = FORMATS[name]
    answer = door.put("d1", body, media=media)
    assert answer.status_code == 200, answer.text
    assert answer.json()["counts"]["accepted"] == 3


def test_unknown_things_are_told(door: Door, http) -> None:  # type: ignore[no-untyped-def]
    assert door.put("d1", FIRST, dataset="nothing").json()["code"] == "exchange.dataset_unknown"
    assert door.get("stock/deliveries/none").status_code == 404
    assert door.put("d1", FIRST, mode="sideways").status_code == 400
    assert door.put("bad id!", FIRST).json()["code"] == "exchange.delivery_id_wrong"
    assert http.get("/api/exchange/datasets").status_code == 401
    columns = door.put("d2", "item,amount,colour\na,1,red\n")
    assert columns.status_code == 422
    assert "colour" in columns.json()["refusal"]["detail"]


def test_a_large_delivery_is_answered_202_and_decided_by_a_job(door: Door, town: Parts) -> None:
    small = msgspec.structs.replace(town.settings, inline_mib=0)
    msgspec.structs.force_setattr(town, "settings", small)
    answer = door.put("d1", FIRST)
    assert answer.status_code == 202
    assert answer.json()["state"] == "received"
    assert door.put("d1", FIRST).status_code == 202
    deliveries.process(platform_context(town, "test"), "stock", "d1")
    assert door.get("stock/deliveries/d1").json()["state"] == "accepted"


def test_what_died_between_lake_and_ledger_is_finished_once(
    door: Door, town: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    small = msgspec.structs.replace(town.settings, inline_mib=0)
    msgspec.structs.force_setattr(town, "settings", small)
    door.put("d1", FIRST)
    ctx = platform_context(town, "test")
    with monkeypatch.context() as patch:
        patch.setattr(deliveries, "_settle", die)
        with pytest.raises(KeyboardInterrupt):
            deliveries.process(ctx, "stock", "d1")
    with ctx.begin() as tx:
        tx.execute("UPDATE exchange.delivery SET lease_until = 'epoch'")
        assert ledger.find(tx, "stock", "d1").state == "committing"  # type: ignore[union-attr]
    upkeep.sweep(ctx)
    upkeep.sweep(ctx)
    assert door.get("stock/deliveries/d1").json()["state"] == "accepted"
    assert [row["_sequence"] for row in door.lines("stock/changes")] == [1, 2, 3]
    door.put("d2", "item,amount\nz,1\n")


def test_reconciliation_of_a_day(door: Door) -> None:
    door.put("d1", FIRST, rows=3)
    door.put("d2", "item,amount,note\na,1,x\n!,1,\nq,1,\n")
    day = datetime.now(UTC).astimezone().date()  # noqa: TID251 - the client's own day
    found = [
        line
        for shift in (-1, 0, 1)
        for line in door.client.get(
            "/api/exchange/reconciliation",
            params={"day": day.fromordinal(day.toordinal() + shift).isoformat()},
            headers=door.headers,
        ).json()
    ]
    assert len(found) == 1
    line = found[0]
    assert (line["deliveries"], line["sent"], line["accepted"], line["quarantined"], line["duplicates"]) == (
        2,
        6,
        4,
        1,
        1,
    )
    assert (line["difference"], line["hashes_differ"]) == (0, 0)
