"""Each kind of rule on series worked by hand, and on many others against the plain machine."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloom.kernel import packs
from cityloom.kernel.errors import Invalid
from cityloom.sensing.rules import machine, meeting, series, watching
from cityloom.sensing.rules.machine import Episode, State, Terms
from cityloom.sensing.rules.meeting import Part
from cityloom.sensing.rules.series import Limits, Measured, Rows, Runs
from cityloom.sensing.rules.watching import Observed, Stream
from cityloom.sensing.spec import rules as spec
from sensing import plain_rules

NAN = float("nan")
WATCH = {"properties": ["t"]}
TITLE = {"en": "e", "zh": "事"}


def rule(when: dict[str, Any], **more: Any) -> spec.Named:
    return spec.named("r", {"title": TITLE, "source": "ours", "severity": "blue", "watch": WATCH, "when": when, **more})


def rows_of(values: list[tuple[int, float]], first_id: int = 1) -> Rows:
    times, found = (
        np.asarray([each[0] for each in values], np.int64),
        np.asarray([each[1] for each in values], np.float64),
    )
    count = len(values)
    return series.ordered(
        np.zeros(count, np.int64), times, found, np.arange(count) + first_id, np.ones(count, np.bool_)
    )


def limits(at: float | list[float], until: float | None = None, sign: float = 1.0, reaches: bool = True) -> Limits:
    levels = at if isinstance(at, list) else [at]
    over = levels[0] if until is None else until
    return Limits(np.asarray([levels]) * sign, np.asarray([over]) * sign, sign, reaches)


def judged(
    rows: Rows, bounds: Limits, terms: Terms, before: State | None = None, measured: Measured | None = None
) -> machine.Judged:  # fmt: skip
    found = measured or Measured(rows.values)
    classes, levels = series.classed(found.values, rows.streams, bounds)
    return machine.judge(rows, found, classes, levels, {} if before is None else {0: before}, terms, bounds.sign)


def told(found: Any) -> list[tuple[int, int, int, float, int | None, str]]:
    return [(e.state.first, e.opened, e.state.last, e.state.peak, e.closed, e.why) for e in found.episodes]


def test_a_threshold_with_hysteresis_and_duration() -> None:
    # holds from 2 on, long enough at 5, between the limits at 6, over from 8 on, long enough over at 10
    values = [(1, 60.0), (2, 76.0), (4, 90.0), (5, 80.0), (6, 72.0), (8, 69.0), (9, 60.0), (10, 60.0), (11, 80.0)]
    found = judged(rows_of(values), limits(75, 70), Terms(lasting=3, calm=2))
    assert told(found) == [(2, 5, 6, 90.0, 10, "data")]
    assert found.episodes[0].state.evidence == (2, 3, 4)
    assert found.episodes[0].state.count == 3
    assert found.states[0].phase == 1  # 11 holds again
    assert told(judged(rows_of([(1, 76.0), (2, 74.0), (3, 76.0), (4, 76.0)]), limits(75, 70), Terms(lasting=2))) == []
    calm = judged(rows_of([(1, 80.0), (2, 60.0), (3, 71.0), (4, 60.0)]), limits(75, 70), Terms(calm=2))
    assert calm.states[0].phase == 3  # what lies between begins the calm anew
    broken = judged(rows_of([(1, 80.0), (2, 80.0), (9, 80.0)]), limits(75), Terms(gap=5))
    assert told(broken) == [(1, 1, 2, 80.0, 2, "gap"), (9, 9, 9, 80.0, None, "")]
    below = judged(rows_of([(1, 5.0), (2, 1.5), (3, 3.0)]), limits(2, None, -1.0), Terms())
    assert [(e.state.first, e.state.peak, e.closed) for e in below.episodes] == [(2, -1.5, 3)]
    exact = rows_of([(1, 75.0)])
    assert judged(exact, limits(75), Terms()).episodes
    assert not judged(exact, limits(75, reaches=False), Terms()).episodes


def test_levels_rise_and_an_own_limit_may_be_missing() -> None:
    found = judged(rows_of([(1, 60.0), (2, 120.0), (3, 80.0), (4, 10.0)]), limits([50, 100, 150]), Terms())
    assert [(e.state.level, e.closed) for e in found.episodes] == [(2, 4)]
    without = judged(rows_of([(1, 60.0), (2, 160.0)]), limits([50, NAN, 150]), Terms())
    assert without.episodes[0].state.level == 3
    assert not judged(rows_of([(1, 60.0)]), limits([NAN, NAN]), Terms()).episodes


@st.composite
def histories(draw: Any) -> tuple[list[tuple[int, float]], list[int], int, int, int]:
    count = draw(st.integers(1, 40))
    steps = draw(st.lists(st.integers(1, 6), min_size=count, max_size=count))
    values = draw(st.lists(st.sampled_from([0.0, 5.0, 7.0, 9.0, 10.0, 12.0, 15.0]), min_size=count, max_size=count))
    cuts = sorted(draw(st.sets(st.integers(0, count), max_size=5)))
    times = np.cumsum(steps).tolist()
    return (
        list(zip(times, values, strict=True)),
        cuts,
        draw(st.integers(0, 8)),
        draw(st.integers(0, 8)),
        draw(st.integers(0, 5)),
    )


@settings(max_examples=150, deadline=None)
@given(histories())
def test_however_it_is_cut_into_batches_it_is_the_plain_machine(case: Any) -> None:
    values, cuts, lasting, calm, gap = case
    rows, bounds, terms = rows_of(values), limits(10, 7), Terms(lasting, calm, gap)
    state: State | None = None
    closed: list[Episode] = []
    opened: dict[int, int] = {}
    last: list[Episode] = []
    for a, b in zip([0, *cuts], [*cuts, len(values)], strict=True):
        if a == b:
            continue
        found = judged(rows.chosen(np.arange(a, b)), bounds, terms, state)
        state = found.states.get(0)
        for each in found.episodes:
            opened.setdefault(each.state.first, each.opened)
            closed += [each] if each.closed is not None else []
        last = [each for each in found.episodes if each.closed is None] or (
            [] if state is None or state.phase == 1 else last
        )
    if state is None or state.phase == 1:
        last = []
    mine = [
        (
            e.state.first,
            opened[e.state.first],
            e.state.last,
            e.state.peak,
            e.state.peak_at,
            e.state.count,
            list(e.state.evidence),
            e.closed,
            e.why,
        )
        for e in [*closed, *last]
    ]
    wanted = plain_rules.machine(
        [(t, v, int(i)) for (t, v), i in zip(values, rows.ids, strict=True)], 10, 7, lasting, calm, gap
    )
    assert mine == [(p.first, p.opened, p.last, p.peak, p.peak_at, p.count, p.ids, p.closed, p.why) for p in wanted]


@settings(max_examples=100, deadline=None)
@given(histories(), st.integers(1, 20), st.integers(1, 3))
def test_windows_are_those_of_the_plain_machine(case: Any, over: int, least: int) -> None:
    values = case[0]
    rows = rows_of(values)
    when = rule({"kind": "threshold", "above": 1, "of": "sum", "over": "PT1S", "least": least}).rule.when
    for how in ("sum", "mean", "lowest", "highest"):
        changed = spec.msgspec.structs.replace(when, of=how, over=series.timedelta(microseconds=over))
        assert series.threshold(changed, rows).values.tolist() == pytest.approx(
            plain_rules.window(values, over, how, least), nan_ok=True
        )
    for how in ("rise", "fall"):
        rate = rule({"kind": "rate", f"{how}s": 1, "over": "PT1S"}).rule.when
        changed = spec.msgspec.structs.replace(rate, over=series.timedelta(microseconds=over))
        assert series.rate(changed, rows).values.tolist() == pytest.approx(plain_rules.window(values, over, how, 1))
    begins = case[1][0] if case[1] else len(values) // 2
    held = rule({"kind": "constant", "lasting": "PT1S", "least": least}).rule.when
    seconds: list[float] = []
    before = Runs.none(1)
    for part in (np.arange(begins), np.arange(begins, len(values))):
        runs, before = series.follow_runs(rows.chosen(part), before)
        seconds += series.constant(held, rows.chosen(part), runs).values.tolist()
    assert seconds == plain_rules.constant(values, least)


def test_a_constant_value_begins_where_it_began_and_may_stand_at_some() -> None:
    held = rule({"kind": "constant", "lasting": "PT4S", "least": 3, "unless": [0]}).rule.when
    second = 1_000_000
    rows = rows_of(
        [
            (second * at, value)
            for at, value in enumerate([1.0, 7.0, 7.0, 7.0, 7.0, 7.0, 8.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        ]
    )
    runs, _ = series.follow_runs(rows, Runs.none(1))
    found = judged(rows, limits(4, 1e-9), Terms(), None, series.constant(held, rows, runs))
    assert told(found) == [(second, second * 5, second * 5, 4.0, second * 6, "data")]
    assert found.episodes[0].state.evidence[0] == 2


def test_what_is_no_number_or_comes_twice_is_not_judged() -> None:
    streams, times = np.asarray([0, 0, 0, 1, 0]), np.asarray([3, 1, 3, 2, 2])
    rows = series.ordered(
        streams, times, np.asarray([9.0, NAN, 5.0, 7.0, np.inf]), np.asarray([4, 1, 3, 5, 2]), np.ones(5, np.bool_)
    )
    assert (rows.streams.tolist(), rows.times.tolist(), rows.ids.tolist(), rows.values.tolist()) == (
        [0, 1],
        [3, 2],
        [3, 5],
        [5.0, 7.0],
    )


def stream(id: int, **more: Any) -> Stream:
    fields = {
        "id": id, "keeper": "civil", "multi": False, "thing": id, "thing_name": f"s{id}", "district": "440304", "unit": "m",
        "observed": (Observed("t", "d", {"code": "w1", "item": "level"}),), "properties": None, "thing_properties": None,
        "longitude": None, "latitude": None,
    }  # fmt: skip
    return Stream(**{**fields, **more})


def test_what_a_rule_watches_and_its_own_limits() -> None:
    one = stream(1, properties={"series": "hour"}, thing_properties={"warning": 3.5, "groups": ["river"]})
    for watch, fits in (
        ({"properties": ["t"]}, 0), ({"properties": ["d"]}, 0), ({"properties": ["w1"]}, 0), ({"properties": ["x"]}, -1),
        ({"items": ["level"]}, 0), ({"items": ["rain"]}, -1), ({"groups": ["river"]}, 0), ({"groups": ["lake"]}, -1),
        ({"districts": ["4403"]}, 0), ({"districts": ["440305"]}, -1), ({"datastreams": {"series": "hour"}}, 0),
        ({"datastreams": {"series": "day"}}, -1), ({"things": {"kind": "x"}}, -1),
    ):  # fmt: skip
        named = rule({"kind": "threshold", "above": 1}, watch=watch)
        assert watching.position(named.rule.watch, one) == fits, watch
    own = rule({"kind": "threshold", "above": {"property": "warning", "plus": 0.5}})
    assert watching.watched(own, [one, stream(2)]).places.tolist() == [True, False]
    assert watching.limits(own, [one]).at.tolist() == [[4.0]]
    several = stream(3, multi=True, observed=(Observed("a", "a"), Observed("t", "d")))
    assert watching.position(own.rule.watch, several) == 1
    assert (watching.component("[1, 2.5]", 1), watching.point('{"type":"Point","coordinates":[114,22]}')) == (
        2.5,
        (114.0, 22.0),
    )
    assert np.isnan(watching.component('{"a": 1}', 1))
    assert watching.point('{"type":"Polygon","coordinates":[]}') is None


def test_neighbours_and_forecasts() -> None:
    near = [stream(at, longitude=114.0 + at / 100, latitude=22.5) for at in range(4)]  # a kilometre apart
    far = stream(9, longitude=115.0, latitude=22.5)
    found = watching.neighbours([*near, far], 2.2)
    assert (found[0], found[1], found[4]) == ((1, 2), (0, 2, 3), ())
    foreseen = [stream(1, thing=1), stream(2, thing=1, properties={"role": "forecast"}), stream(3, thing=2)]
    assert watching.forecasts(foreseen, "forecast") == {0: (1,), 2: ()}
    rows = rows_of([(100, 20.0), (200, 50.0)])
    others = series.ordered(
        np.asarray([0, 1, 2, 2]),
        np.asarray([90, 95, 20, 199]),
        np.asarray([10.0, 12.0, 99.0, 14.0]),
        np.arange(4),
        np.ones(4, np.bool_),
    )
    values = series.as_of(rows, others, {0: (0, 1, 2)}, 60, nearest=False)
    assert [each.tolist() for each in values[:1]] == [pytest.approx([10.0, 12.0, NAN], nan_ok=True)]
    assert series.deviation(rows, values, 2, share=False).values[0] == plain_rules.apart(20.0, [10.0, 12.0], 2)
    assert np.isnan(series.deviation(rows, values, 3, share=False).values[0])
    nearest = series.as_of(rows, others, {0: (2,)}, 10, nearest=True)
    assert series.deviation(rows, nearest, 1, share=True).values.tolist() == pytest.approx([NAN, 36 / 14], nan_ok=True)


def test_a_zone_with_a_hole() -> None:
    ring = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
    hole = [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]
    zone: Any = rule({"kind": "zone", "side": "inside", "area": [ring, hole]}).rule.when
    points = [(1.0, 1.0), (5.0, 5.0), (11.0, 5.0), None]
    assert watching.inside(zone, points).tolist() == pytest.approx([1, 0, 0, NAN], nan_ok=True)
    out: Any = rule({"kind": "zone", "side": "outside", "area": [ring]}).rule.when
    assert watching.inside(out, points).tolist() == pytest.approx([0, 0, 1, NAN], nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.one_of(st.none(), st.integers(0, 10)))),
    st.integers(1, 3),
    st.integers(0, 6),
)
def test_meetings_are_those_of_the_plain_machine(drawn: Any, least: int, within: int) -> None:
    parts = [(what, first, None if length is None else first + length) for what, first, length in drawn]
    found = meeting.meetings([Part(*each) for each in parts], least, within)
    moments = {at for each in found for at in range(each.first, 60 if each.last is None else each.last + 1) if at < 60}
    assert sorted(moments) == plain_rules.together(parts, least, within, 60)


def test_an_index_is_that_of_the_standard() -> None:
    aqi = packs.model(packs.available([packs.shipped()])["environment"], "aqi")
    for by, name in (("HJ 633-2012", "air_index_2012"), ("HJ 633-2026", "air_index_2026")):
        path = packs.shipped() / "environment" / "sensing" / "rules" / f"{name}.yaml"
        found: Any = spec.named(name, spec._document(path)).rule
        pollutants = {"SO2": "so2_1h", "NO2": "no2_1h", "CO": "co_1h", "O3": "o3_1h", "PM2.5": "pm25", "PM10": "pm10"}
        for word, pollutant in pollutants.items():
            values = np.concatenate((np.arange(0, 1300, 7.0), np.arange(0, 160, 0.25), [0.05, 35.5, 36.5, 4000.0]))
            mine = series.scaled(found.when.scale, word, values).tolist()
            wanted = [aqi.iaqi(pollutant, value, by) for value in values.tolist()]
            assert mine == pytest.approx([NAN if each is None else each for each in wanted], nan_ok=True), (by, word)
    steps = spec.Scale({"t": (1.0, 2.0, 3.0)}, digits={"t": 1})
    assert series.scaled(steps, "t", np.asarray([0.5, 1.0, 1.1, 9.0, NAN])).tolist() == pytest.approx(
        [0, 0, 1, 3, NAN], nan_ok=True
    )


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"when": {"kind": "threshold", "above": 1, "below": 2}}, "one of"),
        ({"when": {"kind": "threshold", "above": 1, "until": 2}}, "`until` lies above"),
        ({"when": {"kind": "threshold", "above": 1, "of": "mean"}}, "`over`"),
        ({"when": {"kind": "threshold", "above": 1, "of": "mean", "over": "P9D"}}, "at most 7 days"),
        ({"when": {"kind": "threshold", "levels": [{"at": 2, "severity": "blue"}, {"at": 1, "severity": "red"}]}}, "ascend"),
        ({"when": {"kind": "threshold", "above": 1, "scale": {"tables": {"x": [1, 2]}}}}, "no table for t"),
        ({"when": {"kind": "rate", "over": "PT1H"}}, "`rises` and `falls`"),
        ({"when": {"kind": "constant"}}, "`lasting`"),
        ({"when": {"kind": "missing", "after": "PT0S"}}, "`after`"),
        ({"when": {"kind": "zone", "side": "inside", "area": [[[0, 0], [1, 1], [0, 0]]]}}, "four corners"),
        ({"when": {"kind": "together", "rules": ["a_b"], "least": 2}}, "`rules`"),
        ({"when": {"kind": "threshold", "above": 1}, "watch": {}}, "watches everything"),
        ({"when": {"kind": "threshold", "above": "x"}}, "when.above"),
        ({"when": {"kind": "guess"}}, "guess"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused_with_its_place(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        rule(**{"when": {}, **document})
    assert reason in str(refused.value.params["reason"])


def test_a_citys_pack_changes_parameters(tmp_path: Any) -> None:
    for pack, needs in (("one", "[]"), ("city", "[one]")):
        (tmp_path / pack / "sensing" / "rules").mkdir(parents=True)
        (tmp_path / pack / "sensing" / "overrides").mkdir()
        (tmp_path / pack / "pack.yaml").write_text(
            f"{{name: {pack}, title: {{en: a, zh: b}}, version: '1', keeper: civil, needs: {needs}}}"
        )
    (tmp_path / "one/sensing/rules/hot.yaml").write_text(
        "title: {en: Hot, zh: 热}\nsource: ours\nseverity: blue\nwatch: {properties: [t]}\n"
        "when: {kind: threshold, above: 35, lasting: PT10M}\nsince: 2026-03-01\n"
    )
    plain = spec.rules(packs.choose([tmp_path], "city"))["hot"]
    assert (plain.rule.when.above, plain.rule.since) == (35, date(2026, 3, 1))  # type: ignore[union-attr]
    change = tmp_path / "city/sensing/overrides/hot.yaml"
    change.write_text("severity: red\nwhen: {above: 37}\n")
    changed = spec.rules(packs.choose([tmp_path], "city"))["hot"]
    assert (changed.rule.when.above, changed.rule.severity) == (37, "red")  # type: ignore[union-attr]
    assert changed.version != plain.version
    change.write_text("when: {above: x}\n")
    with pytest.raises(Invalid, match="overrides/hot"):
        spec.rules(packs.choose([tmp_path], "city"))
    change.write_text("disabled: true\n")
    assert spec.rules(packs.choose([tmp_path], "city")) == {}
    change.rename(change.with_name("cold.yaml"))
    with pytest.raises(Invalid, match="no rule cold"):
        spec.rules(packs.choose([tmp_path], "city"))
