"""The answer to a fact from the records found: a pure function of the list's ways, the persons named, and the records."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import islice, product
from typing import Any

import msgspec

from cityloom.facts.contracts import Outcome
from cityloom.facts.rules.expressions import Record, Scene, Side, Value
from cityloom.facts.rules.plans import PlannedFind, PlannedWay

MOST_COMBINATIONS = 4_096
"""Of records that one condition is judged over; people have no such number of dwellings."""


class Piece(msgspec.Struct, frozen=True):
    """A record as a find has it: its fields typed, and of which of the persons named it is."""

    fields: Record
    persons: Mapping[str, int]
    place: int
    """Where it stands among the records of its find."""


class Found(msgspec.Struct, frozen=True):
    """What a find came to."""

    pieces: tuple[Piece, ...] = ()
    stale: bool = False
    """The source missed its deadline, or its copy does not follow: it was not looked into."""
    partial: bool = False
    """The grant lets through only some rows, so that nothing there says nothing."""


class Judgement(msgspec.Struct, frozen=True):
    """One condition over the chosen records."""

    holds: bool | None
    left: Value = None
    right: Value = None


class Verdict(msgspec.Struct, frozen=True):
    """The answer of one way for some of the persons."""

    outcome: Outcome
    code: str
    find: str = ""
    """Where it ended, if at a find."""
    persons: Mapping[str, int] = {}
    judged: tuple[Judgement, ...] = ()
    used: Mapping[str, tuple[int, ...]] = {}
    """Records that it was judged by: find, and places."""

    @property
    def rank(self) -> tuple[int, int]:
        """The more telling is the greater."""
        order = {Outcome.yes: 3, Outcome.unknown: 2, Outcome.no: 1, Outcome.refused: 0}
        return order[self.outcome], sum(each.holds is True for each in self.judged) + bool(self.judged)


def typed(record: Mapping[str, Any], kinds: Mapping[str, str], fields: Sequence[str]) -> Record:
    """The fields of a record that are looked at, read as what their dataset declares them to be."""
    return {name: _read(record.get(name), kinds.get(name, "text")) for name in fields}


def _read(value: Any, kind: str) -> Value:
    if value is None or value == "":
        return None
    if kind == "date":
        return date.fromisoformat(value)
    if kind == "timestamp":
        return datetime.fromisoformat(value)
    if kind == "decimal":
        return Decimal(str(value))
    found: Value = value
    return found


def judge(
    way: PlannedWay, counts: Mapping[str, int], found: Mapping[str, Found], constants: Mapping[str, Value]
) -> Verdict:  # fmt: skip
    """The best verdict over all choices of persons: yes if any; else unknown if any; else no. `counts`: how many persons are
    named of each subject."""
    names = sorted(way.subjects)
    choices = product(*(range(counts[name]) for name in names))
    verdicts = [_judge(way, dict(zip(names, choice, strict=True)), found, constants) for choice in choices]
    return max(verdicts, key=lambda verdict: verdict.rank)


def _judge(
    way: PlannedWay, persons: Mapping[str, int], found: Mapping[str, Found], constants: Mapping[str, Value]
) -> Verdict:  # fmt: skip
    pieces = {find.name: _of(found[find.name], persons) for find in way.finds}
    seen: dict[str, tuple[int, ...]] = {}
    for find in way.finds:
        ended = _ended(find, found[find.name], pieces[find.name], persons)
        if ended is not None:
            return msgspec.structs.replace(ended, used=seen)
        seen[find.name] = tuple(piece.place for piece in pieces[find.name])
    return max(_over(way, persons, pieces, constants), key=lambda verdict: verdict.rank)


def _of(found: Found, persons: Mapping[str, int]) -> list[Piece]:
    return [piece for piece in found.pieces if all(persons.get(name) == which for name, which in piece.persons.items())]


def _ended(find: PlannedFind, found: Found, pieces: Sequence[Piece], persons: Mapping[str, int]) -> Verdict | None:
    """What to say where a find has nothing to judge."""
    if found.stale:
        return Verdict(Outcome.unknown, "facts.stale", find.name, persons)
    if pieces:
        return None
    if found.partial:
        return Verdict(Outcome.unknown, "facts.rows_hidden", find.name, persons)
    if find.complete:
        return Verdict(Outcome.no, "facts.absent", find.name, persons)
    return Verdict(Outcome.unknown, "facts.no_record", find.name, persons)


def _over(
    way: PlannedWay, persons: Mapping[str, int], pieces: Mapping[str, Sequence[Piece]], constants: Mapping[str, Value]
) -> Iterator[Verdict]:
    every = {name: [piece.fields for piece in pieces[name]] for name in way.whole}
    whole = {name: tuple(piece.place for piece in pieces[name]) for name in way.whole}
    names = [find.name for find in way.finds if find.name not in way.whole]
    for chosen in islice(product(*(pieces[name] for name in names)), MOST_COMBINATIONS):
        scene = Scene(constants, {name: each.fields for name, each in zip(names, chosen, strict=True)}, every)
        used = whole | {name: (each.place,) for name, each in zip(names, chosen, strict=True)}
        verdict = _conditions(way, scene, persons, used)
        yield verdict
        if verdict.outcome == Outcome.yes:
            return


def _conditions(
    way: PlannedWay, scene: Scene, persons: Mapping[str, int], used: Mapping[str, tuple[int, ...]]
) -> Verdict:  # fmt: skip
    """In order, up to the first that does not hold: what comes after was not needed to know."""
    judged = []
    for condition in way.conditions:
        value = condition.get(scene)
        holds = value if isinstance(value, bool) else None
        judged.append(Judgement(holds, _value(condition.left, scene), _value(condition.right, scene)))
        if holds is not True:
            break
    last = judged[-1].holds
    outcome = Outcome.yes if last else Outcome.no if last is False else Outcome.unknown
    code = "facts.holds" if last else "facts.failed" if last is False else "facts.field_empty"
    return Verdict(outcome, code, "", persons, tuple(judged), used)


def _value(side: Side | None, scene: Scene) -> Value:
    return None if side is None else side.get(scene)


def short(operator: str, left: Value, right: Value) -> float | None:
    """By how much the left side is short of the right (or over it, for <=); None for what has no distance."""
    if operator not in (">=", ">", "<=", "<") or left is None or right is None:
        return None
    if isinstance(left, date) and isinstance(right, date) and type(left) is type(right):
        distance = float((right - left).days)
    elif isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal):
        distance = float(right) - float(left)
    else:
        return None
    distance = distance if operator in (">=", ">") else -distance
    return distance if distance > 0 else 0.0
