"""The address service through the HTTP door: texts, one address with its life, and what happens to addresses.

All tests share one city, each works on addresses of its own; what one delivers another does not look at.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from addresses import town_kit
from addresses.city_kit import City, opened, table
from addresses.town_kit import (
    CHANGED,
    ESTATE,
    GATE,
    HERE,
    ROAD,
    ROOM,
    ROWS,
    SINCE,
    STREET,
    THERE,
    UNIT,
    code,
    deliver,
    row,
)
from cityloom.kernel.access import Principal, Resource
from scratch import Scratch

CELLS = ("code", "division", "name", "since", "until", "longitude", "latitude")
CHANGES = ("changed_on", "kind", "old_code", "old_name", "new_code", "new_name", "approval")


@pytest.fixture(scope="module")
def city(shared_scratch: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with opened(shared_scratch, tmp_path_factory.mktemp("packs")) as found:
        deliver(found, "all", ROWS)
        yield found


def match(city: City, text: str, **more: Any) -> tuple[str, str]:
    (found,) = city.other.match(text, **more)
    return found["decision"], found["code"]


def test_a_text_is_read_into_its_levels(city: City) -> None:
    text = "深圳市福田区莲花街道红荔路8號銀盛花園３棟1單元501（快递放门口）"
    (found,) = city.other.ask("parse", {"texts": [text]}).json()
    assert [(each["level"], each["name"]) for each in found["parts"]] == [
        ("city", "深圳市"), ("district", "福田区"), ("street", "莲花街道"), ("road", "红荔路"), ("number", "8"),
        ("estate", "银盛花园"), ("building", "3"), ("unit", "1"), ("room", "501"),
    ]  # fmt: skip
    assert (found["division"], found["conflict"], found["relation"]) == (STREET, False, "")
    assert found["notes"] == ["快递放门口"]
    assert found["standard"] == "深圳市福田区莲花街道红荔路8号银盛花园3栋1单元501室"


def test_many_texts_are_matched_in_their_order_with_reasons(city: City) -> None:
    found = city.other.match(
        "福田红荔路8号3栋1单元501", "福田区无此路9号", "福田区红荔路12号201", "福田区红荔路8号对面"
    )
    assert [each["decision"] for each in found] == ["matched", "unmatched", "matched", "doubtful"]
    assert [each["code"] for each in found[:3]] == [code(ROOM), "", code(11)]
    best = found[0]["candidates"][0]
    assert (best["code"], best["level"]) == (code(ROOM), "room")
    assert best["full_text"] == "深圳市福田区莲花街道红荔路8号银盛花园3栋1单元501室"
    assert [(each["level"], each["verdict"]) for each in best["levels"]] == [
        ("district", "agreed"), ("road", "agreed"), ("number", "agreed"), ("estate", "missing"), ("building", "agreed"),
        ("unit", "agreed"), ("room", "agreed"),
    ]  # fmt: skip


def test_what_contradicts_is_told(city: City) -> None:
    (found,) = city.other.match("罗湖区红荔路8号银盛花园3栋1单元501室")
    assert found["decision"] == "doubtful"
    wrong = [each for each in found["candidates"][0]["levels"] if each["verdict"] == "differed"]
    assert [(each["level"], each["said"], each["known"]) for each in wrong] == [("district", "罗湖区", "440304")]


def test_an_address_has_its_way_from_the_province(city: City) -> None:
    found = city.other.one(code(ROOM))
    assert [(each["level"], each["name"]) for each in found["path"]] == [
        ("province", "广东省"), ("city", "深圳市"), ("district", "福田区"), ("street", "莲花街道"), ("community", "福中社区"),
        ("road", "红荔路"), ("number", "8号"), ("estate", "银盛花园"), ("building", "3栋"), ("unit", "1单元"), ("room", "501室"),
    ]  # fmt: skip
    assert (found["standing"], found["since"], found["until"], found["division"]) == ("holding", SINCE, None, HERE)
    assert city.other.one(code(ROOM), on="2001-01-01")["standing"] == "to_come"


def test_a_street_is_renumbered(city: City) -> None:
    """The numbers move on by two houses: 14号 becomes 30号, and 14号 is given to another house on the same day."""
    old, now, again = 12, 120, 121
    deliver(city, "renumbered", [
        row(old, ROAD, "number", "14号", "红荔路14号", until=CHANGED, heirs=[now]),
        row(now, ROAD, "number", "30号", "红荔路30号", since=CHANGED),
        row(again, ROAD, "number", "14号", "红荔路14号", since=CHANGED),
    ])  # fmt: skip
    assert match(city, "福田区红荔路30号") == ("matched", code(now))
    assert match(city, "福田区红荔路14号") == ("matched", code(again))
    (before,) = city.other.match("福田区红荔路14号", written="2020-05-01")
    assert (before["code"], before["via"], before["ended"]) == (code(now), code(old), CHANGED)
    assert match(city, "福田区红荔路14号", on="2020-05-01") == ("matched", code(old))
    life = city.other.one(code(old))
    assert (life["standing"], [each["code"] for each in life["successors"]]) == ("ended", [code(now)])
    assert {"day": CHANGED, "kind": "changed", "before": [code(old)], "after": [code(now)]} in life["happenings"]
    assert [each["code"] for each in city.other.one(code(now))["predecessors"]] == [code(old)]


def test_an_address_is_split_and_its_parts_change_again(city: City) -> None:
    old, one, two, last = 13, 130, 131, 132
    deliver(city, "split", [
        row(old, ROAD, "number", "16号", "红荔路16号", until=CHANGED, heirs=[one, two]),
        row(one, ROAD, "number", "16-1号", "红荔路16-1号", since=CHANGED, until="2025-09-01", heirs=[last]),
        row(two, ROAD, "number", "16-2号", "红荔路16-2号", since=CHANGED),
        row(last, ROAD, "number", "40号", "红荔路40号", since="2025-09-01"),
    ])  # fmt: skip
    (found,) = city.other.match("福田区红荔路16号")
    assert found["decision"] == "doubtful"
    assert {each["code"] for each in found["candidates"]} == {code(two), code(last)}
    life = city.other.one(code(old))
    assert [(each["code"], each["steps"]) for each in life["successors"]] == sorted(
        [(code(one), 1), (code(two), 1), (code(last), 2)], key=lambda each: (each[1], each[0])
    )
    kinds = {(each["day"], each["kind"]) for each in life["happenings"]}
    assert {(CHANGED, "split"), ("2025-09-01", "changed")} <= kinds
    assert [each["code"] for each in city.other.one(code(last))["predecessors"]] == [code(one), code(old)]


def test_addresses_are_merged(city: City) -> None:
    one, two, now = 140, 141, 142
    deliver(
        city, "before", [row(one, ROAD, "number", "50号", "红荔路50号"), row(two, ROAD, "number", "52号", "红荔路52号")]
    )
    deliver(city, "merged", [
        row(one, ROAD, "number", "50号", "红荔路50号", until=CHANGED, heirs=[now]),
        row(two, ROAD, "number", "52号", "红荔路52号", until=CHANGED, heirs=[now]),
        row(now, ROAD, "number", "50号", "红荔路50号", since=CHANGED),
    ])  # fmt: skip
    assert match(city, "福田区红荔路52号") == ("matched", code(now))
    life = city.other.one(code(now))
    assert [each["code"] for each in life["predecessors"]] == [code(one), code(two)]
    assert {"day": CHANGED, "kind": "merged", "before": [code(one), code(two)], "after": [code(now)]} in life[
        "happenings"
    ]


def test_an_address_is_abolished(city: City) -> None:
    deliver(city, "gone", [row(14, ROAD, "number", "18号", "红荔路18号", until=CHANGED)])
    (found,) = city.other.match("福田区红荔路18号")
    assert (found["decision"], found["code"], found["ended"]) == ("matched", code(14), CHANGED)
    life = city.other.one(code(14))
    assert (life["standing"], life["successors"]) == ("ended", [])
    assert life["happenings"][-1] == {"day": CHANGED, "kind": "abolished", "before": [code(14)], "after": []}


def test_boundaries_are_redrawn_between_dates(city: City) -> None:
    """12号 lay in 福中社区 until 2025; its rooms go with it, and a text with the old community still agrees."""
    assert match(city, "深圳市福田区莲花街道福中社区红荔路12号")[0] == "doubtful"
    stays = [(code(10), HERE, SINCE, CHANGED), (code(10), THERE, CHANGED, "")]
    city.psb.deliver("address_division", "stays", town_kit.spans(stays))
    city.follow()
    (found,) = city.other.match("深圳市福田区莲花街道福中社区红荔路12号201室")
    assert (found["decision"], found["code"]) == ("matched", code(11))
    assert ("community", "former") in [(each["level"], each["verdict"]) for each in found["candidates"][0]["levels"]]
    now, then, before = (city.other.one(code(11), on=day) for day in ("2026-01-01", "2025-05-31", "2001-01-01"))
    assert [(each["division"], each["division_then"], each["division_then_name"]) for each in (now, then, before)] == [
        (THERE, THERE, "莲花北社区"), (THERE, HERE, "福中社区"), (THERE, "", ""),
    ]  # fmt: skip
    assert [each["code"] for each in now["spans"]] == [HERE, THERE]


def test_a_division_is_renamed_and_its_old_name_is_understood(city: City) -> None:
    renamed = [("2020-07-01", "renamed", HERE, "老福中社区", HERE, "福中社区", "深民〔2020〕1号")]
    before = match(city, "福田区莲花街道老福中社区红荔路8号")
    city.civil.deliver("division_change", "renamed", table(CHANGES, renamed))
    city.follow()
    (found,) = city.other.match("福田区莲花街道老福中社区红荔路8号")
    assert before[0] == "matched"  # a name that no list has neither agrees nor differs
    verdicts = {each["level"]: each["verdict"] for each in found["candidates"][0]["levels"]}
    assert (found["code"], verdicts["community"]) == (code(GATE), "former")
    then = city.other.one(code(GATE), on="2020-06-30")
    assert (then["division_then"], then["division_then_name"]) == (HERE, "老福中社区")
    assert [(each["kind"], each["old_name"]) for each in then["divisions"]] == [("renamed", "老福中社区")]


def test_cells_of_the_grid_change(city: City) -> None:
    old, new = f"{HERE}001", f"{HERE}002"
    cells = [(old, HERE, "第1网格", SINCE, CHANGED, "", ""), (new, HERE, "第2网格", CHANGED, "", "", "")]
    city.grid.deliver("grid_cell", "cells", table(CELLS, cells))
    stays = [(code(ESTATE), old, SINCE, CHANGED), (code(ESTATE), new, CHANGED, "")]
    city.grid.deliver("address_cell", "stays", table(("address", "cell", "since", "until"), stays))
    city.follow()
    then, now = (city.other.one(code(ROOM), on=day) for day in ("2020-01-01", "2026-01-01"))
    assert [(each["cell"], each["cell_name"]) for each in (then, now)] == [(old, "第1网格"), (new, "第2网格")]
    assert city.other.one(code(GATE))["cell"] == ""  # nobody said in which cell the gate lies


def test_another_citys_address_is_none_of_ours(city: City) -> None:
    for text in ("北京市朝阳区红荔路8号", "江苏省盐城市亭湖区红荔路8号银盛花园3栋1单元501室"):
        (found,) = city.other.match(text)
        assert found["decision"] == "unmatched", text
        assert found["score"] <= 0.3


@pytest.mark.parametrize(
    "written", ["红荔路8号", "红荔路８号", "红荔路八号", "紅荔路8號", "红荔路⑧号", "红 荔 路 8 号", "红荔路8号\u200b"]
)
def test_digits_of_all_widths_and_scripts(city: City, written: str) -> None:
    assert match(city, f"福田区{written}") == ("matched", code(GATE))


@pytest.mark.parametrize("text", [
    "'; DROP TABLE addresses.entry; --", "红荔路8号' OR '1'='1", "%_%_%", "{{7*7}}", "=HYPERLINK(\"http://x\")", "\\", "🏠" * 200,
    "路" * 1000, "1-" * 500, "((((" * 250, "福田区" * 330, "一二三四五六七八九十" * 100, "\u202e红荔路", "a\x7f",
])  # fmt: skip
def test_hostile_texts_are_answered_and_change_nothing(city: City, text: str) -> None:
    (found,) = city.other.match(text)
    assert found["decision"] in ("unmatched", "doubtful", "matched")
    assert city.other.ask("parse", {"texts": [text]}).status_code == 200
    assert city.other.get(q=text[:200]).status_code == 200
    assert match(city, "福田区红荔路8号") == ("matched", code(GATE))


@pytest.mark.parametrize("body", [
    {"texts": []}, {"texts": [""]}, {"texts": ["x" * 1001]}, {"texts": ["x"] * 1001}, {"texts": ["x"], "within": "44030"},
    {"texts": ["x"], "candidates": 7}, {"texts": ["x"], "more": 1}, {"texts": ["x"], "on": "2026-13-01"},
])  # fmt: skip
def test_wishes_beyond_their_limits_are_refused(city: City, body: Any) -> None:
    answer = city.other.ask("match", body)
    assert answer.status_code == 400
    assert answer.json()["code"]


def test_typing_finds_roads_doors_and_codes(city: City) -> None:
    def typed(q: str, **more: str) -> list[str]:
        return [each["code"] for each in city.other.get(q=q, limit=200, **more).json()]

    assert typed("红荔") == [code(ROAD)]
    assert typed("银盛") == [code(ESTATE)]
    assert code(GATE) in typed("福田区红荔路8")
    assert set(typed("红荔路1")) >= {code(10), code(11 - 1)}
    assert typed(code(ROOM)[:20]) == [code(ROOM)]
    assert typed("红荔", within="440303") == []
    assert typed("", within=code(UNIT)) == [code(ROOM), code(7)]
    assert typed("502", within=code(UNIT)) == [code(7)]
    assert typed("") == []
    assert typed("没有这样的名字") == []


def test_an_unknown_code_is_told(city: City) -> None:
    answer = city.other.get(f"/{code(99999)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "addresses.address_unknown")
    assert city.other.get("/x").status_code == 404


def test_a_correction_a_withdrawal_and_an_erasure_are_followed(city: City) -> None:
    first = [row(200, ROAD, "number", "200号", "红荔路200号"), row(201, 200, "room", "301室", "红荔路200号301室")]
    deliver(city, "first", first)
    assert match(city, "福田区红荔路200号301") == ("matched", code(201))
    deliver(city, "corrected", [row(201, 200, "room", "302室", "红荔路200号302室")])
    assert match(city, "福田区红荔路200号302") == ("matched", code(201))
    assert match(city, "福田区红荔路200号301")[0] == "doubtful"
    address = "/api/exchange/datasets/standard_address/deliveries/corrected"
    answer = city.psb.client.delete(address, params={"reason": "wrong file"}, headers=city.psb.headers)
    assert answer.status_code == 200, answer.text
    city.follow()
    assert match(city, "福田区红荔路200号301") == ("matched", code(201))
    wish = {"keys": [[code(201)]], "legal_basis": "court order"}
    erased = city.psb.client.post(
        "/api/exchange/datasets/standard_address/erasures", json=wish, headers=city.psb.headers
    )  # fmt: skip
    assert erased.status_code == 200, erased.text
    city.follow()
    assert city.other.get(f"/{code(201)}").status_code == 404
    assert city.rows(f"SELECT below FROM addresses.entry WHERE code = '{code(200)}'") == [(0,)]


def test_each_change_counts_once_whoever_follows(city: City) -> None:
    """Following again and again, and from a process that knows nothing, changes nothing; what came late is taken in."""
    deliver(city, "once", [row(210, ROAD, "number", "210号", "红荔路210号")])
    before = city.rows("SELECT * FROM addresses.entry ORDER BY code")
    sequence = city.rows("SELECT sequence FROM addresses.feed WHERE part = 'addresses'")
    for _ in range(2):
        city.follow()
    assert city.rows("SELECT * FROM addresses.entry ORDER BY code") == before
    assert city.rows("SELECT sequence FROM addresses.feed WHERE part = 'addresses'") == sequence
    state = city.other.get("/library").json()
    (own,) = (each for each in state["sources"] if each["part"] == "addresses")
    assert own["sequence"] == own["last_sequence"] == sequence[0][0]
    assert (state["home"], own["dataset"]) == ("4403", "standard_address")


def test_who_dies_between_a_page_and_its_cursor_leaves_neither(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    from cityloom.addresses.store import feeds

    def dies(*_: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(feeds, "follow", dies)
        deliver(city, "half", [row(215, ROAD, "number", "215号", "红荔路215号")])
    assert match(city, "福田区红荔路215号")[0] == "doubtful"
    assert city.rows(f"SELECT count(*) FROM addresses.entry WHERE code = '{code(215)}'") == [(0,)]
    city.follow()
    assert match(city, "福田区红荔路215号") == ("matched", code(215))


def test_a_snapshot_begun_anew_leaves_what_is_so(city: City) -> None:
    """As after a time away that was longer than change rows are kept."""
    import psycopg

    deliver(city, "snap", [row(220, ROAD, "number", "220号", "红荔路220号")])
    columns = "code, parent, level, name, division, below, said, full_text"
    before = city.rows(f"SELECT {columns} FROM addresses.entry ORDER BY code")
    with psycopg.connect(city.admin_url, autocommit=True) as connection:
        connection.execute("UPDATE addresses.feed SET snapshot = 0 WHERE part = 'addresses'")
        connection.execute(
            "UPDATE addresses.entry SET said = 'wrong' WHERE code = %s", [code(220)]
        )  # fmt: skip
        connection.execute(
            "INSERT INTO addresses.entry SELECT '440304008001999999994', parent, level, '999', division, since, until, 0, 0,"
            " replaced_by, '999号', full_text FROM addresses.entry WHERE code = %s", [code(220)]
        )  # fmt: skip
    assert match(city, "福田区红荔路999号")[1] == "440304008001999999994"
    city.follow()
    assert city.rows(f"SELECT {columns} FROM addresses.entry ORDER BY code") == before


def test_a_name_that_nobody_has_any_more_is_forgotten(city: City) -> None:
    from cityloom.addresses import jobs

    deliver(city, "named", [row(230, 0, "estate", "无忧花园", "无忧花园")])
    assert match(city, "福田区无忧花园") == ("matched", code(230))
    deliver(city, "renamed", [row(230, 0, "estate", "忘忧花园", "忘忧花园")])
    jobs.tidy(city.platform)
    names = [name for (name,) in city.rows("SELECT name FROM addresses.name WHERE level = 9")]
    assert "忘忧花园" in names
    assert "无忧花园" not in names
    assert match(city, "福田区忘忧花园") == ("matched", code(230))


def test_the_register_of_places_has_the_history_of_a_record(city: City) -> None:
    """Known on a day, with its source, and with what it lies in."""
    deliver(city, "placed", [row(240, ROAD, "number", "240号", "红荔路240号")])
    city.follow_registers()
    before = city.clock.now().isoformat()
    city.clock.turn(hours=1)
    deliver(city, "placed-2", [row(240, ROAD, "number", "240号", "红荔路240号", until=CHANGED, heirs=[GATE])])
    city.follow_registers()
    now, then = city.psb.place(code(240)).json(), city.psb.place(code(240), known_on=before).json()
    fields = [{each["name"]: each for each in found["fields"]} for found in (now, then)]
    assert [each.get("until", {}).get("value") for each in fields] == [CHANGED, None]
    source = fields[0]["until"]["source"]
    assert (source["dataset"], source["delivery"]) == ("standard_address", "placed-2")
    (link,) = now["links"]
    assert (link["name"], link["register"]) == ("lies_in", "place")
    assert link["id"] == city.psb.place(code(ROAD)).json()["id"]
    assert city.other.place(code(240)).status_code == 404  # the register shows nobody more than the dataset's own terms


def test_sharing_decides_who_may_read(city: City) -> None:
    """Unconditional: whoever works with data. Otherwise their keeper alone; and never somebody without such a role."""

    def may(organisation: str, role: str, sharing: str) -> bool:
        who = Principal("x", organisation, frozenset({role}))
        thing = Resource("AddressSource", "standard_address", {"keeper": "psb", "sharing": sharing})
        return city.parts.policies.permits(who, "addresses.read", thing, "")

    assert [may("other", role, "unconditional") for role in ("data_officer", "steward", "analyst", "system_admin")] == [
        True, True, True, False,
    ]  # fmt: skip
    for sharing in ("conditional", "refused"):
        assert not may("other", "data_officer", sharing)
        assert may("psb", "analyst", sharing)


def test_who_may_not_work_with_data_is_refused(city: City) -> None:
    before = city.rows("SELECT count(*) FROM addresses.entry")
    headers = {**city.other.headers, "authorization": "Bearer ctl_wrong"}
    for path in ("", "/library", f"/{code(ROOM)}"):
        assert city.other.client.get(f"/api/addresses{path}", headers=headers).status_code == 401
    assert city.rows("SELECT count(*) FROM addresses.entry") == before


def test_the_audit_log_has_how_many_and_no_text(city: City) -> None:
    city.other.match("福田区红荔路8号", "福田区无此路9号")
    (body,) = city.rows(
        "SELECT body FROM kernel.audit_entry ORDER BY position DESC LIMIT 1"
    )[0]  # fmt: skip
    assert '"action":"addresses.matched"' in body
    assert '"matched":1' in body
    assert "红荔路" not in body
