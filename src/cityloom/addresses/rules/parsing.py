"""Reads a Chinese address, left to right: divisions, names of roads and estates, then doors.

One pass without going back. At each place the first of these that fits is taken: a division of the gazetteer, a road or
estate of the register, a door (12栋, 3单元), numbers without a word, a name with a known ending. What fits nothing is
kept as a note, or as the name of an estate when doors follow it. Never raises for any text.
"""

import re

from cityloom.addresses.rules import grammar
from cityloom.addresses.rules.cleaning import clean
from cityloom.addresses.rules.gazetteer import Gazetteer, Sense, agreeing
from cityloom.addresses.rules.levels import DIVISIONS, Level, Parsed, Part
from cityloom.addresses.rules.numerals import to_digits, to_han

_LANDS = {Level.street: "街道", Level.community: "社区"}
_HAN_ROAD = re.compile(r"(?:^|[\u4e00-\u9fff])\d{1,2}(?:路|街|巷|道|大道)$")
_MANY = (Level.road, Level.estate)
_BELOW_NAMES = Level.section


def parse(text: str, known: Gazetteer) -> Parsed:
    """The levels of an address.

    `text`: up to 400 characters are read. Names come out comparable (see Part). An empty or senseless text gives no
    parts.
    """
    return _Reading(*clean(text), known).read()


def canonical(level: Level, name: str) -> str:
    """A name of the register in the form in which parts have it: 120号 → 120, 十二栋 → 12, 科技南12路 → 科技南十二路."""
    cleaned, _ = clean(name)
    if level >= Level.number and level not in (Level.estate,):
        for each, pattern in grammar.DOORS:
            if each == level and (found := pattern.fullmatch(cleaned)):
                return _door(level, found)
        return to_digits(cleaned)
    if level == Level.group:
        return to_digits(cleaned).removesuffix("组").removesuffix("村民小").removeprefix("第")
    return _road(cleaned) if level == Level.road else cleaned


