"""The commands of addresses, over the real application in this process."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from typer.testing import CliRunner

from addresses.city_kit import City, opened
from addresses.town_kit import GATE, ROOM, ROWS, UNIT, code, deliver
from cityloom import client
from cityloom.addresses import commands
from scratch import Scratch

TEXTS = ["福田红荔路8号3栋1单元501", "福田区红荔路8号对面", "", "=1+1", "福田区无此路9号"]
VERDICTS = ["matched", "doubtful", "unmatched", "unmatched", "unmatched"]


@pytest.fixture(scope="module")
def city(shared_scratch: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    with opened(shared_scratch, tmp_path_factory.mktemp("packs")) as found:
        deliver(found, "all", ROWS)
        yield found


@pytest.fixture(autouse=True)
def door(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands speak to the application without a port between."""
    doors = client.Exchange("http://testserver.local", "")
    doors.http.close()
    doors.http = city.other.client
    monkeypatch.setattr(city.other.client, "headers", city.other.headers)

    @contextmanager
    def opened_here(url: str, token: str) -> Iterator[client.Exchange]:
        yield doors

    monkeypatch.setattr(commands, "opened", opened_here)


def run(*words: str) -> Any:
    done = CliRunner().invoke(commands.app, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_texts_and_single_addresses() -> None:
    assert run("parse", TEXTS[0])[0]["standard"] == "福田区红荔路8号3栋1单元501室"
    assert [each["code"] for each in run("match", TEXTS[0], "福田区红荔路8号")] == [code(ROOM), code(GATE)]
    assert run("show", code(ROOM), "--on", "2001-01-01")["standing"] == "to_come"
    assert [each["code"] for each in run("search", "--within", code(UNIT))] == [code(ROOM), code(7)]
    assert run("library")["home"] == "4403"


@pytest.mark.parametrize("charset", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_file_in_any_charset_is_matched_row_by_row(tmp_path: Path, charset: str) -> None:
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    with file.open("w", encoding=charset, newline="") as written:
        csv.writer(written).writerows(
            [["序号", "住址", "备注"], *([str(n), text, "甲，乙"] for n, text in enumerate(TEXTS))]
        )
    counted = run("match", "--file", str(file), "--column", "住址", "--out", str(out))
    assert counted == {"matched": 1, "doubtful": 1, "unmatched": 3}
    with out.open(encoding="utf-8-sig", newline="") as read:
        header, *rows = csv.reader(read)
    assert header == ["序号", "住址", "备注", *commands.ADDED]
    assert [row[1] for row in rows] == TEXTS
    assert [row[6] for row in rows] == VERDICTS
    assert rows[0][3:6] == [code(ROOM), "深圳市福田区莲花街道红荔路8号银盛花园3栋1单元501室", "0.9220"]
    again = tmp_path / "again.csv"
    run("match", "--file", str(out), "--column", "住址", "--out", str(again))
    assert again.read_bytes() == out.read_bytes()


def test_doubtful_rows_of_a_workbook_are_marked_and_no_text_becomes_a_formula(tmp_path: Path) -> None:
    file, out = tmp_path / "in.xlsx", tmp_path / "out.xlsx"
    book = Workbook()
    book.active.append(["no", "address"])
    for number, text in enumerate(TEXTS):
        book.active.append([number, text])
        book.active.cell(number + 2, 2).data_type = "s"
    book.save(file)
    run("match", "--file", str(file), "--out", str(out))
    rows = list(load_workbook(out).active.iter_rows(min_row=2))
    assert [row[5].value for row in rows] == VERDICTS
    assert [row[0].fill.start_color.rgb == "00FFF2CC" for row in rows] == [
        verdict == "doubtful" for verdict in VERDICTS
    ]
    assert (rows[3][1].value, rows[3][1].data_type) == ("=1+1", "s")
    assert [row[0].value for row in rows] == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(("name", "content", "column", "problem"), [
    ("x.pdf", "x", "address", "addresses.file_kind"), ("x.csv", "", "address", "addresses.file_empty"),
    ("x.csv", "a,b\n1,2\n", "address", "addresses.column_unknown"),
])  # fmt: skip
def test_files_that_are_none_are_refused(tmp_path: Path, name: str, content: str, column: str, problem: str) -> None:
    from cityloom.kernel.errors import Invalid

    file = tmp_path / name
    file.write_text(content)
    with pytest.raises(Invalid, match=problem):
        run("match", "--file", str(file), "--column", column, "--out", str(tmp_path / "out.csv"))
