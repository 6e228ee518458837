"""The working-time calendar against ten years of vectors, against cases checked by hand, and its laws as properties."""

import csv
import runpy
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import get_args
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cityloom.kernel import words
from cityloom.kernel.calendar import reasons
from cityloom.kernel.calendar.rules import Calendar, calendars
from cityloom.kernel.calendar.spec import (
    CalendarSpec,
    Day,
    Extension,
    Hours,
    OrganisationHours,
    Pause,
    Period,
    Term,
    Unit,
)
from cityloom.kernel.errors import Invalid
from cityloom.kernel.words import Text

VECTORS = Path(__file__).parent / "vectors"
REFERENCE = runpy.run_path(str(VECTORS / "calendar_reference.py"))
SHANGHAI = ZoneInfo("Asia/Shanghai")
CITY = calendars(CalendarSpec()).city
DAY_OF_MOURNING = Text("Day of mourning", "哀悼日")
OVERLAPPING = {"hours": "09:00-12:00, 11:00-18:00"}
KNOWN = {"first": "2004-01-01", "last": "2026-12-31"}
PSB = OrganisationHours("psb")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


def mourning(year: int) -> Day:
    return Day(date(year, 5, 6), "rest", DAY_OF_MOURNING)


def rows(name: str) -> list[dict[str, str]]:
    with (VECTORS / name).open(encoding="utf-8", newline="") as source:
        return list(csv.DictReader(source))


def term(row: dict[str, str]) -> Term:
    pauses = [pause.split("/") for pause in row["pauses"].split()]
    more = [extension.split(":") for extension in row["extensions"].split()]
    return Term(
        local(row["start"]),
        Period(int(row["amount"]), row["unit"]),
        tuple(Pause(local(begin), local(end), "stopped") for begin, end in pauses),
        tuple(Extension(Period(int(amount), unit), "more") for amount, unit in more),
    )


def answer(calendar: Calendar, given: Term) -> str:
    try:
        due = calendar.due(given)
    except Invalid as problem:
        return problem.code.removeprefix("calendar.")
    return due.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M") if due else "standing"


def test_each_case_checked_by_hand():
    found = [(row["note"], answer(CITY, term(row))) for row in rows("calendar_by_hand.csv")]
    assert found == [(row["note"], row["due"]) for row in rows("calendar_by_hand.csv")]
    assert len(found) == 41


def test_ten_years_of_vectors():
    table = rows("calendar.csv")
    assert (len(table), table[0]["start"][:10], table[-1]["start"][:10]) == (4018, "2016-01-01", "2026-12-31")
    assert [(row, found) for row in table if (found := answer(CITY, term(row))) != row["due"]] == []


def test_vectors_are_what_the_reference_makes():
    made = [row for number, row in enumerate(REFERENCE["rows"]()) if number % 40 == 0]
    kept = rows("calendar.csv")[::40]
    assert [REFERENCE["line"](*row) for row in made] == [list(row.values()) for row in kept]


def test_reference_agrees_with_cases_checked_by_hand():
    for row in rows("calendar_by_hand.csv"):
        given = term(row)
        plain = [(p.begin.replace(tzinfo=None), p.end.replace(tzinfo=None)) for p in given.pauses]
        more = [(e.by.amount, e.by.unit) for e in given.extensions]
        line = REFERENCE["line"](given.start.replace(tzinfo=None), given.period.amount, given.period.unit, plain, more)
        assert line[-1] == row["due"], row["note"]


def test_every_day_of_the_notices():
    day, wrong = REFERENCE["FIRST"], []
    while day <= REFERENCE["LAST"]:
        if CITY.day(day).is_working != REFERENCE["works"](day):
            wrong.append(day)
        day += timedelta(days=1)
    assert wrong == []


def test_a_day_names_its_holiday():
    assert CITY.day(date(2020, 10, 1)).kind == "holiday"
    assert CITY.day(date(2020, 10, 1)).name == Text("National Day", "国庆节")
    assert CITY.day(date(2020, 9, 27)).kind == "swapped"
    assert CITY.day(date(2020, 9, 26)).kind == "weekend"
    assert CITY.day(date(2020, 9, 25)).kind == "working"


