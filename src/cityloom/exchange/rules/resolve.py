"""From dataset files, data elements and code lists to resolved datasets; a wrong file is refused with its remedy."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from cityloom.catalogue.contracts import Bound, CodeList, Element, Kind
from cityloom.exchange.rules import expression
from cityloom.exchange.spec import Dataset, Field, Reference, ResolvedDataset, ResolvedField, span
from cityloom.kernel.errors import Invalid

NUMERIC: tuple[Kind, ...] = ("integer", "decimal", "number")
MOMENTS: tuple[Kind, ...] = ("date", "timestamp")
FITS: dict[str, tuple[Kind, ...]] = {
    "min": (*NUMERIC, *MOMENTS),
    "max": (*NUMERIC, *MOMENTS),
    "min_length": ("text",),
    "max_length": ("text",),
    "pattern": ("text",),
    "codes": ("text",),
    "format": ("text",),
    "fresh_within": MOMENTS,
    "precision": ("decimal",),
    "scale": ("decimal",),
    "unit": NUMERIC,
}
INHERITED = (
    "type", "min", "max", "min_length", "max_length", "pattern", "codes", "format", "precision", "scale", "unit",
    "grade", "personal",
)  # fmt: skip
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
PERSONAL_GRADE = 3


def wrong(file: str, field: str, fault: str, **params: str | int) -> Invalid:
    """The refusal of a dataset file: `fault` names the words `exchange.spec.<fault>` (and their remedy)."""
    return Invalid(f"exchange.spec.{fault}", file=file, field=field, **params)


def resolve_all(
    datasets: Mapping[str, Dataset], elements: Mapping[str, Element], codes: Mapping[str, CodeList]
) -> dict[str, ResolvedDataset]:
    """Every dataset resolved, with the references between them checked. Raises Invalid `exchange.spec.…`."""
    found = {name: resolve(name, dataset, elements, codes) for name, dataset in datasets.items()}
    return {name: with_references(dataset, found) for name, dataset in found.items()}


def resolve(
    name: str, dataset: Dataset, elements: Mapping[str, Element], codes: Mapping[str, CodeList]
) -> ResolvedDataset:
    """One dataset with its elements' properties, code lists and grades filled in; `name` is the stem of its file.

    Raises Invalid `exchange.spec.…` naming file, field, what is wrong and what to do. References to other datasets are
    looked up by `with_references`.
    """
    file = f"exchange/{name}.yaml"
    fields = tuple(_field(file, field, elements, codes) for field in dataset.fields)
    resolved = ResolvedDataset(
        name=name, title=dataset.title, summary=dataset.summary, keeper=dataset.keeper,
        legal_basis=dataset.legal_basis, class_=dataset.class_, sharing=dataset.sharing,
        refusal_law=dataset.refusal_law, modes=dataset.modes, update=dataset.update, queryable=dataset.queryable,
        key=dataset.key, retention=dataset.retention, fields=fields, checks=dataset.checks,
        grade=max((field.grade for field in fields), default=1),
    )  # fmt: skip
    _check_dataset(file, resolved)
    _check_key(file, resolved)
    _check_expressions(file, resolved)
    return resolved


def with_references(dataset: ResolvedDataset, datasets: Mapping[str, ResolvedDataset]) -> ResolvedDataset:
    """The dataset with its references looked up: fields that are there and of the same type.

    Raises Invalid `exchange.spec.reference_…`.
    """
    file = f"exchange/{dataset.name}.yaml"
    fields = tuple(_with_reference(file, field, datasets) for field in dataset.fields)
    return msgspec.structs.replace(dataset, fields=fields)


def _with_reference(file: str, field: ResolvedField, datasets: Mapping[str, ResolvedDataset]) -> ResolvedField:
    reference = field.reference
    if reference is None:
        return field
    target = datasets.get(reference.dataset)
    names = [] if target is None else [other.name for other in target.fields]
    if target is None or reference.field not in names:
        known = ", ".join(names or sorted(datasets))
        raise wrong(file, field.name, "reference_unknown", reference=str(reference), known=known)
    there = target.field(reference.field)
    if there.type != field.type:
        named = str(reference)
        raise wrong(file, field.name, "reference_type", reference=named, type=field.type, other=there.type)
    vouched = field.format is not None and there.format == field.format
    return msgspec.structs.replace(field, reference=msgspec.structs.replace(reference, vouched=vouched))


def _field(file: str, field: Field, elements: Mapping[str, Element], codes: Mapping[str, CodeList]) -> ResolvedField:
    element = _element(file, field, elements)
    own = {name: getattr(field, name) for name in INHERITED}
    if element is not None:
        own = {name: getattr(element, name) if value is None else value for name, value in own.items()}
    title = field.title or (element.title if element else None)
    if title is None:
        raise wrong(file, field.name, "no_title")
    if own["type"] is None:
        raise wrong(file, field.name, "no_type")
    personal = bool(own.pop("personal"))
    grade = own.pop("grade")
    list_name = own.pop("codes")
    low, high = (_bound(file, field.name, key, own.pop(key)) for key in ("min", "max"))
    resolved = ResolvedField(
        name=field.name,
        title=title,
        min=low,
        max=high,
        required=field.required,
        unique=field.unique,
        reference=_reference(field.references) if field.references else None,
        fresh_within=span(field.fresh_within) if field.fresh_within else None,
        codes=_codes(file, field, list_name, codes) if list_name else None,
        personal=personal,
        grade=grade if grade is not None else PERSONAL_GRADE if personal else 1,
        element=field.element,
        standard=element.standard if element else "",
        authoritative=field.authoritative,
        qualifier=field.qualifier,
        **own,
    )
    _check_field(file, resolved)
    return resolved


def _reference(text: str) -> Reference:
    dataset, _, field = text.partition(".")
    return Reference(dataset, field)


def _bound(file: str, field: str, key: str, bound: Bound | None) -> int | float | date | None:
    if not isinstance(bound, str):
        return bound
    try:
        return date.fromisoformat(bound)
    except ValueError:
        raise wrong(file, field, "bound_date", key=key, value=bound) from None


def _element(file: str, field: Field, elements: Mapping[str, Element]) -> Element | None:
    if field.element is None:
        return None
    element = elements.get(field.element)
    if element is None:
        raise wrong(file, field.name, "element_unknown", element=field.element)
    if element.status == "withdrawn":
        raise wrong(file, field.name, "element_withdrawn", element=field.element, version=element.version)
    return element


def _codes(file: str, field: Field, name: str, codes: Mapping[str, CodeList]) -> CodeList:
    found = codes.get(name)
    if found is None:
        raise wrong(file, field.name, "codes_unknown", codes=name)
    if found.status == "withdrawn":
        raise wrong(file, field.name, "codes_withdrawn", codes=name, version=found.version)
    if not found.current:
        raise wrong(file, field.name, "codes_empty", codes=name)
    return found


def _check_field(file: str, field: ResolvedField) -> None:
    for key, kinds in FITS.items():
        if getattr(field, key) is not None and field.type not in kinds:
            raise wrong(file, field.name, "key_unfit", key=key, type=field.type, types=", ".join(kinds))
    if field.type == "decimal":
        _check_decimal(file, field)
    _check_bounds(file, field)
    if field.pattern is not None:
        _check_pattern(file, field.name, field.pattern)
    if field.personal and field.grade < 2:
        raise wrong(file, field.name, "personal_grade")


def _check_decimal(file: str, field: ResolvedField) -> None:
    if field.precision is None or field.scale is None or field.scale > field.precision:
        raise wrong(file, field.name, "decimal_size")


def _check_bounds(file: str, field: ResolvedField) -> None:
    for key in ("min", "max"):
        bound = getattr(field, key)
        if bound is not None and not _bound_fits(field, bound):
            raise wrong(file, field.name, "bound_type", key=key, type=field.type)
    for low, high in (("min", "max"), ("min_length", "max_length")):
        least, most = getattr(field, low), getattr(field, high)
        if least is not None and most is not None and least > most:
            raise wrong(file, field.name, "bounds_crossed", low=low, high=high)


def _bound_fits(field: ResolvedField, bound: int | float | date) -> bool:
    if isinstance(bound, date) or field.type in MOMENTS:
        return isinstance(bound, date) and field.type in MOMENTS
    if field.type == "decimal":
        exact = Decimal(str(bound))
        return exact == round(exact, field.scale or 0)
    return field.type == "number" or isinstance(bound, int)


def _check_pattern(file: str, field: str, pattern: str) -> None:
    """DuckDB's regular expressions are RE2, and so are Arrow's; Python's are others."""
    try:
        pc.match_substring_regex("", pattern)
    except pa.ArrowInvalid as error:
        raise wrong(file, field, "pattern_wrong", pattern=pattern, reason=str(error).rpartition(": ")[2]) from error


