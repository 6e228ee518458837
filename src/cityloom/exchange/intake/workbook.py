"""Workbooks (.xlsx): one sheet read as a stream, whatever its size; only the shared texts are held in memory.

Read with expat and not with a spreadsheet library: those hold the whole sheet in memory (two cells in far corners are
enough to exhaust it) or read 5,000 rows/s, and turn numbers into floats before anybody can see that digits are gone.
"""

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias
from xml.parsers import expat

import msgspec

from cityloom.exchange.intake import cells
from cityloom.exchange.intake.cells import Style, Wrong
from cityloom.exchange.intake.limits import MIB, Limits
from cityloom.kernel.errors import Invalid, NotFound, TooLarge, Unsupported

PIECE = MIB // 4
LOCKED = bytes.fromhex("d0cf11e0a1b11ae1")  # an OLE file: the old .xls, or a workbook with a password
MOST_MEMBERS = 10_000
BROKEN = (
    zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError, IndexError, KeyError, OSError, RuntimeError, ValueError,
)  # fmt: skip

Attributes: TypeAlias = dict[str, str]
Cell: TypeAlias = str | Wrong
Row: TypeAlias = tuple[int, dict[int, Cell]]
"""The row's number in the sheet, from 1, and its cells that are not empty by their column, from 0."""


class Book(msgspec.Struct, frozen=True):
    """What has to be known of a workbook before a sheet can be read."""

    path: Path
    member: str
    """The sheet's file in the archive."""
    texts: tuple[str, ...]
    styles: tuple[Style, ...]
    since_1904: bool


def book(path: Path, sheet: str, limits: Limits) -> Book:
    """Open a workbook at its sheet of that name, or at its first sheet that is not hidden.

    Raises Unsupported `exchange.workbook_locked`, Invalid `exchange.workbook_broken`, NotFound
    `exchange.sheet_missing`, TooLarge `exchange.unpacked_too_large`, `exchange.ratio_too_high`.
    """
    with path.open("rb") as file:
        if file.read(8) == LOCKED:
            raise Unsupported("exchange.workbook_locked")
    try:
        with zipfile.ZipFile(path) as archive:
            _weigh(archive, limits)
            links = _links(archive)
            sheets, since_1904 = _sheets(archive)
            member = _chosen(sheets, sheet, links)
            texts = _texts(archive, links.get("sharedStrings", ""), limits)
            styles = _styles(archive, links.get("styles", ""))
    except BROKEN as error:
        raise Invalid("exchange.workbook_broken") from error
    return Book(path, member, texts, styles, since_1904)


def _weigh(archive: zipfile.ZipFile, limits: Limits) -> None:
    """The sizes in the directory can be believed: reading stops at them."""
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if size > limits.max_bytes or len(members) > MOST_MEMBERS:
        raise TooLarge("exchange.unpacked_too_large", limit=limits.max_bytes // MIB)
    if size > limits.ratio_from and size > packed * limits.max_ratio:
        raise TooLarge("exchange.ratio_too_high", limit=limits.max_ratio)


def _parse(archive: zipfile.ZipFile, member: str, begin: Callable[[str, Attributes], None]) -> None:
    parser = new_parser()
    parser.StartElementHandler = lambda name, attributes: begin(name.rpartition(":")[2], attributes)
    with archive.open(member) as file:
        while data := file.read(PIECE):
            parser.Parse(data)
    parser.Parse(b"", True)


def new_parser() -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse  # no workbook has one, and entities can be bombs
    return parser


def _refuse(*_: object) -> None:
    raise Invalid("exchange.workbook_broken")


def _links(archive: zipfile.ZipFile) -> dict[str, str]:
    """Files of the archive by the workbook's relation id; shared texts and styles by the last word of their type."""
    found: dict[str, str] = {}

    def begin(name: str, attributes: Attributes) -> None:
        if name == "Relationship":
            target = attributes["Target"]
            member = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            found[attributes["Id"]] = member
            found[attributes["Type"].rpartition("/")[2]] = member

    _parse(archive, "xl/_rels/workbook.xml.rels", begin)
    return found


def _sheets(archive: zipfile.ZipFile) -> tuple[list[tuple[str, str, bool]], bool]:
    """Name, relation id and visibility of every sheet; whether days are counted from 1904."""
    sheets: list[tuple[str, str, bool]] = []
    flags: set[str] = set()

    def begin(name: str, attributes: Attributes) -> None:
        if name == "sheet":
            link = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            sheets.append((attributes["name"], link, attributes.get("state", "visible") == "visible"))
        elif name == "workbookPr" and attributes.get("date1904") in ("1", "true"):
            flags.add("1904")

    _parse(archive, "xl/workbook.xml", begin)
    return sheets, bool(flags)


def _chosen(sheets: list[tuple[str, str, bool]], wanted: str, links: dict[str, str]) -> str:
    for name, link, visible in sheets:
        member = links.get(link, "")
        if member.startswith("xl/worksheets/") and (name == wanted if wanted else visible):
            return member
    raise NotFound("exchange.sheet_missing", sheet=wanted or "1", known=", ".join(name for name, _, _ in sheets)[:500])


def _texts(archive: zipfile.ZipFile, member: str, limits: Limits) -> tuple[str, ...]:
    if not member:
        return ()
    if archive.getinfo(member).file_size > limits.max_shared_bytes:
        raise TooLarge("exchange.unpacked_too_large", limit=limits.max_shared_bytes // MIB)
    texts = _Texts()
    with archive.open(member) as file:
        while data := file.read(PIECE):
            texts.parser.Parse(data)
    texts.parser.Parse(b"", True)
    return tuple(texts.found)


class _Texts:
    """Gathers the shared texts; how a Japanese or Chinese text is pronounced (rPh) is no part of it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.parser = new_parser()
        self.parser.StartElementHandler = self._begin
        self.parser.EndElementHandler = self._end
        self._parts: list[str] = []
        self._phonetic = False

    def _begin(self, name: str, _: Attributes) -> None:
        name = name.rpartition(":")[2]
        if name == "rPh":
            self._phonetic = True
        elif name == "t" and not self._phonetic:
            self.parser.CharacterDataHandler = self._parts.append

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name == "t":
            self.parser.CharacterDataHandler = None
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            self.found.append(cells.unescaped("".join(self._parts)))
            self._parts.clear()


def _styles(archive: zipfile.ZipFile, member: str) -> tuple[Style, ...]:
    """What each cell style makes of a number."""
    codes: dict[int, str] = {}
    found: list[Style] = []
    inside: list[str] = [""]

    def begin(name: str, attributes: Attributes) -> None:
        if name == "numFmt" and inside[0] != "dxfs":
            codes[int(attributes["numFmtId"])] = attributes["formatCode"]
        elif name in ("cellStyleXfs", "cellXfs", "dxfs", "cellStyles"):
            inside[0] = name
        elif name == "xf" and inside[0] == "cellXfs":
            number = int(attributes.get("numFmtId", "0"))
            found.append(cells.style(number, codes.get(number, "")))

    if member:
        _parse(archive, member, begin)
    return tuple(found)
