"""Rules (`sensing/rules/*.yaml`): when what is observed is an event, how severe, and who is told.

A city's pack changes parameters of a rule by a JSON merge patch (RFC 7396) of the same name in `sensing/overrides`.
"""

import hashlib
from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import yaml
from msgspec import Meta

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Loader, Packs
from cityloom.kernel.words import Text

NONE = timedelta()
LONGEST = timedelta(days=7)
"""The longest window: what is hot is not kept for ever."""
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{1,59}$")]
Count = Annotated[int, Meta(ge=1, le=100_000)]


class Severity(StrEnum):
    """From the least to the worst; the colours are those of warnings (突发事件应对法: 蓝、黄、橙、红, IV to I)."""

    notice = "notice"
    blue = "blue"
    yellow = "yellow"
    orange = "orange"
    red = "red"


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which Datastreams a rule watches: those that fit each of the lists that are not empty."""

    properties: tuple[str, ...] = ()
    """ObservedProperty: its name, its definition, or `code` of its properties or of those of the Datastream."""
    items: tuple[str, ...] = ()
    """`item` of the properties of the ObservedProperty, the Datastream or the Thing (sensing catalogue)."""
    groups: tuple[str, ...] = ()
    """`group`, or one of `groups`, of the Thing's properties."""
    districts: tuple[str, ...] = ()
    """`district` of the Thing's properties; a code also means what lies in it."""
    datastreams: dict[str, str] = {}
    """Properties of the Datastream, such as `series: hours`; one that it does not have does not matter."""
    things: dict[str, str] = {}
    """Properties of the Thing."""


class Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit of its own: a number among the properties of the Datastream, else of its Thing; without it there is none."""

    property: str
    times: float = 1.0
    plus: float = 0.0


Limit = float | Own


class Level(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A class of a table of limits: from `at` on the event is so severe."""

    at: Limit
    severity: Severity
    title: Text | None = None


class Scale(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is measured becomes an index: between the limits of its table in proportion (`rounded` up), or the number of limits
    that it passes (`passed`)."""

    tables: dict[str, tuple[float, ...]]
    """By word of `watch.properties`."""
    steps: tuple[float, ...] = ()
    """Indices at the limits, as many as the longest table has."""
    digits: dict[str, int] = {}
    """Decimals to which a value is rounded before, half to even; others to whole numbers."""
    factors: dict[str, float] = {}
    """Of units: a value is multiplied before."""
    short: Literal["last", "none"] = "last"
    """Beyond a table with fewer limits than there are steps: the index of its last limit, or none."""


class Held(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all rules on a series of values have."""

    lasting: timedelta = NONE
    """So long it has to hold, without a value that does not, before there is an event."""
    calm: timedelta = NONE
    """So long it has to be over before the event is closed."""
    gap: timedelta = NONE
    """Two values further apart do not belong together: what held is over (0: however far)."""


class Threshold(Held, frozen=True, kw_only=True, tag="threshold"):
    """A value, or what the values of a window come to, passes a limit; it is over when `until` is no longer passed."""

    above: Limit | None = None
    below: Limit | None = None
    reaches: bool = True
    """Whether the limit itself is an event; if not, only what lies beyond it."""
    levels: tuple[Level, ...] = ()
    """Instead of `above`: limits in ascending order, each more severe."""
    until: Limit | None = None
    of: Literal["value", "mean", "sum", "lowest", "highest"] = "value"
    over: timedelta = NONE
    """The window of `of`, up to and with the value."""
    least: Count = 1
    """So many values the window has to have."""
    scale: Scale | None = None


class Rate(Held, frozen=True, kw_only=True, tag="rate"):
    """It rises (or falls) by so much against the lowest (highest) value of the window before."""

    rises: Limit | None = None
    falls: Limit | None = None
    over: timedelta
    until: Limit | None = None


class Constant(Held, frozen=True, kw_only=True, tag="constant"):
    """The very same value for so long (`lasting`): a sensor that hangs, or data that are made up (恒值)."""

    least: Count = 3
    """Values that have to be the same."""
    unless: tuple[float, ...] = ()
    """Values at which a thing may well stand."""


class Deviation(Held, frozen=True, kw_only=True, tag="deviation"):
    """It is away by so much (either way) from the median of its neighbours, or from what was forecast."""

    of: Literal["neighbours", "forecast"]
    by: Limit
    share: bool = False
    """`by` is a share of what was expected (0.5: half as much again)."""
    until: Limit | None = None
    within: timedelta = timedelta(hours=1)
    """So old a neighbour's value may be; so far away in time a forecast."""
    radius: Annotated[float, Meta(gt=0, le=200)] = 10.0
    """Of neighbours, in kilometres."""
    least: Count = 3
    """Neighbours with a value."""
    forecast: str = "forecast"
    """`role` of the properties of the Datastream of the same Thing and ObservedProperty that has the forecast."""


class Zone(Held, frozen=True, kw_only=True, tag="zone"):
    """Something that moves is inside (outside) of an area; the event begins when it enters (leaves)."""

    side: Literal["inside", "outside"]
    area: tuple[tuple[tuple[float, float], ...], ...]
    """Rings of longitude and latitude (WGS 84): each an area of its own; one that lies in another is a hole in it."""


class Missing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="missing"):
    """Nothing came for so long; only time in which the platform listened counts."""

    after: timedelta


