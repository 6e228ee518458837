"""Results that are published: frozen, revised with a reason, ranked as the platform shows them, appealed."""

from typing import Any

import pytest

from appraisal.appraisal_kit import MARCH, PUBLISHED, Place, codes


@pytest.fixture
def published(after_march: Place) -> Place:
    """March as it was published on 3 April."""
    answer = after_march.bureau.publish()
    assert answer.status_code == 201, answer.text
    return after_march


def test_a_result_is_frozen_with_its_set_facts_and_rows(published: Place) -> None:
    civil = published.civil
    now = civil.score()
    kept = civil.result().json()
    assert kept["score"] == now["score"]
    assert (kept["facts"], kept["digest"]) == (now["facts"], now["digest"])
    assert (kept["publication"], kept["revision"], kept["place"]) == (PUBLISHED, 1, 1)
    for indicator in now["score"]["indicators"]:
        address = f"appraisal/publications/{PUBLISHED}/results/civil/evidence/{indicator['name']}"
        frozen = civil.done("GET", address)
        assert frozen == civil.evidence(indicator["name"])
        assert civil.done("GET", address, params={"offset": 1, "limit": 2})["rows"] == frozen["rows"][1:3]
    (entry,) = published.entries("appraisal.published")
    assert entry["facts"]["set_digest"] == now["digest"]
    assert (entry["facts"]["revision"], entry["facts"]["departments"]) == (1, 3)
    (event,) = published.events("appraisal.result_published")
    assert (event["publication"], event["revision"], event["appeal"]) == (PUBLISHED, 1, "")


def test_a_later_computation_is_another_revision_and_the_former_stays(published: Place) -> None:
    bureau, civil = published.bureau, published.civil
    before = published.kept()
    assert bureau.publish().json()["revision"] == 1
    assert codes(bureau.publish(show="own")) == (409, "appraisal.key_reused")
    assert codes(bureau.publish("k2")) == (422, "appraisal.revision_reason")
    assert codes(bureau.publish("k3", end="2026-04-30")) == (422, "appraisal.period_open")
    assert codes(bureau.publish("k3", start="2026-04-01")) == (422, "appraisal.period_backwards")
    assert codes(bureau.publish("k3", set="2013")) == (422, "appraisal.set_not_valid")
    assert codes(bureau.publish("k3", set="1999")) == (404, "appraisal.set_unknown")
    assert published.kept() == before
    assert bureau.decide("f5", "accept").status_code == 200  # two more bonus points
    again = bureau.publish("k2", reason="a filing was forgotten").json()
    assert again["revision"] == 2
    assert civil.result().json()["score"]["points"] == "69.49"
    assert civil.result(revision=1).json()["score"]["points"] == "67.49"
    assert [(each["revision"], each["reason"]) for each in civil.done("GET", "appraisal/publications")] == [
        (2, "a filing was forgotten"), (1, ""),
    ]  # fmt: skip
    assert codes(civil.result(revision=3)) == (404, "appraisal.publication_unknown")


@pytest.mark.parametrize(
    ("show", "seen"), [("points", ["67.49", True]), ("places", [None, True]), ("own", ["67.49", False])]
)
def test_departments_see_the_ranking_as_it_was_published(after_march: Place, show: str, seen: list[Any]) -> None:
    assert after_march.bureau.publish(show=show).status_code == 201
    address = f"appraisal/publications/{PUBLISHED}/ranking"
    lines = after_march.civil.done("GET", address)["lines"]
    assert (lines[0]["organisation"], lines[0]["points"], len(lines) == 3) == ("civil", *seen)
    others = [line["organisation"] for line in after_march.other.done("GET", address)["lines"]]
    assert others == (["other"] if show == "own" else ["civil", "housing", "other"])
    assert len(after_march.bureau.done("GET", address)["lines"]) == 3
    assert after_march.bureau.done("GET", address)["lines"][0]["points"] == "67.49"


def test_nobody_else_sees_a_result_or_publishes_one(published: Place) -> None:
    before = published.kept()
    for door in (published.other, published.council):
        assert codes(door.result()) == (403, "kernel.refused")
        address = f"appraisal/publications/{PUBLISHED}/results/civil/evidence/use"
        assert codes(door.call("GET", address)) == (403, "kernel.refused")
        assert codes(door.publish("k9", reason="mine")) == (403, "kernel.refused")
    assert published.kept() == before
    assert published.other.result("other").status_code == 200


