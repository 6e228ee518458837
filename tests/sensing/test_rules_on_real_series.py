"""The packs' rules on series that real stations measured, held against the plain machine and against what is in them by eye."""

import csv
import gzip
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as parquet
import pytest

from cityloom.kernel import packs
from cityloom.kernel.db import Transaction
from cityloom.sensing.api import measuring
from cityloom.sensing.intake.framing import CHINA
from cityloom.sensing.rules import columns, machine, series, watching
from cityloom.sensing.rules.machine import Episode
from cityloom.sensing.rules.series import Runs
from cityloom.sensing.rules.watching import Observed, Stream
from cityloom.sensing.spec import rules as spec
from cityloom.sensing.spec.rules import Constant
from sensing import plain_rules

DATA = Path(__file__).parents[3] / "shared/data"
HOUR = 3_600_000_000
Value = tuple[int, float]


def rule(pack: str, name: str) -> spec.Named:
    path = packs.shipped() / pack / "sensing/rules" / f"{name}.yaml"
    return spec.named(name, spec._document(path), path)


def found(of: spec.Named, word: str, values: list[Value], **thing: Any) -> list[Episode]:
    """Events of one Datastream."""
    stream = Stream(1, "k", False, 1, "s", "", "", (Observed(word, "d"),), None, thing, None, None)
    watch = watching.watched(of, [stream])
    times, numbers = np.asarray([each[0] for each in values]), np.asarray([each[1] for each in values])
    none = np.zeros(len(values), np.int64)
    rows = series.ordered(none, times, numbers, np.arange(len(values)), np.ones(len(values), np.bool_))
    runs = series.follow_runs(rows, Runs.none(1))[0] if isinstance(of.rule.when, Constant) else None
    made = measuring.classed(cast(Transaction, None), watch, [stream], [stream], rows, runs)
    return list(
        machine.judge(
            rows, made.measured, made.classes, made.levels, {}, measuring.terms(watch), watch.limits.sign
        ).episodes
    )


def same(mine: list[Episode], plain: list[plain_rules.Plain]) -> None:
    assert [(e.state.first, e.opened, e.state.last, round(e.state.peak, 6), e.state.count, e.closed) for e in mine] == [
        (p.first, p.opened, p.last, round(p.peak, 6), p.count, p.closed) for p in plain
    ]


def beijing(station: str, word: str) -> list[Value]:
    """Hours in which there is a value."""
    path = DATA / f"air_quality/beijing_{station}.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here (shared/data/air_quality)")
    with gzip.open(path, "rt") as file:
        return [
            (columns.microseconds(datetime(*(int(row[name]) for name in ("year", "month", "day", "hour")), tzinfo=CHINA)), float(row[word]))
            for row in csv.DictReader(file) if row[word] != "NA"
        ]  # fmt: skip


def test_heavy_hours_of_a_station_in_beijing() -> None:
    values = beijing("Dongsi", "PM2.5")
    mine = found(rule("environment", "pm25_hour"), "PM2.5", values)
    rows = [(time, value, place) for place, (time, value) in enumerate(values)]
    same(mine, plain_rules.machine(rows, math.nextafter(150, 151), math.nextafter(115, 116), 2 * HOUR, 0, 3 * HOUR))
    assert len(mine) > 100
    red = datetime(
        2015, 12, 1, 12, tzinfo=CHINA
    )  # the hours of the first days of December 2015, which everybody remembers
    assert any(e.state.first <= columns.microseconds(red) <= e.state.last and e.state.peak > 400 for e in mine)


def test_the_index_of_every_hour_by_the_standard_of_its_day() -> None:
    aqi = packs.model(packs.available([packs.shipped()])["environment"], "aqi")
    values = beijing("Guanyuan", "PM2.5")
    mine = found(rule("environment", "air_index_2012"), "PM2.5", values)
    index = [(time, float(aqi.iaqi("pm25", value, "HJ 633-2012")), place) for place, (time, value) in enumerate(values)]
    same(mine, plain_rules.machine(index, 101, 101, 0, 0, 6 * HOUR))
    by_level = {e.state.level for e in mine}
    assert by_level == {1, 2, 3, 4}
    assert found(rule("environment", "air_index_2026"), "PM2.5", values) == []  # not yet in force


