"""Query options on a small city: filters with every operator and function, paths, orders, pages, what is expanded."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from sensing.conftest import City
from sensing.sensing_kit import Door, multi, place, station, stream

HOURS = [f"2026-03-01T{hour:02}:00:00Z" for hour in range(10)]


def point(x: float, y: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [x, y]}


@pytest.fixture(scope="module")
def ids(town: City) -> dict[str, int]:
    """Four Things on a line; of the first, ten Observations, 0 to 9, an hour apart."""
    civil, found = town.civil, {}
    for number in range(4):
        spot = place(f"spot {number}", point(number, 10))
        found[f"thing{number}"] = civil.post(
            "Things",
            station(
                f"thing {number}",
                Locations=[spot],
                properties={"floor": number, "tags": ["a", {"b": str(number)}], "ok": number > 1},
            ),
        )
    first = f"Things({found['thing0']})"
    [found["stream"]] = civil.names(f"{first}/Datastreams", "@iot.id")
    for number, at in enumerate(HOURS):
        found[f"o{number}"] = civil.post(
            f"Datastreams({found['stream']})/Observations", {"result": number, "phenomenonTime": at, "resultTime": at}
        )
    found["words"] = civil.post(f"{first}/Datastreams", stream("words"))
    for text in ("Rain, heavy", "sun", "It's fog"):
        civil.post(f"Datastreams({found['words']})/Observations", {"result": text})
    found["spans"] = civil.post(
        f"Things({found['thing1']})/Datastreams", stream("spans", properties={"unit": {"kind": "span"}})
    )
    for start, end in ((0, 2), (2, 4), (3, 6)):
        body = {"result": True, "phenomenonTime": f"{HOURS[start]}/{HOURS[end]}", "parameters": {"depth": start}, "resultQuality": {"flag": "N"},
                "validTime": f"{HOURS[start]}/{HOURS[end]}"}  # fmt: skip
        civil.post(f"Datastreams({found['spans']})/Observations", body)
    found["multi"] = civil.post(f"Things({found['thing1']})/MultiDatastreams", multi())
    civil.post(f"MultiDatastreams({found['multi']})/Observations", {"result": [1.5, "x"], "phenomenonTime": HOURS[0]})
    return found


def results(door: Door, stream: int, expression: str, of: str = "result") -> list[Any]:
    return door.names(f"Datastreams({stream})/Observations?$filter={quote(expression)}", of)


NUMBERS: dict[str, list[int]] = {
    "result eq 3": [3], "result ne 3": [0, 1, 2, 4, 5, 6, 7, 8, 9], "result gt 7": [8, 9], "result ge 7": [7, 8, 9],
    "result lt 2": [0, 1], "result le 2": [0, 1, 2], "result gt '7'": [8, 9], "result lt '10'": [0, 1], "3 lt result and result lt 5": [4],
    "result eq 2 or result eq 4": [2, 4], "result eq 2 and result eq 1 or result eq 1": [1],
    "result eq 1 or result eq 2 and result eq 1": [1], "(result eq 1 or result eq 2) and result eq 1": [1],
    "not result lt 1 and not result gt 1": [1], "not (result lt 8)": [8, 9], "result add 1 eq 3": [2],
    "1 add result mul 2 sub -1 eq 4": [1], "result sub 2 eq 0": [2], "(1 add result) mul 2 eq 4": [1],
    "6 div result eq 3": [2], "result mod 4 eq 1": [1, 5, 9], "14 div (result add 1) mod 3 mul 3 eq 3": [1],
    "result in (1, 3, 11)": [1, 3], "round(result div 2) eq 1": [1, 2], "floor(result div 2) eq 1": [2, 3],
    "ceiling(result div 2) eq 1": [1, 2], "result eq null": [], "result ne null": list(range(10)),
    "phenomenonTime gt 2026-03-01T07:00:00Z": [8, 9], "phenomenonTime eq 2026-03-01T15:00:00+08:00": [7],
    "phenomenonTime lt 2026-03-01T01:00:00Z": [0], "phenomenonTime ge 2026-03-01T09:00:00Z": [9],
    "phenomenonTime sub duration'PT1H' lt 2026-03-01T00:00:00Z": [0],
    "phenomenonTime add duration'PT2H' gt 2026-03-01T10:00:00Z": [9],
    "phenomenonTime sub 2026-03-01T00:00:00Z gt duration'PT7H30M'": [8, 9], "hour(phenomenonTime) eq 5": [5],
    "phenomenonTime sub resultTime eq duration'PT0S'": list(range(10)), "year(phenomenonTime) eq 2025": [],
    "month(phenomenonTime) eq 3 and day(resultTime) eq 1 and minute(resultTime) eq 0 and second(resultTime) eq 0 and hour(resultTime) lt 1": [0],
    "date(phenomenonTime) eq 2026-03-01": list(range(10)), "time(phenomenonTime) lt 01:30:00": [0, 1],
    "fractionalseconds(resultTime) eq 0 and totaloffsetminutes(resultTime) eq 0": list(range(10)),
    "phenomenonTime lt now() and phenomenonTime gt mindatetime() and phenomenonTime lt maxdatetime()": list(range(10)),
    "during(phenomenonTime, 2026-03-01T02:00:00Z/2026-03-01T03:00:00Z)": [2, 3], "before(resultTime, 2026-03-01T01:00:00Z)": [0],
    "after(phenomenonTime, 2026-03-01T08:00:00Z)": [9], "Datastream/name eq 't' and result eq 1": [1],
    "Datastream/Thing/properties/floor eq 0 and result lt 1": [0], "Datastream/Thing/Locations/name eq 'spot 0' and result eq 5": [5],
    "Datastream/Thing/Locations/name eq 'spot 1'": [], "Datastream/unitOfMeasurement/symbol eq '°C' and result eq 0": [0],
    "FeatureOfInterest/name eq 'spot 0' and result eq 4": [4], "result eq 'x'": [], "result div 0 eq 1": [],
}  # fmt: skip


def test_numbers_and_times(town: City, ids: dict[str, int]) -> None:
    found = {expression: results(town.civil, ids["stream"], expression) for expression in NUMBERS}
    assert found == NUMBERS


WORDS = {
    "substringof('fog', result)": ["It's fog"], "startswith(result, 'Rain,')": ["Rain, heavy"], "endswith(result, 'n')": ["sun"],
    "result eq 'It''s fog'": ["It's fog"], "length(result) eq 3": ["sun"], "indexof(result, 'u') eq 1": ["sun"],
    "substring(result, 1) eq 'un'": ["sun"], "substring(result, 0, 2) eq 'su'": ["sun"], "tolower(result) eq 'rain, heavy'": ["Rain, heavy"],
    "toupper(result) eq 'SUN'": ["sun"], "trim(concat(' ', result)) eq 'sun'": ["sun"], "result gt 's'": ["sun"], "result gt 1": [],
    "concat(concat(result, ', '), Datastream/name) eq 'sun, words'": ["sun"],
}  # fmt: skip


def test_words(town: City, ids: dict[str, int]) -> None:
    found = {expression: results(town.civil, ids["words"], expression) for expression in WORDS}
    assert found == WORDS


INTERVALS = {
    "phenomenonTime lt 2026-03-01T03:00:00Z": [0], "phenomenonTime gt 2026-03-01T02:30:00Z": [3],
    "meets(phenomenonTime, 2026-03-01T02:00:00Z/2026-03-01T04:00:00Z)": [0], "overlaps(phenomenonTime, 2026-03-01T05:00:00Z)": [3],
    "starts(phenomenonTime, 2026-03-01T02:00:00Z)": [2], "finishes(phenomenonTime, 2026-03-01T06:00:00Z)": [3],
    "phenomenonTime eq 2026-03-01T02:00:00Z/2026-03-01T04:00:00Z": [2], "parameters/depth gt 1": [2, 3],
    "resultQuality/flag eq 'N'": [0, 2, 3], "result eq true": [0, 2, 3], "result eq false": [], "not (result eq true)": [],
    "during(validTime, 2026-03-01T00:00:00Z/2026-03-01T04:00:00Z)": [0, 2], "Datastream/properties/unit/kind eq 'span' and parameters/depth eq 0": [0],
}  # fmt: skip


def test_intervals(town: City, ids: dict[str, int]) -> None:
    found = {
        expression: [each["depth"] for each in results(town.civil, ids["spans"], expression, "parameters")]
        for expression in INTERVALS
    }
    assert found == INTERVALS


THINGS: dict[str, list[int]] = {
    "properties/floor ge 2": [2, 3], "properties/floor gt '1'": [2, 3], "properties/ok eq true": [2, 3], "properties/tags[1]/b eq '3'": [3],
    "properties/tags/1/b eq '0'": [0], "properties/absent eq null and name ne 'x'": [0, 1, 2, 3], "properties/floor in (0, 3)": [0, 3],
    "Datastreams/name eq 'words'": [0], "Datastreams/Observations/result eq 7": [0], "not (Datastreams/name eq 'words')": [1, 2, 3],
    "MultiDatastreams/Observations/result/0 eq 1.5": [1], "MultiDatastreams/ObservedProperties/name eq 'humidity'": [1],
    "HistoricalLocations/time gt 2020-01-01T00:00:00Z and name eq 'thing 2'": [2], "id gt 0 and name eq 'thing 3'": [3],
    "Datastreams/Observations/FeatureOfInterest/name eq 'spot 0'": [0], "Datastreams/phenomenonTime ge 2026-03-01T00:00:00Z": [0, 1],
    "geo.intersects(Locations/location, geography'POLYGON((0.5 9, 2.5 9, 2.5 11, 0.5 11, 0.5 9))')": [1, 2],
    "st_within(Locations/location, geography'POLYGON((0.5 9, 2.5 9, 2.5 11, 0.5 11, 0.5 9))')": [1, 2],
    "st_contains(geography'POLYGON((0.5 9, 2.5 9, 2.5 11, 0.5 11, 0.5 9))', Locations/location)": [1, 2],
    "st_disjoint(Locations/location, geography'POLYGON((0.5 9, 2.5 9, 2.5 11, 0.5 11, 0.5 9))')": [0, 3],
    "st_equals(Locations/location, geography'POINT(3 10)')": [3], "st_touches(Locations/location, geography'LINESTRING(1 10, 2.5 10)')": [1],
    "st_crosses(Locations/location, geography'LINESTRING(0.5 10, 2.5 10)')": [], "st_overlaps(Locations/location, geography'POINT(1 10)')": [],
    "st_intersects(Locations/location, geography'LINESTRING(0.5 10, 2.5 10)')": [1, 2],
    "st_relate(Locations/location, geography'POINT(2 10)', 'T*F**F***')": [2], "geo.distance(Locations/location, geography'POINT(0 10)') le 1": [0, 1],
    "geo.distance(Locations/location, geography'POINT(0 10)') mul 2 eq 4": [2], "geo.length(Locations/location) eq 0 and name eq 'thing 1'": [1],
    "geo.length(geography'LINESTRING(0 0, 0 3)') eq 3 and name eq 'thing 1'": [1], "Locations/location/coordinates/0 eq 3": [3],
    "st_intersects(Datastreams/observedArea, geography'POINT(0 10)')": [0],
}  # fmt: skip


def test_paths_and_shapes(town: City, ids: dict[str, int]) -> None:
    found = {
        expression: [
            int(name[-1])
            for name in town.civil.names(f"Things?$filter=startswith(name,'thing') and ({quote(expression)})")
        ]
        for expression in THINGS
    }
    assert found == THINGS


WRONG = {
    "result gt": (400, "filter_wrong"), "result eq 1 and": (400, "filter_wrong"), "(result eq 1": (400, "filter_wrong"), "result eq 'x": (400, "filter_wrong"),
    "result === 1": (400, "filter_wrong"), "nonsense eq 1": (400, "property_unknown"), "Datastream/x eq 1": (400, "property_unknown"), "foo(result) eq 1": (400, "function_unknown"),
    "length(result, 1) eq 1": (400, "filter_wrong"), "phenomenonTime gt 2026-13-01T00:00:00Z": (400, "filter_wrong"), "phenomenonTime gt 5": (400, "types_differ"),
    "geo.intersects(FeatureOfInterest/feature, 5)": (400, "geometry_needed"), "st_within(FeatureOfInterest/feature, geography'POINT(')": (400, "filter_wrong"),
    "Datastream eq 1": (400, "property_unknown"), "(" * 200: (400, "filter_wrong"), "result eq 1;drop": (400, "filter_wrong"), "1": (400, "types_differ"),
}  # fmt: skip


def test_what_cannot_be_read_is_refused(town: City, ids: dict[str, int]) -> None:
    found = {expression: town.civil.refused("GET", f"Observations?$filter={quote(expression)}") for expression in WRONG}
    assert found == WRONG


def test_a_fault_is_told_by_its_place(town: City, ids: dict[str, int]) -> None:
    told = town.civil.send("GET", "Things?$filter=" + quote("name eq 'a' or or id eq 1")).json()
    assert told["params"] == {"position": 16, "near": "or id eq 1"}


def test_orders(town: City, ids: dict[str, int]) -> None:
    civil, of = town.civil, f"Datastreams({ids['stream']})/Observations"
    assert civil.names(f"{of}?$orderby=result desc&$top=2", "result") == [9, 8]
    assert civil.names(f"{of}?$orderby=result mod 3,result desc&$top=4", "result") == [9, 6, 3, 0]
    things = "Things?$filter=startswith(name,'thing')&$orderby="
    assert civil.names(things + "properties/floor desc&$top=2") == ["thing 3", "thing 2"]
    assert civil.names(things + "Locations/name desc") == [f"thing {n}" for n in (3, 2, 1, 0)]
    assert civil.names(things + quote("geo.distance(Locations/location,geography'POINT(2 10)'),name")) == [
        f"thing {n}" for n in (2, 1, 3, 0)
    ]
    assert civil.names(
        "Observations?$orderby=Datastream/name,result&$top=2&$filter=Datastream/name ne 'spans'", "result"
    ) == [0, 1]
    assert civil.names(
        f"{of}?$count=true&$top=1&$skip=2&$orderby=phenomenonTime asc&$filter=result gt '3'", "result"
    ) == [6]
    assert (
        civil.get(f"{of}?$count=true&$top=1&$skip=2&$orderby=phenomenonTime asc&$filter=result gt '3'")["@iot.count"]
        == 6
    )


def test_pages_follow_one_another(town: City, ids: dict[str, int]) -> None:
    civil, found = town.civil, []
    path = f"Datastreams({ids['stream']})/Observations?$top=3&$orderby=result desc&$select=result&$filter=" + quote(
        "result ge 0"
    )
    for _ in range(4):
        answer = civil.get(path)
        found += [each["result"] for each in answer["value"]]
        assert all(set(each) == {"result"} for each in answer["value"])
        path = answer.get("@iot.nextLink", "")
    assert (found, path) == ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "")
    assert civil.get("Things?$top=0") == {"value": []}
    for wrong in (
        "$top=-1",
        "$top=x",
        "$skip=1.5",
        "$count=yes",
        "$foo=1",
        "$top=1&$top=2",
        "$select=foo",
        "$expand=Foo",
        "$expand=Datastreams($top=1",
        "$resultFormat=xml",
    ):
        assert civil.send("GET", f"Things?{wrong}").status_code == 400, wrong


def test_what_is_expanded(town: City, ids: dict[str, int]) -> None:
    civil = town.civil
    path = f"Things({ids['thing0']})?$select=name&$expand=Datastreams($select=name,id;$orderby=name desc;$count=true;$expand=Observations($top=2;$count=true;$orderby=phenomenonTime desc;$select=result;$filter=result gt 1),ObservedProperty($select=name)),Locations/HistoricalLocations"
    found = civil.get(path)
    assert set(found) == {"name", "Datastreams", "Datastreams@iot.count", "Locations"}
    words, numbers = found["Datastreams"]
    assert (words["name"], words["Observations"], words["Observations@iot.count"]) == ("words", [], 0)
    assert [each["result"] for each in numbers["Observations"]] == [9, 8]
    assert (numbers["Observations@iot.count"], numbers["ObservedProperty"]) == (8, {"name": "temperature"})
    more = civil.get(numbers["Observations@iot.nextLink"])
    assert [each["result"] for each in more["value"]] == [7, 6]
    assert len(found["Locations"][0]["HistoricalLocations"]) == 1
    last = civil.get(
        f"Things({ids['thing0']})/Datastreams?$orderby=name&$expand=Observations($orderby=phenomenonTime desc;$top=1)"
    )
    assert [each["Observations"][0]["result"] for each in last["value"]] == [9, "It's fog"]
    assert all("$skip=1" in each["Observations@iot.nextLink"] for each in last["value"])
    assert (
        civil.get(f"Observations({ids['o3']})?$expand=FeatureOfInterest,Datastream/Thing")["Datastream"]["Thing"][
            "name"
        ]
        == "thing 0"
    )
    both = civil.get(f"Datastreams({ids['stream']})?$expand=Thing/Locations,Thing/Datastreams($top=1)")["Thing"]
    assert (len(both["Locations"]), len(both["Datastreams"])) == (1, 1)


def test_addresses(town: City, ids: dict[str, int]) -> None:
    civil, one = town.civil, f"Things({ids['thing2']})"
    assert civil.get(f"{one}/name") == {"name": "thing 2"}
    assert civil.get(f"{one}/id") == {"id": ids["thing2"]}
    raw = civil.send("GET", f"{one}/name/$value")
    assert (raw.text, raw.headers["content-type"]) == ("thing 2", "text/plain; charset=utf-8")
    assert civil.get(f"{one}/properties/tags/1/b") == {"b": "2"}
    assert civil.send("GET", f"{one}/properties/$value").json()["floor"] == 2
    assert [set(each) for each in civil.get(f"{one}/Datastreams/$ref")["value"]] == [{"@iot.selfLink"}]
    assert civil.get(f"{one}/$ref")["@iot.selfLink"].endswith(one)
    assert civil.send("GET", f"Datastreams({ids['stream']})/Observations/$count").text == "10"
    assert civil.get(f"Things({ids['thing3']})/Datastreams")["value"][0]["name"] == "t"
    assert civil.send("GET", f"Observations({ids['o1']})/validTime").status_code == 204
    assert civil.get(f"Things?$select=properties/floor&$filter=id eq {ids['thing2']}")["value"] == [
        {"properties": {"floor": 2}}
    ]
    for path in (
        "Foo",
        "Things('a')",
        "Things(99999999999999999999)",
        f"{one}/foo",
        f"{one}/properties/foo",
        "Things/Datastreams",
        f"{one}/name/x/$foo",
        f"{one}/Datastreams({ids['words']})",
        "Things(1)x",
    ):
        assert civil.send("GET", path).status_code == 404, path


def test_other_formats(town: City, ids: dict[str, int]) -> None:
    civil, of = town.civil, f"Datastreams({ids['stream']})/Observations"
    [group] = civil.get(f"{of}?$resultFormat=dataArray&$top=2&$select=id,result,phenomenonTime")["value"]
    assert group["components"] == ["id", "result", "phenomenonTime"]
    assert group["dataArray"] == [[ids["o0"], 0, HOURS[0]], [ids["o1"], 1, HOURS[1]]]
    assert (
        group["dataArray@iot.count"],
        group["Datastream@iot.navigationLink"][-len(f"Datastreams({ids['stream']})") :],
    ) == (2, f"Datastreams({ids['stream']})")
    whole = civil.get("Observations?$resultFormat=dataArray")["value"]
    assert [len(each["dataArray"]) for each in whole] == [10, 3, 3, 1]
    assert whole[2]["dataArray"][0][3:] == [True, {"flag": "N"}, f"{HOURS[0]}/{HOURS[2]}", {"depth": 0}]
    text = civil.send(
        "GET", f"{of}?$resultFormat=CSV&$select=result,phenomenonTime&$top=2&$expand=Datastream($select=name)"
    )
    assert text.headers["content-type"] == "text/csv; charset=utf-8"
    assert text.text.splitlines() == ["result,phenomenonTime,Datastream/name", f"0,{HOURS[0]},t", f"1,{HOURS[1]},t"]
    shapes = civil.send("GET", "Things?$resultFormat=GeoJSON&$expand=Locations&$filter=" + quote("name eq 'thing 2'"))
    [only] = shapes.json()["features"]
    assert (shapes.headers["content-type"], only["geometry"], json.loads(only["properties"]["properties"])) == (
        "application/geo+json",
        point(2, 10),
        {"floor": 2, "tags": ["a", {"b": "2"}], "ok": True},
    )
