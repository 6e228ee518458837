"""The temporary tables of one delivery being checked: `delivered` (its texts) and `checked` (its rows, by rules.compile)."""

from collections.abc import Mapping, Sequence

import duckdb

from cityloom.kernel import sql


def keep(cursor: duckdb.DuckDBPyConnection, texts: str) -> None:
    """Make `delivered` from a query of `_row`, `_faults` (what reading the file met) and a text for every field."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE delivered AS {texts}")


def texts(fields: Sequence[str]) -> str:
    """`delivered` as the checks take it; a row that could not be read as it came says so in `_intake`."""
    names = ", ".join(sql.name(field) for field in fields)
    rule = "CASE WHEN _faults[1].rule = 'encoding' THEN 'encoding' ELSE 'shape' END"
    return f"SELECT _row, CASE WHEN _faults IS NOT NULL THEN {rule} END AS _intake, {names} FROM delivered"


def check(cursor: duckdb.DuckDBPyConnection, statement: str, parameters: Mapping[str, Sequence[str]]) -> int:
    """Run the compiled checks; the number of rows."""
    cursor.execute(statement, dict(parameters) or None)
    row = cursor.execute("SELECT count(*) FROM checked").fetchone()
    return int(row[0]) if row else 0


def raw(fields: Sequence[str]) -> str:
    """The list of a row's texts, over the alias `d` of `delivered`."""
    return "[" + ", ".join(f"d.{sql.name(field)}" for field in fields) + "]"


def faults(found: str, intake_rules: Sequence[str], columns: Mapping[str, str]) -> str:
    """A query of (row, field, rule, value): what the checks `found`, and what reading the file met.

    `columns` gives the field of each of the file's columns; reading speaks of columns, everybody else of fields.
    """
    names = [f"WHEN {sql.literal(column)} THEN {sql.literal(field)}" for column, field in columns.items()]
    field = f"CASE f.field {' '.join(names)} ELSE f.field END"
    rules = ", ".join(sql.literal(rule) for rule in intake_rules)
    return (
        f"SELECT * FROM ({found}) WHERE rule NOT IN ({rules}) UNION ALL SELECT _row, {field}, f.rule, f.value"
        " FROM (SELECT _row, unnest(_faults) AS f FROM delivered WHERE _faults IS NOT NULL)"
    )
