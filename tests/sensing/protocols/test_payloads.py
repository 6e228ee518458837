"""Payloads of platforms, read as the shipped mappings say; and packets of MQTT under whatever bytes."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloom.kernel.errors import Invalid
from cityloom.kernel.packs import Manifest, Pack, Packs, shipped
from cityloom.sensing.intake import payloads
from cityloom.sensing.intake.framing import Unreadable
from cityloom.sensing.intake.mqtt import packets
from cityloom.sensing.intake.mqtt.fields import Malformed, Property
from cityloom.sensing.intake.mqtt.packets import Connect, Filter, Message, Publish, Subscribe, Type
from cityloom.sensing.rules import topics
from cityloom.sensing.spec.mappings import Mapping, Value, mappings

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
BASE = Packs(
    (Pack(msgspec.yaml.decode((shipped() / "base/pack.yaml").read_bytes(), type=Manifest), shipped() / "base"),)
)


def read(name: str, body: Any, topic: str = "") -> list[tuple[str, dict[str, float | None], datetime | None]]:
    """By device: values by code, and their moment."""
    found = payloads.read(mappings(BASE)[name], msgspec.json.encode(body), topic, NOW)
    return [
        (each.number, {r.code: r.number for r in each.readings}, each.readings[0].start if each.readings else None)
        for each in found
    ]


def test_the_shipped_mappings() -> None:
    at = datetime(2026, 3, 1, 2, tzinfo=UTC)
    stack = {
        "end_device_ids": {"device_id": "d1", "dev_eui": "0004a30b001c0530"}, "received_at": "2026-03-01T02:00:00.000000000Z",
        "uplink_message": {"f_port": 1, "decoded_payload": {"temperature": -3, "name": "x"}},
    }  # fmt: skip
    assert read("the_things_stack", stack) == [("0004A30B001C0530", {"temperature": -3.0}, at)]
    assert read("devices", {"values": {"pm25": 3}}, "devices/s-1/up") == [("s-1", {"pm25": 3.0}, NOW)]
    assert read("devices", [{"values": {"a": 1}}, {"time": "2026-03-01T10:00:00+08:00", "values": {"a": 2}}], "devices/s/up") == [
        ("s", {"a": 1.0}, NOW), ("s", {"a": 2.0}, at)
    ]  # fmt: skip
    assert read("ctwing", {"messageType": "deviceOnline", "deviceId": "1"}) == []
    points = [{"type": 1, "dev_id": 7, "ds_id": "t", "at": 1772330400000, "value": v} for v in ("1.5", 2, None, "on")]
    assert [each[1] for each in read("onenet", {"msg": points})] == [{"t": 1.5}, {"t": 2.0}, {"t": None}, {"t": None}]
    assert read("onenet", {"msg": points[0]})[0][2] == at


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "payload_not_json"), (b"\xff", "payload_not_json"), (b"{}", "number_missing"), (b'{"deviceInfo": 3}', "number_missing"),
        (b'{"deviceInfo": {"devEui": true}}', "number_missing"), (b'{"deviceInfo": {"devEui": "a"}, "time": "x"}', "time_wrong"),
        (b'{"deviceInfo": {"devEui": "a"}, "time": 1e300}', "time_wrong"), (b"[" * 5000, "payload_not_json"),
    ],
)  # fmt: skip
def test_payloads_that_cannot_be_read(body: bytes, code: str) -> None:
    with pytest.raises(Unreadable, match=code):
        payloads.read(mappings(BASE)["chirpstack"], body, "", NOW)


NAMES = [
    "msg",
    "type",
    "time",
    "deviceInfo",
    "devEui",
    "object",
    "values",
    "payload",
    "deviceId",
    "messageType",
    "timestamp",
    "dev_id",
    "ds_id",
    "at",
    "value",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(NAMES) | st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=200)
@given(JSON, st.sampled_from(sorted(mappings(BASE))), st.text())
def test_no_json_breaks_a_mapping(body: Any, name: str, topic: str) -> None:
    try:
        found = payloads.read(mappings(BASE)[name], msgspec.json.encode(body), topic, NOW)
    except Unreadable:
        return
    assert all(each.number.strip() for each in found)


def test_paths_that_are_none_are_refused(tmp_path: Any) -> None:
    (tmp_path / "sensing/mappings").mkdir(parents=True)
    wrong = Packs((msgspec.structs.replace(BASE.order[0], folder=tmp_path),))
    for path, more in (("a..b", ""), ("a[x]", ""), ("a", ", name: b, code: c")):
        (tmp_path / "sensing/mappings/m.yaml").write_text(
            f"title: {{en: a, zh: b}}\nsource: s\nnumber: n\nvalues: [{{path: '{path}'{more}}}]\n"
        )
        with pytest.raises(Invalid, match="pack_wrong"):
            mappings(wrong)
    how = Mapping(BASE.order[0].manifest.title, "s", "n", (Value("a[].b[1]", code="c"),))
    found = payloads.read(how, b'{"n": 1, "a": [{"b": [1, 2]}, {"b": [3]}, {"b": [4, 5]}]}', "", NOW)
    assert [each.number for each in found[0].readings] == [2, 5]


def test_topics() -> None:
    assert topics.target("v1.1/Datastreams(5)/Observations") == topics.Target(stream=5)
    assert topics.target("v1.0/FeaturesOfInterest(5)/Observations") == topics.Target(feature=5)
    for other in (
        "v1.2/Observations",
        "v1.1/Datastreams(0)/Observations",
        "v1.1/Datastreams(5)/Observations/",
        "V1.1/Observations",
    ):
        assert topics.target(other) is None
    yes = [("a/+", "a/b"), ("a/#", "a"), ("#", "a/b/c"), ("+/b", "/b"), ("a/+/c", "a//c"), ("a", "a")]
    no = [("a/+", "a"), ("a/+", "a/b/c"), ("+", "$SYS"), ("#", "$SYS/x"), ("a", "a/b"), ("a/b", "a")]
    assert [topics.matches(*each) for each in yes] == [True] * len(yes)
    assert [topics.matches(*each) for each in no] == [False] * len(no)
    assert [topics.right(each) for each in ("a/#", "+/a", "#", "a/#/b", "a+", "", "a#")] == [
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]


@settings(max_examples=200)
@given(
    st.sampled_from([4, 5]), st.text(min_size=1, max_size=20).filter(lambda t: not set(t) & set("+#\x00")), st.binary(max_size=300),
    st.integers(0, 2), st.integers(1, 65535), st.integers(1, 40),
)  # fmt: skip
def test_packets_come_back_whole_however_they_are_cut(
    level: int, topic: str, payload: bytes, qos: int, packet: int, at: int
) -> None:
    said = Publish(topic, payload, qos, packet if qos else 0, again=bool(qos))
    connect = Connect(level, topic, True, 60, topic, "p", Message(topic, payload, qos))
    asked = Subscribe(packet, (Filter(topic, qos), Filter("#", 0)))
    whole = (
        packets.write_connect(connect, [(Property.receive_maximum, packet)]) + packets.write_publish(said, level)
        + packets.write_subscribe(asked, level) + packets.write_answer(Type.puback, packet, 0, level) + packets.PINGREQ
    )  # fmt: skip
    buffer, found = bytearray(), list[packets.Raw]()
    for place in range(0, len(whole), at):
        buffer += whole[place : place + at]
        found += packets.cut(buffer)
    assert not buffer
    assert [each.type for each in found] == [Type.connect, Type.publish, Type.subscribe, Type.puback, Type.pingreq]
    heard = packets.connect(found[0])
    assert msgspec.structs.replace(heard, properties=connect.properties) == connect
    assert heard.properties.number(Property.receive_maximum, 0) == (packet if level == 5 else 0)
    assert packets.publish(found[1], level) == said
    assert packets.subscribe(found[2], level) == asked
    assert packets.answer(found[3], level).packet == packet


@settings(max_examples=500)
@given(st.sampled_from([4, 5]), st.integers(0x10, 0xFF), st.binary(max_size=80))
def test_no_bytes_break_a_reader(level: int, head: int, body: bytes) -> None:
    readers = {
        Type.connect: lambda raw: packets.connect(raw), Type.publish: lambda raw: packets.publish(raw, level),
        Type.subscribe: lambda raw: packets.subscribe(raw, level), Type.unsubscribe: lambda raw: packets.unsubscribe(raw, level),
        Type.suback: lambda raw: packets.suback(raw, level), Type.connack: lambda raw: packets.connack(raw, level),
    }  # fmt: skip
    found = []
    for kind, reader in {**readers, Type.puback: lambda raw: packets.answer(raw, level)}.items():
        try:
            reader(packets.Raw(kind << 4 | head & 15, body))
        except Malformed as error:
            found.append(error.reason >= 0x80)
    try:
        packets.cut(bytearray([head, *body]), 64)
    except Malformed as error:
        found.append(error.code in ("length_wrong", "too_large"))
    assert all(found)
