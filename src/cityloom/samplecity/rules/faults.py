"""Spoils rows on purpose, each in one way, and notes exactly how.

What can be wrong with a row is read from the dataset's own declaration, so any dataset can be spoiled. Two faults
never meet in a row, and a fault in one field never makes another rule fail.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import count, islice

import msgspec
import numpy as np
import pyarrow as pa

from cityloom.samplecity.contracts import Fault
from cityloom.samplecity.rules import chance, numbers
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.world import Columns
from cityloom.samplecity.spec import Dataset, Field, days

LOST, MORE, FEWER = "\U0010fffd", "\U0010fffc", "\U0010fffb"
"""Marks in a text that the writer of CSV files turns into a broken byte, one cell more, one cell less."""
COMPARED = re.compile(r"[a-z_]\w*")
COMPARES = re.compile(r"(\w+)\s*(>=|<=|<>|>|<)\s*(\w+)")
RATE, SMALL_RATE, SMALL = 0.003, 0.02, 2000
"""Share of spoiled rows; the second one is that of the first 2,000 changes of a month."""
NUMERIC = ("integer", "decimal", "number")

Value = str | int | float | Decimal | date | datetime | None


class Kind(msgspec.Struct, frozen=True):
    """One way to spoil a row."""

    rule: str
    field: str = ""


class Place(msgspec.Struct, frozen=True):
    """Where faults are sown: what limits the ways in which rows may be spoiled."""

    dataset: Dataset
    mode: str
    full: bool
    """The first delivery of the dataset."""
    text: bool
    """Values are written as text, so one may be of no type."""
    csv: bool
    moment: datetime
    """When the file is delivered, in the city's own time."""


class Spoils(msgspec.Struct):
    """What has to be changed in the columns; `typed` before they are written as text, `raw` afterwards."""

    faults: list[Fault]
    typed: dict[str, dict[int, Value]]
    raw: dict[str, dict[int, str]]
    conflicts: list[int]
    """Positions of rows that come once more with another content, at the end of the file."""

    @property
    def rows(self) -> Index:
        """Positions of the spoiled rows."""
        return np.array(sorted({fault.row - 1 for fault in self.faults}), np.int64)


def kinds(place: Place) -> dict[str, list[Kind]]:
    """Every way in which a row of this file may be spoiled, by rule."""
    dataset, found = place.dataset, dict[str, list[Kind]]()
    compared = {name for check in dataset.checks for name in COMPARED.findall(check.expression)}
    for field in dataset.fields:
        in_key = field.name in dataset.key
        # a replacement holds its deletes back when a key cannot be read, so there keys stay whole; a deletion is keys
        if in_key == (place.mode == "replace") and place.mode in ("replace", "delete"):
            continue
        for rule, fits in _FITS.items():
            if fits(field, place) and not (rule in _TOUCHY and (in_key or field.name in compared)):
                found.setdefault(rule, []).append(Kind(rule, field.name))
    if place.mode == "delete":
        return {rule: some for rule, some in found.items() if rule in ("gb11643", "gb32100", "pattern")}
    for check in dataset.checks:
        found[f"expression:{check.name}"] = [Kind(f"expression:{check.name}", COMPARED.findall(check.expression)[0])]
    # of a row whose shape is broken the key cannot be read, and a replacement would hold its deletes back
    if place.csv and place.mode != "replace":
        found["shape"] = [Kind("shape")]
    return found


_FITS: dict[str, Callable[[Field, Place], bool]] = {
    "required": lambda field, _: field.required,
    "type": lambda field, place: place.text and field.type in (*NUMERIC, "date", "timestamp"),
    "range": lambda field, _: field.min is not None or field.max is not None,
    "length": lambda field, _: field.max_length is not None and _plain(field),
    "pattern": lambda field, _: field.pattern is not None and field.references is None,
    "codes": lambda field, _: field.codes is not None,
    "reference": lambda field, _: field.references is not None,
    "gb11643": lambda field, _: field.format == "gb11643" and field.references is None,
    "gb32100": lambda field, _: field.format == "gb32100" and field.references is None,
    "unique": lambda field, place: field.unique and place.full,
    "fresh": lambda field, _: field.fresh_within is not None,
    "encoding": lambda field, place: place.csv and field.type == "text" and not field.unique and _plain(field),
}
_TOUCHY = ("required", "type", "range", "length", "codes", "fresh", "encoding", "unique")
"""Rules that are not broken in keys, nor in fields that a cross-field check looks at."""


def _plain(field: Field) -> bool:
    return field.pattern is None and field.codes is None and field.format is None and field.references is None


