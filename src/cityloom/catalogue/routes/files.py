"""Catalogues as files: the departments' workbook, and DCAT-AP 3."""

from datetime import date
from typing import Annotated, Any

from anyio import to_thread
from litestar import Request, Response, get, post
from litestar.params import FromQuery, QueryParameter

from cityloom.catalogue.api import dcat, files, guide
from cityloom.catalogue.contracts import ImportReport
from cityloom.identity import api as identity
from cityloom.kernel import http
from cityloom.kernel.context import Context
from cityloom.kernel.errors import TooLarge

AnyRequest = Request[Any, Any, Any]
TAGS = ["catalogue files"]
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LARGEST = 32 << 20
Trial = Annotated[bool, QueryParameter(description="check everything, keep nothing")]
EffectiveOn = Annotated[
    date | None, QueryParameter(description="when changes that break what others use come into force")
]


async def received(request: AnyRequest) -> tuple[Context, bytes]:
    """Who hands a file in, and the file. Whoever may describe nothing is refused before a byte of it is read.

    Raises Refused `kernel.refused`, TooLarge `catalogue.sheet_too_large`.
    """
    ctx = await to_thread.run_sync(identity.open_context, request)
    await to_thread.run_sync(files.check_may_write, ctx)
    told = request.headers.get("content-length", "")
    _check_size(int(told[:20]) if told.isdecimal() else 0)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        _check_size(len(body))
    return ctx, bytes(body)


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise TooLarge("catalogue.sheet_too_large", limit=LARGEST >> 20)


@get(
    "/api/catalogue/guide.xlsx",
    media_type=XLSX,
    tags=TAGS,
    summary="The catalogue as departments' workbook",
    sync_to_thread=True,
)
def get_guide(request: AnyRequest, keeper: FromQuery[str] = "", after: FromQuery[str] = "") -> Response[bytes]:
    """One row per item. What it says is read back as the same; with no resources it is a form to fill in."""
    content = guide.export(identity.open_context(request), keeper, after)
    return Response(content, media_type=XLSX, headers={"content-disposition": 'attachment; filename="catalogue.xlsx"'})


@post(
    "/api/catalogue/guide-imports",
    tags=TAGS,
    summary="Hand in a workbook",
    description="The body is the .xlsx itself, or a CSV. Headers may be spelled in many ways, stand below titles and over two rows, "
    "cells may be merged and columns missing. Resources that are right are taken; of the others every fault is named by "
    "row and column.",
    status_code=200,
)
async def post_guide(request: AnyRequest, trial: Trial = False, effective_on: EffectiveOn = None) -> ImportReport:
    """How many were added, changed, unchanged, announced and refused, with the faults."""
    ctx, content = await received(request)
    return await to_thread.run_sync(guide.take, ctx, content, trial, effective_on)


def address_of(request: AnyRequest) -> str:
    """Where callers reach the city: as set, or as this request came."""
    return http.parts_of(request).settings.public_url or str(request.base_url)


@get(
    "/api/catalogue/dcat.ttl",
    media_type="text/turtle",
    tags=TAGS,
    summary="The catalogue as DCAT-AP 3 in Turtle",
    sync_to_thread=True,
)
def get_turtle(request: AnyRequest, keeper: FromQuery[str] = "", after: FromQuery[str] = "") -> Response[bytes]:
    """At most 5,000 datasets; go on with `after` = the last one's id."""
    content = dcat.export(identity.open_context(request), address_of(request), "turtle", keeper, after)
    return Response(content, media_type="text/turtle")


@get(
    "/api/catalogue/dcat.jsonld",
    media_type="application/ld+json",
    tags=TAGS,
    summary="The catalogue as DCAT-AP 3 in JSON-LD",
    sync_to_thread=True,
)
def get_json(request: AnyRequest, keeper: FromQuery[str] = "", after: FromQuery[str] = "") -> Response[Any]:
    """At most 5,000 datasets; go on with `after` = the last one's id."""
    content = dcat.export(identity.open_context(request), address_of(request), "json-ld", keeper, after)
    return Response(content, media_type="application/ld+json")


@post(
    "/api/catalogue/dcat-imports",
    tags=TAGS,
    summary="Hand in a DCAT file",
    description="Turtle, JSON-LD with its context inside, N-Triples or RDF/XML. Datasets that are right are taken; of the "
    "others every fault is named by dataset and property.",
    status_code=200,
)
async def post_dcat(
    request: AnyRequest,
    trial: Trial = False,
    effective_on: EffectiveOn = None,
    keeper: Annotated[str, QueryParameter(description="who keeps what names no organisation of this city")] = "",
) -> ImportReport:
    """How many were added, changed, unchanged, announced and refused, with the faults."""
    ctx, content = await received(request)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return await to_thread.run_sync(dcat.take, ctx, content, media, trial, effective_on, keeper)


ROUTES = [get_guide, post_guide, get_turtle, get_json, post_dcat]
