"""Says what is wrong with a quarantined value and what to do, in the clerk's language."""

from collections.abc import Iterator

from cityloom.exchange.contracts import Fault
from cityloom.exchange.spec import ResolvedDataset, ResolvedField
from cityloom.kernel.words import Words, fill

MOST_CODES = 12
LONGEST_VALUE = 60


def explain(
    dataset: ResolvedDataset, words: Words, language: str, row: int, field: str, rule: str, value: str | None
) -> Fault:
    """One fault in words: row, the field by its title, the value as it came, and the remedy."""
    kind, _, name = rule.partition(":")
    known = next((each for each in dataset.fields if each.name == field), None)
    params: dict[str, object] = {
        "row": row,
        "field": known.title.of(language) if known else field,
        "value": _shown(value),
    }
    if kind == "expression":
        check = next(each for each in dataset.checks if each.name == name)
        problem = words.say("exchange.fault.expression", language, **params, check=check.title.of(language))
        return Fault(row, field, rule, value, problem, check.remedy.of(language))
    code = f"exchange.fault.{kind}"
    params |= _facts(dataset, known, kind, language)
    if kind == "type" and known:
        params["example"] = words.say(f"exchange.example.{known.type}", language)
    problem = words.say(code, language, **params)
    remedy = words.texts.get(f"{code}.remedy")
    return Fault(row, field, rule, value, problem, fill(remedy.of(language), params) if remedy else "")


def _facts(dataset: ResolvedDataset, field: ResolvedField | None, kind: str, language: str) -> dict[str, object]:
    """What the remedy of this rule names."""
    if kind == "key":
        titles = (each.title.of(language) for each in dataset.fields if each.name in dataset.key)
        return {"key": " + ".join(titles)}
    if field is None:
        return {}
    if kind == "range":
        return {"range": _between(field.min, field.max)}
    if kind == "length":
        return {"range": _between(field.min_length, field.max_length)}
    if kind == "pattern":
        return {"pattern": field.pattern or ""}
    if kind == "codes" and field.codes:
        return {"codes": ", ".join(_codes(field, language)), "list": field.codes.title.of(language)}
    if kind == "reference":
        return {"reference": str(field.reference)}
    return {}


def _codes(field: ResolvedField, language: str) -> Iterator[str]:
    listed = [code for code in field.codes.codes if code.status == "current"] if field.codes else []
    yield from (f"{code.code} {code.title.of(language)}" for code in listed[:MOST_CODES])
    if len(listed) > MOST_CODES:
        yield f"… ({len(listed)})"


def _between(least: object, most: object) -> str:
    if least is None:
        return f"≤ {most}"
    return f"≥ {least}" if most is None else f"{least} – {most}"


def _shown(value: str | None) -> str:
    text = value or ""
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"
