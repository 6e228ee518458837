"""Records without a number find their entity by what they say; what is doubtful waits for a steward."""

import random
from typing import Any

import pytest

from cityloom.kernel.db import PLATFORM
from cityloom.registers.api import linking
from registers.registers_kit import PERSON, Town, values

BIRTH = """\
title: {en: Births, zh: 出生}
keeper: other
legal_basis: {en: none, zh: 无}
class: event
sharing: conditional
modes: [upsert, delete]
update: {every: irregular}
queryable: true
key: [certificate]
retention: {records: P10Y}
fields:
  - {name: certificate, title: {en: Certificate, zh: 编号}, type: text, required: true}
  - {name: child, title: {en: Child, zh: 姓名}, type: text, personal: true}
  - {name: born, title: {en: Born, zh: 出生日期}, type: date, personal: true}
  - {name: place, title: {en: District, zh: 区}, type: text}
"""
LINKED = (
    PERSON
    + """\
  - dataset: birth
    fields: {name: child, born: born, district: place}
linkage:
  evidence: [{field: name, kind: name}, {field: born, kind: date}, {field: district, kind: category}]
"""
)
FILES = {"exchange/birth.yaml": BIRTH, "registers/person.yaml": LINKED}
SURNAMES, GIVEN = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨", "伟芳娜敏静丽强磊军洋勇艳杰涛明超霞平刚桂英华玉兰梅红建国志文海燕"

pytestmark = pytest.mark.parametrize("town", [FILES], indirect=True)


def people(number: int) -> list[tuple[str, str, str, str]]:
    """Numbers, names, days of birth and districts, always the same."""
    chance = random.Random(11)  # noqa: S311 - no secret
    found = []
    for n in range(number):
        name = chance.choice(SURNAMES) + "".join(chance.choice(GIVEN) for _ in range(2))
        born = f"{chance.randint(1950, 2020)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        found.append((f"p{n:04}", name, born, f"N{chance.randint(1, 5)}"))
    return found


def deliver(town: Town, known: list[tuple[str, str, str, str]], births: list[tuple[str, ...]], id: str = "1") -> None:
    rows = "".join(f"{number},{name},{district},{born},1.00,true\n" for number, name, born, district in known)
    if rows:
        town.civil.deliver(f"p{id}", "id,name,district,born,income,married\n" + rows)
    lines = "".join(",".join(birth) + "\n" for birth in births)
    if lines:
        town.other.deliver(f"b{id}", "certificate,child,born,place\n" + lines, "birth")
    town.follow()


def entity_of(town: Town, dataset: str, key: str) -> Any:
    found = town.rows(
        f"""SELECT c.entity, c.how FROM registers.claim c JOIN registers.feed f ON f.number = c.feed
            WHERE f.dataset = '{dataset}' AND c.key = '{key}' AND c.closed = 0"""
    )
    return found[0]


def test_records_find_their_person_strangers_stay_alone_and_again_changes_nothing(town: Town) -> None:
    known = people(400)
    births: list[tuple[str, ...]] = [
        (f"c{n}", name, born, district) for n, (_, name, born, district) in enumerate(known[:60])
    ]
    births += [(f"s{n}", f"欧阳{GIVEN[n]}", f"1949-01-{n + 1:02}", "N9") for n in range(10)]
    second, twin = ("q1", *known[100][1:]), ("q2", known[101][1][0] + "子涵", *known[101][2:])
    deliver(town, [*known, second, twin], births)
    linking.link(town.platform, "person")
    for n in range(60):
        entity, how = entity_of(town, "birth", f"c{n}")
        assert (entity, how) == (entity_of(town, "resident", known[n][0])[0], 2)
    assert {entity_of(town, "birth", f"s{n}")[1] for n in range(10)} == {1}
    record = town.other.look_up(id=f"P{entity_of(town, 'birth', 'c0')[0]:012}").json()
    assert values(record)["name"] == known[0][1]
    assert [source["how"] for source in record["sources"]] == ["linkage"]
    one, other = sorted(entity_of(town, "resident", key)[0] for key in (known[100][0], "q1"))
    assert one != other  # two numbers of one person are for a steward
    asked = town.rows(f"SELECT why, state FROM registers.doubt WHERE left_entity = {one} AND right_entity = {other}")
    assert asked == [("identifier", "open")]
    assert entity_of(town, "resident", "q2")[0] != entity_of(town, "resident", known[101][0])[0]
    before = town.standing(), town.rows("SELECT count(*) FROM registers.decision")
    linking.link(town.platform, "person")
    assert before == (town.standing(), town.rows("SELECT count(*) FROM registers.decision"))


