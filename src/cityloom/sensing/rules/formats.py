"""Answers in other forms than the standard's JSON: dataArray, CSV, GeoJSON, raw values."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.model import ENTITIES, Type
from cityloom.sensing.contracts.queries import Query
from cityloom.sensing.rules import results, times

CSV, GEOJSON, TEXT = "text/csv", "application/geo+json", "text/plain"
COMPONENTS = ("id", "phenomenonTime", "resultTime", "result", "resultQuality", "validTime", "parameters")
MISSING = object()
Document = Mapping[str, Any]


class Row(Protocol):
    """An Observation as it was read."""

    @property
    def id(self) -> int: ...
    @property
    def stream(self) -> int: ...
    @property
    def multi(self) -> bool: ...
    @property
    def values(self) -> tuple[Any, ...]: ...


def with_components(query: Query) -> Query:
    """The query with the components of a dataArray selected, unless it says which."""
    wanted = tuple("id" if name == "@iot.id" else name for name in query.select) or COMPONENTS
    known = {"id"} | {each.name for each in ENTITIES[Kind.observations].properties}
    return msgspec.structs.replace(query, select=tuple(name for name in wanted if name in known), expand=())


def data_array(root: str, rows: Sequence[Row], query: Query) -> list[dict[str, Any]]:
    """One group for each Datastream, in the order of their first rows (OGC 18-088, 12.1)."""
    shown = [each for each in ENTITIES[Kind.observations].properties if each.name in query.select]
    order = {name: place for place, name in enumerate(query.select)}
    groups: dict[int, list[list[Any]]] = {}
    kinds: dict[int, bool] = {}
    for row in rows:
        cells: list[Any] = [None] * len(query.select)
        if "id" in order:
            cells[order["id"]] = row.id
        place, values = 0, row.values
        for each in shown:
            at = order[each.name]
            if each.type is Type.period:
                cells[at] = None if values[place] is None else times.span(values[place], values[place + 1])
                place += 2
            elif each.type is Type.result:
                cells[at] = results.shown(values[place], values[place + 1])
                place += 2
            else:
                value = values[place]
                plain = value is None or each.type is not Type.instant
                cells[at] = (None if value is None else Raw(value.encode())) if plain else times.written(value)
                place += 1
        groups.setdefault(row.stream, []).append(cells)
        kinds[row.stream] = row.multi
    return [
        {
            _link(kinds[stream]): f"{root}/{'MultiDatastreams' if kinds[stream] else 'Datastreams'}({stream})",
            "components": list(query.select), "dataArray@iot.count": len(cells), "dataArray": cells,
        }
        for stream, cells in groups.items()
    ]  # fmt: skip


def _link(multi: bool) -> str:
    return f"{'MultiDatastream' if multi else 'Datastream'}@iot.navigationLink"


def plain(value: object) -> bytes:
    """A raw value: text as it is, anything else as JSON."""
    if isinstance(value, Raw):
        found = bytes(value)
        if not found.startswith(b'"'):
            return found
        value = msgspec.json.decode(found)
    return value.encode() if isinstance(value, str) else msgspec.json.encode(value)


def inside(value: object, path: Sequence[str]) -> object:
    """What lies at a path inside a JSON value; MISSING where nothing does."""
    found: Any = msgspec.json.decode(value) if isinstance(value, Raw) else value
    for name in path:
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return MISSING
    return found


def csv_of(documents: Sequence[Document], query: Query) -> bytes:
    """One line an entity; what is expanded as `Datastream/name`. Without links unless they were selected."""
    flat = [_flat(msgspec.json.decode(msgspec.json.encode(each)), "") for each in documents]
    names = list(dict.fromkeys(name for row in flat for name in row))
    if query.select:
        chosen = [next((n for n in (name, f"@iot.{name}") if n in names), name) for name in query.select]
        names = [*dict.fromkeys(chosen), *(name for name in names if "/" in name and name not in chosen)]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([name.replace("@iot.", "") for name in names])
    writer.writerows([[row.get(name, "") for name in names] for row in flat])
    return text.getvalue().encode()


PLAIN = {None: "", True: "true", False: "false"}


def _flat(document: Document, before: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in document.items():
        if name.endswith(("@iot.navigationLink", "@iot.selfLink", "@iot.nextLink")):
            continue
        if isinstance(value, dict) and value and name[:1].isupper():
            found |= _flat(value, f"{before}{name}/")
        elif isinstance(value, dict | list):
            found[before + name] = results.text(value)
        else:
            found[before + name] = (
                {None: "", True: "true", False: "false"}.get(value, value)
                if value is None or isinstance(value, bool)
                else value
            )
    return found


PLACES = ("location", "feature", "observedArea")


def geojson(documents: Sequence[Document], more: Document | None = None) -> bytes:
    """A FeatureCollection (RFC 7946): each entity with its geometry, or the first one expanded in it."""
    features = []
    for each in documents:
        found = msgspec.json.decode(msgspec.json.encode(each))
        geometry = _geometry(found)
        feature = {"type": "Feature", "geometry": geometry, "properties": _flat(found, "")}
        features.append({**feature, "id": found["@iot.id"]} if "@iot.id" in found else feature)
    return msgspec.json.encode({"type": "FeatureCollection", "features": features, **(more or {})})


def _geometry(found: Any) -> Any:
    if isinstance(found, list):
        return next((shape for each in found if (shape := _geometry(each)) is not None), None)
    if not isinstance(found, dict):
        return None
    for name in PLACES:
        shape = found.pop(name, None)
        if isinstance(shape, dict):
            return shape.get("geometry") if shape.get("type") == "Feature" else shape
    return next((shape for value in found.values() if (shape := _geometry(value)) is not None), None)
