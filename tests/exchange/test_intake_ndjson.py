"""NDJSON comes in line by line, with numbers as they were written."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityloom.exchange.intake import ndjson
from cityloom.exchange.intake.columns import Wanted
from cityloom.exchange.intake.limits import Limits
from cityloom.kernel.errors import Invalid, TooLarge
from exchange.intake_reading import read

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffd"), max_size=8)


def put(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    path = folder / "in.ndjson"
    path.write_bytes("\n".join(lines).encode(encoding))
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.lists(st.tuples(TEXT, st.integers(-(10**30), 10**30), st.booleans() | st.none()), min_size=1, max_size=20),
    piece=st.sampled_from([16, 100, ndjson.PIECE]),
    escaped=st.booleans(),
)
def test_any_table_comes_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    table: list[tuple[str, int, bool | None]],
    piece: int,
    escaped: bool,
) -> None:
    monkeypatch.setattr(ndjson, "PIECE", piece)
    lines = [
        json.dumps({"姓名": text, "n": number, "flag": flag}, ensure_ascii=escaped) for text, number, flag in table
    ]
    columns, good, bad = read(put(tmp_path, *lines), "ndjson")
    assert columns == ("姓名", "n", "flag")
    assert bad == []
    assert good == [
        (place, text or None, str(number), None if flag is None else str(flag).lower())
        for place, (text, number, flag) in enumerate(table, 1)
    ]


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    numbers = ["1.10", "1e5", "-2.50E-3", "440301199001011234", "123456789012345678901234567890", "0.1234567890123456789",
               "-0", "1E400", "1e999999999"]  # fmt: skip
    path = put(tmp_path, *(f'{{"n": {number}, "t": "1e5"}}' for number in numbers))
    _, good, bad = read(path, "ndjson")
    assert bad == []
    assert [row[1] for row in good] == [
        "1.10", "100000", "-0.00250", "440301199001011234", "123456789012345678901234567890", "0.1234567890123456789",
        "0", "1" + "0" * 400, "1e999999999",
    ]  # fmt: skip
    assert {row[2] for row in good} == {"1e5"}  # a text is no number


def test_bad_lines_are_set_aside_and_shift_none(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        '{"id": 1, "name": "甲"}',
        '{"id": 2, "name": "乙"',
        "",
        '{"id": 4, "name": {"first": "丁"}}',
        '[5, "戊"]',
        '{"id": 6, "name": "己"} {"id": 6.5}',
        '{"name": "庚"}\r',
        '{"id": 8, "name": "辛", "_note": [1]}',
        '{"id": 9, "name": "壬", "phone": 1}',
        '{"id": NaN, "name": "癸"}',
        '{"id": 11, "name": "\\u0000x"}',
        '{"id": 12, "name": ""}',
    )
    columns, good, bad = read(
        path, "ndjson", fields=[Wanted("id"), Wanted("name", ("姓名",)), Wanted("sex", ("性别",))]
    )
    assert columns == ("id", "name", "phone", "sex")
    assert good == [
        (1, "1", "甲", None, None),
        (7, None, "庚", None, None),
        (8, "8", "辛", None, None),
        (9, "9", "壬", "1", None),
        (12, "12", None, None, None),
    ]
    assert bad == [
        (2, "", "shape", "exchange.row_not_object", '{"id": 2, "name": "乙"'),
        (4, "name", "shape", "exchange.value_nested", '{"first":"丁"}'),
        (5, "", "shape", "exchange.row_not_object", '[5, "戊"]'),
        (6, "", "shape", "exchange.row_not_object", '{"id": 6, "name": "己"} {"id": 6.5}'),
        (10, "", "shape", "exchange.row_not_object", '{"id": NaN, "name": "癸"}'),
        (11, "name", "encoding", "exchange.value_undecodable", "�x"),
    ]


def test_keys_that_come_late_are_known_by_the_fields(tmp_path: Path) -> None:
    lines = [json.dumps({"id": number}) for number in range(1, 1501)]
    lines[1199] = '{"id": 1200, "sex": "1"}'
    lines[1299] = '{"id": 1300, "phone": "1"}'
    lines[1399] = '{"id": 1400, "_note": "x"}'
    columns, good, bad = read(put(tmp_path, *lines), "ndjson", fields=[Wanted("id"), Wanted("sex", ("性别",))])
    assert columns == ("id", "sex")
    assert [row for row in good if row[2]] == [(1200, "1200", "1")]
    assert len(good) == 1499
    assert bad == [(1300, "phone", "shape", "exchange.row_unknown_key", '{"id": 1300, "phone": "1"}')]


def test_gb18030_is_read_too(tmp_path: Path) -> None:
    path = put(tmp_path, '{"姓名": "张三", "街道": "粤海街道"}', '{"姓名": "李四", "街道": "𠮷"}', encoding="gb18030")
    assert read(path, "ndjson")[:2] == (("姓名", "街道"), [(1, "张三", "粤海街道"), (2, "李四", "𠮷")])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "exchange.file_empty"),
        ("\n\n", "exchange.file_no_rows"),
        ('[{"id": 1}]', "exchange.not_ndjson"),
        ("id,name\n1,2\n", "exchange.not_ndjson"),
        ('{\n  "id": 1\n}\n', "exchange.not_ndjson"),
        ("{}\n", "exchange.header_broken"),
        ('{"id": 1, "ID": 2}\n', "exchange.header_repeated"),
    ],
)
def test_what_is_no_ndjson_is_refused(tmp_path: Path, content: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(put(tmp_path, content), "ndjson")
    assert refused.value.code == code


def test_a_line_too_long_is_set_aside(tmp_path: Path) -> None:
    fat = '{"id": 2, "x": "' + "x" * (5 << 20) + '"}'
    _, good, bad = read(put(tmp_path, '{"id": 1}', fat, '{"id": 3}', '{"id": 4}'), "ndjson", fields=[Wanted("x")])
    assert [row[:2] for row in good] == [(1, "1"), (3, "3"), (4, "4")]
    assert bad == [(2, "", "shape", "exchange.row_too_long", fat[:1000])]


def test_too_many_keys_are_refused(tmp_path: Path) -> None:
    line = json.dumps({f"k{number}": 1 for number in range(30)})
    with pytest.raises(TooLarge) as refused:
        read(put(tmp_path, line), "ndjson", limits=Limits(max_columns=29))
    assert (refused.value.code, refused.value.params) == ("exchange.too_many_columns", {"found": 30, "limit": 29})
