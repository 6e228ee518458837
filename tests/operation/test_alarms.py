"""Gauges of all modules are read, levels change neither late nor to and fro, and who may not see them does not."""

from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.testing import TestClient

from cityloom import app
from cityloom.kernel import gauges, metrics
from cityloom.kernel.clock import FixedClock, SystemClock
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.errors import Invalid
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.manifest import Gauge, Reading
from cityloom.kernel.words import Text
from cityloom.operation import api, rules
from cityloom.operation.contracts import ORDER, Limits
from cityloom.operation.rules import State
from cityloom.server import make_app
from exchange.conftest import Door, door, http, town
from identity.identity_kit import GOOD, START, make_town
from scratch import Scratch

__all__ = ["door", "http", "town"]

MORE_IS_WORSE = Limits(100, 200)
LESS_IS_WORSE = Limits(100, 50)
NOW = START


def run(limits: Limits, *values: float) -> list[str]:
    """The level after each look."""
    state, found = None, []
    for number, value in enumerate(values):
        state = rules.judge(state, limits, value, NOW + timedelta(seconds=30 * number))
        found.append(state.level)
    return found


@pytest.mark.parametrize(
    ("limits", "values", "levels"),
    [
        (MORE_IS_WORSE, (99, 100, 100), "ok ok warning"),
        (MORE_IS_WORSE, (250, 250), "ok alarm"),
        (MORE_IS_WORSE, (250, 99, 250, 250), "ok ok ok alarm"),
        (MORE_IS_WORSE, (100, 100, 95, 95, 90, 90, 89, 89), "ok warning warning warning warning warning warning ok"),
        (MORE_IS_WORSE, (250, 250, 190, 190, 179, 179, 0, 0), "ok alarm alarm alarm alarm warning warning ok"),
        (LESS_IS_WORSE, (101, 100, 100), "ok ok warning"),
        (LESS_IS_WORSE, (40, 40, 54, 54, 56, 56), "ok alarm alarm alarm alarm warning"),
        (LESS_IS_WORSE, (90, 90, 109, 109, 111, 111), "ok warning warning warning warning ok"),
    ],
)
def test_a_level_changes_when_it_was_seen_twice_and_falls_by_a_margin(
    limits: Limits, values: tuple[float, ...], levels: str
) -> None:
    assert run(limits, *values) == levels.split()


@given(st.lists(st.floats(95, 105), min_size=2, max_size=60), st.sampled_from([MORE_IS_WORSE, LESS_IS_WORSE]))
def test_a_value_that_trembles_at_its_limit_changes_the_level_once(values: list[float], limits: Limits) -> None:
    levels = ["ok", *run(limits, *values)]
    assert sum(before != after for before, after in pairwise(levels)) <= 1


def test_a_change_of_level_tells_since_when() -> None:
    first = rules.judge(None, MORE_IS_WORSE, 300, NOW)
    second = rules.judge(first, MORE_IS_WORSE, 300, NOW + timedelta(seconds=30))
    third = rules.judge(second, MORE_IS_WORSE, 300, NOW + timedelta(seconds=60))
    assert first == State("ok", NOW, "alarm", 1)
    assert second == State("alarm", NOW + timedelta(seconds=30), "alarm", 0)
    assert third == second


def test_limits_of_the_setting() -> None:
    known = {"a.b": Limits(1, 2), "c": Limits(100, 50)}
    assert rules.limits("a.b=5:6.5, c=80:40", known) == {"a.b": Limits(5, 6.5), "c": Limits(80, 40)}
    assert rules.limits("", known) == known
    for wrong in ("a.b", "a.b=1", "a.b=x:2", "z=1:2", "c=40:80", "a.b=6:5"):
        with pytest.raises(Invalid, match=r"operation\.limits_wrong"):
            rules.limits(wrong, known)


def test_a_city_does_not_start_with_limits_that_are_not_understood(scratch: Scratch) -> None:
    with pytest.raises(Invalid, match=r"operation\.limits_wrong"):
        app.prepare(msgspec.structs.replace(scratch.settings, alarm_limits="machine.disk=1:2"))


class Value:
    """A gauge that a test sets."""

    def __init__(self) -> None:
        self.value: float | None = 0.0

    def read(self, _: Context) -> Reading | None:
        return None if self.value is None else Reading(self.value, "it")

    def gauge(self) -> Gauge:
        return Gauge("value", Text("A value", "某值"), "rows", 100, 200, self.read)


