"""Rows on their way into DuckDB: Arrow batches that carry each row's number and what is wrong with it."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from cityloom.exchange.intake.decode import LOST, LOST_BYTES
from cityloom.kernel.errors import Problem

Numbers: TypeAlias = npt.NDArray[np.int64]

ROW = "_row"
FAULTS = "_faults"
FAULTS_TYPE = pa.list_(
    pa.struct([("field", pa.string()), ("rule", pa.string()), ("value", pa.string()), ("reason", pa.string())])
)
FAULTS_SQL = "STRUCT(field VARCHAR, rule VARCHAR, value VARCHAR, reason VARCHAR)[]"
"""The DuckDB type of `_faults`."""
NUL = "\0"
LONGEST_NUMBER = 400  # digits that a number may have when its exponent is written out


class Fault(msgspec.Struct, frozen=True):
    """Why a row, or one value of it, could not be taken as it came."""

    field: str
    """The column as the file calls it; empty when the whole row is meant."""
    rule: str
    """`shape`, `encoding` or `type`."""
    value: str
    """The value, or the row's raw text when the whole row is meant."""
    reason: str
    """Code of the words that say it."""


class Table:
    """A file's rows, to be read as often as wanted.

    An error within a scan reaches DuckDB's caller only as text in a duckdb.Error; `problem` keeps the real one.
    """

    def __init__(self, schema: pa.Schema, read: Callable[[], Iterator[pa.RecordBatch]]) -> None:
        self.problem: Problem | None = None
        self._schema = schema
        self._read = read

    def stream(self) -> object:
        """One scan, from the start, as an Arrow C stream in a capsule.

        DuckDB takes batches from a bare capsule in its own threads and never after the query. Around any other object
        it puts a scanner of Arrow's, whose thread reads ahead and on, and hangs a process that ends meanwhile.
        """
        return pa.RecordBatchReader.from_batches(self._schema, self._batches()).__arrow_c_stream__()

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            yield from self._read()
        except Problem as problem:
            self.problem = problem
            raise


def schema(columns: Sequence[str]) -> pa.Schema:
    """`_row`, `_faults`, then the columns as text."""
    return pa.schema([(ROW, pa.int64()), (FAULTS, FAULTS_TYPE), *((name, pa.string()) for name in columns)])


def good(shape: pa.Schema, numbers: Numbers, columns: Sequence[pa.Array]) -> pa.RecordBatch:
    """Rows without fault."""
    return pa.RecordBatch.from_arrays([pa.array(numbers), pa.nulls(len(numbers), FAULTS_TYPE), *columns], schema=shape)


def flagged(
    shape: pa.Schema, numbers: Numbers, columns: Sequence[pa.Array], faults: dict[int, list[Fault]]
) -> pa.RecordBatch:
    """Rows of which some have faults, named by their place in the batch."""
    if not faults:
        return good(shape, numbers, columns)
    told = [
        [msgspec.structs.asdict(one) for one in faults[place]] if place in faults else None
        for place in range(len(numbers))
    ]
    return pa.RecordBatch.from_arrays([pa.array(numbers), pa.array(told, FAULTS_TYPE), *columns], schema=shape)


def unread(shape: pa.Schema, faults: Sequence[tuple[int, Fault]]) -> pa.RecordBatch:
    """Rows that have a number and a fault, and no values."""
    numbers = np.array([number for number, _ in faults], dtype=np.int64)
    columns = [pa.nulls(len(faults), pa.string()) for _ in shape.names[2:]]
    return flagged(shape, numbers, columns, {place: [fault] for place, (_, fault) in enumerate(faults)})


def may_be_damaged(data: bytes) -> bool:
    """Whether some row of this text may hold a lost character (U+FFFD) or U+0000, which no text has."""
    return (LOST_BYTES[:1] in data and LOST_BYTES in data) or b"\0" in data


def damage(names: Sequence[str], columns: Sequence[pa.Array]) -> dict[int, list[Fault]]:
    """The values with a lost character (U+FFFD) or U+0000, by the place of their row."""
    found: dict[int, list[Fault]] = {}
    for name, column in zip(names, columns, strict=True):
        lost = pc.or_(pc.match_substring(column, LOST), pc.match_substring(column, NUL))
        for place in np.flatnonzero(lost.fill_null(False).to_numpy(zero_copy_only=False)):
            value = column[int(place)].as_py().replace(NUL, LOST)
            found.setdefault(int(place), []).append(Fault(name, "encoding", value, "exchange.value_undecodable"))
    return found


def no_empty(column: pa.Array) -> pa.Array:
    """The column with NULL for empty texts: in every format an empty value is no value."""
    empty = pc.equal(column, "")
    return pc.if_else(empty, None, column) if pc.any(empty).as_py() else column


def plain_number(text: str) -> str:
    """A number with its exponent written out, digit for digit: 1.5e3 is 1500. Without exponent it stays as it is."""
    if "e" not in text and "E" not in text:
        return text
    number = Decimal(text)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > LONGEST_NUMBER:
        return text
    return format(number, "f")
