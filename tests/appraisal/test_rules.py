"""Points from facts alone: an example worked by hand, what cannot be assessed, rounding, and sets that are refused."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from cityloom.appraisal import spec
from cityloom.appraisal.commands import app, from_facts
from cityloom.appraisal.contracts import (
    DIMENSIONS,
    DimensionFacts,
    DocumentFacts,
    Facts,
    FactsFile,
    Measure,
    Ratio,
    ReviewedFacts,
    Score,
)
from cityloom.appraisal.rules import score as scoring
from cityloom.appraisal.spec import IndicatorSet
from cityloom.kernel import packs
from cityloom.kernel.errors import Invalid, Problem
from cityloom.kernel.packs import Packs

EXAMPLE = Path(__file__).parent / "example.yaml"
TOWN = """\
title: {en: Town, zh: 小镇}
valid_from: "2020-01-01"
groups: [{name: all, title: {en: All, zh: 全部}}]
indicators:
  - name: supply
    title: {en: Supply, zh: 提供}
    group: all
    weight: 70
    formula: weighted
    parts:
      - {measure: provided, share: 50, floor: 0.2, target: 0.8}
      - {measure: answered, share: 50, absent: ABSENT}
  - name: quality
    title: {en: Quality, zh: 质量}
    group: all
    weight: 30
    formula: weighted
    absent: WHOLE
    parts: [{measure: quality, share: 100}]
