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
    """The feature whose frequency tells how much the agreement says: a rare name more than a common one."""


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
    return found and (found.text, found.sound, found.sounds, found.characters, found.family)


def _latin(written: str) -> Made:
    found = names.latin(written)
    return found and (found.text, found.words, found.code)


def _organisation(written: str) -> Made:
    found = names.organisation(written)
    return found and (found.text, found.core, found.place, found.form)


def _address(written: str) -> Made:
    found = forms.address(written)
    return found and (found.text, found.street or None, found.numbers or None)


def _one(function: Callable[[str], str | None]) -> Callable[[str], Made]:
    def make(written: str) -> Made:
        found = function(written)
        return None if found is None else (found,)

    return make


_SAME = "{x}_l = {x}_r"
_SWAPPED_DAY = "{x}_l = concat(left({x}_r, 4), right({x}_r, 2), substr({x}_r, 5, 2))"
_PARTS = (
    "(left({x}_l, 6) = left({x}_r, 6))::INT + (right({x}_l, 4) = right({x}_r, 4))::INT"
    " + (concat(left({x}_l, 4), right({x}_l, 2)) = concat(left({x}_r, 4), right({x}_r, 2)))::INT > 0"
)
_TYPED = "damerau_levenshtein({x}_l, {x}_r) <= 1"

KINDS: dict[KindName, Kind] = {
    "name": Kind(
        ("", "sound", "sounds", "characters", "family"),
        _name,
        (
            Level("same", _SAME, 0.8, ""),
            Level("swapped", "{x}__characters_l = {x}__characters_r", 0.02, "characters"),
            Level("same_sound", "{x}__sounds_l = {x}__sounds_r", 0.05, "sounds"),
            Level("near_sound", "levenshtein({x}__sounds_l, {x}__sounds_r) <= 1", 0.02),
            Level(
                "one_character",
                "levenshtein({x}_l, {x}_r) = 1 AND least(length({x}_l), length({x}_r)) > 1"
                " AND {x}__family_l = {x}__family_r",
                0.05,
            ),
            Level("family_name", "{x}__family_l = {x}__family_r AND {x}__family_l <> ''", 0.02, "family"),
            Level("other", "ELSE", 0.02),
        ),
        (
            Key("", "{x}", 0.8, fine=True),
            Key("characters", "{x}__characters", 0.83),
            Key("sound", "{x}__sounds", 0.88, fine=True),
            Key("family", "nullif({x}__family, '')", 0.93),
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
        ("",),
        _one(forms.date),
        (
            Level("same", _SAME, 0.85, ""),
            Level("typing", f"{_TYPED} OR {_SWAPPED_DAY}", 0.07),
            Level("two_parts", _PARTS, 0.03),
            Level("year", "left({x}_l, 4) = left({x}_r, 4)", 0.02),
            Level("decade", "abs(try_cast(left({x}_l, 4) AS INT) - try_cast(left({x}_r, 4) AS INT)) <= 10", 0.01),
            Level("other", "ELSE", 0.02),
        ),
        (
            Key("", "{x}", 0.85, fine=True),
            Key("year", "left({x}, 4)", 0.93),
            Key("month_day", "nullif(right({x}, 4), '0000')", 0.9),
        ),
    ),
    "identifier": Kind(
        ("",),
        _one(forms.identifier),
        (
            Level("same", _SAME, 0.85, ""),
            Level("typing", _TYPED, 0.07),
            Level("near", "damerau_levenshtein({x}_l, {x}_r) <= 2", 0.03),
            Level("other", "ELSE", 0.05),
        ),
        (
            Key("", "{x}", 0.85, fine=True),
            Key("head", "left({x}, (length({x}) + 1) // 2)", 0.91),
            Key("tail", "right({x}, (length({x}) + 1) // 2)", 0.91),
        ),
    ),
    "phone": Kind(
        ("",),
        _one(forms.phone),
        (
            Level("same", _SAME, 0.75, ""),
            Level("typing", _TYPED, 0.05),
            Level("other", "ELSE", 0.2),
        ),
        (Key("", "{x}", 0.75, fine=True), Key("tail", "right({x}, 4)", 0.78)),
    ),
    "address": Kind(
        ("", "street", "numbers"),
        _address,
        (
            Level("same", _SAME, 0.6, ""),
            Level(
                "same_numbers",
                "{x}__numbers_l = {x}__numbers_r AND jaro_winkler_similarity({x}__street_l, {x}__street_r) >= 0.85",
                0.12,
            ),
            Level("same_street", "jaro_winkler_similarity({x}__street_l, {x}__street_r) >= 0.94", 0.12),
            Level("like", "jaro_winkler_similarity({x}__street_l, {x}__street_r) >= 0.8", 0.06),
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
