"""The files: the same for the same seed, of every format, and with what makes Chinese files hard to read."""

import gzip
import hashlib
import io
import re
import zipfile
from datetime import timedelta
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
import python_calamine
from city_kit import AS_OF, CITIES, PEOPLE, ROOT, SEED, Delivered

from cityloom.samplecity import api
from cityloom.samplecity.rules import workbook
from cityloom.samplecity.rules.habits import HABITS
from cityloom.samplecity.rules.recipes import book

STANDARD = {
    "household_resident",
    "residence_collected",
    "birth",
    "death",
    "marriage",
    "dwelling",
    "household",
    "tenancy",
}


def test_the_same_seed_gives_the_same_bytes(delivered: Delivered, tmp_path: Path) -> None:
    again = api.plan(ROOT / "packs" / delivered.city, PEOPLE, SEED, AS_OF)
    found = [(one.delivery_id, one.sha256, one.truth) for one in api.deliveries(again, tmp_path)]
    assert found == [(one.delivery_id, one.sha256, one.truth) for one in delivered.files]
    for one in delivered.files[::7]:
        data = one.path.read_bytes()
        assert one.sha256 == hashlib.sha256(data).hexdigest()
        assert one.bytes == len(data)


def test_another_seed_or_moment_gives_other_files(delivered: Delivered, tmp_path: Path) -> None:
    before = {one.sha256 for one in delivered.files if one.dataset == "household_resident"}
    for seed, as_of in ((SEED + 1, AS_OF), (SEED, AS_OF + timedelta(days=31))):
        plan = api.plan(ROOT / "packs" / delivered.city, PEOPLE, seed, as_of, months=0)
        found = [one for one in api.deliveries(plan, tmp_path) if one.dataset == "household_resident"]
        assert len(found) == 1
        assert found[0].sha256 not in before


def test_the_moment_decides_the_months(tmp_path: Path) -> None:
    plan = api.plan(ROOT / "packs" / "yancheng", PEOPLE, SEED, AS_OF.replace(month=1, day=1), months=2)
    assert [period.label for period in plan.world.periods] == ["2025-10", "2025-11", "2025-12"]
    late = AS_OF.replace(month=1, day=31, hour=17)  # in the city's zone it is February already
    assert api.plan(ROOT / "packs" / "yancheng", PEOPLE, SEED, late).world.periods[-1].label == "2026-01"


def test_delivery_ids_are_different_and_files_are_counted(delivered: Delivered) -> None:
    ids = [one.delivery_id for one in delivered.files]
    assert len(set(ids)) == len(ids) <= api.count(delivered.plan)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", one) for one in ids)


def test_fourteen_departments_deliver_the_datasets_that_the_packs_have(delivered: Delivered) -> None:
    datasets = {one.dataset for one in delivered.files}
    assert datasets >= STANDARD
    assert datasets == set(delivered.plan.datasets)
    departments = {one.organisation for one in delivered.files}
    assert len(departments) == (14 if delivered.city == "shenzhen" else 12)
    assert ("metro_stop" in datasets) == (delivered.city == "shenzhen")


def test_every_recipe_has_a_habit_and_a_dataset_in_the_packs() -> None:
    plan = api.plan(ROOT / "packs" / "shenzhen", PEOPLE, SEED, AS_OF)
    made = {recipe.dataset for recipe in (*book.CITY, *book.BLOCK)}
    assert made == set(HABITS) == set(plan.datasets)
    for name, habit in HABITS.items():
        modes = {habit.first, *(mode for month in habit.monthly for mode in month)}
        assert modes <= set(plan.datasets[name].modes), name