"""


def town(part: str = "none", whole: str = "none", **changed: Any) -> IndicatorSet:
    text = TOWN.replace("ABSENT", part).replace("WHOLE", whole)
    return spec.check("town", msgspec.convert({**yaml.safe_load(text), **changed}, IndicatorSet, strict=False))


def score(using: IndicatorSet, facts: Facts) -> Score:
    return scoring.score("x", using, facts, spec.measures())


def points(using: IndicatorSet, facts: Facts) -> list[str]:
    return [str(each.points) for each in score(using, facts).indicators]


def test_the_example_is_computed_as_by_hand() -> None:
    done = CliRunner().invoke(app, ["compute", "--facts", str(EXAMPLE), "--set", "2018", "--json"])
    assert done.exit_code == 0, done.output
    found = msgspec.json.decode(done.stdout)
    market = found["departments"]["market"]
    assert [each["points"] for each in market["indicators"]] == [
        4.1, 25.93, 12.55, 19.06, 7.25, 4.15, 3.75, 2.0, 2.0, 5.0,
    ]  # fmt: skip
    assert (market["base"], market["bonus"], market["points"]) == (80.79, 5.0, 85.79)
    assert [(line["place"], line["organisation"], line["points"]) for line in found["ranking"]] == [
        (1, "market", 85.79), (2, "water", 0.0),
    ]  # fmt: skip
    plain = CliRunner().invoke(app, ["compute", "--facts", str(EXAMPLE), "--set", "2018"])
    assert plain.stdout.startswith("1\tmarket\t85.79\n")


def test_another_citys_set_works_from_a_file_alone(tmp_path: Path) -> None:
    (tmp_path / "town.yaml").write_text(TOWN.replace("ABSENT", "none").replace("WHOLE", "none"))
    facts = tmp_path / "facts.yaml"
    facts.write_text("departments: {a: {provided: {good: 1, total: 2}, answered: {good: 1, total: 3}}}")
    done = CliRunner().invoke(app, ["compute", "--facts", str(facts), "--set", str(tmp_path / "town.yaml"), "--json"])
    # 70 × (50% × (0.5 − 0.2) / 0.6 + 50% × 1/3) = 70 × 0.416667
    assert msgspec.json.decode(done.stdout)["departments"]["a"]["points"] == 29.17


@pytest.mark.parametrize(
    ("part", "whole", "expected", "effective"),
    [
        ("none", "none", ["17.50", "0.00"], ["70.00", "30.00"]),
        ("full", "none", ["52.50", "0.00"], ["70.00", "30.00"]),
        ("spread", "none", ["35.00", "0.00"], ["70.00", "30.00"]),
        ("none", "full", ["17.50", "30.00"], ["70.00", "30.00"]),
        ("none", "spread", ["25.00", "0.00"], ["100.00", "0.00"]),
        ("spread", "spread", ["50.00", "0.00"], ["100.00", "0.00"]),
    ],
)
def test_what_is_absent_is_treated_as_the_set_says(
    part: str, whole: str, expected: list[str], effective: list[str]
) -> None:
    facts = Facts(provided=Ratio(1, 2))  # half of the way from 0.2 to 0.8
    using = town(part, whole)
    assert points(using, facts) == expected
    found = score(using, facts)
    assert [str(each.effective) for each in found.indicators] == effective
    assert [each.assessable for each in found.indicators] == [True, False]
    assert (found.indicators[0].parts[1].absent, found.indicators[0].parts[1].treatment) == ("unknown", part)
    assert points(using, Facts(provided=Ratio(1, 2), answered=Ratio(0, 0))) == expected
    nothing = score(using, Facts(provided=Ratio(1, 2), answered=Ratio(0, 0))).indicators[0].parts[1]
    assert nothing.absent == "nothing"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Fraction(5, 1000), "0.01"),
        (Fraction(4999, 10**6), "0.00"),
        (Fraction(2675, 1000), "2.68"),
        (Fraction(2, 3), "0.67"),
    ],
)
def test_halves_are_rounded_up_from_the_exact_fraction(number: Fraction, expected: str) -> None:
    assert str(scoring.rounded(number)) == expected


def test_a_measure_between_floor_and_target_is_in_line() -> None:
    for good, expected in ((0, "0.00"), (2, "0.00"), (5, "17.50"), (8, "35.00"), (10, "35.00")):
        assert points(town(), Facts(provided=Ratio(good, 10)))[0] == expected


def test_everything_full_is_a_hundred_and_the_bonus_is_bounded() -> None:
    full = {name: Ratio(1, 1) for name in Measure if name not in (Measure.quality, Measure.documents)}
    full["uses"] = Ratio(20, 1)
    quality = tuple(DimensionFacts(name, 7, 7) for name in DIMENSIONS)  # type: ignore[arg-type]
    given = tuple(ReviewedFacts(name, Decimal(most)) for name, most in (("institutions", 10), ("innovation", 105)))
    documents = (DocumentFacts("tax_payment", 3, 3),)
    facts = Facts(**full, quality=quality, reviewed=given, documents=documents)
    for name, using in spec.shipped().items():
        found = score(using, facts)
        assert (found.base, found.bonus) == (Decimal(100), Decimal(5 if name == "2018" else 0))


def test_each_dimension_of_quality_counts_alike() -> None:
    found = (
        DimensionFacts("completeness", 1, 1000),
        DimensionFacts("validity", 1, 1),
        DimensionFacts("uniqueness", 0, 0),
    )
    assert points(town(), Facts(quality=found))[1] == "15.02"  # 30 × (0.001 + 1) / 2 = 15.015


def test_a_document_counts_by_how_often_it_came_by_sharing() -> None:
    found = (
        DocumentFacts("tax_payment", 3, 4),
        DocumentFacts("business_licence", 0, 0),
        DocumentFacts("tenancy", 1, 1),
    )
    documents = score(spec.shipped()["2013"], Facts(documents=found)).indicators[3]
    # (0.75 + 0 + 1) / 3 / 0.8 = 0.729167 of 40
    assert (documents.points, documents.parts[0].value) == (Decimal("29.17"), "(3/4 + 0 + 1/1)/3")
    eight = score(spec.shipped()["2012"], Facts(documents=found)).indicators[3]  # tenancies are none of the eight
    assert (eight.points, eight.parts[0].value) == (Decimal("18.75"), "(3/4 + 0)/2")


def test_the_shipped_sets_are_those_of_the_source() -> None:
    known = spec.shipped()
    assert list(known) == ["2012", "2013", "2014", "2018"]
    weights = [(each.weight, each.bonus) for each in known["2018"].indicators]
    expected = [(Decimal(each), False) for each in (5, 31, 15, 25, 10, 5, 5, 2, 2)]
    assert weights == [*expected, (Decimal(5), True)]
    eight, sixteen = ([each.title.zh for each in known[name].documents] for name in ("2012", "2013"))
    assert "、".join(eight) == (
        "社保证明、营业执照、税务登记证、建设项目环境影响评价批复意见、房屋产权或使用权证明、建设用地规划许可证、"
        "建设工程规划许可证、纳税证明"
    )
    assert "、".join(sixteen) == (
        "社保证明、税务登记证、建设项目环境影响评价批复意见、房屋产权或使用权证明、建设用地规划许可证、建设工程规划许可证、"
        "纳税证明、营业执照、租赁证明、卫生许可证、建设工程消防设计审核意见、建设工程消防验收意见书、污染物排放许可证、"
        "户外广告登记证、药品经营许可证、外商投资企业批准证书"
    )
    assert set(spec.measures()) == set(Measure)


def changed(**more: Any) -> dict[str, Any]:
    """One indicator of the town's set, otherwise."""
    found: dict[str, Any] = yaml.safe_load(TOWN.replace("ABSENT", "none").replace("WHOLE", "none"))
    found["indicators"][0] |= more
    return {"indicators": found["indicators"]}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (changed(weight=69), "appraisal.weights_wrong"),
        (changed(weight=-1), "appraisal.set_wrong"),
        (changed(weight="NaN"), "appraisal.set_wrong"),
        (changed(weight=70.01, bonus=True), "appraisal.weights_wrong"),
        (changed(name="quality"), "appraisal.set_wrong"),
        (changed(group="nobody"), "appraisal.set_wrong"),
        (changed(formula="reviewed"), "appraisal.set_wrong"),
        (changed(parts=[{"measure": "provided", "share": 99}]), "appraisal.set_wrong"),
        (changed(parts=[{"measure": "provided", "share": 100, "floor": 0.9, "target": 0.9}]), "appraisal.set_wrong"),
        (changed(parts=[{"measure": "provided", "share": 100, "floor": -1}]), "appraisal.set_wrong"),
        (changed(parts=[{"measure": "provided", "share": 50}] * 2), "appraisal.set_wrong"),
        (changed(parts=[{"measure": "documents", "share": 100}]), "appraisal.set_wrong"),
    ],
)
def test_a_wrong_set_is_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        town(**wrong)
    assert refused.value.code == code


