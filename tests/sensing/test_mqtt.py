"""MQTT before a real database: devices and accounts send, what is acknowledged is committed, subscribers are told."""

import base64
import hashlib
import hmac
import socket
import time
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from cityloom.kernel.jobs import platform_context
from cityloom.sensing import contracts
from cityloom.sensing.api import serving
from cityloom.sensing.intake.mqtt import packets
from cityloom.sensing.intake.mqtt.packets import Connect, Publish
from sensing.conftest import City
from sensing.mqtt_kit import QUICK, Client, door, until
from sensing.sensing_kit import Door, feature, station
from sensing.test_devices import moved, registered

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
            body = {
                "result": qos + 0.5,
                "phenomenonTime": f"2026-03-01T10:00:0{len(town.civil.names(f'Datastreams({of})/Observations', 'result'))}Z",
                **more,
            }
            assert client.send(topic, body, qos).value == 0
            if qos == 0:
                until(lambda: running.figures.kept == 1)
        assert town.civil.names(f"Datastreams({of})/Observations?$orderby=id", "result") == [0.5, 1.5, 2.5, 1.5, 1.5]
        assert town.civil.names(f"FeaturesOfInterest({place})/Observations", "result") == [1.5]
        assert town.civil.names(f"Datastreams({pair})/Observations", "result") == []


@pytest.mark.parametrize("level", [4, 5])
def test_a_device_sends_its_own_and_nothing_else(town: City, level: int) -> None:
    number = f"air-{level}"
    id, secret, streams = device(town.civil, number)
    other = with_stream(town.civil)
    with door(town.parts) as running:
        with Client(running.port, number, "wrong", level=level) as client:
            assert client.refusal.value == (0x86 if level == 5 else 0x87)
        with Client(running.port, number, secret, level=level) as client:
            assert client.send(f"devices/{number}/up", UP).value == 0
            assert client.send(f"v1.1/Datastreams({streams['o3']})/Observations", {"result": 80}).value == 0
            before = running.figures.put_aside
            for topic in (
                f"v1.1/Datastreams({other})/Observations", "v1.1/Observations", "devices/air-9/up", "elsewhere",
                "application/1/device/0102030405060708/event/up", f"devices/{number}",
            ):  # fmt: skip
                told = client.send(topic, {"result": 1, "Datastream": {"@iot.id": other}})
                assert told.value == (0x87 if level == 5 else 0)
            assert running.figures.put_aside == before + 6
    assert strays(town.civil)[0] == "topic_refused"
    assert town.civil.names(f"Datastreams({other})/Observations", "result") == []
    for code, value in (("pm25", 35.2), ("temperature", 18.5), ("o3", 80)):
        [found] = town.civil.get(f"Datastreams({streams[code]})/Observations")["value"]
        assert found["result"] == value
        if code != "o3":
            assert found["phenomenonTime"] == "2026-03-01T02:00:00Z"
    found = town.civil.send("GET", f"/api/sensing/devices/{id}").json()
    assert found["state"] == "in_service"
    assert (found["signs"]["readings"], found["signs"]["undeclared"]) == (3, 1)
    with door(town.parts) as running, Client(running.port, number, secret, level=level) as client:
        client.send(f"devices/{number}/up", UP)
        moved(town.civil, id, "suspend", "broken")
        town.clock.turn(seconds=6)

        def shown_out() -> bool:
            client.paho.publish(f"devices/{number}/up", b"{}", 1)
            time.sleep(0.05)
            return bool(client.gone)

        until(shown_out)  # though it stayed connected
    with door(town.parts) as running, Client(running.port, number, secret, level=level) as client:
        assert client.refusal is not None


