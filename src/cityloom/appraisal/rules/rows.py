"""Rows of the logs as evidence: what each counts for. The rows of a measure sum to what it comes to."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from cityloom.appraisal.contracts import Claim, Evidence, Measure
from cityloom.appraisal.rules.facts import ASKED, DOCUMENT, POINTS, QUALITY
from cityloom.appraisal.spec import ListedDocument
from cityloom.catalogue.contracts import Demand, Resource, ResourceWish
from cityloom.exchange.contracts import Deadline, Handed
from cityloom.quality.contracts import Closure
from cityloom.quality.contracts import Measure as Measured
from cityloom.sharing.contracts import Answered, Asked, HeldGrant

RECENT = timedelta(days=365)
"""The catalogue is gone over at least once a year."""
ONE, ZERO = Decimal(1), Decimal(0)


class Catalogue(msgspec.Struct, frozen=True):
    """The resources of all keepers, and which datasets had data, at the end of a period."""

    resources: Mapping[str, Resource]
    delivered: Mapping[str, Handed]
    until: datetime

    def of(self, keeper: str) -> list[Resource]:
        """Those that one keeper describes here itself."""
        return [each for each in self.resources.values() if each.keeper == keeper and not each.source]

    def sources(self, resource: Resource) -> list[Resource]:
        """What it is derived from, as far as it is in the catalogue."""
        return [self.resources[id] for id in resource.record.derived_from if id in self.resources]

    def has_data(self, resource: Resource) -> bool:
        """Whether its dataset was delivered, or those of everything that it is derived from."""
        if resource.record.dataset:
            return resource.record.dataset in self.delivered
        sources = self.sources(resource)
        return bool(sources) and all(each.record.dataset in self.delivered for each in sources)


def lacking(wish: ResourceWish) -> tuple[str, ...]:
    """The elements of the compilation guide (编制指南) that a description leaves empty."""
    told = {
        "title": wish.title.zh, "summary": wish.summary.zh, "legal_basis": wish.legal_basis.zh, "items": wish.items,
        "subject": wish.subject, "category": wish.category,
    }  # fmt: skip
    return tuple(name for name, value in told.items() if not value)


def is_open(resource: Resource) -> bool:
    """Whether the public may have it, freely or on a condition."""
    return resource.record.openness != "closed"


def agrees(resource: Resource, sources: Sequence[Resource]) -> bool:
    """统一性: an open resource says in which format it comes, and offers no item that what it is made from has not."""
    known = {item.name.zh for each in sources for item in each.record.items}
    offered = {item.name.zh for item in resource.record.items}
    return bool(resource.record.format or resource.record.dataset) and (not sources or offered <= known)


def catalogue(keeper: str, known: Catalogue) -> Iterator[Evidence]:
    """What a keeper's descriptions count for."""
    for each in known.of(keeper):
        wanting, wish = lacking(each.record), each.record
        note = f"lacks {', '.join(wanting)}" if wanting else ""
        yield _resource(Measure.described, each, not wanting, note)
        recent = each.changed_at >= known.until - RECENT
        yield _resource(Measure.renewed, each, recent, f"revised {each.changed_at.date().isoformat()}")
        if wish.sharing != "refused":
            yield _resource(Measure.provided, each, known.has_data(each))
        else:
            yield _resource(Measure.lawful, each, bool(wish.refusal_law and wish.refusal_law.zh))
        if wish.sharing == "unconditional":
            yield _resource(Measure.open_offered, each, is_open(each))
        if is_open(each):
            yield _resource(Measure.open_described, each, not wanting, note)
            yield _resource(Measure.open_provided, each, known.has_data(each))
            yield _resource(Measure.open_consistent, each, agrees(each, known.sources(each)))


def _resource(measure: Measure, resource: Resource, good: bool, note: str = "") -> Evidence:
    href = f"/api/catalogue/resources/{resource.id}"
    return Evidence(measure, "resource", resource.id, Decimal(good), ONE, href, note)


def exchange(handed: Iterable[Handed], deadlines: Iterable[Deadline]) -> Iterator[Evidence]:
    """What deliveries count for. One that was taken back counts neither way."""
    for each in handed:
        if each.state != "withdrawn":
            href = f"/api/exchange/datasets/{each.dataset}/deliveries/{each.id}"
            yield Evidence(
                Measure.taken, "delivery", each.id, Decimal(each.state == "accepted"), ONE, href, each.dataset
            )
    for period in deadlines:
        id = f"{period.dataset}:{period.ends_on.isoformat()}"
        href = f"/api/exchange/datasets/{period.dataset}/deliveries"
        note = f"due {period.due_at.isoformat()}"
        yield Evidence(Measure.on_time, "deadline", id, Decimal(period.on_time), ONE, href, note)


