"""The lake's tables against a model in plain Python: deliveries of every mode, withdrawals, replay of the change rows."""

import random

import pytest

from cityloom.exchange.contracts import Mode
from cityloom.exchange.store import records
from cityloom.kernel.context import Parts
from cityloom.kernel.lake import Lake
from exchange import lake_model
from exchange.lake_model import SHAPE, START, Model


@pytest.fixture
def lake(parts: Parts) -> Lake:
    """A lake of the test's own, with empty tables."""
    lake_model.make_tables(parts.lake)
    return parts.lake


@pytest.mark.parametrize("seed", range(6))
def test_state_and_replay_agree_with_the_model(lake: Lake, seed: int) -> None:
    chance, model = random.Random(seed), Model()  # noqa: S311 - a test's dice
    for turn in range(25):
        standing = model.standing()
        if standing and chance.random() < 0.25:
            lake_model.withdraw(lake, model, chance.choice(standing).name)
        else:
            lake_model.deliver(lake, model, *lake_model.random_rows(chance))
        assert lake_model.current(lake) == model.state(), f"turn {turn}"
        assert lake_model.replayed(lake, model) == model.state(), f"turn {turn}"


def test_a_key_that_two_deliveries_state_goes_when_both_are_withdrawn(lake: Lake) -> None:
    model = Model()
    lake_model.deliver(lake, model, Mode.upsert, [("k", 1, "x")], [])
    lake_model.deliver(lake, model, Mode.upsert, [("k", 1, "x")], [])
    lake_model.withdraw(lake, model, "d1")
    assert lake_model.current(lake) == {"k": ("k", 1, "x")}
    lake_model.withdraw(lake, model, "d2")
    assert lake_model.current(lake) == {}


def test_what_a_replacement_left_out_stays_out_when_deliveries_around_it_are_withdrawn(lake: Lake) -> None:
    model = Model()
    lake_model.deliver(lake, model, Mode.upsert, [("k", 1, "x")], [])
    lake_model.deliver(lake, model, Mode.delete, [("k", None, None)], [])
    lake_model.deliver(lake, model, Mode.replace, [("other", 1, "x")], [])
    lake_model.deliver(lake, model, Mode.upsert, [("k", 2, "x")], [])
    lake_model.withdraw(lake, model, "d2")
    lake_model.withdraw(lake, model, "d4")
    assert lake_model.current(lake) == {"other": ("other", 1, "x")}
    lake_model.withdraw(lake, model, "d3")
    assert lake_model.current(lake) == {"k": ("k", 1, "x")}


def test_a_replacement_says_nothing_of_a_key_whose_row_it_had_wrong(lake: Lake) -> None:
    model = Model()
    lake_model.deliver(lake, model, Mode.upsert, [("k", 1, "x")], [])
    lake_model.deliver(lake, model, Mode.replace, [("other", 1, "x")], ["k"])
    assert lake_model.current(lake) == {"k": ("k", 1, "x"), "other": ("other", 1, "x")}
    lake_model.deliver(lake, model, Mode.upsert, [("k", 3, "x")], [])
    lake_model.withdraw(lake, model, "d4")
    assert lake_model.current(lake) == {"k": ("k", 1, "x"), "other": ("other", 1, "x")}


def test_append_quarantines_other_content_of_a_known_key(lake: Lake) -> None:
    model = Model()
    lake_model.deliver(lake, model, Mode.append, [("k", 1, "x"), ("l", 1, "x")], [])
    with lake.session() as cursor:
        lake_model.load_checked(cursor, [("k", 2, "x"), ("l", 1, "x"), ("m", 1, "x")])
        delta = records.compare(cursor, SHAPE, Mode.append, False)
        counts = delta.counts
        assert (counts.rows_in, counts.accepted, counts.quarantined, counts.duplicates) == (3, 1, 1, 1)
        with lake.commit(cursor, "second", {}):
            records.write(cursor, SHAPE, Mode.append, delta, records.Stamp("second", START, model.last))
    assert lake_model.current(lake) == {"k": ("k", 1, "x"), "l": ("l", 1, "x"), "m": ("m", 1, "x")}