class _Reading:
    """One pass over one text."""

    def __init__(self, text: str, notes: tuple[str, ...], known: Gazetteer) -> None:
        self.text, self.known = text, known
        self.place = 0
        self.parts: list[Part] = []
        self.notes = list(notes)
        self.loose = 0
        """Where the piece begins that fitted nothing so far; equal to `place` when there is none."""
        self.division = ""
        self.conflict = False
        self.relation = ""

    def read(self) -> Parsed:
        while self.place < len(self.text):
            if not self._step():
                self.place += 1
        self._settle(None)
        ordered = sorted(self.parts, key=lambda part: part.level)
        return Parsed(tuple(ordered), self.division, self.conflict, self.relation, tuple(self.notes))

    def _step(self) -> bool:
        if self.text[self.place] == ",":
            self._settle(None)
            self._go(self.place + 1)
            return True
        if self.loose == self.place:
            return (
                self._known_place() or self._division() or self._relation() or self._door() or self._bare()
                or self._join() or self._region() or self._named()
            )  # fmt: skip
        return self._relation() or self._door() or self._bare() or self._late_named()

    def _go(self, end: int) -> None:
        self.place = self.loose = end

    def _known_place(self) -> bool:
        found = self.known.place_at(self.text, self.place)
        if not found:
            return False
        end, level = found
        self._add(level, self.text[self.place : end], self.text[self.place : end])
        self._go(end)
        return True

    def _division(self) -> bool:
        lowest = max((part.level for part in self.parts if part.level in DIVISIONS), default=0)
        if any(part.level > Level.community for part in self.parts) and self.text[self.place - 1] != ",":
            return False
        found = self.known.divisions_at(self.text, self.place)
        for end, sense in found if self.division else sorted(found, key=self._abroad):
            inside = tuple(code for code in sense.codes if code.startswith(self.division))
            repeated = bool(self.division) and any(self.division.startswith(code) for code in sense.codes)
            if (inside and sense.level > lowest) or repeated:
                return self._take(end, sense, inside or agreeing(sense.codes, self.division))
            if lowest < sense.level < Level.community and not sense.bare and not sense.former:
                return self._take(end, sense, sense.codes)  # said in full, it is meant, even where it does not lie
        return False

    def _abroad(self, found: tuple[int, Sense]) -> bool:
        return not any(code.startswith(self.known.home) for code in found[1].codes)

    def _take(self, end: int, sense: Sense, codes: tuple[str, ...]) -> bool:
        said = self.text[self.place : end]
        if not self.division:
            codes = tuple(code for code in codes if code.startswith(self.known.home)) or codes
        name = self.known.names.get(codes[0], sense.name) if len(codes) == 1 and not sense.former else sense.name
        part = Part(sense.level, name, said, codes, sense.former)
        known = next((each for each in self.parts if each.level == part.level and not each.codes), None)
        if not any(each.level == part.level and each.name == part.name for each in self.parts):
            self.parts = [each for each in self.parts if each is not known]
            self.parts.append(part)
        shared = _common(codes)
        if shared.startswith(self.division):
            self.division = shared
        elif not self.division.startswith(shared):
            self.conflict = True
        self._go(end)
        return True

    def _region(self) -> bool:
        """A division that no list has, only before anything else is known of the place below it."""
        lowest = max((part.level for part in self.parts), default=0)
        found = grammar.REGION.match(self.text, self.place) if lowest < Level.district else None
        if not found:
            return False
        said = found.group()
        wide = said.endswith(("省", "自治区", "特别行政区")) and lowest < Level.province
        city = said.endswith(("市", "自治州")) and lowest < Level.city
        level = Level.province if wide else Level.city if city else Level.district
        self._add(level, said, said)
        self._go(found.end())
        return True

    def _relation(self) -> bool:
        found = grammar.RELATION.match(self.text, self.place)
        if not found:
            return False
        beside_part = self.loose == self.place and bool(self.parts) and not self._deep()
        if beside_part:
            self.relation = found.group()
        elif self.loose < self.place:  # 肯德基旁: the landmark is what nobody could read
            self.notes.append(self.text[self.loose : found.end()])
            if not any(part.level >= Level.number for part in self.parts):
                self.relation = found.group()
        self._go(found.end())
        return True

    def _deep(self) -> bool:
        return any(part.level == Level.room for part in self.parts)

    def _door(self) -> bool:
        for level, pattern in grammar.DOORS:
            found = pattern.match(self.text, self.place)
            if found and self._fits(level, found):
                self._settle(level)
                self._add_doors(self._meant(level), _door(level, found), found.group())
                self._go(found.end())
                self._wing()
                return True
        return False

    def _fits(self, level: Level, found: re.Match[str]) -> bool:
        """A floor needs something that has floors; a lone 一路 or 六队 is no door where a name begins."""
        if level == Level.floor:
            return bool(self.parts) or self.loose < self.place
        if level == Level.group:
            return any(part.level in (Level.community, Level.street, Level.estate) for part in self.parts)
        after = self.text[found.end() : found.end() + 1]
        return not (level == Level.section and after in {"路", "街", "道", "巷", "大"})

    def _meant(self, level: Level) -> Level:
        """A second 号 behind a lane is a building, behind a building a room."""
        have = {part.level for part in self.parts}
        if level == Level.number and have & {Level.building, Level.unit, Level.floor}:
            return Level.room
        if level == Level.number and Level.number in have:
            return Level.building
        return level

    def _wing(self) -> None:
        last = self.parts[-1] if self.parts else None
        found = grammar.WING.match(self.text, self.place)
        if found and last and last.level == Level.building and last.name[-1:].isdigit():
            self.parts[-1] = Part(
                last.level, f"{last.name}-{found.group('name')}", last.said + found.group(), last.codes
            )
            self._go(found.end())

    def _bare(self) -> bool:
        found = grammar.BARE.match(self.text, self.place)
        if not found and any(part.level > Level.section for part in self.parts):
            found = grammar.BARE_HAN.match(self.text, self.place)
        if not found or (self.loose < self.place and not self._may_name()):
            return False
        after = self.text[found.end() : found.end() + 1]
        if found.group()[0].isalpha() and "-" not in found.group() and "\u4e00" <= after <= "\u9fff":
            return False
        last = self.parts[-1].level if self.parts and self.loose == self.place else None
        ends = after in ("", ",") or bool(grammar.RELATION.match(self.text, found.end()))
        if not ends and last != Level.road and (last is None or last < Level.number):
            return False
        self._settle(Level.building)
        last = self.parts[-1].level if self.parts else None
        if last != Level.road:
            last = max((part.level for part in self.parts), default=None)
        pieces = to_digits(found.group()).split("-")
        for level, name in _spread(last, pieces):
            self._add_door(level, name, name)
        self._go(found.end())
        return True

    def _named(self) -> bool:
        found = grammar.LONG_ROAD.match(self.text, self.place) or grammar.NAMED.match(self.text, self.place)
        if not found:
            return False
        named = found.groupdict()
        level = next((each for each in grammar.NAMED_LEVELS if named.get(each.name)), Level.road)
        level = Level.estate if named.get("standing") else level
        said = found.group()
        if level == Level.street and len(said) == 2:
            return False  # a 镇 or 乡 has a name of its own
        self._settle(level)
        self._add(level, _land(level, said), said)
        self._go(found.end())
        return True

    def _late_named(self) -> bool:
        """A name that begins inside an unread piece is read only at its own known beginning."""
        found = self.known.place_at(self.text, self.place)
        if not found:
            return False
        self._settle(None)
        self.loose = self.place
        return self._known_place()

    def _join(self) -> bool:
        found = grammar.JOIN.match(self.text, self.place)
        if not found or not self.parts or self.parts[-1].level != Level.road:
            return False
        self._go(found.end())
        return True

    def _may_name(self) -> bool:
        return not any(part.level > Level.estate for part in self.parts)

    def _settle(self, following: Level | None) -> None:
        """What was not read becomes an estate when doors of one follow, and a note otherwise."""
        piece = self.text[self.loose : self.place]
        self.loose = self.place
        if not piece:
            return
        named = following is not None and following >= Level.number and len(piece) >= 2
        if named and self._may_name() and not any(part.level == Level.estate for part in self.parts):
            self._add(Level.estate, piece, piece)
        elif len(piece) > 1 or not self.parts:
            self.notes.append(piece)

    def _name_at(self, level: Level) -> str:
        return next((part.name for part in self.parts if part.level == level), "")

    def _add_doors(self, level: Level, name: str, said: str) -> None:
        """17号2-1-1401号: what follows a number in one chain is building, unit and room."""
        if level == Level.building and said.endswith("号") and re.search(r"-\d{3}|-.*-", name):
            for each, piece in _spread(Level.number, name.split("-")):
                self._add_door(each, piece, said)
        else:
            self._add_door(level, name, said)

    def _add_door(self, level: Level, name: str, said: str) -> None:
        if level not in _MANY and any(part.level == level for part in self.parts):
            if not any(part.level == level and part.name == name for part in self.parts):
                self.notes.append(said)
            return
        self.parts.append(Part(level, name, said))

    def _add(self, level: Level, name: str, said: str) -> None:
        name = _road(name) if level == Level.road else name
        if level == Level.community and name not in ("", self._name_at(level)) and self._name_at(level):
            level = Level.estate  # a village that a community has grown around
        if level in _MANY:
            self.parts = [part for part in self.parts if (part.level, part.name) != (level, name)]
        elif any(part.level == level for part in self.parts):
            if not any(part.level == level and part.name == name for part in self.parts):
                self.notes.append(said)
            return
        self.parts.append(Part(level, name, said))