def told(scratch: Scratch, action: str) -> list[dict[str, object]]:
    with psycopg.connect(scratch.admin_url) as connection:
        rows = connection.execute("SELECT body FROM kernel.audit_entry ORDER BY position").fetchall()
        topics = connection.execute("SELECT body FROM kernel.outbox WHERE topic = %s ORDER BY id", [action]).fetchall()
    bodies = [msgspec.json.decode(row[0], type=dict[str, object]) for row in rows]
    kept = [body["facts"] for body in bodies if body["action"] == action]
    assert len(kept) == len(topics)
    return [row[0] for row in topics]


def test_an_alarm_that_begins_and_ends_is_announced_once_each(parts: Parts, scratch: Scratch) -> None:
    value = Value()
    known = {"test.value": value.gauge()}
    ctx = platform_context(parts, "test")
    for set_to in (0, 300, 300, 300, 300, 0, 0, 0):
        value.value = set_to
        api.watch(ctx, known)
    found = [
        (event["gauge"], event["before"], event["level"], event["value"]) for event in told(scratch, "operation.alarm")
    ]
    assert found == [("test.value", "ok", "alarm", 300), ("test.value", "alarm", "ok", 0)]
    measured = api.health(ctx).gauges
    assert [(each.name, each.title, each.level, each.value, each.subject) for each in measured] == [
        ("test.value", "某值", "ok", 0, "it")
    ]
    value.value = None
    api.watch(ctx, known)
    assert api.health(ctx).gauges == ()
    assert api.health(ctx).level == "alarm"


def test_a_gauge_that_cannot_be_read_hides_no_other(parts: Parts) -> None:
    def broken(_: Context) -> Reading:
        raise ZeroDivisionError

    value = Value()
    known = {"test.broken": Gauge("broken", Text("Broken", "坏"), "rows", 1, 2, broken), "test.value": value.gauge()}
    ctx = platform_context(parts, "test")
    api.watch(ctx, known)
    assert [each.name for each in api.health(ctx).gauges] == ["test.value"]


def test_gauges_that_nobody_reads_any_more_are_an_alarm(parts: Parts) -> None:
    value = Value()
    api.watch(platform_context(parts, "test"), {"test.value": value.gauge()})
    assert (api.health(platform_context(parts, "test")).level, api.health(platform_context(parts, "test")).current) == (
        "ok",
        True,
    )
    later = msgspec.structs.replace(parts, clock=FixedClock(SystemClock().now() + timedelta(minutes=3)))
    health = api.health(platform_context(later, "test"))
    assert (health.level, health.current) == ("alarm", False)


def read(parts: Parts, name: str) -> Reading:
    reading = app.GAUGES[name].read(platform_context(parts, "test"))
    assert reading is not None
    return reading


def test_every_gauge_of_the_modules_can_be_read(town: Parts, door: Door) -> None:
    """In a city at work each is far from its alarm, but the calendar of its time."""
    assert door.put("d1", "item,amount\na,1\n").status_code == 200
    app.seal_audit(platform_context(town, "test"))  # as the worker does each second
    api.watch(platform_context(town, "test"), app.GAUGES)
    found = {each.name: each for each in api.health(platform_context(town, "test")).gauges}
    assert found.keys() | {"sharing.copies"} == app.GAUGES.keys()  # nobody has a copy here, so none lags
    near = {name for name, each in found.items() if rules._level(Limits(each.warning, each.alarm), each.value) != "ok"}
    assert near - {"flows.calendar", "machine.disk_free"} == set()
    assert 0 <= found["machine.backup"].value < 0.1  # a new city has time for its first
    shown = metrics.exposition().decode()
    assert 'cityloom_gauge{name="exchange.waiting"} 0.0' in shown
    assert 'cityloom_alarm{name="exchange.waiting"} 0.0' in shown


