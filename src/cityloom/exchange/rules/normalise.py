"""SQL that brings a delivered text to its value: the usual spelling by a short way, the rare ones by a longer way.

Names keep their characters; identity numbers, codes, numbers and dates become half-width. Everything here is a function
of one text, so that one value in two spellings is one value. What a way computes once and uses often is a column of its
own step: DuckDB's only other means, a lambda, compiles its regular expressions again for every 2048 rows.
"""

import re
from collections.abc import Callable
from datetime import date

import msgspec

from cityloom.exchange.rules import digits, moments
from cityloom.exchange.rules.sqltext import any_of
from cityloom.exchange.spec import ResolvedField
from cityloom.kernel.sql import literal, name

NO_BREAK, WIDE_SPACE = "\u00a0", "\u3000"
INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
"""Zero-width spaces, joiners, direction marks, byte order marks: they come with text copied from web pages."""

ENDS = (" ", "\t", "\r", "\n", WIDE_SPACE)
WIDE = WIDE_SPACE + "".join(map(chr, range(0xFF01, 0xFF5F)))
NARROW = " " + "".join(map(chr, range(0x21, 0x7F)))
PRINTABLE_ONLY = re.compile(r"(?:[\w\[\](){}|?*+:,/-]|\\[dw./-]|\\p\{Han\})*", re.ASCII)
"""Patterns that match no white space and no invisible character: what they match is clean."""

TRUE, FALSE = ("true", "1", "是", "Y"), ("false", "0", "否", "N")


class Reading(msgspec.Struct, frozen=True):
    """How a field's text becomes its value. Each part may use the columns of the parts before it."""

    ok: str
    """Second step: the text is in its usual form."""
    usual: str
    """Fifth step, the value where `ok` holds, in the field's type."""
    plain: str
    """Third step, for all other texts: cleaned for the longer way; NULL when nothing is left."""
    rare: str
    """Fifth step, the value of all other texts; NULL when they cannot be read."""
    number: str | None = None
    """First step: the text as a number."""
    old: str | None = None
    """Fourth step: the number of an identity number of the old kind, with a last digit 0."""
    likely: str | None = None
    """Like `ok` and cheaper, for finding repeats: where it holds, the value is still the text itself."""
    check: str | None = None
    """The rule that `ok` answers on the way: gb11643, gb32100, codes or pattern."""

    def steps(self, field: ResolvedField, *, exact: bool = True) -> list[tuple[str, str] | None]:
        """The column and expression of each of the five steps; `exact` is false for finding repeats."""
        ok, raw = ok_of(field), raw_of(field)
        plain = f"CASE WHEN {ok} THEN NULL WHEN {raw} = '' THEN NULL ELSE {self.plain} END"
        return [
            (number_of(field), self.number) if self.number else None,
            (ok, self.ok if exact else self.likely or self.ok),
            (plain_of(field), plain),
            (old_of(field), self.old) if self.old else None,
            (name(field.name), f"CASE WHEN {ok} THEN {self.usual} ELSE {self.rare} END"),
        ]


class Setting(msgspec.Struct, frozen=True):
    """What reading depends on besides the text."""

    codes: str | None
    """The right side of IN for the field's code list."""
    today: date
    """The day of delivery in the city, up to which a person may have been born."""
    vouched: bool
    """Values of the field are looked up among such that have passed its format check."""
    offset_minutes: int
    """Offset of the city from UTC: moments that state an offset become local ones."""


def raw_of(field: ResolvedField) -> str:
    """Column of the text as it came."""
    return name(f"_raw_{field.name}")


def number_of(field: ResolvedField) -> str:
    """Column of the first step."""
    return name(f"_number_{field.name}")


def ok_of(field: ResolvedField) -> str:
    """Column of the second step."""
    return name(f"_ok_{field.name}")


def plain_of(field: ResolvedField) -> str:
    """Column of the third step."""
    return name(f"_plain_{field.name}")


def old_of(field: ResolvedField) -> str:
    """Column of the fourth step."""
    return name(f"_old_{field.name}")


def reading(field: ResolvedField, setting: Setting) -> Reading:
    """How the field is read."""
    raw, plain = raw_of(field), plain_of(field)
    if field.format is not None:
        return _formatted(field, setting)
    if setting.codes is not None:
        return Reading(f"{raw} IN {setting.codes}", raw, _plain(raw), plain, check="codes")
    if field.pattern is not None:
        return _patterned(field, literal(field.pattern))
    if field.type == "text":
        return Reading(f"NOT ({_dirty(raw)})", raw, _clean(raw), plain)
    if field.type in ("date", "timestamp"):
        return _moment(field, setting.offset_minutes)
    return NUMBERS[field.type](field)


def _clean(text: str) -> str:
    """Without invisible characters and outer white space; NULL when nothing is left."""
    seen = f"regexp_replace({text}, '[{INVISIBLE}]', '', 'g')"
    spaced = f"replace({seen}, '{NO_BREAK}', ' ')"
    return f"nullif(regexp_replace({spaced}, '^[ \\t\\r\\n{WIDE_SPACE}]+|[ \\t\\r\\n{WIDE_SPACE}]+$', '', 'g'), '')"


def _dirty(raw: str) -> str:
    """Whether `_clean` would change the text: nine searches for fixed bytes cost less than one regular expression."""
    leading = (f"{raw} < '!'", f"prefix({raw}, '{WIDE_SPACE}')")
    trailing = (f"suffix({raw}, {literal(end)})" for end in ENDS)
    inside = (f"contains({raw}, '{mark}')" for mark in NO_BREAK + INVISIBLE)
    return any_of((*leading, *trailing, *inside))