OFFICES = {
    name: calendars(CalendarSpec(hours=Hours(hours))).city
    for name, hours in {
        "usual": ("09:00-12:00", "14:00-18:00"),
        "evening": ("08:30-12:00", "13:00-17:30", "19:00-21:00"),
        "day and night": ("00:00-24:00",),
    }.items()
}
SHIFTS = {
    "usual": ((540, 720), (840, 1080)),
    "evening": ((510, 720), (780, 1050), (1140, 1260)),
    "day and night": ((0, 1440),),
}
offices = st.sampled_from(list(OFFICES.values()))
seconds = st.integers(int(local("2016-01-01T00:00").timestamp()), int(local("2026-06-30T00:00").timestamp()))
microseconds = st.integers(0, 999_999)
moments = st.builds(lambda s, u: datetime.fromtimestamp(s, SHANGHAI) + timedelta(microseconds=u), seconds, microseconds)
minutes = moments.map(lambda moment: moment.replace(second=0, microsecond=0))
units = st.sampled_from(get_args(Unit))
periods = st.builds(Period, st.integers(0, 60), units)


@st.composite
def terms(draw: st.DrawFn) -> Term:
    start = draw(minutes)
    pauses = []
    for _ in range(draw(st.integers(0, 3))):
        begin = start + timedelta(minutes=draw(st.integers(-3000, 30_000)))
        pauses.append(Pause(begin, begin + timedelta(minutes=draw(st.integers(0, 15_000))), "stopped"))
    more = draw(st.lists(st.builds(Extension, st.builds(Period, st.integers(1, 20), units)), max_size=2))
    return Term(start, draw(st.builds(Period, st.integers(0, 40), units)), tuple(pauses), tuple(more))


@settings(max_examples=150, deadline=None)
@given(terms(), st.sampled_from(sorted(OFFICES)))
def test_due_is_what_the_naive_reference_says(given_term: Term, office: str):
    plain = [(p.begin.replace(tzinfo=None), p.end.replace(tzinfo=None)) for p in given_term.pauses]
    more = [(e.by.amount, e.by.unit) for e in given_term.extensions]
    start, period = given_term.start.replace(tzinfo=None), given_term.period
    line = REFERENCE["line"](start, period.amount, period.unit, plain, more, SHIFTS[office])
    assert answer(OFFICES[office], given_term) == line[-1]


@given(offices, st.lists(moments, min_size=1, max_size=20), st.integers(0, 60), units)
def test_one_and_many_agree(calendar: Calendar, starts: list[datetime], amount: int, unit: Unit):
    given_starts = np.array([start.astimezone(UTC).replace(tzinfo=None) for start in starts], dtype="datetime64[us]")
    many = calendar.deadlines(given_starts, amount, unit)
    single = [calendar.deadline(start, Period(amount, unit)).replace(tzinfo=None) for start in starts]
    assert many.tolist() == single
    assert calendar.deadlines(given_starts, np.full(len(starts), amount), unit).tolist() == single


def naive_end(start: datetime, period: Period, shifts: tuple[tuple[int, int], ...]) -> datetime:
    end = REFERENCE["ends"](start.replace(tzinfo=None), period.amount, period.unit, (), (), shifts)
    return end.replace(tzinfo=SHANGHAI)


def test_the_edges_of_office_hours():
    for office, calendar in OFFICES.items():
        minutes_of_day = sorted({0, 1439, *(edge for span in SHIFTS[office] for edge in span)} - {1440})
        starts = [local("2022-09-30T00:00") + timedelta(days=n, minutes=m) for n in range(3) for m in minutes_of_day]
        utc = np.array([start.astimezone(UTC).replace(tzinfo=None) for start in starts], dtype="datetime64[us]")
        for period in (Period(amount, unit) for unit in get_args(Unit) for amount in (0, 1, 7)):
            ends = [naive_end(start, period, SHIFTS[office]) for start in starts]
            assert [calendar.deadline(start, period) for start in starts] == ends
            many = calendar.deadlines(utc, period.amount, period.unit).tolist()
            assert [end.replace(tzinfo=UTC) for end in many] == ends


