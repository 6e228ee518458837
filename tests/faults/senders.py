"""Departments' programs that deliver without a pause, and what must be true of everything they were told."""

import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import msgspec

from cityloom import app, client
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit import verify
from faults.running import RunningCity

KEYS = [f"k{number}" for number in range(40)]

State = dict[str, tuple[int, str]]


class Said(msgspec.Struct, frozen=True):
    """What one delivery said."""

    mode: str
    rows: dict[str, int]
    bad: int


class Sender(threading.Thread):
    """Delivers one small file after another until told to stop, and keeps what it was told."""

    def __init__(self, city: RunningCity, name: str, folder: Path, seed: int, withdraws: bool = True) -> None:
        super().__init__(name=name, daemon=True)
        self.city = city
        self.folder = folder
        self.withdraws = withdraws
        self.chance = random.Random(seed)  # noqa: S311 - a test's dice
        self.sent: dict[str, Said] = {}
        self.receipts: dict[str, dict[str, Any]] = {}
        self.withdrawn: set[str] = set()
        self.longest = 0.0
        """The most seconds that one delivery took from its first try to its receipt."""
        self.ended = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with closing(self.city.door()) as door:
                while not self.ended.is_set():
                    self.deliver(door)
                    if self.withdraws and self.chance.random() < 0.1:
                        self.withdraw(door)
        except BaseException as failure:  # noqa: BLE001 - `let_end` raises it
            self.failure = failure

    def deliver(self, door: client.Exchange) -> None:
        number = len(self.sent)
        id = f"{self.name}-{number}"
        mode = self.chance.choice(["upsert", "upsert", "upsert", "replace", "delete"])
        keys = self.chance.sample(KEYS, self.chance.randint(1, 12))
        bad = self.chance.choice([0, 0, 1]) if mode == "upsert" else 0
        lines = [f"{key},{number},{id}\n" for key in keys] + [f"bad{each},minus,{id}\n" for each in range(bad)]
        path = self.folder / f"{id}.csv"
        path.write_text("item,amount,note\n" + "".join(lines))
        self.sent[id] = Said(mode, dict.fromkeys(keys, number), bad)
        started = time.monotonic()
        self.receipts[id] = door.deliver("stock", id, client.File(path), mode=mode, rows=len(lines))
        self.longest = max(self.longest, time.monotonic() - started)

    def withdraw(self, door: client.Exchange) -> None:
        """Take one back, and insist until it is said to be."""
        id = self.chance.choice(sorted(set(self.receipts) - self.withdrawn) or [""])
        end = time.monotonic() + 120
        while id and time.monotonic() < end:
            try:
                answer = door.withdraw("stock", id, "a test")
                assert answer["state"] == "withdrawn"
                self.withdrawn.add(id)
                return
            except httpx.TransportError:
                pass
            except client.Refused as refused:
                if refused.status not in client.PASSING:
                    raise
            time.sleep(0.3)


def at_work(city: RunningCity, folder: Path, many: int = 3, withdraws: bool = True) -> list[Sender]:
    """Several senders that have begun."""
    assert city.token
    senders = [Sender(city, f"s{number}", folder, number, withdraws) for number in range(many)]
    for sender in senders:
        sender.start()
    return senders


def let_end(city: RunningCity, senders: list[Sender], patience: float = 180.0) -> None:
    """Let each sender get its last receipt."""
    for sender in senders:
        sender.ended.set()
    end = time.monotonic() + patience
    for sender in senders:
        sender.join(max(0.0, end - time.monotonic()))
        assert not sender.is_alive(), f"{sender.name} waits for {list(sender.sent)[-1]}\n{city.tail()}"
    for sender in senders:
        if sender.failure is not None:
            raise AssertionError(f"{sender.name}: {sender.failure!r}\n{city.tail()}") from sender.failure


