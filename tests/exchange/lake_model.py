"""A dataset of the lake beside a model of it in plain Python, and the moves that both make."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import psycopg
import pyarrow.parquet as pq

from cityloom.exchange.contracts import Mode
from cityloom.exchange.store import records, retention, shape, withdrawal
from cityloom.kernel.lake import Lake

SHAPE = shape.Shape("model", (("k", "VARCHAR"), ("a", "INTEGER"), ("b", "VARCHAR")), ("k",))
START = datetime(2026, 1, 1, tzinfo=UTC)
KEYS = [f"k{number:02}" for number in range(24)]
"""As many as make both: rows that the lake keeps in PostgreSQL (ten and fewer at once), and rows in files."""

SECRET = "known of the first key only"

Row = tuple[str, int | None, str | None]
State = dict[str, Row]


class Operation(msgspec.Struct):
    """Something that happened, as the model keeps it."""

    name: str
    mode: Mode
    rows: list[Row]
    faulty: list[str]
    """Keys that a replacement mentions in rows that were not accepted."""
    first: int
    last: int
    at: datetime
    delivery: bool = True
    """Whether it was a delivery, which may be withdrawn."""


class Model:
    """The state of a dataset as the sum of what still stands, on top of what can no longer be withdrawn."""

    def __init__(self) -> None:
        self.base: State = {}
        self.operations: list[Operation] = []
        self.withdrawn: set[str] = set()
        self.floor = 0
        self.last = 0
        self.now = START
        self.actual: dict[int, State] = {0: {}}
        """What the state was at each sequence number at which something ended."""

    def state(self) -> State:
        """What should be the current state."""
        state = dict(self.base)
        for operation in self.operations:
            if operation.name not in self.withdrawn:
                state = apply(state, operation)
        return state

    def add(self, operation: Operation) -> None:
        """It happened."""
        self.operations.append(operation)
        self.reached(operation.last)

    def reached(self, last: int) -> None:
        """The dataset's last number is now this one."""
        self.last = last
        self.actual[last] = self.state()

    def forget(self, floor: int) -> None:
        """What happened up to the floor can no longer be taken back."""
        old = [each for each in self.operations if each.first <= floor]
        for operation in old:
            if operation.name not in self.withdrawn:
                self.base = apply(self.base, operation)
        self.operations = [each for each in self.operations if each.first > floor]
        self.floor = floor

    def erase(self, keys: set[str], last: int) -> None:
        """As if these keys had never been there."""
        self.base = without(self.base, keys)
        self.actual = {at: without(state, keys) for at, state in self.actual.items()}
        for operation in self.operations:
            operation.rows = [row for row in operation.rows if row[0] not in keys]
            operation.faulty = [key for key in operation.faulty if key not in keys]
        self.reached(last)

    def standing(self) -> list[Operation]:
        """Deliveries that may be withdrawn."""
        return [each for each in self.operations if each.delivery and each.name not in self.withdrawn]

    def stated(self) -> dict[str, datetime]:
        """When each record was last stated by a standing delivery; only those stated since the floor."""
        found: dict[str, datetime] = {}
        for operation in self.operations:
            if operation.name not in self.withdrawn and operation.delivery and operation.mode != Mode.delete:
                found.update(dict.fromkeys([*(row[0] for row in operation.rows), *operation.faulty], operation.at))
        return found

    def replacements(self, upto: int | None = None) -> list[withdrawal.Replacement]:
        """The standing ones whose change rows are kept."""
        return [
            withdrawal.Replacement(each.name, each.first)
            for each in self.standing()
            if each.mode == Mode.replace and (upto is None or each.first <= upto)
        ]


def apply(state: State, operation: Operation) -> State:
    """The state after an operation."""
    given = {row[0]: row for row in operation.rows}
    if operation.mode == Mode.replace:
        return {key: state[key] for key in operation.faulty if key in state} | given
    if operation.mode == Mode.delete:
        return without(state, set(given))
    return state | given


def without(state: State, keys: set[str]) -> State:
    """The state less these keys."""
    return {key: row for key, row in state.items() if key not in keys}


