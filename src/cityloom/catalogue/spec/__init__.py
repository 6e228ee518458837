"""The catalogue's files in a pack: elements.yaml (by name, see contracts.Element), codes/<list>.yaml, limits.yaml, flows/."""

import csv
from datetime import date
from importlib import resources
from io import StringIO
from typing import Literal

import msgspec

from cityloom.catalogue.contracts import Code, CodeList, Day, Element, Status
from cityloom.kernel import packs
from cityloom.kernel.errors import Invalid
from cityloom.kernel.flow.spec import Definition
from cityloom.kernel.packs import Packs
from cityloom.kernel.words import Text

Elements = dict[str, Element]
"""What elements.yaml holds."""

DRAFT, DISPUTE = "catalogue_draft", "source_dispute"
FLOWS: dict[str, Literal["draft", "dispute"]] = {DRAFT: "draft", DISPUTE: "dispute"}
LIMITS = "limits"

COLUMNS = ("code", "zh", "en", "parent")
NEEDED = ("code", "zh")


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a city decides about its catalogue."""

    review: Literal["optional", "required"] = "optional"
    """required: what departments describe goes through a draft and its review; what packs declare does not."""


def limits(active: Packs) -> Limits:
    """The city's limits; of several packs the last one's. Raises Invalid `kernel.pack_wrong`."""
    paths = [path for pack in active for path in pack.files("catalogue") if path.stem == LIMITS]
    return packs.decode(paths[-1], Limits) if paths else Limits()


def flow(active: Packs, kind: str) -> Definition:
    """How drafts or disputes go in this city: as its packs say, else as shipped. Raises Invalid `kernel.pack_wrong`."""
    name = FLOWS[kind]
    written = active.read("catalogue/flows", Definition).get(name)
    if written is not None:
        return written
    shipped = resources.files("cityloom.catalogue.spec") / f"{name}.yaml"
    return msgspec.yaml.decode(shipped.read_bytes(), type=Definition)


class CodeListFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """codes/<list>.yaml: the codes themselves, or the name of a CSV beside it with columns code, zh, en, parent."""

    title: Text
    codes: tuple[Code, ...] = ()
    file: str | None = None
    standard: str = ""
    version: str = "1"
    valid_from: Day | None = None
    status: Status = "current"


def code_list(name: str, declared: CodeListFile, table: str | None = None) -> CodeList:
    """The list with all its codes; `table` is the text of the CSV that `file` names.

    Raises Invalid `catalogue.codes_wrong` when it has no codes, has them twice over, or repeats one.
    """
    if (declared.file is None) != (table is None) or bool(declared.codes) == (table is not None):
        raise wrong(name, "give either codes or a file with at least one code")
    codes = declared.codes if table is None else _read(name, table)
    seen: set[str] = set()
    for code in codes:
        if code.code in seen:
            raise wrong(name, f"the code {code.code} is there twice")
        seen.add(code.code)
    return CodeList(
        name,
        declared.title,
        codes,
        declared.standard,
        declared.version,
        _day(name, declared.valid_from),
        declared.status,
    )


def _day(name: str, text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise wrong(name, f"valid_from is {text}, which is no day of the calendar") from None


def wrong(name: str, reason: str) -> Invalid:
    """The problem of a code list that cannot be used."""
    return Invalid("catalogue.codes_wrong", codes=name, reason=reason)


def _read(name: str, table: str) -> tuple[Code, ...]:
    rows = csv.DictReader(StringIO(table.removeprefix("\ufeff")))
    header = tuple(rows.fieldnames or ())
    if not set(NEEDED) <= set(header) <= set(COLUMNS):
        raise wrong(name, f"the CSV has columns {', '.join(header)} and needs code, zh and may have en, parent")
    found = [_code(name, rows.line_num, row) for row in rows]
    if not found:
        raise wrong(name, "the CSV has no codes")
    return tuple(found)


def _code(name: str, line: int, row: dict[str, str | None]) -> Code:
    code, title = (row["code"] or "").strip(), (row["zh"] or "").strip()
    if not code or not title or None in row:
        raise wrong(name, f"line {line} of the CSV does not have a code and a zh title in its columns")
    return Code(code, Text((row.get("en") or "").strip() or title, title), (row.get("parent") or "").strip() or None)
