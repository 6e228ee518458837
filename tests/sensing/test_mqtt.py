"""MQTT before a real database: devices and accounts send, what is acknowledged is committed, subscribers are told."""

import socket
import time
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cityloom.sensing.intake.mqtt import packets
from cityloom.sensing.intake.mqtt.packets import Connect, Publish
from sensing.conftest import City
from sensing.mqtt_kit import QUICK, Client, door, until
from sensing.sensing_kit import Door, feature, station, stream
from sensing.test_devices import approved, moved, registered

UP = {"time": "2026-03-01T10:00:00+08:00", "values": {"pm25": 35.2, "temperature": 18.5, "strange": 1}}


def with_stream(owner: Door, **more: Any) -> int:
    """A Datastream of a new Thing."""
    id = owner.post("Things", station(**more))
    return int(owner.names(f"Things({id})/Datastreams", "@iot.id")[0])


def account(owner: Door) -> tuple[str, str]:
    """Name and password, as clients of SensorThings have them over HTTP too."""
    return owner.made.token.account, owner.made.secret


def device(owner: Door, number: str) -> tuple[int, str, dict[str, int]]:
    """A small air station in service: its id, its secret, and its Datastreams by code."""
    made = registered(owner, protocol="mqtt", number=number, station="micro_air_station")
    found = moved(owner, made["device"]["id"], "approve")
    streams = owner.get(f"Things({found['thing']})/Datastreams?$select=id,properties")["value"]
    return found["id"], made["issued"][0]["secret"], {each["properties"]["code"]: each["@iot.id"] for each in streams}


def strays(owner: Door) -> list[str]:
    """Why things were put aside, the newest first."""
    return [each["reason"] for each in owner.send("GET", "/api/sensing/quarantine").json()["items"]]


def raw(port: int, user: str, password: str, *said: bytes, client: str = "raw") -> bytes:
    """Bytes sent on a connection of their own, and what came back within a moment."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(packets.write_connect(Connect(4, client, True, 0, user, password)) + b"".join(said))
        line.settimeout(0.6)
        heard = b""
        try:
            while more := line.recv(4096):
                heard += more
        except TimeoutError:
            pass
        return heard


@pytest.mark.parametrize("level", [4, 5])
def test_an_account_makes_observations_by_every_topic_of_the_standard(town: City, level: int) -> None:
    of = with_stream(town.civil)
    pair = with_stream(town.civil)
    place = town.civil.post("FeaturesOfInterest", feature("lake"))
    with door(town.parts) as running, Client(running.port, *account(town.civil), level=level) as client:
        assert client.refusal is None
        for qos, topic, more in (
            (0, f"v1.1/Datastreams({of})/Observations", {}), (1, f"v1.0/Datastreams({of})/Observations", {}),
            (2, "v1.1/Observations", {"Datastream": {"@iot.id": of}}),
            (1, f"v1.1/FeaturesOfInterest({place})/Observations", {"Datastream": {"@iot.id": of}}),
            (1, f"v1.1/Datastreams({of})/Observations", {"FeatureOfInterest": feature("well")}),
        ):  # fmt: skip
            body = {"result": qos + 0.5, "phenomenonTime": f"2026-03-01T10:00:0{len(town.civil.names(f'Datastreams({of})/Observations', 'result'))}Z", **more}
            assert client.send(topic, body, qos).value == 0
            if qos == 0:
                until(lambda: running.figures.kept == 1)
        assert town.civil.names(f"Datastreams({of})/Observations?$orderby=id", "result") == [0.5, 1.5, 2.5, 1.5, 1.5]
        assert town.civil.names(f"FeaturesOfInterest({place})/Observations", "result") == [1.5]
        assert town.civil.names(f"Datastreams({pair})/Observations", "result") == []