def test_more_than_five_bonus_points_are_refused() -> None:
    found = changed()["indicators"]
    extra = {**found[0], "name": "extra", "weight": 5.01, "bonus": True}
    with pytest.raises(Invalid) as refused:
        town(indicators=[*found, extra])
    assert refused.value.code == "appraisal.bonus_wrong"


@pytest.fixture
def active(tmp_path: Path) -> tuple[Path, Packs]:
    """A pack with nothing in it, and the packs that are on with it."""
    (tmp_path / "pack.yaml").write_text("{name: t, title: {en: T, zh: 镇}, version: '1', keeper: a}")
    for name in ("appraisal/serves", "appraisal/flows"):
        (tmp_path / name).mkdir(parents=True)
    return tmp_path, packs.choose([tmp_path], "t")


def test_a_pack_replaces_a_set_adds_one_and_says_what_serves(active: tuple[Path, Packs]) -> None:
    folder, chosen = active
    text = TOWN.replace("ABSENT", "none").replace("WHOLE", "none")
    (folder / "appraisal/2018.yaml").write_text(text)
    (folder / "appraisal/2021.yaml").write_text(text.replace("2020-01-01", "2021-01-01"))
    (folder / "appraisal/serves/2013.yaml").write_text("tax_payment: {datasets: [tax_paid]}")
    found = spec.sets(chosen)
    assert list(found) == ["2012", "2013", "2014", "2018", "2021"]
    assert found["2018"].title.en == "Town"
    served = {each.name: each.serves for each in found["2013"].documents}
    assert (served["tax_payment"].datasets, served["tax_payment"].terms) == (("tax_paid",), ())
    assert served["tenancy"].datasets == ("tenancy",)
    (folder / "appraisal/2021.yaml").write_text(text.replace("weight: 70", "weight: 71"))
    with pytest.raises(Problem) as refused:
        spec.sets(chosen)
    assert refused.value.code == "appraisal.weights_wrong"


@pytest.mark.parametrize(
    ("wrong", "measure"),
    [
        ({"provided": {"good": 3, "total": 2}}, "provided"),
        ({"quality": [{"dimension": "validity", "good": 3, "total": 2}]}, "quality.validity"),
        ({"documents": [{"document": "firm", "good": 3, "total": 2}]}, "documents.firm"),
        ({"reviewed": [{"indicator": "innovation", "points": -1}]}, "points.innovation"),
        ({"reviewed": [{"indicator": "innovation", "points": "NaN"}]}, "points.innovation"),
    ],
)
def test_numbers_that_cannot_be_are_refused(wrong: dict[str, Any], measure: str) -> None:
    given = msgspec.convert({"departments": {"a": {"uses": {"good": 9, "total": 2}, **wrong}}}, FactsFile)
    with pytest.raises(Invalid) as refused:
        from_facts(given, "2018")
    assert (refused.value.code, refused.value.params) == (
        "appraisal.facts_wrong",
        {"department": "a", "measure": measure},
    )


def test_a_file_of_facts_says_what_is_wrong_in_it(tmp_path: Path) -> None:
    for text in (
        "departments: {a: {provided: {good: -1, total: 2}}}",
        "departments: {a: {providid: {good: 1, total: 2}}}",
        "departments: {a: {quality: [{dimension: beauty, good: 1, total: 1}]}}",
    ):
        path = tmp_path / "facts.yaml"
        path.write_text(text)
        with pytest.raises(Invalid) as refused:
            packs.decode(path, FactsFile)
        assert refused.value.code == "kernel.pack_wrong"
