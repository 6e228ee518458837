"""Many at once: CreateObservations with the slots of its rows, and batches whose change sets hold together."""

import json
from typing import Any

from sensing.conftest import City
from sensing.sensing_kit import Door, feature, kept, multi, place, station, thing


def streams(civil: Door) -> tuple[int, int]:
    id = civil.post("Things", station(MultiDatastreams=[multi()]))
    return tuple(civil.names(f"Things({id})/{kind}", "@iot.id")[0] for kind in ("Datastreams", "MultiDatastreams"))  # type: ignore[return-value]


def test_many_observations(town: City) -> None:
    civil = town.civil
    one, several = streams(civil)
    body: list[dict[str, Any]] = [
        {"Datastream": {"@iot.id": one}, "components": ["phenomenonTime", "result"], "dataArray@iot.count": 3,
         "dataArray": [["2026-03-01T02:00:00Z", 2], ["2026-03-01T11:00:00+08:00", 3.5], ["2026-03-01T01:00:00Z", 1]]},
        {"MultiDatastream": {"@iot.id": several}, "components": ["result"], "dataArray": [[[1, 2]]]},
    ]  # fmt: skip
    answer = civil.send("POST", "CreateObservations", body)
    assert answer.status_code == 201
    links = answer.json()
    assert [civil.get(link)["result"] for link in links] == [2, 3.5, 1, [1, 2]]
    found = civil.get(f"Datastreams({one})?$expand=Observations($orderby=phenomenonTime desc;$top=1)")
    assert found["Observations"][0]["@iot.selfLink"] == links[1]
    assert found["phenomenonTime"] == "2026-03-01T01:00:00Z/2026-03-01T03:00:00Z"


def test_each_row_has_its_slot(town: City) -> None:
    civil = town.civil
    one, several = streams(civil)
    river = civil.post("FeaturesOfInterest", feature("river"))
    names = ["phenomenonTime", "result", "FeatureOfInterest/id", "resultQuality"]
    rows = [["2026-03-01T02:00:00Z", 1, river, "good"], ["never", 2, river, None], ["2026-03-01T02:00:00Z/2026-03-01T03:00:00Z", 1e400, None, None],
            ["2026-03-01T02:00:00Z", "text", None, None], ["2026-03-01T02:00:00Z", 4, 10**9, None], [None, 5, None], [None, 6, None, {"a": 1}]]  # fmt: skip
    rows[2][1] = 3
    groups = [
        {"Datastream": {"@iot.id": one}, "components": names, "dataArray": rows},
        {"Datastream": {"@iot.id": several}, "components": ["result"], "dataArray": [[1], [[1, 2]]]},
        {"Datastream": {"@iot.id": 10**9}, "components": ["result"], "dataArray": [[1]]},
    ]
    links = civil.send("POST", "CreateObservations", groups).json()
    assert [link == "error" for link in links] == [False, True, False, False, True, True, False, True, False, True]
    assert [civil.get(link)["result"] for link in links if link != "error"] == [1, 3, "text", 6, [1, 2]]
    assert civil.get(links[0])["resultQuality"] == "good"
    assert civil.get(f"{links[0]}/FeatureOfInterest")["name"] == "river"
    assert civil.get(links[2])["phenomenonTime"] == "2026-03-01T02:00:00Z/2026-03-01T03:00:00Z"
    before = kept(town.admin_url)
    assert civil.refused("POST", "CreateObservations", groups[2:]) == (400, "link_unknown")
    for wrong in (
        {},
        [{"components": ["result"]}],
        [{"Datastream": {"@iot.id": "x"}, "components": [], "dataArray": []}],
    ):
        assert civil.refused("POST", "CreateObservations", wrong) == (400, "body_wrong")
    assert kept(town.admin_url) == before