def with_readers(text: str) -> dict[str, str]:
    return {"2018": text.replace("groups:", "readers: [council]\ngroups:", 1)}


class TestLeaders:
    """Whom the set names sees every department's."""

    @pytest.fixture
    def sets(self, request: pytest.FixtureRequest) -> dict[str, str]:
        from cityloom.appraisal.spec import HERE

        return with_readers((HERE / "sets/2018.yaml").read_text())

    def test_leaders_see_all_and_change_nothing(self, published: Place) -> None:
        council = published.council
        assert council.score()["score"]["points"] == "67.49"
        assert council.result().json()["score"]["points"] == "67.49"
        assert len(council.done("GET", "appraisal/ranking", params=MARCH)["lines"]) == 3
        assert [each["id"] for each in council.done("GET", "appraisal/filings")] == ["f1", "f2", "f3", "f4", "f5"]
        before = published.kept()
        assert codes(council.decide("f5", "accept")) == (403, "kernel.refused")
        assert codes(council.appeal()) == (404, "appraisal.not_appraised")
        assert published.kept() == before


def test_an_appeal_that_is_upheld_makes_another_revision(published: Place) -> None:
    civil, bureau = published.civil, published.bureau
    made = civil.appeal().json()
    assert (made["state"], made["before"], made["organisation"]) == ("appealed", "22.42", "civil")
    assert made["due_at"] == "2026-04-20T10:00:00Z"  # ten working days; 6 April is a holiday
    assert civil.appeal().json() == made
    done = bureau.decide("a1", "uphold", "appeals", points="25.5", reason="the letter counts").json()
    assert (done["state"], done["points"], done["revision"]) == ("upheld", "25.50", 2)
    assert bureau.decide("a1", "uphold", "appeals", points="25.5", reason="the letter counts").json() == done
    kept = civil.result().json()
    assert (kept["revision"], kept["score"]["points"]) == (2, "70.57")  # 67.49 − 22.42 + 25.50
    told = {each["name"]: each for each in kept["score"]["indicators"]}
    assert told["provision"]["points"] == "25.50"
    assert told["provision"]["formula"]["en"] == "corrected by appeal a1 = 25.50"
    address = f"appraisal/publications/{PUBLISHED}/results/civil/evidence/provision"
    rows = civil.done("GET", address)["rows"]
    assert [(row["kind"], row["href"]) for row in rows if row["kind"] == "appeal"] == [
        ("appeal", "/api/appraisal/appeals/a1")
    ]
    assert len(rows) == len(civil.done("GET", address, params={"revision": 1})["rows"]) + 1
    assert civil.result(revision=1).json()["score"]["points"] == "67.49"
    assert [each["appeal"] for each in civil.done("GET", "appraisal/publications")] == ["a1", ""]
    assert codes(civil.appeal("a2")) == (409, "appraisal.revision_old")
    again = bureau.publish("k2", reason="computed anew")  # what was granted on appeal stands
    assert again.json()["revision"] == 3
    assert civil.result().json()["score"]["points"] == "70.57"
    assert [step["move"] for step in civil.done("GET", "appraisal/appeals/a1")["steps"]] == ["start", "uphold"]


def test_an_appeal_that_is_dismissed_changes_no_result(published: Place) -> None:
    published.civil.appeal()
    before = published.civil.result().json()
    done = published.bureau.decide("a1", "dismiss", "appeals", reason="a letter is no answer").json()
    assert (done["state"], done["answer"], done["revision"]) == ("dismissed", "a letter is no answer", None)
    assert published.civil.result().json() == before
    assert [each["state"] for each in published.events("appraisal.appeal_moved")] == ["appealed", "dismissed"]
    assert published.civil.appeal("a2", indicator="use").json()["state"] == "appealed"
    assert published.civil.decide("a2", "withdraw", "appeals").json()["state"] == "withdrawn"