def test_what_is_new_is_linked_by_what_was_learnt_and_ids_stay(town: Town) -> None:
    known = people(400)
    deliver(town, known, [(f"c{n}", *known[n][1:]) for n in range(40)])
    linking.link(town.platform, "person")
    learnt = town.rows("SELECT trained FROM registers.linkage")
    ids = town.rows(
        "SELECT identifier, entity FROM registers.claim WHERE closed = 0 AND identifier IS NOT NULL ORDER BY 1, 2"
    )
    late = ("p9999", "慕容海燕", "1977-07-17", "N2")
    deliver(town, [], [*((f"d{n}", *known[n][1:]) for n in range(40, 60)), ("e1", *late[1:])], "2")
    linking.link(town.platform, "person")
    assert all(
        entity_of(town, "birth", f"d{n}")[0] == entity_of(town, "resident", known[n][0])[0] for n in range(40, 60)
    )
    assert entity_of(town, "birth", "e1")[1] == 1
    deliver(town, [late], [], "3")
    linking.link(town.platform, "person")
    assert entity_of(town, "birth", "e1") == (entity_of(town, "resident", "p9999")[0], 2)
    assert town.rows("SELECT trained FROM registers.linkage") == learnt
    after = town.rows(
        "SELECT identifier, entity FROM registers.claim WHERE closed = 0 AND identifier IS NOT NULL ORDER BY 1, 2"
    )
    assert [each for each in after if each[0] != "person:number:p9999"] == ids


def test_a_link_that_a_steward_takes_back_is_not_made_again(town: Town) -> None:
    known = people(400)
    deliver(town, known, [(f"c{n}", *known[n][1:]) for n in range(40)])
    alone = entity_of(town, "birth", "c7")[0]
    linking.link(town.platform, "person")
    (decision,) = town.rows(f"SELECT id FROM registers.decision WHERE from_entity = {alone}")
    undone = town.bureau.ask_register("POST", f"person/decisions/{decision[0]}/undo", json={"reason": "a cousin"})
    assert undone.status_code == 200, undone.text
    assert entity_of(town, "birth", "c7")[0] == alone
    with town.parts.db.begin(PLATFORM) as tx:
        tx.execute("DELETE FROM registers.linkage")  # as when the declaration changes: everything is compared anew
    linking.link(town.platform, "person")
    assert entity_of(town, "birth", "c7")[0] == alone
    assert entity_of(town, "birth", "c8")[1] == 2


def test_a_worker_that_dies_between_pages_does_the_rest_later(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    known = people(400)
    deliver(town, known, [(f"c{n}", *known[n][1:]) for n in range(40)])
    monkeypatch.setattr(linking, "PAGE", 15)
    join, calls = linking.store.join, []

    def dying(*arguments: Any) -> int:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("killed")
        return join(*arguments)

    monkeypatch.setattr(linking.store, "join", dying)
    with pytest.raises(RuntimeError, match="killed"):
        linking.link(town.platform, "person")
    assert town.rows("SELECT count(*) FROM registers.claim WHERE how = 2 AND closed = 0") == [(15,)]
    linking.link(town.platform, "person")
    assert town.rows("SELECT count(*), count(DISTINCT key) FROM registers.claim WHERE how = 2 AND closed = 0") == [
        (40, 40)
    ]


def test_stewards_can_have_it_done_now_and_nobody_else(town: Town) -> None:
    assert town.bureau.ask_register("POST", "person/linkage").status_code == 202
    assert town.rows("SELECT count(*) FROM jobs.procrastinate_jobs WHERE task_name = 'registers.link'") == [(1,)]
    assert town.civil.ask_register("POST", "person/linkage").status_code == 403
    assert town.bureau.ask_register("POST", "dwelling/linkage").json()["code"] == "registers.linkage_none"
