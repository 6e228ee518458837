"""Links records without a verified identifier to their entities, by what they say; doubts go to the stewards.

The first time all entities are compared and the weights learnt, without labels. After that only entities that are new are
compared, with all others, by the weights that were learnt; what was one or two before stays so. It learns anew when the
declaration changes, or there are twice as many entities.
"""

import hashlib
from collections.abc import Iterable

import msgspec
import pyarrow as pa

from cityloom.kernel import jobs, lanes, log
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound
from cityloom.registers import spec
from cityloom.registers.api import stewarding
from cityloom.registers.contracts import EVEN, Scored, Sign
from cityloom.registers.linkage import link as linking
from cityloom.registers.linkage.model import ALWAYS, Linked, Model
from cityloom.registers.linkage.model import Field as ModelField
from cityloom.registers.linkage.twice import twice
from cityloom.registers.rules import links as linkage_rules
from cityloom.registers.spec import Linkage, Register
from cityloom.registers.store import decisions as decision_store
from cityloom.registers.store import feeds as feed_store
from cityloom.registers.store import linkage as store
from cityloom.registers.store.feeds import FeedRow
from cityloom.registers.store.linkage import Column, Link, LinkageRow

logger = log.logger("registers")
PAGE = 10_000
NUMBER = "number"
ENTITY = "entity"
FEW = 10
"""Fewer entities teach nothing."""


def ask(ctx: Context, register: str) -> None:
    """Have a register linked by a worker, unless one is at it. Right `registers.steward`.

    Raises NotFound `registers.register_unknown`, `registers.linkage_none`.
    """
    declared = stewarding.register_of(ctx, register)
    if declared.linkage is None:
        raise NotFound("registers.linkage_none", register=register)
    with ctx.begin() as tx:
        arguments: dict[str, str | int | None] = {"register": register}
        if not jobs.queued(tx, "registers.link", arguments):
            jobs.enqueue(tx, "registers.link", arguments, lock=_lane(register))
        ctx.record(tx, "registers.linkage_asked", f"register:{register}")


def link_all(ctx: Context) -> None:
    """Link every register that declares it. As the platform; safe to run twice."""
    for name, register in spec.registers(ctx.packs).items():
        if register.linkage is not None:
            link(ctx, name)


def link(ctx: Context, name: str) -> None:
    """Link what is new in one register. As the platform; safe to run twice, and to die in."""
    register = spec.registers(ctx.packs).get(name)
    if register is None or register.linkage is None:
        return
    with lanes.try_hold(ctx.parts.db, _lane(name)) as term:
        if term is not None:
            _link(ctx, name, register, model_of(register.linkage))


def _link(ctx: Context, name: str, register: Register, model: Model) -> None:
    digest = hashlib.sha256(msgspec.json.encode(model)).hexdigest()
    with ctx.begin() as tx:
        feeds = feed_store.known(tx, name)
        last = store.last_entity(tx, name)
        learnt = store.find(tx, name)
    if learnt is not None and learnt.entity >= last:
        return
    columns = _columns(register, feeds)
    names = [field.name for field in model.fields if field.name != NUMBER]
    with ctx.begin() as tx:
        records = store.reduced(store.evidence(tx, columns, names, 0, last), names, ctx.settings.lake_memory_mib)
    anew = learnt is None or learnt.model != digest or len(records) >= 2 * learnt.entities
    if len(records) < FEW:
        return
    if learnt is None or anew:
        linked = linking.link(records, model)
        row = LinkageRow(digest, linking.write(linked.trained).decode(), last, len(records))
    else:
        linked = _new(records, model, learnt)
        row = msgspec.structs.replace(learnt, entity=last)
    same = twice(records, names, ENTITY, NUMBER, ctx.settings.lake_memory_mib)
    _write(ctx, name, records, linked, [Scored(left, right, EVEN, "identifier") for left, right in same], row)
    logger.info("linked", register=name, entities=len(records), compared=linked.compared, anew=anew)


def _new(records: pa.Table, model: Model, learnt: LinkageRow) -> Linked:
    """Only what is new, with all that is known."""
    old = pa.compute.less_equal(records[ENTITY], learnt.entity)
    known, new = records.filter(old), records.filter(pa.compute.invert(old))
    apart = pa.table({"record": known[ENTITY], "cluster": known[ENTITY]})
    with linking.known(known, apart, model, linking.read(learnt.trained.encode())) as held:
        return linking.link_new(new, held)


def model_of(declared: Linkage) -> Model:
    """The linkage as it is declared, with the verified identifier, which links and forbids by itself."""
    fields = tuple(ModelField(name=each.field, kind=each.kind) for each in declared.evidence)
    number = ModelField(name=NUMBER, kind="identifier", verified=ALWAYS)
    return Model(fields=(*fields, number), key=ENTITY, link=declared.link, doubt=declared.doubt)


def _columns(register: Register, feeds: Iterable[FeedRow]) -> list[Column]:
    ranked = {(feed.dataset, feed.role or ""): (rank, feed) for rank, feed in enumerate(register.sources)}
    linkage = register.linkage
    found = []
    for row in feeds:
        rank, feed = ranked[row.dataset, row.role]
        fields = tuple(feed.fields.get(each.field) for each in linkage.evidence) if linkage else ()
        found.append(Column(row.number, rank, fields))
    return found


def _write(
    ctx: Context, name: str, records: pa.Table, linked: Linked, twice_numbered: list[Scored], row: LinkageRow
) -> None:
    """Links in pages, then the doubts with what was learnt. Who dies in between does the rest anew."""
    now = ctx.clock.now()
    with ctx.begin() as tx:
        apart = store.distinct(tx, name)
    identified = set(records.filter(pa.compute.is_valid(records[NUMBER]))[ENTITY].to_pylist())
    links = linkage_rules.links(_groups(linked), identified, apart)
    for start in range(0, len(links), PAGE):
        page = [Link(entity, into) for entity, into in links[start : start + PAGE]]
        with ctx.begin() as tx:
            feed_store.lock_register(tx, name)
            moved = store.join(tx, name, page, now)
            ctx.record(tx, "registers.linked", f"register:{name}", links=len(page), records=moved)
    into = dict(links)
    doubtful = _scored(linked.doubts, "linkage", linked.fields)
    conflicting = [*twice_numbered, *_scored(linked.conflicts, "identifier")]
    doubts = linkage_rules.doubts(doubtful, conflicting, into)
    with ctx.begin() as tx:
        decision_store.ask(tx, name, doubts, now)
        store.keep(tx, name, row, now)


def _groups(linked: Linked) -> list[tuple[int, int]]:
    columns = linked.clusters.select(["record", "cluster"]).to_pydict()
    return [(int(record), int(cluster)) for record, cluster in zip(columns["record"], columns["cluster"], strict=True)]


def _scored(pairs: pa.Table, why: str, fields: tuple[str, ...] = ()) -> list[Scored]:
    return [
        Scored(
            int(pair["left"]), int(pair["right"]), pair["probability"], why,
            tuple(Sign(name, pair[f"{name}__level"], pair[f"{name}__weight"]) for name in fields),
        )
        for pair in pairs.to_pylist()
    ]  # fmt: skip


def _lane(register: str) -> str:
    return f"registers/{register}/linkage"
