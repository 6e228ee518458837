"""Made-up records of a dataset: every value fits its field, no value is anybody's, and the same ones come each time.

Only what one field asks for is made to fit. Which rows also keep the checks across fields, the checks themselves say.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from cityloom.exchange.rules import digits
from cityloom.exchange.spec import ResolvedDataset, ResolvedField

NOWHERE = "990000"
"""A division code that is not given out: no person or firm can have a number with it."""
FIRST_DAY, LAST_DAY = date(1950, 1, 1), date(2020, 12, 31)
HAN = "甲乙丙丁戊己庚辛壬癸"
OFTEN = 10
"""One value in so many is left out where none is needed."""
Row = dict[str, str | None]
Known = Mapping[str, Sequence[Mapping[str, Any]]]


def rows(dataset: ResolvedDataset, known: Known, count: int, today: date) -> list[Row]:
    """Candidates as texts. `known` has made-up records of the datasets that its fields refer to."""
    maker = Maker(random.Random(dataset.name), known, today)  # noqa: S311 - the same for everybody, on purpose
    return [
        {field.name: maker.maybe(field, number, dataset.key) for field in dataset.fields}
        for number in range(1, count + 1)
    ]


class Maker:
    """Makes values; `number` is that of the row, so that keys differ."""

    def __init__(self, chance: random.Random, known: Known, today: date) -> None:
        self._chance = chance
        self._known = known
        self._today = today
        self._makers: dict[str, Callable[[ResolvedField, int], str | None]] = {
            "text": self._text,
            "integer": self._integer,
            "decimal": lambda field, _: self._decimal(field),
            "number": lambda field, _: repr(self._between(field, 0, 1000)),
            "boolean": lambda *_: self._chance.choice(["true", "false"]),
            "date": lambda field, _: self._day(field).isoformat(),
            "timestamp": lambda field, _: self._moment(field),
        }

    def maybe(self, field: ResolvedField, number: int, key: tuple[str, ...]) -> str | None:
        """A value, or now and then none where none is needed."""
        optional = not (field.required or field.unique or field.name in key)
        if optional and self._chance.randrange(OFTEN) == 0:
            return None
        if field.reference:
            return self._referred(field, number, once=field.unique or key == (field.name,))
        return self._value(field, number)

    def _referred(self, field: ResolvedField, number: int, once: bool) -> str | None:
        """A value that the other dataset's twin has; with `once` each at most once."""
        others = self._known.get(field.reference.dataset, ()) if field.reference else ()
        if not field.reference or not others or (once and number > len(others)):
            return None
        chosen = (others[number - 1] if once else self._chance.choice(others))[field.reference.field]
        return None if chosen is None else str(chosen)

    def _value(self, field: ResolvedField, number: int) -> str | None:
        if field.codes:
            return self._chance.choice(field.codes.current) if field.codes.current else None
        if field.format == "gb11643":
            return self._identity_number(number)
        if field.format == "gb32100":
            return _credit_code(number)
        return self._makers[field.type](field, number)

    def _identity_number(self, number: int) -> str:
        born = FIRST_DAY + timedelta(days=self._chance.randrange((LAST_DAY - FIRST_DAY).days))
        body = f"{NOWHERE}{born:%Y%m%d}{number % 999 + 1:03}"
        return body + digits.gb11643_check(body)

    def _text(self, field: ResolvedField, number: int) -> str | None:
        if field.pattern:
            return Pattern(field.pattern, number, self._chance).text()
        text = f"{field.title.zh}{number}"
        least, most = field.min_length or 0, field.max_length or 10_000
        return text.ljust(least, "甲") if len(text) <= most else str(number).zfill(least)[-most:]

    def _integer(self, field: ResolvedField, number: int) -> str:
        return str(number) if field.unique else str(int(self._between(field, 0, 1000)))

    def _decimal(self, field: ResolvedField) -> str:
        whole = (field.precision or 6) - (field.scale or 0)
        return f"{self._between(field, 0, 10 ** min(whole, 4) - 1):.{field.scale or 0}f}"

    def _between(self, field: ResolvedField, low: float, high: float) -> float:
        least = float(field.min) if isinstance(field.min, int | float) else low
        most = float(field.max) if isinstance(field.max, int | float) else max(high, least)
        return least + (most - least) * self._chance.randrange(1000) / 1000

    def _day(self, field: ResolvedField) -> date:
        if field.fresh_within:
            return self._today
        first = field.min if isinstance(field.min, date) else FIRST_DAY
        last = field.max if isinstance(field.max, date) else max(LAST_DAY, first)
        return first + timedelta(days=self._chance.randint(0, (last - first).days))

    def _moment(self, field: ResolvedField) -> str:
        hour = 0 if field.fresh_within else self._chance.randrange(24)
        return datetime.combine(self._day(field), time(hour)).isoformat(sep=" ")