def test_a_batch_in_json(town: City) -> None:
    civil = town.civil
    made = [
        {"id": "a", "atomicityGroup": "g", "method": "post", "url": "Things", "body": thing("batch")},
        {"id": "b", "atomicityGroup": "g", "method": "post", "url": "$a/Locations", "body": place("batch place")},
        {"id": "c", "method": "get", "url": "Things(0)"},
        {"id": "d", "method": "get", "url": "/v1.1/Things?$filter=name eq 'batch'&$select=name"},
        {"id": "e", "method": "patch", "url": "$a", "body": {"description": "changed"}},
    ]
    told = civil.send("POST", "$batch", {"requests": made}).json()["responses"]
    assert [(each["id"], each["status"]) for each in told] == [
        ("a", 201),
        ("b", 201),
        ("c", 404),
        ("d", 200),
        ("e", 200),
    ]
    assert told[3]["body"] == {"value": [{"name": "batch"}]}
    assert told[4]["body"]["description"] == "changed"
    assert civil.names("Things?$filter=Locations/name eq 'batch place'") == ["batch"]
    before = kept(town.admin_url)
    broken = [{**made[0]}, {"id": "x", "atomicityGroup": "g", "method": "post", "url": "Things", "body": {}}]
    told = civil.send("POST", "$batch", {"requests": broken}).json()["responses"]
    assert [(each["id"], each["status"]) for each in told] == [("a", 424), ("x", 400)]
    assert kept(town.admin_url) == before
    assert civil.refused("POST", "$batch", {"requests": 1}) == (400, "batch_wrong")


BATCH = """\
--batch_1\r
Content-Type: application/http\r
\r
GET /v1.1/Things(0)?$select=name HTTP/1.1\r
Host: x\r
\r
\r
--batch_1\r
Content-Type: multipart/mixed;boundary=changeset_1\r
\r
--changeset_1\r
Content-Type: application/http\r
Content-ID: t\r
\r
POST /v1.1/Things HTTP/1.1\r
Content-Type: application/json\r
\r
%s\r
--changeset_1\r
Content-Type: application/http\r
Content-ID: l\r
\r
POST /v1.1/Locations HTTP/1.1\r
Content-Type: application/json\r
\r
%s\r
--changeset_1\r
Content-Type: application/http\r
Content-ID: p\r
\r
PATCH /v1.1/$t HTTP/1.1\r
Content-Type: application/json\r
\r
{"description": "patched"}\r
--changeset_1--\r
--batch_1--\r
"""


def test_a_batch_in_parts(town: City) -> None:
    civil = town.civil
    where = {**place("parts"), "Things": [{"@iot.id": "$t"}]}
    media = {**civil.headers, "content-type": "multipart/mixed;boundary=batch_1"}
    answer = civil.client.post(
        "/v1.1/$batch", content=BATCH % (json.dumps(thing("in parts")), json.dumps(where)), headers=media
    )
    assert answer.status_code == 200, answer.text
    statuses = [line.split()[1] for line in answer.text.splitlines() if line.startswith("HTTP/1.1")]
    assert statuses == ["404", "201", "201", "200"]
    assert "Content-ID: t" in answer.text
    assert civil.names("Things?$filter=Locations/name eq 'parts'", "description") == ["patched"]
    before = kept(town.admin_url)
    answer = civil.client.post("/v1.1/$batch", content=BATCH % (json.dumps(thing("lost")), "{}"), headers=media)
    assert [line.split()[1] for line in answer.text.splitlines() if line.startswith("HTTP/1.1")] == ["404", "400"]
    assert kept(town.admin_url) == before
    wrong = civil.client.post("/v1.1/$batch", content=b"x", headers={**media, "content-type": "multipart/mixed"})
    assert wrong.status_code == 400


def test_a_batch_asks_for_the_rights_of_each(town: City) -> None:
    id = town.civil.post("Things", station("kilo"))
    before = kept(town.admin_url)
    asked = [
        {"id": str(n), "method": m, "url": f"Things({id})", "body": {"name": "x"}}
        for n, m in enumerate(("get", "patch", "put", "delete", "trace"))
    ]
    told = town.other.send("POST", "$batch", {"requests": asked}).json()["responses"]
    assert [each["status"] for each in told] == [404, 404, 404, 404, 400]
    assert kept(town.admin_url) == before
