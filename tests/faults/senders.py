"""Departments' programs that deliver without a pause, and what must be true of everything they were told."""

import itertools
import random
import shutil
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
LONG = "x" * 550_000

State = dict[str, tuple[int, str]]


class Said(msgspec.Struct, frozen=True):
    """What one delivery said."""

    mode: str
    rows: dict[str, tuple[int, str]]
    bad: int


class Sender(threading.Thread):
    """Delivers one file after another until told to stop, and keeps what it was told.

    Some files are larger than a MiB, which the job worker decides; some have so few rows that the lake keeps them in its
    catalogue, others go into Parquet files; some rows are wrong; and now and then a delivery is taken back.
    """

    def __init__(self, city: RunningCity, dataset: str, name: str, folder: Path, seed: int) -> None:
        super().__init__(name=name, daemon=True)
        self.city = city
        self.dataset = dataset
        self.folder = folder
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
                    if self.chance.random() < 0.1:
                        self.withdraw(door)
        except BaseException as failure:  # noqa: BLE001 - `let_end` raises it
            self.failure = failure

    def deliver(self, door: client.Exchange) -> None:
        """One file until its receipt."""
        id = f"{self.name}-{len(self.sent)}"
        said = self.make_up(id)
        lines = [f"{key},{amount},{note}\n" for key, (amount, note) in said.rows.items()]
        lines += [f"bad{number},minus,{id}\n" for number in range(said.bad)]
        path = self.folder / f"{id}.csv"
        path.write_text("item,amount,note\n" + "".join(lines))
        self.sent[id] = said
        started = time.monotonic()
        self.receipts[id] = door.deliver(self.dataset, id, client.File(path), mode=said.mode, rows=len(lines))
        self.longest = max(self.longest, time.monotonic() - started)
        path.unlink()

    def make_up(self, id: str) -> Said:
        """What it says this time."""
        number = len(self.sent)
        mode = self.chance.choice(["upsert", "upsert", "upsert", "replace", "delete"])
        keys = self.chance.sample(KEYS, self.chance.randint(1, 30))
        rows = dict.fromkeys(keys, (number, id))
        if self.chance.random() < 0.25:
            rows |= {f"long{half}": (number, f"{id} {LONG}") for half in range(2)}
        return Said(mode, rows, self.chance.choice([0, 0, 2]) if mode == "upsert" else 0)

    def withdraw(self, door: client.Exchange) -> None:
        """Take one back, and insist until it is said to be."""
        id = self.chance.choice(sorted(set(self.receipts) - self.withdrawn) or [""])
        end = time.monotonic() + 120
        while id:
            try:
                answer = door.withdraw(self.dataset, id, "a test")
                assert answer["state"] == "withdrawn"
                self.withdrawn.add(id)
                return
            except (httpx.TransportError, client.Refused) as error:
                if (isinstance(error, client.Refused) and error.status not in client.PASSING) or time.monotonic() > end:
                    raise
            time.sleep(0.3)


