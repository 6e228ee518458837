"""How many entities each source of a register knows, and on how many of them sources contradict each other.

Counted over the whole register by whoever asks for it on a timer; what was counted is read at no cost.
"""

from collections.abc import Iterator

import pyarrow as pa

from cityloom.kernel import lanes
from cityloom.kernel.context import Context
from cityloom.kernel.db import PLATFORM
from cityloom.kernel.errors import NotFound
from cityloom.registers import spec
from cityloom.registers.api.reading import resource
from cityloom.registers.api.stewarding import STEWARD
from cityloom.registers.contracts import Agreement, Difference, Shape, Tally, What
from cityloom.registers.rules import ids
from cityloom.registers.rules.versions import identifier_of
from cityloom.registers.spec import Register
from cityloom.registers.store import agreement as store
from cityloom.registers.store import feeds as feed_store
from cityloom.registers.store.agreement import PAGE, Column


def count(ctx: Context, register: str) -> None:
    """Count, unless nothing has come in or was decided since the last time. As the platform; safe to run twice.

    It goes through the entities in ranges, each in a transaction of its own, so the figures are of the time that it took.
    """
    declared = _declared(ctx, register)
    with lanes.try_hold(ctx.parts.db, f"registers/{register}/agreement") as term:
        if term is None:
            return
        with ctx.begin() as tx:
            known, upto = store.counted(tx, register), store.upto(tx, register)
            rows = feed_store.known(tx, register)
            run, last = store.begin(tx, [row.number for row in rows])
        if known is not None and known.upto == upto:
            return
        feeds, columns = [(row.number, row.dataset) for row in rows], _columns(declared, rows)
        sums: dict[tuple[What, str, str, str], tuple[int, int]] = {}
        for since in range(0, last, PAGE):
            with ctx.begin() as tx:
                found = store.count_page(tx, register, run, feeds, columns, since, since + PAGE)
            for each in found:
                place = (each.what, each.field, each.left, each.right)
                entities, differing = sums.get(place, (0, 0))
                sums[place] = entities + each.entities, differing + each.differing
        with ctx.begin() as tx:
            tallies = [Tally(*place, *numbers) for place, numbers in sums.items()]
            store.replace(tx, register, run, upto, tallies, ctx.clock.now())


def _columns(declared: Register, rows: list[feed_store.FeedRow]) -> list[Column]:
    sources = {(each.dataset, each.role or ""): each for each in declared.sources}
    return [
        Column(row.number, row.dataset, field, name)
        for row in rows
        if (row.dataset, row.role) in sources
        for field, name in sources[row.dataset, row.role].fields.items()
    ]


def shape(ctx: Context, register: str) -> Shape:
    """What a register is declared to be. Raises NotFound `registers.register_unknown`."""
    declared = _declared(ctx, register)
    return Shape(
        register, declared.title, declared.keeper, tuple(field.name for field in declared.fields),
        tuple(each.name for each in declared.identifiers),
        tuple(dict.fromkeys(each.dataset for each in declared.sources)),
    )  # fmt: skip


def counted(ctx: Context, register: str) -> Agreement | None:
    """What was counted last; None before the first time. Counts name nobody: asks no policy.

    Raises NotFound `registers.register_unknown`.
    """
    _declared(ctx, register)
    with ctx.parts.db.begin(PLATFORM) as tx:
        known = store.counted(tx, register)
        tallies = store.tallies(tx, register) if known else []
    return Agreement(register, known.counted_at, tuple(tallies)) if known else None


def differences(
    ctx: Context, register: str, field: str, left: str, right: str, after: str, limit: int
) -> list[Difference]:
    """Entities on which two sources contradicted each other when it was counted last, by id; no value is told.

    Right `registers.steward`, kept in the audit log. Raises NotFound `registers.register_unknown`,
    `registers.record_unknown` for what is no id.
    """
    everything, declared = spec.registers(ctx.packs), _declared(ctx, register)
    ctx.require(STEWARD, resource(register, declared))
    start = ids.read(everything, register, after) if after else 0
    with ctx.parts.db.begin(PLATFORM) as tx:
        found = store.differences(tx, register, field, left, right, start, limit)
    with ctx.begin() as tx:
        ctx.record(tx, "registers.differences_read", f"register:{register}", number=len(found))
    return [Difference(register, ids.show(declared, row.entity), row.field, row.left, row.right) for row in found]


def identifiers(ctx: Context, register: str, kind: str) -> Iterator[pa.Table]:
    """Who has which identifier of a kind now: columns entity (int64), value (string). An entity lies in one page.

    As the platform, for counting; whoever counts tells no number. Raises NotFound `registers.register_unknown`.
    """
    _declared(ctx, register)
    with ctx.parts.db.begin(PLATFORM) as tx:
        yield from store.identifiers(tx, register, kind)


def identifiers_of(ctx: Context, register: str, id: str) -> list[tuple[str, str]]:
    """Kind and value of each identifier that an entity has now, for a floor above that finds its records in datasets.

    The floor above shows nothing of them but by grants. Raises NotFound `registers.record_unknown`.
    """
    entity = ids.read(spec.registers(ctx.packs), register, id)
    with ctx.parts.db.begin(PLATFORM) as tx:
        found = store.identifiers_of(tx, entity)
    parts = [identifier.split(":", 2) for identifier in found]
    return [(kind, value) for name, kind, value in parts if name == register]


def entity_of(ctx: Context, register: str, kind: str, value: str) -> str:
    """The id of who has an identifier; empty if nobody has. For keeping who read, never for telling."""
    declared = _declared(ctx, register)
    wanted = identifier_of(register, kind, value)
    with ctx.parts.db.begin(PLATFORM) as tx:
        found = feed_store.entities(tx, [wanted])
    return ids.show(declared, found[wanted]) if wanted in found else ""


def _declared(ctx: Context, register: str) -> Register:
    everything = spec.registers(ctx.packs)
    if register not in everything:
        raise NotFound("registers.register_unknown", register=register, known=", ".join(everything))
    return everything[register]
