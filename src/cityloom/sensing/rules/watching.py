"""Which Datastreams a rule watches, and with which limits."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import shapely

from cityloom.sensing.rules.columns import Floats, Integers
from cityloom.sensing.rules.series import Flags, Limits
from cityloom.sensing.spec.rules import Deviation, Limit, Missing, Named, Own, Rate, Threshold, Together, Watch, Zone


class Observed(msgspec.Struct, frozen=True):
    """An ObservedProperty of a Datastream."""

    name: str
    definition: str
    properties: dict[str, Any] | None = None


class Stream(msgspec.Struct, frozen=True):
    """A Datastream as rules look at it."""

    id: int
    keeper: str
    multi: bool
    thing: int
    thing_name: str
    district: str
    unit: str
    observed: tuple[Observed, ...]
    properties: dict[str, Any] | None
    thing_properties: dict[str, Any] | None
    longitude: float | None
    latitude: float | None

    @property
    def groups(self) -> tuple[str, ...]:
        """Of the Thing."""
        found = self.thing_properties or {}
        several = found.get("groups")
        single = [found["group"]] if "group" in found else []
        return tuple(str(each) for each in single + (several if isinstance(several, list) else []))


def words(stream: Stream, observed: Observed) -> tuple[str, ...]:
    """By what a rule may name a property of a Datastream."""
    codes = [(observed.properties or {}).get("code"), None if stream.multi else (stream.properties or {}).get("code")]
    return tuple(each for each in (observed.name, observed.definition, *codes) if isinstance(each, str) and each)


def named(watch: Watch, stream: Stream, observed: Observed) -> str:
    """By which of the rule's words a property is meant; empty: it is not."""
    return next((each for each in watch.properties if each in words(stream, observed)), "")


def position(watch: Watch, stream: Stream) -> int:
    """Which of its properties a rule means (0 of one that has one); -1 where it does not watch the Datastream."""
    if watch.groups and not set(watch.groups) & set(stream.groups):
        return -1
    if watch.districts and not any(within(stream.district, each) for each in watch.districts):
        return -1
    known = {name: value for name, value in watch.datastreams.items() if name in (stream.properties or {})}
    if not _has(stream.properties, known) or not _has(stream.thing_properties, watch.things):
        return -1
    for place, observed in enumerate(stream.observed):
        if watch.properties and not named(watch, stream, observed):
            continue
        if watch.items and not set(watch.items) & set(_items(stream, observed)):
            continue
        return place
    return -1


def within(district: str, wanted: str) -> bool:
    """Whether a district is that one, or lies in it by its code (GB/T 2260: 440304 in 4403)."""
    return district == wanted or (wanted.isdigit() and district.startswith(wanted))


def _items(stream: Stream, observed: Observed) -> list[str]:
    places = (observed.properties, stream.properties, stream.thing_properties)
    return [str(each["item"]) for each in places if each and "item" in each]


def _has(properties: Mapping[str, Any] | None, wanted: Mapping[str, str]) -> bool:
    found = properties or {}
    return all(name in found and str(found[name]) == value for name, value in wanted.items())


def limit(wanted: Limit | None, stream: Stream) -> float:
    """The limit for a Datastream; NaN where it has none."""
    if isinstance(wanted, Own):
        for properties in (stream.properties, stream.thing_properties):
            value = (properties or {}).get(wanted.property)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return value * wanted.times + wanted.plus
        return float("nan")
    return float("nan") if wanted is None else wanted


def limits(rule: Named, streams: Sequence[Stream]) -> Limits:
    """Of each Datastream, in their order."""
    when = rule.rule.when
    if isinstance(when, Together | Missing):
        return Limits(np.zeros((len(streams), 1)), np.zeros(len(streams)))
    begins, until, sign = _bounds(rule)
    reaches = when.reaches if isinstance(when, Threshold) else True
    at = np.asarray([[limit(each, one) for each in begins] for one in streams], np.float64).reshape(-1, len(begins))
    over = np.asarray([limit(until, one) for one in streams], np.float64)
    filled = np.where(np.isfinite(over), over, at[:, 0] if len(streams) else over)
    if len(begins) > 1 and len(streams):  # without a limit of its own for the lowest class, the next one counts
        filled = np.where(np.isfinite(filled), filled, np.nanmin(np.where(np.isfinite(at), at, np.inf), axis=1))
    return Limits(at * sign, filled * sign, sign, reaches)