def test_many_keep_their_shape_and_refuse_what_one_refuses():
    starts = np.array([["2026-12-01T01:00", "2026-12-02T01:00"]], dtype="datetime64[m]")
    expected = np.array([["2026-12-02T10:00", "2026-12-09T10:00"]], dtype="datetime64[us]")
    assert CITY.deadlines(starts, np.array([[1, 5]])).tolist() == expected.tolist()
    assert CITY.deadlines(starts[:, :0], 1).shape == (1, 0)
    for unit in get_args(Unit):
        with pytest.raises(Invalid) as beyond:
            CITY.deadlines(starts, 1000, unit)
        assert beyond.value.code == "calendar.not_announced"
    with pytest.raises(Invalid) as before:
        CITY.deadlines(np.array(["2003-12-01"], dtype="datetime64[D]"), 1)
    assert before.value.code == "calendar.not_kept"
    with pytest.raises(ValueError):
        CITY.deadlines(starts, -1)
    with pytest.raises(ValueError):
        CITY.deadlines(np.array(["NaT"], dtype="datetime64[us]"), 1)


@given(moments, moments, periods)
def test_a_later_start_never_ends_earlier(one: datetime, other: datetime, period: Period):
    first, second = sorted([one, other])
    assert CITY.deadline(first, period) <= CITY.deadline(second, period)


@given(moments, periods)
def test_a_period_ends_at_a_closing_or_after_its_hours(start: datetime, period: Period):
    due = CITY.deadline(start, period)
    assert due >= start
    if period.unit == "working_hours":
        assert CITY.elapsed(start, due) == timedelta(hours=period.amount)
    else:
        closing = due.astimezone(SHANGHAI)
        assert (closing.hour, closing.minute, closing.second) == (18, 0, 0)
        assert CITY.day(closing.date()).is_working
    if period.unit == "working_days" and period.amount:
        assert CITY.working_days(start, due) == period.amount


@given(offices, terms())
def test_an_explanation_reaches_the_deadline_and_leaves_no_day_out(calendar: Calendar, given_term: Term):
    explained = reasons.explain(calendar, given_term)
    assert explained.due == calendar.due(given_term)
    assert explained.steps[-1].moment == explained.due
    simple = msgspec.structs.replace(given_term, extensions=())
    days = [step for step in reasons.explain(calendar, simple).steps if step.kind != "start"]
    assert [(a, b) for a, b in pairwise(days) if not a.last <= b.first <= a.last + timedelta(days=1)] == []
    if simple.period.amount and simple.period.unit != "working_hours":
        assert days[0].first == simple.start.date() + timedelta(days=1)


@given(offices, minutes, st.integers(1, 40), units)
def test_an_explanation_counts_the_period(calendar: Calendar, start: datetime, amount: int, unit: Unit):
    pause = Pause(start + timedelta(days=2), start + timedelta(days=5), "stopped")
    steps = reasons.explain(calendar, Term(start, Period(amount, unit), (pause,))).steps
    counted = [step for step in steps if step.kind in ("counted", "swapped")]
    seconds_or_days = amount * (3600 if unit == "working_hours" else 1)
    assert sum(step.amount for step in counted) == counted[-1].total == seconds_or_days


@given(terms(), minutes)
def test_a_pause_never_makes_a_deadline_earlier(given_term: Term, at: datetime):
    pause = Pause(at, at + timedelta(days=9))
    assert CITY.due(msgspec.structs.replace(given_term, pauses=(*given_term.pauses, pause))) >= CITY.due(given_term)


@given(moments, st.integers(1, 30), st.integers(1, 30))
def test_an_extension_adds_up(start: datetime, amount: int, more: int):
    for unit in get_args(Unit):
        extended = Term(start, Period(amount, unit), extensions=(Extension(Period(more, unit)),))
        assert CITY.due(extended) == CITY.deadline(start, Period(amount + more, unit))


@given(offices, moments, st.integers(1, 40))
def test_earlier_goes_back_as_far_as_a_period_goes_on(calendar: Calendar, start: datetime, amount: int):
    days, hours = Period(amount, "working_days"), Period(amount, "working_hours")
    closing = calendar.deadline(start, Period(1, "working_days"))
    assert calendar.earlier(calendar.later(closing, days), days) == closing
    assert calendar.elapsed(closing, calendar.later(closing, hours)) == timedelta(hours=amount)
    assert calendar.elapsed(calendar.earlier(closing, hours), closing) == timedelta(hours=amount)
    assert calendar.earlier(closing, Period(amount, "calendar_days")) == closing - timedelta(days=amount)
    assert calendar.earlier(closing, Period(0, "working_days")) == closing


