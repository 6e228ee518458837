"""The root of the API: its sets, and which requirements of the standard it meets."""

from typing import Any

from cityloom.sensing.contracts import Door, Kind

BASE = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
_ENTITIES = (
    "thing", "location", "historical-location", "datastream", "sensor", "observed-property", "observation",
    "feature-of-interest",
)  # fmt: skip
MET = (
    "datamodel/entity-control-information/common-control-information",
    *(f"datamodel/{name}/{part}" for name in _ENTITIES for part in ("properties", "relations")),
    "resource-path/resource-path-to-entities",
    *(
        f"request-data/{name}"
        for name in (
            "status-code", "query-status-code", "order", "expand", "select", "orderby", "top", "skip", "count", "filter",
            "built-in-filter-operations", "built-in-query-functions", "pagination",
        )
    ),
    *(
        f"create-update-delete/{name}"
        for name in (
            "create-entity", "link-to-existing-entities", "deep-insert", "deep-insert-status-code", "update-entity",
            "delete-entity", "historical-location-auto-creation", "update-entity-put", "update-entity-jsonpatch",
            "historical-location-manual-creation",
        )
    ),
    "batch-request/batch-request",
    *(f"multi-datastream/{name}" for name in ("properties", "relations", "constraints")),
    "data-array/data-array",
)  # fmt: skip


MQTT = ("create-observations-via-mqtt/observations-creation", "receive-updates-via-mqtt/receive-updates")
"""Met where the MQTT door is open."""


def root(door: Door, mqtt: str = "") -> dict[str, Any]:
    """The document at `/v1.1`; at `/v1.0` without settings. `mqtt` is where the MQTT door is."""
    sets = [{"name": kind.value, "url": f"{door.root}/{kind}"} for kind in Kind]
    if door.old:
        return {"value": sets}
    met = [BASE + name for name in (*MET, *(MQTT if mqtt else ()))]
    where = {BASE + name: {"endpoints": [mqtt]} for name in MQTT} if mqtt else {}
    return {"value": sets, "serverSettings": {"conformance": met, **where}}
