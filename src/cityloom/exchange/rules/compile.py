"""A dataset's declared checks as one DuckDB statement, from rows of text to the table of checked rows.

Reading and checking go through nested SELECTs, each a step that uses the columns of the one inside. Rows that are usual
take the short way through every CASE; only rows at fault pay for naming their faults.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import count

import msgspec

from cityloom.exchange.contracts import Mode
from cityloom.exchange.rules import expression, twins
from cityloom.exchange.rules.checks import field_checks, field_passes, lookups
from cityloom.exchange.rules.normalise import raw_of
from cityloom.exchange.rules.plan import Plan, Rule, parameters, plan, read_rows, reference_parts, step
from cityloom.exchange.rules.sqltext import any_of
from cityloom.exchange.spec import Check, ResolvedDataset
from cityloom.kernel.sql import literal, name

FEW_ROWS = 100_000

INTAKE_RULES = ("encoding", "shape")
"""Faults that the intake finds before there are fields; it names them in the column `_intake`."""


class Compiled(msgspec.Struct, frozen=True):
    """One statement that makes `table`, its parameters, and the rules by number.

    The table: `_row` BIGINT, the fields in their types, `_faults` USMALLINT[] (NULL: none), `_raw` VARCHAR[] (the texts
    of the dataset's fields in their order; NULL where there are no faults), `_repeat` (same key and content as an
    earlier row), `_good` (no fault and no repeat).
    """

    table: str
    statement: str
    parameters: Mapping[str, str]
    rules: tuple[Rule, ...]
    fields: tuple[str, ...]


class Numbered(msgspec.Struct, frozen=True):
    """A rule with its condition."""

    rule: Rule
    fault: str

    @property
    def case(self) -> str:
        """A branch that gives the rule's number."""
        return f"WHEN {self.fault} THEN {self.rule.number}::USMALLINT"


def compile_delivery(
    dataset: ResolvedDataset,
    source_sql: str,
    at: datetime,
    relations: Mapping[str, str],
    *,
    mode: Mode = Mode.upsert,
    table: str = "checked",
    rescan: bool = True,
    intake: bool = False,
    rows: int | None = None,
) -> Compiled:
    """Compile the checks of a delivery that came `at` (aware, in the city's time zone).

    `source_sql` is a query with `_row` BIGINT and one VARCHAR column per field of the dataset, named like it (NULL where
    the file has no such column), and with `intake` a VARCHAR `_intake` that names a row's fault of INTAKE_RULES or is
    NULL. With `rescan` it is read twice, as a table can be; without, its rows are kept aside first.
    `relations` gives the current state of each dataset in `dataset.references`, and of the dataset itself (left out: what
    is unique is compared within the delivery only), as what can stand after FROM. `rows` says about how many rows there
    are: a few are looked up in a large dataset in another way than many.
    Raises KeyError for a reference without relation, expression.UnfitError.
    """
    made = plan(dataset, mode, at, relations, intake, rows is not None and rows <= FEW_ROWS)
    numbers = count(1)
    early = [Rule(next(numbers), "", rule, ()) for rule in INTAKE_RULES] if intake else []
    checks = {field.name: field_checks(field, made.gates[field.name]) for field in made.fields}
    named = {
        field: [Numbered(Rule(next(numbers), field, check.rule, (field,)), check.fault) for check in found]
        for field, found in checks.items()
    }
    conditions = [] if mode == Mode.delete else _conditions(made, at)
    crossing = [
        _crossing(check, condition, named, next(numbers))
        for check, condition in zip(dataset.checks, conditions, strict=False)
    ]
    clashes = _clash_rules(made, numbers)
    passes = [
        *(f"coalesce({condition.sql}, true)" for condition in conditions),
        *(quick for field in made.fields if (quick := field_passes(field, checks[field.name]))),
    ]
    parts = [
        f"incoming AS {'NOT ' if rescan else ''}MATERIALIZED ({source_sql})",
        *reference_parts(made),
        *twins.parts(made),
    ]
    told = _told(_named(made, early, passes, [*named.values(), *([check] for check in crossing)]), clashes, named)
    statement = f"CREATE OR REPLACE TEMP TABLE {name(table)} AS WITH {', '.join(parts)} {_shown(made, told)}"
    rules = (*early, *(check.rule for found in (*named.values(), crossing) for check in found), *clashes.values())
    return Compiled(table, statement, parameters(made), rules, tuple(field.name for field in dataset.fields))


