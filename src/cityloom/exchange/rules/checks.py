"""Each check of a field as a SQL condition "is at fault", over the columns that reading the field has made.

A condition may be NULL, which is no fault. The order of a field's checks is the order in which they suppress each other:
one cause, one fault.
"""

from collections.abc import Iterator
from datetime import datetime

import msgspec

from cityloom.exchange.rules import digits
from cityloom.exchange.rules.normalise import Reading, Setting, number_of, ok_of, plain_of, raw_of, reading
from cityloom.exchange.rules.sqltext import constant
from cityloom.exchange.spec import ResolvedField
from cityloom.kernel.sql import literal, name


class Check(msgspec.Struct, frozen=True):
    """A rule's name and its conditions."""

    rule: str
    fault: str
    """True when the row is at fault. Computed only for rows that some `passes` has not let through."""
    passes: str | None = None
    """Cheap; true only for a value that is there and not at fault; false and NULL say nothing. For every row."""


class Gate(msgspec.Struct, frozen=True):
    """What the checks of a field depend on besides the row."""

    at: datetime
    """When the delivery came, in the city's local time with its offset from UTC."""
    codes: str | None = None
    """The right side of IN for the field's code list."""
    reference: str | None = None
    """A query of one column with the values that the field may reference."""


def listed_of(field: ResolvedField) -> str:
    """Column of `lookups`: the value, brought to its usual form, is in the code list."""
    return name(f"_listed_{field.name}")


def known_of(field: ResolvedField) -> str:
    """Column of `lookups`: the value is one of those that the field may reference."""
    return name(f"_known_{field.name}")


def again_of(field: ResolvedField) -> str:
    """Column of `lookups`: the number of an identity number, after it was brought to its usual form."""
    return name(f"_again_{field.name}")


def field_reading(field: ResolvedField, gate: Gate) -> Reading:
    """How the field is read at this gate."""
    from_utc = gate.at.utcoffset()
    minutes = int(from_utc.total_seconds()) // 60 if from_utc else 0
    return reading(field, Setting(gate.codes, gate.at.date(), _vouched(field, gate), minutes))


def lookups(field: ResolvedField, gate: Gate) -> list[str]:
    """Columns that checks use more than once, such as those that join with values kept elsewhere."""
    value = name(field.name)
    found = []
    if field.format == "gb11643":
        number = digits.gb11643_number_sql(value)
        found.append(f"CASE WHEN {ok_of(field)} THEN {number_of(field)} ELSE {number} END AS {again_of(field)}")
    if gate.codes is not None:
        doubtful = f"CASE WHEN {ok_of(field)} THEN NULL ELSE {value} END" if _read_by(field, gate) == "codes" else value
        found.append(f"{doubtful} IN {gate.codes} AS {listed_of(field)}")
    if gate.reference is not None:
        found.append(f"{value} IN ({gate.reference}) AS {known_of(field)}")
    return found


def field_checks(field: ResolvedField, gate: Gate) -> list[Check]:
    """The field's checks in their order."""
    return [*_presence(field), *_text(field, gate), *_range(field), *_reference(field, gate), *_fresh(field, gate)]


def field_passes(field: ResolvedField, checks: list[Check]) -> str | None:
    """True only when none of the field's checks finds a fault; None when there are no checks."""
    if not checks:
        return None
    quick = dict.fromkeys(check.passes for check in checks if check.passes)
    passes = " AND ".join(quick) or f"{name(field.name)} IS NOT NULL"
    if field.required:
        return passes
    return f"({raw_of(field)} IS NULL OR {passes})" if not quick else f"coalesce({passes}, {raw_of(field)} IS NULL)"


def _vouched(field: ResolvedField, gate: Gate) -> bool:
    return gate.reference is not None and field.reference is not None and field.reference.vouched


def _read_by(field: ResolvedField, gate: Gate) -> str | None:
    return field_reading(field, gate).check


def _presence(field: ResolvedField) -> Iterator[Check]:
    value, there = name(field.name), f"(coalesce({ok_of(field)}, false) OR {plain_of(field)} IS NOT NULL)"
    if field.type != "text":
        yield Check("type", f"{value} IS NULL AND {there}")
    if field.required:
        yield Check("required", f"{value} IS NULL AND NOT {there}")


def _text(field: ResolvedField, gate: Gate) -> Iterator[Check]:
    value, ok, read_by = name(field.name), ok_of(field), _read_by(field, gate)
    if field.min_length is not None or field.max_length is not None:
        yield _length(value, field.min_length or 0, field.max_length)
    if field.pattern is not None:
        fits = f"regexp_full_match({value}, {literal(field.pattern)})"
        yield Check("pattern", f"NOT {fits}", ok if read_by == "pattern" else fits)
    # a value that is known elsewhere was checked there
    right = known_of(field) if _vouched(field, gate) else ok
    if field.format == "gb11643":
        valid = digits.gb11643_valid_sql(again_of(field), value, gate.at.date())
        doubtful = f"{value} IS NOT NULL AND NOT coalesce({right}, false)"
        yield Check("gb11643", f"{doubtful} AND NOT coalesce({valid}, false)", right)
    if field.format == "gb32100":
        yield Check("gb32100", f"NOT coalesce({right}, false) AND NOT {digits.gb32100_valid_sql(value)}", right)
    if gate.codes is not None:
        listed = listed_of(field)
        usual = ok if read_by == "codes" else listed
        yield Check("codes", f"{value} IS NOT NULL AND NOT coalesce({usual}, false) AND NOT {listed}", usual)


def _length(value: str, least: int, most: int | None) -> Check:
    """In characters. Bytes are counted faster: never fewer than characters, and at most four for one."""
    tests, quick = [], []
    if least > 0:
        tests.append(f"length({value}) < {least}")
        quick.append(f"strlen({value}) >= {4 * (least - 1) + 1}")
    if most is not None:
        tests.append(f"length({value}) > {most}")
        quick.append(f"strlen({value}) <= {most}")
    return Check("length", " OR ".join(tests) or "false", " AND ".join(quick) or None)


def _range(field: ResolvedField) -> Iterator[Check]:
    value = name(field.name)
    tests, quick = [], []
    if field.min is not None:
        tests.append(f"{value} < {constant(field.min)}")
        quick.append(f"{value} >= {constant(field.min)}")
    if field.max is not None:
        upto = f"{constant(field.max)} + INTERVAL 1 DAY" if field.type == "timestamp" else constant(field.max)
        over, under = (">=", "<") if field.type == "timestamp" else (">", "<=")
        tests.append(f"{value} {over} {upto}")
        quick.append(f"{value} {under} {upto}")
    if tests:
        yield Check("range", " OR ".join(tests), " AND ".join(quick))


def _reference(field: ResolvedField, gate: Gate) -> Iterator[Check]:
    if gate.reference is not None:
        known = known_of(field)
        yield Check("reference", f"{name(field.name)} IS NOT NULL AND NOT {known}", known)


def _fresh(field: ResolvedField, gate: Gate) -> Iterator[Check]:
    """Not older than its span before the delivery, and not in the future."""
    if field.fresh_within is None:
        return
    value, moment = name(field.name), gate.at.replace(tzinfo=None)
    now = constant(moment.date()) if field.type == "date" else constant(moment)
    oldest = f"{now} - {field.fresh_within.sql}"
    yield Check("fresh", f"{value} > {now} OR {value} < {oldest}", f"{value} <= {now} AND {value} >= {oldest}")
