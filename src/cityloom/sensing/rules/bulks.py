"""CreateObservations (OGC 18-088, 12.2): many Observations by component, read column by column where that is possible."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain, groupby
from typing import Any

import msgspec
import numpy as np

from cityloom.kernel.errors import BadRequest, Problem
from cityloom.sensing.rules import columns, drafts
from cityloom.sensing.rules.columns import NONE, Columns, Integers
from cityloom.sensing.rules.drafts import Reading
from cityloom.sensing.rules.results import EXACTLY, LONG

FEATURE = ("FeatureOfInterest/id", "FeatureOfInterest/@iot.id")
FAST = frozenset({"phenomenonTime", "result", "resultTime", *FEATURE})
MOST = 200_000
"""Observations of one request."""


class Reference(msgspec.Struct, frozen=True):
    """`{"@iot.id": 1}`."""

    id: int = msgspec.field(name="@iot.id")


class Group(msgspec.Struct, frozen=True):
    """The rows of one Datastream."""

    components: tuple[str, ...]
    rows: list[list[Any]] = msgspec.field(name="dataArray")
    one: Reference | None = msgspec.field(name="Datastream", default=None)
    several: Reference | None = msgspec.field(name="MultiDatastream", default=None)

    @property
    def stream(self) -> int:
        found = self.one or self.several
        return found.id if found is not None and 0 < found.id < 2**63 else -1


class Bulk(msgspec.Struct, frozen=True):
    """What was sent: all rows, and by place the problems of those that cannot be read."""

    rows: Columns
    problems: dict[int, Problem]


DECODER = msgspec.json.Decoder(list[Group])


def read(content: bytes, now: datetime) -> Bulk:
    """The rows of all groups, in their order. Raises BadRequest `sensing.body_wrong`, `sensing.too_many_rows`."""
    try:
        long = LONG.search(content)
        groups = msgspec.convert(EXACTLY.decode(content), list[Group]) if long else DECODER.decode(content)
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest("sensing.body_wrong", reason=str(error)[:120]) from error
    if sum(len(group.rows) for group in groups) > MOST:
        raise BadRequest("sensing.too_many_rows", most=MOST)
    parts, problems, place = [], dict[int, Problem](), 0
    for names, several in groupby(groups, key=lambda group: group.components):
        alike = list(several)
        rows = list(chain.from_iterable(group.rows for group in alike))
        streams = np.repeat([group.stream for group in alike], [len(group.rows) for group in alike]).astype(np.int64)
        part = _fast(names, rows, streams, now)
        if part is None:
            part = _slow(names, rows, streams, now, place, problems)
        parts.append(part)
        place += len(rows)
    return Bulk(columns.joined(parts) if parts else columns.of_readings(()), problems)


def _fast(names: Sequence[str], rows: Sequence[list[Any]], streams: Integers, now: datetime) -> Columns | None:
    """The rows at once, if they are plain: moments, numbers and ids without exception."""
    plain = set(names) <= FAST and "result" in names and len(set(names)) == len(names)
    if not rows or not plain or set(map(len, rows)) != {len(names)}:
        return None
    cells: Mapping[str, tuple[Any, ...]] = dict(zip(names, zip(*rows, strict=True), strict=True))
    numbers = columns.numbers(cells["result"])
    count = len(rows)
    starts = (
        columns.moments(cells["phenomenonTime"])
        if "phenomenonTime" in cells
        else np.full(count, columns.microseconds(now))
    )
    given = columns.moments(cells["resultTime"]) if "resultTime" in cells else np.full(count, NONE)
    features = _features(cells, count)
    if numbers is None or starts is None or given is None or features is None:
        return None
    return Columns(streams, features, starts, np.full(count, NONE), given, numbers, {})


def _features(cells: Mapping[str, tuple[Any, ...]], count: int) -> Integers | None:
    values = next((cells[name] for name in FEATURE if name in cells), None)
    if values is None:
        return np.zeros(count, np.int64)
    if set(map(type, values)) != {int} or not all(0 < value < 2**63 for value in values):
        return None
    return np.asarray(values, np.int64)


def _slow(
    names: Sequence[str], rows: Iterable[list[Any]], streams: Integers, now: datetime, place: int,
    problems: dict[int, Problem],
) -> Columns:  # fmt: skip
    """Row by row; one that cannot be read has its problem, and stands for nothing."""
    found: list[tuple[int, int, Reading]] = []
    nothing = Reading(now)
    for number, (row, stream) in enumerate(zip(rows, streams.tolist(), strict=True)):
        try:
            found.append(_row(names, row, stream, now))
        except BadRequest as problem:
            problems[place + number] = problem
            found.append((stream, 0, nothing))
    return columns.of_readings(found)


def _row(names: Sequence[str], row: list[Any], stream: int, now: datetime) -> tuple[int, int, Reading]:
    if len(row) != len(names):
        raise BadRequest("sensing.row_size", wanted=len(names), found=len(row))
    body = dict(zip(names, row, strict=True))
    feature = next((body[name] for name in FEATURE if body.get(name) is not None), 0)
    if type(feature) is not int or not 0 <= feature < 2**63:
        raise BadRequest("sensing.link_unknown", relation="FeatureOfInterest", id=str(feature)[:40])
    return stream, feature, drafts.reading(body, now)
