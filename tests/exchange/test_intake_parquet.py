"""Parquet columns become text, digit for digit."""

import gzip
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityloom.exchange.intake.limits import Limits
from cityloom.kernel.errors import Invalid, TooLarge, Unsupported
from exchange.intake_reading import read


def put(folder: Path, **columns: pa.Array) -> Path:
    path = folder / "in.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([1, -128, None], pa.int8()), ["1", "-128", None]),
        (pa.array([440301199001011234, 2**63 - 1, -(2**63)]), ["440301199001011234", str(2**63 - 1), str(-(2**63))]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array([Decimal("1.50"), Decimal("-0.01")], pa.decimal128(38, 2)), ["1.50", "-0.01"]),
        (pa.array([1e5, 1.0, 0.1, 123456.789, 1e15]), ["100000", "1", "0.1", "123456.789", "1000000000000000"]),
        (pa.array([1e16, -1e22, 1.2345e17]), ["10000000000000000", "-10000000000000000000000", "123450000000000000"]),
        (pa.array([1e-7, -2.5e-10, 5e-324]), ["0.0000001", "-0.00000000025", "0." + "0" * 323 + "5"]),
        (pa.array([0.1, 1e10], pa.float32()), ["0.1", "10000000000"]),
        (pa.array([float("nan"), float("inf")]), ["nan", "inf"]),
        (pa.array([True, False, None]), ["true", "false", None]),
        (pa.array([date(2020, 1, 31)]), ["2020-01-31"]),
        (pa.array([datetime.fromisoformat("2020-01-31T08:05:01")], pa.timestamp("us")), ["2020-01-31T08:05:01"]),
        (pa.array([datetime.fromisoformat("2020-01-31T08:05:01.250")], pa.timestamp("ms")), ["2020-01-31T08:05:01.25"]),
        (
            pa.array([datetime(2020, 1, 31, 0, 5, tzinfo=UTC)], pa.timestamp("us", tz="Asia/Shanghai")),
            ["2020-01-31T00:05:00Z"],
        ),
        (pa.array([time(8, 5)]), ["08:05:00"]),
        (pa.array(["张三", "", None, "1E5"]), ["张三", None, None, "1E5"]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([b"text", "姓名".encode()]), ["text", "姓名"]),
    ],
)
def test_types_become_text(tmp_path: Path, column: pa.Array, texts: list[str | None]) -> None:
    columns, good, bad = read(put(tmp_path, 值=column), "parquet")
    assert columns == ("值",)
    assert good == list(enumerate(texts, 1))
    assert bad == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_fractions_are_plain_and_exact(tmp_path: Path, numbers: list[float]) -> None:
    texts = [str(row[1]) for row in read(put(tmp_path, n=pa.array(numbers)), "parquet")[1]]
    assert [float(text) for text in texts] == numbers
    assert not any(letter in text for text in texts for letter in "eE+")
    assert not any(text.endswith(".0") for text in texts)


def test_rows_are_numbered_over_row_groups(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"id": range(100_000)}), path, row_group_size=1000)
    assert read(path, "parquet")[1] == [(number + 1, str(number)) for number in range(100_000)]


def test_lost_characters_are_flagged(tmp_path: Path) -> None:
    path = put(
        tmp_path,
        id=pa.array([1, 2, 3, 4]),
        a=pa.array(["x", "x\ufffd", None, "x\0"]),
        b=pa.array(["", "y\0", "z", "z"]),
    )
    _, good, bad = read(path, "parquet")
    assert good == [(1, "1", "x", None), (3, "3", None, "z")]
    assert bad == [
        (2, "a", "encoding", "exchange.value_undecodable", "x\ufffd"),
        (2, "b", "encoding", "exchange.value_undecodable", "y\ufffd"),
        (4, "a", "encoding", "exchange.value_undecodable", "x\ufffd"),
    ]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([[1]]), "BIGINT[]"),
        (pa.array([{"a": 1}]), "STRUCT"),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "MAP"),
    ],
)
def test_nested_types_are_refused(tmp_path: Path, column: pa.Array, kind: str) -> None:
    with pytest.raises(Unsupported) as refused:
        read(put(tmp_path, id=pa.array([1]), deep=column), "parquet")
    assert refused.value.code == "exchange.column_type"
    assert refused.value.params == {"column": "deep", "type": kind}


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, id=pa.array(range(50_000)), text=pa.array([f"text {number}" for number in range(50_000)]))
    whole = path.read_bytes()
    for data in (b"no parquet", whole[:-100], whole[:2000] + bytes(20_000) + whole[22_000:], b"PAR1"):
        path.write_bytes(data)
        with pytest.raises(Invalid) as refused:
            read(path, "parquet")
        assert refused.value.code == "exchange.parquet_unreadable"


def test_text_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        read(put(tmp_path, id=pa.array([b"\xff\xfe"])), "parquet")
    assert refused.value.code == "exchange.parquet_unreadable"


def test_what_a_footer_claims_is_bounded(tmp_path: Path) -> None:
    """A thousand million equal values are a few bytes of run lengths."""
    path = put(tmp_path, id=pa.array(["x" * 100] * 100_000), n=pa.array([1] * 100_000))
    for limits, code in [
        (Limits(max_rows=99_999), "exchange.too_many_rows"),
        (Limits(max_bytes=100), "exchange.unpacked_too_large"),
        (Limits(max_columns=1), "exchange.too_many_columns"),
        (Limits(max_cell_bytes=99), "exchange.cell_too_large"),
    ]:
        with pytest.raises(TooLarge) as refused:
            read(path, "parquet", limits=limits)
        assert refused.value.code == code
    assert len(read(path, "parquet", limits=Limits(max_rows=100_000, max_columns=2, max_cell_bytes=100))[1]) == 100_000


def test_headers_are_checked_and_gzip_is_unpacked(tmp_path: Path) -> None:
    path = put(tmp_path, _row=pa.array([9]), a=pa.array([1]))
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert read(path, "parquet")[:2] == (("a",), [(1, "1")])
    with pytest.raises(Invalid) as refused:
        read(put(tmp_path, a=pa.array([], pa.int64())), "parquet")
    assert refused.value.code == "exchange.file_no_rows"
