"""What becomes of addresses: new, changed, split, merged, abolished; and where boundaries put them on a day."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from enum import Enum

import msgspec

from cityloom.addresses.rules.gazetteer import FormerName
from cityloom.addresses.rules.levels import Level


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One standard address of the library: one place at one level, under one text.

    An address that gets another text (a street renumbered or renamed) is abolished and names its successor: its code
    goes with its text. An address that only lies in another division after boundaries were redrawn stays itself.
    """

    code: str
    parent: str
    """Code of the entry that this lies in; empty for what lies directly in its division."""
    level: Level
    name: str
    """The name of this level alone, as the keeper writes it, such as 120号."""
    division: str
    """Code of the division in which it lies now, 6, 9 or 12 digits."""
    since: date
    until: date | None = None
    """First day on which it no longer holds."""
    replaced_by: tuple[str, ...] = ()


class ChangeKind(Enum):
    """What happened to addresses on a day."""

    new = "new"
    """新增: nothing was there, or nothing that has an address."""
    changed = "changed"
    """变更: one address became one other, such as a new number or a new name of the road."""
    split = "split"
    merged = "merged"
    abolished = "abolished"
    """注销: without a successor."""


class Change(msgspec.Struct, frozen=True):
    """What happened on one day to some addresses, with the old and the new codes."""

    day: date
    kind: ChangeKind
    before: tuple[str, ...]
    after: tuple[str, ...]


def changes(entries: Iterable[Entry], first: date, last: date) -> list[Change]:
    """What happened from the first day to the last (included), by day and code.

    Old addresses that share a successor were merged; an address with several was split.
    """
    known = list(entries)
    merging: dict[tuple[date, tuple[str, ...]], list[str]] = defaultdict(list)
    for each in known:
        if each.until is None or not first <= each.until <= last:
            continue
        key = each.replaced_by or (f"\0{each.code}",)  # what has no successor shares it with nobody
        merging[each.until, key].append(each.code)
    found = [_ended(day, sorted(before), after) for (day, after), before in merging.items()]
    succeeding = {code for each in known for code in each.replaced_by}
    fresh = [each for each in known if first <= each.since <= last and each.code not in succeeding]
    found += [Change(each.since, ChangeKind.new, (), (each.code,)) for each in fresh]
    return sorted(found, key=lambda change: (change.day, change.kind.value, change.before, change.after))


def _ended(day: date, before: list[str], after: tuple[str, ...]) -> Change:
    if after[0].startswith("\0"):
        return Change(day, ChangeKind.abolished, tuple(before), ())
    kind = ChangeKind.split if len(after) > 1 else ChangeKind.merged if len(before) > 1 else ChangeKind.changed
    return Change(day, kind, tuple(before), after)


class Heir(msgspec.Struct, frozen=True):
    """An address that an old one leads to."""

    code: str
    on: date
    """Day of the last change on the way to it."""
    steps: int


def heirs(known: Mapping[str, Entry], code: str, on: date) -> tuple[Heir, ...]:
    """The addresses that hold on a day and to which an address leads by its changes; itself, unless it had ended by then.

    Empty when it was abolished without a successor. Successors that are not in the library, or that lead in a circle,
    are passed over: `faults` names them.
    """
    found: dict[str, Heir] = {}
    seen: set[str] = set()
    waiting = [(code, 0, date.min)]
    while waiting:
        current, steps, day = waiting.pop()
        entry = known.get(current)
        if entry is None or current in seen:
            continue
        seen.add(current)
        if entry.until is None or entry.until > on:
            found[current] = Heir(current, day if steps else entry.since, steps)
        else:
            waiting += [(each, steps + 1, entry.until) for each in entry.replaced_by]
    return tuple(sorted(found.values(), key=lambda heir: heir.code))


