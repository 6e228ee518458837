"""Which pairs are looked at: rules chosen for what they are expected to find, within a number of comparisons.

Of n records there are n²/2 pairs; a rule looks at those that agree on its keys. What a rule costs is counted (on a sample
of records where they are many), what it finds is expected from how often its keys hold and how often they are given,
fields taken as independent. Rules are taken one after the other, each time the one that adds most, so that a record
whose name is wrong is still met by its date and address. Nothing here knows the truth about any pair.
"""

from collections.abc import Iterator
from itertools import combinations

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

from cityloom.kernel.errors import Invalid
from cityloom.kernel.sql import name
from cityloom.registers.linkage import kinds
from cityloom.registers.linkage.model import Model, Rule

SAMPLE = 50_000
"""Records on which costs are counted."""
DRAWN = 20_000
"""Imagined pairs of one person on which gains are counted."""
MOST_RULES = 14
LEAST_GAIN = 0.0004
AGAIN = 0.1
"""What it is worth to meet a pair a second time: fields are less independent than is taken here."""
ENOUGH = 0.995
"""Share of imagined pairs from which triples of keys are not looked for."""
MOST_LEFT_OUT = 0.5
"""Share of records that a declared rule may lose to values that are too frequent."""
HEAVY_SHARE = 0.2
"""A value that alone costs more than this share of what may be compared is left out of its rule."""


class Candidate(msgspec.Struct, frozen=True):
    """A rule that might be taken; `found` marks the imagined pairs it meets, `cost` counts the real ones."""

    keys: tuple[str, ...]
    found: NDArray[np.bool_]
    cost: float


def key_sql(model: Model, key: str) -> str:
    """The expression of a key such as `born.year`. Raises Invalid `registers.linkage_model`."""
    field_name, _, ending = key.partition(".")
    for field in model.fields:
        for each in kinds.KINDS[field.kind].keys:
            if (field.name, each.name) == (field_name, ending):
                return each.sql.format(x=field.name)
    raise Invalid("registers.linkage_model", field="blocking", reason=f"there is no key {key}")


def _hash(model: Model, keys: tuple[str, ...]) -> str:
    """One number for the values of all keys; null where one is missing."""
    values = [f"({key_sql(model, key)})" for key in keys]
    given = " AND ".join(f"{each} IS NOT NULL" for each in values)
    return f"CASE WHEN {given} THEN hash({', '.join(values)}) END"


def choose(connection: duckdb.DuckDBPyConnection, model: Model, table: str = "prepared") -> tuple[Rule, ...]:
    """Rules for this table: the declared ones, each within what may be compared, or else the best.

    Raises Invalid `registers.linkage_blocking` for a declared rule that would compare too much, with the number, and
    where no rule at all can be afforded.
    """
    records = count(connection, table)
    budget = max(float(model.most_pairs * records), 10_000.0)
    if model.blocking:
        return tuple(_declared(connection, model, keys, table, budget) for keys in model.blocking)
    sampled = _sample(connection, table, records)
    candidates = _candidates(connection, model, sampled, budget, (records / max(count(connection, sampled), 1)) ** 2)
    taken = _greedy(candidates, budget)
    if not taken and records > 1:
        raise Invalid("registers.linkage_blocking", rule="*", pairs=0, most=int(budget))
    return tuple(Rule(each.keys, _heavy(connection, model, each.keys, table, budget)) for each in taken)


def count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {name(table)}").fetchone()
    return int(row[0]) if row else 0


def _sample(connection: duckdb.DuckDBPyConnection, table: str, records: int) -> str:
    """A table of at most about SAMPLE records: whole records, drawn by a hash of their number, so always the same."""
    if records <= SAMPLE:
        return table
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE sampled AS SELECT * FROM {name(table)} WHERE hash(row) % {records} < {SAMPLE}"
    )
    return "sampled"


def _declared(
    connection: duckdb.DuckDBPyConnection, model: Model, keys: tuple[str, ...], table: str, budget: float
) -> Rule:
    heavy = _heavy(connection, model, keys, table, budget)
    cost = _cost(connection, model, keys, table, heavy)
    if heavy and _left_out(connection, model, keys, table, heavy) > MOST_LEFT_OUT:
        cost = _cost(connection, model, keys, table)  # without them there would be no rule
    if cost > budget:
        raise Invalid("registers.linkage_blocking", rule=" + ".join(keys), pairs=int(cost), most=int(budget))
    return Rule(keys, heavy)


