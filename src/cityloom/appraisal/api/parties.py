"""Who appraises, who is appraised, who may see it, and in which scope rows are written.

Rows belong to the department that they are about; each reads its own. Filings and appeals are moved by the department or
by the platform's people, and results come from everybody's logs, so all of it is written, and counted, in the platform's
scope, after the policies have permitted it.
"""

from contextlib import AbstractContextManager
from datetime import date, datetime, time, timedelta

import msgspec

from cityloom.appraisal import spec
from cityloom.appraisal.spec import IndicatorSet
from cityloom.identity.api import organisations
from cityloom.identity.contracts import OrganisationKind
from cityloom.kernel.access import Principal, Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, Scope, Transaction
from cityloom.kernel.errors import Invalid
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Act as FlowAct
from cityloom.kernel.flow.contracts import Step

APPRAISER, DEPARTMENT, PLATFORM = "appraiser", "department", "platform"
EVERYBODY = "*"


class Span(msgspec.Struct, frozen=True):
    """A period in days, and as moments: from `since` until before `until`, which is never in the future."""

    start: date
    end: date
    since: datetime
    until: datetime


def span(ctx: Context, start: date, end: date) -> Span:
    """The period in the city's time zone. Raises Invalid `appraisal.period_backwards`."""
    if end < start:
        raise Invalid("appraisal.period_backwards", start=start.isoformat(), end=end.isoformat())
    zone = ctx.parts.calendars.city.table.zone
    since, until = (datetime.combine(each, time.min, zone) for each in (start, end + timedelta(days=1)))
    return Span(start, end, since, max(since, min(until, ctx.clock.now())))


def everywhere(ctx: Context) -> AbstractContextManager[Transaction]:
    """A transaction that reaches the rows of every department."""
    return ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name))


def counting(ctx: Context) -> Context:
    """The caller's context as the platform's own, to count what the logs of all departments hold."""
    principal = Principal(ctx.principal.name, EVERY_ORGANISATION, frozenset({PLATFORM}))
    return msgspec.structs.replace(ctx, principal=principal)


def resource(ctx: Context, organisation: str, chosen: IndicatorSet | None = None) -> Resource:
    """A department's appraisal as the policies see it; `organisation` * stands for all."""
    if chosen is None:
        readers = sorted({each for known in spec.sets(ctx.packs).values() for each in known.readers})
    else:
        readers = list(chosen.readers)
    return Resource(
        "Appraisal", organisation, {"organisation": organisation, "appraisers": appraisers(ctx), "readers": readers}
    )


def appraisers(ctx: Context) -> list[str]:
    """The organisations that appraise: the platform's own."""
    return [each.code for each in organisations.listing(ctx) if each.active and each.kind == OrganisationKind.platform]


def appraised(ctx: Context, chosen: IndicatorSet) -> list[str]:
    """The organisations that a set appraises, by code."""
    return [each.code for each in organisations.listing(ctx) if each.active and each.kind in chosen.appraised]


def sees_all(ctx: Context) -> bool:
    """Whether the caller sees every department's."""
    return ctx.permits("appraisal.read_all", resource(ctx, EVERYBODY))


def reading(ctx: Context) -> AbstractContextManager[Transaction]:
    """A transaction that reaches as far as the caller may see."""
    return everywhere(ctx) if sees_all(ctx) else ctx.begin()


def flow_act(ctx: Context, organisation: str, key: str, reason: str) -> FlowAct:
    """An act as the flow engine takes it, with the caller's part in the appraisal of that department."""
    own = ctx.principal.organisation
    roles = {DEPARTMENT} if own == organisation else set()
    if own == EVERYBODY or own in appraisers(ctx):
        roles |= {APPRAISER}
    return FlowAct(ctx.principal.name, frozenset(roles), ctx.clock.now(), key, reason)


def steps(ctx: Context, number: int) -> tuple[Step, ...]:
    """The moves of a flow, for a party to it."""
    with everywhere(ctx) as tx:
        return flow.steps(tx, number)
