"""When deliveries are due, and who hears of it when they do not come."""

from datetime import UTC, datetime

import msgspec
import pytest

from cityloom.exchange.api import upkeep
from cityloom.exchange.rules import due
from cityloom.exchange.spec import Update
from cityloom.kernel.calendar.rules import calendars
from cityloom.kernel.calendar.spec import CalendarSpec
from cityloom.kernel.clock import FixedClock
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from exchange.conftest import Door

CALENDAR = calendars(CalendarSpec()).city


@pytest.mark.parametrize(
    ("every", "days", "unit", "now", "ends", "due_local"),
    [
        # September 2025 plus five working days: 1 to 8 October are holidays, and Saturday the 11th is worked (调休)
        ("month", 5, "working", "2025-10-15T12:00", "2025-09-30", "2025-10-14 18:00"),
        ("month", 5, "working", "2025-10-14T17:59", "2025-08-31", "2025-09-05 18:00"),
        ("day", 1, "calendar", "2026-03-10T20:00", "2026-03-09", "2026-03-10 18:00"),
        ("week", 2, "working", "2026-03-12T09:00", "2026-03-08", "2026-03-10 18:00"),
        ("quarter", 10, "calendar", "2026-05-01T00:00", "2026-03-31", "2026-04-10 18:00"),
        ("year", 20, "working", "2026-06-01T00:00", "2025-12-31", "2026-01-29 18:00"),
    ],
)
def test_last_due_period(every: str, days: int, unit: str, now: str, ends: str, due_local: str) -> None:
    update = msgspec.convert({"every": every, "due_days": days, "days": unit}, Update)
    moment = datetime.fromisoformat(now).replace(tzinfo=CALENDAR.table.zone)
    found = due.last_due(update, moment, CALENDAR)
    assert found is not None
    assert found.ends_on.isoformat() == ends
    assert found.due_at.astimezone(CALENDAR.table.zone).strftime("%Y-%m-%d %H:%M") == due_local


def test_a_dataset_without_rhythm_is_never_due() -> None:
    assert due.last_due(Update("irregular"), datetime(2026, 3, 1, tzinfo=UTC), CALENDAR) is None


def test_overdue_is_told_once_and_settled_by_a_delivery(door: Door, town: Parts) -> None:
    spec = b'{"every": "day", "due_days": 1, "days": "calendar"}'
    ctx = platform_context(town, "test")
    with ctx.begin() as tx:
        tx.execute("UPDATE exchange.dataset SET spec = jsonb_set(spec, '{update}', %s::jsonb)", [spec.decode()])
        tx.execute("UPDATE exchange.dataset SET installed_at = now() - interval '30 days'")
    noon = datetime.now(UTC)  # noqa: TID251 - the test's own day
    late = msgspec.structs.replace(town, clock=FixedClock(noon))
    for _ in range(2):
        upkeep.find_overdue(platform_context(late, "test"))
    answer = door.client.get("/api/exchange/overdue", headers=door.headers).json()
    assert [line["dataset"] for line in answer] == ["stock"]
    with ctx.begin() as tx:
        assert tx.scalar(int, "SELECT count(*) FROM kernel.outbox WHERE topic = 'exchange.dataset_overdue'") == 1
    door.put("d1", "item,amount\na,1\n")
    assert door.client.get("/api/exchange/overdue", headers=door.headers).json() == []


def test_a_deadline_beyond_the_announced_holidays_is_counted_later() -> None:
    update = Update(every="day", due_days=5)
    known = calendars(CalendarSpec(announced_to=2026)).city
    found = due.last_due(update, datetime(2026, 12, 30, 12, tzinfo=UTC), known)
    assert found is not None
    assert found.ends_on.isoformat() == "2026-12-23"


def test_every_period_whose_deadline_fell_on_a_day() -> None:
    """A make-up Saturday (调休) is worked, so Friday was due on it; Saturday and Sunday both on the Monday after."""
    update = Update(every="day", due_days=1, days="calendar")
    zone = CALENDAR.table.zone
    days = [datetime(2026, 3, day, tzinfo=zone) for day in (2, 3)]
    found = due.due_within(update, days[0], days[1], CALENDAR)
    assert [each.ends_on.isoformat() for each in found] == ["2026-03-01", "2026-02-28"]
    assert due.due_within(Update(every="irregular"), days[0], days[1], CALENDAR) == []