def make_tables(lake: Lake) -> None:
    """Empty tables for the model's dataset."""
    with lake.session() as cursor:
        shape.create_tables(cursor, [SHAPE])
        shape.keep_in_files(cursor, [SHAPE])


def load_checked(cursor: duckdb.DuckDBPyConnection, rows: list[Row], faulty: list[str] | None = None) -> None:
    """The table that the quality gate would make of a file."""
    cursor.execute("DROP TABLE IF EXISTS checked")
    cursor.execute(
        "CREATE TEMP TABLE checked (_row BIGINT, _good BOOLEAN, _repeat BOOLEAN, k VARCHAR, a INTEGER, b VARCHAR)"
    )
    for number, row in enumerate(rows, 1):
        cursor.execute("INSERT INTO checked VALUES (?, true, false, ?, ?, ?)", [number, *row])
    for number, key in enumerate(faulty or [], len(rows) + 1):
        cursor.execute("INSERT INTO checked VALUES (?, false, false, ?, NULL, 'faulty')", [number, key])


def random_rows(chance: random.Random) -> tuple[Mode, list[Row], list[str]]:
    """Some delivery: mode, rows, keys of faulty rows."""
    mode = chance.choice([Mode.upsert, Mode.upsert, Mode.replace, Mode.delete])
    keys = chance.sample(KEYS, chance.randint(0, chance.choice([3, 8, 24])))
    faulty = [keys.pop() for _ in range(chance.randint(0, 3)) if keys and mode == Mode.replace]
    texts = {KEYS[0]: SECRET}
    return (
        mode,
        [(key, chance.choice([1, 2, None]), chance.choice([texts.get(key, "x"), None])) for key in keys],
        faulty,
    )


def deliver(lake: Lake, model: Model, mode: Mode, rows: list[Row], faulty: list[str]) -> None:
    """A delivery as the exchange writes it: number, time and name follow from where the model stands."""
    base, name = model.last, f"d{model.last + 1}"
    with lake.session() as cursor:
        load_checked(cursor, rows, faulty)
        delta = records.compare(cursor, SHAPE, mode, base == 0)
        with lake.commit(cursor, name, {}):
            records.write(cursor, SHAPE, mode, delta, records.Stamp(name, model.now, base))
        counts = delta.counts
        assert counts.rows_in == counts.accepted + counts.quarantined + counts.duplicates
    model.add(Operation(name, mode, rows, faulty, base + 1, base + delta.numbers, model.now))


def withdraw(lake: Lake, model: Model, name: str) -> None:
    """Take a delivery back."""
    model.withdrawn.add(name)
    with lake.session() as cursor:
        rows = withdrawal.plan(cursor, SHAPE, name, sorted(model.withdrawn), model.replacements())
        with lake.commit(cursor, f"withdraw {name}", {}):
            withdrawal.write(cursor, SHAPE, records.Stamp(name, model.now, model.last))
    model.reached(model.last + max(rows, 1))


def retire(lake: Lake, model: Model, age: timedelta) -> int:
    """Delete the records that were not stated for this long."""
    before = model.now - age
    with lake.session() as cursor:
        count = retention.plan_records(cursor, SHAPE, before, sorted(model.withdrawn))
        doomed = [row[0] for row in cursor.execute("SELECT k FROM doomed").fetchall()]
        if count:
            with lake.commit(cursor, "retire", {}):
                retention.write_records(cursor, SHAPE, records.Stamp("", model.now, model.last, cause="retention"))
    state, stated = model.state(), model.stated()
    late = {key for key in state if key in stated and stated[key] >= before}
    assert set(doomed).isdisjoint(late)
    assert set(doomed) <= set(state)
    if count:
        gone: list[Row] = [(key, None, None) for key in doomed]
        model.add(Operation("", Mode.delete, gone, [], model.last + 1, model.last + count, model.now, delivery=False))
    return count


