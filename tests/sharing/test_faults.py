"""Sharing under faults: receivers that are down, readers that are away, rebuilds under load, withdrawals, clocks that jump."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg
import pytest

from cityloom.exchange.api import retention
from cityloom.exchange.store import changes as change_store
from cityloom.identity.contracts import Credentials
from cityloom.kernel.errors import Conflict
from cityloom.sharing.api import projections, questions, reading, webhooks
from cityloom.sharing.api.questions import Asked, answer_lines, desk
from cityloom.sharing.contracts import Question
from sharing import sharing_kit
from sharing.sharing_kit import ROWS, Town
from sharing.test_questions import code, copied, query, said
from sharing.test_reading import holder
from sharing.test_upkeep import tick, told
from sharing.test_webhooks import Subscriber, platform, standing, subscribe

HEAD = ROWS.splitlines()[0]


@pytest.fixture
def subscriber() -> Iterator[Subscriber]:
    found = Subscriber()
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Change rows are kept for a month."""
    kept = sharing_kit.RESIDENT.replace("{records: P10Y}", "{records: P10Y, changes: P30D}")
    monkeypatch.setattr(sharing_kit, "RESIDENT", kept)


def residents(numbers: range, name: str = "x") -> str:
    return "\n".join([HEAD, *(f"k{number:05},{name},N1,1980-01-01,1,true" for number in numbers)]) + "\n"


def replayed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The state that change rows come to."""
    state: dict[str, Any] = {}
    for row in rows:
        state.pop(row["id"], None)
        if row["_op"] != "delete":
            state[row["id"]] = row["name"]
    return state


def test_a_receiver_that_was_down_for_a_day_gets_everything_in_order_once(
    town: Town, subscriber: Subscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PAGE", 2)
    town.civil.deliver("d0", residents(range(3)))
    town.grant()
    made = subscribe(town, subscriber.url)
    webhooks.push(platform(town))
    before = [row["_sequence"] for page in subscriber.pages() for row in page["rows"]]
    subscriber.status = 503
    subscriber.got.clear()
    for hour in range(24):
        town.civil.deliver(f"h{hour}", residents(range(hour, hour + 3), f"h{hour}"))
        for _ in range(6):
            town.clock.turn(minutes=10)
            webhooks.push(platform(town))
    held = standing(town)
    assert (held["state"], held["cursor"], held["last_error"]) == ("held", before[-1], "HTTP 503")
    assert [(dead["since"], dead["tries"]) for dead in held["dead_letters"]] == [(before[-1], 15)]
    assert {page["since"] for page in subscriber.pages()} == {before[-1]}, "something after the dead letter was sent"
    subscriber.status = 204
    subscriber.got.clear()
    path = f"/api/sharing/grants/r1/webhooks/{made['id']}/replays"
    again = town.housing.client.post(path, params={"since": held["cursor"]}, headers=town.housing.headers)
    assert again.json()["state"] == "active"
    for _ in range(10):
        webhooks.push(platform(town))
        town.clock.turn(seconds=5)
    pages = subscriber.pages()
    got = [row for page in pages for row in page["rows"]]
    everything = town.housing.lines("grants/r1/changes", case="c-1")
    assert before + [row["_sequence"] for row in got] == [row["_sequence"] for row in everything]
    assert [page["since"] for page in pages][1:] == [page["upto"] for page in pages][:-1]
    assert (standing(town)["state"], standing(town)["failures"]) == ("active", 0)


@pytest.mark.usefixtures("forgetful")
def test_a_subscriber_that_was_away_goes_on_where_it_was_or_is_told_where_to_begin(town: Town) -> None:
    town.civil.deliver("d0", residents(range(5)))
    town.grant()
    read = town.housing.lines("grants/r1/changes", case="c")
    for day in range(7):
        town.clock.turn(days=1)
        town.civil.deliver(f"w{day}", residents(range(day, day + 3), f"w{day}"))
    town.civil.withdraw("w3")
    retention.retain(town.platform)
    week = town.housing.lines("grants/r1/changes", case="c", since=read[-1]["_sequence"])
    assert [row["_sequence"] for row in week] == sorted({row["_sequence"] for row in week})
    assert min(row["_sequence"] for row in week) > read[-1]["_sequence"]
    now = {row["id"]: row["name"] for row in town.housing.lines("grants/r1/records", case="c")}
    assert replayed(read + week) == now
    town.clock.turn(days=40)
    retention.retain(town.platform)
    late = town.housing.get("grants/r1/changes", case="c", since=read[-1]["_sequence"])
    assert code(late) == (410, "exchange.changes_gone")
    assert "records" in late.json()["remedy"]
    town.civil.deliver("d9", residents(range(2), "new"))
    snapshot = town.housing.get("grants/r1/records", case="c")
    begun = [msgspec.json.decode(line) for line in snapshot.content.splitlines()]
    town.civil.deliver("d10", residents(range(1, 4), "newer"))
    since = int(snapshot.headers["x-last-sequence"])
    more = town.housing.lines("grants/r1/changes", case="c", since=since)
    state = {row["id"]: row["name"] for row in begun}
    state |= replayed(more)
    assert state == {row["id"]: row["name"] for row in town.housing.lines("grants/r1/records", case="c")}


def test_a_copy_is_rebuilt_under_load(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks meanwhile gets the record as it was at the sequence that the answer names; never none, never less."""
    monkeypatch.setattr(projections, "PAGE", 50)
    versions = {}
    town.civil.deliver("v0", residents(range(400), "v0"))
    town.grant(terms={"rows": "", "per_minute": 100_000, "per_day": 1_000_000})
    copied(town)
    versions[said(query(town.housing, "k00007"))["sequence"]] = "v0"

    def rebuild() -> None:
        for number in range(1, 5):
            town.civil.deliver(f"v{number}", residents(range(400), f"v{number}"))
            last = town.civil.get("copies").json()[0]["last_sequence"]
            versions[last] = f"v{number}"
            projections.rebuild(town.platform, "resident")
            projections.clean(town.platform)

    statements = []
    with ThreadPoolExecutor(1) as worker:
        work = worker.submit(rebuild)
        while not work.done():
            statements.append(said(query(town.housing, "k00007")))
        work.result()
    statements.append(said(query(town.housing, "k00007")))
    seen = [statement["sequence"] for statement in statements]
    assert seen == sorted(seen)
    for statement in statements:
        assert statement["found"]
        assert statement["record"]["name"] == versions[statement["sequence"]]
        assert statement["lag_seconds"] >= 0
    assert statements[-1]["record"]["name"] == "v4"
    assert len(statements) > 5
    with psycopg.connect(town.admin_url) as connection:
        kept = connection.execute("SELECT count(*), count(DISTINCT generation) FROM sharing.record").fetchone()
    assert kept == (400, 1)