def _left_out(
    connection: duckdb.DuckDBPyConnection, model: Model, keys: tuple[str, ...], table: str, heavy: tuple[int, ...]
) -> float:
    """Share of the records that have the keys whose value is too frequent."""
    row = connection.execute(
        f"SELECT count(*) FILTER (h IN ({', '.join(map(str, heavy))})) / greatest(count(h), 1)"
        f" FROM (SELECT {_hash(model, keys)} AS h FROM {name(table)})"
    ).fetchone()
    return float(row[0]) if row else 0.0


def _cost(
    connection: duckdb.DuckDBPyConnection, model: Model, keys: tuple[str, ...], table: str, heavy: tuple[int, ...] = ()
) -> float:
    """Pairs that the rule looks at."""
    without = f"AND h NOT IN ({', '.join(map(str, heavy))})" if heavy else ""
    row = connection.execute(
        f"SELECT coalesce(sum(n * (n - 1) / 2), 0) FROM (SELECT h, count(*) AS n FROM"
        f" (SELECT {_hash(model, keys)} AS h FROM {name(table)}) WHERE h IS NOT NULL {without} GROUP BY h HAVING count(*) > 1)"
    ).fetchone()
    return float(row[0]) if row else 0.0


def _heavy(
    connection: duckdb.DuckDBPyConnection, model: Model, keys: tuple[str, ...], table: str, budget: float
) -> tuple[int, ...]:
    """Hashes of values that so many records share that they say nothing, such as a date put in by a form."""
    rows = connection.execute(
        f"SELECT h FROM (SELECT {_hash(model, keys)} AS h FROM {name(table)}) WHERE h IS NOT NULL GROUP BY h"
        f" HAVING count(*) * (count(*) - 1) / 2 > {HEAVY_SHARE * budget} ORDER BY h"
    ).fetchall()
    return tuple(int(row[0]) for row in rows)


def _keys(model: Model) -> dict[str, kinds.Key]:
    return {f"{f.name}.{k.name}".rstrip("."): k for f in model.fields for k in kinds.KINDS[f.kind].keys}


def _candidates(
    connection: duckdb.DuckDBPyConnection, model: Model, table: str, budget: float, scale: float
) -> list[Candidate]:
    """Rules that can be afforded: single keys, then pairs and triples of different fields that narrow what cannot.

    A rule is not narrowed further once it is cheap: what the narrower one met, it meets too.
    """
    keys, hashed = _keys(model), _hashed(connection, model, table)
    holds = _holds(connection, model, table)
    found: list[Candidate] = []
    cheap: set[frozenset[str]] = set()
    for rule in _combinations(sorted(keys), {key for key in keys if keys[key].fine}, cheap, found):
        met = np.logical_and.reduce([holds[key] for key in rule])
        cost = _sampled_cost(connection, hashed, [sorted(keys).index(key) for key in rule]) * scale
        if met.any() and cost <= budget / 2:
            found.append(Candidate(rule, met, cost))
        if cost <= budget / 5:
            cheap.add(frozenset(rule))
    connection.execute(f"DROP TABLE {hashed}")
    return found


def _combinations(
    keys: list[str], fine: set[str], cheap: set[frozenset[str]], found: list[Candidate]
) -> Iterator[tuple[str, ...]]:
    """Rules to look at. `cheap` and `found` grow while they are looked at; triples only where pairs miss much."""
    for size in (1, 2, 3):
        if size == 3 and _expected(found) > ENOUGH:
            return
        for rule in combinations(keys, size):
            parts = {frozenset(part) for less in range(1, size) for part in combinations(rule, less)}
            different = len({key.partition(".")[0] for key in rule}) == size
            if different and (size > 1 or rule[0] in fine) and not parts & cheap:
                yield rule


def _hashed(connection: duckdb.DuckDBPyConnection, model: Model, table: str) -> str:
    """A table of one number for every key of every record, null where it has none."""
    columns = ", ".join(f"{_hash(model, (key,))} AS k{place}" for place, key in enumerate(sorted(_keys(model))))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE hashed AS SELECT {columns} FROM {name(table)}")
    return "hashed"


def _sampled_cost(connection: duckdb.DuckDBPyConnection, table: str, places: list[int]) -> float:
    columns = ", ".join(f"k{place}" for place in places)
    given = " AND ".join(f"k{place} IS NOT NULL" for place in places)
    row = connection.execute(
        f"SELECT coalesce(sum(n * (n - 1) / 2), 0) FROM"
        f" (SELECT count(*) AS n FROM {table} WHERE {given} GROUP BY {columns} HAVING count(*) > 1)"
    ).fetchone()
    return float(row[0]) if row else 0.0