def test_elapsed_working_time():
    begin, end = local("2020-09-30T17:00"), local("2020-10-10T09:30")
    assert CITY.elapsed(begin, end) == timedelta(hours=8, minutes=30)  # 1 on the 30th, 7 on the 9th, half on the 10th
    assert CITY.elapsed(end, begin) == timedelta(0)
    stopped = Pause(local("2020-10-09T11:00"), local("2020-10-09T15:00"))
    again = Pause(local("2020-10-09T14:30"), local("2020-10-09T16:00"))
    assert CITY.elapsed(begin, end, [again, stopped]) == timedelta(hours=5, minutes=30)
    assert CITY.elapsed(begin, end, [Pause(local("2020-10-10T09:00"), None)]) == timedelta(hours=8)
    assert CITY.working_days(begin, end) == 2
    assert CITY.working_days(end, begin) == -2


def test_opening_is_the_next_moment_of_work():
    assert CITY.opening(local("2020-09-30T18:00")) == local("2020-10-09T09:00")
    assert CITY.opening(local("2020-10-09T12:00")) == local("2020-10-09T14:00")
    assert CITY.opening(local("2020-10-09T10:11:12")) == local("2020-10-09T10:11:12")
    with pytest.raises(Invalid):
        CITY.opening(local("2026-12-31T18:00"))
    assert CITY.start_of(date(2020, 10, 9)) == local("2020-10-09T00:00")


def test_while_the_clock_stands_still_no_end_is_known():
    start = local("2022-03-01T10:00")
    for unit, amount in (("working_days", 2), ("calendar_days", 2), ("working_hours", 9)):
        still = Term(start, Period(amount, unit), (Pause(local("2022-03-02T10:00"), None, "materials missing"),))
        assert CITY.due(still) is None
        explained = reasons.explain(CITY, still)
        assert explained.due is None
        assert (explained.steps[-1].kind, explained.steps[-1].moment) == ("standing", local("2022-03-02T10:00"))
    reached = Term(start, Period(1, "working_days"), (Pause(local("2022-03-04T10:00"), None),))
    assert CITY.due(reached) == local("2022-03-02T18:00")
    before_rest = Term(local("2022-03-04T10:00"), Period(1, "calendar_days"), (Pause(local("2022-03-05T10:00"), None),))
    assert CITY.due(before_rest) is None


def test_beyond_the_announced_years_is_said_plainly():
    with pytest.raises(Invalid) as beyond:
        CITY.deadline(local("2026-12-30T10:00"), Period(2, "working_days"))
    said = words.load(["cityloom.kernel"])
    assert said.problem(beyond.value, "en")[0] == (
        "This reaches beyond 2026-12-31, the last day whose holidays and swapped work days the state has announced."
    )
    assert "国家尚未公布" in said.problem(beyond.value, "zh")[0]
    for bad in (local("2027-01-01T00:00"), local("2030-01-01T00:00")):
        with pytest.raises(Invalid) as after:
            CITY.deadline(bad, Period(0, "working_days"))
        assert (after.value.code, after.value.params) == ("calendar.not_announced", {"last": "2026-12-31"})
    with pytest.raises(Invalid) as before:
        CITY.deadline(local("2003-12-31T00:00"), Period(1, "working_days"))
    assert (before.value.code, before.value.params) == ("calendar.not_kept", {"first": "2004-01-01"})
    with pytest.raises(TypeError):
        CITY.deadline(datetime(2026, 1, 5), Period(1, "working_days"))  # noqa: DTZ001


