"""The naive reference of the calendar: the State Council's notices typed in, days and minutes walked one by one.

It shares no code and no data with the product. Run as a script it writes calendar.csv beside it:
`python tests/kernel/vectors/calendar_reference.py`. Times are local (Asia/Shanghai), office hours 09:00-12:00 and
14:00-18:00. A date is month/day.
"""

import csv
import random
from datetime import date, datetime, time, timedelta
from pathlib import Path

FIRST, LAST = date(2016, 1, 1), date(2026, 12, 31)
SHIFTS = ((9 * 60, 12 * 60), (14 * 60, 18 * 60))
NOT_ANNOUNCED = "not_announced"

# year, number of the notice of 国务院办公厅, days of rest (first-last), days of weekends that are worked
NOTICES = (
    (
        2016,
        "国办发明电〔2015〕18号",
        "1/1-1/3 2/7-2/13 4/2-4/4 4/30-5/2 6/9-6/11 9/15-9/17 10/1-10/7",
        "2/6 2/14 6/12 9/18 10/8 10/9",
    ),
    (2017, "国办发明电〔2016〕17号", "1/1-1/2 1/27-2/2 4/2-4/4 4/29-5/1 5/28-5/30 10/1-10/8", "1/22 2/4 4/1 5/27 9/30"),
    (
        2018,
        "国办发明电〔2017〕12号",
        "1/1-1/1 2/15-2/21 4/5-4/7 4/29-5/1 6/16-6/18 9/22-9/24 10/1-10/7",
        "2/11 2/24 4/8 4/28 9/29 9/30",
    ),
    (2018, "国办发明电〔2018〕15号 for 2019", "12/30-12/31", "12/29"),
    (
        2019,
        "国办发明电〔2018〕15号, with Labour Day by 〔2019〕3号",
        "1/1-1/1 2/4-2/10 4/5-4/7 5/1-5/4 6/7-6/9 9/13-9/15 10/1-10/7",
        "2/2 2/3 4/28 5/5 9/29 10/12",
    ),
    (
        2020,
        "国办发明电〔2019〕16号, with Spring Festival extended by 〔2020〕1号",
        "1/1-1/1 1/24-2/2 4/4-4/6 5/1-5/5 6/25-6/27 10/1-10/8",
        "1/19 4/26 5/9 6/28 9/27 10/10",
    ),
    (
        2021,
        "国办发明电〔2020〕27号",
        "1/1-1/3 2/11-2/17 4/3-4/5 5/1-5/5 6/12-6/14 9/19-9/21 10/1-10/7",
        "2/7 2/20 4/25 5/8 9/18 9/26 10/9",
    ),
    (
        2022,
        "国办发明电〔2021〕11号",
        "1/1-1/3 1/31-2/6 4/3-4/5 4/30-5/4 6/3-6/5 9/10-9/12 10/1-10/7",
        "1/29 1/30 4/2 4/24 5/7 10/8 10/9",
    ),
    (2022, "国办发明电〔2022〕16号 for 2023", "12/31-12/31", ""),
    (
        2023,
        "国办发明电〔2022〕16号",
        "1/1-1/2 1/21-1/27 4/5-4/5 4/29-5/3 6/22-6/24 9/29-10/6",
        "1/28 1/29 4/23 5/6 6/25 10/7 10/8",
    ),
    (
        2024,
        "国办发明电〔2023〕7号",
        "1/1-1/1 2/10-2/17 4/4-4/6 5/1-5/5 6/8-6/10 9/15-9/17 10/1-10/7",
        "2/4 2/18 4/7 4/28 5/11 9/14 9/29 10/12",
    ),
    (2025, "国办发明电〔2024〕12号", "1/1-1/1 1/28-2/4 4/4-4/6 5/1-5/5 5/31-6/2 10/1-10/8", "1/26 2/8 4/27 9/28 10/11"),
    (
        2026,
        "国务院办公厅关于2026年部分节假日安排的通知, 2025-11-04",
        "1/1-1/3 2/15-2/23 4/4-4/6 5/1-5/5 6/19-6/21 9/25-9/27 10/1-10/7",
        "1/4 2/14 2/28 5/9 9/20 10/10",
    ),
)


def day_of(year, text):
    month, number = text.split("/")
    return date(year, int(month), int(number))


