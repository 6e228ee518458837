"""Events from value to subscriber: through the doors, with kills, late and repeated values, and clients that were away."""

import base64
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from cityloom.kernel.audit.keys import Signature
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context
from cityloom.sensing.api import judging, sending, silence
from cityloom.sensing.store import happened
from installing import installed
from scratch import Scratch
from sensing.sensing_kit import MEASURED, POINT, PROPERTY, RIGHTS, SENSOR, UNIT, Door, place
from serving import served
from sharing.sharing_kit import START, TurnedClock, write_pack
from sharing.test_webhooks import Subscriber

RULES = {
    "hot": "{severity: yellow, told: [other], watch: {properties: [heat]}, when: {kind: threshold, levels: [{at: 35, severity: yellow}, {at: 40, severity: red, title: {en: worst, zh: 最重}}], until: 33, lasting: PT2M}}",
    "rising": "{severity: blue, watch: {properties: [level]}, when: {kind: rate, rises: 1, over: PT10M}}",
    "still": "{severity: notice, watch: {properties: [still]}, when: {kind: constant, lasting: PT3M}}",
    "rain": "{severity: blue, watch: {properties: [rain]}, when: {kind: threshold, of: sum, over: PT5M, above: 10}}",
    "gone": "{severity: notice, watch: {properties: [beat]}, when: {kind: missing, after: PT30M}}",
    "unlike": "{severity: notice, watch: {properties: [near]}, when: {kind: deviation, of: neighbours, by: 5, radius: 5, least: 2}}",
    "foreseen": "{severity: notice, watch: {properties: [flow]}, when: {kind: deviation, of: forecast, by: 5}}",
    "strayed": "{severity: orange, watch: {properties: [where]}, when: {kind: zone, side: outside, area: [[[114, 22], [115, 22], [115, 23], [114, 23], [114, 22]]]}}",
    "second": "{severity: blue, watch: {properties: [pair]}, when: {kind: threshold, above: 5}}",
    "part_a": "{severity: blue, quiet: true, watch: {properties: [pa]}, when: {kind: threshold, above: 1}}",
    "part_b": "{severity: blue, quiet: true, watch: {properties: [pb]}, when: {kind: threshold, above: 1}}",
    "both": "{severity: red, when: {kind: together, rules: [part_a, part_b], by: thing, within: PT2M}}",
    "limited": "{severity: blue, watch: {properties: [cod]}, when: {kind: threshold, above: {property: limit}, reaches: false}}",
}  # fmt: skip
MINUTE = timedelta(minutes=1)


class Town(msgspec.Struct, frozen=True):
    """Devices, and somebody who judges."""

    parts: Parts
    clock: TurnedClock
    admin_url: str
    civil: Door
    other: Door

    @property
    def platform(self) -> Context:
        return platform_context(self.parts, "test")

    def judge(self) -> None:
        judging.follow(self.platform)

    def stream(self, name: str, thing: int = 0, **more: Any) -> int:
        """A Datastream of a property, of a new Thing or of one that is there."""
        own = {"name": name, "description": name, "observationType": MEASURED, "unitOfMeasurement": UNIT, "Sensor": SENSOR,
               "ObservedProperty": {**PROPERTY, "name": name}, **more}  # fmt: skip
        if thing:
            return self.civil.post(f"Things({thing})/Datastreams", own)
        at = more.pop("at", POINT)
        own.pop("at", None)
        thing = self.civil.post("Things", {"name": f"of {name}", "description": "d", "properties": {"district": "440304"},
                                           "Locations": [place(at=at)], "Datastreams": [own]})  # fmt: skip
        return int(self.civil.names(f"Things({thing})/Datastreams", "@iot.id")[0])

    def observe(self, of: int, *values: tuple[float, Any]) -> None:
        """Values at minutes after the start."""
        rows = [[(START + minute * MINUTE).isoformat(), value] for minute, value in values]
        body = [{"Datastream": {"@iot.id": of}, "components": ["phenomenonTime", "result"], "dataArray": rows}]
        answer = self.civil.send("POST", "CreateObservations", body)
        assert answer.status_code == 201, answer.text

    def events(self, of: int) -> list[dict[str, Any]]:
        """Events about a Datastream, the first one first."""
        found = self.civil.get("/api/sensing/events?limit=1000")
        return [each for each in reversed(found) if each["datastream"] == of]

    def short(self, of: int) -> list[tuple[str, str, float, float, float | None, str]]:
        """Rule, severity, minutes of first and last, peak, and what closed it."""
        return [
            (e["rule"], e["severity"], minutes(e["first"]), minutes(e["last"]), e["peak"], e["closed_by"]) for e in self.events(of)
        ]  # fmt: skip


