"""Lake commit, then ledger: what dies, breaks or comes late at any step leaves each delivery decided once."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import psycopg
import pytest

from cityloom import app
from cityloom.exchange.api import deliveries, gate, leftovers, upkeep
from cityloom.exchange.store import ledger, records
from cityloom.kernel import lanes
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.db import Database
from cityloom.kernel.errors import Unavailable
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.lake import Lake
from exchange.conftest import Door
from scratch import Scratch

FILE = "item,amount,note\na,1,x\nb,2,\nc,3,z\n"
LANE_HOLDERS = """SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database
    WHERE locktype = 'advisory' AND granted AND datname = current_database()"""


class Killed(BaseException):
    """What a test raises where a process might die: nothing catches it."""


@pytest.fixture
def queued(town: Parts, door: Door) -> Context:
    """The delivery d1 is received and waits for a worker, which the platform's context here is."""
    large = msgspec.structs.replace(town.settings, inline_mib=0)
    msgspec.structs.force_setattr(town, "settings", large)
    assert door.put("d1", FILE).status_code == 202
    return platform_context(town, "test")


@pytest.fixture
def admin(scratch: Scratch) -> Iterator[psycopg.Connection[Any]]:
    """A superuser's connection, which may end the others."""
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def other(town: Parts) -> Iterator[Context]:
    """The same town as a second process sees it: connections and lake of its own."""
    parts = app.open_parts(town.settings)
    yield platform_context(parts, "other")
    app.close_parts(parts)


def once(door: Door, town: Parts, names: tuple[str, ...] = ("d1",)) -> None:
    """Each delivery is accepted, its rows and its audit entry are there once, and no sequence number comes twice."""
    for name in names:
        assert door.get(f"stock/deliveries/{name}").json()["state"] == "accepted"
    feed = door.lines("stock/changes")
    assert [row["_sequence"] for row in feed] == sorted({row["_sequence"] for row in feed})  # type: ignore[type-var]
    assert {row["_delivery"] for row in feed} == set(names)
    told = platform_context(town, "test")
    with told.begin() as tx:
        entries = tx.values(
            str,
            "SELECT body::jsonb ->> 'subject' FROM kernel.audit_entry WHERE body LIKE '%%exchange.delivery_accepted%%'",
        )
        events = tx.values(
            str, "SELECT body ->> 'delivery' FROM kernel.outbox WHERE topic = 'exchange.delivery_accepted'"
        )
    assert sorted(entries) == sorted(f"delivery:stock/{name}" for name in names)
    assert sorted(events) == sorted(names)


def sweep(ctx: Context) -> None:
    """Make every lease run out, then do what the timer and the job worker do."""
    with ctx.begin() as tx:
        tx.execute("UPDATE exchange.delivery SET lease_until = 'epoch'")
    upkeep.sweep(ctx)
    with ctx.begin() as tx:
        left = tx.values(str, "SELECT id FROM exchange.delivery WHERE state = 'received' ORDER BY id")
    for id in left:
        deliveries.process(ctx, "stock", id)


def dying(monkeypatch: pytest.MonkeyPatch, where: object, name: str, after: bool) -> None:
    """Let the process die before or after a call."""
    real: Callable[..., Any] = getattr(where, name)

    def call(*arguments: Any, **named: Any) -> Any:
        if after:
            real(*arguments, **named)
        raise Killed

    monkeypatch.setattr(where, name, call)


STEPS = [
    (gate, "check"),
    (deliveries, "finish"),
    (records, "compare"),
    (ledger, "committing"),
    (deliveries, "begin_attempt"),
    (records, "write"),
    (Lake, "_end"),
    (deliveries, "same_attempt"),
    (ledger, "decide"),
    (deliveries, "_settle"),
    (deliveries, "_drop_spool"),
]


def test_a_worker_dies_at_any_step(town: Parts, door: Door, queued: Context, other: Context) -> None:
    known = ["d1"]
    for where, name in STEPS:
        for after in (False, True):
            with pytest.MonkeyPatch.context() as patch:
                dying(patch, where, name, after)
                with pytest.raises(Killed):
                    deliveries.process(queued, "stock", known[-1])
            sweep(other)
            sweep(other)
            once(door, town, tuple(known))
            known.append(f"d{len(known) + 1}")
            door.put(known[-1], f"item,amount\na,{len(known)}\nn{len(known)},1\n")


@contextmanager
def held_up(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str
) -> Iterator[tuple[threading.Event, threading.Event]]:
    """The first call waits: the events say that it has come, and that it may go on."""
    real: Callable[..., Any] = getattr(where, name)
    came, go = threading.Event(), threading.Event()

    def call(*arguments: Any, **named: Any) -> Any:
        if not came.is_set():
            came.set()
            assert go.wait(30)
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(where, name, call)
        yield came, go
        go.set()


