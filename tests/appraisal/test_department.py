"""A whole department, worked by hand in docs/guides/appraisal.md, comes out to 0.01 through the real doors."""

from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
from typer.testing import CliRunner

from appraisal.appraisal_kit import Place, described
from cityloom.appraisal.api import scores
from cityloom.appraisal.commands import app
from cityloom.identity.api import organisations
from cityloom.identity.contracts import OrganisationKind
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context

BY_HAND = {
    "catalogue": "3.60",
    "provision": "22.42",
    "quality": "11.90",
    "use": "8.52",
    "institutions": "6.50",
    "open_catalogue": "3.50",
    "open_supply": "5.00",
    "consistency": "2.00",
    "feedback": "1.80",
    "innovation": "2.25",
}


def test_the_department_comes_out_as_worked_by_hand(after_march: Place, tmp_path: Path) -> None:
    found = after_march.civil.score()
    score = found["score"]
    assert {each["name"]: each["points"] for each in score["indicators"]} == BY_HAND
    assert (score["base"], score["bonus"], score["points"]) == ("65.24", "2.25", "67.49")
    assert (found["set"], len(found["digest"])) == ("2018", 64)
    said = {each["name"]: each["formula"]["en"] for each in score["indicators"]}
    assert said["use"] == (
        "25 × (62.5% × 1/2 [grants that were used] + 37.5% × min(1, 3/2 / 20) [uses of others' data per grant]) = 8.52"
    )
    forms = next(part for each in score["indicators"] for part in each["parts"] if part["measure"] == "forms")
    assert (forms["absent"], forms["treatment"], forms["share"]) == ("unknown", "spread", "0.00")
    _computed_without_a_city(found, tmp_path)


def _computed_without_a_city(found: dict[str, object], folder: Path) -> None:
    """The same facts give the same points to anybody."""
    facts = folder / "facts.json"
    facts.write_bytes(msgspec.json.encode({"departments": {"civil": found["facts"]}}))
    done = CliRunner().invoke(app, ["compute", "--facts", str(facts), "--set", "2018", "--json"])
    assert done.exit_code == 0, done.output
    computed = msgspec.json.decode(done.stdout)
    assert computed["departments"]["civil"]["points"] == 67.49
    assert computed["digest"] == found["digest"]


def test_every_number_is_the_sum_of_rows_that_can_be_opened(after_march: Place) -> None:
    civil = after_march.civil
    found = civil.score()
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for indicator in found["score"]["indicators"]:
        page = civil.evidence(indicator["name"])
        assert page["total"] == len(page["rows"]) > 0
        for row in page["rows"]:
            opened = civil.call("GET", row["href"].removeprefix("/api/"))
            assert opened.status_code == 200 or opened.json()["state"] == "refused", row  # a refused delivery's receipt
            sums[row["measure"]][0] += Decimal(row["good"])
            sums[row["measure"]][1] += Decimal(row["total"])
    facts = found["facts"]
    plain = {name: ratio for name, ratio in facts.items() if isinstance(ratio, dict)}
    assert len(plain) == 17
    for name, ratio in plain.items():
        assert sums[name] == [ratio["good"], ratio["total"]], name
    for each in facts["quality"]:
        assert sums[f"quality.{each['dimension']}"] == [each["good"], each["total"]]
    assert sums["points.institutions"][0] == Decimal("6.5")


def test_rows_come_in_pages(after_march: Place) -> None:
    whole = after_march.civil.evidence("provision")["rows"]
    pages = [after_march.civil.evidence("provision", offset=at, limit=4) for at in range(0, len(whole), 4)]
    assert [row for page in pages for row in page["rows"]] == whole
    assert {page["total"] for page in pages} == {len(whole)}


def test_a_period_is_judged_by_what_was_known_at_its_end(after_march: Place) -> None:
    """What happens in April changes nothing of March."""
    before = after_march.civil.score()
    after_march.civil.move("r4", "approve")
    after_march.civil.deliver("c2", "card\nk2\n", "card")
    after_march.civil.withdraw("s1", "shop")
    after_march.civil.done("PUT", "catalogue/resources/later", json=described("新目录"))
    after_march.clock.turn(minutes=1)
    assert after_march.civil.score() == before
    april = after_march.civil.score(start="2026-04-01", end="2026-04-30")["facts"]
    assert april["answered"] == {"good": 0, "total": 1}  # r4, late
    assert april["described"] == {"good": 4, "total": 7}


def test_a_department_that_did_nothing_is_shown_as_not_assessable(place: Place) -> None:
    score = place.other.score("other")["score"]
    told = {each["name"]: (each["points"], each["treatment"], each["effective"]) for each in score["indicators"]}
    assert told["quality"] == ("0.00", "none", "15.31")
    assert told["feedback"] == ("0.00", "spread", "0.00")
    assert score["points"] == "0.00"


def test_only_those_who_may_see_a_department(after_march: Place) -> None:
    other, council, bureau = after_march.other, after_march.council, after_march.bureau
    before = after_march.kept()
    for door in (other, council):
        for address in ("scores/civil", "scores/civil/evidence/provision", "ranking"):
            answer = door.call("GET", f"appraisal/{address}", params={"start": "2026-03-01", "end": "2026-03-31"})
            assert (answer.status_code, answer.json()["code"]) == (403, "kernel.refused")
    assert after_march.kept() == before
    assert bureau.score()["score"]["points"] == "67.49"
    ranking = bureau.done("GET", "appraisal/ranking", params={"start": "2026-03-01", "end": "2026-03-31"})
    assert [(line["place"], line["organisation"]) for line in ranking["lines"]] == [
        (1, "civil"), (2, "housing"), (3, "other"),
    ]  # fmt: skip
    assert ranking["lines"][0]["points"] == "67.49"


def test_every_department_of_the_shipped_city_is_ranked(city: Parts) -> None:
    """Nobody has delivered anything yet: what is described in full counts, and nothing is invented."""
    ctx = platform_context(city, "test")
    found = scores.ranking(ctx, date(2026, 1, 1), date(2026, 12, 31))
    departments = [each.code for each in organisations.listing(ctx) if each.kind == OrganisationKind.department]
    assert (found.set, sorted(line.organisation for line in found.lines)) == ("2018", departments)
    points = {line.organisation: line.points for line in found.lines}
    assert points["justice"] == 0  # it keeps nothing
    described = scores.compute(ctx, "psb", date(2026, 1, 1), date(2026, 12, 31)).score.indicators[0]
    assert described.points == 5 * Decimal(100) / 98 // Decimal("0.01") * Decimal("0.01")