def test_formats_and_encodings_are_as_mixed_as_in_life(delivered: Delivered) -> None:
    kinds = {one.content_type.rpartition(".")[2] for one in delivered.files}
    assert kinds == {"text/csv", "application/x-ndjson", "parquet", "sheet"}
    assert {one.content_encoding for one in delivered.files} == {"", "gzip"}
    assert {one.charset for one in delivered.files} == {None, "utf-8", "gb18030"}
    texts = [_text(one.path.read_bytes(), one.charset) for one in delivered.files if one.charset]
    assert any(text.startswith("\ufeff") for text in texts)
    assert any(text.startswith("公民身份号码") for text in texts)
    assert any(text.startswith("certificate_number") for text in texts)
    for form in (r"\b\d{4}-\d\d-\d\d\b", r",\d{8},", r"\d{4}年\d{1,2}月\d{1,2}日", r"\d{4}/\d{1,2}/\d{1,2}"):
        assert any(re.search(form, text) for text in texts), form


def test_residents_have_what_makes_them_hard_to_read(tmp_path: Path) -> None:
    plan = api.plan(ROOT / "packs" / "yancheng", 30_000, SEED, AS_OF, months=0)
    residents = next(one for one in api.deliveries(plan, tmp_path) if one.dataset == "household_resident")
    data = residents.path.read_bytes()
    text = data.decode("gb18030", errors="replace")
    assert residents.charset == "gb18030"
    assert re.search(rb"[\x81-\x84\x90-\xe3][\x30-\x39][\x81-\xfe][\x30-\x39]", data)  # four bytes make one character
    assert any(ord(letter) > 0xFFFF for letter in text)
    assert re.search("[０-９]{8}", text)
    legacy = re.findall(r"(?m)^\d{15},", text)
    assert len(legacy) > 10
    assert "\ufffd" in text


def _text(data: bytes, charset: str | None) -> str:
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    return plain.decode(charset or "utf-8", errors="replace")


def test_a_workbook_reads_the_same_in_two_readers() -> None:
    days = pa.array([0, 20_000, None], pa.int32()).cast(pa.date32())
    texts = pa.array(["<织&城>", None, "190101199001010013"])
    whole = pa.array([1, None, -3], pa.int64())
    data = workbook.write(["一", "二", "三"], [texts, days, whole])
    assert data == workbook.write(["一", "二", "三"], [texts, days, whole])
    sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows()]
    assert rows[0] == ["一", "二", "三"]
    assert rows[1][0] == "<织&城>"
    assert rows[1][1].isoformat() == "1970-01-01T00:00:00"
    assert rows[2][1].isoformat() == "2024-10-04T00:00:00"
    assert rows[3] == ["190101199001010013", None, -3]
    other = python_calamine.load_workbook(io.BytesIO(data)).get_sheet_by_index(0).to_python()
    assert other[0] == ["一", "二", "三"]
    assert other[1][1].isoformat() == "1970-01-01"
    assert other[3][0] == "190101199001010013"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_workbook_has_columns_beyond_z() -> None:
    data = workbook.write([f"c{place}" for place in range(30)], [pa.array([place]) for place in range(30)])
    sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    assert sheet["AD2"].value == 29
    assert sheet["Z1"].value == "c25"


@pytest.mark.parametrize("city", CITIES)
def test_nothing_about_a_city_is_in_the_code(city: str) -> None:
    pack = ROOT / "packs" / city
    code = "\n".join(path.read_text() for path in (ROOT / "src" / "cityloom" / "samplecity").rglob("*.py"))
    names = {
        line.split(",")[1] for line in (pack / "catalogue" / "codes" / "district.csv").read_text().splitlines()[1:]
    }
    division = re.search(r'division: "(\d{4})', (pack / "samplecity" / "city.yaml").read_text())
    assert division
    for word in (city, division.group(1), *names):
        assert word.lower() not in code.lower(), word


def test_twenty_million_people_are_planned_block_by_block() -> None:
    plan = api.plan(ROOT / "packs" / "shenzhen", 20_000_000, SEED, AS_OF)
    assert sum(part.people for block in plan.blocks for part in block) == 20_000_000
    assert max(sum(part.people for part in block) for block in plan.blocks) < 800_000
    assert 1000 < api.count(plan) < 10_000
