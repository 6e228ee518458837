"""A second opinion: reads delivered files and applies the packs' rules in plain Python, sharing no code with the product.

It is slow and simple on purpose. `Judge.judge` says what must become of a file and keeps what is accepted, so that the
next file is judged against it.
"""

import csv
import gzip
import io
import json
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pyarrow.parquet as pq

from cityloom.samplecity.contracts import PlannedDelivery

Row = dict[str, Any]
Told = set[tuple[int, str, str]]
OPERATORS = {
    ">=": lambda left, right: left >= right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    "<": lambda left, right: left < right,
    "<>": lambda left, right: left != right,
}


class Verdict(msgspec.Struct, frozen=True):
    """What must become of a file."""

    rows: int
    accepted: int
    quarantined: int
    duplicates: int
    deletes: int
    faults: frozenset[tuple[int, str, str]]


class Judge:
    """Knows the datasets of some packs, and what was accepted of each so far."""

    def __init__(self, packs: list[Path], now: datetime) -> None:
        self.now = now
        self.datasets: dict[str, Row] = {}
        self.codes: dict[str, set[str]] = {}
        self.state: dict[str, dict[tuple[Any, ...], Row]] = defaultdict(dict)
        elements: dict[str, Row] = {}
        for pack in packs:
            path = pack / "catalogue" / "elements.yaml"
            elements.update(msgspec.yaml.decode(path.read_bytes()) if path.exists() else {})
            for listed in (pack / "catalogue" / "codes").glob("*.yaml"):
                self.codes[listed.stem] = _codes(listed)
        for pack in packs:
            for path in (pack / "exchange").glob("*.yaml"):
                dataset = msgspec.yaml.decode(path.read_bytes())
                dataset["fields"] = [{**elements.get(field.get("element"), {}), **field} for field in dataset["fields"]]
                self.datasets[path.stem] = dataset

    def judge(self, planned: PlannedDelivery) -> Verdict:
        """What must become of this file."""
        form = planned.content_type.rpartition("/")[2].rpartition(".")[2].replace("x-", "")
        return self.judge_bytes(planned.dataset, planned.mode, planned.path.read_bytes(), form, planned.charset)

    def judge_bytes(self, name: str, mode: str, data: bytes, form: str, charset: str | None) -> Verdict:
        dataset, state = self.datasets[name], self.state[name]
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        fields = [field for field in dataset["fields"] if mode != "delete" or field["name"] in dataset["key"]]
        read, faults = _read(data, form, charset, {f["title"]["zh"]: f["name"] for f in dataset["fields"]})
        lost = {row for row, _, rule in faults if rule == "shape"}
        values = {
            number: self._values(fields, row, number, faults) for number, row in read.items() if number not in lost
        }
        if mode != "delete":
            for number, row in values.items():
                faults |= _crossing(dataset.get("checks", []), row, number)
            self._unique(dataset, values, faults, mode)
        repeats = _twins(dataset["key"], values, faults)
        bad = {row for row, _, _ in faults}
        good = {number: row for number, row in values.items() if number not in bad and number not in repeats}
        return self._settle(dataset, state, mode, len(read), good, values, faults, repeats - bad)

    def _settle(
        self, dataset: Row, state: dict[tuple[Any, ...], Row], mode: str, rows: int, good: dict[int, Row],
        values: dict[int, Row], faults: Told, repeats: set[int],
    ) -> Verdict:  # fmt: skip
        accepted = duplicates = deletes = 0
        keyed = {number: tuple(row[name] for name in dataset["key"]) for number, row in values.items()}
        if mode == "replace":
            gone = set(state) - set(keyed.values())
            deletes = len(gone)
            for key in gone:
                del state[key]
        for number, row in good.items():
            known = state.get(keyed[number])
            if mode == "delete":
                accepted, duplicates = accepted + (known is not None), duplicates + (known is None)
                state.pop(keyed[number], None)
            elif known == row:
                duplicates += 1
            elif mode == "append" and known is not None:
                faults.add((number, dataset["key"][0], "key"))
            else:
                accepted += 1
                state[keyed[number]] = row
        if mode == "delete":
            deletes = accepted
        quarantined = len({row for row, _, _ in faults})
        return Verdict(rows, accepted, quarantined, duplicates + len(repeats), deletes, frozenset(faults))

    def _values(self, fields: list[Row], row: Row, number: int, faults: Told) -> Row:
        found: Row = {}
        for field in fields:
            raw = row.get(field["name"])
            found[field["name"]], rule = self._value(field, raw)
            if rule:
                faults.add((number, field["name"], rule))
        return found

    def _value(self, field: Row, raw: str | None) -> tuple[Any, str]:
        if raw is None or raw == "":
            return None, "required" if field.get("required") else ""
        try:
            value = _typed(field, raw)
        except (ValueError, InvalidOperation):
            return None, "type"
        return value, next(self._broken(field, value), "")

    def _broken(self, field: Row, value: Any) -> Iterator[str]:
        if field["type"] == "text":
            yield from self._broken_text(field, value)
        low, high = (_bound(field, name) for name in ("min", "max"))
        if (low is not None and value < low) or (high is not None and value > high):
            yield "range"
        if "references" in field:
            dataset, _, name = field["references"].partition(".")
            assert self.datasets[dataset]["key"] == [name]
            if (value,) not in self.state[dataset]:
                yield "reference"
        if "fresh_within" in field:
            days = int(field["fresh_within"][1:-1])
            if value > self.now or value < self.now - timedelta(days=days):
                yield "fresh"

    def _broken_text(self, field: Row, value: str) -> Iterator[str]:
        if not field.get("min_length", 0) <= len(value) <= field.get("max_length", 10**6):
            yield "length"
        if "pattern" in field and not re.fullmatch(field["pattern"].replace(r"\p{Han}", "[\u4e00-\u9fff]"), value):
            yield "pattern"
        if "codes" in field and value not in self.codes[field["codes"]]:
            yield "codes"
        if field.get("format") == "gb11643" and not citizen_id_is_valid(value):
            yield "gb11643"
        if field.get("format") == "gb32100" and not credit_code_is_valid(value):
            yield "gb32100"

    def _unique(self, dataset: Row, values: dict[int, Row], faults: Told, mode: str) -> None:
        for field in dataset["fields"]:
            if not field.get("unique"):
                continue
            holders: dict[Any, set[tuple[Any, ...]]] = defaultdict(set)
            for row in values.values():
                holders[row[field["name"]]].add(tuple(row[name] for name in dataset["key"]))
            if mode in ("append", "upsert"):
                for key, row in self.state[_name(self.datasets, dataset)].items():
                    holders[row[field["name"]]].add(key)
            for number, row in values.items():
                value = row[field["name"]]
                if value is not None and len(holders[value]) > 1:
                    faults.add((number, field["name"], "unique"))


