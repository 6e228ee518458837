"""The registers follow the change rows: each change once, in any pages, whoever dies; ids stay."""

import random
from typing import Any

import pytest

from cityloom.exchange.api import excerpts, retention
from cityloom.exchange.contracts import Excerpt
from cityloom.kernel.db import PLATFORM
from cityloom.kernel.errors import Gone
from cityloom.registers import jobs
from cityloom.registers.api import following
from cityloom.registers.store import feeds
from registers.registers_kit import Town, values

HEADER = "id,name,district,born,income,married\n"


def row(id: str, name: str = "Some Body", born: str = "1980-01-01") -> str:
    return f"{id},{name},N1,{born},1.00,true\n"


def entity(town: Town, number: str) -> Any:
    (found,) = town.rows(
        f"SELECT DISTINCT entity FROM registers.claim WHERE identifier = 'person:number:{number}' AND closed = 0"
    )
    return found[0]


def test_records_of_one_number_are_one_entity_and_those_without_stand_alone(town: Town) -> None:
    people = town.rows("SELECT identifier, count(*), count(DISTINCT entity) FROM registers.claim GROUP BY 1 ORDER BY 1")
    assert people == [
        ("dwelling:number:a1", 1, 1), ("dwelling:number:h1", 1, 1), ("dwelling:number:h2", 1, 1),
        ("person:number:a1", 2, 1), ("person:number:a2", 2, 1), ("person:number:a3", 1, 1), ("person:number:b9", 1, 1),
        (None, 1, 1),
    ]  # fmt: skip
    assert town.rows("SELECT how, count(*) FROM registers.claim GROUP BY 1 ORDER BY 1") == [(0, 9), (1, 1)]
    jobs.count(town.platform)
    state = town.civil.ask_register("GET", "person").json()
    size = state["size"]
    assert (size["entities"], size["records"], size["alone"], size["linked"], state["doubts"]) == (5, 7, 1, 0, 0)
    town.clock.turn(hours=1)
    jobs.count(town.platform)  # nothing has come in, so nothing is counted
    assert town.civil.ask_register("GET", "person").json() == state
    assert [(feed["dataset"], feed["sequence"] == feed["last_sequence"]) for feed in state["feeds"]] == [
        ("resident", True), ("tenant", True),
    ]  # fmt: skip


def test_a_person_who_left_and_comes_back_is_the_same_one(town: Town) -> None:
    before = entity(town, "a3")
    town.civil.deliver("d2", "id\na3\n", mode="delete")
    town.follow()
    assert not town.rows("SELECT FROM registers.claim WHERE identifier = 'person:number:a3' AND closed = 0")
    town.civil.deliver("d3", HEADER + row("a3", "Cleo Cedar"))
    town.follow()
    assert entity(town, "a3") == before


def test_a_corrected_number_takes_the_record_to_its_person(town: Town) -> None:
    town.housing.deliver("t2", "contract,person,name,born,dwelling\nc2,a3,Cleo Cedar,2001-07-03,h1\n", "tenant")
    town.follow()
    assert town.rows("SELECT entity FROM registers.claim WHERE key = 'c2' AND closed = 0") == [(entity(town, "a3"),)]
    assert town.rows("SELECT count(*) FROM registers.claim WHERE identifier = 'person:number:a2' AND closed = 0") == [
        (1,)
    ]


def test_a_corrected_number_that_nobody_has_keeps_a_lone_record_but_parts_it_from_others(town: Town) -> None:
    alone, shared = entity(town, "b9"), entity(town, "a1")
    rows = "c3,b8,Zoe Zander,1970-01-01,h2\nc1,a9,Anna Other,1980-05-01,h1\n"
    town.housing.deliver("t2", "contract,person,name,born,dwelling\n" + rows, "tenant")
    town.follow()
    assert entity(town, "b8") == alone
    assert entity(town, "a1") == shared
    assert entity(town, "a9") not in (alone, shared)


