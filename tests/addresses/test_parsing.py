"""What addresses say: a table of real life, a grammar of all common forms, and what must hold of any text."""

import csv
import itertools
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from addresses.address_kit import gazetteer
from cityloom.addresses.rules.gazetteer import Gazetteer
from cityloom.addresses.rules.levels import Level, Parsed, write
from cityloom.addresses.rules.numerals import to_digits, to_han
from cityloom.addresses.rules.parsing import canonical, parse

with (Path(__file__).parent / "addresses.csv").open(encoding="utf-8", newline="") as file:
    TABLE = [(row["text"], row["parts"], row["relation"]) for row in csv.DictReader(file)]

FRAMES = {
    "深圳市福田区莲花街道": "city=深圳市 district=福田区 street=莲花街道",
    "廣東省深圳市福田區": "province=广东省 city=深圳市 district=福田区",
    "深圳福田": "city=深圳市 district=福田区",
    "福田区莲花街道办事处福中社区居委会": "district=福田区 street=莲花街道 community=福中社区",
    "": "",
}
PLACES = {
    "红荔路8号": "road=红荔路 number=8",
    "红荔路８號": "road=红荔路 number=8",
    "红荔西路甲8号银盛花园": "road=红荔西路 number=甲8 estate=银盛花园",
    "红荔路8-1号银盛大厦": "road=红荔路 number=8-1 estate=银盛大厦",
    "银盛花园二期": "estate=银盛花园 section=2期",
}
DOORS = {
    "3栋2单元501室": "building=3 unit=2 room=501",
    "三栋二单元五零一": "building=3 unit=2 room=501",
    "3幢501房": "building=3 room=501",
    "3号楼5楼501号房": "building=3 floor=5 room=501",
    "3#楼501": "building=3 room=501",
    "B座1203": "building=B room=1203",
    "3栋A座501": "building=3-A room=501",
    "3-2-501": "building=3 unit=2 room=501",
    "3－2－501": "building=3 unit=2 room=501",
    "十二栋十层": "building=12 floor=10",
    "3栋负一层": "building=3 floor=-1",
    "3栋501室(旺角便利店旁)": "building=3 room=501",
    "3栋501室，电话13800000000": "building=3 room=501",
    "3栋501至尊美发": "building=3 room=501",
}


def _said(parsed: Parsed) -> str:
    return " ".join(f"{part.level.name}={part.name}" for part in parsed.parts)


@pytest.mark.parametrize(("text", "parts", "relation"), TABLE)
def test_the_table(text: str, parts: str, relation: str) -> None:
    parsed = parse(text, gazetteer())
    assert (_said(parsed), parsed.relation) == (parts, relation)


@pytest.mark.parametrize(("frame", "place", "door"), list(itertools.product(FRAMES, PLACES, DOORS)))
def test_every_frame_with_every_place_and_door(frame: str, place: str, door: str) -> None:
    expected = " ".join(filter(None, (FRAMES[frame], PLACES[place], DOORS[door])))
    assert _said(parse(frame + place + door, gazetteer())) == expected


def test_how_many_addresses_are_tried() -> None:
    assert len(TABLE) + len(FRAMES) * len(PLACES) * len(DOORS) >= 500
    assert len({text for text, _, _ in TABLE}) >= 200


def test_a_former_name_leads_to_the_present_divisions() -> None:
    parsed = parse("宝安县西乡镇河西村二坊12号", gazetteer())
    district, street = parsed.parts[:2]
    assert district.former
    assert district.codes == ("440306", "440307", "440309", "440310", "440311")
    assert (street.name, street.former) == ("西乡街道", True)
    assert parsed.division == "440306018"


def test_two_divisions_that_exclude_each_other_are_a_conflict() -> None:
    parsed = parse("深圳市福田区粤海街道科苑路15号", gazetteer())
    assert parsed.conflict
    assert parsed.division == "440304"


def test_a_name_that_many_have_is_that_of_the_home_city() -> None:
    elsewhere = parse("黄海街道1号", gazetteer("3209")).division
    assert elsewhere == "320902051"
    assert parse("南山区科苑路15号", gazetteer()).division == "440305"