def test_accounts_are_kept_to_what_is_theirs(town: City) -> None:
    of = with_stream(town.civil)
    device(town.civil, "air-own")
    with door(town.parts) as running, Client(running.port, *account(town.other)) as client:
        told = client.send(f"v1.1/Datastreams({of})/Observations", {"result": 1})
        assert told.value == 0x99
        assert client.send("devices/air-own/up", UP).value == 0x99
        assert strays(town.other)[:2] == ["device_unknown", "sensing.link_unknown"]
        for bad, code in (
            (b"{", "sensing.body_wrong"),
            (b"{}", "sensing.property_missing"),
            (b"\xff\xfe", "sensing.body_wrong"),
        ):
            assert client.send(f"v1.1/Datastreams({of})/Observations", bad).value == 0x99
            assert strays(town.other)[0] == code
        assert client.subscribe(f"v1.1/Datastreams({of})/Observations") == 0x87
        with Client(running.port, "nobody", "nothing") as stranger:
            assert stranger.refusal.value == 0x86
    assert town.civil.names(f"Datastreams({of})/Observations", "result") == []


def test_a_message_that_comes_again_is_kept_once(town: City) -> None:
    number = "air-again"
    _, secret, streams = device(town.civil, number)
    topic = f"v1.1/Datastreams({streams['o3']})/Observations"
    untimed = packets.write_publish(Publish(topic, b'{"result": 1}', 1, 7), 4)
    repeated = packets.write_publish(Publish(topic, b'{"result": 1}', 1, 7, again=True), 4)
    timed = packets.write_publish(Publish(topic, b'{"result": 2, "phenomenonTime": "2026-03-02T00:00:00Z"}', 1, 8), 4)
    other = packets.write_publish(Publish(topic, b'{"result": 3, "phenomenonTime": "2026-03-02T00:00:00Z"}', 1, 9), 4)
    own = packets.write_publish(
        Publish(f"devices/{number}/up", b'{"time": "2026-03-02T00:00:00Z", "values": {"pm25": 4}}', 1, 10), 4
    )
    with door(town.parts) as running:
        heard = raw(running.port, number, secret, untimed, timed, other, own)
        assert heard.endswith(b"".join(bytes((0x40, 2, 0, each)) for each in (7, 8, 9, 10)))
    with door(town.parts) as running:  # another process, as after a crash: it never heard of the first
        heard = raw(running.port, number, secret, repeated, timed, other, own)
        assert heard.endswith(b"".join(bytes((0x40, 2, 0, each)) for each in (7, 8, 9, 10)))
        assert running.figures.repeated == 3
        assert raw(running.port, number, secret, untimed)[-4:] == b"\x40\x02\x00\x07"  # not said to be the same
    assert sorted(town.civil.names(f"Datastreams({streams['o3']})/Observations", "result")) == [1, 1, 2, 3]
    assert town.civil.names(f"Datastreams({streams['pm25']})/Observations", "result") == [4]


def test_nothing_is_acknowledged_while_the_database_is_away(town: City) -> None:
    of = with_stream(town.civil)
    _, _, streams = device(town.civil, "air-away")
    url = make_conninfo(town.admin_url, dbname="postgres")
    name = str(conninfo_to_dict(town.admin_url)["dbname"])
    with door(town.parts) as running, Client(running.port, *account(town.civil)) as client:
        assert client.send(f"v1.1/Datastreams({of})/Observations", {"result": 1}).value == 0
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            connection.execute(b"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            try:
                mapped = client.paho.publish("devices/air-away/up", msgspec.json.encode(UP), 1)
                until(lambda: running.figures.waited > 0, 20)
                sent = client.paho.publish(f"v1.1/Datastreams({of})/Observations", b'{"result": 2}', 1)
                until(lambda: running.figures.waited > 0, 20)
                time.sleep(0.2)
                assert not {mapped.mid, sent.mid} & client.told.keys()
            finally:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())
        until(lambda: {mapped.mid, sent.mid} <= client.told.keys(), 20)
        assert [client.told[each.mid].value for each in (mapped, sent)] == [0, 0]
    assert town.civil.names(f"Datastreams({of})/Observations?$orderby=id", "result") == [1, 2]
    assert town.civil.names(f"Datastreams({streams['pm25']})/Observations", "result") == [35.2]


