"""Learning, without labels, how much each agreement says.

Splink trains on the pairs of one blocking rule after the other and leaves out the fields of that rule. Here all pairs that
any rule meets are one sample: the rules together meet nearly every pair of one person, and every pair they do not meet is
taken as two. So one run of expectation–maximisation gives the chances of all fields and the prior at once, it needs no
choice of rules to train on, and is the same at every run. How often strangers agree (u) is counted over all pairs, exactly
for equal values and on random pairs for the rest; the expected pairs of one person are taken out of it, or in a file full of
copies an identity number would seem common.
"""

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from cityloom.kernel.sql import name
from cityloom.registers.linkage import kinds, scoring
from cityloom.registers.linkage.model import Field, Model, Rule, Trained, Weights

RANDOM_PAIRS = 200_000
TRAINING_PAIRS = 400_000
MOST_ROUNDS = 300
CLOSE = 1e-5
"""Training ends when no chance moves by more in a round."""
UNSEEN = 0.5
"""Pairs counted for a level that was never seen."""

Numbers = NDArray[np.float64]


class Seen(msgspec.Struct, frozen=True):
    """What training goes by."""

    patterns: NDArray[np.int64]
    """Patterns × fields: place of the level, best first; -1 unknown."""
    counts: Numbers
    """How many blocked pairs have the pattern."""
    all: list[Numbers]
    """For each field, of all pairs, how many are at each level."""
    pairs: float
    """All pairs that there are."""


def train(
    connection: duckdb.DuckDBPyConnection, model: Model, rules: tuple[Rule, ...], table: str, records: int
) -> Trained:
    """Learn from table `table` with its pairs in table `blocked`."""
    begin = tuple(_begin(field) for field in model.fields)
    pairs = _pairs(connection, model, table)
    everywhere = _everywhere(connection, model, begin, table, records)
    patterns, counts = _patterns(connection, model, begin, table)
    seen = Seen(patterns, counts, everywhere, max(pairs, 1.0))
    return _learn(model, seen, rules, records)


def _begin(field: Field) -> Weights:
    levels = kinds.levels(field.kind, bool(field.partner))
    m = np.array([each.m for each in levels])
    return Weights(field.name, tuple((m / m.sum()).tolist()), tuple([1 / len(levels)] * len(levels)))


def _pairs(connection: duckdb.DuckDBPyConnection, model: Model, table: str) -> float:
    """Pairs of two records; with a source, of two files."""
    return _equal(connection, model, table, "''")


def _equal(connection: duckdb.DuckDBPyConnection, model: Model, table: str, column: str) -> float:
    """Pairs of records that are equal in `column`, as the model pairs them."""
    inside = "- sum(n * (n - 1) / 2)" if model.source else ""
    row = connection.execute(
        f"SELECT coalesce(sum(pairs), 0) FROM (SELECT sum(n) * (sum(n) - 1) / 2 {inside} AS pairs FROM"
        f" (SELECT {column} AS value, source, count(*)::DOUBLE AS n FROM {name(table)}"
        f" WHERE {column} IS NOT NULL GROUP BY ALL) GROUP BY value)"
    ).fetchone()
    return float(row[0]) if row else 0.0


def _everywhere(
    connection: duckdb.DuckDBPyConnection, model: Model, begin: tuple[Weights, ...], table: str, records: int
) -> list[Numbers]:
    """Of all pairs, how many are at each level of each field: equal ones counted, the others from random pairs."""
    _draw(connection, model, table, records)
    scoring.score(connection, scoring.settings(model, 0.001, begin), table, "drawn", "drawn_scores")
    found = []
    for field, weights in zip(model.fields, begin, strict=True):
        size = len(weights.m)
        rows = connection.execute(
            f"SELECT gamma_{field.name}, count(*) FROM drawn_scores WHERE gamma_{field.name} >= 0 GROUP BY 1"
        ).fetchall()
        counts = np.full(size, UNSEEN)
        for gamma, count in rows:
            counts[size - 1 - int(gamma)] += count
        same, both = _equal(connection, model, table, field.name), _given_pairs(connection, model, table, field.name)
        others = counts[1:] / counts[1:].sum() * max(both - same, 1.0)
        found.append(np.concatenate([[max(same, UNSEEN)], others]))
    connection.execute("DROP TABLE drawn")
    connection.execute("DROP TABLE drawn_scores")
    return found


def _given_pairs(connection: duckdb.DuckDBPyConnection, model: Model, table: str, column: str) -> float:
    return _equal(connection, model, table, f"CASE WHEN {column} IS NOT NULL THEN '' END")