@pytest.mark.parametrize("way", ["changes", "records"])
def test_a_stream_ends_with_its_grant(town: Town, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Not a row more than the batch that was on its way. How often it looks is a third of a second, here at each batch."""
    monkeypatch.setattr(change_store, "BATCH", 10)
    monkeypatch.setattr(reading, "LOOK", 0)
    town.civil.deliver("d1", residents(range(1000)))
    town.grant()
    ctx = holder(town)
    feed = reading.changes(ctx, "r1", "c", 0, 1000) if way == "changes" else reading.records(ctx, "r1", "c")
    batches = feed.batches()
    before = sum(next(batches).num_rows for _ in range(3))
    assert town.civil.move("r1", "revoke", kind="grants", reason="now").status_code == 200
    after: list[int] = []
    with pytest.raises(Conflict, match=r"sharing\.grant_over"):
        after.extend(batch.num_rows for batch in batches)
    feed.close()
    assert before > 0
    assert sum(after) <= 10


def test_a_file_of_questions_ends_with_its_grant(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "MOST", 8)
    town.civil.deliver("d1", residents(range(100)))
    town.grant(terms={"rows": ""})
    copied(town)
    shown = Credentials(method="POST", authorization=town.housing.headers["authorization"])
    keys = [f"k{number:05}" for number in range(100)]
    asked = [Asked("r1", "query", Question((key,), "c-1"), shown, "rent_aid", "test") for key in keys]

    async def read() -> list[str]:
        codes = []
        async for line in answer_lines(desk(town.parts), asked, town.parts.words, "en"):
            codes.append(line.code)
            if len(codes) == 20:
                await asyncio.to_thread(town.civil.move, "r1", "revoke", kind="grants", reason="now")
        return codes

    codes = asyncio.run(read())
    answered = codes.count("")
    assert codes == [""] * answered + ["sharing.grant_over"] * (100 - answered)
    assert 20 <= answered <= 32, "more was answered than was being asked when the grant ended"


def test_a_clock_that_jumps_over_a_holiday_tells_each_thing_once(town: Town) -> None:
    """From the Monday before the National Day holiday of 2026 to the middle of November, and back, and on again."""
    town.clock.moment = datetime(2026, 9, 28, 1, tzinfo=UTC)
    for door in (town.civil, town.housing, town.other):
        door.sign_in()
    due = town.housing.ask("r1").json()["due_at"]
    assert due[:10] > "2026-10-15", "the holiday was counted as working days"
    town.housing.ask("r2")
    town.civil.move("r2", "offer", reason="less", terms={"fields": ["id"]})
    town.grant("g1", terms={"days": 10})
    tick(town)
    town.clock.turn(days=50)
    tick(town)
    once = told(town)
    expected = ["warning", "warning", "overdue", "escalation", "escalation"]
    assert [kind for subject, kind, _ in once if subject == "request:r1"] == expected
    states = after_the_jump(town)
    assert states == ("asked", "lapsed", "expired")
    for days in (-30, 0, 30, 0):
        town.clock.turn(days=days)
        tick(town)
        assert (told(town), after_the_jump(town)) == (once, states)
    moves = [(entry["subject"], entry["facts"]["move"]) for entry in town.entries("sharing.grant_moved")]
    assert moves.count(("grant:g1", "expire")) == 1
    lapsed = [(entry["subject"], entry["facts"]["move"]) for entry in town.entries("sharing.request_moved")]
    assert lapsed.count(("request:r2", "lapse")) == 1


def after_the_jump(town: Town) -> tuple[str, str, str]:
    ends = town.housing.get("grants/g1").json()["state"]
    return (*(town.housing.get(f"requests/{id}").json()["state"] for id in ("r1", "r2")), ends)


def test_a_clock_that_was_set_back_gives_no_longer_use_of_a_grant(town: Town) -> None:
    town.civil.deliver("d1", ROWS)
    town.grant(terms={"days": 10})
    town.clock.turn(days=11)
    assert code(town.housing.get("grants/r1/records", case="c")) == (409, "sharing.grant_not_now")
    tick(town)
    town.clock.turn(days=-5)
    assert code(town.housing.get("grants/r1/records", case="c")) == (409, "sharing.grant_over")
