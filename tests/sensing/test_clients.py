"""Real clients, unchanged: frost-sta-client over the network."""

from datetime import UTC, datetime
from typing import Any

import frost_sta_client as fsc
import pytest
from frost_sta_client.model.ext.data_array_document import DataArrayDocument
from frost_sta_client.model.ext.data_array_value import DataArrayValue
from frost_sta_client.service.auth_handler import AuthHandler
from geojson import Point
from requests.exceptions import HTTPError

from sensing.conftest import City
from sensing.front import fronted
from sensing.sensing_kit import MEASURED


@pytest.mark.filterwarnings("ignore:furl.pathstr is deprecated:DeprecationWarning")  # the client's own
def test_frost_client(town: City) -> None:
    made = town.civil.made
    with fronted(town.client) as url:
        service = fsc.SensorThingsService(f"{url}/v1.1", auth_handler=AuthHandler(made.token.account, made.secret))
        stream = _entities(service)
        _observations(service, stream)
        thing = service.things().query().filter("name eq 'frost'").list().entities[0]
        thing.description = "changed"
        service.update(thing)
        service.patch(thing, [{"op": "add", "path": "/properties", "value": {"floor": 2}}])
        found = service.things().find(thing.id)
        assert (found.description, found.properties) == ("changed", {"floor": 2})
        service.delete(found)
        with pytest.raises(HTTPError):
            service.things().find(thing.id)
        wrong = fsc.SensorThingsService(f"{url}/v1.1", auth_handler=AuthHandler(made.token.account, "wrong"))
        with pytest.raises(HTTPError):
            wrong.things().query().list()


def _entities(service: Any) -> Any:
    """No MultiDatastream: the client sends the state of a list, which Python 3.11 has as null."""
    unit = fsc.UnitOfMeasurement(name="degree", symbol="°C", definition="ucum:Cel")
    where = fsc.Location(
        name="here", description="here", encoding_type="application/geo+json", location=Point((114.0, 22.5))
    )
    thing = fsc.Thing(name="frost", description="made by a client", locations=[where])
    service.create(thing)
    sensor = fsc.Sensor(name="s", description="s", encoding_type="application/pdf", metadata="m")
    observed = fsc.ObservedProperty(name="t", description="t", definition="https://x.example/t")
    service.create(sensor)
    service.create(observed)
    stream = fsc.Datastream(
        name="t", description="t", observation_type=MEASURED, unit_of_measurement=unit, thing=thing, sensor=sensor,
        observed_property=observed,
    )  # fmt: skip
    service.create(stream)
    return stream


def _observations(service: Any, stream: Any) -> None:
    for number in range(3):
        at = datetime(2026, 3, 1, number, tzinfo=UTC).isoformat()
        service.create(fsc.Observation(result=number, phenomenon_time=at, datastream=stream))
    values = DataArrayValue()
    values.datastream = stream
    values.components = {values.Property.PHENOMENON_TIME, values.Property.RESULT}
    for number in range(3, 250):
        values.add_observation(
            fsc.Observation(result=number, phenomenon_time="2026-03-02T00:00:00Z", datastream=stream)
        )
    document = DataArrayDocument()
    document.add_data_array_value(values)
    service.observations().create(document)
    listed = service.observations().query().filter(f"Datastream/id eq {stream.id}").orderby("result", "desc").list()
    assert [each.result for each in listed] == list(range(249, -1, -1))  # over three pages
    found = service.things().query().filter("name eq 'frost'").expand("Datastreams/Sensor,Locations").list().entities[0]
    assert found.datastreams.entities[0].sensor.name == "s"
    assert found.locations.entities[0].location["coordinates"] == [114.0, 22.5]