def sow(key: int, place: Place, columns: Columns, open: Index, fresh: Index, varies: bool) -> Spoils:
    """Spoil some of the rows at the positions `open`; only those of `fresh` are nowhere known yet."""
    spoils = Spoils([], {}, {}, [])
    ways = kinds(place)
    if varies and place.mode not in ("delete", "replace"):
        ways["key"] = [Kind("key", place.dataset.key[0])]
    rules = sorted(ways)
    if not rules or len(open) < 4:
        return spoils
    rows = chance.sample(key, "spoiled", open, min(_wanted(place, rules, columns, open), len(open) // 3))
    rows = rows[np.argsort(chance.bits(key, "spoiled so", rows), kind="stable")]
    new = set(fresh.tolist())
    turns = _turns(ways, rules, int(chance.bits(key, "first rule", [0])[0] % np.uint64(len(rules))))
    waiting = rows.tolist()
    while waiting:
        row = waiting.pop()
        kind = next((kind for kind in islice(turns, len(rules)) if _suits(kind, place, row in new)), None)
        if kind is None:
            continue
        if kind.rule == "unique":
            _twin(spoils, kind, columns, row, waiting, new)
        elif kind.rule == "key":
            spoils.faults.append(Fault(row + 1, kind.field, "key"))
            spoils.conflicts.append(row)
        else:
            _spoil(spoils, kind, place, columns, row)
    return spoils


def _turns(ways: dict[str, list[Kind]], rules: list[str], first: int) -> Iterator[Kind]:
    """One way after the other, so that every rule has its turn, and in time every field of it."""
    for used in count():
        rule = rules[(first + used) % len(rules)]
        yield ways[rule][(used // len(rules)) % len(ways[rule])]


def _suits(kind: Kind, place: Place, new: bool) -> bool:
    """A known record with a broken key would be another one, and share with itself what must be unique."""
    in_key = kind.field in place.dataset.key and kind.rule != "key"
    return new or place.mode == "delete" or not (in_key or kind.rule == "unique")


def _wanted(place: Place, rules: list[str], columns: Columns, open: Index) -> int:
    """How many rows to spoil: of small files a larger share, so that most ways of being wrong come up."""
    if place.mode == "delete":
        return 1
    if place.full:
        return max(len(rules), round(RATE * len(columns[place.dataset.key[0]])))
    return max(len(rules), round(SMALL_RATE * min(len(open), SMALL) + RATE * max(0, len(open) - SMALL)))


def _twin(spoils: Spoils, kind: Kind, columns: Columns, row: int, waiting: list[int], new: set[int]) -> None:
    """Two new records with one value that should be of one only."""
    other = next((one for one in waiting if one in new), None)
    if other is None:
        return
    waiting.remove(other)
    spoils.typed.setdefault(kind.field, {})[row] = columns[kind.field][other].as_py()
    spoils.faults += [Fault(row + 1, kind.field, "unique"), Fault(other + 1, kind.field, "unique")]


def _spoil(spoils: Spoils, kind: Kind, place: Place, columns: Columns, row: int) -> None:
    if kind.rule.startswith("expression:"):
        check = next(check for check in place.dataset.checks if kind.rule == f"expression:{check.name}")
        name, value = _contradiction(check.expression, columns, row)
        spoils.typed.setdefault(name, {})[row] = value
    elif kind.rule == "shape":
        last = place.dataset.fields[-1].name
        whole = len(spoils.faults) % 2 == 0
        spoils.raw.setdefault(last, {})[row] = MORE if whole else FEWER
    else:
        field = place.dataset.field(kind.field)
        said = columns[kind.field][row].as_py()
        if kind.rule in ("type", "encoding"):
            spoils.raw.setdefault(kind.field, {})[row] = "不详" if kind.rule == "type" else f"{said or ''}{LOST}"
        else:
            spoils.typed.setdefault(kind.field, {})[row] = _wrong(kind.rule, field, place, said, row)
    spoils.faults.append(Fault(row + 1, kind.field, kind.rule))


def _contradiction(expression: str, columns: Columns, row: int) -> tuple[str, Value]:
    """A new value for the left side of `a >= b` (or another comparison) that makes it false."""
    found = COMPARES.search(expression)
    if found is None:
        raise ValueError(f"no comparison of two fields: {expression}")
    left, sign, right = found.groups()
    there = columns[right][row].as_py()
    if sign == "<>":
        return left, there
    step: timedelta | int = timedelta(days=30) if isinstance(there, date) else 100
    return left, there - step if sign in (">=", ">") else there + step


def _wrong(rule: str, field: Field, place: Place, said: Value, row: int) -> Value:
    """A value for the field that breaks this rule and no other."""
    text = str(said) if said is not None else ""
    if rule == "range":
        return _beyond(field)
    if rule == "reference":
        return _nobody(field, text, row)
    if rule == "fresh":
        old = timedelta(days=days(field.fresh_within or "P1D") + 30 + row % 60)
        return place.moment - old if row % 2 else place.moment + timedelta(days=20 + row % 9)
    if rule in ("gb11643", "gb32100"):
        return text[:-1] + ("3" if text[-1:] != "3" else "7")
    return {
        "required": None,
        "length": (text or "长") + "长" * (field.max_length or 0),
        "pattern": text[:-1] + "?",
        "codes": "Z9",
    }[rule]


def _beyond(field: Field) -> Value:
    """A value past the largest or before the smallest that is allowed."""
    if field.type in ("date", "timestamp"):
        return date.fromisoformat(str(field.min)) - timedelta(days=36_000) if field.min else date(2999, 1, 1)
    if field.max is not None:
        return _number(field, float(field.max) + 1)
    return _number(field, float(field.min or 0) - 1)


def _number(field: Field, value: float) -> Value:
    if field.type == "integer":
        return int(value)
    return Decimal(str(value)).quantize(Decimal(1).scaleb(-(field.scale or 0))) if field.type == "decimal" else value


def _nobody(field: Field, text: str, row: int) -> str:
    """A value of the right form that nothing has."""
    if field.format == "gb32100":
        division = numbers.divisions(np.array([numbers.DIVISIONS * len(numbers.PROVINCES) - 1 - row % 500]))
        code: str = numbers.credit_codes(division, np.array([90_000_000 + row]), np.array([False]))[0].as_py()
        return code
    return "X" + text[1:] if text else "X"


def patched(column: pa.Array, patches: dict[int, Value] | dict[int, str]) -> pa.Array:
    """The column with some values replaced by position."""
    if not patches:
        return column
    places = sorted(patches)
    rows = np.arange(len(column))
    rows[places] = len(column) + np.arange(len(places))
    values = pa.array([patches[place] for place in places], column.type)
    return pa.concat_arrays([column, values]).take(pa.array(rows))