def _credit_code(number: int) -> str:
    body = f"91{NOWHERE}{number:09}"
    return body + digits.gb32100_check(body)


class Pattern:
    """Makes a text that fits a pattern of the plain kind: characters, classes, groups, alternatives, repetitions.

    Runs of digits count up with the number of the row, so that keys differ. What it does not know gives no text.
    """

    def __init__(self, pattern: str, number: int, chance: random.Random) -> None:
        self._rest = pattern
        self._number = number
        self._chance = chance

    def text(self) -> str | None:
        """A text, or None for a pattern with other parts."""
        try:
            made = self._alternatives()
        except (ValueError, IndexError):
            return None
        return made if not self._rest else None

    def _alternatives(self) -> str:
        choices = [self._sequence()]
        while self._rest.startswith("|"):
            self._rest = self._rest[1:]
            choices.append(self._sequence())
        return self._chance.choice(choices)

    def _sequence(self) -> str:
        made = ""
        while self._rest and self._rest[0] not in "|)":
            made += self._repeated(*self._atom())
        return made

    def _atom(self) -> tuple[str, str]:
        """A text that was made, or the letters to choose from."""
        sign, self._rest = self._rest[0], self._rest[1:]
        if sign == "(":
            self._rest = self._rest.removeprefix("?:")
            made = self._alternatives()
            if not self._rest.startswith(")"):
                raise ValueError(sign)
            self._rest = self._rest[1:]
            return made, ""
        if sign == "[":
            inner, _, self._rest = self._rest.partition("]")
            return "", _letters(inner)
        if sign == "\\":
            return self._escaped()
        if sign in "*+?{}^$.":
            raise ValueError(sign)
        return sign, ""

    def _escaped(self) -> tuple[str, str]:
        for name, letters in (("d", "0123456789"), ("p{Han}", HAN)):
            if self._rest.startswith(name):
                self._rest = self._rest[len(name) :]
                return "", letters
        sign, self._rest = self._rest[0], self._rest[1:]
        if sign.isalnum():
            raise ValueError(sign)
        return sign, ""

    def _repeated(self, made: str, letters: str) -> str:
        found = re.match(r"\{(\d+)(?:,(\d*))?\}|[?*+]", self._rest)
        times = 1
        if found:
            self._rest = self._rest[found.end() :]
            times = int(found[1]) if found[1] else {"?": 0, "*": 0, "+": 1}[found[0]]
        if not letters:
            return made * times
        if letters == "0123456789":
            return str(self._number).zfill(times)[-times:] if times else ""
        return "".join(self._chance.choice(letters) for _ in range(times))


def _letters(inner: str) -> str:
    if inner.startswith("^") or "\\" in inner:
        raise ValueError(inner)
    spread = re.sub(r"(.)-(.)", lambda pair: "".join(map(chr, range(ord(pair[1]), ord(pair[2]) + 1))), inner)
    return "".join(sorted(set(spread)))