def _narrow(text: str, asked: str) -> str:
    """Full-width letters, digits and punctuation of `text` as half-width ones, if there are any in `asked`."""
    change = f"translate({text}, {literal(WIDE)}, {literal(NARROW)})"
    return f"CASE WHEN regexp_matches({asked}, '[{WIDE_SPACE}{WIDE[1]}-{WIDE[-1]}]') THEN {change} ELSE {text} END"


def _plain(raw: str) -> str:
    """Clean and half-width."""
    return _narrow(_clean(raw), raw)


def _patterned(field: ResolvedField, pattern: str) -> Reading:
    """If only the half-width form of a text has the pattern, it is the form that was meant."""
    raw, plain = raw_of(field), plain_of(field)
    ok = f"regexp_full_match({raw}, {pattern})"
    if not PRINTABLE_ONLY.fullmatch(field.pattern or ""):
        ok = f"({ok} AND NOT ({_dirty(raw)}))"
    narrow = _narrow(plain, plain)
    meant = f"regexp_full_match({narrow}, {pattern}) AND NOT regexp_full_match({plain}, {pattern})"
    rare = f"CASE WHEN {meant} THEN {narrow} ELSE {plain} END"
    return Reading(ok, raw, _clean(raw), rare, check="pattern")


def _formatted(field: ResolvedField, setting: Setting) -> Reading:
    raw, plain, number, old = raw_of(field), plain_of(field), number_of(field), old_of(field)
    bare = f"upper(regexp_replace({_plain(raw)}, '^[''’`]|\\s', '', 'g'))"
    if field.format == "gb32100":
        likely = f"regexp_full_match({raw}, '[0-9A-Z]{{18}}')"
        ok = likely if setting.vouched else digits.gb32100_valid_sql(raw)
        return Reading(ok, raw, bare, plain, likely=likely, check=None if setting.vouched else "gb32100")
    likely = f"{number} BETWEEN 100000000000000000 AND 999999999999999999"
    return Reading(
        number=digits.gb11643_number_sql(raw),
        ok=likely if setting.vouched else digits.gb11643_valid_sql(number, raw, setting.today),
        likely=likely,
        usual=raw,
        plain=bare,
        old=f"CASE WHEN regexp_full_match({plain}, '[0-9]{{15}}') THEN {digits.gb11643_old_number_sql(plain)} END",
        rare=f"CASE WHEN {old} IS NULL THEN {plain} ELSE {digits.gb11643_text_sql(old)} END",
        check=None if setting.vouched else "gb11643",
    )


def _moment(field: ResolvedField, offset_minutes: int) -> Reading:
    raw, plain = raw_of(field), plain_of(field)
    if field.type == "date":
        return Reading(moments.is_date_sql(raw), moments.date_sql(raw), _plain(raw), moments.spoken_date_sql(plain))
    rare = moments.spoken_timestamp_sql(plain, offset_minutes)
    return Reading(moments.is_timestamp_sql(raw), f"TRY_CAST({raw} AS TIMESTAMP)", _plain(raw), rare)


def _integer(field: ResolvedField) -> Reading:
    """DuckDB casts 1.5, 1e3, 1_000 and 0x10 to integers; only what reads back as it was is taken by the short way."""
    raw, number = raw_of(field), number_of(field)
    written = f"regexp_extract({plain_of(field)}, '^([+-]?[0-9]+)(?:\\.0*)?$', 1)"
    ok = f"CAST({number} AS VARCHAR) = {raw}"
    return Reading(ok, number, _plain(raw), f"TRY_CAST({written} AS BIGINT)", number=f"TRY_CAST({raw} AS BIGINT)")


def _decimal(field: ResolvedField) -> Reading:
    """Digits beyond the scale are refused, not rounded away, unless they are zeros."""
    raw, scale, kind = raw_of(field), field.scale, field.column_type
    usual = f"\\.[0-9]{{1,{scale}}}" if scale else "\\.0"
    kept = f"[0-9]+(?:\\.[0-9]{{0,{scale}}})?|\\.[0-9]{{1,{scale}}}" if scale else "[0-9]+"
    zeros = "0*" if scale else "(?:\\.0*)?"
    written = f"regexp_extract({plain_of(field)}, '^([+-]?(?:{kept})){zeros}$', 1)"
    ok = f"regexp_full_match({raw}, '-?[0-9]+(?:{usual})?')"
    return Reading(ok, f"TRY_CAST({raw} AS {kind})", _plain(raw), f"TRY_CAST({written} AS {kind})")


def _number(field: ResolvedField) -> Reading:
    raw = raw_of(field)
    form = "^([+-]?(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)$"
    read = f"TRY_CAST(regexp_extract({plain_of(field)}, '{form}', 1) AS DOUBLE)"
    ok = f"regexp_full_match({raw}, '-?[0-9]{{1,18}}(?:\\.[0-9]{{1,18}})?')"
    return Reading(ok, f"TRY_CAST({raw} AS DOUBLE)", _plain(raw), f"CASE WHEN isfinite({read}) THEN {read} END")


def _boolean(field: ResolvedField) -> Reading:
    raw, word = raw_of(field), f"lower({plain_of(field)})"
    yes, no = (any_of(f"{word} = {literal(said.lower())}" for said in words) for words in (TRUE, FALSE))
    ok = any_of(f"{raw} = {literal(said)}" for said in (*TRUE, *FALSE))
    usual = any_of(f"{raw} = {literal(said)}" for said in TRUE)
    return Reading(f"({ok})", f"({usual})", _plain(raw), f"CASE WHEN {yes} THEN true WHEN {no} THEN false END")


NUMBERS: dict[str, Callable[[ResolvedField], Reading]] = {
    "integer": _integer,
    "decimal": _decimal,
    "number": _number,
    "boolean": _boolean,
}
