"""How the figures of a library move when its sources do."""

from datetime import date

from cityloom.kernel.jobs import platform_context
from cityloom.quality.api import scores
from cityloom.registers.api import agreement
from cityloom.topics import jobs
from registers.registers_kit import TENANTS
from topics.topics_kit import FIRST, Town, of_parts


def conflict(town: Town) -> dict[tuple[str, ...], tuple[int, int]]:
    """Figures of conflict, as they are counted now."""
    town.follow()
    town.count()
    return {key[2:]: value for key, value in of_parts(town.bureau.topic()).items() if key[1] == "conflict"}


def run(town: Town) -> int:
    """The count of the register that holds."""
    ((found,),) = town.rows("SELECT run FROM registers.agreement WHERE register = 'person'")
    return int(found)


def test_conflicts_come_and_go_with_their_sources(town: Town) -> None:
    head, before = "contract,person,name,born,dwelling\n", run(town)
    agreement.count(platform_context(town.parts, "test"), "person")
    assert run(town) == before  # nothing is new
    # of two records of one source it is enough that one agrees: somebody may rent twice
    town.housing.deliver("t2", head + "c5,a2,Bert Birch,1990-06-02,h2\nc6,a3,,2001-07-04,h2\n", "tenant")
    assert conflict(town) == {
        (): (1, 3), ("name",): (0, 2), ("born",): (1, 3), ("name", "resident/tenant"): (0, 2),
        ("born", "resident/tenant"): (1, 3),
    }  # fmt: skip
    town.housing.withdraw("t2", "tenant")
    assert conflict(town)["name",] == (1, 2)
    # two people are found to be one: a tenant called Anna, beside Zoe, still agrees
    zoe, anna = (town.housing.person(number)["id"] for number in ("b9", "a1"))
    merge = {"from_id": zoe, "into": anna, "reason": "one woman"}
    assert town.bureau.ask_register("POST", "person/merges", json=merge).status_code == 200
    assert conflict(town)["name",] == (1, 2)
    assert of_parts(town.bureau.topic())["register:person", "records"] == (4, 4)
    (line,) = town.bureau.topic("/people/differences")
    assert line["id"] == town.housing.person("a2")["id"]
    # the source mends it; space and case are no difference
    town.housing.deliver("t3", TENANTS.replace("Bert Beech", "bert\u3000 BIRCH"), "tenant")
    assert conflict(town) == {
        (): (0, 2), ("name",): (0, 2), ("born",): (0, 2), ("name", "resident/tenant"): (0, 2),
        ("born", "resident/tenant"): (0, 2),
    }  # fmt: skip
    assert town.bureau.topic("/people/differences") == []
    town.housing.deliver("t4", TENANTS, "tenant")
    assert conflict(town)["name",] == (1, 2)
    town.civil.erase("a2")
    assert conflict(town)["name",] == (0, 1)
    assert town.rows("SELECT count(*) FROM registers.difference") == [(0,)]


def test_a_withdrawn_delivery_lowers_completeness_and_the_curve_keeps_both_days(town: Town) -> None:
    town.housing.withdraw("t1", "tenant")
    town.clock.turn(days=1)
    town.follow()
    town.measure()
    town.count()
    topic = town.bureau.topic()
    found = of_parts(topic)
    assert found["tenant", "delivered"] == (0, 1)
    assert found["tenant", "records"] == (0, 0)
    assert found["tenant", "fresh"] == (0, 1)
    assert ("tenant", "age") not in found
    assert found["register:person", "records"] == (3, 3)
    assert found["resident", "coverage", "person"] == (3, 3)
    assert ("register:person", "conflict", "name") not in found  # nothing is left to compare
    curve = {(point["day"], point["measure"]): (point["count"], point["total"]) for point in topic["curve"]}
    assert (curve[FIRST, "delivered"], curve["2026-03-04", "delivered"]) == ((4, 5), (3, 5))
    assert {point["day"] for point in town.bureau.topic(days=1)["curve"]} == {"2026-03-04"}
    (tenant,) = [part for part in topic["parts"] if part["name"] == "tenant"]
    assert tenant["state"] == "empty"


def test_freshness_follows_the_rhythm_and_timeliness_is_qualitys(town: Town) -> None:
    def fresh() -> dict[str, tuple[int, int]]:
        town.count()
        found = of_parts(town.bureau.topic())
        return {f"{part} {measure}": found[part, measure] for part, measure in wanted if (part, measure) in found}

    wanted = [(part, measure) for part in ("payment", "tenant") for measure in ("fresh", "timely", "age")]
    town.clock.turn(days=7)  # 10 March: February's was due on the 5th, and came on the 2nd
    scores.measure(town.platform, "payment", date(2026, 3, 5))
    assert fresh() == {
        "payment fresh": (1, 1), "payment timely": (1, 1), "payment age": (8, 0), "tenant fresh": (1, 1),
        "tenant age": (8, 0),
    }  # fmt: skip
    town.clock.turn(days=30)  # 9 April: March's was due on the 7th, after the holidays; tenants are stale after 30 days
    town.sign_in()
    scores.measure(town.platform, "payment", date(2026, 4, 7))
    assert fresh() == {
        "payment fresh": (0, 1), "payment timely": (1, 2), "payment age": (38, 0), "tenant fresh": (0, 1),
        "tenant age": (38, 0),
    }  # fmt: skip
    town.other.deliver("p2", "person,month,amount,payer\na1,2026-03,1.00,\n", "payment")
    found = fresh()
    assert (found["payment fresh"], found["payment timely"], found["payment age"]) == ((1, 1), (1, 2), (0, 0))


def test_a_day_is_counted_once_and_the_worker_does_it_by_itself(town: Town) -> None:
    def people() -> tuple[int, int]:
        jobs.count(platform_context(town.parts, "test"))
        return of_parts(town.bureau.topic())["register:person", "records"]

    def arrive(*numbers: str) -> None:
        town.civil.deliver(f"d{numbers[0]}", "id,name\n" + "".join(f"{each},New Person\n" for each in numbers))
        town.follow()

    arrive("a7")
    assert people() == (6, 6)  # on its first day a library is counted again and again
    arrive("a8")
    town.clock.turn(hours=17)  # two in the morning
    assert people() == (6, 6)
    town.clock.turn(hours=1)
    assert people() == (7, 7)
    arrive("a9")
    town.clock.turn(hours=1)
    assert people() == (7, 7)
    assert town.rows("SELECT DISTINCT day FROM topics.figure ORDER BY 1") == [(date(2026, 3, 3),), (date(2026, 3, 4),)]
