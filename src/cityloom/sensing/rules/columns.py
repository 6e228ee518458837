"""Observations by the column: what a bulk of them is read into, and the bytes that PostgreSQL's binary COPY takes."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cityloom.kernel.errors import Problem
from cityloom.sensing.rules.drafts import Reading

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
NONE = np.iinfo(np.int64).min
"""Stands for no moment."""
EPOCH = 946_684_800_000_000
"""Microseconds from 1970 to 2000, from which PostgreSQL counts."""
EXACT = 2**53
ZERO = datetime(1970, 1, 1, tzinfo=UTC)


class Columns(msgspec.Struct, frozen=True):
    """Observations, one a place: ids of Datastream and feature (0: the default one), times in µs since 1970, numbers
    (NaN: none), and by place those that have more than fits into that."""

    streams: Integers
    features: Integers
    starts: Integers
    ends: Integers
    result_times: Integers
    numbers: Floats
    more: dict[int, Reading]

    def __len__(self) -> int:
        return len(self.streams)


def microseconds(moment: datetime | None) -> int:
    """Since 1970; NONE for none."""
    if moment is None:
        return int(NONE)
    apart = moment - ZERO
    return (apart.days * 86_400 + apart.seconds) * 1_000_000 + apart.microseconds


def moment(microseconds: int) -> datetime | None:
    """The moment again."""
    if microseconds == NONE:
        return None
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(microsecond=microseconds % 1_000_000)


def of_readings(rows: Sequence[tuple[int, int, Reading]]) -> Columns:
    """Of Datastream, feature and Observation each."""
    more = {
        place: each for place, (_, _, each) in enumerate(rows)
        if each.result is not None or each.quality is not None or each.valid is not None or each.parameters is not None
    }  # fmt: skip

    def whole(read: Callable[[tuple[int, int, Reading]], int]) -> Integers:
        return np.fromiter((read(row) for row in rows), np.int64, len(rows))

    numbers = [np.nan if row[2].number is None else row[2].number for row in rows]
    return Columns(
        whole(lambda row: row[0]), whole(lambda row: row[1]), whole(lambda row: microseconds(row[2].start)),
        whole(lambda row: microseconds(row[2].end)), whole(lambda row: microseconds(row[2].result_time)),
        np.asarray(numbers, np.float64), more,
    )  # fmt: skip


def moments(values: Sequence[object]) -> Integers | None:
    """Texts of moments as µs since 1970, all at once; None if one of them needs to be looked at alone."""
    try:
        texts = pa.array(values, pa.string())
        found = texts.cast(pa.timestamp("us", "UTC"))
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError, ValueError):
        return None
    if found.null_count:
        return None
    return np.asarray(found.cast(pa.int64()).to_numpy(zero_copy_only=False), np.int64)


def numbers(values: Sequence[object]) -> Floats | None:
    """Results as doubles; None if one is no number or not exactly a double."""
    kinds = set(map(type, values))
    if not kinds <= {int, float}:
        return None
    try:
        found = np.asarray(values, np.float64)
    except (OverflowError, ValueError):
        return None
    if int in kinds and np.abs(found).max(initial=0) >= EXACT:
        return None
    return found


def joined(parts: Sequence[Columns]) -> Columns:
    """All of them one after the other."""
    if len(parts) == 1:
        return parts[0]
    more: dict[int, Reading] = {}
    place = 0
    for part in parts:
        more |= {place + inner: reading for inner, reading in part.more.items()}
        place += len(part)
    return Columns(
        np.concatenate([part.streams for part in parts]), np.concatenate([part.features for part in parts]),
        np.concatenate([part.starts for part in parts]), np.concatenate([part.ends for part in parts]),
        np.concatenate([part.result_times for part in parts]), np.concatenate([part.numbers for part in parts]), more,
    )  # fmt: skip


def chosen(found: Columns, places: Sequence[int]) -> Columns:
    """The rows at these places."""
    at = np.asarray(places, np.int64)
    more = {new: found.more[old] for new, old in enumerate(places) if old in found.more}
    return Columns(
        found.streams[at], found.features[at], found.starts[at], found.ends[at], found.result_times[at], found.numbers[at],
        more,
    )  # fmt: skip


class Copy(msgspec.Struct, frozen=True):
    """One COPY: the columns it names, and its rows in the binary format, without head and tail."""

    columns: tuple[str, ...]
    rows: bytes


HEAD, TAIL = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


def copies(found: Columns, first: int, received: datetime, keeper: str) -> list[Copy]:
    """The plain rows (those without `more`), one COPY for each pattern of what is there."""
    plain = np.ones(len(found), np.bool_)
    plain[list(found.more)] = False
    pattern = (found.ends != NONE) * 4 + (found.result_times != NONE) * 2 + ~np.isnan(found.numbers)
    made = []
    for kind in np.unique(pattern[plain]):
        places = np.flatnonzero(plain & (pattern == kind))
        made.append(_copy(found, places, first, received, keeper, int(kind)))
    return made


def _copy(found: Columns, places: Integers, first: int, received: datetime, keeper: str, kind: int) -> Copy:
    columns: list[tuple[str, str, object]] = [
        ("id", ">i8", places + first),
        ("datastream_id", ">i8", found.streams[places]),
        ("feature_id", ">i8", found.features[places]),
        ("phenomenon_start", ">i8", found.starts[places] - EPOCH),
        ("received", ">i8", microseconds(received) - EPOCH),
    ]
    if kind & 4:
        columns.append(("phenomenon_end", ">i8", found.ends[places] - EPOCH))
    if kind & 2:
        columns.append(("result_time", ">i8", found.result_times[places] - EPOCH))
    if kind & 1:
        columns.append(("number", ">f8", found.numbers[places]))
    code = keeper.encode()
    columns.append(("keeper", f"S{len(code)}", code))
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for name, form, _ in columns:
        fields += [(f"{name}_size", ">i4"), (name, form)]
    rows = np.zeros(len(places), np.dtype(fields))
    rows["count"] = len(columns)
    for name, form, values in columns:
        rows[f"{name}_size"] = np.dtype(form).itemsize
        rows[name] = values
    return Copy(tuple(name for name, _, _ in columns), rows.tobytes())


class Summary(msgspec.Struct, frozen=True):
    """What a batch comes to for each Datastream, in the order of their ids."""

    streams: Integers
    totals: Integers
    first_starts: Integers
    last_ends: Integers
    first_results: Integers
    last_results: Integers
    last: Integers
    """The place of the last Observation: the latest start, and of equal ones the latest to arrive."""


def summed(found: Columns) -> Summary:
    """Work out the summary."""
    order = np.lexsort((np.arange(len(found)), found.starts, found.streams))
    streams = found.streams[order]
    begins = np.flatnonzero(np.concatenate(([True], streams[1:] != streams[:-1])))
    ends = np.concatenate((begins[1:], [len(streams)]))
    last_ends = np.where(found.ends == NONE, found.starts, found.ends)[order]
    given = found.result_times[order]
    highest = np.where(given == NONE, np.iinfo(np.int64).max, given)
    lowest = np.minimum.reduceat(highest, begins)
    return Summary(
        streams=streams[begins],
        totals=ends - begins,
        first_starts=found.starts[order][begins],
        last_ends=np.maximum.reduceat(last_ends, begins),
        first_results=np.where(lowest == np.iinfo(np.int64).max, NONE, lowest),
        last_results=np.maximum.reduceat(given, begins),
        last=order[ends - 1],
    )


class Slot(msgspec.Struct, frozen=True):
    """What became of one row that was sent: its place among those taken, or the problem with it."""

    place: int = -1
    problem: Problem | None = None