def _check_dataset(file: str, dataset: ResolvedDataset) -> None:
    if not NAME.fullmatch(dataset.name) or "__" in dataset.name:
        raise wrong(file, dataset.name, "dataset_name")
    if not dataset.fields:
        raise wrong(file, "fields", "no_fields")
    if not dataset.modes:
        raise wrong(file, "modes", "no_modes")
    if (dataset.sharing == "refused") != (dataset.refusal_law is not None):
        raise wrong(file, "refusal_law", "refusal_law")
    _once(file, [field.name for field in dataset.fields])
    _once(file, [check.name for check in dataset.checks])
    _once(file, [mode.value for mode in dataset.modes])


def _once(file: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise wrong(file, name, "twice")


def _check_key(file: str, dataset: ResolvedDataset) -> None:
    if not dataset.key:
        raise wrong(file, "key", "no_key")
    _once(file, list(dataset.key))
    known = {field.name: field for field in dataset.fields}
    for name in dataset.key:
        if name not in known:
            raise wrong(file, name, "key_unknown", known=", ".join(known))
        if not known[name].required:
            raise wrong(file, name, "key_optional")
        if known[name].type == "number":
            raise wrong(file, name, "key_number")


def _check_expressions(file: str, dataset: ResolvedDataset) -> None:
    fields = {field.name: field for field in dataset.fields}
    for check in dataset.checks:
        try:
            expression.condition(check.expression, fields, date.min)
        except expression.UnfitError as unfit:
            raise wrong(file, check.name, f"expression_{unfit.why}", token=unfit.token) from unfit
