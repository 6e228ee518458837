"""Indices of the packs against the values that their standards give."""

import csv
from datetime import date, datetime, time, timedelta
from types import ModuleType

import pytest

from cityloom.kernel import packs
from cityloom.sensing.intake.framing import CHINA
from cityloom.sensing.spec.quantities import Quantities


def model(pack: str, name: str) -> ModuleType:
    return packs.model(packs.available([packs.shipped()])[pack], name)


def rows(pack: str, name: str) -> list[dict[str, str]]:
    with (packs.shipped() / pack / "samples" / f"{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_index_of_every_sample_by_both_standards() -> None:
    aqi = model("environment", "aqi")
    for row in rows("environment", "aqi"):
        for by in ("2012", "2026"):
            wanted = int(row[f"index_{by}"]) if row[f"index_{by}"] else None
            assert aqi.iaqi(row["pollutant"], float(row["value"]), f"HJ 633-{by}") == wanted, (row, by)


def test_the_standard_is_that_of_the_day_and_the_worst_pollutant_leads() -> None:
    aqi = model("environment", "aqi")
    before, after = aqi.standard(date(2026, 2, 28)), aqi.standard(date(2026, 3, 1))
    assert (before, after) == ("HJ 633-2012", "HJ 633-2026")
    air = [aqi.Concentration("pm25", 82), aqi.Concentration("pm10", 180), aqi.Concentration("o3_8h", 165)]
    old, new = aqi.aqi(air, before), aqi.aqi(air, after)
    assert (old.aqi, old.level.zh, old.primary, old.exceeding) == (
        115, "轻度污染", ("pm10",), ("pm25", "pm10", "o3_8h")
    )  # fmt: skip
    assert (new.aqi, new.level.number, new.primary, new.exceeding) == (124, 3, ("pm10",), ())
    clean = aqi.aqi([aqi.Concentration("pm25", 35)], after)
    assert (clean.aqi, clean.level.zh, clean.primary) == (50, "优", ())
    tie = aqi.aqi([aqi.Concentration("no2_24h", 80), aqi.Concentration("so2_24h", 150)], after)
    assert tie.primary == ("no2_24h", "so2_24h")
    assert aqi.aqi([aqi.Concentration("so2_1h", 900)], before) is None
    assert [aqi.level(each).number for each in (0, 50, 51, 100, 150, 200, 300, 301, 500)] == [1, 1, 2, 2, 3, 4, 5, 6, 6]
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="pm25"):
            aqi.iaqi("pm25", wrong, after)
    assert aqi.rounded("co_24h", 1.05) * 10 == 10  # half to even
    assert aqi.rounded("pm25", 35.5) == 36


def test_means_need_enough_hours() -> None:
    aqi = model("environment", "aqi")
    assert aqi.mean([10.0] * 20 + [None] * 4) == 10.0
    assert aqi.mean([10.0] * 19 + [None] * 5) is None
    day = [60.0] * 10 + [140.0] * 8 + [60.0] * 6
    assert aqi.ozone(day) == 140.0
    assert aqi.ozone([60.0] * 12 + [None] * 12) is None
    assert aqi.ozone([200.0] * 12 + [None] * 12) == 200.0  # too few hours, and past the limit already


def test_the_class_of_every_sample() -> None:
    water = model("environment", "water_class")
    for row in rows("environment", "water_class"):
        sample = [
            water.Measured(name, float(value))
            for name, _, value in (each.partition("=") for each in row["items"].split())
        ]
        assert water.judge(sample, lake=row["water"] == "lake").worst == int(row["class"]), row
    judged = water.judge([water.Measured("do", 5.0), water.Measured("cod", 18), water.Measured("codmn", 2)])
    assert (judged.worst, judged.deciding) == (3, ("do", "cod"))
    assert water.judge([water.Measured("do", 6.9)], saturation=0.92).worst == 1
    assert water.judge([water.Measured("tn", 9.0)]) is None
    with pytest.raises(ValueError, match="gold"):
        water.judge([water.Measured("gold", 1.0)])
    known = packs.decode(
        packs.shipped() / "environment" / "sensing" / "quantities" / "hj212.yaml", Quantities
    ).by_code()
    for item in water.ITEMS:
        assert list(item.limits) == sorted(item.limits)
        assert item.factor in known


def test_storm_signals_rise_and_end_with_their_windows() -> None:
    storm = model("weather", "rainstorm")
    signals = packs.decode(packs.shipped() / "weather" / "sensing" / "signals" / "rainstorm.yaml", storm.Signals)
    start, hour = datetime(2026, 7, 18, 0, tzinfo=CHINA), timedelta(hours=1)

    def rain(*hours: float | None) -> list[object]:
        return [storm.Rain(start + at * hour, hour, each) for at, each in enumerate(hours, 1)]

    def colour(fallen: list[object], at: int, expected: list[object] = []) -> str | None:  # noqa: B006 - only read
        found = storm.signal(fallen, start + at * hour, signals, expected)
        return found.colour if found else None

    storms = rain(10, 10, 10, 10, 10, 10)  # 10 mm an hour
    assert [colour(storms, at) for at in (4, 5, 6, 11, 12, 17)] == [None, "yellow", "yellow", "blue", "blue", None]
    assert colour(rain(20, 20, 10), 3) == "orange"
    assert colour(rain(20, 60, 20), 3) == "red"
    assert colour(rain(20, 60, 19.9), 3) == "orange"
    assert colour(rain(4, 4, 4), 3) is None
    later = [storm.Rain(start + 4 * hour, hour, 45.0)]
    assert colour(rain(4, 4, 4), 3, later) == "orange"  # within three hours there will be 53 mm
    gaps = storm.signal(rain(50, None, None), start + 3 * hour, signals)
    assert (gaps.colour, gaps.fallen, round(gaps.share, 2)) == ("orange", 50, 0.33)
    half = storm.window(rain(10), start + timedelta(minutes=30) + 12 * hour, 12)
    assert half.millimetres == 5.0
    assert storm.in_force([signals], date(2007, 6, 11)) is None
    assert storm.in_force([signals], date(2026, 1, 1)) is signals


def test_noise() -> None:
    noise = model("environment", "noise")
    assert [noise.limit(area, part) for area in ("0", "1", "2", "3", "4a", "4b") for part in ("day", "night")] == [
        50, 40, 55, 45, 60, 50, 65, 55, 70, 55, 70, 60
    ]  # fmt: skip
    assert noise.limit("4b", "night", old_railway=True) == 55
    assert [noise.part(time(*each)) for each in ((5, 59), (6, 0), (21, 59), (22, 0))] == [
        "night",
        "day",
        "day",
        "night",
    ]
    assert noise.exceeded("2", "day", 59.9) == 0
    assert noise.exceeded("2", "night", 53.0) == 3.0
    assert noise.exceeded("2", "night", 49.0, 66.0) == 1.0
    assert noise.mean([50.0, 60.0]) == pytest.approx(57.4, abs=0.01)
    assert noise.day_night(60.0, 50.0) == pytest.approx(60.0)
    with pytest.raises(ValueError, match="no levels"):
        noise.mean([])
