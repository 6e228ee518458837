"""Datasets, data elements and code lists."""

from typing import Any

from litestar import Request, get
from litestar.params import FromPath

from cityloom.catalogue import api
from cityloom.catalogue.contracts import CodeList, Element, EntryDetail, EntrySummary
from cityloom.identity import api as identity

AnyRequest = Request[Any, Any, Any]


@get("/api/catalogue/entries", tags=["catalogue"], summary="Datasets of the catalogue", sync_to_thread=True)
def list_entries(request: AnyRequest) -> list[EntrySummary]:
    """Every dataset in force: whose it is, its grade, its revision."""
    return api.entries(identity.open_context(request))


@get(
    "/api/catalogue/entries/{dataset:str}",
    tags=["catalogue"],
    summary="One dataset's declaration and lineage",
    sync_to_thread=True,
)
def get_entry(request: AnyRequest, dataset: FromPath[str]) -> EntryDetail:
    """Fields, types, checks, keeper, legal basis, class and grade; what it is checked against and what uses it."""
    return api.entry(identity.open_context(request), dataset)


@get(
    "/api/catalogue/elements",
    tags=["catalogue"],
    summary="Data elements and the standards they follow",
    sync_to_thread=True,
)
def list_elements(request: AnyRequest) -> dict[str, Element]:
    """By name."""
    return api.standards(identity.open_context(request).packs).elements


@get("/api/catalogue/codes/{name:str}", tags=["catalogue"], summary="A code list", sync_to_thread=True)
def get_codes(request: AnyRequest, name: FromPath[str]) -> CodeList:
    """Its codes with their titles, version and standard."""
    return api.code_list(identity.open_context(request), name)


ROUTES = [list_entries, get_entry, list_elements, get_codes]