def _holds(connection: duckdb.DuckDBPyConnection, model: Model, table: str) -> dict[str, NDArray[np.bool_]]:
    """For every key the imagined pairs of one person in which it is given twice and the same."""
    drawn = np.random.default_rng(model.seed)
    shares = ", ".join(f"count({field.name}) / greatest(count(*), 1)" for field in model.fields)
    given = connection.execute(f"SELECT {shares} FROM {name(table)}").fetchone() or ()
    found: dict[str, NDArray[np.bool_]] = {}
    for field, share in zip(model.fields, given, strict=True):
        chance, there = drawn.random(DRAWN), drawn.random(DRAWN) < float(share) ** 2
        for key in kinds.KINDS[field.kind].keys:
            found[f"{field.name}.{key.name}".rstrip(".")] = np.asarray((chance < key.holds) & there, np.bool_)
    return found


def _expected(candidates: list[Candidate]) -> float:
    """Share of the imagined pairs that some candidate meets."""
    return float(np.logical_or.reduce([each.found for each in candidates]).mean()) if candidates else 0.0


def _greedy(candidates: list[Candidate], budget: float) -> list[Candidate]:
    """The rules that add most for what they cost, until nothing adds much or no more can be afforded."""
    taken: list[Candidate] = []
    met, left = np.zeros(DRAWN, np.int64), budget
    while len(taken) < MOST_RULES:
        worth = np.where(met == 0, 1.0, np.where(met == 1, AGAIN, 0.0))
        gains = [
            (float(worth[each.found].sum()) / DRAWN, each)
            for each in candidates
            if each.cost <= left and each.keys not in {one.keys for one in taken}
        ]
        gains = [(gain / (each.cost / budget + 0.05), each) for gain, each in gains if gain >= LEAST_GAIN]
        best = max(gains, key=lambda pair: (pair[0], pair[1].keys), default=None)
        if best is None:
            break
        taken.append(best[1])
        met, left = met + best[1].found, left - best[1].cost
    return taken


def key_table(
    connection: duckdb.DuckDBPyConnection, model: Model, rules: tuple[Rule, ...], table: str, keyed: str
) -> None:
    """Make `keyed` of `table`: row, source, verified numbers, and one number for each rule, null where it meets none."""
    kept = ["row", "source", *(f"{field.name}__verified" for field in model.fields if field.verified)]
    columns = []
    for place, rule in enumerate(rules):
        value = _hash(model, rule.keys)
        if rule.heavy:
            value = f"CASE WHEN {value} NOT IN ({', '.join(map(str, rule.heavy))}) THEN {value} END"
        columns.append(f"{value} AS rule{place}")
    connection.execute(
        f"CREATE OR REPLACE TABLE {name(keyed)} AS SELECT {', '.join([*kept, *columns])} FROM {name(table)}"
    )


def block(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    rules: tuple[Rule, ...],
    keyed: tuple[str, str] = ("keyed", "keyed"),
    into: str = "blocked",
) -> int:
    """Make table `into` (join_key_l, join_key_r, match_key) of the pairs that some rule meets, each once.

    Between two key tables, or within one. Pairs with two different verified numbers are no candidates, nor are two
    records of one file where the model has a source. Returns how many there are.
    """
    conditions = ["l.row < r.row"] if keyed[0] == keyed[1] else []
    conditions += ["l.source <> r.source"] if model.source else []
    conditions += [
        f"coalesce(l.{field.name}__verified = r.{field.name}__verified, true)"
        for field in model.fields
        if field.verified
    ]
    parts = ["SELECT 0 AS join_key_l, 0 AS join_key_r, '' AS match_key WHERE false"]
    for place in range(len(rules)):
        earlier = [f"coalesce(l.rule{before} <> r.rule{before}, true)" for before in range(place)]
        where = " AND ".join([*conditions, *earlier]) or "true"
        parts.append(
            f"SELECT l.row, r.row, '{place}' FROM {name(keyed[0])} l JOIN {name(keyed[1])} r"
            f" ON l.rule{place} = r.rule{place} WHERE {where}"
        )
    connection.execute(f"CREATE OR REPLACE TABLE {name(into)} AS {' UNION ALL '.join(parts)}")
    return count(connection, into)
