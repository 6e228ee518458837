"""Kinds of evidence: what is made of a value, what it is blocked on, and how two values can agree.

Conditions are templates of DuckDB in which `{x}` is the field, `{y}` its partner. The chances of agreement `m` are where
training begins; `holds` is how often a key is expected to be the same for two records of one person, for the choice of
blocking rules only. Both are orders of magnitude from the literature on registers, not fitted to any file.
"""

from collections.abc import Callable

import msgspec

from cityloom.registers.linkage.model import KindName
from cityloom.registers.rules import forms, names

Made = tuple[str | None, ...] | None


class Level(msgspec.Struct, frozen=True):
    """One way in which two values can agree; the first that holds counts."""

    code: str
    condition: str
    m: float
    frequency: str = ""
    """The feature whose frequency tells how much the agreement says: a rare name more than a common one. The condition
    must then be that the feature is the same, and no more: Splink looks for it."""
    caution: bool = False
    """At most a doubt, whatever else agrees, unless a number does: a twin, a brother or a wife has the same birthday,
    house or telephone and another name, and fields that hang together in families are no independent evidence."""


class Key(msgspec.Struct, frozen=True):
    """Something of a value that records are blocked on."""

    name: str
    """Ending of the key's name: "" is the field's own."""
    sql: str
    holds: float
    fine: bool = False
    """Few records share it, so it may be a rule of its own."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of evidence."""

    features: tuple[str, ...]
    """Endings of the columns that are made of a value; "" is the normal form itself."""
    make: Callable[[str], Made]
    levels: tuple[Level, ...]
    keys: tuple[Key, ...]


def _name(written: str) -> Made:
    found = names.person(written)
    return None if found is None else (found.text, found.sound, found.sounds, found.characters, found.family or None)


def _latin(written: str) -> Made:
    found = names.latin(written)
    return None if found is None else (found.text, found.words, found.code)


def _organisation(written: str) -> Made:
    found = names.organisation(written)
    return None if found is None else (found.text, found.core, found.place, found.form)


def _address(written: str) -> Made:
    found = forms.address(written)
    return (
        None if found is None else (found.text, found.street or None, found.numbers or None, found.street[:2] or None)
    )


def _halves(function: Callable[[str], str | None]) -> Callable[[str], Made]:
    """The normal form, its beginning and its end; of an odd one the beginning is longer."""

    def make(written: str) -> Made:
        found = function(written)
        cut = (len(found or "") + 1) // 2
        return None if found is None else (found, found[:cut], found[cut:] or found)

    return make


def _one(function: Callable[[str], str | None]) -> Callable[[str], Made]:
    def make(written: str) -> Made:
        found = function(written)
        return None if found is None else (found,)

    return make


_SAME = "{x}_l = {x}_r"
_SWAPPED_DAY = "{x}__head_l = {x}__head_r AND {x}__tail_l = concat(right({x}__tail_r, 2), left({x}__tail_r, 2))"
_PARTS = (
    "{x}__tail_l = {x}__tail_r OR ({x}__head_l = {x}__head_r"
    " AND (left({x}__tail_l, 2) = left({x}__tail_r, 2) OR right({x}__tail_l, 2) = right({x}__tail_r, 2)))"
)
_HALVES = "({x}__head_l = {x}__head_r OR {x}__tail_l = {x}__tail_r)"
# one slip leaves the beginning or the end as it was: that is asked first, because edit distances are slow
_TYPED = f"{_HALVES} AND damerau_levenshtein({{x}}_l, {{x}}_r) <= 1"
_STREET = "{x}__road_l = {x}__road_r"

