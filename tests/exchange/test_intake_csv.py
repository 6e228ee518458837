"""CSV comes in with every row under its number, whatever its encoding, size and faults."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityloom.exchange.intake import delimited
from cityloom.exchange.intake.limits import Limits
from cityloom.kernel.errors import Invalid, TooLarge, Unsupported
from exchange.intake_reading import read

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\x1f\ufffd")
    | st.sampled_from('",;\t\r\n\' 深圳𠮷㐂龴\ue000é"'),
    max_size=8,
)
ENCODINGS = ["utf-8", "utf-8-sig", "gb18030", "utf-16"]


def written(table: list[list[str]], delimiter: str = ",", **options: str) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=delimiter, **options).writerows(table)  # type: ignore[arg-type]
    return buffer.getvalue()


@st.composite
def tables(draw: st.DrawFn) -> list[list[str]]:
    width = draw(st.integers(1, 5))
    return draw(st.lists(st.lists(TEXT, min_size=width, max_size=width), min_size=1, max_size=30))


def as_2022(text: str) -> str:
    from cityloom.exchange.intake.decode import SINCE_2022

    return text.translate(SINCE_2022)


@pytest.mark.parametrize("piece", [7, 64, delimited.PIECE])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables(), encoding=st.sampled_from(ENCODINGS), delimiter=st.sampled_from(",;\t"))
def test_any_table_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, table: list[list[str]], encoding: str, delimiter: str
) -> None:
    monkeypatch.setattr(delimited, "PIECE", piece)
    header = [f"column{place}" for place in range(len(table[0]))]
    path = tmp_path / "any.csv"
    path.write_bytes(written([header, *table], delimiter).encode(encoding))
    charset = "gb18030" if encoding == "gb18030" else ""  # a few bytes alone may be both

    columns, good, bad = read(path, "csv", charset=charset)

    modern = as_2022 if encoding == "gb18030" else str
    assert columns == tuple(header)
    assert bad == []
    assert good == [(number, *(modern(value) or None for value in row)) for number, row in enumerate(table, 1)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.text(st.sampled_from('ab,,""\n\n\r'), min_size=1, max_size=60))
def test_where_a_piece_ends_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Whatever is wrong with a file, it does not depend on where the reading paused."""
    path = tmp_path / "odd.csv"
    path.write_bytes(b"x,y\n" + body.encode() + b"\nz,z\n")
    found = []
    for piece in (1, 5, 17, delimited.PIECE):
        monkeypatch.setattr(delimited, "PIECE", piece)
        found.append(read(path, "csv"))
    assert found[0] == found[1] == found[2] == found[3]


def test_a_broken_row_shifts_no_other(tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_bytes(
        "id,name,note\r\n"
        "1,甲,\r\n"
        "2,乙\r\n"
        "3,丙,x,y\r\n"
        '4,"丁\r\n街",z\r\n'
        "\r\n"
        '6,"己,z\r\n'
        '7,庚"号",z\r\n'
        '8,"辛"号,z\r\n'
        '9,"壬""号""",z\r\n'
        ",,\r\n"
        '11,"open to the end\r\n'
        "12,last,without newline".encode()
    )

    columns, good, bad = read(path, "csv")

    assert columns == ("id", "name", "note")
    assert good == [
        (1, "1", "甲", None),
        (4, "4", "丁\r\n街", "z"),
        (7, "7", '庚"号"', "z"),
        (9, "9", '壬"号"', "z"),
        (10, None, None, None),
        (12, "12", "last", "without newline"),
    ]
    assert bad == [
        (2, "", "shape", "exchange.row_too_few", "2,乙"),
        (3, "", "shape", "exchange.row_too_many", "3,丙,x,y"),
        (6, "", "shape", "exchange.row_quotes", '6,"己,z'),
        (8, "", "shape", "exchange.row_quotes", '8,"辛"号,z'),
        (11, "", "shape", "exchange.row_quotes", '11,"open to the end'),
    ]


def test_row_numbers_hold_over_many_pieces(tmp_path: Path) -> None:
    """200,000 rows, of which each 1,000th is broken: what a row says and its number agree everywhere."""
    path = tmp_path / "long.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id,text\n")
        for number in range(1, 200_001):
            file.write(f"{number}\n" if number % 1000 == 0 else f'{number},"深圳\n{number}"\n')
    _, good, bad = read(path, "csv")
    assert [row[0] for row in bad] == list(range(1000, 200_001, 1000))
    assert [(row[0], row[1], row[2]) for row in good] == [
        (number, str(number), f"深圳\n{number}") for number in range(1, 200_001) if number % 1000
    ]