def _spread(last: Level | None, pieces: list[str]) -> list[tuple[Level, str]]:
    """Which doors numbers without a word are, by what stands before them and how many there are."""
    if last == Level.road:
        head, rest = (pieces[:2], pieces[2:]) if len(pieces) == 2 else (pieces[:1], pieces[1:])
        return [(Level.number, "-".join(head)), *_spread(Level.number, rest)] if pieces else []
    if not pieces:
        return []
    if last in (Level.unit, Level.floor):
        return [(Level.room, "-".join(pieces))]
    if last == Level.building and len(pieces) == 1:
        return [(Level.floor, pieces[0][:-1]) if re.fullmatch(r"\d{1,2}F", pieces[0]) else (Level.room, pieces[0])]
    if last == Level.building and len(re.sub(r"\D", "", pieces[0])) > 2:
        return [(Level.room, "-".join(pieces))]  # 4102-3: rooms that were divided, not units
    if last == Level.building:
        return _named_pieces((Level.unit, Level.room), pieces)
    if len(pieces) == 1:
        return _one(last, pieces[0])
    return _named_pieces((Level.building, Level.unit, Level.room), pieces)


def _named_pieces(levels: tuple[Level, ...], pieces: list[str]) -> list[tuple[Level, str]]:
    """The last piece is the room; the others are levels from the widest on."""
    if len(pieces) > len(levels):
        pieces = [*pieces[: len(levels) - 1], "-".join(pieces[len(levels) - 1 :])]
    return [*zip(levels, pieces[:-1], strict=False), (Level.room, pieces[-1])]


def _one(last: Level | None, piece: str) -> list[tuple[Level, str]]:
    lettered = re.fullmatch(r"([A-Z])(\d{3,4})", piece)
    if lettered and last in (Level.estate, Level.section, None):
        return [(Level.building, lettered.group(1)), (Level.room, lettered.group(2))]
    if re.fullmatch(r"\d{1,2}F", piece):
        return [(Level.floor, piece[:-1])]
    if re.fullmatch(r"\d{1,3}[A-Z]\d*", piece):
        return [(Level.room, piece)]
    digits = re.sub(r"\D", "", piece)
    return [(Level.room if len(digits) >= 3 or last == Level.number else Level.building, piece)]


def _door(level: Level, found: re.Match[str]) -> str:
    name = to_digits(found.group("name")).replace("第", "")
    if level == Level.number:
        more = re.sub(r"[^\d]", "", found.group("more") or "")
        name += "弄" if found.group("lane") else ""
        return f"{name}-{more}" if more else name
    if level == Level.floor:
        return re.sub(r"^(?:负|地下|B|-)", "-", name).replace("首", "1")
    return name


def _road(name: str) -> str:
    return to_han(name) if _HAN_ROAD.search(name) else name


def _land(level: Level, said: str) -> str:
    if level == Level.street:
        return re.sub(r"街道办(?:事处)?$", "街道", said)
    if level == Level.community:
        said = re.sub(r"村民委员会$|村委会$|行政村$", "村", said)
        return re.sub(r"(?:社区)?居(?:民委员|委)会$", "社区", said)
    return said


def _common(codes: tuple[str, ...]) -> str:
    """The longest division that all codes lie in."""
    if not codes:
        return ""
    first, last = min(codes), max(codes)
    for length in (12, 9, 6, 4, 2):
        if len(first) >= length and first[:length] == last[:length]:
            return first[:length]
    return ""