def test_a_city_announces_a_year_and_decides_days():
    spec = CalendarSpec(
        announced_to=2027,
        days=(
            Day(date(2027, 1, 1), "rest", Text("New Year's Day", "元旦")),
            Day(date(2026, 12, 26), "work", Text("New Year's Day", "元旦")),
            Day(date(2026, 12, 29), "rest", DAY_OF_MOURNING),
        ),
    )
    city = calendars(spec).city
    assert city.last == date(2027, 12, 31)
    # 26, 28, 30, 31 December and 4 January
    assert city.deadline(local("2026-12-25T10:00"), Period(5, "working_days")) == local("2027-01-04T18:00")
    assert city.day(date(2026, 12, 29)).name == DAY_OF_MOURNING
    assert city.day(date(2026, 12, 26)).kind == "swapped"
    explained = reasons.explain(city, Term(local("2026-12-28T10:00"), Period(2, "working_days")))
    assert [step.kind for step in explained.steps] == ["start", "rest", "counted", "due"]
    assert city.digest != CITY.digest
    assert city.digest.startswith("sha256:")


def test_organisations_have_hours_of_their_own():
    inventory = Day(date(2022, 3, 2), "work", Text("inventory", "盘点"), ("09:00-10:00",))
    spec = CalendarSpec(
        organisations=(
            OrganisationHours("hall", Hours(("08:30-17:30",), friday=("08:30-12:00",), saturday=("10:00-12:00",))),
            OrganisationHours("hotline", Hours(("00:00-24:00",)), "every_day"),
            OrganisationHours("museum", days=(inventory,)),
        )
    )
    own = calendars(spec)
    hall, hotline, museum = (own.of(name) for name in ("hall", "hotline", "museum"))
    start = local("2022-03-01T11:00")
    assert own.of("psb") is own.city
    assert own.of("psb").digest == CITY.digest
    assert hall.deadline(start, Period(3, "working_days")) == local("2022-03-04T12:00")
    assert hall.deadline(local("2022-03-04T11:00"), Period(2, "working_hours")) == local("2022-03-07T09:30")
    assert hall.deadline(local("2022-01-28T13:00"), Period(3, "working_hours")) == local("2022-01-30T09:30")
    assert hotline.deadline(local("2022-12-31T23:30"), Period(2, "working_hours")) == local("2023-01-01T01:30")
    assert hotline.deadline(local("2027-02-06T23:30"), Period(1, "working_days")) == local("2027-02-08T00:00")
    assert museum.deadline(start, Period(1, "working_days")) == local("2022-03-02T10:00")
    assert museum.deadline(local("2022-03-01T17:00"), Period(3, "working_hours")) == local("2022-03-03T10:00")


@pytest.mark.parametrize(
    ("spec", "code", "params"),
    [
        (CalendarSpec(zone="Asia/Nowhere"), "calendar.zone_unknown", {"zone": "Asia/Nowhere"}),
        (CalendarSpec(zone="Asia/Pyongyang"), "calendar.zone_shifts", {"zone": "Asia/Pyongyang"}),  # in 2015 and 2018
        (CalendarSpec(zone="Europe/Berlin"), "calendar.zone_shifts", {"zone": "Europe/Berlin"}),
        (CalendarSpec(hours=Hours(())), "calendar.hours_wrong", {"hours": ""}),
        (CalendarSpec(hours=Hours(("09:00-12:00", "11:00-18:00"))), "calendar.hours_wrong", OVERLAPPING),
        (CalendarSpec(hours=Hours(monday=("18:00-09:00",))), "calendar.hours_wrong", {"hours": "18:00-09:00"}),
        (CalendarSpec(announced_to=2027), "calendar.year_empty", {"year": 2027}),
        (CalendarSpec(days=(mourning(2026), mourning(2026))), "calendar.day_twice", {"date": "2026-05-06"}),
        (CalendarSpec(days=(mourning(2027),)), "calendar.day_outside", {"date": "2027-05-06", **KNOWN}),
        (CalendarSpec(organisations=(PSB, PSB)), "calendar.organisation_twice", {"organisation": "psb"}),
    ],
)
def test_wrong_calendars_are_refused(spec: CalendarSpec, code: str, params: dict[str, str | int]):
    with pytest.raises(Invalid) as problem:
        calendars(spec)
    assert (problem.value.code, problem.value.params) == (code, params)
    detail, remedy = words.load(["cityloom.kernel"]).problem(problem.value, "zh")
    assert detail != code
    assert "{" not in detail + remedy
    assert remedy


def test_a_pause_that_ends_before_it_begins_is_refused():
    backwards = Pause(local("2022-03-03T10:00"), local("2022-03-02T10:00"))
    with pytest.raises(Invalid) as problem:
        CITY.due(Term(local("2022-03-01T10:00"), Period(1, "working_days"), (backwards,)))
    assert problem.value.code == "calendar.pause_backwards"