@pytest.mark.parametrize("version", ["v1.1", "v1.0"])
def test_subscribers_are_told_what_changes(town: City, version: str) -> None:
    of = with_stream(town.civil)
    thing = town.civil.get(f"Datastreams({of})/Thing")["@iot.id"]
    with (
        door(town.parts) as running,
        Client(running.port, *account(town.civil), level=5 if version == "v1.1" else 4) as client,
    ):
        observations = f"{version}/Datastreams({of})/Observations"
        chosen, single, name = (
            f"{observations}?$select=result",
            f"{version}/Things({thing})",
            f"{version}/Things({thing})/name",
        )
        deep, sets = f"{version}/Datastreams({of})/Thing", f"{version}/Things"
        assert [client.subscribe(each, 1) for each in (observations, chosen, single, name, deep, sets)] == [1] * 6
        refused = 0x80 if version == "v1.0" else None
        for topic, reason in (
            ("v1.1/#", 0xA2), ("$share/a/v1.1/Things", 0x9E), ("v1.1/Nothing", 0x8F), ("v1.1/Things?$top=1", 0x8F), ("other", 0x8F),
            ("v1.1/Datastreams(999999)/Observations", 0x87),
        ):  # fmt: skip
            assert client.subscribe(topic) == (refused or reason)
        made = town.civil.post(
            f"Datastreams({of})/Observations", {"result": 4, "phenomenonTime": "2026-03-01T00:00:00Z"}
        )
        until(lambda: len(client.received) == 2)
        told = dict(client.received)
        assert told[chosen] == {"result": 4}
        shown = Door(town.client, town.parts, "civil", f"/{version}").get(f"Observations({made})")
        assert set(told[observations]) == set(shown)
        assert (told[observations]["@iot.id"], told[observations]["result"]) == (made, 4)
        client.received.clear()
        assert client.send(observations, {"result": 5}).value == 0  # what is made by MQTT is told too
        until(lambda: len(client.received) == 2)
        client.received.clear()
        town.civil.send("PATCH", f"Things({thing})", {"description": "new"})
        until(lambda: len(client.received) == 3)
        assert {topic: body.get("description") for topic, body in client.received} == {
            single: "new",
            deep: "new",
            sets: "new",
        }
        client.received.clear()
        town.civil.send("PATCH", f"Things({thing})", {"name": "tower"})
        until(lambda: len(client.received) == 4)
        assert dict(client.received)[name] == {"name": "tower"}
        client.received.clear()
        town.other.post("Things", station("theirs"))
        client.paho.unsubscribe([single, name, deep])
        later = town.civil.post("Things", station("later"))
        until(lambda: len(client.received) == 1)
        time.sleep(3 * QUICK.look)
        assert [(topic, body["@iot.id"]) for topic, body in client.received] == [(sets, later)]


def test_the_root_says_where_mqtt_is(town: City) -> None:
    settings = town.civil.get("")["serverSettings"]
    base = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
    names = (
        f"{base}create-observations-via-mqtt/observations-creation",
        f"{base}receive-updates-via-mqtt/receive-updates",
    )
    assert not set(names) & set(settings["conformance"])
    old = town.parts.settings
    changed = msgspec.structs.replace(
        old, gateway_host="192.0.2.1", gateway_ports="mqtt=2883", public_url="https://city.example:443"
    )
    parts = msgspec.structs.replace(town.parts, settings=changed)
    found = serving.handle(
        platform_context(parts, "test"), contracts.Door("1.1", "https://city.example/v1.1"), serving.Asking("GET", "")
    )
    said = msgspec.json.decode(found.body)["serverSettings"]
    assert set(names) <= set(said["conformance"])
    assert [said[name]["endpoints"] for name in names] == [["mqtt://city.example:2883"]] * 2