KINDS: dict[KindName, Kind] = {
    "name": Kind(
        ("", "sound", "sounds", "characters", "family"),
        _name,
        (
            Level("same", _SAME, 0.8, ""),
            Level("swapped", "{x}__characters_l = {x}__characters_r", 0.02, "characters"),
            Level("same_sound", "{x}__sounds_l = {x}__sounds_r", 0.05, "sounds"),
            Level(
                "near_sound",
                "{x}__family_l IS NOT DISTINCT FROM {x}__family_r AND levenshtein({x}__sounds_l, {x}__sounds_r) <= 1",
                0.02,
            ),
            Level(
                "one_character",
                "{x}__family_l IS NOT DISTINCT FROM {x}__family_r AND least(length({x}_l), length({x}_r)) > 1"
                " AND levenshtein({x}_l, {x}_r) = 1",
                0.05,
                caution=True,
            ),
            Level("family_name", "{x}__family_l = {x}__family_r", 0.02, "family", caution=True),
            Level("other", "ELSE", 0.02, caution=True),
        ),
        (
            Key("", "{x}", 0.8, fine=True),
            Key("characters", "{x}__characters", 0.83),
            Key("sound", "{x}__sounds", 0.88, fine=True),
            Key("family", "{x}__family", 0.93),
        ),
    ),
    "latin_name": Kind(
        ("", "words", "code"),
        _latin,
        (
            Level("same", _SAME, 0.75, ""),
            Level("swapped", "{x}__words_l = {x}__words_r", 0.02),
            Level("near", "jaro_winkler_similarity({x}_l, {x}_r) >= 0.92", 0.08),
            Level("shortened", "starts_with({x}_l, {x}_r) OR starts_with({x}_r, {x}_l)", 0.03),
            Level("like", "jaro_winkler_similarity({x}_l, {x}_r) >= 0.8", 0.05),
            Level("other", "ELSE", 0.06),
        ),
        (
            Key("", "{x}", 0.75, fine=True),
            Key("code", "{x}__code", 0.85),
            Key("head", "left({x}, 3)", 0.85),
        ),
    ),
    "organisation": Kind(
        ("", "core", "place", "form"),
        _organisation,
        (
            Level("same", _SAME, 0.7, ""),
            Level("same_core", "{x}__core_l = {x}__core_r", 0.15, "core"),
            Level("near", "jaro_winkler_similarity({x}__core_l, {x}__core_r) >= 0.92", 0.08),
            Level("like", "jaro_winkler_similarity({x}__core_l, {x}__core_r) >= 0.8", 0.04),
            Level("other", "ELSE", 0.03),
        ),
        (
            Key("", "{x}", 0.7, fine=True),
            Key("core", "{x}__core", 0.85, fine=True),
            Key("head", "left({x}__core, 2)", 0.93),
        ),
    ),
    "date": Kind(
        ("", "head", "tail"),
        _halves(forms.date),
        (
            Level("same", _SAME, 0.85, ""),
            Level("typing", f"({_TYPED}) OR {_SWAPPED_DAY}", 0.07),
            Level("two_parts", _PARTS, 0.03),
            Level("year", "{x}__head_l = {x}__head_r", 0.02),
            Level("decade", "abs(try_cast({x}__head_l AS INT) - try_cast({x}__head_r AS INT)) <= 10", 0.01),
            Level("other", "ELSE", 0.02),
        ),
        (
            Key("", "{x}", 0.85, fine=True),
            Key("year", "{x}__head", 0.93),
            Key("month_day", "nullif({x}__tail, '0000')", 0.9),
        ),
    ),
    "identifier": Kind(
        ("", "head", "tail"),
        _halves(forms.identifier),
        (
            Level("same", _SAME, 0.85, ""),
            Level("typing", _TYPED, 0.07),
            Level("half", _HALVES, 0.03),
            Level("other", "ELSE", 0.05),
        ),
        (
            Key("", "{x}", 0.85, fine=True),
            Key("head", "{x}__head", 0.91),
            Key("tail", "{x}__tail", 0.91),
        ),
    ),
    "phone": Kind(
        ("", "head", "tail"),
        _halves(forms.phone),
        (
            Level("same", _SAME, 0.75, ""),
            Level("typing", _TYPED, 0.05),
            Level("other", "ELSE", 0.2),
        ),
        (Key("", "{x}", 0.75, fine=True), Key("tail", "{x}__tail", 0.78)),
    ),
    "address": Kind(
        ("", "street", "numbers", "road"),
        _address,
        (
            Level("same", _SAME, 0.6, ""),
            Level("same_numbers", f"{{x}}__numbers_l = {{x}}__numbers_r AND {_STREET}", 0.15),
            Level(
                "fewer_numbers",
                f"{_STREET} AND (starts_with({{x}}__numbers_l, {{x}}__numbers_r)"
                " OR starts_with({x}__numbers_r, {x}__numbers_l))",
                0.05,
            ),
            Level("same_street", "{x}__street_l = {x}__street_r", 0.05, "street"),
            Level("like", _STREET, 0.05),
            Level("other", "ELSE", 0.1),
        ),
        (
            Key("", "{x}", 0.6, fine=True),
            Key("street", "{x}__street", 0.75),
            Key("numbers", "{x}__numbers", 0.72),
        ),
    ),
    "category": Kind(
        ("",),
        _one(forms.text),
        (Level("same", _SAME, 0.9, ""), Level("other", "ELSE", 0.1)),
        (Key("", "{x}", 0.9),),
    ),
    "text": Kind(
        ("",),
        _one(forms.text),
        (
            Level("same", _SAME, 0.75, ""),
            Level("near", "jaro_winkler_similarity({x}_l, {x}_r) >= 0.92", 0.1),
            Level("like", "jaro_winkler_similarity({x}_l, {x}_r) >= 0.8", 0.05),
            Level("other", "ELSE", 0.1),
        ),
        (Key("", "{x}", 0.75, fine=True), Key("head", "left({x}, 4)", 0.85)),
    ),
}

PARTNERED = Level("swapped", "{x}_l = {y}_r OR {x}_r = {y}_l", 0.02)
"""Between the first level and the second of a field with a partner."""


def levels(kind: KindName, partner: bool) -> tuple[Level, ...]:
    """The levels of a field, best first; the last one is "else"."""
    found = KINDS[kind].levels
    if not partner:
        return found
    return (found[0], PARTNERED, *(each for each in found[1:] if each.code != "swapped"))


def column(field: str, feature: str) -> str:
    """The column of a feature of a field in the prepared table."""
    return f"{field}__{feature}" if feature else field
