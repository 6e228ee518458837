"""The lake's tables against a model in plain Python: deliveries of every mode, withdrawals, replay of the change rows."""

import random
from datetime import UTC, datetime, timedelta

import duckdb
import pytest

from cityloom.exchange.contracts import Mode
from cityloom.exchange.store import records, shape, withdrawal
from cityloom.kernel.lake import Lake

SHAPE = shape.Shape("model", (("k", "VARCHAR"), ("a", "INTEGER"), ("b", "VARCHAR")), ("k",))
START = datetime(2026, 1, 1, tzinfo=UTC)

Row = tuple[str, int | None, str | None]


class Model:
    """The state of a dataset as the sum of the deliveries that still stand."""

    def __init__(self) -> None:
        self.deliveries: dict[str, tuple[Mode, list[Row]]] = {}
        self.withdrawn: set[str] = set()

    def state(self) -> dict[str, Row]:
        state: dict[str, Row] = {}
        for name, (mode, rows) in self.deliveries.items():
            if name in self.withdrawn:
                continue
            if mode == Mode.replace:
                state = {row[0]: row for row in rows}
            elif mode == Mode.delete:
                for row in rows:
                    state.pop(row[0], None)
            else:
                state.update({row[0]: row for row in rows})
        return state


def load_checked(cursor: duckdb.DuckDBPyConnection, rows: list[Row]) -> None:
    cursor.execute("DROP TABLE IF EXISTS checked")
    cursor.execute(
        "CREATE TEMP TABLE checked (_row BIGINT, _good BOOLEAN, _repeat BOOLEAN, k VARCHAR, a INTEGER, b VARCHAR)"
    )
    for number, row in enumerate(rows, 1):
        cursor.execute("INSERT INTO checked VALUES (?, true, false, ?, ?, ?)", [number, *row])


def deliver(lake: Lake, name: str, mode: Mode, rows: list[Row], base: int) -> int:
    with lake.session() as cursor:
        load_checked(cursor, rows)
        delta = records.compare(cursor, SHAPE, mode, base == 0)
        stamp = records.Stamp(name, START + timedelta(minutes=base), base)
        with lake.commit(cursor, name, {}):
            records.write(cursor, SHAPE, mode, delta, stamp)
        counts = delta.counts
        assert counts.rows_in == counts.accepted + counts.quarantined + counts.duplicates
        return base + delta.numbers


def withdraw(lake: Lake, model: Model, name: str, positions: dict[str, int], base: int) -> int:
    model.withdrawn.add(name)
    later = [
        withdrawal.Replacement(other, position)
        for other, position in positions.items()
        if position > positions[name] and other not in model.withdrawn and model.deliveries[other][0] == Mode.replace
    ]
    with lake.session() as cursor:
        rows = withdrawal.plan(cursor, SHAPE, name, sorted(model.withdrawn), later)
        with lake.commit(cursor, f"withdraw {name}", {}):
            withdrawal.write(cursor, SHAPE, records.Stamp(name, START, base))
    return base + rows


def current(lake: Lake) -> dict[str, Row]:
    with lake.session() as cursor:
        return {row[0]: row for row in cursor.execute(f"SELECT k, a, b FROM {SHAPE.current}").fetchall()}


def replayed(lake: Lake) -> dict[str, Row]:
    """The change rows applied one by one; each must fit the state it meets."""
    state: dict[str, Row] = {}
    with lake.session() as cursor:
        rows = cursor.execute(
            f"SELECT _sequence, _op, k, a, b, _before FROM {SHAPE.changes} ORDER BY _sequence"
        ).fetchall()
    assert len({row[0] for row in rows}) == len(rows)
    for _, operation, key, a, b, before in rows:
        assert (key in state) == (operation != "insert")
        if operation != "insert":
            assert state[key] == (before["k"], before["a"], before["b"])
        if operation == "delete":
            del state[key]
        else:
            state[key] = (key, a, b)
    return state


@pytest.mark.parametrize("seed", range(8))
def test_state_and_replay_agree_with_the_model(lake: Lake, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a test's dice
    model, positions, base = Model(), {}, 0
    with lake.session() as cursor:
        shape.create_tables(cursor, SHAPE)
    for turn in range(25):
        standing = [name for name in model.deliveries if name not in model.withdrawn]
        if standing and chance.random() < 0.25:
            base = withdraw(lake, model, chance.choice(standing), positions, base)
        else:
            name, mode = f"d{turn}", chance.choice([Mode.upsert, Mode.upsert, Mode.replace, Mode.delete])
            keys = chance.sample("abcdefgh", chance.randint(0, 6))
            rows: list[Row] = [(key, chance.choice([1, 2, None]), chance.choice(["x", None])) for key in keys]
            model.deliveries[name], positions[name] = (mode, rows), base + 1
            base = deliver(lake, name, mode, rows, base)
        assert current(lake) == model.state(), f"turn {turn}"
        assert replayed(lake) == model.state(), f"turn {turn}"


def test_append_quarantines_other_content_of_a_known_key(lake: Lake) -> None:
    with lake.session() as cursor:
        shape.create_tables(cursor, SHAPE)
    base = deliver(lake, "first", Mode.append, [("k", 1, "x"), ("l", 1, "x")], 0)
    with lake.session() as cursor:
        load_checked(cursor, [("k", 2, "x"), ("l", 1, "x"), ("m", 1, "x")])
        delta = records.compare(cursor, SHAPE, Mode.append, False)
        counts = delta.counts
        assert (counts.rows_in, counts.accepted, counts.quarantined, counts.duplicates) == (3, 1, 1, 1)
        with lake.commit(cursor, "second", {}):
            records.write(cursor, SHAPE, Mode.append, delta, records.Stamp("second", START, base))
    assert current(lake) == {"k": ("k", 1, "x"), "l": ("l", 1, "x"), "m": ("m", 1, "x")}