class Senders:
    """Several of them at one dataset that nobody else uses."""

    def __init__(self, city: RunningCity, folder: Path, many: int = 3) -> None:
        assert city.token
        self.city = city
        self.folder = folder
        self.dataset = city.dataset()
        self.all = [Sender(city, self.dataset, f"s{number}", folder, number) for number in range(many)]
        city.at_work.append(self.stop)
        for sender in self.all:
            sender.start()

    @property
    def receipts(self) -> dict[str, dict[str, Any]]:
        """All receipts so far, by delivery."""
        return {id: receipt for sender in self.all for id, receipt in list(sender.receipts.items())}

    @property
    def withdrawn(self) -> set[str]:
        """All deliveries that were taken back."""
        return {id for sender in self.all for id in sender.withdrawn}

    @property
    def longest(self) -> float:
        """The most seconds that any receipt took."""
        return max(sender.longest for sender in self.all)

    def progress(self, more: int, patience: float = 120.0) -> None:
        """Let them get some more receipts."""
        end, before = time.monotonic() + patience, len(self.receipts)
        while len(self.receipts) < before + more:
            self._raise_failures()
            assert time.monotonic() < end, f"no progress for {patience} s\n{self.city.tail()}"
            time.sleep(0.1)

    def stop(self, patience: float = 60.0) -> None:
        """Have them end after the delivery at hand, whatever comes of it."""
        for sender in self.all:
            sender.ended.set()
        for sender in self.all:
            sender.join(patience)

    def let_end(self, patience: float = 180.0) -> None:
        """Let each get its last receipt."""
        end = time.monotonic() + patience
        for sender in self.all:
            sender.ended.set()
        for sender in self.all:
            sender.join(max(0.0, end - time.monotonic()))
            assert not sender.is_alive(), f"{sender.name} waits for {list(sender.sent)[-1]}\n{self.city.tail()}"
        self._raise_failures()

    def _raise_failures(self) -> None:
        for sender in self.all:
            if sender.failure is not None:
                raise AssertionError(f"{sender.name}: {sender.failure!r}\n{self.city.tail()}") from sender.failure

    def check(self) -> int:
        """Receipts, state, change rows, ledger and audit log tell one story; how many deliveries it has."""
        receipts, withdrawn = self.receipts, self.withdrawn
        sent = {id: said for sender in self.all for id, said in sender.sent.items()}
        assert set(receipts) == set(sent)
        for id, receipt in receipts.items():
            check_counts(receipt, sent[id])
        state = expected(sent, receipts, withdrawn)
        with closing(self.city.door()) as door:
            rows = self._lines(door, "records")
            feed = self._lines(door, "changes", limit=1_000_000)
            ledger = {row["delivery"]: row for row in self._pages(door)}
        assert len({row["item"] for row in rows}) == len(rows)
        assert {row["item"]: (row["amount"], row["note"]) for row in rows} == state
        assert replayed(feed) == state
        statements = {id: receipt["statement"] for id, receipt in receipts.items()}
        assert {id: row["statement"] for id, row in ledger.items()} == statements
        states = {id: "withdrawn" if id in withdrawn else "accepted" for id in receipts}
        assert {id: row["state"] for id, row in ledger.items()} == states
        self.check_audit()
        return len(receipts)

    def check_audit(self) -> None:
        """The log verifies offline, and holds every decision once."""
        into = self.folder / "audit"
        with app.running_parts(self.city.settings) as parts:
            now = parts.clock.now()
            audit.seal(parts.db, parts.signer, parts.settings.audit_files, now)
            audit.export(parts.db, parts.settings.audit_files, into, now)
        report = verify.verify(into)
        assert report.findings == ()
        assert report.ok
        entries = map(msgspec.json.decode, (into / "entries.ndjson").read_bytes().splitlines())
        prefix = f"delivery:{self.dataset}/"
        told = [(entry["action"], entry["subject"]) for entry in entries if entry["subject"].startswith(prefix)]
        decided = sorted(subject for action, subject in told if action == "exchange.delivery_accepted")
        taken_back = sorted(subject for action, subject in told if action == "exchange.delivery_withdrawn")
        assert decided == sorted(prefix + id for id in self.receipts)
        assert taken_back == sorted(prefix + id for id in self.withdrawn)
        shutil.rmtree(into)

    def _lines(self, door: client.Exchange, what: str, **query: Any) -> list[dict[str, Any]]:
        into = self.folder / what
        door.download(f"/api/exchange/datasets/{self.dataset}/{what}", into, **query)
        return [msgspec.json.decode(line) for line in into.read_bytes().splitlines()]

    def _pages(self, door: client.Exchange) -> Iterator[dict[str, Any]]:
        after = ""
        while found := door.get(f"/api/exchange/datasets/{self.dataset}/deliveries", after=after, limit=500):
            yield from found
            after = found[-1]["delivery"]


def check_counts(receipt: dict[str, Any], said: Said) -> None:
    """Each row is accounted for once."""
    counts = receipt["counts"]
    assert receipt["state"] == "accepted"
    assert counts["rows_in"] == len(said.rows) + said.bad
    assert counts["rows_in"] == counts["accepted"] + counts["quarantined"] + counts["duplicates"]
    assert counts["quarantined"] == said.bad


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
            state = dict(said.rows)
        else:
            state |= said.rows
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
