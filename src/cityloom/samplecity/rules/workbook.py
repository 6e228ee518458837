"""Writes a workbook (.xlsx, ECMA-376) of one sheet, always with the same bytes for the same rows."""

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.compute as pc

DATE = 1
"""The style of cells that hold a day."""
MOST_ROWS = 100_000
_STAMP = (1980, 1, 1, 0, 0, 0)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml"'
        ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml"'
        ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        '<Override PartName="/xl/styles.xml"'
        ' ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1"'
        f' Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
        '<sheet name="数据" sheetId="1" r:id="rId1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{_RELATIONS}/styles" Target="styles.xml"/></Relationships>'
    ),
    "xl/styles.xml": (
        f'<styleSheet xmlns="{_MAIN}"><fonts count="1"><font><sz val="11"/><name val="宋体"/></font></fonts>'
        '<fills count="1"><fill><patternFill patternType="none"/></fill></fills><borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
        '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
        '<xf numFmtId="14" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    ),
}


def write(header: Sequence[str], columns: Sequence[pa.Array]) -> bytes:
    """A workbook. Texts become inline texts, integers and decimals numbers, dates (date32) numbers shown as days."""
    rows = len(columns[0]) if columns else 0
    first = "".join(
        f'<c r={_quoted(place, 1)} t="inlineStr"><is><t>{escape(name)}</t></is></c>'
        for place, name in enumerate(header)
    )
    number = pa.array(range(2, rows + 2)).cast(pa.string())
    cells = [_cells(column, _letter(place), number) for place, column in enumerate(columns)]
    lines = pc.binary_join_element_wise('<row r="', number, '">', *cells, "</row>", "")
    body = "".join(lines.to_pylist())
    sheet = f'<worksheet xmlns="{_MAIN}"><sheetData><row r="1">{first}</row>{body}</sheetData></worksheet>'
    return _zipped({**_PARTS, "xl/worksheets/sheet1.xml": sheet})


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else _letter(place // 26 - 1) + chr(ord("A") + place % 26)


def _quoted(place: int, row: int) -> str:
    return f'"{_letter(place)}{row}"'


def _cells(column: pa.Array, letter: str, number: pa.Array) -> pa.Array:
    """The column as cells; a missing value is no cell."""
    if pa.types.is_date32(column.type):
        value, begin, end = pc.add(column.cast(pa.int32()), 25_569).cast(pa.string()), f'" s="{DATE}"><v>', "</v></c>"
    elif pa.types.is_string(column.type):
        value, begin, end = column, '" t="inlineStr"><is><t>', "</t></is></c>"
        for plain, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            value = pc.replace_substring(value, plain, written)
    else:
        value, begin, end = column.cast(pa.string()), '"><v>', "</v></c>"
    made = pc.binary_join_element_wise(f'<c r="{letter}', number, begin, value, end, "")
    return pc.fill_null(made, "")


def _zipped(parts: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in parts.items():
            entry = zipfile.ZipInfo(name, _STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (_HEAD + text).encode(), compresslevel=3)
    return buffer.getvalue()