def read_notices():
    rest, work = set(), set()
    for year, _, resting, swapped in NOTICES:
        for stretch in resting.split():
            first, last = (day_of(year, part) for part in stretch.split("-"))
            while first <= last:
                rest.add(first)
                first += timedelta(days=1)
        work |= {day_of(year, text) for text in swapped.split()}
    return rest, work


REST, WORK = read_notices()


class NotAnnouncedError(Exception):
    pass


def works(day):
    if day > LAST:
        raise NotAnnouncedError
    return day in WORK or (day.weekday() < 5 and day not in REST)


def closing(day, shifts):
    midnight = datetime.combine(day, time())
    return midnight + timedelta(minutes=shifts[-1][1] if works(day) else 1440)


def stopped(day, pauses, shifts):
    """Whether the clock stood still when this day closed."""
    return any(begin < closing(day, shifts) <= end for begin, end in pauses)


def ends_after_days(day, start, amount, every_day, pauses, shifts):
    if amount == 0:
        if start > closing(day, shifts):
            day += timedelta(days=1)
    else:
        counted = 0
        while counted < amount:
            day += timedelta(days=1)
            if (every_day or works(day)) and not stopped(day, pauses, shifts):
                counted += 1
            works(day)
    while not works(day) or stopped(day, pauses, shifts):
        day += timedelta(days=1)
    return day


def ends_after_hours(start, amount, pauses, shifts):
    moment, left = start, amount * 60
    while left:
        minute = moment.hour * 60 + moment.minute
        open_now = works(moment.date()) and any(begin <= minute < end for begin, end in shifts)
        if open_now and not any(begin <= moment < end for begin, end in pauses):
            left -= 1
        moment += timedelta(minutes=1)
    return moment


def ends(start, amount, unit, pauses=(), extensions=(), shifts=SHIFTS):
    """The end of a term, naive local time. Raises NotAnnouncedError past the last known day."""
    parts = [[amount, unit]]
    for more, more_unit in extensions:
        if parts[-1][1] == more_unit:
            parts[-1][0] += more
        else:
            parts.append([more, more_unit])
    moment, day = start, start.date()
    for length, length_unit in parts:
        if length_unit == "working_hours":
            moment = ends_after_hours(moment, length, pauses, shifts)
            day = (moment - timedelta(minutes=1)).date()
        else:
            day = ends_after_days(day, moment, length, length_unit == "calendar_days", pauses, shifts)
            moment = closing(day, shifts)
    return moment


HOURS = [1, 2, 4, 7, 16, 40]
DAYS = [0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60]
UNITS = ("working_days", "calendar_days", "working_hours")


def pause_near(chance, start):
    begin = start + timedelta(minutes=chance.randrange(0, 12 * 1440))
    minutes = chance.choice([30, 240, 1440, 2880, 7200, 20160, chance.randrange(1, 14400)])
    return begin, begin + timedelta(minutes=minutes)


def rows():
    """One made-up term for each day on which it starts."""
    chance = random.Random(20160101)  # noqa: S311 - a fixed seed is the point
    day = FIRST
    while day <= LAST:
        start = datetime.combine(day, time()) + timedelta(minutes=chance.randrange(1440))
        unit = chance.choice(UNITS)
        amount = chance.choice(HOURS if unit == "working_hours" else DAYS)
        pauses = sorted(pause_near(chance, start) for _ in range(chance.choice([0, 0, 0, 1, 1, 2])))
        extensions = [(chance.randrange(1, 12), chance.choice(UNITS)) for _ in range(chance.choice([0, 0, 0, 1, 2]))]
        yield start, amount, unit, pauses, extensions
        day += timedelta(days=1)


def line(start, amount, unit, pauses, extensions, shifts=SHIFTS):
    try:
        due = ends(start, amount, unit, pauses, extensions, shifts).strftime("%Y-%m-%dT%H:%M")
    except NotAnnouncedError:
        due = NOT_ANNOUNCED
    return [
        start.strftime("%Y-%m-%dT%H:%M"),
        str(amount),
        unit,
        " ".join(f"{begin:%Y-%m-%dT%H:%M}/{end:%Y-%m-%dT%H:%M}" for begin, end in pauses),
        " ".join(f"{more}:{more_unit}" for more, more_unit in extensions),
        due,
    ]


if __name__ == "__main__":
    with (Path(__file__).parent / "calendar.csv").open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["start", "amount", "unit", "pauses", "extensions", "due"])
        table.writerows(line(*row) for row in rows())