class Fault(msgspec.Struct, frozen=True):
    """Something in a library that cannot be. `what`: parent_unknown, parent_ended, heir_unknown, circle, ends_early,
    heir_without_end."""

    code: str
    what: str
    other: str = ""


def faults(entries: Iterable[Entry]) -> list[Fault]:
    """What one record cannot show by itself; the checks of the dataset see the rest."""
    known = {each.code: each for each in entries}
    return [fault for each in known.values() for fault in _faults(known, each)]


def _faults(known: Mapping[str, Entry], entry: Entry) -> Iterator[Fault]:
    parent = known.get(entry.parent)
    if entry.parent and parent is None:
        yield Fault(entry.code, "parent_unknown", entry.parent)
    if parent and parent.until and (entry.until is None or entry.until > parent.until):
        yield Fault(entry.code, "parent_ended", parent.code)
    if entry.until and entry.until < entry.since:
        yield Fault(entry.code, "ends_early")
    if entry.replaced_by and entry.until is None:
        yield Fault(entry.code, "heir_without_end", entry.replaced_by[0])
    for heir in entry.replaced_by:
        if heir not in known:
            yield Fault(entry.code, "heir_unknown", heir)
        elif _leads_to(known, heir, entry.code):
            yield Fault(entry.code, "circle", heir)


def _leads_to(known: Mapping[str, Entry], start: str, goal: str) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        code = waiting.pop()
        if code == goal:
            return True
        if code not in seen and code in known:
            seen.add(code)
            waiting += known[code].replaced_by
    return False


class DivisionSpan(msgspec.Struct, frozen=True):
    """An address lay in a division from one day until another (not included; None: still)."""

    code: str
    division: str
    since: date
    until: date | None = None


class Divisions:
    """In which division each address lay on a day: what boundaries that were redrawn leave behind."""

    def __init__(self, spans: Iterable[DivisionSpan]) -> None:
        self._spans: dict[str, list[DivisionSpan]] = defaultdict(list)
        for span in sorted(spans, key=lambda each: (each.code, each.since)):
            self._spans[span.code].append(span)

    def at(self, code: str, day: date) -> str:
        """The division on that day; empty when nothing is known of it."""
        spans = self._spans.get(code, [])
        place = bisect_right(spans, day, key=lambda span: span.since) - 1
        if place < 0:
            return ""
        span = spans[place]
        return span.division if span.until is None or day < span.until else ""

    def ever(self, code: str) -> tuple[str, ...]:
        """All divisions it ever lay in, in order."""
        return tuple(span.division for span in self._spans.get(code, ()))


class DivisionChange(msgspec.Struct, frozen=True):
    """One line of the history of divisions: on a day an old division, or a part of it, became a new one."""

    day: date
    old: str
    old_name: str
    new: str
    new_name: str


def former_names(history: Iterable[DivisionChange]) -> list[FormerName]:
    """The names that no longer hold, each with the present divisions that it leads to, through later changes too."""
    lines = sorted(history, key=lambda line: line.day)
    found: dict[tuple[str, Level], tuple[set[str], date]] = {}
    for line in lines:
        if line.old_name == line.new_name and line.old == line.new:
            continue
        key = line.old_name, _level(line.old)
        codes, _ = found.get(key, (set(), line.day))
        found[key] = codes | _present(lines, line), line.day
    return [
        FormerName(name, level, tuple(sorted(codes)), until) for (name, level), (codes, until) in sorted(found.items())
    ]


def _present(lines: list[DivisionChange], line: DivisionChange) -> set[str]:
    reached, codes = {line.new}, {line.new}
    for later in lines:
        if later.day > line.day and later.old in reached and later.new != later.old:
            reached.add(later.new)
            codes.add(later.new)
            if not any(each.day == later.day and each.old == each.new == later.old for each in lines):
                codes.discard(later.old)
    return codes


def _level(code: str) -> Level:
    return {2: Level.province, 4: Level.city, 6: Level.district, 9: Level.street}.get(len(code), Level.community)