def test_a_known_estate_goes_before_the_division_it_begins_with() -> None:
    known = Gazetteer((), places={Level.estate: ["深圳湾一号"], Level.road: ["科技园路"]})
    assert _said(parse("深圳湾一号T3座", known)) == "estate=深圳湾一号 building=T3"
    assert _said(parse("科技园路5号", known)) == "road=科技园路 number=5"


def test_telephone_numbers_are_not_kept() -> None:
    parsed = parse("联系人:王五,13800000000,福田区红荔路8号(0755-12345678)", gazetteer())
    assert "13800000000" not in str(parsed)
    assert "12345678" not in str(parsed)
    assert "王五" not in str(parsed)
    assert _said(parsed) == "district=福田区 road=红荔路 number=8"


@given(st.text(max_size=500))
@settings(max_examples=400, deadline=None)
def test_no_text_breaks_it(text: str) -> None:
    parsed = parse(text, gazetteer())
    assert [part.level for part in parsed.parts] == sorted(part.level for part in parsed.parts)


PIECES = st.lists(
    st.sampled_from([*"深圳市福田区莲花街道路号栋单元室层楼大厦花园村镇东西0123456789AB-第期座一二十百（）,旁对面附近", "科苑路", "3栋"]),
    max_size=40,
).map("".join)  # fmt: skip


@given(PIECES)
@settings(max_examples=800, deadline=None)
def test_no_heap_of_address_words_breaks_it(text: str) -> None:
    parsed = parse(text, gazetteer())
    assert all(part.name for part in parsed.parts)


@given(
    st.sampled_from([text for text, _, _ in TABLE]),
    st.integers(0, 60),
    st.sampled_from([" ", "\u3000", "\t", "\u200b"]),
)
@settings(max_examples=400, deadline=None)
def test_width_and_spaces_say_nothing(text: str, place: int, space: str) -> None:
    wide = "".join(chr(ord(sign) + 0xFEE0) if sign.isascii() and sign.isalnum() else sign for sign in text)
    assert _said(parse(wide, gazetteer())) == _said(parse(text, gazetteer()))
    around = unicodedata.normalize("NFKC", text[max(0, place - 1) : place + 1])  # 2021 is not 2 021
    if not any(sign.isascii() and sign.isalnum() for sign in around):
        assert _said(parse(text[:place] + space + text[place:], gazetteer())) == _said(parse(text, gazetteer()))


@given(
    st.sampled_from(["红荔路", "深南大道", "文心五巷", "东环二路"]), st.integers(1, 9999), st.sampled_from(["银盛花园", "国贸大厦", ""]),
    st.integers(1, 99), st.integers(1, 9), st.integers(1, 40), st.integers(1, 20),
)  # fmt: skip
def test_standard_text_parses_to_itself(
    road: str, number: int, estate: str, building: int, unit: int, floor: int, door: int
) -> None:
    text = f"深圳市福田区莲花街道福中社区{road}{number}号{estate}{building}栋{unit}单元{floor}层{floor}{door:02d}室"
    parsed = parse(text, gazetteer())
    assert write(parsed.parts) == text
    assert _said(parse(write(parsed.parts), gazetteer())) == _said(parsed)


@given(st.integers(0, 9999))
def test_numerals_of_all_numbers(number: int) -> None:
    units = ("", "十", "百", "千")
    digits = str(number)
    spelled = "".join(
        to_han(digit) + units[len(digits) - place - 1] if digit != "0" else "零" for place, digit in enumerate(digits)
    )
    assert to_digits(spelled.rstrip("零") or "零") == digits
    assert to_digits("".join(to_han(digit) for digit in digits)) == digits


@pytest.mark.parametrize(
    ("level", "name", "comparable"),
    [
        (Level.number, "120号", "120"), (Level.building, "十二栋", "12"), (Level.building, "A座", "A"),
        (Level.unit, "2单元", "2"), (Level.room, "1907室", "1907"), (Level.floor, "负一层", "-1"),
        (Level.road, "科技南12路", "科技南十二路"), (Level.estate, "科興科學園", "科兴科学园"), (Level.number, "666弄", "666弄"),
        (Level.section, "二期", "2期"), (Level.group, "三组", "3"),
    ],
)  # fmt: skip
def test_names_of_the_register_in_the_form_of_parts(level: Level, name: str, comparable: str) -> None:
    assert canonical(level, name) == comparable
