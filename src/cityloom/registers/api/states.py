"""How far registers know their sources, and where a source contradicts the authority of a field."""

from typing import Any

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import key_parts, plain
from cityloom.kernel import jobs
from cityloom.kernel.context import Context
from cityloom.kernel.db import PLATFORM
from cityloom.kernel.errors import NotFound
from cityloom.quality.api import tickets
from cityloom.quality.contracts import NewTicket
from cityloom.registers import spec
from cityloom.registers.api.reading import resource, source_of
from cityloom.registers.api.stewarding import STEWARD
from cityloom.registers.contracts import FeedState, FieldConflict, IdentifierKind, Member, RegisterState
from cityloom.registers.rules import ids, survivorship
from cityloom.registers.rules.survivorship import Said
from cityloom.registers.store import claims as store
from cityloom.registers.store import decisions as decision_store
from cityloom.registers.store import feeds as feed_store
from cityloom.registers.store import linkage as linkage_store


def listing(ctx: Context) -> list[RegisterState]:
    """Every register: what it holds, and how far it follows. What exists is no secret between departments."""
    return [state(ctx, name) for name in spec.registers(ctx.packs)]


def kept(ctx: Context) -> tuple[str, ...]:
    """The registers that the caller's organisation keeps, whose stewards decide on doubtful pairs."""
    ours = ctx.principal.organisation
    return tuple(name for name, register in spec.registers(ctx.packs).items() if register.keeper == ours)


def state(ctx: Context, name: str) -> RegisterState:
    """One register. Raises NotFound `registers.register_unknown`."""
    declared = spec.registers(ctx.packs)
    if name not in declared:
        raise NotFound("registers.register_unknown", register=name, known=", ".join(declared))
    register = declared[name]
    with ctx.parts.db.begin(PLATFORM) as tx:
        feeds = feed_store.known(tx, name)
        size = store.size(tx, name)
        doubts = decision_store.open_doubts(tx, name)
        unlinked = register.linkage is not None and linkage_store.seen(tx, name) < linkage_store.last_entity(tx, name)
    followed = tuple(
        FeedState(row.dataset, row.sequence, excerpts.facts(ctx, row.dataset).last_sequence, row.followed_at)
        for row in feeds
    )
    title = register.title.of(ctx.language)
    kinds = tuple(IdentifierKind(each.name, each.title.of(ctx.language)) for each in register.identifiers)
    return RegisterState(name, title, register.keeper, size, unlinked, doubts, followed, kinds, register.personal)


def count(ctx: Context) -> None:
    """Count what every register holds, where anything has come in since. As the platform; safe to run twice."""
    for name in spec.registers(ctx.packs):
        with ctx.begin() as tx:
            store.count(tx, name, ctx.clock.now())


def members(ctx: Context, register: str, dataset: str) -> list[Member]:
    """The records of a dataset and the entities that they belong to. As the platform."""
    with ctx.begin() as tx:
        return store.members(tx, register, dataset)


def conflicts(ctx: Context, register: str, id: str, *, open_tickets: bool) -> list[FieldConflict]:
    """Fields of an entity on which a source contradicts the authority; on demand each goes back to its keeper as a ticket.

    No value is told. The ticket is the platform's own and names the record, the field and the authority. Right
    `registers.steward`; raises NotFound `registers.record_unknown`, `registers.entity_empty`.
    """
    everything = spec.registers(ctx.packs)
    entity = ids.read(everything, register, id)
    declared = everything[register]
    ctx.require(STEWARD, resource(register, declared))
    said, keys = _said(ctx, register, entity)
    if not said:
        raise NotFound("registers.entity_empty", id=id)
    authorities = {
        each.feed.dataset: frozenset(f.name for f in excerpts.facts(ctx, each.feed.dataset).fields if f.authoritative)
        for each in said
    }
    found = []
    for field, authority, other in survivorship.conflicts(declared, said, authorities):
        ticket = _ticket(ctx, field.name, authority, other, keys[id_of(other)]) if open_tickets else ""
        found.append(FieldConflict(register, id, field.name, authority.source.dataset, other.source.dataset, ticket))
    return found


def id_of(said: Said) -> tuple[str, int]:
    """What tells a version of a source record from every other."""
    return said.source.dataset, said.source.sequence


def _said(ctx: Context, register: str, entity: int) -> tuple[list[Said], dict[tuple[str, int], str]]:
    declared = spec.registers(ctx.packs)[register]
    with ctx.parts.db.begin(PLATFORM) as tx:
        feeds = {row.number: row for row in feed_store.known(tx, register)}
        rows = store.of_entities(tx, [entity], [None])
    said, keys = [], {}
    for row in rows:
        place = feeds[row.feed]
        feed = next(f for f in declared.sources if (f.dataset, f.role or "") == (place.dataset, place.role))
        source = source_of(row, excerpts.facts(ctx, feed.dataset))
        said.append(Said(feed, source, msgspec.json.decode(row.record, type=dict[str, Any])))
        keys[id_of(said[-1])] = row.key
    return said, keys


def _ticket(ctx: Context, field: str, authority: Said, other: Said, key: str) -> str:
    """The ticket of the same version of the same record is the same, however often it is asked for."""
    name = other.feed.fields[field]
    id = f"register-{other.source.dataset}-{other.source.sequence}-{name}"
    right = authority.fields.get(authority.feed.fields[field])
    new = NewTicket(
        dataset=other.source.dataset,
        key=key_parts(key),
        field=name,
        evidence=f"{authority.source.dataset} (一数一源), change row {authority.source.sequence}",
        expected=plain(right) if right is not None else None,
    )
    return tickets.open(jobs.platform_context(ctx.parts, "registers.conflict"), id, new).id