class Together(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="together"):
    """Events of several rules, or of one rule at several Things, at the same place within a time."""

    rules: tuple[Name, ...]
    by: Literal["thing", "group", "district", "city"] = "thing"
    count: Literal["rules", "things"] = "rules"
    """What is counted: which of the rules, or at how many Things."""
    least: int = 0
    """So many; 0: all of the rules."""
    within: timedelta = NONE
    """An event counts so long after its last moment."""


Condition = Threshold | Rate | Constant | Deviation | Zone | Missing | Together
Series = (Threshold, Rate, Constant, Deviation, Zone)


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    title: Text
    source: str
    """The standard with its clause, or `ours`."""
    severity: Severity
    when: Condition
    watch: Watch = Watch()
    told: tuple[str, ...] = ()
    """Organisations that see its events, besides the keeper of what was observed."""
    quiet: bool = False
    """Its events are parts of others, and told to nobody."""
    since: date | None = None
    until: date | None = None
    """Days, in the city's time, of what it judges."""
    disabled: bool = False


class Named(msgspec.Struct, frozen=True):
    """A rule as it holds in this city."""

    name: str
    rule: Rule
    version: str
    """A digest of all that it says."""


def rules(packs: Packs) -> dict[str, Named]:
    """All that are not disabled, by name, with what the city changed. Raises Invalid `kernel.pack_wrong`."""
    files: dict[str, tuple[Path, Any]] = {}
    for pack in packs:
        for path in pack.files("sensing/rules"):
            if path.stem in files:
                raise _wrong(path, f"another pack has a rule named {path.stem}")
            files[path.stem] = (path, _document(path))
    for pack in packs:
        for path in pack.files("sensing/overrides"):
            if path.stem not in files:
                raise _wrong(path, f"no rule {path.stem} to change")
            files[path.stem] = (path, merged(files[path.stem][1], _document(path)))
    found = {name: named(name, document, path) for name, (path, document) in files.items()}
    for each in found.values():
        _check_parts(each, found, files[each.name][0])
    return {name: each for name, each in sorted(found.items()) if not each.rule.disabled}


def named(name: str, document: Any, path: Path = Path("-")) -> Named:
    """A rule from its document, checked. Raises Invalid `kernel.pack_wrong`."""
    try:
        rule = msgspec.convert(document, Rule)
    except msgspec.ValidationError as error:
        raise _wrong(path, str(error)) from error
    reason = fault(rule)
    if reason:
        raise _wrong(path, reason)
    return Named(name, rule, hashlib.sha256(msgspec.json.encode(rule, order="sorted")).hexdigest()[:12])


