"""Dataset files, data elements and code lists: what is inherited, and what is refused with which words."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from cityloom.catalogue.contracts import CodeList, Element
from cityloom.catalogue.spec import CodeListFile, Elements, code_list
from cityloom.exchange.contracts import Mode
from cityloom.exchange.rules.resolve import resolve, resolve_all
from cityloom.exchange.spec import Dataset, ResolvedDataset, Span, span
from cityloom.kernel import packs, words
from cityloom.kernel.errors import Invalid
from cityloom.kernel.words import Text
from exchange.gate_fixture import codes

PACKS = Path(__file__).parents[2] / "packs"
TEXT = {"en": "x", "zh": "某"}
WORDS = words.load(("cityloom.exchange", "cityloom.catalogue"))

DATASET = """
title: {en: Registered residents, zh: 户籍人口}
summary: {en: All of them, zh: 全部}
keeper: psb
legal_basis: {en: Law, zh: 《中华人民共和国户口登记条例》第三条}
class: person
sharing: conditional
modes: [upsert, replace, delete]
update: {every: month, due_days: 5, days: working}
queryable: true
key: [id_number]
retention: {records: P30Y, changes: P2Y, quarantine: P180D}
fields:
  - {name: id_number, title: {en: Identity number, zh: 公民身份号码}, element: citizen_id, required: true, grade: 4}
  - {name: name, title: {en: Name, zh: 姓名}, type: text, required: true, max_length: 50, grade: 2, personal: true}
  - {name: sex, title: {en: Sex, zh: 性别}, type: text, codes: sex}
  - {name: born, title: {en: Born, zh: 出生日期}, type: date, required: true, min: "1900-01-01"}
  - {name: school, title: {en: School, zh: 学校}, type: text, references: residents.name}
  - {name: amount, title: {en: Amount, zh: 金额}, type: decimal, precision: 12, scale: 2, unit: CNY, min: 0, max: 100000.5}
  - {name: reported_at, title: {en: Reported, zh: 报告时间}, type: timestamp, fresh_within: P40DT12H}
checks:
  - {name: born_first, expression: "reported_at >= born", title: {en: x, zh: 某}, remedy: {en: x, zh: 某}}
"""
ELEMENTS = """
citizen_id: {title: {en: Citizen, zh: 身份号码}, type: text, format: gb11643, min_length: 18, personal: true, grade: 3,
             standard: GB 11643-1999, version: "1", status: current}