def sharing(answers: Iterable[Answered], grants: Iterable[HeldGrant]) -> Iterator[Evidence]:
    """What a keeper's answers count for, and what it made of its own grants."""
    for each in answers:
        href = f"/api/sharing/requests/{each.request}"
        yield Evidence(Measure.answered, "request", each.request, Decimal(each.in_time), ONE, href, each.move)
        if each.move in ("approve", "refuse"):
            good = Decimal(each.move == "approve")
            yield Evidence(Measure.approved, "request", each.request, good, ONE, href, each.dataset)
        if each.move == "refuse":
            lawful = Decimal(bool(each.law.strip()))
            yield Evidence(Measure.lawful, "request", each.request, lawful, ONE, href, each.law)
    for grant in grants:
        href = f"/api/sharing/grants/{grant.id}/uses"
        yield Evidence(Measure.grants_used, "grant", grant.id, Decimal(grant.uses > 0), ONE, href, grant.dataset)
        yield Evidence(Measure.uses, "grant", grant.id, Decimal(grant.uses), ONE, href, grant.dataset)


def quality(measured: Iterable[Measured], days: str, closures: Iterable[Closure]) -> Iterator[Evidence]:
    """Records measured, by dataset and dimension over all days (`days` as the door of quality takes
    them); tickets by whether they were answered in time."""
    sums: dict[tuple[str, str], list[int]] = {}
    for each in measured:
        both = sums.setdefault((each.dimension, each.dataset), [0, 0])
        both[0] += each.good
        both[1] += each.total
    for (dimension, dataset), (good, total) in sorted(sums.items()):
        href = f"/api/quality/scores?dataset={dataset}&{days}"
        yield Evidence(QUALITY + dimension, "quality", dataset, Decimal(good), Decimal(total), href)
    for ticket in closures:
        href = f"/api/quality/tickets/{ticket.ticket}"
        yield Evidence(
            Measure.corrected, "ticket", ticket.ticket, Decimal(ticket.in_time), ONE, href, ticket.dataset
        )  # fmt: skip


class Given(msgspec.Struct, frozen=True):
    """What the platform accepted of one filing."""

    id: str
    indicator: str
    claims: tuple[Claim, ...]


def filed(given: Iterable[Given]) -> Iterator[Evidence]:
    """What accepted filings count for."""
    for each in given:
        href = f"/api/appraisal/filings/{each.id}"
        for claim in each.claims:
            if claim.of == "points":
                yield Evidence(POINTS + each.indicator, "filing", each.id, claim.good, ZERO, href)
            elif claim.of.startswith(ASKED):
                measure = DOCUMENT + claim.of.removeprefix(ASKED)
                yield Evidence(measure, "filing", each.id, ZERO, claim.good, href, "asked of applicants")
            else:
                yield Evidence(claim.of, "filing", each.id, claim.good, claim.total, href)


class Needs(msgspec.Struct, frozen=True):
    """What a department asked for, said it needs, and held."""

    grants: Sequence[HeldGrant]
    asked: Sequence[Asked]
    demands: Sequence[Demand]


def documents(listed: Sequence[ListedDocument], resources: Iterable[Resource], needs: Needs) -> Iterator[Evidence]:
    """Which of the listed documents a department needs, and how often it had each by sharing."""
    known = list(resources)
    for document in listed:
        serving = [each for each in known if _serves(document, each)]
        datasets = {each.record.dataset for each in serving} | set(document.serves.datasets)
        yield from _needed(DOCUMENT + document.name, datasets - {""}, {each.id for each in serving}, needs)


def _serves(document: ListedDocument, resource: Resource) -> bool:
    serves = document.serves
    named = {resource.id, resource.code} & set(serves.resources) or resource.record.dataset in serves.datasets
    return bool(named) or any(term in resource.record.title.zh for term in serves.terms)


def _needed(measure: str, datasets: Collection[str], resources: Collection[str], needs: Needs) -> Iterator[Evidence]:
    for grant in needs.grants:
        if grant.dataset in datasets:
            uses, href = Decimal(grant.uses), f"/api/sharing/grants/{grant.id}/uses"
            yield Evidence(measure, "grant", grant.id, uses, uses, href, grant.dataset)
    held = {grant.id for grant in needs.grants}
    for request in needs.asked:
        if request.dataset in datasets and request.id not in held:
            href = f"/api/sharing/requests/{request.id}"
            yield Evidence(measure, "request", request.id, ZERO, ZERO, href, request.dataset)
    for demand in needs.demands:
        if demand.resource in resources:
            yield Evidence(measure, "demand", demand.id, ZERO, ZERO, "/api/catalogue/lists/demand", demand.title)
