"""Evidence rows from everywhere: each door is asked once for each department, in the platform's scope."""

from datetime import timedelta

import msgspec

from cityloom.appraisal.api.parties import Span, everywhere
from cityloom.appraisal.contracts import FILED, Claim, Evidence, FilingWish, Measure
from cityloom.appraisal.rules import rows
from cityloom.appraisal.rules.rows import Catalogue, Given
from cityloom.appraisal.spec import IndicatorSet
from cityloom.appraisal.store import filings as filing_store
from cityloom.catalogue.api import figures as catalogue
from cityloom.catalogue.api import lists
from cityloom.catalogue.contracts import Demand
from cityloom.exchange.api import figures as exchange
from cityloom.kernel.context import Context
from cityloom.quality.api import scores as quality
from cityloom.quality.api import tickets
from cityloom.sharing.api import figures as sharing

PAGE = 1000


class Wide(msgspec.Struct, frozen=True):
    """What is asked for once for all departments."""

    catalogue: Catalogue
    given: dict[str, list[Given]]
    """Accepted filings by organisation."""


def wide(ctx: Context, name: str, span: Span) -> Wide:
    """The catalogue as it stood at the period's end, and what was filed for the set."""
    known = {each.id: each for each in catalogue.as_of(ctx, span.until)}
    given: dict[str, list[Given]] = {}
    with everywhere(ctx) as tx:
        accepted = filing_store.accepted(tx, name, span.start, span.end)
    for row in accepted:
        wish = msgspec.json.decode(row.wish, type=FilingWish)
        claims = msgspec.json.decode(row.given, type=tuple[Claim, ...])
        given.setdefault(row.organisation, []).append(Given(row.id, wish.indicator, claims))
    return Wide(Catalogue(known, exchange.last_handed(ctx, span.until), span.until), given)


def evidence(ctx: Context, chosen: IndicatorSet, organisation: str, span: Span, known: Wide) -> list[Evidence]:
    """Every row that the set's measures of one department rest on. `ctx` is the platform's own."""
    after = span.end + timedelta(days=1)
    grants = sharing.held(ctx, organisation, span.since, span.until)
    found = [
        *rows.catalogue(organisation, known.catalogue),
        *rows.exchange(
            exchange.handed(ctx, organisation, span.since, span.until),
            exchange.deadlines(ctx, organisation, span.since, span.until),
        ),
        *rows.sharing(sharing.answers(ctx, organisation, span.since, span.until), grants),
        *rows.quality(
            quality.measured(ctx, span.start, after, organisation),
            f"start={span.start}&end={after}",
            tickets.closures(ctx, span.since, span.until, organisation),
        ),
        *rows.filed(known.given.get(organisation, [])),
    ]
    if chosen.documents:
        asked = sharing.asked(ctx, organisation, span.since, span.until)
        needs = rows.Needs(grants, asked, _demands(ctx, organisation, span))
        found += rows.documents(chosen.documents, known.catalogue.resources.values(), needs)
    return found


def observed() -> frozenset[Measure]:
    """The measures that the logs hold: with no row there was nothing to count."""
    return frozenset(Measure) - FILED


def _demands(ctx: Context, organisation: str, span: Span) -> list[Demand]:
    found: list[Demand] = []
    after, full = "", True
    while full:
        page = lists.demands(ctx, organisation, "", after, PAGE)
        found += [each for each in page if each.made_at < span.until and each.state != "withdrawn"]
        full, after = len(page) == PAGE, page[-1].id if page else ""
    return found