def forget(lake: Lake, model: Model, age: timedelta) -> int:
    """Delete the change rows that are older than this."""
    before = model.now - age
    with lake.session() as cursor:
        kept = retention.oldest_kept(cursor, SHAPE, model.floor, before)
        floor = model.last if kept is None else kept.sequence - 1
        if kept is not None and kept.by_delivery:
            floor = next(each.first for each in model.operations if each.name == kept.delivery) - 1
        count = retention.plan_changes(cursor, SHAPE, floor, before, sorted(model.withdrawn), model.replacements(floor))
        if not count:
            return 0
        with lake.commit(cursor, "forget", {}):
            retention.write_changes(cursor, SHAPE, floor, before)
    model.forget(floor)
    return count


def erase(lake: Lake, model: Model, keys: list[str]) -> int:
    """Erase everything held under these keys."""
    with lake.session() as cursor:
        count = retention.plan_erasure(cursor, SHAPE, [retention.Asked((key,), ((key,),)) for key in keys])
        if not count:
            return 0
        told = retention.announced(cursor)
        with lake.commit(cursor, "erase", {}):
            retention.write_erasure(cursor, SHAPE, records.Stamp("", model.now, model.last, cause="erasure"))
    model.erase(set(keys), model.last + told)
    return count


def current(lake: Lake) -> State:
    """The current state in the lake."""
    with lake.session() as cursor:
        return {row[0]: row for row in cursor.execute(f"SELECT k, a, b FROM {SHAPE.current}").fetchall()}


def replayed(lake: Lake, model: Model) -> State:
    """The change rows above the floor applied one by one to the state at the floor; each must fit the state it meets."""
    state = dict(model.actual[max(at for at in model.actual if at <= model.floor)])
    with lake.session() as cursor:
        rows = cursor.execute(
            f"SELECT _sequence, _op, _cause, k, a, b, _before FROM {SHAPE.changes} WHERE _sequence > {model.floor}"
            " ORDER BY _sequence"
        ).fetchall()
    assert len({row[0] for row in rows}) == len(rows)
    for _, operation, cause, key, a, b, before in rows:
        if cause == "erasure":
            assert (operation, a, b, before) == ("delete", None, None, None)
            state.pop(key, None)
            continue
        assert (key in state) == (operation != "insert")
        if operation != "insert":
            assert state[key] == (before["k"], before["a"], before["b"])
        if operation == "delete":
            del state[key]
        else:
            state[key] = (key, a, b)
    return state


def assert_bounds(lake: Lake) -> None:
    """What DuckDB may answer, prune or pack by the catalogue's bounds alone is what the rows themselves say."""
    with lake.session() as cursor:
        for table in (SHAPE.current, SHAPE.changes, SHAPE.confirmed):
            rows = cursor.execute(f"SELECT _sequence, k FROM {table}").fetchall()
            numbers = sorted(row[0] for row in rows if row[0] is not None)
            keys = sorted(row[1] for row in rows)
            ends = [(values or [None])[end] for values in (numbers, keys) for end in (0, -1)]
            said = cursor.execute(
                f"SELECT count(*), min(_sequence), max(_sequence), min(k), max(k) FROM {table}"
            ).fetchall()
            assert said == [(len(rows), *ends)]
            if table != SHAPE.confirmed:
                values = [row[0] for row in cursor.execute(f"SELECT a FROM {table}").fetchall()]
                for value in (1, 2):
                    found = cursor.execute(f"SELECT count(*) FROM {table} WHERE a = ?", [value]).fetchall()
                    assert found == [(values.count(value),)]


def traces(url: str, files: Path, *marks: str) -> set[str]:
    """Tables of the catalogue and files of the lake in which a mark is to be found, as text or as hexadecimal bytes."""
    found = set()
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'lake'").fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f'SELECT t::text FROM lake."{table}" t'.encode()).fetchall():
                if any(mark in row or mark.encode().hex() in row for mark in marks):
                    found.add(table)
    for path in files.rglob("*"):
        if path.is_file():
            said = path.read_bytes()
            rows = str(pq.read_table(path).to_pylist()) if said.startswith(b"PAR1") else ""
            if any(mark in rows or mark.encode() in said for mark in marks):
                found.add(path.name)
    return found