def _bounds(rule: Named) -> tuple[tuple[Limit, ...], Limit | None, float]:
    """Where each level begins, where it is over, and -1 where less is worse."""
    when = rule.rule.when
    if isinstance(when, Threshold):
        if when.levels:
            return tuple(each.at for each in when.levels), when.until, 1.0
        if when.below is not None:
            return (when.below,), when.until, -1.0
        return (when.above if when.above is not None else 0.0,), when.until, 1.0
    if isinstance(when, Rate):
        wanted = when.rises if when.rises is not None else when.falls
        return (wanted if wanted is not None else 0.0,), when.until, 1.0
    if isinstance(when, Deviation):
        return (when.by,), when.until, 1.0
    if isinstance(when, Zone):
        return (0.5,), None, 1.0
    return (when.lasting.total_seconds(),), 1e-9, 1.0  # type: ignore[union-attr]


def neighbours(streams: Sequence[Stream], radius: float) -> dict[int, tuple[int, ...]]:
    """For each Datastream (by place) the others of other Things within so many kilometres."""
    placed = [place for place, each in enumerate(streams) if each.longitude is not None and each.latitude is not None]
    if not placed:
        return {}
    east = np.radians([streams[place].longitude or 0.0 for place in placed])
    north = np.radians([streams[place].latitude or 0.0 for place in placed])
    found: dict[int, tuple[int, ...]] = {}
    for number, place in enumerate(placed):
        half = (
            np.sin((north - north[number]) / 2) ** 2
            + np.cos(north) * np.cos(north[number]) * np.sin((east - east[number]) / 2) ** 2
        )
        near = 2 * 6371.0088 * np.arcsin(np.sqrt(np.minimum(half, 1.0))) <= radius
        found[place] = tuple(
            placed[other] for other in np.flatnonzero(near).tolist() if streams[placed[other]].thing != streams[place].thing
        )  # fmt: skip
    return found


def forecasts(streams: Sequence[Stream], role: str) -> dict[int, tuple[int, ...]]:
    """For each Datastream (by place) those of the same Thing that have the forecast of the same property."""
    known: dict[tuple[int, str], list[int]] = {}
    for place, each in enumerate(streams):
        if (each.properties or {}).get("role") == role:
            for observed in each.observed:
                known.setdefault((each.thing, observed.name), []).append(place)
    return {
        place: tuple(other for observed in each.observed for other in known.get((each.thing, observed.name), ()))
        for place, each in enumerate(streams)
        if (each.properties or {}).get("role") != role
    }


def inside(zone: Zone, points: Sequence[tuple[float, float] | None]) -> Floats:
    """1 for each point on the wanted side of the area, 0 for others; NaN where there is no point."""
    whole = shapely.Polygon()
    for ring in zone.area:
        whole = whole.symmetric_difference(shapely.Polygon(ring))
    there = [place for place, each in enumerate(points) if each is not None]
    found = np.full(len(points), np.nan)
    known = [each for each in points if each is not None]
    hit = shapely.intersects_xy(whole, [x for x, _ in known], [y for _, y in known])
    found[there] = np.asarray(hit if zone.side == "inside" else ~hit, np.float64)
    return found


def point(result: str) -> tuple[float, float] | None:
    """Longitude and latitude of a result that is a GeoJSON Point."""
    try:
        found = msgspec.json.decode(result)
        x, y = found["coordinates"][:2]
        return (float(x), float(y)) if found["type"] == "Point" else None
    except (msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None


def component(result: str, place: int) -> float:
    """One value of the result of a MultiDatastream; NaN where it is no number."""
    try:
        value = msgspec.json.decode(result)[place]
    except (msgspec.DecodeError, KeyError, TypeError, IndexError):
        return float("nan")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("nan")


class Watched(msgspec.Struct, frozen=True):
    """What one rule watches among known Datastreams, by their place."""

    rule: Named
    places: Flags
    positions: Integers
    limits: Limits
    expected: dict[int, tuple[int, ...]]
    """Neighbours or forecasts, by place."""


def watched(rule: Named, streams: Sequence[Stream]) -> Watched:
    """Look at each Datastream; one that has the forecast of another is watched by none."""
    when = rule.rule.when
    places = np.asarray([position(rule.rule.watch, each) for each in streams], np.int64)
    if isinstance(when, Together):
        places = np.full(len(streams), -1)
    bounds = limits(rule, streams)
    there = (places >= 0) & np.isfinite(bounds.at).any(axis=1) if len(streams) else np.zeros(0, np.bool_)
    expected: dict[int, tuple[int, ...]] = {}
    if isinstance(when, Deviation):
        if when.of == "forecast":
            expected = forecasts(streams, when.forecast)
        else:
            some = np.flatnonzero(there).tolist()
            near = neighbours([streams[place] for place in some], when.radius)
            expected = {some[place]: tuple(some[other] for other in others) for place, others in near.items()}
        there &= np.asarray([bool(expected.get(place)) for place in range(len(streams))], np.bool_)
    return Watched(rule, there, places, bounds, expected)
