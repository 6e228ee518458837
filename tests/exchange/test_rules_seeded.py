"""Thousands of rows with seeded faults of every kind: all are found, each once, and nothing else is."""

import random
from collections.abc import Callable
from datetime import date, datetime, timedelta

import duckdb
import pytest

from cityloom.exchange.rules.compile import compile_delivery
from cityloom.exchange.rules.digits import CREDIT_ALPHABET, gb11643_check, gb32100_check
from cityloom.exchange.spec import Reference, ResolvedDataset, Span
from exchange.gate_fixture import AT, check, codes, dataset, field, load, run
from exchange.test_spec import shipped

COMMUNITIES = codes("community", *(f"4403{number:08d}" for number in range(788)))
SCHOOLS = "(SELECT 'E' || i AS code FROM range(50) schools(i))"
DECLARED = dataset(
    field("id", required=True, format="gb11643"),
    field("name", required=True, min_length=2, max_length=8),
    field("sex", required=True, codes=codes("sex", "1", "2", "9")),
    field("born", "date", required=True, min=date(1930, 1, 1)),
    field("community", required=True, codes=COMMUNITIES),
    field("household", pattern="H[0-9]{10}"),
    field("school", reference=Reference("school", "code")),
    field("card", required=True, unique=True, pattern="C[0-9]{8}"),
    field("firm", format="gb32100"),
    field("income", "decimal", precision=12, scale=2, min=0, max=1000000),
    field("children", "integer", min=0, max=20),
    field("weight", "number", max=500),
    field("local", "boolean", required=True),
    field("moved", "date"),
    field("seen", "timestamp", required=True, fresh_within=Span(days=40)),
    checks=[("moved_after_birth", "moved >= born"), ("sex_fits", "sex = '9' OR sex_of(id) = sex")],
)
WIDE = str.maketrans("0123456789CHEX-.:", "０１２３４５６７８９ＣＨＥＸ－．：")
Record = dict[str, str | None]


