"""What observations come to by minute, hour and day, whether they are hot or in the lake; late ones and corrections included."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, NotFound
from cityloom.sensing.api import keeping, serving
from cityloom.sensing.api.serving import Asking
from cityloom.sensing.contracts import Answer, Door, Kind
from cityloom.sensing.contracts.aggregates import AreaBucket, Areas, Bucket, Series
from cityloom.sensing.contracts.buckets import Part, Width
from cityloom.sensing.rules import buckets, queries, times
from cityloom.sensing.store import aggregates, entities, history
from cityloom.sensing.store.aggregates import Span
from cityloom.sensing.store.past import Past

MOST = 20_000
"""Buckets of one answer; of areas, buckets of all groups together."""
OPTIONS = ("by", "from", "to")


def handle(ctx: Context, _door: Door, asking: Asking) -> Answer:
    """`Datastreams(5)/aggregates?by=hour&from=…&to=…`: our extension of the standard. Right `sensing.read`.

    Raises NotFound `sensing.entity_unknown`, BadRequest `sensing.option_wrong`, `sensing.span_wrong`, `sensing.span_long`.
    """
    address, given = queries.address(asking.path.rpartition("/")[0]), queries.options(asking.query)
    for name in given:
        if name not in OPTIONS:
            raise BadRequest("sensing.option_unknown", option=name[:40])
    id = address.steps[0].id if address.steps else None
    if len(address.steps) != 1 or address.kind is not Kind.datastreams or id is None:
        raise NotFound("sensing.path_unknown", path=asking.path[:120])
    found = series(ctx, id, given.get("by", "hour"), given.get("from", ""), given.get("to", ""))
    return Answer(body=msgspec.json.encode(found))


def series(ctx: Context, stream: int, by: str, start: str, end: str) -> Series:
    """One Datastream. Without `start` the last hundred buckets, without `end` until now."""
    ctx.require("sensing.read", serving.resource(ctx))
    span = _span(ctx, by, start, end, 1)
    with ctx.begin() as tx:
        if entities.owner(tx, Kind.datastreams, stream) is None:
            raise NotFound("sensing.entity_unknown", kind=Kind.datastreams.value, id=stream)
        border = Past(tx, ctx.lake).border
        found: dict[datetime, Part] = {}
        _merge(found, aggregates.hot(tx, border, stream, span))
        if history.cold_ids(tx, [stream]):
            but, overruled = _corrected(tx, corrected=border.corrected)
            with ctx.lake.session() as cursor:
                _merge(found, aggregates.cold(cursor, border, stream, span, but, overruled))
    return Series(by, tuple(_bucket(span, at, part) for at, part in sorted(found.items())))


def areas(ctx: Context, by: str, start: str, end: str, district: str | None, property: str | None) -> Areas:
    """All Datastreams of Things with a district, by district, ObservedProperty and unit. Right `sensing.read`."""
    ctx.require("sensing.read", serving.resource(ctx))
    with ctx.begin() as tx:
        groups, streams, numbers = aggregates.groups(tx, district, property)
        span = _span(ctx, by, start, end, max(1, len(groups)))
        border = Past(tx, ctx.lake).border
        found: dict[tuple[int, datetime], Part] = {}
        _merge(found, (((n, at), part) for n, at, part in aggregates.hot_areas(tx, border, streams, numbers, span)))
        if border.until is not None and streams:
            but, overruled = _corrected(tx, corrected=border.corrected)
            with ctx.lake.session() as cursor:
                cold = aggregates.cold_areas(
                    cursor, border, {"stream": streams, "number": numbers}, span, but, overruled
                )
            _merge(found, (((n, at), part) for n, at, part in cold))
    return Areas(by, tuple(_area(span, groups[n], at, part) for (n, at), part in sorted(found.items())))


def _corrected(tx: Transaction, *, corrected: bool) -> tuple[aggregates.Pairs, list[int]]:
    return (aggregates.pairs(tx), history.corrected_ids(tx)) if corrected else ([], [])


Key = TypeVar("Key")


def _merge(found: dict[Key, Part], parts: Iterable[tuple[Key, Part]]) -> None:
    for key, part in parts:
        found[key] = buckets.merged(found[key], part) if key in found else part


def _span(ctx: Context, by: str, start: str, end: str, groups: int) -> Span:
    if by not in set(Width):
        raise BadRequest("sensing.option_wrong", option="by", value=by[:40])
    ruler = buckets.ruler(Width(by), keeping.offset(ctx))
    last = ruler.ceiling(times.instant(end)) if end else ruler.ceiling(ctx.clock.now())
    first = ruler.floor(times.instant(start)) if start else last - 100 * ruler.length
    if first >= last:
        raise BadRequest("sensing.span_wrong")
    if (last - first) // ruler.length * groups > MOST:
        raise BadRequest("sensing.span_long", most=MOST)
    return Span(ruler, first, last)


def _bucket(span: Span, at: datetime, part: Part) -> Bucket:
    return Bucket(
        at.astimezone(UTC), (at + span.ruler.length).astimezone(UTC), part.total, part.numbers, round(part.good / part.total, 6),
        part.added, _mean(part), part.least, part.most, part.opening, part.closing,
    )  # fmt: skip


def _area(span: Span, group: aggregates.Group, at: datetime, part: Part) -> AreaBucket:
    return AreaBucket(
        group.district, group.property, group.unit, group.datastreams, at.astimezone(UTC), at.astimezone(UTC) + span.ruler.length,
        part.total, part.numbers, round(part.good / part.total, 6), part.added, _mean(part), part.least, part.most,
    )  # fmt: skip


def _mean(part: Part) -> float | None:
    return None if part.added is None or not part.numbers else part.added / part.numbers
