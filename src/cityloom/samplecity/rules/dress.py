"""How departments write their files: formats, encodings, headers, and the ways in which they write a day."""

import gzip
import io
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from cityloom.samplecity.rules import workbook
from cityloom.samplecity.rules.faults import FEWER, LOST, MORE, Value, patched
from cityloom.samplecity.rules.world import Columns
from cityloom.samplecity.spec import Dataset

Format = Literal["csv", "ndjson", "parquet", "xlsx"]
Days = Literal["iso", "compact", "chinese", "slashes"]
CONTENT_TYPES: dict[str, str] = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FULL_WIDTH = {code: code + 0xFEE0 for code in (*range(0x30, 0x3A), *range(0x41, 0x5B))}


class Dress(msgspec.Struct, frozen=True):
    """How one file is written."""

    format: Format
    charset: str = "utf-8"
    bom: bool = False
    gzip: bool = False
    quoted: bool = False
    """Every text stands in quotes."""
    chinese: bool = False
    """The header has the Chinese titles of the fields."""
    days: Days = "iso"

    @property
    def text(self) -> bool:
        """Whether values are written as texts, which may be of no type."""
        return self.format != "parquet"

    @property
    def ending(self) -> str:
        """The end of the file's name."""
        return f".{self.format}{'.gz' if self.gzip else ''}"


def written(
    dress: Dress, dataset: Dataset, columns: Columns, typed: dict[str, dict[int, Value]], raw: dict[str, dict[int, str]]
) -> bytes:
    """The bytes of a file of these columns, with `typed` and `raw` values in their places, by field and position."""
    fields = [field for field in dataset.fields if field.name in columns]
    header = [field.title.zh if dress.chinese else field.name for field in fields]
    whole = [patched(columns[field.name], typed.get(field.name, {})) for field in fields]
    if dress.format == "parquet":
        data = _parquet(header, whole)
    elif dress.format == "xlsx":
        data = workbook.write(
            header, [_cell(dress, one, raw.get(field.name, {})) for field, one in zip(fields, whole, strict=True)]
        )
    elif dress.format == "ndjson":
        data = _ndjson(
            header,
            [_json(text(dress, one), one, raw.get(field.name, {})) for field, one in zip(fields, whole, strict=True)],
        )
    else:
        data = _csv(
            dress,
            header,
            [patched(text(dress, one), raw.get(field.name, {})) for field, one in zip(fields, whole, strict=True)],
        )
    return gzip.compress(data, 3, mtime=0) if dress.gzip else data


def text(dress: Dress, column: pa.Array) -> pa.Array:
    """The column as it is read by people."""
    if pa.types.is_date32(column.type):
        return _day(dress.days, column)
    if pa.types.is_timestamp(column.type):
        return pc.strftime(column, "%Y-%m-%d %H:%M:%S")
    return column.cast(pa.string())


def _day(style: Days, column: pa.Array) -> pa.Array:
    if style in ("iso", "compact"):
        iso = column.cast(pa.string())
        return iso if style == "iso" else pc.replace_substring(iso, "-", "")
    year, month, day = (part(column).cast(pa.string()) for part in (pc.year, pc.month, pc.day))
    if style == "slashes":
        return pc.binary_join_element_wise(year, month, day, "/")
    return pc.binary_join_element_wise(year, "年", month, "月", day, "日", "")


def _cell(dress: Dress, column: pa.Array, raw: dict[int, str]) -> pa.Array:
    """A column of cells: days as Excel keeps them, or as texts when some are no days or the department types them."""
    kept = (
        not raw
        and not pa.types.is_timestamp(column.type)
        and not (pa.types.is_date32(column.type) and dress.days != "iso")
    )
    early = pa.types.is_date32(column.type) and (pc.min(column.cast(pa.int32())).as_py() or 0) < -25_000
    return column if kept and not early else patched(text(dress, column), raw)


def _json(text: pa.Array, column: pa.Array, raw: dict[int, str]) -> pa.Array:
    """A column of JSON values; texts hold nothing that JSON would have to escape."""
    numeric = pa.types.is_integer(column.type) or pa.types.is_decimal(column.type) or pa.types.is_floating(column.type)
    quoted = text if numeric else pc.binary_join_element_wise('"', text, '"', "")
    return pc.fill_null(patched(quoted, {row: f'"{value}"' for row, value in raw.items()}), "null")


def _ndjson(header: list[str], columns: list[pa.Array]) -> bytes:
    parts: list[pa.Array | str] = []
    for place, (name, column) in enumerate(zip(header, columns, strict=True)):
        parts += [("," if place else "{") + f'"{name}":', column]
    lines = pc.binary_join_element_wise(*parts, "}\n", "")
    return "".join(lines.to_pylist()).encode()


def _csv(dress: Dress, header: list[str], columns: list[pa.Array]) -> bytes:
    buffer = io.BytesIO()
    buffer.write((",".join(header) + "\n").encode())
    # what is made up here holds no comma, quote or newline; a pack's own names may
    style: Literal["needed", "none"] = "needed" if dress.quoted or _has_commas(columns) else "none"
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style=style)
    pyarrow.csv.write_csv(pa.table(columns, [str(place) for place in range(len(columns))]), buffer, options)
    data = buffer.getvalue()
    if dress.charset != "utf-8":
        data = data.decode().encode(dress.charset)
    mark = '"' if style == "needed" else ""
    data = data.replace(f",{mark}{FEWER}{mark}".encode(dress.charset), b"")
    data = data.replace(f"{mark}{MORE}{mark}".encode(dress.charset), b"?,?")
    data = data.replace(LOST.encode(dress.charset), b"\xff")
    return b"\xef\xbb\xbf" + data if dress.bom else data


def _has_commas(columns: list[pa.Array]) -> bool:
    return any(pc.any(pc.match_substring_regex(column, '[",\r\n]')).as_py() for column in columns)


def _parquet(header: list[str], columns: list[pa.Array]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, header), buffer, compression="zstd")
    return buffer.getvalue()
