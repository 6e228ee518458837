"""Datasets as the catalogue knows them: their declarations by revision, and lineage."""

from datetime import datetime
from typing import Literal

import msgspec

from cityloom.catalogue.contracts.resources import ResourceWish
from cityloom.kernel.words import Text


class Entry(msgspec.Struct, frozen=True):
    """What a module tells the catalogue of a dataset it keeps; `spec` is its resolved declaration as JSON."""

    name: str
    pack: str
    keeper: str
    title: Text
    grade: int
    spec: bytes
    described: ResourceWish | None = None
    """Its description by the compilation guide; the id is the dataset's name."""


LineKind = Literal["references", "codes", "element", "derives", "fed_by"]


class Line(msgspec.Struct, frozen=True):
    """One line of lineage: `target` (dataset or dataset.field) is made from, or checked against, `source`."""

    source: str
    target: str
    kind: LineKind


class EntrySummary(msgspec.Struct, frozen=True):
    """An entry of the catalogue as a list shows it."""

    name: str
    title: str
    keeper: str
    pack: str
    grade: int
    revision: int
    installed_at: datetime


class EntryDetail(msgspec.Struct, frozen=True):
    """An entry in full: its declaration, its lineage, and which revisions there were."""

    summary: EntrySummary
    declaration: msgspec.Raw
    lineage: list[Line]
    revisions: list[int]