def test_yaml_is_read_and_unknown_keys_and_hours_are_refused():
    text = b"""
zone: Asia/Shanghai
hours: {every: ["09:00-12:00", "13:30-17:30"]}
days: [{date: 2026-05-06, kind: rest, name: {en: Flood, zh: "\xe6\xb1\x9b\xe6\x83\x85"}}]
organisations: [{organisation: hall, hours: {every: ["08:30-24:00"]}}]
"""
    spec = msgspec.yaml.decode(text, type=CalendarSpec)
    city = calendars(spec).city
    assert city.deadline(local("2026-04-30T09:00"), Period(1, "working_days")) == local("2026-05-07T17:30")
    for wrong in (b"colour: 1", b"hours: {every: ['9-12']}", b"hours: {every: ['09:00-24:30']}", b"days: [{date: 1}]"):
        with pytest.raises(msgspec.ValidationError):
            msgspec.yaml.decode(wrong, type=CalendarSpec)


def test_an_explanation_in_both_languages():
    pause = Pause(local("2020-09-28T10:00"), local("2020-09-29T10:00"), "补正材料")
    extension = Extension(Period(2, "calendar_days"), "案情复杂")
    given_term = Term(local("2020-09-25T16:30"), Period(3, "working_days"), (pause,), (extension,))
    said = words.load(["cityloom.kernel"])
    assert reasons.explain(CITY, given_term).lines(said, "zh") == [
        "期限3个工作日，自 2020-09-25 16:30 起算，开始当日不计入。",
        "2020-09-26：不计入，周末",
        "2020-09-27：计入 1个工作日，累计 1个工作日（国庆节调休上班）",
        "2020-09-28：中止期间，1个工作日不计入：补正材料",
        "2020-09-29 – 2020-09-30：计入 2个工作日，累计 3个工作日",
        "延长2日：案情复杂",
        "2020-10-01 – 2020-10-02：计入 2日，累计 2日",
        "2020-10-02 – 2020-10-08：期间最后一日遇休息日（国庆节），顺延",
        "期限至 2020-10-09 18:00 届满。",
    ]
    assert reasons.explain(CITY, Term(local("2020-09-30T16:30"), Period(4, "working_hours"))).lines(said, "en") == [
        "The period of 4 working hours starts at 2020-09-30 16:30.",
        "2020-09-30: 1 h 30 min of working time counted, 1 h 30 min of working time so far",
        "2020-10-01 – 2020-10-08: not counted, National Day",
        "2020-10-09: 2 h 30 min of working time counted, 4 working hours so far",
        "The period ends at 2020-10-09 11:30.",
    ]
    open_always = OFFICES["day and night"]
    one_day = Term(local("2020-09-29T16:30"), Period(1, "calendar_days"))
    assert reasons.explain(open_always, one_day).lines(said, "en") == [
        "The period of 1 day starts at 2020-09-29 16:30; the day of the start is not counted.",
        "2020-09-30: 1 day counted, 1 day so far",
        "The period ends at 2020-09-30 24:00.",
    ]


def test_every_kind_of_step_has_words_in_both_languages():
    said = words.load(["cityloom.kernel"])
    codes = [f"calendar.step.{kind}" for kind in (*get_args(reasons.StepKind), "start_hours")]
    lengths = ("working_days", "working_days.one", "calendar_days", "calendar_days.one", "hours", "hours_minutes")
    codes += [f"calendar.length.{length}" for length in lengths]
    assert [code for code in codes if said.say(code, "en") == code or said.say(code, "zh") == code] == []


def test_the_example_in_the_docs():
    page = Path(__file__).parents[2] / "docs" / "concepts" / "calendar-and-flows.md"
    example = page.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    known = calendars(msgspec.yaml.decode(example, type=CalendarSpec))
    assert known.city.last == date(2027, 12, 31)
    assert known.city.deadline(local("2026-12-31T10:00"), Period(5, "working_days")) == local("2027-01-08T17:00")
    hotline = known.of("hotline")
    assert hotline.deadline(local("2027-01-01T10:00"), Period(2, "working_hours")) == local("2027-01-01T12:00")