def test_anybody_is_told_what_was_cleared(town: City) -> None:
    shown, hidden = with_stream(town.civil), with_stream(town.civil)
    thing = town.civil.get(f"Datastreams({shown})/Thing")["@iot.id"]
    assert town.civil.send("PUT", f"/api/sensing/things/{thing}/clearance", {"public": True}).status_code == 200
    with door(town.parts) as running, Client(running.port, "", "") as client:
        assert client.subscribe(f"v1.1/Datastreams({shown})/Observations", 0) == 0
        assert client.subscribe(f"v1.1/Datastreams({hidden})/Observations", 0) == 0x87
        assert client.subscribe("v1.1/Observations", 0) == 0
        assert client.send(f"v1.1/Datastreams({shown})/Observations", {"result": 9}).value == 0x87
        for of in (hidden, shown):
            town.civil.post(f"Datastreams({of})/Observations", {"result": of})
        until(lambda: len(client.received) == 2)
        assert {body["result"] for _, body in client.received} == {shown}


def test_connections_that_break_the_rules_end(town: City) -> None:
    user, password = account(town.civil)
    _, secret, streams = device(town.civil, "air-will")
    topic = f"v1.1/Datastreams({streams['o3']})/Observations"
    with door(town.parts) as running:
        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x10\xff\xff\xff\xff\x01", b"\x30\x05\x00\x01a12", packets.PINGREQ):
            with socket.create_connection(("127.0.0.1", running.port), timeout=10) as line:
                line.sendall(said)
                assert line.recv(100) == b""
        assert running.figures.malformed == 4
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as line:
            assert line.recv(100) == b""  # it said nothing at all
        old = packets.write_connect(Connect(4, "x", True, 0, user, password)).replace(b"MQTT\x04", b"MQTT\x03")
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as line:
            line.sendall(old)
            assert line.recv(100) == b"\x20\x02\x00\x01"
        same = packets.write_connect(Connect(5, "same", True, 0, user, password))
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as line:
            line.sendall(same)
            assert line.recv(100)[:1] == b"\x20"
            with socket.create_connection(("127.0.0.1", running.port), timeout=10) as newer:
                newer.sendall(same)
                assert line.recv(100) == b"\xe0\x01\x8e"  # taken over
                assert line.recv(100) == b""
        will = Connect(4, "w", True, 1, "air-will", secret, packets.Message(topic, b'{"result": 66}'))
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as line:
            line.sendall(packets.write_connect(will))
            assert line.recv(100) == b"\x20\x02\x00\x00"
            assert line.recv(100) == b""  # one and a half keep-alives
        until(lambda: town.civil.names(f"Datastreams({streams['o3']})/Observations", "result") == [66])


def test_a_device_that_floods_is_slowed_and_harms_nobody(town: City) -> None:
    _, secret, streams = device(town.civil, "air-flood")
    of = with_stream(town.civil)
    topic = f"v1.1/Datastreams({streams['o3']})/Observations"
    limits = QUICK.__class__(look=5, per_second=20, burst=20, inflight=8)
    with (
        door(town.parts, limits) as running, Client(running.port, "air-flood", secret) as flood,
        Client(running.port, *account(town.civil)) as calm,
    ):  # fmt: skip
        begun = time.monotonic()
        sent = [flood.paho.publish(topic, b'{"result": %d}' % number, 1) for number in range(50)]
        assert calm.send(f"v1.1/Datastreams({of})/Observations", {"result": 1}).value == 0
        assert time.monotonic() - begun < 1.0
        until(lambda: all(each.mid in flood.told for each in sent))
        assert time.monotonic() - begun > 1.2
        assert running.figures.slowed > 0
    results = town.civil.names(f"Datastreams({streams['o3']})/Observations?$orderby=id&$top=100", "result")
    assert results == list(range(50))


