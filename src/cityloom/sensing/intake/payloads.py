"""Payloads of platforms to readings of devices, as a mapping of a pack says. Pure."""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from cityloom.sensing.intake.framing import Reading, Unreadable
from cityloom.sensing.spec.mappings import PART, Condition, Mapping, Value

MOST = 10_000
"""Values of one payload."""
_INDEX = re.compile(r"\[(\d*)\]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


class Said(msgspec.Struct, frozen=True):
    """What one message of a payload says of one device."""

    number: str
    kind: str
    readings: list[Reading]


def read(how: Mapping, payload: bytes, topic: str, received: datetime) -> list[Said]:
    """The messages that are meant, in their order; none where no condition holds.

    Raises Unreadable `payload_not_json`, `payload_too_many`, `number_missing`, `time_wrong`.
    """
    try:
        whole = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable("payload_not_json") from error
    levels = topic.split("/")
    found = [
        _said(how, item, levels, received)
        for item in (
            each for top in (_found(whole, how.items, levels) if how.items else [whole]) for each in _listed(top)
        )
        if all(_holds(item, each, levels) for each in how.when)
    ]
    if sum(len(each.readings) for each in found) > MOST:
        raise Unreadable("payload_too_many")
    return found


def _listed(found: Any) -> list[Any]:
    """A list has several messages."""
    return found if isinstance(found, list) else [found]


def _said(how: Mapping, item: Any, levels: Sequence[str], received: datetime) -> Said:
    number = _one(item, how.number, levels)
    if isinstance(number, bool) or not isinstance(number, str | int) or not str(number).strip():
        raise Unreadable("number_missing")
    text = str(number).strip()
    said = _one(item, how.time, levels) if how.time else None
    at = received if said is None else moment(said, how.clock)
    name = text.upper() if how.capitals else text
    readings = [reading for value in how.values for reading in _read(value, item, levels, name, at)]
    return Said(name, how.kind, readings)


def moment(said: object, clock: str) -> datetime:
    """The moment that a platform means. Raises Unreadable `time_wrong`."""
    try:
        if clock in ("s", "ms"):
            if isinstance(said, bool) or not isinstance(said, int | float | str):
                raise ValueError(said)
            return datetime.fromtimestamp(float(said) / (1000 if clock == "ms" else 1), UTC)
        if not isinstance(said, str):
            raise ValueError(said)
        if clock == "compact":
            return datetime.strptime(said, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        found = datetime.fromisoformat(_micro(said))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Unreadable("time_wrong") from error


def _micro(text: str) -> str:
    """Nanoseconds, as programs in Go write them, cut to microseconds."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)


def _read(value: Value, item: Any, levels: Sequence[str], number: str, at: datetime) -> Iterator[Reading]:
    if value.name:
        names = _found(item, value.name, levels)
        for name, found in zip(names, _found(item, value.path, levels), strict=False):
            yield _reading(number, str(name), found, value.factor, at)
        return
    for found in _found(item, value.path, levels):
        if value.code:
            yield _reading(number, value.code, found, value.factor, at)
        elif isinstance(found, dict):
            for name, inner in found.items():
                if isinstance(inner, int | float) and not isinstance(inner, bool):
                    yield _reading(number, name, inner, value.factor, at)


def _reading(number: str, code: str, found: Any, factor: float, at: datetime) -> Reading:
    text = found if isinstance(found, str) else "" if found is None else msgspec.json.encode(found).decode()
    amount: float | None = None
    if isinstance(found, bool):
        amount = float(found)
    elif isinstance(found, int | float) or (isinstance(found, str) and _NUMBER.fullmatch(found.strip())):
        amount = float(found) * factor
    if amount is not None and not math.isfinite(amount):
        amount, text = None, str(found)
    return Reading(number, code, "", at, None, amount, text)


def _holds(item: Any, condition: Condition, levels: Sequence[str]) -> bool:
    found = _one(item, condition.path, levels)
    text = found if isinstance(found, str) else msgspec.json.encode(found).decode()
    return text in condition.equals


def _one(item: Any, path: str, levels: Sequence[str]) -> Any:
    found = _found(item, path, levels)
    return found[0] if found else None


def _found(item: Any, path: str, levels: Sequence[str]) -> list[Any]:
    """What stands at a path; nothing where it leads nowhere."""
    here = [item]
    for place, part in enumerate(path.split(".")):
        match = PART.fullmatch(part)
        if match is None:
            return []
        name, indices = match[1], _INDEX.findall(match[2])
        if place == 0 and name == "topic" and indices and indices[0]:
            return [levels[int(indices[0])]] if int(indices[0]) < len(levels) else []
        here = [each[name] for each in here if isinstance(each, dict) and name in each]
        for index in indices:
            here = [inner for each in here if isinstance(each, list) for inner in _indexed(each, index)]
    return here


def _indexed(members: list[Any], index: str) -> list[Any]:
    if not index:
        return members
    return members[int(index) : int(index) + 1]
