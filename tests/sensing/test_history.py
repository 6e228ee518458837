"""History in the lake: what the door answers does not depend on which side of the border an observation is on."""

import itertools
import random
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cityloom.kernel.context import Context
from cityloom.kernel.db import Scope
from cityloom.kernel.errors import Invalid
from cityloom.kernel.jobs import platform_context
from cityloom.sensing.api import keeping
from cityloom.sensing.contracts.buckets import Part
from cityloom.sensing.rules import buckets
from cityloom.sensing.spec import retention
from cityloom.sensing.store import history, lake
from sensing.conftest import City
from sensing.sensing_kit import Door, kept, station, stream

NUMBERS = itertools.count()
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
        assert walked(civil, f"{path}?$top=6&$orderby=phenomenonTime") == as_shown(rows)
        back = sorted(rows, key=lambda row: (row.minute, row.id), reverse=True)
        assert walked(civil, f"{path}?$top=7&$orderby=phenomenonTime desc") == as_shown(back)
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
    for level in (9.5, 1):
        text = quote(f"Datastreams/Observations/result ge {level} and properties/district eq '{plain.name}'")
        wanted = any(not isinstance(row.result, str) and row.result >= level for row in plain.rows)
        assert len(civil.get(f"Things?$filter={text}")["value"]) == wanted
    text = quote(f"Thing/id eq {plain.thing} and Observations/result eq 'w'")
    wanted_streams = sorted({plain.streams[row.stream] for row in plain.rows if row.result == "w"})
    assert civil.names(f"Datastreams?$orderby=id&$filter={text}", "@iot.id") == wanted_streams
    path = f"Things({plain.thing})/Datastreams?$orderby=id&$expand=Observations($top=2;$count=true;$orderby=phenomenonTime)"
    both = civil.get(path)["value"]
    assert [shown({"value": each["Observations"]}) for each in both] == [as_shown(plain.of(n)[:2]) for n in (0, 1)]
    compare_areas(plain)
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


def test_both_sides_answer_like_a_plain_list(town: City) -> None:
    @settings(max_examples=2, deadline=None, phases=[Phase.generate])
    @given(acts=ACTS)
    def run(acts: list[Any]) -> None:
        plain = Plain(town, f"plain{next(NUMBERS)}")
        plain.bring([(n % 2, n * 1777 % 4000, n / 4, None) for n in range(7)])
        for _ in range(5):
            plain.next_day()  # the first rows are in the lake now
        for act, what in acts:
            do(plain, act, what)
        compare(plain)
        keeping.keep(ctx_of(town))
        compare(plain)

    run()


def do(plain: Plain, act: str, what: Any) -> None:
    """One act of a test, in the city and in the plain list."""
    if act == "bring":
        plain.bring(what)
    elif act == "day":
        plain.next_day()
    elif act == "write":
        keeping.write_corrections(ctx_of(plain.town))
    elif plain.rows:
        row = plain.rows[(what if act == "remove" else what[0]) % len(plain.rows)]
        link = f"Observations({row.id})"
        if act == "remove":
            assert plain.civil.send("DELETE", link).status_code == 200
            plain.rows.remove(row)
            assert plain.civil.send("GET", link).status_code == 404
        else:
            answer = plain.civil.send("PATCH", link, {"result": what[1], "phenomenonTime": moment(what[2])})
            assert answer.status_code == 200, answer.text
            assert answer.json()["result"] == what[1]
            row.result, row.minute = what[1], what[2]


class Killed(BaseException):
    """Stands for the end of the process at this place."""