def merged(document: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    found = dict(document) if isinstance(document, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value)
    return found


def fault(rule: Rule) -> str:
    """What cannot be in a rule that could be read; empty where there is nothing."""
    when = rule.when
    if isinstance(when, Together):
        return _fault_of_parts(when)
    if not any(getattr(rule.watch, name) for name in rule.watch.__struct_fields__):
        return "it watches everything: say by properties, items, groups, districts, datastreams or things"
    if isinstance(when, Missing):
        return "" if when.after > NONE else "`after` has to be longer than nothing"
    if min(when.lasting, when.calm, when.gap) < NONE:
        return "a time cannot be negative"
    check = {Threshold: _threshold, Rate: _rate, Constant: _constant, Zone: _zone}.get(type(when))
    return check(rule, when) if check else ""


def _fault_of_parts(when: Together) -> str:
    if when.count == "rules" and (len(set(when.rules)) != len(when.rules) or when.least > len(when.rules)):
        return "`rules` are several, each once, and `least` at most as many"
    if when.count == "things" and when.least < 2:
        return "`least` says at how many Things, from 2 on"
    return "" if when.rules else "`rules` is empty"


def _threshold(rule: Rule, when: Any) -> str:
    given = [when.above is not None, when.below is not None, bool(when.levels)]
    if sum(given) != 1:
        return "one of `above`, `below` and `levels`"
    if (when.of == "value") != (when.over == NONE):
        return "`over` is the window of `of: mean` and the like, and needs it"
    if when.over > LONGEST:
        return f"a window of at most {LONGEST.days} days"
    if _plain(when.levels[0].at if when.levels else when.above, when.until):
        return "`until` lies above what begins the event"
    if _plain(when.until, when.below):
        return "`until` lies below what begins the event"
    plain = [each.at for each in when.levels if isinstance(each.at, float)]
    if sorted(set(plain)) != plain:
        return "`levels` ascend"
    return _scaled(rule, when.scale) if when.scale else ""


def _plain(more: object, less: object) -> bool:
    """Whether two plain limits stand in the wrong order: the second above the first."""
    return isinstance(more, float) and isinstance(less, float) and less > more


def _scaled(rule: Rule, scale: Scale) -> str:
    missing = [word for word in rule.watch.properties if word not in scale.tables]
    if missing:
        return f"`scale` has no table for {missing[0]}"
    for word, table in scale.tables.items():
        if len(table) < 2 or list(table) != sorted(table) or (scale.steps and len(table) > len(scale.steps)):
            return f"the table of {word} ascends, and has at most as many limits as there are steps"
    return "" if list(scale.steps) == sorted(scale.steps) else "`steps` ascend"


def _rate(_: Rule, when: Any) -> str:
    if (when.rises is None) == (when.falls is None):
        return "one of `rises` and `falls`"
    if not NONE < when.over <= LONGEST:
        return f"a window of at most {LONGEST.days} days"
    return "`until` lies above what begins the event" if _plain(when.rises or when.falls, when.until) else ""


def _constant(_: Rule, when: Any) -> str:
    return "" if when.lasting > NONE else "`lasting` says for how long the value has to be the same"


def _zone(_: Rule, when: Any) -> str:
    for ring in when.area:
        if len(ring) < 4 or ring[0] != ring[-1]:
            return "a ring has at least four corners, the last one the same as the first"
        if any(not (-180 <= x <= 180 and -90 <= y <= 90) for x, y in ring):
            return "corners are longitude and latitude"
    return "" if when.area else "`area` has no ring"


def _check_parts(each: Named, found: Mapping[str, Named], path: Path) -> None:
    if not isinstance(each.rule.when, Together):
        return
    for name in each.rule.when.rules:
        if name not in found:
            raise _wrong(path, f"no rule {name}")
        if isinstance(found[name].rule.when, Together):
            raise _wrong(path, f"{name} is made of others itself")


def _document(path: Path) -> Any:
    try:
        return yaml.load(path.read_bytes(), Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, OSError) as error:
        raise _wrong(path, str(error)) from error


def _wrong(path: Path, reason: str) -> Invalid:
    return Invalid("kernel.pack_wrong", file=str(path), reason=reason)
