"""From the rows of a department's sheet to descriptions of resources, and the faults of what cannot be read."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from cityloom.catalogue.contracts import Cell, Grid, ResourceWish, Row
from cityloom.catalogue.rules import columns
from cityloom.catalogue.rules.claims import folded
from cityloom.kernel.words import Text

HEADER_WITHIN = 30
LEAST_HEADERS = 3
DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{4})(\d{2})(\d{2})")
SIZED = re.compile(r"^(.*?)[(（.]*\s*(\d{1,9})(?:,\d+)?\s*[)）]?$")
SINCE = date(1899, 12, 30)
"""Day 0 of spreadsheet programs."""

FOOTER = re.compile(
    r"(合计|总计|小计|共计)[:：]?$|(填表人|填报人|制表人|审核人|负责人|联系人|联系电话|填表日期|填报日期)[:：]|(备注|注|说明|填表说明)\d*[:：]"
)
"""What a row begins with that is no resource."""

BROKEN = re.compile(r"#(REF!|N/A|VALUE!|NAME\?|DIV/0!|NUM!|NULL!|SPILL!|CALC!|FORMULA!)$")
"""What a cell has whose formula has no result."""

ITEMS = re.compile(r"[、；;\n]+")
NUMBER = re.compile(r"(\d+)(位|字节|个?字符|个字)?$")
CARRIER = re.compile(r"^(.+?)\s*[/／:：—－-]+\s*(.+)$")
PARTED = re.compile(r"[;；,，、\s]+")


class Fault(msgspec.Struct, frozen=True):
    """What cannot be read: `code` has its words, filled with `value` and `known`."""

    row: int
    column: str
    subject: str
    value: str
    code: str
    known: str = ""


class Found(msgspec.Struct, frozen=True):
    """A resource of the sheet. `wish` is None where it has faults."""

    row: int
    title: str
    id: str
    wish: ResourceWish | None
    rows: tuple[int, ...]
    """The row of each item."""


class Header(msgspec.Struct, frozen=True):
    """Where each column is, by its key; the sheet's own words for it; the row after which data begins."""

    places: dict[str, int]
    words: dict[str, str]
    last_row: int
    unknown: list[str]


class Known(msgspec.Struct, frozen=True):
    """What names in the sheet may mean: keepers, categories and elements by their folded titles."""

    keepers: Mapping[str, str]
    categories: Mapping[str, str]
    subjects: Mapping[str, str]
    elements: Mapping[str, str]
    own: str
    """Keeper of what names none."""


def header(grid: Grid) -> Header | None:
    """The row, or the two rows, whose cells are most of all names of columns; None where there is none."""
    best: Header | None = None
    for place, row in enumerate(grid.rows[:HEADER_WITHIN]):
        after = grid.rows[place + 1] if place + 1 < len(grid.rows) else None
        for rows in ((row,), (row, after) if after else (row,)):
            found = _header(rows)
            if "title" in found.places and (best is None or len(found.places) > len(best.places)):
                best = found
    return best if best and len(best.places) >= LEAST_HEADERS else None


def _header(rows: Sequence[Row]) -> Header:
    places: dict[str, int] = {}
    words: dict[str, str] = {}
    unknown = []
    for place in range(max(len(row.cells) for row in rows)):
        texts = [text_of(row.cells[place]) for row in reversed(rows) if place < len(row.cells)]
        said = [text for text in texts if text]
        key = next((found for text in said if (found := columns.column_of(text))), "")
        if key and key not in places:
            places[key], words[key] = place, " ".join(next(text for text in said if columns.column_of(text)).split())
        elif said:
            unknown.append(said[0])
    return Header(places, words, rows[-1].number, unknown)


def text_of(cell: Cell) -> str:
    """A cell's text without spaces around it; whole numbers without a point."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, datetime):
        cell = cell.date()
    return str(cell).replace("\xa0", " ").strip().strip("\u3000")


def plain(text: str) -> str:
    """The text with full-width digits and letters made half width, without spaces inside."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


