"""Entities of SensorThings: made deep or not at all, changed, replaced, removed with what belongs to them."""

from sensing.conftest import City
from sensing.sensing_kit import POINT, SENSOR, Door, feature, kept, multi, place, station, stream, thing


def test_a_deep_insert_makes_everything(civil: Door) -> None:
    id = civil.post("Things", station(properties={"floor": 3}))
    found = civil.get(
        f"Things({id})?$expand=Locations,HistoricalLocations/Locations,Datastreams($expand=Sensor,ObservedProperty)"
    )
    assert found["@iot.id"] == id
    assert found["@iot.selfLink"].endswith(f"/v1.1/Things({id})")
    assert found["properties"] == {"floor": 3}
    assert found["Locations"][0]["location"] == POINT
    assert found["HistoricalLocations"][0]["Locations"][0]["@iot.id"] == found["Locations"][0]["@iot.id"]
    [found_stream] = found["Datastreams"]
    assert (found_stream["Sensor"]["metadata"], found_stream["ObservedProperty"]["name"]) == (
        SENSOR["metadata"],
        "temperature",
    )
    assert found_stream["Observations@iot.navigationLink"].endswith(
        f"/Datastreams({found_stream['@iot.id']})/Observations"
    )
    assert found["MultiDatastreams@iot.navigationLink"]


def test_an_observation(civil: Door) -> None:
    id = civil.post("Things", station())
    [of] = civil.names(f"Things({id})/Datastreams", "@iot.id")
    first = civil.post(
        f"Datastreams({of})/Observations", {"phenomenonTime": "2026-03-01T10:00:00+08:00", "result": 21.5}
    )
    found = civil.get(f"Observations({first})")
    assert (found["phenomenonTime"], found["result"], found["resultTime"]) == ("2026-03-01T02:00:00Z", 21.5, None)
    assert civil.get(f"Observations({first})/FeatureOfInterest")["feature"] == POINT
    assert civil.get(f"Datastreams({of})/Observations({first})/Datastream/Thing")["@iot.id"] == id
    assert civil.get(f"Datastreams({of})")["phenomenonTime"] == "2026-03-01T02:00:00Z/2026-03-01T02:00:00Z"
    assert civil.get(f"Datastreams({of})")["observedArea"] == POINT


def test_nothing_of_a_deep_insert_stays_where_a_part_is_wrong(town: City) -> None:
    before = kept(town.admin_url)
    broken = station()
    broken["Datastreams"][0]["Sensor"] = {**SENSOR, "metadata": None}
    assert town.civil.refused("POST", "Things", broken) == (400, "property_missing")
    lost = thing(Datastreams=[stream(Observations=[{"result": 1}])])
    assert town.civil.refused("POST", "Things", lost) == (400, "feature_missing")
    wrong = station(Locations=[place(at={"type": "Point", "coordinates": ["x"]})])
    assert town.civil.refused("POST", "Things", wrong) == (400, "property_wrong")
    unlinked = stream(Thing={"@iot.id": 10**9})
    assert town.civil.refused("POST", "Datastreams", unlinked) == (400, "link_unknown")
    assert town.civil.refused("POST", "Datastreams", stream()) == (400, "link_missing")
    assert town.civil.refused("POST", "Things(1)", thing())[0] in (400, 404)
    assert town.civil.refused("POST", "Things", [1]) == (400, "body_wrong")
    assert kept(town.admin_url) == before


def test_links_that_the_address_implies(civil: Door) -> None:
    id = civil.post("Things", thing())
    where = civil.post(f"Things({id})/Locations", place("cellar"))
    of = civil.post(
        f"Things({id})/Datastreams", stream(Observations=[{"result": 7, "phenomenonTime": "2026-01-01T00:00:00Z"}])
    )
    assert civil.names(f"Locations({where})/Things", "@iot.id") == [id]
    assert civil.names(f"Datastreams({of})/Observations", "result") == [7]
    sensor = civil.get(f"Datastreams({of})/Sensor")["@iot.id"]
    observed = civil.get(f"Datastreams({of})/ObservedProperty")["@iot.id"]
    second = {**stream("second"), "Sensor": {"@iot.id": sensor}, "ObservedProperty": {"@iot.id": observed}}
    civil.post(f"Things({id})/Datastreams", second)
    assert civil.names(f"Sensors({sensor})/Datastreams") == ["t", "second"]
    assert civil.names(f"ObservedProperties({observed})/Datastreams") == ["t", "second"]
    history = civil.post(
        f"Things({id})/HistoricalLocations", {"time": "2027-01-01T00:00:00Z", "Locations": [place("attic")]}
    )
    assert civil.names(f"Things({id})/Locations") == ["attic"]
    assert civil.names(f"HistoricalLocations({history})/Locations") == ["attic"]
    civil.post(f"Things({id})/HistoricalLocations", {"time": "2020-01-01T00:00:00Z", "Locations": [place("shop")]})
    assert civil.names(f"Things({id})/Locations") == ["attic"]


