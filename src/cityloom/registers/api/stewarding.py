"""What a steward decides: whether two entities are one, which records are somebody else's, and taking that back.

Stewards belong to the organisation that keeps the register. They see of the two entities of a doubt what it rests on, the
fields of the register, and nothing else; that is kept as a reading with its own purpose.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.exchange.contracts import key_parts, key_text
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION, PLATFORM, Scope, Transaction
from cityloom.kernel.errors import Conflict, Invalid, NotFound
from cityloom.registers import spec
from cityloom.registers.api.reading import resource, source_of
from cityloom.registers.contracts import (
    EVEN,
    Decision,
    Doubt,
    DoubtState,
    Evidence,
    Merge,
    Pair,
    Ruling,
    Scored,
    Sign,
    SourceRecord,
    Split,
    Undo,
)
from cityloom.registers.rules import ids, survivorship
from cityloom.registers.rules.survivorship import Said
from cityloom.registers.spec import Register
from cityloom.registers.store import claims as claim_store
from cityloom.registers.store import decisions as store
from cityloom.registers.store import feeds as feed_store
from cityloom.registers.store.claims import NewReading
from cityloom.registers.store.decisions import DecisionRow, DoubtRow, NewDecision

STEWARD = "registers.steward"
PURPOSE = "register_stewardship"


def doubts(ctx: Context, register: str, state: str, after: int, limit: int) -> list[Doubt]:
    """The queue by number, without evidence. Right `registers.steward`."""
    declared = register_of(ctx, register)
    with ctx.parts.db.begin(PLATFORM) as tx:
        rows = store.doubts(tx, register, state, after, limit)
    return [_doubt(declared, row) for row in rows]


def doubt(ctx: Context, register: str, id: int) -> Doubt:
    """One doubt with its evidence: what both say of each field. That is a reading of both, and kept as one."""
    declared = register_of(ctx, register)
    with ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name)) as tx:
        row = store.doubt(tx, id)
        if row is None or row.register != register:
            raise NotFound("registers.doubt_unknown", doubt=id)
        evidence = _evidence(ctx, tx, declared, row)
        _keep(ctx, tx, declared, row, tuple(each.name for each in evidence))
    return msgspec.structs.replace(_doubt(declared, row), evidence=evidence)


def _evidence(ctx: Context, tx: Transaction, register: Register, row: DoubtRow) -> tuple[Evidence, ...]:
    sides: list[list[Said]] = [[], []]
    feeds = {each.number: each for each in feed_store.known(tx, row.register)}
    for claim in claim_store.of_entities(tx, [row.left_entity, row.right_entity], [None, None]):
        sides[claim.place].append(_said_of(ctx, register, feeds[claim.feed], claim))
    titles = {each.name: each.title for each in register.identifiers}
    found = survivorship.evidence(register, sides[0], sides[1], titles, ctx.language)
    signs = {each.field: each for each in msgspec.json.decode(row.signs, type=tuple[Sign, ...])}
    return tuple(_weighed(ctx, each, signs[each.name]) if each.name in signs else each for each in found)


def _weighed(ctx: Context, evidence: Evidence, sign: Sign) -> Evidence:
    level = ctx.parts.words.say(f"registers.level_{sign.level}", ctx.language)
    return msgspec.structs.replace(evidence, level=level, weight=round(sign.weight, 1))


def _keep(ctx: Context, tx: Transaction, register: Register, row: DoubtRow, fields: tuple[str, ...]) -> None:
    numbers = claim_store.reading_ids(tx, 2)
    readings = [
        NewReading(
            row.register, entity, ctx.principal.organisation, ctx.principal.name, PURPOSE, f"doubt-{row.id}", fields,
            ctx.request,
        )
        for entity in (row.left_entity, row.right_entity)
    ]  # fmt: skip
    entities = tuple(ids.show(register, reading.entity) for reading in readings)
    position = ctx.record(tx, "registers.doubt_read", f"doubt:{row.id}", entities=entities, fields=fields)
    claim_store.keep_readings(tx, numbers, readings, position, ctx.clock.now())


def rule(ctx: Context, register: str, id: int, ruling: Ruling) -> Doubt:
    """Answer a doubt: the same (the later entity goes into the earlier), or distinct for good.

    Right `registers.steward`. Raises NotFound `registers.doubt_unknown`, Conflict `registers.doubt_decided`.
    """
    declared = register_of(ctx, register)
    now = ctx.clock.now()
    with _alone(ctx, register) as tx:
        row = store.doubt(tx, id)
        if row is None or row.register != register:
            raise NotFound("registers.doubt_unknown", doubt=id)
        state = DoubtState.merged if ruling.answer == "same" else DoubtState.distinct
        if row.state == state:
            return _doubt(declared, row)
        if row.state != DoubtState.open:
            raise Conflict("registers.doubt_decided", doubt=id, state=row.state)
        if state is DoubtState.merged:
            _merge(ctx, tx, declared, register, row.right_entity, row.left_entity, ruling.reason)
        store.settle(tx, id, state, ctx.principal.name, ruling.reason, now)
        ctx.record(tx, f"registers.doubt_{state}", f"doubt:{id}")
        found = store.doubt(tx, id)
    return _doubt(declared, found or row)


def reopen(ctx: Context, register: str, id: int, wish: Undo) -> Doubt:
    """Take the answer to a doubt back: a merge is undone, and the pair waits again. Right `registers.steward`.

    A doubt that is open stays so. Raises NotFound `registers.doubt_unknown`; Conflict `registers.doubt_gone` where one of
    the two is not there any more.
    """
    declared = register_of(ctx, register)
    with _alone(ctx, register) as tx:
        row = store.doubt(tx, id)
        if row is None or row.register != register:
            raise NotFound("registers.doubt_unknown", doubt=id)
        if row.state == DoubtState.open:
            return _doubt(declared, row)
        merge = store.merge_between(tx, row.right_entity, row.left_entity)
        if merge is not None:
            _undo(ctx, tx, declared, merge, wish.reason)
        if not all(store.standing(tx, register, entity) for entity in (row.left_entity, row.right_entity)):
            raise Conflict("registers.doubt_gone", doubt=id)
        store.reopen(tx, id, wish.reason)
        ctx.record(tx, "registers.doubt_reopened", f"doubt:{id}")
        found = store.doubt(tx, id)
    return _doubt(declared, found or row)


def ask(ctx: Context, register: str, pair: Pair) -> Doubt:
    """Put two entities before the stewards, such as two that a clerk believes to be one. Right `registers.steward`."""
    declared = register_of(ctx, register)
    everything = spec.registers(ctx.packs)
    first, second = sorted(ids.read(everything, register, id) for id in (pair.left, pair.right))
    if first == second:
        raise Invalid("registers.same_entity", id=pair.left)
    with _everywhere(ctx) as tx:
        row = store.doubt_between(tx, first, second)
        if row is None:
            for entity in (first, second):
                if not store.standing(tx, register, entity):
                    raise NotFound("registers.entity_empty", id=ids.show(declared, entity))
            store.ask(tx, register, [Scored(first, second, EVEN, "steward")], ctx.clock.now())
            row = store.doubt_between(tx, first, second)
            ctx.record(tx, "registers.doubt_asked", f"doubt:{row.id if row else 0}")
    if row is None:
        raise LookupError(f"no doubt between {first} and {second}")
    return _doubt(declared, row)


def merge(ctx: Context, register: str, wish: Merge) -> Decision:
    """All records of one entity go to another. Right `registers.steward`.

    Raises NotFound `registers.record_unknown`, `registers.entity_empty`; Invalid `registers.same_entity`.
    """
    declared = register_of(ctx, register)
    everything = spec.registers(ctx.packs)
    source, into = (ids.read(everything, register, id) for id in (wish.from_id, wish.into))
    if source == into:
        raise Invalid("registers.same_entity", id=wish.into)
    with _alone(ctx, register) as tx:
        if not store.standing(tx, register, into):
            raise NotFound("registers.entity_empty", id=wish.into)
        decision = _merge(ctx, tx, declared, register, source, into, wish.reason)
        return _decision(declared, tx, decision)


def _merge(
    ctx: Context, tx: Transaction, declared: Register, register: str, source: int, into: int, reason: str
) -> int:  # fmt: skip
    records = store.standing(tx, register, source)
    if not records:
        raise NotFound("registers.entity_empty", id=ids.show(declared, source))
    new = NewDecision(register, "merge", source, into, ctx.principal.name, reason)
    return _move(ctx, tx, declared, new, records)


def _move(
    ctx: Context, tx: Transaction, declared: Register, new: NewDecision, records: Sequence[store.Standing]
) -> int:
    now = ctx.clock.now()
    decision = store.decide(tx, new, now)
    store.move(tx, decision, records, new.into_entity, now)
    ctx.record(
        tx, f"registers.{new.kind}", f"entity:{ids.show(declared, new.from_entity)}", decision=decision,
        into=ids.show(declared, new.into_entity), records=len(records),
    )  # fmt: skip
    return decision


def sources(ctx: Context, register: str, id: str) -> list[SourceRecord]:
    """The records that an entity is made of, by dataset and key. Right `registers.steward`; a reading, and kept as one.

    Raises NotFound `registers.record_unknown`, `registers.entity_empty`.
    """
    declared = register_of(ctx, register)
    entity = ids.read(spec.registers(ctx.packs), register, id)
    with ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name)) as tx:
        feeds = {row.number: row for row in feed_store.known(tx, register)}
        found: dict[tuple[str, str], SourceRecord] = {}
        for claim in claim_store.of_entities(tx, [entity], [None]):
            said = _said_of(ctx, declared, feeds[claim.feed], claim)
            found[said.source.dataset, claim.key] = SourceRecord(
                said.source.dataset, said.source.keeper, key_parts(claim.key), claim.since, claim.delivery,
                survivorship.statements(declared, said, ctx.language),
            )  # fmt: skip
        if not found:
            raise NotFound("registers.entity_empty", id=id)
        fields = sorted({each.field for record in found.values() for each in record.says})
        _keep_sources(ctx, tx, declared, register, entity, tuple(fields))
    return [found[key] for key in sorted(found)]


def _said_of(ctx: Context, register: Register, feed: feed_store.FeedRow, claim: claim_store.ClaimRow) -> Said:
    declared = next(each for each in register.sources if (each.dataset, each.role or "") == (feed.dataset, feed.role))
    source = source_of(claim, excerpts.facts(ctx, feed.dataset))
    return Said(declared, source, msgspec.json.decode(claim.record, type=dict[str, Any]))


def _keep_sources(
    ctx: Context, tx: Transaction, declared: Register, register: str, entity: int, fields: tuple[str, ...]
) -> None:
    numbers, shown = claim_store.reading_ids(tx, 1), ids.show(declared, entity)
    reading = NewReading(
        register, entity, ctx.principal.organisation, ctx.principal.name, PURPOSE, f"sources-{shown}", fields,
        ctx.request,
    )  # fmt: skip
    position = ctx.record(tx, "registers.sources_read", f"entity:{shown}", fields=fields)
    claim_store.keep_readings(tx, numbers, [reading], position, ctx.clock.now())


def split(ctx: Context, register: str, wish: Split) -> Decision:
    """Some records of an entity get one of their own. Right `registers.steward`.

    Raises NotFound `registers.entity_empty`; Invalid `registers.split_record` naming a record that is not the entity's,
    `registers.split_whole` when nothing would be left.
    """
    declared = register_of(ctx, register)
    entity = ids.read(spec.registers(ctx.packs), register, wish.entity)
    with _alone(ctx, register) as tx:
        feeds = {row.number: row.dataset for row in feed_store.known(tx, register)}
        records = store.standing(tx, register, entity)
        if not records:
            raise NotFound("registers.entity_empty", id=wish.entity)
        wanted = {(each.dataset, key_text(each.key)) for each in wish.records}
        chosen = [each for each in records if (feeds[each.feed], each.key) in wanted]
        missing = wanted - {(feeds[each.feed], each.key) for each in chosen}
        if missing:
            raise Invalid("registers.split_record", id=wish.entity, dataset=min(missing)[0])
        if len(chosen) == len(records):
            raise Invalid("registers.split_whole", id=wish.entity)
        new = NewDecision(register, "split", entity, store.new_entity(tx), ctx.principal.name, wish.reason)
        return _decision(declared, tx, _move(ctx, tx, declared, new, chosen))


def undo(ctx: Context, register: str, id: int, wish: Undo) -> Decision:
    """Take a merge or split back: those of its records that are still where it put them go back. Right `registers.steward`.

    Raises NotFound `registers.decision_unknown`, Conflict `registers.decision_undone`, `registers.decision_final`.
    """
    declared = register_of(ctx, register)
    with _alone(ctx, register) as tx:
        row = store.decision(tx, id)
        if row is None or row.register != register:
            raise NotFound("registers.decision_unknown", decision=id)
        if row.undone_by is not None:
            raise Conflict("registers.decision_undone", decision=id)
        if row.kind == "undo":
            raise Conflict("registers.decision_final", decision=id)
        decision = _undo(ctx, tx, declared, row, wish.reason)
        if row.kind == "merge":
            left, right = sorted((row.from_entity, row.into_entity))
            store.keep_apart(tx, register, left, right, ctx.principal.name, wish.reason, ctx.clock.now())
        return _decision(declared, tx, decision)


def _undo(ctx: Context, tx: Transaction, declared: Register, row: DecisionRow, reason: str) -> int:
    records = store.standing_of(tx, store.moves(tx, row.id))
    new = NewDecision(row.register, "undo", row.into_entity, row.from_entity, ctx.principal.name, reason, row.id)
    return _move(ctx, tx, declared, new, records)


def decisions(ctx: Context, register: str, before: int, limit: int) -> list[Decision]:
    """What stewards decided, newest first. Right `registers.steward`."""
    declared = register_of(ctx, register)
    with ctx.parts.db.begin(PLATFORM) as tx:
        return [_shown(declared, row) for row in store.decisions(tx, register, before, limit)]


def register_of(ctx: Context, name: str) -> Register:
    """The register, for its stewards. Right `registers.steward`; raises NotFound `registers.register_unknown`."""
    declared = spec.registers(ctx.packs)
    if name not in declared:
        raise NotFound("registers.register_unknown", register=name, known=", ".join(declared))
    ctx.require(STEWARD, resource(name, declared[name]))
    return declared[name]


def _everywhere(ctx: Context) -> AbstractContextManager[Transaction]:
    return ctx.parts.db.begin(Scope(EVERY_ORGANISATION, ctx.principal.name))


@contextmanager
def _alone(ctx: Context, register: str) -> Iterator[Transaction]:
    """A transaction in which records move and no feed of the register does."""
    with _everywhere(ctx) as tx:
        feed_store.lock_register(tx, register)
        yield tx


def _doubt(register: Register, row: DoubtRow) -> Doubt:
    return msgspec.convert(
        {
            "id": row.id, "register": row.register, "left": ids.show(register, row.left_entity),
            "right": ids.show(register, row.right_entity), "probability": row.probability, "why": row.why,
            "state": row.state, "opened_at": row.opened_at, "decided_at": row.decided_at, "decided_by": row.decided_by,
            "reason": row.reason,
        },
        Doubt,
    )  # fmt: skip


def _decision(register: Register, tx: Transaction, id: int) -> Decision:
    row = store.decision(tx, id)
    if row is None:
        raise LookupError(f"decision {id}")
    return _shown(register, row)


def _shown(register: Register, row: DecisionRow) -> Decision:
    return msgspec.convert(
        {
            "id": row.id, "register": row.register, "kind": row.kind, "from_id": ids.show(register, row.from_entity),
            "into": ids.show(register, row.into_entity), "records": row.records, "at": row.at, "by": row.by,
            "reason": row.reason, "undoes": row.undoes, "undone_by": row.undone_by,
        },
        Decision,
    )  # fmt: skip