def test_what_is_behind_shows(town: Parts, door: Door, scratch: Scratch) -> None:
    assert door.put("d1", "item,amount\na,1\n").status_code == 200
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        connection.execute("UPDATE exchange.delivery SET state = 'received', received_at = now() - interval '1 hour'")
        connection.execute("INSERT INTO kernel.outbox_cursor VALUES ('sharing.deadlines', '0', 0)")
        connection.execute(
            "INSERT INTO kernel.outbox (topic, body, recorded_at) VALUES ('flow.notice', '{}', now() - interval '2 hours')"
        )
        connection.execute("SET search_path = jobs")
        connection.execute("INSERT INTO procrastinate_jobs (queue_name, task_name) VALUES ('work', 'exchange.process')")
        connection.execute("UPDATE procrastinate_events SET at = now() - interval '3 hours'")
    (town.settings.spool / "left").write_bytes(bytes(3 << 20))
    hours = {"exchange.waiting": 1, "machine.outbox": 2, "machine.queue": 3}
    for name, expected in hours.items():
        assert read(town, name).value == pytest.approx(expected * 3600, abs=60), name
    assert (read(town, "exchange.waiting").subject, read(town, "machine.queue").subject) == (
        "stock",
        "exchange.process",
    )
    assert read(town, "machine.outbox").subject == "sharing.deadlines"
    assert read(town, "exchange.spool").value == pytest.approx(3, abs=0.1)
    assert read(town, "audit.seal").value > 0  # nothing signs here
    assert read(town, "exchange.lake_files").value >= 0


def test_a_wrong_clock_and_an_old_backup_show(parts: Parts) -> None:
    ahead = msgspec.structs.replace(parts, clock=FixedClock(SystemClock().now() + timedelta(seconds=100)))
    assert read(ahead, "machine.clock").value == pytest.approx(100, abs=20)
    assert read(parts, "machine.clock").value < 1
    gauges.note_backup(parts.settings, gauges.LastBackup(SystemClock().now() - timedelta(days=4), "/backup/x", "00"))
    assert read(parts, "machine.backup").value == pytest.approx(4, abs=0.01)
    assert read(parts, "machine.backup").subject == "/backup/x"


def test_the_calendars_last_day_comes_near(parts: Parts) -> None:
    last = parts.calendars.city.table.last
    noon = msgspec.structs.replace(
        parts, clock=FixedClock(START.replace(year=last.year, month=last.month, day=last.day))
    )
    assert read(noon, "flows.calendar") == Reading(0, last.isoformat())


def test_a_nearly_full_disk_refuses_deliveries_before_the_first_byte(town: Parts, door: Door) -> None:
    full = app.open_parts(msgspec.structs.replace(town.settings, min_free_mib=1 << 40))
    with TestClient(make_app(full)) as client:  # closes them at its end
        answer = Door(client, door.headers["authorization"].removeprefix("Bearer ")).put("d1", "item,amount\na,1\n")
    assert answer.status_code == 507
    assert answer.json()["code"] == "kernel.disk_full"
    assert answer.json()["params"]["needed"] == 1 << 40
    assert int(answer.headers["retry-after"]) > 0
    assert list(town.settings.spool.glob("*")) == []
    assert door.records() == {}
    assert door.put("d1", "item,amount\na,1\n").status_code == 200


def test_the_system_administrator_sees_it_and_nobody_else(
    parts: Parts, scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    city = make_town(parts, scratch.admin_url, tmp_path)
    city.person("operator", "system_admin", organisation="data")
    city.person("clerk", "data_officer")
    value = Value()
    api.watch(city.platform, {"test.value": value.gauge()})
    with TestClient(make_app(city.parts), base_url="http://city.test") as client:
        assert client.get("/api/operation/health").status_code == 401
        for account, status in (("clerk", 403), ("operator", 200)):
            signed = client.post("/api/identity/session", json={"account": account, "password": GOOD})
            assert signed.status_code == 201, signed.text
            answer = client.get("/api/operation/health", headers={"accept-language": "en"})
            assert answer.status_code == status, answer.text
            client.delete("/api/identity/session", headers={"x-csrf-token": signed.json()["csrf"]})
    assert answer.json()["gauges"][0]["title"] == "A value"
    assert [entry["actor"] for entry in city.entries("access.refused")] == ["clerk"]


def test_levels_are_in_order() -> None:
    assert ORDER == ("ok", "warning", "alarm")  # the exit codes of `cityloom status`, the figures of Prometheus


def test_the_guide_shows_every_gauge_with_its_limits() -> None:
    guide = (Path(__file__).parents[2] / "docs/guides/operate.md").read_text()
    for name, gauge in app.GAUGES.items():
        assert f"| `{name}` | {gauge.warning:g} | {gauge.alarm:g} | {gauge.unit} |" in guide, name