class Clerk:
    """Writes good rows, now and then in another spelling."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)  # noqa: S311 - a test's dice

    def row(self, number: int) -> Record:
        dice = self.dice
        born = date(1930, 1, 1) + timedelta(days=dice.randrange(34000))
        body = f"{990000 + dice.randrange(10000)}{born:%Y%m%d}{1 + number % 999:03d}"
        firm = "".join(dice.choice(CREDIT_ALPHABET) for _ in range(2)) + f"{dice.randrange(10**6):06d}"
        firm += "".join(dice.choice(CREDIT_ALPHABET) for _ in range(9))
        moved = born + timedelta(days=dice.randrange(1000))
        seen = datetime(2026, 1, 1) + timedelta(seconds=dice.randrange(30 * 86400))  # noqa: DTZ001
        return {
            "id": self.spelled(body + gb11643_check(body)),
            "name": self.spaced(dice.choice(["张伟", "欧阳娜娜", "买买提·艾力", "Ａnna Ｌi"])),
            "sex": self.spelled("1" if int(body[16]) % 2 else "2"),
            "born": self.dated(born),
            "community": self.spelled(dice.choice(COMMUNITIES.current)),
            "household": self.maybe(self.spelled(f"H{dice.randrange(10**10):010d}")),
            "school": self.maybe(self.spaced(f"E{dice.randrange(50)}")),
            "card": self.spelled(f"C{number:08d}"),
            "firm": self.maybe(self.spelled(firm + gb32100_check(firm))),
            "income": self.maybe(self.spelled(dice.choice(["0", "12.5", "999999.99", ".5", "1000000.000"]))),
            "children": self.maybe(self.spelled(dice.choice(["0", "3", "20", "07", "2.0"]))),
            "weight": self.maybe(self.spelled(dice.choice(["70.5", "500", "-1"]))),
            "local": self.spelled(dice.choice(["是", "否", "true", "FALSE", "1", "0", "Y", "n"])),
            "moved": self.maybe(self.dated(moved)),
            "seen": dice.choice(
                [f"{seen}", f"{seen:%Y-%m-%dT%H:%M:%S}+08:00", f"{seen:%Y%m%d%H%M%S}", f"{seen:%Y/%m/%d %H:%M}"]
            ),
        }

    def maybe(self, text: str) -> str | None:
        return text if self.dice.random() < 0.8 else self.dice.choice([None, "", " "])

    def spaced(self, text: str) -> str:
        return (
            text
            if self.dice.random() < 0.9
            else self.dice.choice([" {}", "{}\t", "\u3000{}", "\ufeff{}", "{}\u200b"]).format(text)
        )

    def spelled(self, text: str) -> str:
        return self.spaced(text if self.dice.random() < 0.9 else text.translate(WIDE))

    def dated(self, day: date) -> str:
        other = self.dice.choice(
            [
                f"{day:%Y%m%d}",
                f"{day.year}年{day.month}月{day.day}日",
                f"{day.year}/{day.month}/{day.day}",
                f"{day:%Y.%m.%d}",
            ]
        )
        return self.spelled(day.isoformat() if self.dice.random() < 0.8 else other)


def last_wrong(text: str | None, alphabet: str) -> str:
    plain = (text or "").strip().translate({wide: chr(narrow) for narrow, wide in WIDE.items()})
    good = "".join(letter for letter in plain if letter.isalnum())
    return good[:-1] + alphabet[(alphabet.index(good[-1]) + 1) % len(alphabet)]


FAULTS: dict[tuple[str, str], str | Callable[[Record], str] | None] = {
    ("id", "required"): "",
    ("id", "gb11643"): lambda row: last_wrong(row["id"], "0123456789X"),
    ("name", "required"): "\u3000",
    ("name", "length"): "张",
    ("sex", "required"): None,
    ("sex", "codes"): "3",
    ("born", "required"): None,
    ("born", "type"): "1990-02-30",
    ("born", "range"): "1929-12-31",
    ("community", "required"): "",
    ("community", "codes"): "440300000788",
    ("household", "pattern"): "H123",
    ("school", "reference"): "E50",
    ("card", "required"): "",
    ("card", "pattern"): "c00000001",
    ("firm", "gb32100"): last_wrong("91310115MA1K3BTP2B", CREDIT_ALPHABET),
    ("income", "type"): "1,000.00",
    ("income", "range"): "1000000.01",
    ("children", "type"): "两个",
    ("children", "range"): "21",
    ("weight", "type"): "70kg",
    ("weight", "range"): "500.1",
    ("local", "required"): "",
    ("local", "type"): "maybe",
    ("moved", "type"): "20201301",
    ("moved", "expression:moved_after_birth"): "1900-01-01",
    ("seen", "required"): "",
    ("seen", "type"): "2026-01-05 10:00x",
    ("seen", "fresh"): "2025-12-01 00:00:00",
    ("sex", "expression:sex_fits"): lambda row: (
        "1" if "2" in (row["sex"] or "").translate({wide: chr(n) for n, wide in WIDE.items()}) else "2"
    ),
}


def seeded(rows: int, each: int) -> tuple[list[Record], set[tuple[int, str, str]], set[int]]:
    """Rows, the faults that were put into them, and the rows that repeat an earlier one."""
    clerk = Clerk(20260131)
    table = [clerk.row(number) for number in range(1, rows + 1)]
    places = list(range(1, rows + 1))
    clerk.dice.shuffle(places)
    truth: set[tuple[int, str, str]] = set()
    for (name, rule), spoil in FAULTS.items():
        for _ in range(each):
            place = places.pop()
            table[place - 1][name] = spoil(table[place - 1]) if callable(spoil) else spoil
            truth.add((place, name, rule))
    repeats = set()
    for kind in ("key", "unique", "repeat"):
        for _ in range(each):
            first, second = sorted((places.pop(), places.pop()))
            if kind == "repeat":
                table[second - 1] = dict(table[first - 1])
                repeats.add(second)
            elif kind == "key":
                table[second - 1] = {**table[first - 1], "name": "另一个人"}
                truth |= {(first, "id", "key"), (second, "id", "key"), (first, "card", "none")} - {
                    (first, "card", "none")
                }
            else:
                table[second - 1]["card"] = table[first - 1]["card"]
                truth |= {(first, "card", "unique"), (second, "card", "unique")}
    return table, truth, repeats


@pytest.mark.parametrize("few", [False, True])
def test_all_seeded_faults_are_found_and_nothing_else(few: bool) -> None:
    table, truth, repeats = seeded(6000, 25)
    checked = check(DECLARED, table, relations={"school": SCHOOLS}, few=few)
    assert set(checked.named) == truth
    assert len(checked.named) == len(truth) == len(FAULTS) * 25 + 4 * 25
    assert {number for number, row in checked.rows.items() if row["_repeat"]} == repeats
    faulty = {number for number, _, _ in truth}
    assert {number for number, row in checked.rows.items() if not row["_good"]} == faulty | repeats
    assert all((row["_raw"] is not None) == (number in faulty) for number, row in checked.rows.items())


NASTY = [
    "", " ", "\x00", "'", '"', "''", "\\", "%", "NULL", "null", "nan", "inf", "-inf", "1e309", "-1e309", "0x1F", "1_000",
    "9" * 400, "-" + "9" * 30, "0." + "9" * 60, "1e18", "9999-12-31", "0001-01-01", "2020-02-30", "99999999", "20209999",
    "2020-01-01 99:99:99", "2020-01-01T00:00:00+99:99", "2020年13月99日", "infinity", "epoch", "\ufeff", "\u200b" * 50, "\u3000",
    "张" * 300, "🏙️", "\ud7ff", "a\nb", "a\tb", "０" * 18, "１１０１０５１９４９１２３１００２Ｘ", "99999999999999999X",
    "000000000000000000",     "11010519491231002x", "110105491231002", "999999999999999", "x" * 20_000,
    "٣", "1٫5", "²", "Ⅷ", "٢٠٢٠-٠١-٠١", "{}", "[]", "$1", "?",
]  # fmt: skip


def relations_of(declared: ResolvedDataset, known: dict[str, ResolvedDataset]) -> dict[str, str]:
    def empty(name: str) -> str:
        return (
            "(SELECT "
            + ", ".join(f'NULL::{each.column_type} AS "{each.name}"' for each in known[name].fields)
            + " WHERE false)"
        )

    return {name: empty(name) for name in {*declared.references, declared.name}}


@pytest.mark.parametrize("declared", [DECLARED, *shipped().values()], ids=lambda each: each.name)
def test_no_text_stops_a_delivery(declared: ResolvedDataset) -> None:
    """Whatever the texts are, the statement ends, every row is accounted for, and every fault has a row."""
    known = {**shipped(), "tried": DECLARED}
    dice = random.Random(7)  # noqa: S311 - a test's dice
    names = [each.name for each in declared.fields]
    rows = [dict.fromkeys(names, text) for text in NASTY]
    rows += [{name: dice.choice(NASTY) for name in names} for _ in range(60)]
    con = duckdb.connect()
    source = load(con, declared, rows)
    checked = run(con, compile_delivery(declared, source, AT, relations_of(declared, known)))
    assert len(checked.rows) == len(rows)
    assert {number for number, _, _ in checked.named} == {
        number for number, row in checked.rows.items() if row["_faults"]
    }
    assert all(row["_good"] + row["_repeat"] + (row["_faults"] is not None) == 1 for row in checked.rows.values())
