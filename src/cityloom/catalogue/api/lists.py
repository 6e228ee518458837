"""The three lists (供给, 需求, 责任), and forms checked for what sharing gives already."""

import hashlib
from collections.abc import Collection

from cityloom.catalogue.api.desk import thing, titles_of
from cityloom.catalogue.api.search import of
from cityloom.catalogue.contracts import (
    Demand,
    DemandAnswer,
    DemandWish,
    FieldFinding,
    Form,
    FormCheck,
    ResponsibilityLine,
    SupplyLine,
)
from cityloom.catalogue.rules import claims, codes, forms
from cityloom.catalogue.store import entries, lists, resources
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, Scope, Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound


def supply(ctx: Context, keeper: str, after: str, limit: int) -> list[SupplyLine]:
    """What may be had, by id: resources that are shared, with their terms."""
    with ctx.begin() as tx:
        rows = resources.shared(tx, keeper, after, limit)
    return [
        SupplyLine(
            row.id, row.code, of(row.wish.title, ctx.language), row.keeper, row.wish.sharing,
            of(row.wish.sharing_condition, ctx.language), row.wish.sharing_way, row.wish.cycle, row.grade,
        )
        for row in rows
    ]  # fmt: skip


def responsibility(ctx: Context, keeper: str, after: str, limit: int) -> list[ResponsibilityLine]:
    """What each keeper answers for, by resource: the items of which it is the one source."""
    with ctx.begin() as tx:
        rows = resources.in_force(tx, keeper, after, limit)
    return [
        ResponsibilityLine(
            row.keeper, row.id, of(row.wish.title, ctx.language), row.wish.subject, row.wish.cycle,
            of(row.wish.legal_basis, ctx.language),
            [of(item.name, ctx.language) for item in row.wish.items if item.authoritative],
        )
        for row in rows
    ]  # fmt: skip


def demand(ctx: Context, wish: DemandWish) -> Demand:
    """Say what one's organisation needs; the same again is the same demand. Right `catalogue.demand`.

    Raises NotFound `catalogue.resource_unknown`, Conflict `catalogue.demand_of_own`.
    """
    organisation = ctx.principal.organisation
    ctx.require("catalogue.demand", thing(wish.resource or "", organisation))
    said = "\x1f".join([organisation, wish.title, wish.purpose, wish.resource or "", *wish.items])
    id = hashlib.sha256(said.encode()).hexdigest()[:24]
    with ctx.begin() as tx:
        if wish.resource is not None:
            row = resources.resource(tx, wish.resource)
            if row is None:
                raise NotFound("catalogue.resource_unknown", resource=wish.resource)
            if row.keeper == organisation:
                raise Conflict("catalogue.demand_of_own", resource=wish.resource)
        new = lists.NewDemand(
            id,
            organisation,
            wish.title,
            wish.purpose,
            wish.legal_basis,
            list(wish.items),
            wish.resource,
            ctx.clock.now(),
        )
        if lists.add(tx, new):
            ctx.record(tx, "catalogue.demanded", f"demand:{id}")
        return _demand(lists.demand(tx, id), id)


def _demand(found: Demand | None, id: str) -> Demand:
    if found is None:
        raise NotFound("catalogue.demand_unknown", demand=id)
    return found


def demands(ctx: Context, organisation: str, state: str, after: str, limit: int) -> list[Demand]:
    """What is needed, by id. What departments need is known to all of them."""
    with ctx.begin() as tx:
        return lists.demands(tx, organisation, state, after, limit)


def withdraw(ctx: Context, id: str) -> Demand:
    """Take a demand back. Right `catalogue.demand` of the organisation that made it.

    Raises NotFound `catalogue.demand_unknown`, Conflict `catalogue.demand_ended`.
    """
    with ctx.begin() as tx:
        before = _demand(lists.demand(tx, id), id)
    ctx.require("catalogue.demand", thing(before.resource or "", before.organisation))
    with ctx.begin() as tx:
        if not lists.answer(tx, id, "withdrawn", "", ctx.clock.now()):
            raise Conflict("catalogue.demand_ended", demand=id)
        ctx.record(tx, "catalogue.demand_withdrawn", f"demand:{id}")
        return _demand(lists.demand(tx, id), id)


def settle(ctx: Context, id: str, given: DemandAnswer) -> Demand:
    """Answer an open demand for a resource that one keeps. Right `catalogue.answer_demand`.

    Raises NotFound `catalogue.demand_unknown`, Conflict `catalogue.demand_ended`, `catalogue.demand_of_nobody`.
    """
    with ctx.begin() as tx:
        before = _demand(lists.demand(tx, id), id)
        row = resources.resource(tx, before.resource) if before.resource else None
    if row is None:
        raise Conflict("catalogue.demand_of_nobody", demand=id)
    ctx.require("catalogue.answer_demand", thing(row.id, row.keeper))
    # the row is the asker's, whom the answerer cannot write for; that he may answer was asked above
    with ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name)) as tx:
        if not lists.answer(tx, id, given.state, given.answer, ctx.clock.now()):
            raise Conflict("catalogue.demand_ended", demand=id)
        ctx.record(tx, "catalogue.demand_answered", f"demand:{id}", state=given.state)
        return _demand(lists.demand(tx, id), id)


def check_form(ctx: Context, form: Form) -> FormCheck:
    """Which fields of a form need not be asked for, because another organisation shares them.

    Raises Invalid `catalogue.resource.subject_unknown`.
    """
    with ctx.begin() as tx:
        subjects = entries.code_lists(tx, [codes.SUBJECTS]).get(codes.SUBJECTS)
        if subjects is not None and form.subject not in subjects.current:
            known = ", ".join(subjects.current)
            raise Invalid("catalogue.resource.subject_unknown", resource=form.title, subject=form.subject, known=known)
        findings = shared_already(ctx, tx, form, ())
    return FormCheck(form.title, not findings, findings)


def shared_already(ctx: Context, tx: Transaction, form: Form, but: Collection[str]) -> list[FieldFinding]:
    """The fields of a form that other organisations share, except by the resources `but`."""
    elements = claims.Elements(entries.elements(tx))
    rows = {row.id: row for row in resources.of_subject(tx, form.subject) if row.id not in but}
    wishes = {id: row.wish for id, row in rows.items()}
    titles = titles_of(ctx)
    findings = []
    for field, id, place in forms.holders(form, wishes, elements, ctx.principal.organisation):
        keeper, title = titles.get(rows[id].keeper), of(wishes[id].title, ctx.language)
        told = ctx.parts.words.say(
            f"catalogue.form.{wishes[id].sharing}", ctx.language, field=field.name,
            keeper=keeper.of(ctx.language) if keeper else rows[id].keeper, resource=title,
        )  # fmt: skip
        item = wishes[id].items[place]
        findings.append(
            FieldFinding(
                field.name, id, title, rows[id].keeper, of(item.name, ctx.language),
                wishes[id].sharing, item.authoritative, told,
            )
        )  # fmt: skip
    return findings