def _draw(connection: duckdb.DuckDBPyConnection, model: Model, table: str, records: int) -> None:
    """Table `drawn` of random pairs, the same for the same seed."""
    chance = np.random.default_rng(model.seed)
    left, right = (chance.integers(0, max(records, 1), RANDOM_PAIRS) for _ in range(2))
    connection.register("numbers", {"l": left, "r": right})
    files = "AND l.source <> r.source" if model.source else ""
    connection.execute(
        "CREATE OR REPLACE TABLE drawn AS SELECT DISTINCT least(n.l, n.r) AS join_key_l, greatest(n.l, n.r) AS join_key_r,"
        f" '0' AS match_key FROM numbers n JOIN {name(table)} l ON l.row = n.l JOIN {name(table)} r ON r.row = n.r"
        f" WHERE n.l <> n.r {files}"
    )
    connection.unregister("numbers")


def _patterns(
    connection: duckdb.DuckDBPyConnection, model: Model, begin: tuple[Weights, ...], table: str
) -> tuple[NDArray[np.int64], Numbers]:
    """How often each pattern of agreement is among the blocked pairs, from a sample of them where they are many."""
    row = connection.execute("SELECT count(*) FROM blocked").fetchone()
    blocked = int(row[0]) if row else 0
    every = max(1, blocked // TRAINING_PAIRS)
    connection.execute(
        f"CREATE OR REPLACE TABLE learnt AS SELECT * FROM blocked WHERE hash(join_key_l, join_key_r) % {every} = 0"
    )
    scoring.score(connection, scoring.settings(model, 0.001, begin), table, "learnt", "learnt_scores")
    columns = ", ".join(f"gamma_{field.name}" for field in model.fields)
    rows = connection.execute(f"SELECT {columns}, count(*) FROM learnt_scores GROUP BY ALL ORDER BY ALL").fetchall()
    connection.execute("DROP TABLE learnt")
    connection.execute("DROP TABLE learnt_scores")
    sizes = np.array([len(each.m) for each in begin])
    found = np.array(rows, np.int64).reshape(-1, len(begin) + 1)
    gammas = found[:, :-1]
    return np.where(gammas < 0, -1, sizes - 1 - gammas), found[:, -1].astype(np.float64) * every


def _learn(model: Model, seen: Seen, rules: tuple[Rule, ...], records: int) -> Trained:
    m = [np.array(_begin(field).m) for field in model.fields]
    u = [each / each.sum() for each in seen.all]
    prior, rounds, moved = records / seen.pairs / 4, 0, 1.0
    while rounds < MOST_ROUNDS and moved > CLOSE and len(seen.counts):
        rounds += 1
        one = seen.counts * posterior(seen.patterns, prior, m, u)
        before = np.concatenate([*m, *u])
        prior = max(float(one.sum()), UNSEEN) / seen.pairs
        for place in range(len(m)):
            m[place], u[place] = _again(seen.patterns[:, place], one, seen.all[place], m[place])
        moved = float(np.abs(np.concatenate([*m, *u]) - before).max())
    weights = tuple(
        Weights(field.name, tuple(map(float, m[place])), tuple(map(float, u[place])))
        for place, field in enumerate(model.fields)
    )
    return Trained(
        prior=min(prior, 0.5), weights=weights, rules=rules, rounds=rounds, converged=moved <= CLOSE, records=records
    )


def posterior(patterns: NDArray[np.int64], prior: float, m: list[Numbers], u: list[Numbers]) -> Numbers:
    """Probability that pairs of these patterns are of one."""
    weight = np.full(len(patterns), np.log(prior / (1 - prior)))
    for place in range(patterns.shape[1]):
        ratio = np.append(np.log(np.maximum(m[place], 1e-12) / np.maximum(u[place], 1e-12)), 0.0)
        weight += ratio[patterns[:, place]]
    return np.asarray(1 / (1 + np.exp(-np.clip(weight, -700, 700))), np.float64)


def _again(levels: NDArray[np.int64], one: Numbers, everywhere: Numbers, begin: Numbers) -> tuple[Numbers, Numbers]:
    """m and u of a field, given how likely each blocked pattern is of one."""
    given = levels >= 0
    matched = np.bincount(levels[given], one[given], len(everywhere)).astype(np.float64)
    m = (matched + UNSEEN * begin) / (matched.sum() + UNSEEN)
    strangers = np.maximum(everywhere - matched, np.minimum(UNSEEN, everywhere))
    return m, np.asarray(strangers / strangers.sum(), np.float64)