@pytest.mark.parametrize(
    ("head", "columns"),
    [
        (b"a,b;c,d\n1,2,3\n", ("a", "b;c", "d")),
        (b"a;b;c\n1;2;3\n", ("a", "b", "c")),
        (b"a\tb,c\td\n1\t2\t3\n", ("a", "b,c", "d")),
        (b'"a;;;",b\n1,2\n', ("a;;;", "b")),
        (b'"a\n(required)",b\r\n1,2\r\n', ("a\n(required)", "b")),
        (b"\r\n\n a , b\n1,2\n", ("a", "b")),
        (b"only\n1,2;3\t4\n", ("only",)),
        (b"_note,a\nx,1\n", ("a",)),
    ],
)
def test_the_header_decides(tmp_path: Path, head: bytes, columns: tuple[str, ...]) -> None:
    path = tmp_path / "head.csv"
    path.write_bytes(head)
    found, good, bad = read(path, "csv")
    assert found == columns
    assert [row[0] for row in good] == [1]
    assert bad == []


def test_lines_may_end_in_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "mac.csv"
    path.write_bytes(b"a,b\r1,2\r\r3,4")
    assert read(path, "csv")[1] == [(1, "1", "2"), (3, "3", "4")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "exchange.file_empty"),
        (b"\xef\xbb\xbf", "exchange.file_empty"),
        (b"\r\n\r\n", "exchange.file_empty"),
        (b"a,b\n", "exchange.file_no_rows"),
        (b"a,b\r\n\r\n\r\n", "exchange.file_no_rows"),
        (b"a,b", "exchange.file_no_rows"),
        (b"a,,c\n1,2,3\n", "exchange.header_unnamed"),
        (b"a,b,\n1,2,3\n", "exchange.header_unnamed"),
        (b"name,Name\n1,2\n", "exchange.header_repeated"),
        (b'"a"b,c\n1,2\n', "exchange.header_broken"),
        (b"_a,_b\n1,2\n", "exchange.header_broken"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "head.csv"
    path.write_bytes(content)
    with pytest.raises(Invalid) as refused:
        read(path, "csv")
    assert refused.value.code == code


def test_a_million_columns_are_refused_by_the_header(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = ",".join(f"c{place}" for place in range(1_000_000))
    path.write_text(f"{names}\n{names}\n")
    with pytest.raises(TooLarge) as refused:
        read(path, "csv", limits=Limits(max_line_bytes=8 << 20))
    assert (refused.value.code, refused.value.params) == (
        "exchange.too_many_columns", {"found": 1_000_000, "limit": 2000},
    )  # fmt: skip
    with pytest.raises(TooLarge) as refused:
        read(path, "csv")
    assert refused.value.code == "exchange.too_many_columns"


def test_the_limit_of_columns_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("a,b,c\n1,2,3\n")
    assert len(read(path, "csv", limits=Limits(max_columns=3))[0]) == 3
    with pytest.raises(TooLarge):
        read(path, "csv", limits=Limits(max_columns=2))


def test_a_row_too_long_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "fat.csv"
    fat = b"2," + b"x" * (5 << 20)
    path.write_bytes(b"a,b\n1,x\n" + fat + b"\n3,y\n4," + b"z" * 1000 + b"\n")
    _, good, bad = read(path, "csv")
    assert [row[:2] for row in good] == [(1, "1"), (3, "3"), (4, "4")]
    assert bad == [(2, "", "shape", "exchange.row_too_long", fat[:1000].decode())]


def test_a_header_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fat.csv"
    path.write_bytes(b"a," + b"b" * (2 << 20) + b"\n1,2\n")
    with pytest.raises(TooLarge) as refused:
        read(path, "csv")
    assert refused.value.code == "exchange.header_too_long"


def test_what_cannot_be_decoded_is_set_aside_by_its_row(tmp_path: Path) -> None:
    path = tmp_path / "damaged.csv"
    path.write_bytes(
        "id,姓名,街道\n1,张三,粤海\n2,".encode("gb18030") + b"\xff\xb0," + "南头\n3,李四,西丽\n".encode("gb18030")
    )
    _, good, bad = read(path, "csv")
    assert good == [(1, "1", "张三", "粤海"), (3, "3", "李四", "西丽")]
    assert bad == [(2, "姓名", "encoding", "exchange.value_undecodable", "��")]


def test_one_bad_byte_does_not_make_utf8_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "damaged.csv"
    path.write_bytes("id,姓名\n1,张三\n2,李".encode() + b"\xe5\x9b" + "\n3,王五\n4,赵\0六\n".encode())
    _, good, bad = read(path, "csv")
    assert good == [(1, "1", "张三"), (3, "3", "王五")]
    assert bad == [
        (2, "姓名", "encoding", "exchange.value_undecodable", "李�"),
        (4, "姓名", "encoding", "exchange.value_undecodable", "赵�六"),
    ]


def test_binary_is_no_csv(tmp_path: Path) -> None:
    path = tmp_path / "image.csv"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(Unsupported) as refused:
        read(path, "csv")
    assert refused.value.code == "exchange.not_text"
