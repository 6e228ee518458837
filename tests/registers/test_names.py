"""Normal forms of names, by example and by property."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cityloom.kernel import characters
from cityloom.registers.rules import forms, names

HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=4)
ANY = st.text(max_size=20)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("王小明", " 王　小 明 "),
        ("曾国藩", "曾國藩"),
        ("李哲", "李喆"),
        ("张坤", "張堃"),
        ("宁静", "甯静"),
        ("林峰", "林峯"),
        ("吉野", "𠮷野"),
        ("阿不都热依木·买买提", "阿不都热依木•买买提"),
        ("阿不都热依木·买买提", "阿不都热依木买买提"),
        ("王小明", "王小明先生"),
        ("LI MING", "ＬＩ　ｍｉｎｇ"),
    ],
)
def test_written_otherwise_it_is_the_same_name(one: str, other: str) -> None:
    first, second = names.person(one), names.person(other)
    assert first is not None
    assert second is not None
    assert first.text == second.text


@pytest.mark.parametrize(
    ("characters_", "letters", "sound"),
    [
        ("王小明", "WANG Xiaoming", "wang xiao ming"),
        ("欧阳娜娜", "Ouyang Nana", "ou yang na na"),
        ("单雄信", "Shan Xiong-xin", "shan xiong xin"),
        ("曾国藩", "Zeng Guofan", "zeng guo fan"),
        ("吕布", "Lü Bu", "lv bu"),
        ("吕布", "Lyu Bu", "lv bu"),
        ("尉迟恭", "Yuchi Gong", "yu chi gong"),
        ("张西安", "Zhang Xi'an", "zhang xian"),
    ],
)
def test_pinyin_meets_the_characters(characters_: str, letters: str, sound: str) -> None:
    written, spoken = names.person(characters_), names.person(letters)
    assert written is not None
    assert spoken is not None
    assert spoken.sound == sound
    assert written.sound.replace(" ", "") == sound.replace(" ", "")


def test_given_and_family_name_may_change_places() -> None:
    one, other = names.person("王小明"), names.person("小明王")
    assert one is not None
    assert other is not None
    assert one.text != other.text
    assert one.characters == other.characters
    assert one.sounds == other.sounds == "ming wang xiao"
    passport = names.person("Xiaoming Wang")
    assert passport is not None
    assert passport.sounds == one.sounds


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("王小明", ("王", "小明")),
        ("欧阳修", ("欧阳", "修")),
        ("欧阳", ("欧", "阳")),
        ("李", ("", "李")),
        ("买买提明江", ("", "买买提明江")),
    ],
)
def test_names_are_cut(written: str, parts: tuple[str, str]) -> None:
    assert names.split(written) == parts


@pytest.mark.parametrize("nothing", [None, "", "  ", "123", "——", "?"])
def test_what_is_no_name_is_none(nothing: str | None) -> None:
    assert names.person(nothing) is None
    assert names.latin(nothing) is None


def test_latin_names() -> None:
    found = names.latin("  O'Brien-Müller,  José ")
    assert found is not None
    assert found.text == "obrien muller jose"
    assert found.words == "jose muller obrien"


@pytest.mark.parametrize(
    ("word", "code"),
    [("robert", "r163"), ("rupert", "r163"), ("ashcraft", "a261"), ("tymczak", "t522"), ("lee", "l000")],
)
def test_soundex_is_that_of_the_archives(word: str, code: str) -> None:
    assert names.soundex(word) == code


@pytest.mark.parametrize(
    ("written", "core", "place", "form"),
    [
        ("深圳市腾讯计算机系统有限公司", "腾讯计算机系统", "深圳", "有限公司"),
        ("腾讯计算机系统（深圳）有限公司", "腾讯计算机系统", "深圳", "有限公司"),
        ("騰訊計算機系統(深圳)有限公司", "腾讯计算机系统", "深圳", "有限公司"),
        ("盐城市亭湖区好再来饭店（个体工商户）", "好再来饭店", "盐城亭湖", ""),
        ("公司", "公司", "", ""),
    ],
)
def test_organisations(written: str, core: str, place: str, form: str) -> None:
    found = names.organisation(written)
    assert found is not None
    assert (found.core, found.place, found.form) == (core, place, form)


@given(HAN)
def test_folding_twice_is_folding_once(name: str) -> None:
    once = name.translate(characters.folding())
    assert once.translate(characters.folding()) == once
    assert len(once) == len(name)


@given(HAN)
def test_the_normal_form_of_a_normal_form_is_itself(name: str) -> None:
    found = names.person(name)
    assert found is not None
    again = names.person(found.text)
    assert again == found
    assert found.family + found.given == found.text


@given(ANY)
def test_any_text_has_a_form_or_none(text: str) -> None:
    for function in (
        names.person,
        names.latin,
        names.organisation,
        forms.date,
        forms.phone,
        forms.identifier,
        forms.address,
    ):
        function(text)
    assert forms.text(text) is None or forms.text(forms.text(text)) == forms.text(text)


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("1980-02-03", "19800203"), ("1980/2/3", "19800203"), ("19800203", "19800203"), ("1980年2月3日", "19800203"),
        ("1980-02", "19800200"), ("1980", "19800000"), ("3/2/1980", "19800203"), ("1980-02-03T10:00:00", "19800203"),
        ("19811340", "19811340"), ("", None), ("unknown", None),
    ],
)  # fmt: skip
def test_dates(written: str, day: str | None) -> None:
    assert forms.date(written) == day


@pytest.mark.parametrize("written", ["+86 138 1234 5678", "0086-13812345678", "１３８１２３４５６７８"])
def test_phones(written: str) -> None:
    assert forms.phone(written) == "13812345678"


@pytest.mark.parametrize(
    ("written", "number"), [("十二", "12"), ("二十", "20"), ("二〇三", "203"), ("一百零五", "105"), ("三", "3")]
)
def test_numerals(written: str, number: str) -> None:
    assert forms.numeral(written) == number


@pytest.mark.parametrize(
    "written",
    [
        "江苏省盐城市亭湖区五星街道建军路128号阳光花园12幢2单元401室",
        "亭湖区建军路128号阳光花园12-2-401",
        "盐城市亭湖区五星街道建军路１２８号阳光花园十二号楼2单元401室",
    ],
)
def test_one_dwelling_has_one_address(written: str) -> None:
    found = forms.address(written)
    assert found is not None
    assert (found.street, found.numbers) == ("建军路阳光花园", "128-12-2-401")