def _name(datasets: dict[str, Row], dataset: Row) -> str:
    return next(name for name, one in datasets.items() if one is dataset)


def _codes(path: Path) -> set[str]:
    declared = msgspec.yaml.decode(path.read_bytes())
    if "file" not in declared:
        return {code["code"] for code in declared["codes"]}
    with (path.parent / declared["file"]).open(encoding="utf-8") as file:
        return {row["code"] for row in csv.DictReader(file)}


def _twins(key: list[str], values: dict[int, Row], faults: Told) -> set[int]:
    """Numbers of rows that repeat an earlier one; those of one key and several contents are at fault."""
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for number, row in values.items():
        if all(row[name] is not None for name in key):
            groups[tuple(row[name] for name in key)].append(number)
    repeats: set[int] = set()
    for numbers in groups.values():
        contents = [values[number] for number in numbers]
        if len(numbers) > 1 and any(content != contents[0] for content in contents):
            faults |= {(number, key[0], "key") for number in numbers}
        else:
            repeats |= set(numbers[1:])
    return repeats


def _crossing(checks: list[Row], row: Row, number: int) -> Told:
    told: Told = set()
    for check in checks:
        left, sign, right = check["expression"].split()
        if row[left] is not None and row[right] is not None and not OPERATORS[sign](row[left], row[right]):
            told.add((number, left, f"expression:{check['name']}"))
    return told


