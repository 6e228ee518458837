"""What a cell of a workbook says (ECMA-376 part 1, SpreadsheetML), as the text a clerk means by it."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

Style = Literal["number", "date", "time"]

DATES = frozenset([*range(14, 18), 22, *range(27, 32), 36, *range(50, 55), 57, 58])
TIMES = frozenset([*range(18, 22), *range(32, 36), *range(45, 48), 55, 56])
"""Built-in number formats (§18.8.30), those of Chinese workbooks included."""
LAST_SERIAL = 2958466  # the day after 9999-12-31
EXACT_BELOW = 10**15  # Excel keeps 15 digits; of a longer number the last ones are not what was typed
SHORT_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,8})(?:\.[0-9]{0,5}[1-9])?(?<!-0)")
"""What is shown as it is stored, and by far the most common."""
NOT_CODE = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class Wrong(msgspec.Struct, frozen=True):
    """A value that cannot be trusted, and the code of the words that say why."""

    value: str
    reason: str


def style(number: int, code: str) -> Style:
    """What the number format `number`, or its own `code`, makes of a number."""
    if not code:
        return "date" if number in DATES else "time" if number in TIMES else "number"
    letters = NOT_CODE.sub("", code.partition(";")[0]).lower()
    if letters.startswith("general") or letters == "@":
        return "number"
    if "y" in letters or "d" in letters:
        return "date"
    if "h" in letters or "s" in letters:
        return "time"
    return "date" if "m" in letters else "number"


def number(text: str) -> str | Wrong:
    """A number as Excel shows it when the cell is wide enough: 15 digits, no exponent, no trailing `.0`.

    From 10^15 on it is Wrong: such as an 18-digit identity number, whose last digits Excel has made zero.
    """
    if SHORT_NUMBER.fullmatch(text):
        return text
    try:
        value = float(text)
    except ValueError:
        return Wrong(text, "exchange.cell_broken")
    if not abs(value) < EXACT_BELOW:
        return Wrong(text, "exchange.cell_precision_lost")
    shown = format(Decimal(format(value, ".15g")), "f")
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown == "-0" else shown


def moment(text: str, kind: Style, since_1904: bool) -> str | Wrong:
    """A date, time or both in ISO 8601 from Excel's serial number of days, to the millisecond."""
    try:
        serial = float(text)
    except ValueError:
        return Wrong(text, "exchange.cell_broken")
    if not 0 <= serial < LAST_SERIAL:
        return Wrong(text, "exchange.cell_date_wrong")
    span = timedelta(milliseconds=round(serial * 86_400_000))
    if kind == "time":
        return _clock(span)
    if since_1904:
        day = datetime(1904, 1, 1)  # noqa: DTZ001 - a cell has no time zone
    elif 1 <= serial < 60:
        day = datetime(1899, 12, 31)  # noqa: DTZ001
    elif serial >= 61:
        day = datetime(1899, 12, 30)  # noqa: DTZ001 - Excel has a 29 February 1900
    else:
        return Wrong(text, "exchange.cell_date_wrong")
    found = day + span
    if not span % timedelta(days=1):
        return found.date().isoformat()
    return found.isoformat(timespec="milliseconds" if found.microsecond else "seconds")


def _clock(span: timedelta) -> str:
    seconds, rest = divmod(span, timedelta(seconds=1))
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{rest.microseconds // 1000:03}" if rest else text


def unescaped(text: str) -> str:
    """Text with `_x000D_` and the like as the characters they stand for (ST_Xstring, §22.9.2.19)."""
    return ESCAPED.sub(lambda found: chr(int(found.group(1), 16)), text) if "_x" in text else text