def test_a_feature_is_made_once_from_where_the_thing_is(civil: Door) -> None:
    id = civil.post("Things", station())
    [of] = civil.names(f"Things({id})/Datastreams", "@iot.id")
    first, second = (civil.post(f"Datastreams({of})/Observations", {"result": n}) for n in (1, 2))
    feature_of = civil.get(f"Observations({first})/FeatureOfInterest")["@iot.id"]
    assert civil.get(f"Observations({second})/FeatureOfInterest")["@iot.id"] == feature_of
    moved = {"type": "Point", "coordinates": [113.9, 22.5]}
    civil.post(f"Things({id})/Locations", place("bridge", moved))
    third = civil.post(f"Datastreams({of})/Observations", {"result": 3})
    assert civil.get(f"Observations({third})/FeatureOfInterest")["feature"] == moved
    assert civil.get(f"Datastreams({of})")["observedArea"]["coordinates"][0][0] == [113.9, 22.5]
    assert civil.names(f"FeaturesOfInterest({feature_of})/Observations", "result") == [1, 2]
    own = civil.post(f"Datastreams({of})/Observations", {"result": 4, "FeatureOfInterest": feature("river")})
    assert civil.get(f"Observations({own})/FeatureOfInterest")["name"] == "river"


def test_changes(civil: Door) -> None:
    id = civil.post("Things", station(properties={"a": 1}))
    changed = civil.send("PATCH", f"Things({id})", {"description": "new"})
    assert (changed.status_code, changed.json()["description"], changed.json()["properties"]) == (200, "new", {"a": 1})
    replaced = civil.send("PUT", f"Things({id})", thing("other"))
    assert (replaced.json()["name"], replaced.json().get("properties")) == ("other", None)
    patch = [{"op": "add", "path": "/properties", "value": {"floor": 3}}, {"op": "test", "path": "/name", "value": "other"},
             {"op": "copy", "from": "/name", "path": "/properties/was"}]  # fmt: skip
    media = {"content-type": "application/json-patch+json"}
    assert civil.send("PATCH", f"Things({id})", patch, headers=media).status_code == 200
    assert civil.get(f"Things({id})/properties") == {"properties": {"floor": 3, "was": "other"}}
    wrong = [{"op": "remove", "path": "/properties/absent"}]
    assert civil.refused("PATCH", f"Things({id})", wrong, headers=media) == (400, "patch_wrong")
    assert civil.refused("PATCH", f"Things({id})", {"name": 5}) == (400, "property_wrong")
    assert civil.refused("PATCH", f"Things({id})", {"Datastreams": [stream()]}) == (400, "link_inline")
    assert civil.refused("PUT", f"Things({id})", {"name": "n"}) == (400, "property_missing")
    assert civil.refused("PATCH", "Things", {}) == (400, "entity_needed")
    assert civil.refused("PATCH", f"Things({10**9})", {}) == (404, "entity_unknown")
    where = civil.post("Locations", place("bridge"))
    civil.send("PATCH", f"Things({id})", {"Locations": [{"@iot.id": where}]})
    assert civil.names(f"Things({id})/Locations") == ["bridge"]
    assert len(civil.get(f"Things({id})/HistoricalLocations")["value"]) == 2


def test_an_observation_is_corrected(civil: Door) -> None:
    id = civil.post("Things", station())
    [of] = civil.names(f"Things({id})/Datastreams", "@iot.id")
    ids = [
        civil.post(f"Datastreams({of})/Observations", {"result": n, "phenomenonTime": f"2026-02-0{n}T00:00:00Z"})
        for n in (1, 2, 3)
    ]
    latest = f"Datastreams({of})?$expand=Observations($orderby=phenomenonTime desc;$top=1)"
    assert civil.get(latest)["Observations"][0]["result"] == 3
    civil.send("PATCH", f"Observations({ids[2]})", {"phenomenonTime": "2026-01-01T00:00:00Z", "result": [1]})
    assert civil.get(latest)["Observations"][0]["result"] == 2
    assert civil.get(f"Datastreams({of})")["phenomenonTime"] == "2026-01-01T00:00:00Z/2026-02-02T00:00:00Z"
    assert civil.get(f"Observations({ids[2]})")["result"] == [1]
    assert civil.send("DELETE", f"Observations({ids[1]})").status_code == 200
    assert civil.get(latest)["Observations"][0]["result"] == 1
    assert civil.get(f"Datastreams({of})/Observations?$count=true&$top=0")["@iot.count"] == 2


