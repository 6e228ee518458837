"""Who has a field of a record: one who disputes it, and all who must hear that it changed."""

from collections.abc import Iterator
from datetime import datetime

from cityloom.exchange.api import excerpts, histories
from cityloom.exchange.contracts import RecordChange, Watched, key_parts, key_text, record_key
from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound, Refused
from cityloom.sharing.api import logbook, parties, reading
from cityloom.sharing.api.held import Held
from cityloom.sharing.contracts import Consumer, Kind, Sight
from cityloom.sharing.rules import using
from cityloom.sharing.rules.using import Live
from cityloom.sharing.store import grants as store
from cityloom.sharing.store import uses as use_store
from cityloom.sharing.store.uses import NewUse

PAGE = 1_000


def sight(ctx: Context, grant: str, key: tuple[str, ...], field: str, case: str, use: str = "") -> Sight:
    """What a grant shows of one field of a record now. That is a verification: it counts, and is kept before it is told.

    `use` may name the use in which the record was seen before. Right `sharing.use`. Raises NotFound `sharing.grant_unknown`,
    `sharing.record_unknown`, `sharing.use_unknown`; Refused, `sharing.field_not_granted`; Conflict `sharing.grant_…`;
    Invalid `sharing.key_parts`; Throttled.
    """
    live, _ = reading.enter(ctx, grant, "verify", case)
    problem = using.wrong_key(live, key)
    if problem is not None:
        raise problem
    if field not in live.terms.fields:
        raise Refused("sharing.field_not_granted", grant=grant, field=field, known=", ".join(live.terms.fields))
    standing = histories.standing(ctx, live.dataset)
    record = histories.record(ctx, live.dataset, key)
    shown = live.show(record) if record is not None else None
    _keep(ctx, live, key, field, case, standing.last_sequence, found=shown is not None)
    if record is None or shown is None:
        raise NotFound("sharing.record_unknown", dataset=live.dataset)
    own = key_parts(record_key(live.key, record))
    since = _seen(ctx, live, own, field, use) if use else standing.last_sequence
    if live.terms.kind != Kind.read or any(mask.field == field for mask in live.terms.masks):
        return Sight(own, live.keeper, since, None)
    history = histories.changes(ctx, live.dataset, [Watched(own, since)], standing.last_sequence)
    versions = [shown, *(live.show(change.before) for change in history if change.before is not None)]
    return Sight(own, live.keeper, since, tuple(version[field] for version in versions if version is not None))


def _keep(
    ctx: Context, live: Live, key: tuple[str, ...], field: str, case: str, sequence: int, *, found: bool
) -> None:  # fmt: skip
    now = ctx.clock.now()
    use = NewUse(
        live.id, logbook.new_id(), ctx.principal.organisation, live.keeper, live.dataset, ctx.principal.name, "verify",
        ctx.purpose, case, field, digest(ctx, live.dataset, key), found, None, sequence, ctx.request,
    )  # fmt: skip
    with parties.everywhere(ctx) as tx:
        (problem,) = logbook.meter(tx, ctx.parts, [live], now)
        if problem is not None:
            raise problem
        logbook.keep(tx, [use], [], now)


def _seen(ctx: Context, live: Live, key: tuple[str, ...], field: str, id: str) -> int:
    """Up to where the holder knew the record when it made that use."""
    with ctx.begin() as tx:
        use = use_store.find(tx, live.id, id)
    ours = use is not None and use.organisation == ctx.principal.organisation and field in use.fields
    if use is None or not ours or use.key_digest not in ("", digest(ctx, live.dataset, key)):
        raise NotFound("sharing.use_unknown", use=id, grant=live.id)
    return use.sequence


def digest(ctx: Context, dataset: str, key: tuple[str, ...]) -> str:
    """The keyed hash under which uses of this record are kept."""
    secret = bytes.fromhex(logbook.secret(ctx.parts, "record_keys"))
    return using.digest(secret, dataset, key_text(key))


def of_record(
    ctx: Context, dataset: str, key: tuple[str, ...], field: str, change: RecordChange, asked_since: datetime
) -> list[Consumer]:  # fmt: skip
    """Who has the field of a record that changed: by a grant in force whose rows the record was or is in, or by asking.

    Of an erased record those who may have seen it hear, and nobody learns the key. As the platform.
    """
    found: dict[str, bool] = {}
    for live in _in_force(ctx, dataset, field):
        if _has(ctx, live, change):
            reads = not _erased(change) and _reads_key(live)
            found[live.organisation] = found.get(live.organisation, False) or reads
    with ctx.begin() as tx:
        askers = use_store.askers(tx, dataset, digest(ctx, dataset, key), field, asked_since)
    return [Consumer(name, found.get(name, False)) for name in sorted({*found, *askers})]


def _has(ctx: Context, live: Live, change: RecordChange) -> bool:
    if _erased(change):
        return excerpts.told_of(ctx, live.dataset, live.terms.rows, change.sequence)
    versions = [version for version in (change.before, change.after) if version is not None]
    return any(live.show(version) is not None for version in versions)


def _erased(change: RecordChange) -> bool:
    return change.before is None and change.after is None


def _in_force(ctx: Context, dataset: str, field: str) -> Iterator[Live]:
    held, now, after, full = Held(ctx.parts), ctx.clock.now(), "", True
    while full:
        with ctx.begin() as tx:
            ids = store.in_force(tx, dataset, field, now, after, PAGE)
            lives = held.grants(tx, set(ids))
        yield from (live for live in lives.values() if live.problem is None)
        full, after = len(ids) == PAGE, ids[-1] if ids else after


def _reads_key(live: Live) -> bool:
    masked = {mask.field for mask in live.terms.masks}
    return live.terms.kind == Kind.read and all(name in live.terms.fields and name not in masked for name in live.key)
