"""SIGKILL at random moments of deliveries: nothing acknowledged is lost, nothing appears twice, nothing is half there."""

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faults.running import RunningCity

from cityloom import app, client
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit import verify

KEYS = [f"k{number}" for number in range(40)]


class Sender(threading.Thread):
    """Delivers one small file after another until told to stop; keeps every receipt."""

    def __init__(self, city: RunningCity, name: str, folder: Path, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.city = city
        self.folder = folder
        self.chance = random.Random(seed)  # noqa: S311 - a test's dice
        self.sent: dict[str, tuple[str, dict[str, int]]] = {}
        self.receipts: dict[str, dict[str, Any]] = {}
        self.ended = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with_door = self.city.door()
            while not self.ended.is_set():
                self.one(with_door)
        except BaseException as failure:  # noqa: BLE001 - shown by the test
            self.failure = failure

    def one(self, door: client.Exchange) -> None:
        number = len(self.sent)
        id = f"{self.name}-{number}"
        mode = self.chance.choice(["upsert", "upsert", "upsert", "replace", "delete"])
        keys = self.chance.sample(KEYS, self.chance.randint(1, 12))
        rows = {key: number for key in keys}
        path = self.folder / f"{id}.csv"
        path.write_text("item,amount,note\n" + "".join(f"{key},{value},{id}\n" for key, value in rows.items()))
        self.sent[id] = (mode, rows)
        self.receipts[id] = door.deliver("stock", id, client.File(path), mode=mode, rows=len(rows))


def changes(door: client.Exchange, into: Path) -> list[dict[str, Any]]:
    door.download("/api/exchange/datasets/stock/changes", into, limit=1_000_000)
    return [msgspec.json.decode(line) for line in into.read_bytes().splitlines()]


def check(city: RunningCity, senders: list[Sender], folder: Path) -> None:
    """The state is that of the acknowledged deliveries in the order of their sequence; replay and audit agree."""
    door = city.door()
    receipts = {id: receipt for sender in senders for id, receipt in sender.receipts.items()}
    sent = {id: said for sender in senders for id, said in sender.sent.items()}
    assert set(receipts) == set(sent)
    assert {receipt["state"] for receipt in receipts.values()} == {"accepted"}
    state: dict[str, tuple[int, str]] = {}
    for id, _ in sorted(receipts.items(), key=lambda each: each[1]["first_sequence"]):
        mode, rows = sent[id]
        if mode == "delete":
            state = {key: value for key, value in state.items() if key not in rows}
        elif mode == "replace":
            state = {key: (value, id) for key, value in rows.items()}
        else:
            state |= {key: (value, id) for key, value in rows.items()}
    door.download("/api/exchange/datasets/stock/records", folder / "records")
    rows_now = [msgspec.json.decode(line) for line in (folder / "records").read_bytes().splitlines()]
    assert len({row["item"] for row in rows_now}) == len(rows_now)
    assert {row["item"]: (row["amount"], row["note"]) for row in rows_now} == state
    replay: dict[str, tuple[int, str]] = {}
    feed = changes(door, folder / "changes")
    assert [row["_sequence"] for row in feed] == sorted({row["_sequence"] for row in feed})
    for row in feed:
        assert (row["item"] in replay) == (row["_op"] != "insert")
        if row["_op"] == "delete":
            del replay[row["item"]]
        else:
            replay[row["item"]] = (row["amount"], row["note"])
    assert replay == state
    again = {row["delivery"]: row for row in pages(door)}
    assert {id: row["statement"] for id, row in again.items()} == {id: row["statement"] for id, row in receipts.items()}


def pages(door: client.Exchange) -> Iterator[dict[str, Any]]:
    after = ""
    while found := door.get("/api/exchange/datasets/stock/deliveries", after=after, limit=500):
        yield from found
        after = found[-1]["delivery"]


def check_audit(city: RunningCity, folder: Path) -> None:
    with app.running_parts(city.settings) as parts:
        now = parts.clock.now()
        audit.seal(parts.db, parts.signer, parts.settings.audit_files, now)
        audit.export(parts.db, parts.settings.audit_files, folder / "audit", now)
    report = verify.verify(folder / "audit")
    assert report.findings == ()
    assert report.ok


def strike(city: RunningCity, victim: str) -> None:
    if victim == "group":
        city.kill_group()
        city.start()
    elif victim == "postmaster":
        city.kill_postmaster()
    elif victim == "web":
        city.kill_child("granian")
    else:
        city.kill_child("cityloom.worker")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return 30 if request.config.getoption("-m") == "full" else 4


@pytest.mark.parametrize("victim", ["group", "worker", "web", "postmaster"])
def test_nothing_acknowledged_is_lost(tmp_path: Path, victim: str, kills: int) -> None:
    # every delivery beyond one byte goes through the job worker in two of the four
    city = RunningCity(tmp_path, inline_mib=0 if victim in ("worker", "group") else 16)
    city.start()
    try:
        city.wait()
        assert city.token
        senders = [Sender(city, f"s{number}", tmp_path, number) for number in range(3)]
        for sender in senders:
            sender.start()
        chance = random.Random(victim)  # noqa: S311 - a test's dice
        for _ in range(kills):
            time.sleep(chance.uniform(0.4, 3.0))
            strike(city, victim)
        city.wait()
        time.sleep(1)
        for sender in senders:
            sender.ended.set()
        for sender in senders:
            sender.join(180)
            assert sender.failure is None, sender.failure
            assert not sender.is_alive(), city.log.read_text()[-3000:]
        check(city, senders, tmp_path)
    finally:
        city.stop()
    check_audit(city, tmp_path)
