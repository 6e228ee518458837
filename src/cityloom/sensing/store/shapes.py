"""Geometries that are kept, for functions on them: a box in SQL first, then GEOS on what is left."""

import json

import msgspec
import shapely
from shapely.geometry.base import BaseGeometry

from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest
from cityloom.sensing.contracts import Kind
from cityloom.sensing.rules import shapes as geometry
from cityloom.sensing.store import tables

MOST = 500_000
"""Geometries that one function may look at."""


class Row(msgspec.Struct, frozen=True):
    """One geometry by the id of its entity."""

    id: int
    shape: bytes


class Candidates(msgspec.Struct, frozen=True):
    """The geometries of a kind of entities, as far as the scope sees them."""

    tx: Transaction
    kind: Kind

    def within(self, bounds: tuple[float, ...] | None) -> list[Row]:
        """Those whose box meets the bounds (west, south, east, north). Raises BadRequest `sensing.too_many_shapes`."""
        box = "west <= %(east)s AND east >= %(west)s AND south <= %(north)s AND north >= %(south)s"
        values = dict(zip(tables.BOX, bounds or (), strict=bounds is not None))
        where = box if bounds else "west IS NOT NULL"
        if self.kind in tables.STREAMS:
            rows = self.tx.all(
                _Box,
                f"SELECT datastream_id AS id, west, south, east, north FROM sensing.latest WHERE {where} LIMIT {MOST + 1}",
                values,
            )
            found = [Row(row.id, shapely.to_wkb(shapely.box(row.west, row.south, row.east, row.north))) for row in rows]
        else:
            table = tables.PLACES[self.kind].table
            found = self.tx.all(Row, f"SELECT id, shape FROM {table} WHERE {where} LIMIT {MOST + 1}", values)
        if len(found) > MOST:
            raise BadRequest("sensing.too_many_shapes", most=MOST)
        return found


class _Box(msgspec.Struct, frozen=True):
    id: int
    west: float
    south: float
    east: float
    north: float


def fitting(candidates: Candidates, name: str, other: BaseGeometry, pattern: str, *, swapped: bool) -> list[int]:
    """Ids of those for which the predicate holds."""
    anywhere = name in (geometry.FAR, geometry.RELATE) or other.is_empty
    rows = candidates.within(None if anywhere else tuple(float(each) for each in other.bounds))
    if not rows:
        return []
    told = geometry.true_of(name, [row.shape for row in rows], other, pattern, swapped)
    return [row.id for row, fits in zip(rows, told, strict=True) if fits]


def measured(candidates: Candidates, name: str, other: BaseGeometry | None) -> str:
    """Distance or length by id, as a JSON object."""
    rows = candidates.within(None)
    values = geometry.measured(name, [row.shape for row in rows], other) if rows else []
    return json.dumps({str(row.id): value for row, value in zip(rows, values, strict=True) if value == value})
