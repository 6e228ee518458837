"""Devices of civil, which everybody tries who has no business with them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cityloom.sensing.api import telling
from cityloom.sensing.api import upkeep as sensing
from cityloom.sensing.store import happened
from cityloom.sensing.store.happened import EventRow
from sharing.sharing_kit import Town

SENSED = b'{"name": "kilo station", "description": "kilo"}'
STATION = {
    "name": "kilo station", "description": "kilo",
    "Locations": [{
        "name": "kilo roof", "description": "kilo", "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [114, 22]},
    }],
    "Datastreams": [{
        "name": "kilo", "description": "kilo", "observationType": "kilo", "unitOfMeasurement": {}, "Observations": [{"result": 1}],
        "Sensor": {"name": "kilo", "description": "kilo", "encodingType": "text", "metadata": "kilo"},
        "ObservedProperty": {"name": "kilo", "description": "kilo", "definition": "kilo"},
    }],
}  # fmt: skip

TRIAL = {
    "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z",
    "rule": {
        "title": {"en": "t", "zh": "t"}, "source": "ours", "severity": "red", "watch": {"properties": ["kilo"]},
        "when": {"kind": "threshold", "above": 0},
    },
}  # fmt: skip


def happen(town: Town, headers: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """An event of civil, as a rule would make it, and where its events are sent to."""
    at, text = datetime(2026, 3, 1, tzinfo=UTC), "kilo"
    row = EventRow(
        0, text, text, '{"en": "kilo", "zh": "kilo"}', "red", 1, False, "civil", [], "datastream:1", None, None, text, text, [text],
        None, None, text, at, at, at, 1.0, at, 1, [1], [], False, "open", None, "", "", "", None, "", "",
    )  # fmt: skip
    with town.platform.begin() as tx:
        [id] = happened.new_ids(tx, 1)
        row = msgspec.structs.replace(row, id=id)
        happened.add(tx, [row])
        telling.tell(town.platform, tx, [telling.Told("opened", at, row)])
    url = {"url": "https://kilo.example/"}
    hooks = [
        town.client.post("/api/sensing/events/webhooks", json=url, headers=dict(headers)).json()["id"] for _ in range(2)
    ]
    path = "/api/sensing/events/webhooks/{id}"
    return {
        ("events", "id"): str(id), ("rules", "rule"): "kilo", (f"DELETE {path}", "{id}"): hooks[0],
        (f"POST {path}/replay", "{id}"): hooks[1],
    }  # fmt: skip


TYPE = """
protocol: hj212
title: {en: Outlet, zh: 排放口}
description: {en: Outlet, zh: 排放口}
item: outlet
measures: [{code: w01001, title: {en: pH, zh: pH值}, unit: "1"}]
health: {silent_after: 900}
"""
CATALOGUE = """
title: {en: Water, zh: 水}
order: 1
source: ours
themes: [{code: waste_water, title: {en: Waste water, zh: 污水}, items: [{code: outlet, title: {en: Outlet, zh: 排放口}}]}]
"""
DEVICE = {
    "name": "kilo outlet", "station": "outlet", "longitude": 114.0, "latitude": 22.5,
    "numbers": [{"protocol": "hj212", "number": "51A1", "secret": "123456"}],
}  # fmt: skip
MAPPING = """
title: {en: Pushes, zh: 推送}
source: ours
number: id
when: [{path: kind, equals: [report]}]
values: [{path: values}]
"""
DOORS = "gateways: [{protocol: mqtt, port: 0, keeper: civil}]\n"
PUSHED = b'{"kind": "other"}'
SHEET = b"name,station,protocol,number\nOutlet,outlet,hj212,51A1\n"


def declare(pack: Path) -> None:
    """What the town's pack says of devices."""
    for folder, name, text in (
        ("devices", "outlet", TYPE), ("catalogue", "waters", CATALOGUE), ("mappings", "pushes", MAPPING), (".", "doors", DOORS),
    ):  # fmt: skip
        (pack / "sensing" / folder).mkdir(parents=True, exist_ok=True)
        (pack / "sensing" / folder / f"{name}.yaml").write_text(text)


def sense(town: Town, headers: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Devices of civil: for each version one that is read and changed, one to add to, and one to remove."""
    found: dict[tuple[str, str], str] = {}
    for version in ("v1.0", "v1.1"):
        made = []
        for _ in range(3):
            answer = town.client.post("/v1.1/Things", json=STATION, headers=dict(headers))
            assert answer.status_code == 201, answer.text
            made.append(answer.json()["@iot.id"])
        streams = town.client.get(f"/v1.1/Things({made[1]})/Datastreams", headers=dict(headers)).json()["value"]
        found[version, "path"] = f"Things({made[0]})"
        found[f"POST /{version}/{{path}}", "{path}"] = f"Datastreams({streams[0]['@iot.id']})/Observations"
        found[f"DELETE /{version}/{{path}}", "{path}"] = f"Things({made[2]})"
        found["things", "id"] = str(made[0])
    answer = town.client.post("/api/sensing/devices", json=DEVICE, headers=dict(headers))
    assert answer.status_code == 201, answer.text
    found["devices", "id"] = str(answer.json()["device"]["id"])
    found["secrets", "protocol"], found["{protocol}", "number"] = "hj212", "51A1"
    found["push", "mapping"] = found["push-keys", "mapping"] = "pushes"
    sensing.make_days(town.platform)
    return found | happen(town, headers)
