"""From what a frame says to Observations: which Datastream a value goes to, what marks it has, what was said before."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from cityloom.sensing.intake.framing import Reading
from cityloom.sensing.intake.heard import Batch, Place
from cityloom.sensing.intake.jt808 import positions
from cityloom.sensing.rules import drafts
from cityloom.sensing.rules.fitting import POSITION, item_code
from cityloom.sensing.spec.quantities import Interval, PositionItem
from cityloom.sensing.spec.stations import Station, Stations

GOOD = frozenset({"", "N"})
"""Marks of HJ 212 that say that nothing is wrong (HJ 212-2017, table 7: N is normal)."""
MOST_TEXT = 2_000

Key = tuple[str, str, str]
"""Series, code, aspect."""
Row = tuple[int, drafts.Reading]
"""Datastream and Observation."""


class Reader(msgspec.Struct, frozen=True):
    """How reports of one type of stations are read; made once for each type."""

    codes: Mapping[str, str]
    """The code of today by every code that devices have for it."""
    series: Mapping[str, tuple[str, ...]]
    """Series by kind of report; under the empty kind those that every kind has."""
    factors: Mapping[str, float]
    ranges: Mapping[str, Interval]
    items: Mapping[int, PositionItem]
    """Additional items of positions."""


def reader(found: Stations, station: Station) -> Reader:
    """Of a type."""
    table, items = found.tables.get(station.quantities), found.items.get(station.quantities)
    series: dict[str, tuple[str, ...]] = {}
    for each in station.series:
        for kind in each.kinds or ("",):
            series[kind] = (*series.get(kind, ()), each.name)
    ranges = table.ranges() if table else {}
    ranges |= {each.code: Interval(*each.range) for each in station.measures if each.range is not None}
    return Reader(
        {code: each.code for code, each in table.by_code().items()} if table else {}, series,
        {each.code: each.factor for each in station.measures if each.factor != 1}, ranges,
        {each.id: each for each in items.items} if items else {},
    )  # fmt: skip


class Rows(msgspec.Struct, frozen=True):
    """What a batch came to: Observations, and how many values have no Datastream."""

    rows: list[Row]
    undeclared: int
    spot: Place | None = None
    """The last place of a moving thing."""


def read(how: Reader, streams: Mapping[Key, int], batch: Batch) -> Rows:
    """The Observations of a batch. A value without a number is kept as text; one that the device left empty is none."""
    rows: list[Row] = []
    undeclared = 0
    names = (*how.series.get(batch.kind, ()), *how.series.get("", ()))
    for each in batch.readings:
        code = how.codes.get(each.code, each.code)
        stream = next((found for name in names if (found := streams.get((name, code, each.aspect)))), None)
        if stream is None:
            undeclared += 1
        elif (made := _observation(how, code, each)) is not None:
            rows.append((stream, made))
    spot = None
    for place in batch.places:
        if usable(place):
            rows += _placed(how.items, streams, place)
            spot = place if spot is None or place.position.at >= spot.position.at else spot
    return Rows(rows, undeclared, spot)


def _observation(how: Reader, code: str, said: Reading) -> drafts.Reading | None:
    number = said.number
    if number is None:
        if said.text in ("", "-"):
            return None
        text = msgspec.json.encode(said.text[:MOST_TEXT].replace("\x00", "")).decode()
        return drafts.Reading(said.start, said.end, result=text, quality=_quality(said, plausible=True))
    number *= how.factors.get(code, 1.0)
    limits = how.ranges.get(code)
    plausible = limits is None or limits.low <= number <= limits.high
    return drafts.Reading(said.start, said.end, number=number, quality=_quality(said, plausible=plausible))


def _quality(said: Reading, *, plausible: bool) -> str | None:
    """resultQuality: nothing where nothing is wrong; else the device's marks, and whether the value can be true."""
    if said.flag in GOOD and not said.error and plausible:
        return None
    found = {"flag": said.flag, "error": said.error, "plausible": "" if plausible else "no"}
    return msgspec.json.encode({name: value for name, value in found.items() if value}).decode()


def usable(place: Place) -> bool:
    """Whether a position says where something was: the receiver knew it, and it is on earth."""
    said = place.position
    return said.fixed and abs(said.latitude) <= 90 and abs(said.longitude) <= 180


def point(place: Place) -> str:
    """As GeoJSON."""
    return msgspec.json.encode(
        {"type": "Point", "coordinates": [place.position.longitude, place.position.latitude]}
    ).decode()


def _placed(items: Mapping[int, PositionItem], streams: Mapping[Key, int], place: Place) -> list[Row]:
    """Where a vehicle was, how fast, in which direction, and the numbers that came with it."""
    said = place.position
    values: list[tuple[str, float | None]] = [
        ("speed", said.speed), ("direction", float(said.direction)),
        *((item_code(each.id), _number(items, each)) for each in said.items),
    ]  # fmt: skip
    rows: list[Row] = []
    stream = streams.get(("", POSITION, ""))
    if stream is not None:
        names = [*positions.alarms(said.alarms)]
        more = {"alarms": names} if names else {}
        parameters = msgspec.json.encode(more).decode() if more else None
        rows.append((stream, drafts.Reading(said.at, result=point(place), parameters=parameters)))
    for code, number in values:
        stream = streams.get(("", code, ""))
        if stream is not None and number is not None:
            rows.append((stream, drafts.Reading(said.at, number=number)))
    return rows


def _number(items: Mapping[int, PositionItem], item: positions.Item) -> float | None:
    declared = items.get(item.id)
    return declared.value(item.data) if declared is not None else None


class Before(msgspec.Struct, frozen=True):
    """An Observation that is there, without its place."""

    end: datetime | None
    number: float | None
    result: object


def before(end: datetime | None, number: float | None, result: str | None) -> Before:
    """As the database has it."""
    return Before(end, number, None if result is None else msgspec.json.decode(result))


def repeats(row: drafts.Reading, there: list[Before]) -> bool:
    """Whether that was said before: the same value for the same time. Another value is a correction, and is kept."""
    result = None if row.result is None else msgspec.json.decode(row.result)
    return any(each.end == row.end and each.number == row.number and each.result == result for each in there)