def in_thread(work: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Run it elsewhere; what it returned or raised is in the list afterwards."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def take_lane_away(admin: psycopg.Connection[Any]) -> None:
    """Break the connection on which somebody holds a lane."""
    pids = [row[0] for row in admin.execute(LANE_HOLDERS).fetchall()]
    assert len(pids) == 1
    admin.execute("SELECT pg_terminate_backend(%s, 5000)", pids)


@pytest.mark.parametrize("name", ["compare", "write"])
def test_who_lost_its_lane_commits_nothing(
    town: Parts, door: Door, queued: Context, other: Context, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:  # fmt: skip
    """Its lock's connection breaks, another process delivers in between, and then it would go on."""
    door.put("d2", "item,amount\na,7\nd,4\n")
    with held_up(monkeypatch, records, name) as (came, go):
        thread, outcome = in_thread(lambda: deliveries.process(queued, "stock", "d1"))
        assert came.wait(30)
        take_lane_away(admin)
        assert deliveries.process(other, "stock", "d2").state == "accepted"
        go.set()
        thread.join(30)
    assert isinstance(outcome[0], Unavailable)
    assert outcome[0].code == "kernel.lake_commit_late"
    assert door.records() == {"a": (7, None), "d": (4, None)}
    assert {row["_delivery"] for row in door.lines("stock/changes")} == {"d2"}
    sweep(other)
    once(door, town, ("d1", "d2"))
    assert door.records() == {"a": (1, "x"), "b": (2, None), "c": (3, "z"), "d": (4, None)}


def test_a_commit_on_its_way_is_waited_for(
    town: Parts, door: Door, queued: Context, other: Context, admin: psycopg.Connection[Any]
) -> None:
    """The lake commit has begun and is slow; its lane is lost. The next holder waits, and finishes it."""
    door.put("d2", "item,amount\na,7\nd,4\n")
    admin.execute(
        """CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN IF NEW.commit_message LIKE ''stock/d1/%'' THEN PERFORM pg_sleep(3); END IF; RETURN NEW; END';
           GRANT USAGE ON SCHEMA public TO cityloom_lake;
           CREATE TRIGGER slow AFTER INSERT ON lake.ducklake_snapshot_changes FOR EACH ROW EXECUTE FUNCTION public.slow()"""
    )
    thread, outcome = in_thread(lambda: deliveries.process(queued, "stock", "d1"))
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    wait_until(lambda: admin.execute(asleep).fetchone() == (1,))
    take_lane_away(admin)
    started = time.monotonic()
    assert deliveries.process(other, "stock", "d2").first_sequence == 4
    assert time.monotonic() - started > 1
    thread.join(30)
    assert outcome[0].state == "accepted"
    assert outcome[0].statement == door.get("stock/deliveries/d1").json()["statement"]
    once(door, town, ("d1", "d2"))
    assert door.records() == {"a": (7, None), "b": (2, None), "c": (3, "z"), "d": (4, None)}


def wait_until(true: Callable[[], bool], patience: float = 20.0) -> None:
    """Look until it is so."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_commit_whose_answer_was_lost_stands(
    town: Parts, door: Door, queued: Context, other: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Lake._end

    def lose(lake: Lake, cursor: duckdb.DuckDBPyConnection) -> None:
        real(lake, cursor)
        raise Unavailable("kernel.lake_unreachable")

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "_end", lose)
        with pytest.raises(Unavailable):
            deliveries.process(queued, "stock", "d1")
    assert door.get("stock/deliveries/d1").status_code == 202
    door.put("d2", "item,amount\na,7\n")
    assert deliveries.process(other, "stock", "d2").first_sequence == 4
    once(door, town, ("d1", "d2"))


def test_a_commit_that_broke_did_not_happen(
    town: Parts, door: Door, queued: Context, other: Context, admin: psycopg.Connection[Any]
) -> None:
    """The lake's own connection is cut in the middle of its commit: told as unavailable, and done again."""
    admin.execute(
        """CREATE FUNCTION public.cut() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN IF NEW.commit_message LIKE ''stock/d1/%/2'' THEN PERFORM pg_sleep(20); END IF; RETURN NEW; END';
           GRANT USAGE ON SCHEMA public TO cityloom_lake;
           CREATE TRIGGER cut AFTER INSERT ON lake.ducklake_snapshot_changes FOR EACH ROW EXECUTE FUNCTION public.cut()"""
    )
    thread, outcome = in_thread(lambda: deliveries.process(queued, "stock", "d1"))
    asleep = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    wait_until(lambda: admin.execute(asleep).fetchone() is not None)
    admin.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({asleep}) AS found")
    thread.join(30)
    assert isinstance(outcome[0], Unavailable)
    assert outcome[0].code == "kernel.lake_unreachable"
    assert door.records() == {}
    sweep(queued)
    once(door, town)


def test_every_connection_breaks_and_the_same_process_goes_on(
    town: Parts, door: Door, admin: psycopg.Connection[Any]
) -> None:
    """What a restart of PostgreSQL does to a process: the pools' and the lake's connections are dead."""
    door.put("d0", "item,amount\nz,1\n")
    for number in range(1, 4):
        admin.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        answers = [door.put(f"d{number}", FILE)]
        while answers[-1].status_code == 503 and len(answers) < 4:
            assert answers[-1].headers["retry-after"]
            answers.append(door.put(f"d{number}", FILE))
        if answers[-1].status_code == 202:
            sweep(platform_context(town, "test"))
        assert len(answers) <= 2, [answer.text for answer in answers]
        assert door.get(f"stock/deliveries/d{number}").json()["state"] == "accepted"


def test_a_broken_duckdb_is_replaced(town: Parts, door: Door) -> None:
    """After a fatal error DuckDB refuses all work in that instance, so it is thrown away."""
    with town.lake.session() as cursor:
        before = cursor.execute("SELECT current_setting('temp_directory')").fetchone()
        cursor.execute("CREATE TEMP TABLE mark AS SELECT 1")
    first = town.lake._instance
    with pytest.raises(Unavailable), town.lake.session():
        raise duckdb.FatalException("database has been invalidated because of a previous fatal error")
    assert door.put("d1", FILE).json()["state"] == "accepted"
    assert town.lake._instance is not first
    with town.lake.session() as cursor:
        assert cursor.execute("SELECT current_setting('temp_directory')").fetchone() == before


def test_a_lane_is_held_by_one_and_its_terms_count_up(town: Parts, database: Database) -> None:
    with lanes.hold(town.db, "test") as first:
        with lanes.try_hold(database, "test") as none:
            assert none is None
        with lanes.try_hold(database, "another") as another:
            assert another == lanes.Term("another", 1)
    with lanes.try_hold(database, "test") as second:
        assert (first.number, second) == (1, lanes.Term("test", 2))


def test_no_commit_of_an_earlier_term_and_none_without_its_lane(town: Parts) -> None:
    with lanes.hold(town.db, "test") as first:
        pass
    with lanes.hold(town.db, "test") as second, town.lake.session() as cursor:
        cursor.execute("CREATE TABLE probe (a INTEGER)")
        for term in (first, lanes.Term("test", second.number + 1), lanes.Term("never held", 1)):
            with pytest.raises(Unavailable) as told, town.lake.commit(cursor, f"{term}", {}, term):
                cursor.execute("INSERT INTO probe VALUES (1)")
            assert told.value.code == "kernel.lake_commit_late"
            assert town.lake.find(cursor, f"{term}") is None
        with town.lake.commit(cursor, "good", {"said": 1}, second):
            cursor.execute("INSERT INTO probe VALUES (2)")
        assert cursor.execute("SELECT a FROM probe").fetchall() == [(2,)]
        found = town.lake.find(cursor, "good")
        assert found is not None
        assert found.facts == {"said": 1}


def test_a_sweep_does_not_wait_for_a_busy_dataset(town: Parts, door: Door, queued: Context, other: Context) -> None:
    with pytest.MonkeyPatch.context() as patch:
        dying(patch, deliveries, "_settle", after=False)
        with pytest.raises(Killed):
            deliveries.process(queued, "stock", "d1")
    with queued.begin() as tx:
        tx.execute("UPDATE exchange.delivery SET lease_until = 'epoch'")
    with lanes.hold(other.parts.db, deliveries.lane("stock")):
        started = time.monotonic()
        upkeep.sweep(queued)
        assert time.monotonic() - started < 5
        assert door.get("stock/deliveries/d1").status_code == 202
    sweep(queued)
    once(door, town)


def test_a_received_delivery_is_queued_once_however_long_it_waits(queued: Context) -> None:
    waiting = "SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'exchange.process'"
    for _ in range(3):
        with queued.begin() as tx:
            tx.execute("UPDATE exchange.delivery SET lease_until = 'epoch'")
        upkeep.sweep(queued)
        with queued.begin() as tx:
            assert tx.scalar(int, waiting) == 1
    with queued.begin() as tx:
        tx.execute("DELETE FROM jobs.procrastinate_jobs")
        tx.execute("UPDATE exchange.delivery SET lease_until = 'epoch'")
    upkeep.sweep(queued)
    with queued.begin() as tx:
        assert tx.scalar(int, waiting) == 1


def test_a_spooled_file_that_vanished_ends_in_a_refusal(town: Parts, door: Door, queued: Context) -> None:
    for path in town.settings.spool.iterdir():
        path.unlink()
    with pytest.raises(Unavailable) as away:
        deliveries.process(queued, "stock", "d1")
    assert away.value.code == "exchange.bytes_away"
    with queued.begin() as tx:
        tx.execute("UPDATE exchange.delivery SET received_at = received_at - interval '1 hour'")
    deliveries.process(queued, "stock", "d1")
    answer = door.get("stock/deliveries/d1")
    assert answer.status_code == 422
    assert answer.json()["refusal"]["code"] == "exchange.bytes_lost"
    assert door.records() == {}


LARGE = "item,amount\n" + "".join(f"row{number},{number}\n" for number in range(500))


def files_of(town: Parts) -> set[str]:
    """Every file of the lake."""
    return {str(path) for path in Path(town.settings.lake_files).rglob("*") if path.is_file()}


def test_what_a_dead_writer_began_is_removed_by_the_next_one(
    town: Parts, door: Door, queued: Context, other: Context
) -> None:
    """Its Parquet files are whole or half, no commit names them, and they would fill the disk."""
    door.put("d2", LARGE)
    deliveries.process(queued, "stock", "d1")
    before = files_of(town)
    with pytest.MonkeyPatch.context() as patch:
        dying(patch, records, "write", after=True)
        patch.setattr(Lake, "_end", lambda *_: None)
        with pytest.raises(Killed):
            deliveries.process(queued, "stock", "d2")
    half = Path(town.settings.lake_files) / "exchange" / "stock" / "ducklake-half.parquet"
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_bytes(b"PAR1 and no more")
    old = half.with_name("ducklake-older.parquet")
    old.write_bytes(b"PAR1")
    os.utime(old, (0, 0))
    assert deliveries.process(other, "stock", "d2").state == "accepted"
    assert not half.exists()
    assert old.exists()
    assert before <= files_of(town)
    old.unlink()
    with town.lake.session() as cursor:
        named = cursor.execute(
            "SELECT data_file FROM ducklake_list_files('lake', 'stock', schema => 'exchange')"
        ).fetchall()
    assert {row[0] for row in named} <= files_of(town)
    assert len(door.records()) == 503


def test_who_lost_its_lane_removes_nothing(
    town: Parts,
    door: Door,
    queued: Context,
    other: Context,
    admin: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the next holder is writing looks just like what a dead one left."""
    door.put("d2", LARGE)
    with pytest.MonkeyPatch.context() as patch:
        dying(patch, records, "write", after=False)
        with pytest.raises(Killed):
            deliveries.process(queued, "stock", "d1")
    with held_up(monkeypatch, leftovers, "drop") as (came, go):
        thread, outcome = in_thread(lambda: deliveries.process(queued, "stock", "d1"))
        assert came.wait(30)
        take_lane_away(admin)
        with held_up(monkeypatch, deliveries, "_facts") as (written, end):
            second, _ = in_thread(lambda: deliveries.process(other, "stock", "d2"))
            assert written.wait(30)
            fresh = Path(town.settings.lake_files) / "exchange" / "stock" / "ducklake-fresh.parquet"
            fresh.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(b"PAR1 of the next holder")
            go.set()
            thread.join(30)
            assert fresh.exists()
            fresh.unlink()
            end.set()
            second.join(30)
    assert isinstance(outcome[0], Unavailable)
    sweep(other)
    once(door, town, ("d1", "d2"))


def test_a_delivery_that_kills_whoever_touches_it_is_refused_in_the_end(
    town: Parts, door: Door, queued: Context, other: Context
) -> None:
    for _ in range(deliveries.MOST_TRIES):
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, records, "write", after=True)
            with pytest.raises(Killed):
                deliveries.process(queued, "stock", "d1")
        assert door.get("stock/deliveries/d1").status_code == 202
    deliveries.process(other, "stock", "d1")
    answer = door.get("stock/deliveries/d1")
    assert answer.status_code == 422
    assert answer.json()["refusal"]["code"] == "exchange.tried_in_vain"
    assert door.records() == {}
    door.put("d2", FILE)
    assert deliveries.process(other, "stock", "d2").state == "accepted"


def test_no_try_is_counted_while_a_part_is_away(town: Parts, door: Door, queued: Context) -> None:
    def away(*_: object) -> None:
        raise Unavailable("kernel.lake_unreachable")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "check", away)
        for _ in range(2 * deliveries.MOST_TRIES):
            with pytest.raises(Unavailable):
                deliveries.process(queued, "stock", "d1")
    assert deliveries.process(queued, "stock", "d1").state == "accepted"
    once(door, town)