def check_records(city: RunningCity, senders: list[Sender], folder: Path) -> int:
    """Receipts, state, change rows and ledger tell one story; how many deliveries it has."""
    receipts = {id: receipt for sender in senders for id, receipt in sender.receipts.items()}
    sent = {id: said for sender in senders for id, said in sender.sent.items()}
    withdrawn = {id for sender in senders for id in sender.withdrawn}
    assert set(receipts) == set(sent)
    for id, receipt in receipts.items():
        counts, said = receipt["counts"], sent[id]
        assert receipt["state"] == "accepted"
        assert counts["rows_in"] == len(said.rows) + said.bad
        assert counts["rows_in"] == counts["accepted"] + counts["quarantined"] + counts["duplicates"]
        assert counts["quarantined"] == said.bad
    state = expected(sent, receipts, withdrawn)
    with closing(city.door()) as door:
        rows = _lines(door, "records", folder / "records")
        feed = _lines(door, "changes", folder / "changes", limit=1_000_000)
        ledger = {row["delivery"]: row for row in _pages(door)}
    assert len({row["item"] for row in rows}) == len(rows)
    assert {row["item"]: (row["amount"], row["note"]) for row in rows} == state
    assert replayed(feed) == state
    assert {id: row["statement"] for id, row in ledger.items()} == {
        id: row["statement"] for id, row in receipts.items()
    }
    assert {id: row["state"] for id, row in ledger.items()} == {
        id: "withdrawn" if id in withdrawn else "accepted" for id in receipts
    }
    return len(receipts)


def expected(sent: dict[str, Said], receipts: dict[str, dict[str, Any]], withdrawn: set[str]) -> State:
    """The deliveries that still stand, applied in the order of their sequence numbers."""
    ranges = sorted((receipt["first_sequence"], receipt["last_sequence"], id) for id, receipt in receipts.items())
    assert all(before[1] < after[0] for before, after in itertools.pairwise(ranges))
    state: State = {}
    for _, _, id in ranges:
        said = sent[id]
        if id in withdrawn:
            continue
        if said.mode == "delete":
            state = {key: value for key, value in state.items() if key not in said.rows}
        elif said.mode == "replace":
            state = {key: (value, id) for key, value in said.rows.items()}
        else:
            state |= {key: (value, id) for key, value in said.rows.items()}
    return state


def replayed(feed: list[dict[str, Any]]) -> State:
    """The change rows one by one; each must fit the state that it meets, and no number comes twice."""
    state: State = {}
    assert [row["_sequence"] for row in feed] == sorted({row["_sequence"] for row in feed})
    for row in feed:
        assert (row["item"] in state) == (row["_op"] != "insert"), row
        if row["_op"] == "delete":
            del state[row["item"]]
        else:
            state[row["item"]] = (row["amount"], row["note"])
    return state


def check_audit(city: RunningCity, senders: list[Sender], folder: Path) -> None:
    """The log verifies offline, and holds every decision once. Call it when the city has stopped."""
    with app.running_parts(city.settings) as parts:
        now = parts.clock.now()
        audit.seal(parts.db, parts.signer, parts.settings.audit_files, now)
        audit.export(parts.db, parts.settings.audit_files, folder / "audit", now)
    report = verify.verify(folder / "audit")
    assert report.findings == ()
    assert report.ok
    entries = (folder / "audit/entries.ndjson").read_bytes().splitlines()
    told = [(entry["action"], entry["subject"]) for entry in map(msgspec.json.decode, entries)]
    decided = sorted(subject for action, subject in told if action == "exchange.delivery_accepted")
    taken_back = sorted(subject for action, subject in told if action == "exchange.delivery_withdrawn")
    assert decided == sorted(f"delivery:stock/{id}" for sender in senders for id in sender.receipts)
    assert taken_back == sorted(f"delivery:stock/{id}" for sender in senders for id in sender.withdrawn)


def _lines(door: client.Exchange, what: str, into: Path, **query: Any) -> list[dict[str, Any]]:
    door.download(f"/api/exchange/datasets/stock/{what}", into, **query)
    return [msgspec.json.decode(line) for line in into.read_bytes().splitlines()]


def _pages(door: client.Exchange) -> Iterator[dict[str, Any]]:
    after = ""
    while found := door.get("/api/exchange/datasets/stock/deliveries", after=after, limit=500):
        yield from found
        after = found[-1]["delivery"]
