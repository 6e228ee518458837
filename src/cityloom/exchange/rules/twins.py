"""Rows of one delivery that share a key or a value that must be unique, found by counting hashes.

Counting 64-bit hashes finds the few rows that may share something; of those the keys and values themselves are compared,
and their contents by a hash, one against the few of the same key. Rows of one key and one content are repeats: the first
is kept. Rows of one key and different contents are all at fault, as are rows of different keys that share a value of a
unique field, within the delivery or with the current state before it.
"""

from collections.abc import Iterator, Sequence

from cityloom.exchange.rules.normalise import ok_of, plain_of, raw_of
from cityloom.exchange.rules.plan import Plan, read_rows
from cityloom.exchange.spec import ResolvedField
from cityloom.kernel.sql import name

KEY_HASH = name("_hash_key")
REPEATS, DIFFERS = "repeats", "differs"
"""Parts with the rows that repeat an earlier row, and with those whose key has several contents."""


def parts(plan: Plan) -> list[str]:
    """The parts of the statement that end with those of rows: REPEATS, DIFFERS, and `shared_part` of each unique field.

    They read the part `incoming`.
    """
    return [*_marked(plan), *_candidates(plan), *_suspected(plan), *_found(plan)]


def shared_part(field: ResolvedField) -> str:
    """The rows whose value of a unique field belongs to another key too."""
    return name(f"shared_{field.name}")


def _hash_of(field: ResolvedField) -> str:
    return name(f"_hash_{field.name}")


def _part_of(kind: str, field: ResolvedField) -> str:
    return name(f"{kind}_{field.name}")


def _names(fields: Sequence[ResolvedField], prefix: str = "") -> str:
    return ", ".join(prefix + name(field.name) for field in fields)


def _present(fields: Sequence[ResolvedField]) -> str:
    return " AND ".join(f"{name(field.name)} IS NOT NULL" for field in fields)


def _marked(plan: Plan) -> Iterator[str]:
    hashes = [
        f"CASE WHEN {_present(plan.key)} THEN hash({_names(plan.key)}) END AS {KEY_HASH}",
        *(
            f"CASE WHEN {_present([field])} THEN hash({name(field.name)}) END AS {_hash_of(field)}"
            for field in plan.unique
        ),
    ]
    fields = {field.name: field for field in (*plan.key, *plan.unique)}
    sound = " WHERE _intake IS NULL" if plan.intake else ""
    rows = read_rows(plan, fields.values(), "incoming", exact=False)
    yield f"marked AS MATERIALIZED (SELECT _row, {', '.join(hashes)} FROM ({rows}){sound})"


def _candidates(plan: Plan) -> Iterator[str]:
    """Hashes that more than one row has, hashes that the current state has under another key, and the rows with them."""
    found = []
    for part, column in [
        ("twin_keys", KEY_HASH),
        *((_part_of("twin", field), _hash_of(field)) for field in plan.unique),
    ]:
        yield (
            f"{part} AS MATERIALIZED (SELECT {column} FROM marked WHERE {column} IS NOT NULL"
            f" GROUP BY {column} HAVING count(*) > 1)"
        )
        found.append(f"SELECT _row FROM marked SEMI JOIN {part} USING ({column})")
    if plan.current is not None:
        for field in plan.unique:
            yield f"{_part_of('taken', field)} AS MATERIALIZED ({_taken(plan, field)})"
            found.append(f"SELECT _row FROM {_part_of('taken', field)}")
    yield f"suspects AS MATERIALIZED ({' UNION '.join(found)})"


def _taken(plan: Plan, field: ResolvedField) -> str:
    return (
        f"SELECT DISTINCT m._row FROM (SELECT hash({name(field.name)}) AS value, hash({_names(plan.key)}) AS key"
        f" FROM {plan.current} WHERE {name(field.name)} IS NOT NULL) c"
        f" JOIN marked m ON m.{_hash_of(field)} = c.value AND m.{KEY_HASH} <> c.key"
    )


def _suspected(plan: Plan) -> Iterator[str]:
    """The suspects with keys, unique values and content: of each field the value, or the text that cannot be read."""
    source = "(SELECT i.* FROM incoming i SEMI JOIN suspects s ON s._row = i._row)"
    rows = read_rows(plan, plan.fields, source, exact=False)
    said = (
        f"CASE WHEN {name(field.name)} IS NOT NULL THEN CAST({name(field.name)} AS VARCHAR)"
        f" WHEN {ok_of(field)} THEN {raw_of(field)} ELSE {plain_of(field)} END"
        for field in plan.fields
    )
    fields = {field.name: field for field in (*plan.key, *plan.unique)}
    yield (
        f"suspected AS MATERIALIZED (SELECT _row, {_names(list(fields.values()))}, hash([{', '.join(said)}]) AS _content"
        f" FROM ({rows}))"
    )


def _found(plan: Plan) -> Iterator[str]:
    same_key = " AND ".join(f"t.{name(field.name)} = s.{name(field.name)}" for field in plan.key)
    yield (
        f"twins AS MATERIALIZED (SELECT {_names(plan.key)}, min(_row) AS first, min(_content) <> max(_content) AS differs"
        f" FROM suspected WHERE {_present(plan.key)} GROUP BY {_names(plan.key)} HAVING count(*) > 1)"
    )
    yield f"{DIFFERS} AS MATERIALIZED (SELECT s._row FROM suspected s JOIN twins t ON {same_key} WHERE t.differs)"
    later = "NOT t.differs AND s._row > t.first"
    yield f"{REPEATS} AS MATERIALIZED (SELECT s._row FROM suspected s JOIN twins t ON {same_key} WHERE {later})"
    for field in plan.unique:
        yield f"{shared_part(field)} AS MATERIALIZED ({_shared(plan, field)})"


def _shared(plan: Plan, field: ResolvedField) -> str:
    value = name(field.name)
    keys = ", ".join(f"{name(part.name)} := {name(part.name)}" for part in plan.key)
    several = (
        f"SELECT {value} FROM suspected WHERE {value} IS NOT NULL GROUP BY {value}"
        f" HAVING count(DISTINCT struct_pack({keys})) > 1"
    )
    within = f"SELECT _row FROM suspected WHERE {value} IN ({several})"
    return f"{within} UNION SELECT _row FROM {_part_of('taken', field)}" if plan.current else within
