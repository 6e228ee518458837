"""The catalogue as DCAT-AP 3, out and in again."""

from datetime import date

from cityloom.catalogue.api import cascade, files
from cityloom.catalogue.api.desk import titles_of
from cityloom.catalogue.api.files import Entry, Tally
from cityloom.catalogue.contracts import ImportReport
from cityloom.catalogue.rules import codes, dcat, dcat_in, dcat_out, sheet
from cityloom.catalogue.rules.dcat_in import Reader
from cityloom.catalogue.rules.dcat_out import Publisher
from cityloom.catalogue.store import entries as standards
from cityloom.identity.api import organisations
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid
from cityloom.kernel.words import Text


def export(ctx: Context, address: str, format: str, keeper: str = "", after: str = "") -> bytes:
    """The resources in force as DCAT-AP 3, turtle or json-ld; `address` is that of the city's door."""
    publisher = _publisher(ctx, address)
    return files.export(ctx, keeper, after, lambda rows: dcat.written(dcat_out.graph_of(rows, publisher), format))


def _publisher(ctx: Context, address: str) -> Publisher:
    listed = organisations.listing(ctx)
    own = next((each.code for each in listed if each.active and each.kind == "platform"), "platform")
    with ctx.begin() as tx:
        lists = standards.code_lists(tx, [codes.SCHEME])
    named = {code.code: code.title for found in lists.values() for code in found.codes}
    city = next((pack.manifest.title for pack in ctx.packs if pack.name == ctx.settings.city), Text("City", "城市"))
    return Publisher(
        address=address.rstrip("/"),
        name=cascade.own_name(ctx),
        title=Text(f"Catalogue of {city.en}", f"{city.zh}政务信息资源目录"),
        organisation=own,
        organisations={each.code: each.title for each in listed},
        categories=named,
    )


def take(
    ctx: Context, content: bytes, media: str, trial: bool, effective_on: date | None = None, keeper: str = ""
) -> ImportReport:
    """Read a DCAT file and write what is good in it; `trial` keeps nothing. Right `catalogue.write`.

    `keeper` is who keeps what names no organisation of this city. Raises what `rules.dcat.read` raises, and Refused
    `kernel.refused` where nothing in it is the caller's.
    """
    files.check_may_write(ctx)
    graph = dcat.read(content, media)
    titles = titles_of(ctx)
    if keeper and keeper not in titles:
        raise Invalid("catalogue.resource.keeper_unknown", resource="keeper", keeper=keeper)
    reader = Reader(graph, sheet.titles(titles.items()), keeper)
    tally = Tally(ctx)
    entries = [Entry(0, found.subject, found.id, found.wish, dcat_in.PROPERTIES) for found in reader.read()]
    for fault in reader.faults:
        problem = Invalid(f"catalogue.rdf.{fault.code}", value=fault.value, known=fault.known)
        tally.fault(0, fault.property, fault.subject, fault.value, problem)
    return files.take(ctx, entries, tally, trial, effective_on, "dcat")