def _bound(field: Row, name: str) -> Any:
    bound = field.get(name)
    if bound is None or field["type"] not in ("date", "timestamp", "decimal"):
        return bound
    return Decimal(str(bound)) if field["type"] == "decimal" else date.fromisoformat(bound)


def _typed(field: Row, raw: str) -> Any:
    plain = unicodedata.normalize("NFKC", raw)
    match field["type"]:
        case "integer":
            return int(plain)
        case "decimal":
            return Decimal(plain)
        case "number":
            return float(plain)
        case "date":
            return day(plain)
        case "timestamp":
            plain = plain.replace("T", " ") if len(plain) > 10 else f"{plain} 00:00:00"
            return datetime.strptime(plain, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - local by definition
    if field.get("format") == "gb11643" and len(plain) == 15:
        return plain[:6] + "19" + plain[6:] + citizen_check(plain[:6] + "19" + plain[6:])
    return plain if field.get("format") or field.get("pattern") else raw


def day(text: str) -> date:
    """A day in one of the four notations."""
    found = re.fullmatch(r"(\d{4})(\d{2})(\d{2})", text) or re.fullmatch(
        r"(\d{4})[-/年](\d{1,2})[-/月](\d{1,2})日?", text
    )
    if found is None:
        raise ValueError(text)
    return date(*(int(part) for part in found.groups()))


def citizen_check(body: str) -> str:
    """GB 11643-1999, annex: weights 7 9 10 5 8 4 2 1 6 3 7 9 10 5 8 4 2."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11]


def citizen_id_is_valid(text: str) -> bool:
    """18 characters, a day that there was, the right check character."""
    if not re.fullmatch(r"\d{17}[\dX]", text):
        return False
    try:
        day(text[6:14])
    except ValueError:
        return False
    return text[17] == citizen_check(text[:17])


def credit_code_is_valid(text: str) -> bool:
    """GB 32100-2015 with the organisation code of GB 11714-1997 in places 9 to 17."""
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    if not re.fullmatch(f"[{letters}]{{18}}", text):
        return False
    weights = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
    total = sum(letters.index(letter) * weight for letter, weight in zip(text, weights, strict=False))
    if text[17] != letters[(31 - total % 31) % 31]:
        return False
    inner = sum(int(digit) * weight for digit, weight in zip(text[8:16], (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
    return text[16] == {10: "X", 11: "0"}.get(11 - inner % 11, str(11 - inner % 11))


def _read(data: bytes, form: str, charset: str | None, titles: dict[str, str]) -> tuple[dict[int, Row], Told]:
    """The file's rows by number with texts by field name, and what is wrong with their shape or letters."""
    faults: Told = set()
    if form == "ndjson":
        lines = [json.loads(line, parse_float=str, parse_int=str) for line in data.decode().splitlines()]
        return dict(enumerate(lines, 1)), faults
    if form == "parquet":
        table = pq.read_table(io.BytesIO(data))
        table = table.rename_columns([titles.get(name, name) for name in table.column_names])
        return {
            number: {k: _said(v) for k, v in row.items()} for number, row in enumerate(table.to_pylist(), 1)
        }, faults
    if form == "sheet":
        sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
        lines = [[_said(value) for value in row] for row in sheet.iter_rows(values_only=True)]
    else:
        text = data.decode(charset or "utf-8", errors="replace").removeprefix("\ufeff")
        lines = list(csv.reader(io.StringIO(text)))
    header = [titles.get(name, name) for name in lines[0]]
    found: dict[int, Row] = {}
    for number, line in enumerate(lines[1:], 1):
        found[number] = dict(zip(header, line, strict=False))
        if len(line) != len(header):
            faults.add((number, "", "shape"))
        elif form == "csv":
            faults |= {(number, name, "encoding") for name, value in found[number].items() if "\ufffd" in value}
    return found, faults


def _said(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d" if value.hour == value.minute == value.second == 0 else "%Y-%m-%d %H:%M:%S")
    return None if value is None else str(value)
