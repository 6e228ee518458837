"""NDJSON: one JSON object (RFC 8259) a line, of texts, numbers, booleans and nulls; numbers keep their digits.

A row's number is its line's. Blank lines count and give no row; a line that is not such an object is set aside.
"""

from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityloom.exchange.intake import batches
from cityloom.exchange.intake.batches import Fault
from cityloom.exchange.intake.decode import Decoded
from cityloom.exchange.intake.limits import MIB, Limits
from cityloom.kernel.errors import Invalid, TooLarge

PIECE = MIB
SAMPLE_LINES = 1000
TOLD = 1000  # characters of an overlong row that are kept
BROKEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError)


class Number(str):
    """The digits of a JSON number that is no integer, told apart from a text of the same letters."""

    __slots__ = ()


OBJECTS = msgspec.json.Decoder(dict[str, Any], float_hook=Number)


def header(text: Decoded, limits: Limits) -> tuple[str, ...]:
    """The keys of the first thousand lines, in the order they were met.

    Raises Invalid `exchange.file_no_rows`, `exchange.not_ndjson` when the first line is no object, TooLarge
    `exchange.too_many_columns`.
    """
    keys: dict[str, None] = {}
    seen = 0
    with text.path.open("rb") as file:
        file.seek(text.skip)
        while seen < SAMPLE_LINES and (line := file.readline(limits.max_line_bytes + PIECE)):
            if not line.strip():
                continue
            seen += 1
            found = _object(line)
            if found is None and seen == 1:
                raise Invalid("exchange.not_ndjson", line=line[:200].decode("utf-8", "ignore").strip())
            keys.update(dict.fromkeys(found or ()))
            if len(keys) > limits.max_columns:
                raise TooLarge("exchange.too_many_columns", found=len(keys), limit=limits.max_columns)
    if not seen:
        raise Invalid("exchange.file_no_rows")
    return tuple(keys)


class Reader:
    """Turns the lines into batches. `keys` are all that may occur; of them `columns` are delivered."""

    def __init__(self, text: Decoded, keys: Sequence[str], columns: Sequence[str], limits: Limits) -> None:
        self.schema = batches.schema(columns)
        self.columns = columns
        self._text = text
        self._limits = limits
        # a struct of exactly these keys decodes faster than a dict; the fields' own names must be identifiers
        order = [*columns, *(key for key in keys if key not in columns)]
        names = {f"f{place}": key for place, key in enumerate(order)}
        line = msgspec.defstruct(
            "Line", [(name, Any, None) for name in names], rename=names, forbid_unknown_fields=True
        )
        self._decoder = msgspec.json.Decoder(line, float_hook=Number)
        self._width = len(order)

    def read(self) -> Iterator[pa.RecordBatch]:
        """All rows, in batches of about a MiB; within a MiB the broken lines come last."""
        number, held = 1, b""
        with self._text.path.open("rb") as file:
            file.seek(self._text.skip)
            while data := file.read(PIECE):
                body, newline, tail = data.rpartition(b"\n")
                if newline:
                    lines = (held + body).split(b"\n")
                    yield from self._batches(lines, number)
                    number, held = number + len(lines), tail
                elif len(held) + len(tail) > self._limits.max_line_bytes + PIECE:
                    fault = Fault("", "shape", (held + tail)[:TOLD].decode("utf-8", "ignore"), "exchange.row_too_long")
                    yield batches.unread(self.schema, [(number, fault)])
                    number, held = number + 1, _after_line(file)
                else:
                    held += tail
        if held:
            yield from self._batches(held.split(b"\n"), number)

    def _batches(self, lines: list[bytes], number: int) -> Iterator[pa.RecordBatch]:
        numbers: list[int] = []
        rows: list[tuple[Any, ...]] = []
        broken: list[tuple[int, Fault]] = []
        decode, values = self._decoder.decode, msgspec.structs.astuple
        for place, line in enumerate(lines, number):
            try:
                rows.append(values(decode(line)))
                numbers.append(place)
            except BROKEN:
                self._decode_slowly(line, place, numbers, rows, broken)
        if rows:
            yield self._batch(numbers, rows)
        if broken:
            yield batches.unread(self.schema, broken)

    def _decode_slowly(
        self, line: bytes, place: int, numbers: list[int], rows: list[tuple[Any, ...]], broken: list[tuple[int, Fault]]
    ) -> None:
        if not line.strip():
            return
        found = _object(line)
        unknown = [key for key in found or () if key not in self.columns and not key.startswith("_")]
        if found is None or unknown:
            reason = "exchange.row_not_object" if found is None else "exchange.row_unknown_key"
            broken.append(
                (place, Fault("".join(unknown[:1]), "shape", line.decode("utf-8", "replace").strip(), reason))
            )
            return
        rows.append(tuple(found.get(column) for column in self.columns) + (None,) * (self._width - len(self.columns)))
        numbers.append(place)

    def _batch(self, numbers: list[int], rows: list[tuple[Any, ...]]) -> pa.RecordBatch:
        faults: dict[int, list[Fault]] = {}
        columns = [
            _column(name, values, faults) for name, values in zip(self.columns, zip(*rows, strict=True), strict=False)
        ]
        for place, several in batches.damage(self.columns, columns).items():
            faults.setdefault(place, []).extend(several)
        return batches.flagged(self.schema, np.array(numbers, dtype=np.int64), columns, faults)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        return OBJECTS.decode(line)
    except BROKEN:
        return None


def _column(name: str, values: tuple[Any, ...], faults: dict[int, list[Fault]]) -> pa.Array:
    kinds = set(map(type, values)) - {type(None)}
    if kinds <= {str}:
        return batches.no_empty(pa.array(values, pa.string()))
    if kinds == {bool}:
        return pa.array(values, pa.bool_()).cast(pa.string())
    if kinds <= {int, Number}:
        column = pa.array([None if value is None else str(value) for value in values], pa.string())
        if not pc.any(pc.match_substring(column, "e", ignore_case=True)).as_py():
            return column
    return batches.no_empty(pa.array(_texts(name, values, faults), pa.string()))


def _texts(name: str, values: tuple[Any, ...], faults: dict[int, list[Fault]]) -> Iterator[str | None]:
    for place, value in enumerate(values):
        if isinstance(value, dict | list):
            fault = Fault(name, "shape", msgspec.json.encode(value).decode(), "exchange.value_nested")
            faults.setdefault(place, []).append(fault)
            yield None
        elif isinstance(value, bool):
            yield "true" if value else "false"
        else:
            yield value if value is None or type(value) is str else batches.plain_number(str(value))


def _after_line(file: BinaryIO) -> bytes:
    """Read on to the end of the line; returns what was read beyond it."""
    while data := file.read(PIECE):
        if b"\n" in data:
            return data.partition(b"\n")[2]
    return b""