def killing(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> None:
    """The next call of a function ends in the middle of things."""

    def die(*_arguments: Any, **_named: Any) -> Any:
        monkeypatch.undo()
        raise Killed(name)

    monkeypatch.setattr(where, name, die)


STEPS = [
    (lake, "put"),
    (lake, "make_parts"),
    (lake, "cold"),
    (history, "mark_pairs"),
    (history, "move_border"),
    (Context, "record"),
]


def test_whoever_dies_while_a_day_moves_loses_and_doubles_nothing(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Plain(town, "killed")
    for _ in STEPS:
        plain.bring([(n % 2, 40 * n, n / 4, "N") for n in range(5)])
        plain.next_day(keep=False)
    for _ in range(3):
        plain.next_day(keep=False)
    for where, name in STEPS:
        killing(monkeypatch, where, name)
        with pytest.raises(Killed):
            keeping.move(ctx_of(town))
    compare(plain)
    assert len(keeping.move(ctx_of(town))) >= 1
    for where, name in ((lake, "replace"), (history, "written")):
        do(plain, "change", (3, 9.5, 55))
        do(plain, "remove", 4)
        killing(monkeypatch, where, name)
        with pytest.raises(Killed):
            keeping.write_corrections(ctx_of(town))
    compare(plain)
    assert keeping.write_corrections(ctx_of(town)) == 3
    compare(plain)


def test_what_changes_while_its_day_moves_is_not_lost(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Plain(town, "touched")
    plain.bring([(n % 2, n, n / 4, None) for n in range(6)])
    gone = Plain(town, "goes")
    gone.bring([(0, 1, 1.0, None)])
    for _ in range(3):
        plain.next_day()
    real = lake.make_parts

    def meanwhile(*arguments: Any) -> None:
        monkeypatch.undo()
        do(plain, "change", (1, 7.5, 90))
        do(plain, "remove", 0)
        assert town.civil.send("DELETE", f"Things({gone.thing})").status_code == 200
        real(*arguments)

    monkeypatch.setattr(lake, "make_parts", meanwhile)
    plain.next_day()
    compare(plain)
    assert keeping.write_corrections(ctx_of(town)) == 3
    compare(plain)
    assert in_the_lake(town, gone.streams) == dict.fromkeys(lake.SORTED, 0)


def in_the_lake(town: City, streams: list[int]) -> dict[str, int]:
    """How many rows each table of the lake has of two Datastreams."""
    with town.parts.lake.session() as cursor:
        return {
            table: cursor.execute(
                f"SELECT count(*) FROM lake.sensing.{table} WHERE datastream_id IN (?, ?)", streams
            ).fetchall()[0][0]
            for table in lake.SORTED
        }


def test_datastreams_and_features_that_go_leave_nothing(town: City) -> None:
    plain = Plain(town, "going")
    plain.bring([(n % 2, n, n / 4, None) for n in range(6)])
    for _ in range(5):
        plain.next_day()
    [feature] = plain.civil.names(
        f"Datastreams({plain.streams[0]})/Observations?$top=1&$expand=FeatureOfInterest", "FeatureOfInterest"
    )
    assert len(plain.civil.get(f"FeaturesOfInterest({feature['@iot.id']})/Observations")["value"]) == 6
    assert plain.civil.send("DELETE", f"Datastreams({plain.streams[0]})").status_code == 200
    assert plain.civil.send("GET", f"Observations({plain.rows[0].id})").status_code == 404
    assert plain.civil.send("DELETE", f"FeaturesOfInterest({feature['@iot.id']})").status_code == 200
    assert plain.civil.get(f"Datastreams({plain.streams[1]})/Observations")["value"] == []
    keeping.keep(ctx_of(town))
    assert in_the_lake(town, plain.streams) == dict.fromkeys(lake.SORTED, 0)


def test_nobody_sees_the_past_of_others(town: City) -> None:
    plain = Plain(town, "others")
    plain.bring([(0, n, n / 4, None) for n in range(3)])
    for _ in range(5):
        plain.next_day()
    path, link = f"Datastreams({plain.streams[0]})/Observations", f"Observations({plain.rows[0].id})"
    before = kept(town.admin_url)
    for asked in (path, link, f"Datastreams({plain.streams[0]})/aggregates"):
        assert town.other.send("GET", asked).status_code == 404
    ids = f"Observations?$filter=id eq {plain.rows[0].id} and phenomenonTime gt 2020-01-01T00:00:00Z&$count=true"
    assert town.other.get(ids) == {"@iot.count": 0, "value": []}
    assert plain.civil.get(ids)["@iot.count"] == 1
    assert town.other.get(f"/api/sensing/aggregates?district=others&from={moment(0)}&to={moment(9000)}")["value"] == []
    for method, body in (("PATCH", {"result": 1}), ("DELETE", None)):
        assert town.other.send(method, link, body).status_code == 404
    assert kept(town.admin_url) == before
    for act in ("seal_day(%s)", "drop_day(%s)", "drop_frames(%s, 0)"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), town.parts.db.begin(Scope("civil", "x")) as tx:
            tx.execute(f"SELECT sensing.{act}", [date(2026, 3, 2)])
    with town.parts.db.begin(Scope("civil", "x")) as tx:
        assert tx.execute("UPDATE sensing.history SET cold_until = now()") == 0
    assert kept(town.admin_url) == before
    cleared = f"/api/sensing/things/{plain.thing}/clearance"
    assert plain.civil.send("PUT", cleared, {"public": True}).status_code == 200
    assert town.other.get(ids)["@iot.count"] == 1
    assert shown(town.other.get(path)) == as_shown(plain.of(0))
    assert town.other.refused("PATCH", link, {"result": 1}) == (403, "not_keeper")


def test_retention_deletes_by_class_and_keeps_the_buckets(town: City, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Plain(town, "retained")
    answer = plain.civil.send("PATCH", f"Datastreams({plain.streams[1]})", {"properties": {"retention": "short"}})
    assert answer.status_code == 200
    for day in range(3):
        plain.bring([(n % 2, 1440 * day + n, n / 4, None) for n in range(4)])
        plain.next_day(keep=False)
    for _ in range(8):
        plain.next_day(keep=False)
    keeping.move(ctx_of(town))
    before = plain.civil.get(f"Datastreams({plain.streams[1]})/aggregates?by=hour&from={moment(0)}&to={moment(9000)}")
    (folder,) = (pack.folder for pack in town.parts.packs if pack.name == "small")
    (folder / "sensing/retention").mkdir()
    (folder / "sensing/retention/short.yaml").write_text("title: {en: Short, zh: 短期}\nraw_days: 9\n")
    killing(monkeypatch, history, "set_cold")
    with pytest.raises(Killed):
        keeping.expire(ctx_of(town))
    assert keeping.expire(ctx_of(town)) == 1
    assert keeping.expire(ctx_of(town)) == 0
    plain.rows = [row for row in plain.rows if row.stream == 0 or row.arrival == 2]
    path = f"Datastreams({plain.streams[1]})/Observations"
    assert (plain.civil.send("GET", f"{path}/$count").text, shown(plain.civil.get(path))) == (
        "2",
        as_shown(plain.of(1)),
    )
    assert len(plain.civil.get(f"Datastreams({plain.streams[0]})/Observations")["value"]) == 6
    assert (
        plain.civil.get(f"Datastreams({plain.streams[1]})/aggregates?by=hour&from={moment(0)}&to={moment(9000)}")
        == before
    )
    (folder / "sensing/retention/short.yaml").write_text("title: {en: Short, zh: 短期}\nraw_days: 3\n")
    with pytest.raises(Invalid, match="retention_too_short"):
        retention.retention(town.parts.packs)
    (folder / "sensing/retention/short.yaml").unlink()


PARTS = st.lists(
    st.tuples(st.integers(0, 5), st.one_of(st.none(), st.integers(-4, 4).map(float)), st.booleans()),
    min_size=1,
    max_size=8,
)


@given(found=PARTS, chance=st.randoms())
def test_parts_merge_in_any_order(found: list[tuple[int, float | None, bool]], chance: random.Random) -> None:
    parts = []
    for day, (minute, number, good) in enumerate(found):
        at = (START + timedelta(minutes=minute), date(2026, 1, 1) + timedelta(days=day))
        more = (number, number, number, number, at, number, at) if number is not None else ()
        parts.append(Part(1, number is not None, good, *more))
    shuffled = chance.sample(parts, len(parts))
    one, other = parts[0], shuffled[0]
    for part, another in zip(parts[1:], shuffled[1:], strict=True):
        one, other = buckets.merged(one, part), buckets.merged(other, another)
    assert one == other
    numbers = [each[1] for each in found if each[1] is not None]
    assert (one.total, one.numbers, one.added or 0.0) == (len(found), len(numbers), sum(numbers))


def test_pages_far_back_and_wishes_that_cannot_be_met(town: City) -> None:
    plain = Plain(town, "far")
    plain.bring([(0, n, n / 4, None) for n in range(1300)])
    for _ in range(4):
        plain.next_day()
    plain.bring([(0, 2 * n + 700, n / 4, None) for n in range(20)])
    rows, path = plain.of(0), f"Datastreams({plain.streams[0]})/Observations"
    for skip in (1100, 1290, 1319):
        found = plain.civil.get(f"{path}?$orderby=phenomenonTime&$top=5&$skip={skip}")
        assert (shown(found), "@iot.nextLink" in found) == (as_shown(rows[skip : skip + 5]), skip + 5 < len(rows))
    for wrong, code in (
        ("by=week", "option_wrong"), ("by=minute&from=2020-01-01T00:00:00Z", "span_long"), ("foo=1", "option_unknown"),
        (f"from={moment(9)}&to={moment(-999)}", "span_wrong"), ("from=never", "time_wrong"),
    ):  # fmt: skip
        assert plain.civil.refused("GET", f"Datastreams({plain.streams[0]})/aggregates?{wrong}") == (400, code)
    assert plain.civil.refused("GET", "Datastreams(999999)/aggregates") == (404, "entity_unknown")
    assert plain.civil.refused("GET", "Things(1)/aggregates") == (404, "path_unknown")