def minutes(text: str) -> float:
    return (datetime.fromisoformat(text) - START) / MINUTE


@pytest.fixture(scope="module")
def town(shared_scratch: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    packs = write_pack(tmp_path_factory.mktemp("packs"))
    (packs / "small/sensing/rules").mkdir(parents=True)
    for name, text in RULES.items():
        (packs / f"small/sensing/rules/{name}.yaml").write_text(
            f"{{title: {{en: {name}, zh: 事}}, source: ours, {text[1:]}", "utf-8"
        )
    clock = TurnedClock()
    parts = installed(shared_scratch, clock, packs=str(packs), city="small")
    rights = (*RIGHTS, "sensing.handle", "sensing.subscribe")
    with served(parts) as client:
        doors = [Door(client, parts, name, rights=rights) for name in ("civil", "other")]
        clock.turn(hours=12)  # what the tests observe lies in the past
        yield Town(parts, clock, shared_scratch.admin_url, *doors)


def test_a_threshold_from_the_first_value_to_the_last(town: Town) -> None:
    of = town.stream("heat")
    town.observe(of, (0, 34), (1, 36), (2, 37))
    town.judge()
    assert town.short(of) == []
    town.observe(of, (3, 38))
    town.judge()
    assert town.short(of) == [("hot", "yellow", 1, 3, 38, "")]
    town.observe(of, (4, 41), (5, 34), (6, 32), (7, 20))
    town.judge()
    town.judge()
    assert town.short(of) == [("hot", "red", 1, 5, 41, "data")]
    [event] = town.events(of)
    assert (event["title"]["en"], event["thing_name"], event["district"], event["unit"]) == (
        "hot: worst",
        "of heat",
        "440304",
        "°C",
    )
    assert (event["longitude"], event["count"], minutes(event["closed"]), minutes(event["opened"])) == (114.05, 4, 6, 3)
    values = [town.civil.get(f"Observations({id})")["result"] for id in event["evidence"]]
    assert values == [36, 37, 38, 41, 34]
    changes = [each for each in town.civil.get("/api/sensing/events/changes") if each["event"]["datastream"] == of]
    assert [(each["change"], each["event"]["severity"]) for each in changes] == [
        ("opened", "yellow"),
        ("raised", "red"),
        ("closed", "red"),
    ]


def test_every_other_kind(town: Town) -> None:
    level, rain, still, cod = (
        town.stream("level"),
        town.stream("rain"),
        town.stream("still"),
        town.stream("cod", properties={"limit": 50}),
    )
    town.observe(level, (0, 2.0), (5, 2.6))
    town.observe(rain, (0, 4), (2, 4))
    town.observe(still, (0, 1), (1, 7), (2, 7))
    town.observe(cod, (0, 50), (1, 50.5), (2, 20))
    town.judge()  # windows and runs go over batches
    town.observe(level, (9, 3.0), (12, 3.0))
    town.observe(rain, (4, 4), (6, 1))
    town.observe(still, (3, 7), (4, 7), (5, 8))
    town.judge()
    assert town.short(level) == [("rising", "blue", 9, 9, 1.0, "data")]
    assert town.short(rain) == [("rain", "blue", 4, 4, 12, "data")]
    assert town.short(still) == [("still", "notice", 1, 4, 180, "data")]
    assert town.short(cod) == [("limited", "blue", 1, 1, 50.5, "data")]
    near = [town.stream("near", at={"type": "Point", "coordinates": [114 + at / 100, 22.5]}) for at in range(3)]
    for of, value in zip(near, (20, 21, 28), strict=True):
        town.observe(of, (0, value))
    town.judge()
    assert [town.short(of) for of in near] == [[], [], [("unlike", "notice", 0, 0, 7.5, "")]]
    flow = town.stream("flow")
    thing = town.civil.get(f"Datastreams({flow})/Thing")["@iot.id"]
    expected = town.stream("flow", thing, properties={"role": "forecast"})
    town.observe(expected, (0, 10), (60, 11))
    town.observe(flow, (1, 12), (2, 17))
    town.judge()
    assert town.short(flow) == [("foreseen", "notice", 2, 2, 7, "")]
    where = town.stream("where")
    path = [(114.5, 22.5), (115.5, 22.5), (115.6, 22.5), (114.5, 22.6)]
    town.observe(where, *((at, {"type": "Point", "coordinates": list(each)}) for at, each in enumerate(path)))
    town.judge()
    assert town.short(where) == [("strayed", "orange", 1, 2, 1, "data")]


def test_several_together_at_one_thing(town: Town) -> None:
    a = town.stream("pa")
    thing = town.civil.get(f"Datastreams({a})/Thing")["@iot.id"]
    b = town.stream("pb", thing)
    town.observe(a, (0, 2))
    town.judge()
    town.observe(b, (1, 3))
    town.judge()
    listed = [each for each in town.civil.get("/api/sensing/events?rule=both") if each["thing"] == thing]
    assert [(e["state"], e["severity"], minutes(e["first"]), len(e["parts"]), e["place"]) for e in listed] == [
        ("open", "red", 1, 2, f"thing:{thing}")
    ]
    assert town.civil.get("/api/sensing/events?rule=part_a") == []  # quiet ones are parts of others
    town.observe(a, (5, 0))
    town.judge()
    [event] = [each for each in town.civil.get("/api/sensing/events?rule=both") if each["thing"] == thing]
    assert event["state"] == "open"  # it counts two minutes longer
    town.observe(b, (9, 0))
    town.judge()
    [event] = [each for each in town.civil.get("/api/sensing/events?rule=both") if each["thing"] == thing]
    assert (event["state"], minutes(event["closed"]), event["closed_by"]) == ("closed", 7, "data")


def test_late_values_are_judged_with_those_of_then_and_repeated_ones_once(town: Town) -> None:
    of = town.stream("heat")
    town.observe(of, (0, 20), (60, 20))
    town.judge()
    town.observe(of, (32, 37), (30, 36), (34, 20), (31, 38))  # out of order, and late
    town.judge()
    assert town.short(of) == [("hot", "yellow", 30, 32, 38, "data")]
    assert town.events(of)[0]["late"]
    before = town.events(of)
    town.observe(
        of, (32, 37), (30, 36), (34, 20), (31, 38), (60, 20), (60, 99)
    )  # the very same again, and another of one moment
    town.judge()
    assert town.events(of) == before
    town.observe(of, (29, 39.5))
    town.judge()
    assert town.short(of) == [("hot", "yellow", 29, 32, 39.5, "data")]
    [last] = [e for e in town.civil.get("/api/sensing/events/changes") if e["event"]["datastream"] == of][-1:]
    assert (last["change"], last["event"]["peak"]) == ("corrected", 39.5)
    town.observe(of, (58, 36), (61, 37), (62, 36))  # 60 breaks it
    town.judge()
    assert len(town.events(of)) == 1
    ahead = (town.clock.now() + timedelta(days=9) - START) / MINUTE
    town.observe(
        of, (ahead, 99), (-6_000_000, 99), (63, 37)
    )  # a clock that jumped, a value from 2014; the rest goes on
    town.judge()
    assert [each[2:4] for each in town.short(of)] == [(29, 32), (61, 63)]


def test_silence_counts_only_while_the_platform_listens(town: Town) -> None:
    of = town.stream("beat")
    town.observe(of, (0, 1))
    town.judge()
    silence.look(town.platform)
    town.clock.turn(minutes=40)
    silence.look(town.platform)  # it was away itself
    assert town.events(of) == []
    for _ in range(9):
        town.clock.turn(minutes=4)
        silence.look(town.platform)
    [event] = town.events(of)
    assert (event["rule"], event["state"], event["unit"], len(event["evidence"])) == ("gone", "open", "s", 1)
    silence.look(town.platform)
    town.observe(of, (1, 1))
    town.judge()
    [event] = town.events(of)
    assert (event["state"], event["closed_by"]) == ("closed", "data")
    assert event["peak"] == pytest.approx(76 * 60)


def test_killed_between_and_within_batches_every_event_is_made_once(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = town.stream("heat")
    wanted = []
    for at in range(0, 40, 4):
        town.observe(of, (at, 36), (at + 1, 36), (at + 2, 36 + at / 10), (at + 3, 20))
        wanted.append(("hot", "yellow", at, at + 2, 36 + at / 10, "data"))
    real, calls = happened.tell, []

    def dies(*given: Any) -> None:
        calls.append(1)
        real(*given)
        if len(calls) % 2:
            raise psycopg.OperationalError("killed")

    monkeypatch.setattr(happened, "tell", dies)
    for _ in range(100):
        try:
            found = judging.step(town.platform, batches=2)
        except Exception:  # noqa: BLE001 - as a worker that dies; another one comes
            judging._registries.clear()
            continue
        if found is None:
            break
    assert len(calls) >= 4
    assert town.short(of) == wanted
    changes = [each["sequence"] for each in town.civil.get("/api/sensing/events/changes")]
    with psycopg.connect(town.admin_url) as connection:
        every = [
            row[0] for row in connection.execute("SELECT sequence FROM sensing.event_changes ORDER BY 1").fetchall()
        ]
        announced = connection.execute(
            "SELECT (body ->> 'sequence')::bigint FROM kernel.outbox WHERE topic = 'sensing.event_changed' ORDER BY 1"
        ).fetchall()
    assert changes == every == [row[0] for row in announced] == list(range(1, len(every) + 1))


def test_a_rule_that_changes_closes_what_it_opened(town: Town) -> None:
    of = town.stream("second")
    pair = town.stream("pair")
    town.observe(pair, (0, 9))
    town.judge()
    assert [each["state"] for each in town.events(pair)] == ["open"]
    file = next(iter(town.parts.packs)).folder / "sensing/rules/second.yaml"
    file.write_text(file.read_text().replace("above: 5", "above: 8"))
    judging.rules.cache_clear()
    town.observe(of, (0, 1))
    town.judge()
    assert [(e["state"], e["closed_by"]) for e in town.events(pair)] == [("closed", "rule_changed")]
    town.observe(pair, (1, 9), (2, 7))
    town.judge()
    assert town.short(pair)[1:] == [("second", "blue", 1, 1, 9, "data")]
    thing = town.civil.get(f"Datastreams({pair})/Thing")["@iot.id"]
    town.observe(pair, (3, 9))
    town.judge()
    assert town.civil.send("DELETE", f"Things({thing})").status_code == 200
    town.judge()
    assert [e["closed_by"] for e in town.events(pair)] == ["rule_changed", "data", "thing_gone"]


def test_who_sees_events_and_sees_to_them(town: Town) -> None:
    of = town.stream("heat")
    secret = town.stream("cod", properties={"limit": 1})
    town.observe(of, (0, 36), (2, 36))
    town.observe(secret, (0, 3))
    town.judge()
    [event], [hidden] = town.events(of), town.events(secret)
    assert town.other.get(f"/api/sensing/events/{event['id']}")["rule"] == "hot"  # the rule tells it
    assert town.other.refused("GET", f"/api/sensing/events/{hidden['id']}") == (404, "event_unknown")
    assert {each["rule"] for each in town.other.get("/api/sensing/events?limit=1000")} == {"hot"}
    assert {each["event"]["rule"] for each in town.other.get("/api/sensing/events/changes")} == {"hot"}
    act = {"reason": "the fan is broken"}
    path = f"/api/sensing/events/{event['id']}"
    for door, address in ((town.other, path), (town.other, f"/api/sensing/events/{hidden['id']}")):
        for ending in ("acknowledgement", "closure"):
            assert door.refused("POST", f"{address}/{ending}", act) == (404, "event_unknown")
    assert town.events(of) == [event]
    assert town.civil.send("POST", f"{path}/acknowledgement", {"reason": ""}).status_code == 400
    seen = town.civil.send("POST", f"{path}/acknowledgement", act).json()
    assert (seen["acknowledged_who"], seen["acknowledged_reason"]) == ("civil-service", "the fan is broken")
    assert town.civil.refused("POST", f"{path}/acknowledgement", act) == (409, "event_acknowledged")
    closed = town.civil.send("POST", f"{path}/closure", act).json()
    assert (closed["state"], closed["closed_by"], closed["closed_who"]) == ("closed", "hand", "civil-service")
    assert town.civil.refused("POST", f"{path}/closure", act) == (409, "event_closed")
    town.observe(of, (3, 36), (4, 36))
    town.judge()
    assert len(town.events(of)) == 1  # it still holds, and somebody closed it
    town.observe(of, (5, 20), (6, 36), (8, 36))
    town.judge()
    assert [each["state"] for each in town.events(of)] == ["closed", "open"]
    assert [
        each["id"] for each in town.civil.get("/api/sensing/events?status=open&severity=yellow&district=4403&limit=1")
    ] == [town.events(of)[1]["id"]]
    with psycopg.connect(town.admin_url) as connection:
        rows = connection.execute("SELECT body FROM kernel.audit_entry ORDER BY position").fetchall()
    acts = [
        each["action"] for row in rows if (each := msgspec.json.decode(row[0]))["subject"] == f"event:{event['id']}"
    ]
    assert acts == ["sensing.event_acknowledged", "sensing.event_closed"]


def stream_of(door: Door, last: int | None) -> list[tuple[int, str, dict[str, Any]]]:
    """What a client gets that has everything up to `last`."""
    headers = {} if last is None else {"last-event-id": str(last)}
    answer = door.send("GET", "/api/sensing/events/stream?seconds=0", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = re.findall(r"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n", answer.text)
    return [(int(id), kind, msgspec.json.decode(body)) for id, kind, body in found]


def test_a_client_that_was_away_gets_every_change_in_order_once(town: Town) -> None:
    earlier = town.stream("heat")
    town.observe(earlier, (0, 36), (2, 36), (3, 20))
    town.judge()
    assert stream_of(town.civil, None) == []  # from now on
    every = town.civil.get("/api/sensing/events/changes")
    cut = len(every) // 2
    first = [(each["sequence"], each["change"], each) for each in every[:cut]]
    of = town.stream("heat")
    town.observe(of, (0, 36), (2, 36), (3, 20))
    town.judge()
    rest = stream_of(town.civil, first[-1][0])
    numbers = [each[0] for each in first + rest]
    assert numbers == sorted(set(numbers))
    assert [each[2] for each in first + rest] == town.civil.get("/api/sensing/events/changes")
    assert [each[1] for each in rest[-2:]] == ["opened", "closed"]
    assert stream_of(town.civil, rest[-1][0]) == []
    assert [each[2]["event"]["rule"] for each in stream_of(town.other, 0)] == ["hot"] * len(stream_of(town.other, 0))
    for wrong in ("x", "-1", "9" * 30):
        assert town.civil.refused("GET", "/api/sensing/events/stream", headers={"last-event-id": wrong}) == (
            400,
            "stream_from",
        )
    assert town.civil.client.get("/api/sensing/events/stream").status_code == 401


def test_webhooks_get_signed_pages_again_until_they_take_them(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    subscriber = Subscriber()
    settings = msgspec.structs.replace(town.parts.settings, webhook_allowed="127.0.0.1")
    allowed = msgspec.structs.replace(town.platform, parts=msgspec.structs.replace(town.parts, settings=settings))
    path = "/api/sensing/events/webhooks"
    assert town.civil.refused("POST", path, {"url": subscriber.url}) == (422, "webhook_url")
    town.judge()  # what earlier tests observed
    start = max((each["sequence"] for each in town.civil.get("/api/sensing/events/changes")), default=0)
    holder = msgspec.structs.replace(
        allowed.principal, name="civil-service", organisation="civil", roles=frozenset({"data_officer"})
    )
    acting = msgspec.structs.replace(allowed, principal=holder)
    made = sending.add(acting, sending.NewEventWebhook(subscriber.url, start, ("hot",), "yellow"))
    of, other = town.stream("heat"), town.stream("pair")
    town.observe(of, (0, 36), (2, 36))
    town.observe(other, (0, 9))
    town.judge()
    subscriber.status = 500
    sending.push(allowed)
    [standing] = [each for each in town.civil.get(path) if each["id"] == made.id]
    assert (standing["failures"], standing["last_error"], standing["cursor"]) == (1, "HTTP 500", start)
    subscriber.status = 204
    sending.push(allowed)
    assert len(subscriber.got) == 1  # not before its pause is over
    town.clock.turn(seconds=6)
    monkeypatch.setattr(sending, "PAGE", 1)
    town.observe(of, (3, 20))
    town.judge()
    sending.push(allowed)
    pages = subscriber.pages()[1:]
    told = [(each["change"], each["event"]["rule"]) for page in pages for each in page["changes"]]
    assert told == [("opened", "hot"), ("closed", "hot")]
    assert [page["since"] for page in pages] == [start, pages[0]["upto"]]
    body, header = subscriber.got[-1]
    parts = dict(re.findall(r'(\w+)="([^"]+)"', header))
    signature = Signature(parts["algorithm"], parts["key"], base64.b64decode(parts["value"]))
    assert town.parts.signer.public.verifies(signature, body)
    assert town.other.refused("DELETE", f"{path}/{made.id}") == (404, "webhook_unknown")
    assert town.civil.send("DELETE", f"{path}/{made.id}").json()["state"] == "stopped"
    monkeypatch.setattr(sending.retrying, "MOST_TRIES", 1)
    subscriber.status = 500
    assert town.civil.send("POST", f"{path}/{made.id}/replay", {"since": start}).json()["state"] == "active"
    sending.push(allowed)
    [standing] = [each for each in town.civil.get(path) if each["id"] == made.id]
    assert (standing["state"], standing["dead_letters"][0]["since"]) == ("held", start)
    subscriber.server.shutdown()
    subscriber.server.server_close()


def test_a_rule_is_tried_on_the_past(town: Town) -> None:
    first = town.stream("pa")
    second = town.stream("pb", town.civil.get(f"Datastreams({first})/Thing")["@iot.id"])
    town.observe(first, (0, 2), (5, 0))
    town.observe(second, (1, 3), (9, 0))
    of = town.stream("heat")
    town.observe(of, *((at, 36 if 10 <= at < 15 else 20) for at in range(30)))
    span = {"since": START.isoformat(), "until": (START + 30 * MINUTE).isoformat()}
    report = town.civil.send("POST", "/api/sensing/rules/hot/trial", span).json()
    mine = [each for each in report["events"] if each["datastream"] == of]
    assert [(minutes(e["first"]), minutes(e["last"]), e["peak"], e["severity"]) for e in mine] == [
        (10, 14, 36, "yellow")
    ]
    other = {"title": {"en": "a", "zh": "b"}, "source": "ours", "severity": "red", "watch": {"properties": ["heat"]},
             "when": {"kind": "threshold", "above": 37}}  # fmt: skip
    report = town.civil.send("POST", "/api/sensing/rules/hot/trial", {**span, "rule": other}).json()
    assert [each for each in report["events"] if each["datastream"] == of] == []
    assert town.civil.refused("POST", "/api/sensing/rules/hot/trial", {**span, "rule": {**other, "when": {}}}) == (
        422,
        "rule_wrong",
    )
    assert town.civil.refused("POST", "/api/sensing/rules/none/trial", span) == (404, "rule_unknown")
    assert town.civil.refused("POST", "/api/sensing/rules/hot/trial", {"since": START.isoformat()[:-6]})[0] in (
        400,
        422,
    )
    assert town.other.send("POST", "/api/sensing/rules/hot/trial", span).json()["values"] == 0
    assert town.events(of) == []  # nothing is kept
    both = town.civil.send("POST", "/api/sensing/rules/both/trial", span).json()
    found = [(minutes(e["first"]), minutes(e["closed"])) for e in both["events"]]
    assert set(found) == {(1, 7)}, "this town's, and where another test was before also that one's"
    assert {each["name"] for each in town.civil.get("/api/sensing/rules")} == set(RULES)