def faults_sql(compiled: Compiled) -> str:
    """A query of one line per fault: row, field, rule, value (the text that came; several are joined by ` / `)."""
    places = {field: place for place, field in enumerate(compiled.fields, 1)}
    lines = (
        f"({rule.number}, {literal(rule.field)}, {literal(rule.rule)}, {[places[field] for field in rule.fields]}::INTEGER[])"
        for rule in compiled.rules
    )
    joined = "array_to_string(list_transform(r.places, lambda _place: coalesce(f._raw[_place], '')), ' / ')"
    value = f"CASE len(r.places) WHEN 0 THEN NULL WHEN 1 THEN f._raw[r.places[1]] ELSE {joined} END"
    return (
        f"SELECT f._row AS row, r.field, r.rule, {value} AS value"
        f" FROM (SELECT _row, _raw, unnest(_faults) AS number FROM {name(compiled.table)} WHERE _faults IS NOT NULL) f"
        f" JOIN (VALUES {', '.join(lines)}) r(number, field, rule, places) ON r.number = f.number"
    )


def _conditions(plan: Plan, at: datetime) -> list[expression.Condition]:
    fields = {field.name: field for field in plan.fields}
    return [expression.condition(check.expression, fields, at.date()) for check in plan.dataset.checks]


def _crossing(
    check: Check, condition: expression.Condition, named: Mapping[str, list[Numbered]], number: int
) -> Numbered:
    """A cross-field check. Where it uses a field at fault it says nothing: the cause is told already."""
    causes = any_of(f"coalesce({cause.fault}, false)" for operand in condition.operands for cause in named[operand])
    rule = Rule(number, next(iter(condition.operands), ""), f"expression:{check.name}", condition.operands)
    return Numbered(rule, f"NOT ({condition.sql}) AND NOT ({causes})")


def _clash_rules(plan: Plan, numbers: Iterator[int]) -> dict[str, Rule]:
    """The rules that rows break together, by the part that lists their rows."""
    key = plan.dataset.key
    return {
        twins.DIFFERS: Rule(next(numbers), key[0], "key", key),
        **{twins.shared_part(field): Rule(next(numbers), field.name, "unique", (field.name,)) for field in plan.unique},
    }


def _named(plan: Plan, early: list[Rule], passes: list[str], groups: list[list[Numbered]]) -> str:
    """Every row with its values and `_own`, the numbers of its faults: of each group the first that holds."""
    found = [column for field in plan.fields for column in lookups(field, plan.gates[field.name])]
    query = step(read_rows(plan, plan.fields, "incoming"), found)
    query = step(query, [f"{' AND '.join(f'({quick})' for quick in passes) or 'true'} AS _passes"])
    firsts = ", ".join(f"CASE {' '.join(check.case for check in checks)} END" for checks in groups if checks)
    listed = f"list_filter([{firsts}]::USMALLINT[], lambda _number: _number IS NOT NULL)"
    refused = " ".join(f"WHEN _intake = {literal(rule.rule)} THEN [{rule.number}::USMALLINT]" for rule in early)
    return step(query, [f"CASE {refused} WHEN _passes THEN NULL ELSE {listed} END AS _own"])


def _told(checked: str, clashes: Mapping[str, Rule], named: Mapping[str, list[Numbered]]) -> str:
    """The rows with `_faults`: their own, and those with other rows where nothing is wrong with the field itself."""
    added = []
    for rule in clashes.values():
        causes = ", ".join(str(check.rule.number) for field in rule.fields for check in named[field])
        silent = f"list_has_any(coalesce(_own, []), [{causes}]::USMALLINT[])"
        added.append(f"CASE WHEN _{rule.number} AND NOT {silent} THEN {rule.number}::USMALLINT END")
    flags = [f"_row IN (FROM {part}) AS _{rule.number}" for part, rule in clashes.items()]
    query = step(checked, [*flags, f"_row IN (FROM {twins.REPEATS}) AS _again"])
    together = any_of(f"_{rule.number}" for rule in clashes.values())
    both = f"list_filter(list_concat(_own, [{', '.join(added)}]), lambda _number: _number IS NOT NULL)"
    every = step(query, [f"CASE WHEN {together} THEN {both} ELSE _own END AS _every"])
    return step(every, ["CASE WHEN len(_every) > 0 THEN _every END AS _faults"])


def _shown(plan: Plan, told: str) -> str:
    """The columns of the table."""
    values = {field.name for field in plan.fields}
    columns = [
        name(field.name) if field.name in values else f"NULL::{field.column_type} AS {name(field.name)}"
        for field in plan.dataset.fields
    ]
    raws = ", ".join(raw_of(field) for field in plan.dataset.fields)
    return (
        f"SELECT _row, {', '.join(columns)}, _faults, CASE WHEN _faults IS NOT NULL THEN [{raws}] END AS _raw,"
        " _again AND _faults IS NULL AS _repeat, _faults IS NULL AND NOT _again AS _good"
        f" FROM ({told})"
    )