def test_the_same_value_for_hours_is_rare_and_real() -> None:
    values = beijing("Changping", "PM2.5")
    mine = found(rule("environment", "constant_value"), "PM2.5", values)
    same(mine, runs_of(values))
    assert 0 < len(mine) < 60


def runs_of(values: list[Value]) -> list[plain_rules.Plain]:
    """Runs of six and more, read off one by one."""
    runs: list[list[int]] = [[0]]
    for place in range(1, len(values)):
        if values[place][1] == values[place - 1][1]:
            runs[-1].append(place)
        else:
            runs.append([place])
    made = []
    for run in runs:
        times = [values[place][0] for place in run]
        long = [at for number, at in enumerate(times, 1) if number >= 6 and at - times[0] >= 6 * HOUR]
        if long and values[run[0]][1]:
            after = values[run[-1] + 1][0] if run[-1] + 1 < len(values) else None
            made.append(
                plain_rules.Plain(times[0], long[0], times[-1], (times[-1] - times[0]) / 1e6, 0, len(long), [], after)
            )
    return made


def flash_flood() -> list[Value]:
    path = DATA / "hydrology/usgs_deadrun_5min.parquet"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here (shared/data/hydrology)")
    table = parquet.read_table(path, columns=["datetimeUTC", "USGS:01589330:00065:00000"])
    return [
        (columns.microseconds(time), feet * 0.3048)
        for time, feet in zip(*(each.to_pylist() for each in table.columns), strict=True) if feet is not None and not math.isnan(feet)
    ]  # fmt: skip


def test_a_brook_that_rises_fast_and_passes_its_levels() -> None:
    values = flash_flood()
    mine = found(rule("water", "level_rises"), "Water level", values)
    rise = []
    for place, (time, value) in enumerate(values):
        first = place
        while first and values[first - 1][0] > time - HOUR:
            first -= 1
        rise.append((time, round(value - min(each for _, each in values[first : place + 1]), 9), place))
    same(mine, plain_rules.machine(rise, 0.5, 0.2, 0, 0, 6 * HOUR))
    assert len(mine) >= 3
    levels = found(rule("water", "warning_level"), "Water level", values, warning_level=0.6, guaranteed_level=1.0)
    rows = [(time, value, place) for place, (time, value) in enumerate(values)]
    same(levels, plain_rules.machine(rows, 0.6, 0.6 - 0.2, 0, 0, 0))
    assert {each.state.level for each in levels} == {1, 2}
    assert found(rule("water", "warning_level"), "Water level", values) == []  # a station without levels has no warning


def test_rainstorms_of_a_coast_by_the_national_table() -> None:
    path = DATA / "hydrology/vlissingen_prec_hourly.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here (shared/data/hydrology)")
    with gzip.open(path, "rt") as file:
        rain = [
            (
                columns.microseconds(datetime.fromisoformat(row[""] + "+00:00")),
                float(row["RH"]) * 1000,
            )  # it is in metres
            for row in csv.DictReader(file)
        ]
    storm = packs.model(packs.available([packs.shipped()])["weather"], "rainstorm")
    signals = packs.decode(packs.shipped() / "weather/sensing/signals/rainstorm.yaml", storm.Signals)
    wettest = max(range(len(rain)), key=lambda at: sum(much for _, much in rain[at : at + 3]))
    rain = rain[wettest - 60 : wettest + 60]
    hours = [storm.Rain(columns.moment(time), timedelta(hours=1), value) for time, value in rain]
    held = {name: _held(found(rule("weather", f"rainstorm_{name}"), "Rain", rain), rain) for name in storm.SEVERITY}
    for time, _ in rain:
        near = [each for each in hours if abs((each.end - columns.moment(time)) / timedelta(hours=1)) <= 13]
        wanted = storm.signal(near, columns.moment(time), signals)
        mine = [name for name in storm.SEVERITY if time in held[name]]
        assert (mine[-1] if mine else None) == (wanted.colour if wanted else None)
    assert [name for name in storm.SEVERITY if held[name]] == ["blue", "yellow", "orange"]


def _held(events: list[Episode], values: list[Value]) -> set[int]:
    """The moments at which an event was open."""
    return {time for time, _ in values for each in events if each.state.first <= time < (each.closed or 2**62)}