def test_an_appeal_that_does_not_fit_is_refused(published: Place) -> None:
    civil, bureau = published.civil, published.bureau
    civil.appeal()
    before = published.kept()
    assert codes(civil.appeal(reason="another")) == (409, "appraisal.id_reused")
    assert codes(published.other.appeal()) == (409, "appraisal.id_taken")
    assert codes(civil.appeal("a2")) == (409, "appraisal.appeal_open")
    assert codes(civil.appeal("a2", indicator="beauty")) == (404, "appraisal.indicator_unknown")
    assert codes(civil.appeal("a2", publication="2018.x")) == (404, "appraisal.publication_unknown")
    assert codes(civil.appeal("a2", documents=[]))[0] == 400
    assert codes(civil.appeal("-", indicator="use"))[0] == 400
    assert codes(civil.decide("a1", "uphold", "appeals", points=31)) == (403, "kernel.refused")
    assert codes(published.other.decide("a1", "withdraw", "appeals")) == (404, "appraisal.appeal_unknown")
    for wrong, code in (
        ({"move": "uphold"}, "appraisal.points_missing"),
        ({"move": "dismiss", "points": 3}, "appraisal.points_missing"),
        ({"move": "uphold", "points": "31.01"}, "appraisal.points_wrong"),
        ({"move": "uphold", "points": "3.005"}, "appraisal.points_wrong"),
        ({"move": "uphold", "points": "NaN"}, "appraisal.points_wrong"),
        ({"move": "uphold", "points": "-1"}, "appraisal.points_wrong"),
        ({"move": "accept"}, "appraisal.move_unknown"),
        ({"move": "uphold", "points": 3, "reason": ""}, "flow.reason_missing"),
    ):
        assert codes(bureau.decide("a1", kind="appeals", **wrong)) == (422, code), wrong
    assert codes(bureau.decide("a1", "dismiss", "appeals", version=7)) == (409, "flow.stale")
    assert published.kept() == before


def test_appeals_are_taken_for_a_time_and_answered_in_time(published: Place) -> None:
    civil = published.civil
    civil.appeal()
    (until,) = {each["appeals_until"] for each in civil.done("GET", "appraisal/publications")}
    assert until == "2026-04-27T10:00:00Z"  # fifteen working days
    for days in (14, 3, 3, 10):
        published.clock.turn(days=days)
        published.tick()
        published.tick()
    for door in (civil, published.bureau):
        told = [each for each in door.done("GET", "appraisal/notices") if each["subject"] == "appeal:a1"]
        assert [(each["kind"], each["to"]) for each in told] == [
            ("warning", "appraiser"), ("warning", "appraiser"), ("overdue", "appraiser"), ("escalation", "platform"),
        ]  # fmt: skip
    assert published.other.done("GET", "appraisal/notices") == []
    before = published.kept()
    assert codes(civil.appeal("a2", indicator="use")) == (409, "appraisal.appeal_late")
    assert published.kept() == before
    assert published.bureau.decide("a1", "dismiss", "appeals").status_code == 200  # late, and still possible


def test_departments_stand_by_indicators_for_who_sees_all(published: Place) -> None:
    bureau, civil = published.bureau, published.civil
    for address, query in (("matrix", MARCH), (f"publications/{PUBLISHED}/matrix", {})):
        found = bureau.done("GET", f"appraisal/{address}", params=query)
        assert [(line["place"], line["organisation"], line["points"]) for line in found["lines"]] == [
            (line["place"], line["organisation"], line["points"])
            for line in bureau.done("GET", f"appraisal/publications/{PUBLISHED}/ranking")["lines"]
        ]
        told = [
            {name: each[name] for name in ("points", "effective", "assessable")} | {"indicator": each["name"]}
            for each in civil.result().json()["score"]["indicators"]
        ]
        assert found["lines"][0]["cells"] == told
        assert codes(civil.call("GET", f"appraisal/{address}", params=query)) == (403, "kernel.refused")


def test_a_set_says_what_can_be_filed(published: Place) -> None:
    told = published.civil.done("GET", "appraisal/sets/2018")["fileable"]
    assert [(each["indicator"], each["of"], each["whole"], each["most"]) for each in told] == [
        ("catalogue", "catalogued", True, None), ("use", "forms", True, None), ("institutions", "points", False, "10"),
        ("feedback", "feedback", True, None), ("innovation", "points", False, "5"),
    ]  # fmt: skip
    assert told[0]["title"]["zh"].startswith("已编目资源")