def test_a_number_that_appears_later_attaches_the_record(town: Town) -> None:
    (lone,) = town.rows("SELECT entity FROM registers.claim WHERE key = 'c4'")
    town.housing.deliver("t2", "contract,person,name,born,dwelling\nc4,a1,Anna Apple,1980-05-01,h1\n", "tenant")
    town.follow()
    assert town.rows("SELECT entity, how FROM registers.claim WHERE key = 'c4' AND closed = 0") == [
        (entity(town, "a1"), 0)
    ]
    assert lone[0] != entity(town, "a1")


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_any_pages_come_to_the_same_and_equal_the_datasets(
    town: Town, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(following, "PAGE", size)
    chance = random.Random(7)  # noqa: S311 - no secret
    for number in range(12):
        ids = chance.sample([f"p{n}" for n in range(8)], 4)
        if chance.random() < 0.3:
            town.civil.deliver(f"m{number}", "id\n" + "".join(f"{id}\n" for id in ids), mode="delete")
        else:
            town.civil.deliver(f"m{number}", HEADER + "".join(row(id, f"Name {chance.random()}") for id in ids))
        if chance.random() < 0.4:
            town.follow()
    town.civil.withdraw("m0")
    town.follow()
    feed = excerpts.records(town.platform, "resident", Excerpt(("id", "name")))
    expected = sorted((line["id"], line["name"]) for batch in feed.batches() for line in batch.to_pylist())
    feed.close()
    standing = town.rows(
        """SELECT c.key, c.record::json ->> 'name' FROM registers.claim c JOIN registers.feed f ON f.number = c.feed
           WHERE f.dataset = 'resident' AND c.closed = 0 ORDER BY 1"""
    )
    assert standing == expected
    overlaps = town.rows(
        """SELECT FROM registers.claim a JOIN registers.claim b ON a.feed = b.feed AND a.key = b.key
             AND (a.since, coalesce(a.until, 'infinity'), a.sequence) < (b.since, coalesce(b.until, 'infinity'), b.sequence)
           WHERE coalesce(a.until, 'infinity') > b.since"""
    )
    assert not overlaps
    several = town.rows(
        "SELECT identifier FROM registers.claim WHERE identifier IS NOT NULL GROUP BY 1 HAVING count(DISTINCT entity) > 1"
    )
    assert not several


def test_a_worker_that_dies_in_a_page_leaves_nothing_of_it(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAGE", 2)
    town.civil.deliver("d2", HEADER + "".join(row(f"n{n}") for n in range(7)))
    write, calls = feeds.write, []

    def dying(*arguments: Any) -> None:
        write(*arguments)
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("killed")

    monkeypatch.setattr(feeds, "write", dying)
    town.follow()
    assert town.rows("SELECT count(*) FROM registers.claim WHERE identifier LIKE 'person:number:n%'") == [(2,)]
    town.follow()
    assert town.rows(
        "SELECT count(*), count(DISTINCT entity) FROM registers.claim WHERE identifier LIKE 'person:number:n%'"
    ) == [(7, 7)]


def test_a_feed_that_was_away_too_long_begins_from_the_state_and_ids_stay(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = town.standing()
    town.civil.deliver("d2", HEADER + row("a9", "Nina New"))
    town.civil.deliver("d3", "id\na3\n", mode="delete")

    def gone(*_: Any) -> None:
        raise Gone("exchange.changes_gone", since=0, floor=9, dataset="resident")

    monkeypatch.setattr(excerpts, "changes", gone)
    town.follow()
    after = town.standing()
    kept = [each for each in before if each[3] != "person:number:a3"]
    assert [each for each in after if each[3] != "person:number:a9"] == kept
    assert values(town.civil.person("a9"))["name"] == "Nina New"


def test_a_feed_that_no_pack_declares_any_more_takes_its_claims_along(town: Town) -> None:
    with town.parts.db.begin(PLATFORM) as tx:
        tx.execute("INSERT INTO registers.feed (register, dataset, organisation) VALUES ('person', 'old', 'civil')")
        tx.execute(
            """INSERT INTO registers.claim (entity, feed, how, sequence, since, key, delivery, record)
               SELECT 1, number, 0, 1, now(), 'k', 'd', '{}' FROM registers.feed WHERE dataset = 'old'"""
        )
    following.install(town.platform)
    assert not town.rows("SELECT FROM registers.claim WHERE key = 'k'")


def test_history_is_forgotten_with_the_change_rows_that_it_came_from(town: Town) -> None:
    town.civil.deliver("d2", HEADER + row("a1", "Anna Ash") + row("a2", "Bert Ash"))
    town.civil.deliver("d3", "id\na2\n", mode="delete")
    town.follow()
    following.tidy(town.platform)
    ended = "SELECT count(*) FROM registers.claim WHERE closed <> 0"
    assert town.rows(ended) == [(3,)]
    before = town.standing()
    town.clock.turn(days=800)
    retention.retain(town.platform)
    following.tidy(town.platform)
    assert town.rows(ended) == [(0,)]
    assert town.standing() == before