class Reader:
    """Reads the rows below a header. A row without a name goes on with the resource above it."""

    def __init__(self, header: Header, known: Known) -> None:
        self.header = header
        self.known = known
        self.faults: list[Fault] = []
        self.found: list[Found] = []
        self._rows: list[Row] = []

    def read(self, rows: Iterable[Row]) -> None:
        """Read all rows."""
        for row in rows:
            if row.number <= self.header.last_row or self._says_nothing(row):
                continue
            if self._begins(row):
                self._end()
            if not self._rows and not self._name(row):
                self.fault(row, "title", "", "no_name")
                continue
            self._rows.append(row)
        self._end()

    def _says_nothing(self, row: Row) -> bool:
        """Whether it is empty, a line below the table, or the headers again, as on each printed page."""
        texts = [text for cell in row.cells if (text := text_of(cell))]
        if not texts or FOOTER.match(texts[0]):
            return True
        heading = [key for key in self.header.places if columns.column_of(self.text(row, key)) == key]
        return "title" in heading and len(heading) >= LEAST_HEADERS

    def text(self, row: Row, key: str) -> str:
        """What the row says in a column; empty where the sheet has no such column."""
        place = self.header.places.get(key)
        return "" if place is None or place >= len(row.cells) else text_of(row.cells[place])

    def _name(self, row: Row) -> str:
        """What the row calls the resource, in the language that it has a name in."""
        return self.text(row, "title") or self.text(row, "title_en")

    def fault(self, row: Row, key: str, value: str, code: str, known: str = "") -> None:
        """Name what is wrong."""
        column = self.header.words.get(key) or columns.BY_KEY[key].title.zh
        subject = self._name(self._rows[0] if self._rows else row)
        self.faults.append(Fault(row.number, column, subject, value[:200], code, known))

    def _begins(self, row: Row) -> bool:
        if not self._rows or not self._name(row):
            return not self._rows
        first = self._rows[0]
        if self._name(row) != self._name(first):
            return True
        return any(
            self.text(row, key) and self.text(row, key) != self.text(first, key) for key in ("code", "id", "keeper")
        )

    def _end(self) -> None:
        if not self._rows:
            return
        before = len(self.faults)
        first = self._rows[0]
        self._broken_cells()
        fields = self._resource(first)
        with_items = [row for row in self._rows if self.text(row, "item") or self.text(row, "item_en")]
        rows = [(row, name) for row in with_items for name in self._names(row)]
        fields["items"] = [self._item(row, name) for row, name in rows]
        wish = self._wish(first, fields) if len(self.faults) == before else None
        id = plain(self.text(first, "id")).casefold()
        self.found.append(Found(first.number, self._name(first), id, wish, tuple(row.number for row, _ in rows)))
        self._rows = []

    def _broken_cells(self) -> None:
        for row in self._rows:
            for key in self.header.places:
                if BROKEN.match(self.text(row, key)):
                    self.fault(row, key, self.text(row, key), "cell_error")

    def _names(self, row: Row) -> list[str]:
        """The names of the row's items: some write all of a resource into one cell, where there is nothing else of them."""
        said = self.text(row, "item")
        several = [part for part in map(str.strip, ITEMS.split(said)) if part]
        alone = not any(self.text(row, key) for key in ("type", "length", "item_en", "element"))
        return several if alone and len(several) > 1 else [said]

    def _wish(self, first: Row, fields: dict[str, Any]) -> ResourceWish | None:
        try:
            return msgspec.convert(fields, ResourceWish)
        except msgspec.ValidationError as error:
            key = str(error).rpartition("`$.")[2].split("`")[0].split("[")[0]
            self.fault(first, key if key in columns.BY_KEY else "title", str(error), "value_wrong")
            return None

    def _resource(self, row: Row) -> dict[str, Any]:
        code = plain(self.text(row, "code")).replace("\\", "/")
        fields: dict[str, Any] = {
            "title": self._both(row, "title"),
            "summary": self._both(row, "summary"),
            "legal_basis": self._both(row, "legal_basis"),
            "open_condition": self._both(row, "open_condition"),
            "keeper": self._keeper(row),
            "keeper_code": plain(self.text(row, "keeper_code")).upper(),
            "code": code if "/" in code else "",
            "category": self._category(row, code),
            "subject": self._named(row, "subject", self.known.subjects),
            "issued": self._day(row),
            "related": self._parts(row, "related"),
            "derived_from": self._parts(row, "derived_from"),
            **{key: self._choice(row, key) for key in ("cycle", "sharing_way")},
            **self._carrier(row),
            **self._terms(row),
        }
        if any(self._both(row, "regraded").values()):
            fields["regraded"] = self._both(row, "regraded")
        return {key: value for key, value in fields.items() if value is not None}

    def _carrier(self, row: Row) -> dict[str, str | None]:
        """Kind and type of format; some write both into one cell: 数据库/mysql."""
        parts = CARRIER.match(self.text(row, "carrier"))
        kind = columns.VALUES["carrier"].get(folded(parts[1])) if parts else None
        if parts and kind:
            return {"carrier": kind, "format": self.text(row, "format") or parts[2]}
        return {"carrier": self._choice(row, "carrier"), "format": self.text(row, "format")}

    def _terms(self, row: Row) -> dict[str, Any]:
        """Sharing and openness. The guide's form has the law of a refusal in the column of conditions."""
        sharing, openness = self._choice(row, "sharing"), self._choice(row, "openness")
        if not self.text(row, "sharing"):
            self.fault(row, "sharing", "", "sharing_untold")
        condition, law = self._both(row, "sharing_condition"), self._both(row, "refusal_law")
        if sharing == "refused":
            law, condition = (law if any(law.values()) else condition), {"zh": "", "en": ""}
        if sharing == "unconditional" and folded(condition["zh"]) in ("无", "无条件", "无条件共享"):
            condition = {"zh": "", "en": condition["en"]}
        return {
            "sharing": sharing,
            "openness": openness,
            "sharing_condition": condition,
            "refusal_law": law if any(law.values()) else None,
        }

    def _both(self, row: Row, key: str) -> dict[str, str]:
        return {"zh": self.text(row, key), "en": self.text(row, f"{key}_en")}

    def _parts(self, row: Row, key: str) -> list[str]:
        return [part for part in PARTED.split(unicodedata.normalize("NFKC", self.text(row, key))) if part]

    def _keeper(self, row: Row) -> str:
        said = self.text(row, "keeper")
        if not said:
            return self.known.own
        found = self.known.keepers.get(folded(said))
        if found is None:
            self.fault(row, "keeper", said, "keeper_unknown")
        return found or ""

    def _category(self, row: Row, code: str) -> str | None:
        said = plain(self.text(row, "category"))
        if said or "/" in code:
            return said or code.partition("/")[0]
        if code.isdigit():
            return code
        levels = [plain(self.text(row, key)) for key in ("class", "subclass", "group", "detail")]
        if levels[0].isdigit():
            return "".join(part.zfill(size) for part, size in zip(levels, (1, 2, 3, 1), strict=True) if part).ljust(
                6, "0"
            )
        named = [self.known.categories.get(folded(level)) for level in levels if level]
        deepest = next((each for each in reversed(named) if each), None)
        return deepest.ljust(6, "0") if deepest else None

    def _named(self, row: Row, key: str, known: Mapping[str, str]) -> str:
        said = self.text(row, key)
        if not known:  # the city has no list of them
            return said
        if said and folded(said) not in known:
            self.fault(row, key, said, "value_unknown", ", ".join(sorted(set(known.values()))[:30]))
        return known.get(folded(said), "") if said else ""

    def _choice(self, row: Row, key: str, words: str = "") -> str | None:
        """The value that the cell means; None where it says nothing or nothing known."""
        said = self.text(row, key)
        if not said:
            return None
        table = columns.VALUES[words or key]
        value = table.get(folded(columns.IN_BRACKETS.sub("", said)), table.get(folded(said)))
        if value is None:
            known = "、".join(choice.zh for choice in columns.CHOICES.get(key, {}).values() if choice.zh)
            self.fault(row, key, said, "value_unknown", known or "是、否")
        return value

    def _item(self, row: Row, called: str) -> dict[str, Any]:
        kind, length = self._type(row)
        said = plain(self.text(row, "length"))
        number = NUMBER.match(said)
        if said and not number:
            self.fault(row, "length", said, "number_wrong")
        grade = self._choice(row, "grade")
        flags = {key: bool(self._choice(row, key, "yes")) for key in ("personal", "required", "authoritative")}
        name = {"zh": called, "en": self.text(row, "item_en")}
        fields: dict[str, Any] = {
            "name": name,
            "type": kind,
            "length": int(number[1][:9]) or length if number else length,
            "element": self._named(row, "element", self.known.elements),
            "qualifier": self.text(row, "qualifier"),
            "standard": self.text(row, "standard"),
            "grade": int(grade) if grade else 2 if flags["personal"] else 1,
            **flags,
        }
        return {key: value for key, value in fields.items() if value is not None}

    def _type(self, row: Row) -> tuple[str | None, int | None]:
        """The type, and the length that some write behind it: varchar(50), C..18."""
        said = unicodedata.normalize("NFKC", self.text(row, "type"))
        if not said:
            return None, None
        sized = SIZED.match(said)
        if sized and folded(said) not in columns.VALUES["type"]:
            kind = columns.VALUES["type"].get(folded(sized[1]))
            if kind:
                return kind, int(sized[2]) or None
        return self._choice(row, "type"), None

    def _day(self, row: Row) -> str | None:
        said = plain(self.text(row, "issued"))
        if not said:
            return None
        day = _day_of(said)
        if day is None:
            self.fault(row, "issued", said, "day_wrong")
        return day.isoformat() if day else None


def _day_of(said: str) -> date | None:
    if said.isdigit() and 20_000 < int(said) < 80_000:
        return SINCE + timedelta(days=int(said))
    found = DAY.match(said)
    try:
        return date(*(int(part) for part in found.groups() if part)) if found else None
    except ValueError:
        return None


def titles(named: Iterable[tuple[str, Text]]) -> dict[str, str]:
    """Codes by their folded names: the code itself, its titles."""
    found: dict[str, str] = {}
    for code, title in named:
        for word in (title.en, title.zh, code):
            if folded(word):
                found[folded(word)] = code
    return found
