"""History in the lake: what the door answers does not depend on which side of the border an observation is on."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid
from cityloom.kernel.jobs import platform_context
from cityloom.kernel.packs import Packs
from cityloom.sensing.api import keeping
from cityloom.sensing.rules import buckets
from cityloom.sensing.rules.buckets import Part
from cityloom.sensing.spec import retention
from cityloom.sensing.store import history, lake
from sensing.conftest import City
from sensing.sensing_kit import Door, kept, station, stream

START = datetime(2026, 2, 1, tzinfo=UTC)


class Row(msgspec.Struct):
    """One observation as the plain list has it; `stream` counts from 0."""

    id: int
    stream: int
    minute: int
    arrival: int
    result: Any
    flag: str | None = None


class Plain:
    """The same observations in a plain list, and what is asked of it."""

    def __init__(self, town: City, name: str) -> None:
        self.town, self.civil = town, town.civil
        self.thing = self.civil.post(
            "Things", station(name, Datastreams=[stream("a"), stream("b")], properties={"district": name})
        )
        self.streams = self.civil.names(f"Things({self.thing})/Datastreams?$orderby=id", "@iot.id")
        self.rows: list[Row] = []
        self.day = 0
        self.name = name

    def bring(self, found: list[tuple[int, int, Any, str | None]]) -> None:
        """Datastream, minute, result and mark of quality of each."""
        body = [
            {"Datastream": {"@iot.id": self.streams[of]}, "components": ["phenomenonTime", "result", "resultQuality"],
             "dataArray": [[moment(minute), result, flag]]}
            for of, minute, result, flag in found
        ]  # fmt: skip
        if not body:
            return
        answer = self.civil.send("POST", "CreateObservations", body)
        assert answer.status_code == 201, answer.text
        for link, each in zip(answer.json(), found, strict=True):
            self.rows.append(Row(int(link.rpartition("(")[2][:-1]), each[0], each[1], self.day, each[2], each[3]))

    def next_day(self, keep: bool = True) -> None:
        self.day += 1
        self.town.clock.turn(days=1)
        if keep:
            keeping.move(ctx_of(self.town))

    def of(self, stream: int) -> list[Row]:
        return sorted((row for row in self.rows if row.stream == stream), key=lambda row: (row.minute, row.id))


def moment(minute: int) -> str:
    return (START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


def ctx_of(town: City) -> Context:
    return platform_context(town.parts, "test")


def shown(found: dict[str, Any]) -> list[tuple[int, Any, str]]:
    return [(each["@iot.id"], each["result"], each["phenomenonTime"]) for each in found["value"]]


def as_shown(rows: list[Row]) -> list[tuple[int, Any, str]]:
    return [(row.id, row.result, moment(row.minute)) for row in rows]


def compare(plain: Plain) -> None:
    """Pages forwards and backwards, filters, counts, expansions, latest values and buckets, against the plain list."""
    civil = plain.civil
    for number, id in enumerate(plain.streams):
        rows, path = plain.of(number), f"Datastreams({id})/Observations"
        assert civil.send("GET", f"{path}/$count").text == str(len(rows))
        assert walked(civil, f"{path}?$top=3&$orderby=phenomenonTime") == as_shown(rows)
        back = sorted(rows, key=lambda row: (row.minute, row.id), reverse=True)
        assert walked(civil, f"{path}?$top=4&$orderby=phenomenonTime desc") == as_shown(back)
        some = [row for row in rows if not isinstance(row.result, str) and row.result >= 2 and row.minute < 3000]
        text = quote(f"result ge 2 and phenomenonTime lt {moment(3000)}")
        found = civil.get(f"{path}?$filter={text}&$count=true&$top=2&$skip=1&$orderby=phenomenonTime,id")
        assert (found["@iot.count"], shown(found)) == (len(some), as_shown(some[1:3]))
        odd = [row for row in rows if row.result == "w" or (row.minute % 60) == 30]
        found = civil.get(f"{path}?$count=true&$top=1000&$orderby=phenomenonTime&$filter={quote(ODD)}")
        assert (found["@iot.count"], shown(found)) == (len(odd), as_shown(odd))
        last = civil.get(f"Datastreams({id})?$expand=Observations($orderby=phenomenonTime desc;$top=1)")
        assert shown({"value": last["Observations"]}) == as_shown(back[:1])
        if rows:
            ends = "/".join(sorted({moment(rows[0].minute), moment(rows[-1].minute)}))
            assert last["phenomenonTime"].rstrip("Z") in (ends.rstrip("Z"), f"{ends}/{ends}".rstrip("Z"))
        compare_buckets(plain, id, rows)
    path = f"Things({plain.thing})/Datastreams?$orderby=id&$expand=Observations($top=2;$count=true;$orderby=phenomenonTime)"
    both = civil.get(path)["value"]
    assert [shown({"value": each["Observations"]}) for each in both] == [as_shown(plain.of(n)[:2]) for n in (0, 1)]
    assert [each["Observations@iot.count"] for each in both] == [len(plain.of(n)) for n in (0, 1)]


ODD = "result eq 'w' or minute(phenomenonTime) eq 30"


def walked(civil: Door, path: str) -> list[tuple[int, Any, str]]:
    """All pages, one after the other."""
    found = []
    while path:
        answer = civil.get(path)
        found += shown(answer)
        path = answer.get("@iot.nextLink", "")
    return found


def compare_buckets(plain: Plain, id: int, rows: list[Row]) -> None:
    """Buckets of each width against a recount of the list; days begin at midnight in Shanghai."""
    for by, width, shift in (("minute", 1, 0), ("hour", 60, 0), ("day", 1440, 480)):
        wanted: dict[int, list[Row]] = {}
        for row in rows:
            wanted.setdefault((row.minute + shift) // width * width - shift, []).append(row)
        lasts = moment(10_000)
        found = plain.civil.get(f"Datastreams({id})/aggregates?by={by}&from={moment(-1440)}&to={lasts}")
        assert [each["start"] for each in found["value"]] == [moment(at) for at in sorted(wanted)], by
        for each, at in zip(found["value"], sorted(wanted), strict=True):
            inside = sorted(wanted[at], key=lambda row: (row.minute, row.arrival, row.id))
            numbers = [row.result for row in inside if not isinstance(row.result, str)]
            good = sum(row.flag in (None, "N") for row in inside)
            assert (each["count"], each["numbers"], each["good"]) == (
                len(inside),
                len(numbers),
                round(good / len(inside), 6),
            )
            assert each["sum"] == (sum(numbers) if numbers else None)
            ends = (min(numbers), max(numbers), numbers[0], numbers[-1]) if numbers else (None,) * 4
            assert (each["min"], each["max"], each["first"], each["last"]) == ends, (by, at)


def compare_areas(plain: Plain) -> None:
    """What the district comes to by day."""
    found = plain.civil.get(
        f"/api/sensing/aggregates?by=day&district={plain.name}&from={moment(-1440)}&to={moment(10_000)}"
    )["value"]
    wanted: dict[int, list[Row]] = {}
    for row in plain.rows:
        wanted.setdefault((row.minute + 480) // 1440 * 1440 - 480, []).append(row)
    assert [(each["start"], each["count"], each["datastreams"]) for each in found] == [
        (moment(at), len(wanted[at]), 2) for at in sorted(wanted)
    ]
    for each, at in zip(found, sorted(wanted), strict=True):
        numbers = [row.result for row in wanted[at] if not isinstance(row.result, str)]
        assert each["sum"] == (sum(numbers) if numbers else None)


RESULTS = st.one_of(st.integers(-8, 40).map(lambda n: n / 8), st.just("w"))
ROWS = st.tuples(st.integers(0, 1), st.integers(0, 4000), RESULTS, st.sampled_from([None, None, "N", "F"]))
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("bring"), st.lists(ROWS, min_size=1, max_size=6)),
        st.tuples(st.just("day"), st.none()),
        st.tuples(st.just("change"), st.tuples(st.integers(0, 99), RESULTS, st.integers(0, 4000))),
        st.tuples(st.just("remove"), st.integers(0, 99)),
        st.tuples(st.just("write"), st.none()),
    ),
    min_size=4, max_size=10,
)  # fmt: skip


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=ACTS, seed=st.integers(0, 2**32))
def test_both_sides_answer_like_a_plain_list(town: City, acts: list[Any], seed: int) -> None:
    plain, chance = Plain(town, f"plain{seed}"), random.Random(seed)
    plain.bring([(n % 2, chance.randrange(4000), n / 4, None) for n in range(7)])
    for _ in range(5):
        plain.next_day()  # the first rows are in the lake now
    for act, what in acts:
        if act == "bring":
            plain.bring(what)
        elif act == "day":
            plain.next_day()
        elif act == "write":
            keeping.write_corrections(ctx_of(town))
        elif plain.rows:
            row = plain.rows[(what if act == "remove" else what[0]) % len(plain.rows)]
            link = f"Observations({row.id})"
            if act == "remove":
                assert plain.civil.send("DELETE", link).status_code == 200
                plain.rows.remove(row)
                assert plain.civil.send("GET", link).status_code == 404
            else:
                body = {"result": what[1], "phenomenonTime": moment(what[2])}
                answer = plain.civil.send("PATCH", link, body)
                assert answer.status_code == 200, answer.text
                assert answer.json()["result"] == what[1]
                row.result, row.minute = what[1], what[2]
    compare(plain)
    compare_areas(plain)
    keeping.keep(ctx_of(town))
    compare(plain)
    compare_areas(plain)
