"""Why a request cannot be read, in the caller's language: what the decoder says in English, with the place and what would do."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import HTTPRouteHandler
from msgspec import inspect

from cityloom.kernel.words import Words

BODY = "data"
"""The name under which every handler takes its body."""
MESSAGES = tuple(
    (re.compile(pattern), code)
    for pattern, code in (
        (r"Object missing required field `(?P<field>.+)`", "missing"),
        (r"Missing required (?:\w+ )?parameter '(?P<field>.+)' for .+", "missing"),
        (r"Object contains unknown field `(?P<field>.+)`", "unknown"),
        (r"Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`", "type"),
        (r"Expected `(?P<expected>[^`]+)` of length (?P<bound>.+)", "length"),
        (r"Expected `(?P<expected>[^`]+)` matching regex (?P<pattern>.+)", "pattern"),
        (r"Expected `(?P<expected>[^`]+)` (?P<bound>[<>]=? .+)", "bound"),
        (r"Invalid enum value (?P<value>.+)", "choice"),
        (r"Invalid RFC3339 encoded (?P<expected>\w+)", "moment"),
        (r"'data'", "no_body"),
        (r"Input data was truncated", "cut_off"),
        (r"JSON is malformed: .+ \(byte (?P<byte>\d+)\)", "json"),
    )
)
KINDS = ("str", "int", "float", "bool", "object", "array", "null", "date", "datetime", "bytes")


def reason(error: HTTPException, handler: object, words: Words, language: str) -> str:
    """What is wrong, with every place where something is, in one line of text."""
    faults = error.extra if isinstance(error, ValidationException) and isinstance(error.extra, list) else []
    told = [_fault(each, handler, words, language) for each in faults if isinstance(each, dict)]
    return "; ".join(told) or _message(error.detail, words, language, _no_choices)


def _fault(fault: Mapping[str, Any], handler: object, words: Words, language: str) -> str:
    place, message = str(fault.get("key", "")), str(fault.get("message", ""))
    said = _message(message, words, language, lambda: _choices(handler, place))
    return said if place in ("", BODY) else f"{place}: {said}"


def _message(message: str, words: Words, language: str, choices: Callable[[], list[str]]) -> str:
    """The decoder's message in the reader's language; as it is where it is none of those known."""
    for pattern, code in MESSAGES:
        found = pattern.fullmatch(message)
        if found is None:
            continue
        said = {name: _kinds(text, words, language) if name in ("expected", "got") else text
                for name, text in found.groupdict().items()}  # fmt: skip
        known = choices() if code == "choice" else []
        return words.say(f"kernel.misread_{code}{'_of' if known else ''}", language, known=", ".join(known), **said)
    return message


def _kinds(text: str, words: Words, language: str) -> str:
    """`str | null` in words."""
    named = (words.say(f"kernel.kind_{kind}", language) if kind in KINDS else kind for kind in text.split(" | "))
    return " / ".join(named)


def _no_choices() -> list[str]:
    return []


def _choices(handler: object, place: str) -> list[str]:
    """The values that would do at a place of the body (terms.masks[0].kind) or of a parameter; none where it is not known."""
    if not isinstance(handler, HTTPRouteHandler):
        return []
    parameters = handler.parsed_fn_signature.parameters
    steps = [step for step in re.split(r"[.\[\]]+", place) if step]
    named = parameters.get(steps[0]) if len(steps) == 1 else None
    body = parameters.get(BODY)
    start, steps = (named, []) if named is not None and (body is None or steps[0] != BODY) else (body, steps)
    if start is None:
        return []
    found = [inspect.type_info(start.annotation)]
    for step in steps:
        found = [inner for each in found for inner in _within(each, step)]
    return [value for each in found for value in _values(each)]


def _within(kind: inspect.Type, step: str) -> list[inspect.Type]:
    """What may stand one step further in; several for a union."""
    if isinstance(kind, inspect.Metadata):
        return _within(kind.type, step)
    if isinstance(kind, inspect.UnionType):
        return [inner for each in kind.types for inner in _within(each, step)]
    if isinstance(kind, inspect.StructType):
        return [field.type for field in kind.fields if field.encode_name == step]
    if isinstance(kind, inspect.DictType):
        return [kind.value_type]
    if isinstance(kind, inspect.VarTupleType | inspect.ListType | inspect.SetType | inspect.FrozenSetType):
        return [kind.item_type]
    return list(kind.item_types[int(step) :][:1]) if isinstance(kind, inspect.TupleType) and step.isdigit() else []


def _values(kind: inspect.Type) -> list[str]:
    if isinstance(kind, inspect.Metadata):
        return _values(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [value for each in kind.types for value in _values(each)]
    if isinstance(kind, inspect.EnumType):
        return [str(member.value) for member in kind.cls]
    return [msgspec.to_builtins(str(value)) for value in kind.values] if isinstance(kind, inspect.LiteralType) else []