def test_results_keep_their_exact_value(civil: Door) -> None:
    id = civil.post("Things", station())
    [of] = civil.names(f"Things({id})/Datastreams", "@iot.id")
    values = [5, 0.1, True, None, "text", {"a": [1]}, 12345678901234567890, -0.5, 2**53 + 1, "NaN"]
    for value in values:
        civil.post(f"Datastreams({of})/Observations", {"result": value})
    assert civil.names(f"Datastreams({of})/Observations", "result") == values
    long = civil.client.post(
        f"/v1.1/Datastreams({of})/Observations", content=b'{"result": 1.23456789012345678901}', headers=civil.headers
    )
    text = civil.send("GET", long.headers["location"].replace("http://testserver.local", "") + "/result/$value").text
    assert text == "1.23456789012345678901"
    for broken in (b'{"result": NaN}', b'{"result": 1e999}', b'{"result": 1', b"\xff", b"[" * 100_000):
        answer = civil.client.post(f"/v1.1/Datastreams({of})/Observations", content=broken, headers=civil.headers)
        assert answer.status_code == 400, broken[:20]


def test_multi_datastreams(civil: Door) -> None:
    id = civil.post("Things", thing(Locations=[place()], MultiDatastreams=[multi()]))
    [of] = civil.names(f"Things({id})/MultiDatastreams", "@iot.id")
    assert civil.names(f"MultiDatastreams({of})/ObservedProperties") == ["temperature", "humidity"]
    first = civil.post(f"MultiDatastreams({of})/Observations", {"result": [1, 2]})
    found = civil.get(f"Observations({first})?$expand=MultiDatastream")
    assert found["MultiDatastream"]["@iot.id"] == of
    assert "Datastream@iot.navigationLink" not in found
    assert civil.refused("GET", f"Observations({first})/Datastream") == (404, "entity_unknown")
    for wrong in ([1], [1, 2, 3], 1, {"a": 1}):
        assert civil.refused("POST", f"MultiDatastreams({of})/Observations", {"result": wrong}) == (400, "result_size")
    short = multi(unitOfMeasurements=[])
    assert civil.refused("POST", f"Things({id})/MultiDatastreams", short) == (400, "property_wrong")
    assert civil.get(f"Datastreams?$filter=Thing/id eq {id}")["value"] == []


def test_removal_takes_along_what_belongs_to_it(town: City) -> None:
    civil, before = town.civil, kept(town.admin_url)
    id = civil.post("Things", station())
    [of] = civil.names(f"Things({id})/Datastreams", "@iot.id")
    civil.post(f"Datastreams({of})/Observations", {"result": 1})
    assert civil.send("DELETE", f"Things({id})").status_code == 200
    after = kept(town.admin_url)
    for table in ("things", "datastreams", "observations", "latest", "historical_locations", "datastream_properties"):
        assert after[table] == before[table], table
    assert civil.refused("DELETE", f"Things({id})") == (404, "entity_unknown")
    for way in ("Sensor", "ObservedProperty"):
        id = civil.post("Things", station())
        [of] = civil.names(f"Things({id})/Datastreams", "@iot.id")
        civil.post(f"Datastreams({of})/Observations", {"result": 1})
        link = civil.get(f"Datastreams({of})/{way}")["@iot.selfLink"]
        assert civil.send("DELETE", link).status_code == 200
        assert civil.names(f"Things({id})/Datastreams") == []
    id = civil.post("Things", station())
    where = civil.get(f"Things({id})/Locations")["value"][0]["@iot.selfLink"]
    assert civil.send("DELETE", where).status_code == 200
    assert civil.get(f"Things({id})/HistoricalLocations")["value"] == []
    assert kept(town.admin_url)["observations"] == before["observations"]


def test_version_1_0(town: City) -> None:
    old = Door(town.client, town.parts, "civil", "/v1.0")
    id = old.post(
        "Things",
        station(
            properties={"a": 1},
            Locations=[{**place(), "encodingType": "application/vnd.geo+json", "properties": {"b": 2}}],
        ),
    )
    found = old.get(f"Things({id})?$expand=Locations")
    assert found["properties"] == {"a": 1}
    assert "properties" not in found["Locations"][0]
    assert found["@iot.selfLink"].endswith(f"/v1.0/Things({id})")
    assert town.civil.get(f"Things({id})/Locations")["value"][0]["properties"] == {"b": 2}
    assert set(old.get("/v1.0")) == {"value"}
    assert "request-data/filter" in " ".join(town.civil.get("/v1.1")["serverSettings"]["conformance"])