gone: {title: {en: Gone, zh: 旧}, type: text, status: withdrawn, version: "2"}
"""
LISTS = {
    "sex": codes("sex", "1", "2", withdrawn=["9"]),
    "old": msgspec.structs.replace(codes("old", "1"), status="withdrawn", version="3"),
    "none": codes("none", withdrawn=["1"]),
}


def elements() -> dict[str, Element]:
    return msgspec.yaml.decode(ELEMENTS, type=Elements)


def declared(**changes: Any) -> Dataset:
    plain = {**msgspec.yaml.decode(DATASET), **changes}
    return msgspec.convert({key: value for key, value in plain.items() if value is not None}, Dataset)


def with_field(**field: Any) -> Dataset:
    first, *others = msgspec.yaml.decode(DATASET)["fields"]
    added = {"name": "tried", "title": TEXT, **field}
    return declared(fields=[first, *others, {key: value for key, value in added.items() if value is not None}])


def resolved(dataset: Dataset) -> ResolvedDataset:
    return resolve_all({"residents": dataset}, elements(), LISTS)["residents"]


def refused(dataset: Dataset, name: str = "residents") -> Invalid:
    with pytest.raises(Invalid) as problem:
        resolve_all({name: dataset}, elements(), LISTS)
    return problem.value


def test_a_dataset_file_resolves() -> None:
    dataset = resolved(declared())
    assert (dataset.name, dataset.title.zh, dataset.class_, dataset.key) == (
        "residents",
        "户籍人口",
        "person",
        ("id_number",),
    )
    assert dataset.modes == (Mode.upsert, Mode.replace, Mode.delete)
    assert [field.column_type for field in dataset.fields] == [
        "VARCHAR", "VARCHAR", "VARCHAR", "DATE", "VARCHAR", "DECIMAL(12,2)", "TIMESTAMP",
    ]  # fmt: skip
    assert dataset.references == ("residents",)
    assert dataset.field("sex").codes == LISTS["sex"]
    assert dataset.field("reported_at").fresh_within == Span(days=40, seconds=12 * 3600)
    assert dataset.grade == 4


def test_a_field_inherits_what_it_does_not_state() -> None:
    field = resolved(declared()).field("id_number")
    assert (field.title.en, field.format, field.min_length, field.personal) == ("Identity number", "gb11643", 18, True)
    assert (field.grade, field.element, field.standard) == (4, "citizen_id", "GB 11643-1999")
    plain = resolved(with_field(title=None, element="citizen_id", min_length=15)).field("tried")
    assert (plain.title.en, plain.grade, plain.min_length) == ("Citizen", 3, 15)


def test_personal_data_without_a_grade_is_graded_3() -> None:
    assert resolved(with_field(type="text", personal=True)).field("tried").grade == 3
    assert resolved(with_field(type="text")).field("tried").grade == 1


def test_a_resolved_dataset_survives_json() -> None:
    dataset = resolved(declared())
    assert msgspec.json.decode(msgspec.json.encode(dataset), type=ResolvedDataset) == dataset


@pytest.mark.parametrize(
    ("text", "months", "days", "seconds"),
    [
        ("P30Y", 360, 0, 0),
        ("P1Y6M", 18, 0, 0),
        ("P2W", 0, 14, 0),
        ("P40D", 0, 40, 0),
        ("PT1H30M5S", 0, 0, 5405),
        ("P1DT1S", 0, 1, 1),
    ],
)
def test_durations(text: str, months: int, days: int, seconds: int) -> None:
    assert span(text) == Span(months, days, seconds)


@pytest.mark.parametrize("text", ["P", "PT", "30Y", "P1.5D", "P1D2Y", "p1d", ""])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        span(text)
    with pytest.raises(msgspec.ValidationError):
        declared(retention={"records": text})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"keepr": "psb"}, "keepr"),
        ({"modes": ["merge"]}, "modes"),
        ({"key": ["ID"]}, "key"),
        ({"update": {"every": "fortnight"}}, "update.every"),
        ({"fields": [{"name": "_row", "type": "text"}]}, "fields"),
        ({"fields": [{"name": "a", "type": "string"}]}, "fields"),
        ({"fields": [{"name": "a", "grade": 5}]}, "grade"),
        ({"fields": [{"name": "a", "maximum": 5}]}, "maximum"),
    ],
)
def test_unknown_keys_and_words_are_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        declared(**changes)


WRONG: list[tuple[str, Dataset, str]] = [
    ("no_fields", declared(fields=[]), "fields"),
    ("no_modes", declared(modes=[]), "modes"),
    ("no_key", declared(key=[]), "key"),
    ("refusal_law", declared(sharing="refused"), "refusal_law"),
    ("refusal_law", declared(refusal_law=TEXT), "refusal_law"),
    ("twice", with_field(name="sex", type="text"), "sex"),
    ("twice", declared(key=["id_number", "id_number"]), "id_number"),
    ("key_unknown", declared(key=["number"]), "number"),
    ("key_optional", declared(key=["sex"]), "sex"),
    ("no_title", with_field(title=None, type="text"), "tried"),
    ("no_type", with_field(), "tried"),
    ("element_unknown", with_field(element="nothing"), "tried"),
    ("element_withdrawn", with_field(element="gone"), "tried"),
    ("codes_unknown", with_field(type="text", codes="nothing"), "tried"),
    ("codes_withdrawn", with_field(type="text", codes="old"), "tried"),
    ("codes_empty", with_field(type="text", codes="none"), "tried"),
    ("key_unfit", with_field(type="text", min=1), "tried"),
    ("key_unfit", with_field(type="integer", pattern="x"), "tried"),
    ("key_unfit", with_field(type="date", unit="m"), "tried"),
    ("key_unfit", with_field(type="number", scale=2), "tried"),
    ("key_unfit", with_field(type="integer", fresh_within="P1D"), "tried"),
    ("key_unfit", with_field(element="citizen_id", type="integer"), "tried"),
    ("decimal_size", with_field(type="decimal", scale=2), "tried"),
    ("decimal_size", with_field(type="decimal", precision=2, scale=3), "tried"),
    ("bound_type", with_field(type="integer", min=1.5), "tried"),
    ("bound_type", with_field(type="date", max=5), "tried"),
    ("bound_type", with_field(type="integer", max="2020-01-01"), "tried"),
    ("bound_type", with_field(type="decimal", precision=5, scale=1, min=0.05), "tried"),
    ("bound_date", with_field(type="date", min="2020-02-30"), "tried"),
    ("bounds_crossed", with_field(type="integer", min=2, max=1), "tried"),
    ("bounds_crossed", with_field(type="text", min_length=2, max_length=1), "tried"),
    ("pattern_wrong", with_field(type="text", pattern="["), "tried"),
    ("pattern_wrong", with_field(type="text", pattern="a(?=b)"), "tried"),
    ("pattern_wrong", with_field(type="text", pattern=r"(a)\1"), "tried"),
    ("personal_grade", with_field(type="text", personal=True, grade=1), "tried"),
    ("reference_unknown", with_field(type="text", references="school.code"), "tried"),
    ("reference_unknown", with_field(type="text", references="residents.code"), "tried"),
    ("reference_type", with_field(type="text", references="residents.born"), "tried"),
    *(
        (f"expression_{why}", declared(checks=[{"name": "tried", "expression": text, "title": TEXT, "remedy": TEXT}]), "tried")
        for why, text in {
            "syntax": "born >", "unknown": "died > born", "forbidden": "born > random()", "sorts": "born > name",
            "arguments": "length(born) > 1", "condition": "born", "long": "born > born OR " * 200 + "true",
        }.items()
    ),
]  # fmt: skip


@pytest.mark.parametrize(("code", "dataset", "field"), WRONG)
def test_wrong_files_are_refused_with_file_field_fault_and_remedy(code: str, dataset: Dataset, field: str) -> None:
    problem = refused(dataset)
    assert problem.code == f"exchange.spec.{code}"
    assert (problem.params["file"], problem.params["field"]) == ("exchange/residents.yaml", field)
    for language in ("en", "zh"):
        detail, remedy = WORDS.problem(problem, language)
        assert "residents.yaml" in detail
        assert code in ("no_fields", "no_modes", "no_key", "refusal_law") or field in detail
        assert remedy
        assert "{" not in (detail + remedy).replace("{en: …, zh: …}", "")


def test_keys_are_compared_exactly() -> None:
    fields = [
        *msgspec.yaml.decode(DATASET)["fields"],
        {"name": "tried", "title": TEXT, "type": "number", "required": True},
    ]
    assert refused(declared(fields=fields, key=["tried"])).code == "exchange.spec.key_number"


@pytest.mark.parametrize("name", ["Residents", "1st", "a-b", "a__changes", "户籍", "a" * 64])
def test_names_that_cannot_be_those_of_a_dataset(name: str) -> None:
    assert (
        refused(declared(fields=msgspec.yaml.decode(DATASET)["fields"][:4]), name).code == "exchange.spec.dataset_name"
    )


def test_a_single_dataset_resolves_without_the_others() -> None:
    assert resolve("residents", with_field(type="text", references="school.code"), elements(), LISTS).references == (
        "residents",
        "school",
    )


LIST = CodeListFile(Text("List", "表"), file="x.csv")


def test_code_lists_from_csv() -> None:
    found = code_list("area", LIST, "\ufeffcode,zh,en,parent\n01, 福田 ,Futian,\n0101,园岭,,01\n")
    assert [(code.code, code.title.zh, code.title.en, code.parent) for code in found.codes] == [
        ("01", "福田", "Futian", None), ("0101", "园岭", "园岭", "01"),
    ]  # fmt: skip
    assert found.current == ("01", "0101")


@pytest.mark.parametrize(
    "table",
    [
        "code,zh\n",
        "code,en\n1,x\n",
        "code,zh,color\n1,x,y\n",
        "code,zh\n1,\n",
        "code,zh\n1,x\n1,y\n",
        "code,zh\n1,x,y\n",
        "code,zh\n1\n",
        "",
    ],
)
def test_wrong_code_lists(table: str) -> None:
    with pytest.raises(Invalid, match=r"catalogue\.codes_wrong"):
        code_list("area", LIST, table)


@pytest.mark.parametrize(
    ("codes_in_file", "file", "table"), [((), None, None), ((), None, "code,zh\n1,x\n"), ((), "x.csv", None)]
)
def test_a_code_list_has_its_codes_in_one_place(codes_in_file: tuple[()], file: str | None, table: str | None) -> None:
    with pytest.raises(Invalid, match=r"catalogue\.codes_wrong"):
        code_list("area", CodeListFile(Text("List", "表"), codes_in_file, file), table)


def shipped() -> dict[str, ResolvedDataset]:
    datasets = {path.stem: packs.decode(path, Dataset) for path in sorted(PACKS.glob("*/exchange/*.yaml"))}
    known: dict[str, Element] = {}
    for path in PACKS.glob("*/catalogue/elements.yaml"):
        known |= packs.decode(path, Elements)
    lists: dict[str, CodeList] = {}
    for path in PACKS.glob("*/catalogue/codes/*.yaml"):
        file = packs.decode(path, CodeListFile)
        lists[path.stem] = code_list(path.stem, file, (path.parent / file.file).read_text() if file.file else None)
    return resolve_all(datasets, known, lists)


def test_every_shipped_dataset_resolves() -> None:
    found = shipped()
    assert len(found) >= 20
    assert all(field.grade >= 2 for dataset in found.values() for field in dataset.fields if field.personal)
