"""Whose devices they are, who sees them, and who comes in how."""

import base64

from sensing.conftest import City
from sensing.sensing_kit import Door, kept, station, stream


def test_another_organisation_sees_and_changes_nothing(town: City) -> None:
    civil, other = town.civil, town.other
    id = civil.post("Things", station("kilo"))
    [of] = civil.names(f"Things({id})/Datastreams", "@iot.id")
    first = civil.post(f"Datastreams({of})/Observations", {"result": 1})
    before = kept(town.admin_url)
    for path in (
        "Things",
        "Locations",
        "Datastreams",
        "Sensors",
        "ObservedProperties",
        "Observations",
        "FeaturesOfInterest",
        "HistoricalLocations",
    ):
        assert other.get(f"{path}?$count=true") == {"@iot.count": 0, "value": []}
    for path in (f"Things({id})", f"Datastreams({of})/Observations", f"Observations({first})"):
        assert other.refused("GET", path) == (404, "entity_unknown")
    for method, path, body in (
        ("DELETE", f"Things({id})", None), ("PATCH", f"Things({id})", {"name": "x"}), ("PUT", f"Observations({first})", {"result": 2}),
        ("DELETE", f"Observations({first})", None), ("POST", f"Datastreams({of})/Observations", {"result": 2}),
    ):  # fmt: skip
        assert other.refused(method, path, body) == (404, "entity_unknown")
    assert other.refused("POST", "Datastreams", stream(Thing={"@iot.id": id})) == (400, "link_unknown")
    assert other.refused("POST", "Observations", {"result": 1, "Datastream": {"@iot.id": of}}) == (400, "link_unknown")
    rows = [{"Datastream": {"@iot.id": of}, "components": ["result"], "dataArray": [[1]]}]
    assert other.refused("POST", "CreateObservations", rows) == (400, "link_unknown")
    assert kept(town.admin_url) == before


def test_what_was_cleared_is_for_everybody_to_read(town: City) -> None:
    civil, client = town.civil, town.client
    id = civil.post("Things", station("open"))
    [of] = civil.names(f"Things({id})/Datastreams", "@iot.id")
    first = civil.post(f"Datastreams({of})/Observations", {"result": 1})
    hidden = civil.post("Things", station("hidden"))
    assert client.get("/v1.1/Things").json()["value"] == []
    assert town.other.send("PUT", f"/api/sensing/things/{id}/clearance", {"public": True}).status_code == 404
    assert civil.send("PUT", f"/api/sensing/things/{id}/clearance", {"public": True}).status_code == 200
    second = civil.post(f"Datastreams({of})/Observations", {"result": 2})
    later = civil.post(f"Things({id})/Datastreams", stream("later"))
    for door in (client.get, town.other.client.get):
        found = door("/v1.1/Things?$expand=Locations,Datastreams/Sensor,Datastreams/Observations").json()
        assert [each["name"] for each in found["value"]] == ["open"]
        assert [each["@iot.id"] for each in found["value"][0]["Datastreams"]] == [of, later]
        assert [each["@iot.id"] for each in found["value"][0]["Datastreams"][0]["Observations"]] == [first, second]
        assert found["value"][0]["Locations"][0]["name"] == "roof"
        assert found["value"][0]["Datastreams"][0]["Sensor"]["name"] == "DHT22"
    assert client.get(f"/v1.1/Things({hidden})").status_code == 404
    assert town.other.refused("PATCH", f"Things({id})", {"name": "x"}) == (403, "not_keeper")
    assert client.post("/v1.1/Things", json=station()).status_code == 401
    assert civil.send("PUT", f"/api/sensing/things/{id}/clearance", {"public": False}).status_code == 200
    for path in (
        "Things",
        "Datastreams",
        "Observations",
        "Sensors",
        "Locations",
        "FeaturesOfInterest",
        "ObservedProperties",
    ):
        assert client.get(f"/v1.1/{path}?$count=true").json() == {"@iot.count": 0, "value": []}, path


def test_basic_credentials_are_an_account_and_its_token(town: City) -> None:
    made = town.civil.made
    account = made.token.account

    def status(user: str, password: str) -> int:
        word = base64.b64encode(f"{user}:{password}".encode()).decode()
        return town.client.post("/v1.1/Things", json=station(), headers={"authorization": f"Basic {word}"}).status_code

    assert status(account, made.secret) == 201
    assert status("other", made.secret) == status("", made.secret) == status(account, "wrong") == 401
    for header in ("Basic", "Basic !!", "Basic " + base64.b64encode(b"\xff\xfe").decode()):
        answer = town.client.get("/v1.1/Things", headers={"authorization": header})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")


def test_a_token_that_only_observes(town: City) -> None:
    id = town.civil.post("Things", station())
    [of] = town.civil.names(f"Things({id})/Datastreams", "@iot.id")
    from cityloom.identity.api import services
    from cityloom.kernel.jobs import platform_context

    narrow = services.issue(platform_context(town.parts, "test"), "civil", ("sensing.observe",))
    device = Door(town.client, town.parts, "civil")
    device.headers = {**device.headers, "authorization": f"Bearer {narrow.secret}"}
    device.post(f"Datastreams({of})/Observations", {"result": 1})
    for method, path, body in (
        ("GET", "Things", None),
        ("POST", "Things", station()),
        ("DELETE", f"Things({id})", None),
    ):
        assert device.send(method, path, body).status_code == 403