def test_platforms_push_over_http(town: City) -> None:
    _, _, streams = device(town.civil, "A84041000181C061")
    _, _, others = device(town.civil, "2016617")
    uplink = {
        "time": "2026-03-01T02:00:00.123456789+00:00", "deviceInfo": {"devEui": "a84041000181c061"}, "fPort": 2,
        "object": {"temperature": 21.25, "battery": 3.6, "alarm": False},
    }  # fmt: skip
    answer = town.civil.send("POST", "/api/sensing/push/chirpstack", uplink)
    assert (answer.status_code, answer.json()) == (200, {"messages": 1, "put_aside": 0})
    assert town.civil.send("POST", "/api/sensing/push/chirpstack", uplink).status_code == 200
    [found] = town.civil.get(f"Datastreams({streams['temperature']})/Observations")["value"]
    assert (found["result"], found["phenomenonTime"]) == (21.25, "2026-03-01T02:00:00.123456Z")
    assert town.other.send("POST", "/api/sensing/push/chirpstack", uplink).json() == {"messages": 1, "put_aside": 1}
    assert strays(town.other)[0] == "device_unknown"
    assert town.civil.refused("POST", "/api/sensing/push/nothing", uplink) == (404, "mapping_unknown")
    answer = town.client.post("/api/sensing/push/chirpstack", json=uplink)
    assert answer.status_code == 401
    assert town.civil.names(f"Datastreams({streams['temperature']})/Observations", "result") == [21.25]

    key = town.civil.send("POST", "/api/sensing/push-keys/onenet").json()
    assert key["path"] == "/api/sensing/push/onenet/civil"
    point = {"type": 1, "dev_id": 2016617, "ds_id": "pm25", "at": 1772330400000, "value": "17.5"}
    other = {**point, "ds_id": "humidity", "at": 1772330460000, "value": 61}
    message = msgspec.json.encode([point, other, {**point, "type": 2, "status": 1}]).decode()
    for msg in (message, msgspec.Raw(message.encode())):  # as a text, or as JSON in JSON
        body = {"msg": msg, "nonce": "a8s", "msg_signature": onenet(key["key"], "a8s", message)}
        answer = town.client.post(key["path"], content=msgspec.json.encode(body))
        assert (answer.status_code, answer.json()["put_aside"]) == (200, 0), answer.text
    forged = {"msg": message, "nonce": "a8s", "msg_signature": onenet("guessed", "a8s", message)}
    assert town.client.post(key["path"], content=msgspec.json.encode(forged)).status_code == 401
    assert town.client.post("/api/sensing/push/onenet/other", content=msgspec.json.encode(body)).status_code == 401
    asked = {"msg": "hello", "nonce": "n", "signature": onenet(key["key"], "n", "hello")}
    assert town.client.get(key["path"], params=asked).text == "hello"
    assert town.client.get(key["path"], params={**asked, "msg": "other"}).status_code == 401
    for code, value in (("pm25", 17.5), ("humidity", 61)):
        assert town.civil.names(f"Datastreams({others[code]})/Observations", "result") == [value]

    signed = town.civil.send("POST", "/api/sensing/push-keys/ctwing").json()
    report = msgspec.json.encode(
        {"messageType": "dataReport", "deviceId": "2016617", "timestamp": 1772330400000, "payload": {"o3": 88}}
    )
    right = "sha256=" + hmac.new(signed["key"].encode(), report, hashlib.sha256).hexdigest()
    assert town.client.post(signed["path"], content=report, headers={"x-signature": "sha256=00"}).status_code == 401
    assert town.client.post(signed["path"], content=report).status_code == 401
    assert town.client.post(signed["path"], content=report, headers={"x-signature": right}).status_code == 200
    assert town.civil.names(f"Datastreams({others['o3']})/Observations", "result") == [88]


def onenet(token: str, nonce: str, message: str) -> str:
    """As OneNET's manual has it: MD5 of token, nonce and message, in Base64."""
    return base64.b64encode(hashlib.md5((token + nonce + message).encode(), usedforsecurity=False).digest()).decode()
