"""From a draft to the bytes of a file and the truth about its rows."""

from datetime import datetime

import msgspec
import numpy as np
import pyarrow as pa

from cityloom.samplecity.contracts import Fault
from cityloom.samplecity.rules import chance, drafts, dress, faults
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.drafts import Draft
from cityloom.samplecity.rules.dress import Dress
from cityloom.samplecity.rules.faults import Place, Spoils
from cityloom.samplecity.rules.recipes import Recipe
from cityloom.samplecity.rules.world import Columns, Roll, Scene
from cityloom.samplecity.spec import Dataset, Field

WIDE, LEGACY = 0.003, 0.002
"""Shares of the rows with a value in full-width digits, and with a 15-digit identity number in full files."""


class Order(msgspec.Struct, frozen=True):
    """One delivery to be made."""

    recipe: Recipe
    dataset: Dataset
    dress: Dress
    mode: str
    period: int
    moment: datetime
    """When it is handed in, in the city's own time."""


class File(msgspec.Struct, frozen=True):
    """The bytes of a file, how many rows it has, and what must become of them."""

    data: bytes
    rows: int
    accepted: int
    quarantined: int
    duplicates: int
    deletes: int
    truth: tuple[Fault, ...]
    spoiled: Index
    """Positions in the draft of rows that are not accepted."""


def make(scene: Scene, roll: Roll, order: Order, draft: Draft) -> File | None:
    """The file of a draft, or None when there is nothing to deliver."""
    if not len(draft.entity):
        return None
    key = chance.key(scene.key, order.recipe.dataset, order.period, order.mode)
    columns = _columns(scene, roll, order, draft.entity, draft.version)
    place = Place(
        order.dataset, order.mode, order.period == 0, order.dress.text, order.dress.format == "csv", order.moment
    )  # fmt: skip
    spoils = faults.sow(
        key, place, columns, np.flatnonzero(draft.open), np.flatnonzero(draft.fresh & draft.open), order.recipe.varies
    )
    spoiled = spoils.rows
    again = drafts.repeated(key, draft, spoiled, order.period)
    columns, rows = _with_extras(scene, roll, order, draft, columns, spoils, again)
    _decorate(key, order, columns, spoils)
    data = dress.written(order.dress, order.dataset, columns, spoils.typed, spoils.raw)
    truth = tuple(sorted(spoils.faults))
    quarantined = len({fault.row for fault in truth})
    news = int(draft.news.sum()) - int(draft.news[spoiled].sum())
    deletes = len(draft.leaving) if order.mode == "replace" else news if order.mode == "delete" else 0
    return File(data, rows, news, quarantined, rows - news - quarantined, deletes, truth, spoiled)


def _columns(scene: Scene, roll: Roll, order: Order, entity: Index, version: Index) -> Columns:
    made = order.recipe.frame(scene, roll, entity, version)
    return {name: made[name] for name in order.dataset.key} if order.mode == "delete" else made


def _with_extras(
    scene: Scene, roll: Roll, order: Order, draft: Draft, columns: Columns, spoils: Spoils, again: Index
) -> tuple[Columns, int]:
    """The columns with the rows at their end that come once more, or come with the key of another."""
    conflicts = np.array(spoils.conflicts, np.int64)
    entity = np.concatenate([draft.entity[again], draft.entity[conflicts], draft.conflict])
    version = np.concatenate(
        [draft.version[again], draft.version[conflicts] + 1, np.ones(len(draft.conflict), np.int64)]
    )
    rows = len(draft.entity)
    spoils.faults += [
        Fault(rows + len(again) + place + 1, order.dataset.key[0], "key")
        for place in range(len(conflicts) + len(draft.conflict))
    ]
    if not len(entity):
        return columns, rows
    extra = _columns(scene, roll, order, entity, version)
    return {name: pa.concat_arrays([column, extra[name]]) for name, column in columns.items()}, rows + len(entity)


def _decorate(key: int, order: Order, columns: Columns, spoils: Spoils) -> None:
    """Sound values in odd clothes: full-width digits, identity numbers of 15 digits. Only where values are texts."""
    if not order.dress.text:
        return
    rows = len(next(iter(columns.values())))
    sound = np.setdiff1d(np.arange(rows), [fault.row - 1 for fault in spoils.faults])
    fields = [field for field in order.dataset.fields if field.name in columns and _has_digits(field)]
    wide = chance.sample(key, "wide", sound, round(WIDE * len(sound)))
    for row in wide:
        field = fields[int(row) % len(fields)] if fields else None
        if field is not None and columns[field.name][int(row)].is_valid:
            text = dress.text(order.dress, columns[field.name].slice(int(row), 1))[0].as_py()
            spoils.raw.setdefault(field.name, {})[int(row)] = text.translate(dress.FULL_WIDTH)
    if order.period or order.dataset.key[0] != "id_number" or order.mode != "upsert":
        return
    for row in np.setdiff1d(chance.sample(key, "legacy", sound, round(LEGACY * len(sound))), wide):
        number = columns["id_number"][int(row)].as_py()
        if number[6:8] == "19":
            spoils.raw.setdefault("id_number", {})[int(row)] = number[:6] + number[8:17]


def _has_digits(field: Field) -> bool:
    return field.format is not None or field.pattern is not None or field.type in ("date", "integer", "decimal")
