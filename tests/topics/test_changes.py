"""What changes a town for good: a merge, many records, a new resource. Each has a town of its own."""

from typing import Any

from topics.topics_kit import Town, parts


def test_of_one_subject_at_most_200_records_of_a_part_are_shown(town: Town) -> None:
    lines = [f"a3,m{number},1.00," for number in range(201)]
    town.other.deliver("many", "person,month,amount,payer\n" + "\n".join(lines) + "\n", "payment")
    town.grant_payments("g8", "many", terms={"per_day": 1000, "per_minute": 1000})
    for door in (town.other, town.housing):
        subject = door.records("a3", purpose="many").json()["subjects"][0]
        (part,) = [each for each in subject["parts"] if each["part"] == "payment"]
        assert (len(part["records"]), part["more"]) == (200, True)
    assert town.rows("SELECT count(*) FROM sharing.use WHERE granted = 'g8'") == [(200,)]


def test_by_id_all_numbers_of_the_entity_count_and_only_if_it_is_shown(town: Town) -> None:
    anna, zoe = (town.housing.person(number, "ids")["id"] for number in ("a1", "b9"))
    town.other.deliver("more", "person,month,amount,payer\nb9,2026-03,5.50,\n", "payment")
    merge = {"from_id": zoe, "into": anna, "reason": "one woman"}
    assert town.bureau.ask_register("POST", "person/merges", json=merge).status_code == 200
    town.grant_payments("g9", "ids")

    def by_id(door: Any) -> Any:
        wish = {"case": "case-1", "subjects": [{"id": anna}]}
        headers = {**door.headers, "x-purpose": "ids"}
        return door.client.post("/api/topics/people/records/read", json=wish, headers=headers)

    found = parts(by_id(town.housing))["payment"][1]
    assert [record["month"] for record in found] == ["2026-01", "2026-02", "2026-03"]
    assert by_id(town.other).status_code == 404  # it may not know whose id that is
    given = parts(town.other.records("a1", purpose="ids"))["payment"][1]
    assert [record["month"] for record in given] == ["2026-01", "2026-02", "2026-02"]


def test_what_the_catalogue_describes_and_nobody_delivers_is_told_from_what_is_missing(town: Town) -> None:
    item = {"name": {"zh": "姓名", "en": "Name"}}
    relief = {"title": {"zh": "救助", "en": "Relief"}, "keeper": "civil", "items": [item], "sharing": "unconditional"}
    town.civil.sign_in_as("catalogue.write")
    headers = town.civil.headers
    put = town.client.put("/api/catalogue/resources/relief", json=relief, headers=headers)
    assert put.status_code in (200, 201), put.text
    town.sign_in()
    (part,) = [part for part in town.bureau.topic()["parts"] if part["name"] == "relief"]
    assert part["state"] == "catalogued"
    assert town.bureau.topic()["state"]["missing"] == ["Relief"]
