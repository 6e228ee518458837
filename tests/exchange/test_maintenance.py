"""The lake under maintenance: whatever is flushed, merged, rewritten, expired, retired and erased, nothing else changes."""

import random
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from cityloom.exchange.contracts import Mode
from cityloom.exchange.store import upkeep
from cityloom.kernel.context import Parts
from cityloom.kernel.lake import Lake
from exchange import lake_model
from exchange.lake_model import SHAPE, Model
from scratch import Scratch

NOW = timedelta(0)


@pytest.fixture
def lake(parts: Parts) -> Lake:
    """A lake of the test's own, with empty tables."""
    lake_model.make_tables(parts.lake)
    return parts.lake


def tidy(lake: Lake, chance: random.Random) -> None:
    """One kind of maintenance, or several."""
    with lake.session() as cursor:
        table, share = chance.choice(upkeep.names(SHAPE)), chance.choice([0.0, 0.3])

        def committed(*steps: Callable[[], object]) -> None:
            for step in steps:
                with lake.commit(cursor, "tidy", {}):
                    step()

        def everything() -> None:
            for each in upkeep.names(SHAPE):
                if each in upkeep.untidy(cursor, share):
                    in_order(each)

        def in_order(each: str) -> None:
            committed(
                lambda: upkeep.flush(cursor, each),
                lambda: upkeep.rewrite(cursor, each, share),
                lambda: upkeep.merge(cursor, each),
            )

        work: list[Callable[[], object]] = [
            lambda: committed(lambda: upkeep.flush(cursor, table)),
            lambda: committed(lambda: upkeep.merge(cursor, table)),
            lambda: in_order(table),
            everything,
            lambda: upkeep.forget_bounds(cursor, SHAPE),
            lambda: committed(lambda: upkeep.mark(cursor)),
            lambda: upkeep.expire(cursor, NOW),
            lambda: upkeep.remove_files(cursor, NOW),
            lambda: upkeep.remove_orphans(cursor, NOW),
            lambda: upkeep.vacuum(cursor, SHAPE),
        ]
        for step in chance.sample(work, chance.randint(1, 3)):
            step()


def move(lake: Lake, model: Model, chance: random.Random) -> None:
    """Something that may happen to a dataset."""
    model.now += timedelta(days=1)
    dice, standing = chance.random(), model.standing()
    if dice < 0.40:
        lake_model.deliver(lake, model, *lake_model.random_rows(chance))
    elif dice < 0.60 and standing:
        lake_model.withdraw(lake, model, chance.choice(standing).name)
    elif dice < 0.68:
        lake_model.retire(lake, model, timedelta(days=chance.randint(5, 15)))
    elif dice < 0.78:
        lake_model.forget(lake, model, timedelta(days=chance.randint(2, 12)))
    elif dice < 0.86:
        lake_model.erase(lake, model, chance.sample(lake_model.KEYS, chance.randint(1, 2)))
    else:
        tidy(lake, chance)


def play(lake: Lake, seed: int, turns: int) -> Model:
    """A random life of a dataset; after every move state and replay are the model's."""
    chance, model = random.Random(seed), Model()  # noqa: S311 - a test's dice
    for turn in range(turns):
        move(lake, model, chance)
        assert lake_model.current(lake) == model.state(), f"seed {seed}, turn {turn}"
        assert lake_model.replayed(lake, model) == model.state(), f"seed {seed}, turn {turn}"
        if turn % 3 == 0:
            lake_model.assert_bounds(lake)
    return model


def forget_first_key(lake: Lake, model: Model) -> None:
    """Erase it, and take it out of the files, as api.maintenance does."""
    lake_model.erase(lake, model, lake_model.KEYS[:1])
    with lake.session() as cursor:
        for step in (upkeep.flush, partial(upkeep.rewrite, share=0)):
            for table in upkeep.names(SHAPE):
                with lake.commit(cursor, "rewrite", {}):
                    step(cursor, table)
        upkeep.forget_bounds(cursor, SHAPE)
        with lake.commit(cursor, "mark", {}):
            upkeep.mark(cursor)
        upkeep.expire(cursor, NOW)
        upkeep.remove_files(cursor, NOW)
        upkeep.remove_orphans(cursor, NOW)


@pytest.mark.parametrize("seed", range(3))
def test_no_maintenance_changes_what_is_read_and_erasure_leaves_no_copy(
    lake: Lake, scratch: Scratch, seed: int
) -> None:
    model = play(lake, seed, 30)
    lake_model.deliver(lake, model, Mode.upsert, [(lake_model.KEYS[0], 1, lake_model.SECRET)], [])
    assert lake_model.traces(scratch.lake_url, Path(scratch.settings.lake_files), lake_model.SECRET)
    forget_first_key(lake, model)
    assert lake_model.traces(scratch.lake_url, Path(scratch.settings.lake_files), lake_model.SECRET) == set()
    assert lake_model.current(lake) == lake_model.replayed(lake, model) == model.state()


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 120))
def test_no_maintenance_changes_what_is_read_for_long(lake: Lake, seed: int) -> None:
    play(lake, seed, 150)
