"""Faults in the clerk's language: what is wrong with which value of which row, and what to do about it."""

import re
from collections.abc import Iterable
from datetime import date

from cityloom.exchange.contracts import Fault
from cityloom.exchange.spec import Check, ResolvedDataset, ResolvedField, Span
from cityloom.kernel.words import Words

LONGEST_VALUE = 60
FEW_CODES = 12


def explain(
    dataset: ResolvedDataset, words: Words, language: str, row: int, field: str, rule: str, value: str | None
) -> Fault:
    """One fault in words: the row, the field by its title, the value as it came, and the remedy."""
    kind, _, check = rule.partition(":")
    known = next((each for each in dataset.fields if each.name == field), None)
    title = known.title.of(language) if known else ""
    if check:
        problem, remedy = _crossing(dataset, words, language, row, check, value)
        return Fault(row, field, rule, value, problem, remedy, title)
    where = words.say(
        "exchange.rule.where" if known else "exchange.rule.where_row",
        language, row=row, title=title,
    )  # fmt: skip
    facts = facts_of(known, words, language) if known else {}
    keys = _listed((each.title.of(language) for each in dataset.fields if each.name in dataset.key), language)
    # the value comes last, so that nothing in it is taken for a placeholder
    params = {**facts, "keys": keys, "where": where, "value": _shortened(value)}
    code = f"exchange.rule.{kind}{_variant(kind, known) if known else ''}"
    remedy = f"{code}.remedy" if f"{code}.remedy" in words.texts else f"exchange.rule.{kind}.remedy"
    problem, remedy = words.say(code, language, **params), words.say(remedy, language, **params)
    return Fault(row, field, rule, value, problem, remedy, title)


def facts_of(field: ResolvedField, words: Words, language: str) -> dict[str, object]:
    """What the texts about a field may name."""
    scale = field.scale or 0
    return {
        "min": field.min,
        "max": field.max,
        "unit": f" {field.unit}" if field.unit else "",
        "min_length": field.min_length,
        "max_length": field.max_length,
        "pattern": field.pattern,
        "precision": field.precision,
        "scale": scale,
        "whole": (field.precision or 0) - scale,
        "example": f"1234.{'5' * scale}" if scale else "1234",
        "codes": field.codes.title.of(language) if field.codes else "",
        "allowed": allowed(field, language),
        "reference": str(field.reference) if field.reference else "",
        "dataset": field.reference.dataset if field.reference else "",
        "span": span_text(field.fresh_within, words, language) if field.fresh_within else "",
    }


def allowed(field: ResolvedField, language: str) -> str:
    """The codes of a field with their titles; of a long list the first ones."""
    if field.codes is None:
        return ""
    current = [code for code in field.codes.codes if code.status == "current"]
    told = " ".join if language == "zh" else " = ".join
    some = _listed((told((code.code, code.title.of(language))) for code in current[:FEW_CODES]), language)
    return some + ("…" if len(current) > FEW_CODES else "")


def span_text(span: Span, words: Words, language: str) -> str:
    """A duration in words, in the largest units that fit."""
    parts = {
        "years": span.months // 12,
        "months": span.months % 12,
        "days": span.days,
        "hours": span.seconds // 3600,
        "minutes": span.seconds // 60 % 60,
        "seconds": span.seconds % 60,
    }
    return " ".join(words.say(f"exchange.span.{unit}", language, n=number) for unit, number in parts.items() if number)


def _crossing(
    dataset: ResolvedDataset, words: Words, language: str, row: int, name: str, value: str | None
) -> tuple[str, str]:
    check = next((each for each in dataset.checks if each.name == name), None)
    where = words.say("exchange.rule.where_row", language, row=row)
    if check is None:  # of an earlier version of the dataset
        return words.say("exchange.rule.expression", language, where=where, check=name, values=_shortened(value)), ""
    used = operands(check, dataset)
    values = (value or "").split(" / ", max(len(used) - 1, 0))
    told = (f"{field.title.of(language)} {_shortened(text)}".strip() for field, text in zip(used, values, strict=False))
    params = {"where": where, "check": check.title.of(language), "values": _listed(told, language)}
    return words.say("exchange.rule.expression", language, **params), check.remedy.of(language)


def operands(check: Check, dataset: ResolvedDataset) -> list[ResolvedField]:
    """The fields a check uses, in the order of their coming, which is the order of the values in its faults."""
    fields = {field.name: field for field in dataset.fields}
    tokens = re.findall(r"[a-z_][a-z0-9_]*(?![a-z0-9_]*\s*\()", re.sub(r"'[^']*'", "", check.expression))
    return [fields[token] for token in dict.fromkeys(tokens) if token in fields]


def _listed(parts: Iterable[str], language: str) -> str:
    return ("、" if language == "zh" else ", ").join(parts)


def _shortened(value: str | None) -> str:
    text = value or ""
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


def _variant(rule: str, field: ResolvedField) -> str:
    match rule:
        case "type":
            return f".{field.type}"
        case "range":
            return f".{_sides(field)}"
        case "length":
            return f".{_length_sides(field)}"
        case _:
            return ""


def _sides(field: ResolvedField) -> str:
    if field.min is not None and field.max is not None:
        return "both"
    if isinstance(field.min, date):
        return "day"
    if isinstance(field.max, date):
        return "last_day"
    return "min" if field.min is not None else "max"


def _length_sides(field: ResolvedField) -> str:
    if field.min_length and field.max_length is not None:
        return "exact" if field.min_length == field.max_length else "both"
    return "min" if field.max_length is None else "max"
