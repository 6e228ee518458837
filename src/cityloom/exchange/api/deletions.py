"""A deletion from its intent to its evidence, by the same two steps as a delivery.

The intent is noted in PostgreSQL; one lake commit deletes and carries the facts; one PostgreSQL transaction writes
sequence, floor, audit entry and evidence. Whoever dies in between, `finish` brings it to its end.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import duckdb
import msgspec

from cityloom.exchange.store import evidence, ledger, records, told
from cityloom.exchange.store.evidence import DeletionRow, Intent
from cityloom.kernel import jobs, lanes, log
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Unavailable

logger = log.logger("exchange")

Facts = dict[str, int | str | None]
CAUSES = {"records": "retention", "erasure": "erasure"}


class Work(msgspec.Struct, frozen=True):
    """What is to be deleted, as planned in the session's temporary tables."""

    kind: str
    legal_basis: str
    rows: int
    keys_digest: str
    write: Callable[[records.Stamp], None]
    """Deletes, inside the lake commit."""
    before: datetime | None = None
    numbers: int = 0
    """Sequence numbers that its change rows take."""
    floor: int | None = None
    """Change rows up to here are no longer kept."""
    asked: tuple[int, ...] = ()
    """Row filters that were asked whether they had shown what goes."""
    told: tuple[tuple[int, int], ...] = ()
    """Which had, as (number of the change row, filter): their readers are told."""


def carry_out(
    ctx: Context, cursor: duckdb.DuckDBPyConnection, row: ledger.DatasetRow, work: Work, term: lanes.Term
) -> DeletionRow:
    """Delete, and write the evidence. Call while holding the dataset's lane, after `finish`."""
    now = ctx.clock.now()
    intent = Intent(
        dataset=row.name,
        organisation=row.organisation,
        account=ctx.principal.name,
        kind=work.kind,
        legal_basis=work.legal_basis,
        before=work.before,
        message=f"{row.name}/~{work.kind}/{uuid4().hex}",
        begun_at=now,
    )
    with ctx.begin() as tx:
        evidence.begin(tx, intent)
        told.tell(tx, row.name, row.last_sequence, [(row.last_sequence + number, id) for number, id in work.told])
    facts: Facts = {"rows": work.rows, "keys_digest": work.keys_digest, "floor": work.floor}
    if work.numbers:
        facts |= {"first_sequence": row.last_sequence + 1, "last_sequence": row.last_sequence + work.numbers}
        facts["asked"] = ",".join(map(str, work.asked))
    stamp = records.Stamp("", now.astimezone(UTC), row.last_sequence, cause=CAUSES.get(work.kind, "retention"))
    with ctx.lake.commit(cursor, intent.message, facts, term):
        work.write(stamp)
    with ctx.begin() as tx:
        if not _same(tx, intent):
            raise Unavailable("exchange.deletion_unfinished", dataset=row.name)  # another process is ahead of us
        return _settle(ctx, tx, intent, facts)


def nothing_found(ctx: Context, row: ledger.DatasetRow, work: Work) -> DeletionRow:
    """Evidence that there was nothing to delete."""
    now = ctx.clock.now()
    intent = Intent(row.name, row.organisation, ctx.principal.name, work.kind, work.legal_basis, work.before, "", now)
    with ctx.begin() as tx:
        return _keep(ctx, tx, intent, {"rows": 0, "keys_digest": work.keys_digest})


def finish(ctx: Context, cursor: duckdb.DuckDBPyConnection, dataset: str) -> None:
    """Write the evidence of a deletion whose process died after its lake commit. Call while holding its lane."""
    with ctx.begin() as tx:
        intent = evidence.intent(tx, dataset)
    if intent is None:
        return
    commit = ctx.lake.find(cursor, intent.message)
    with ctx.begin() as tx:
        if not _same(tx, intent):
            return
        if commit is None:
            evidence.drop_intent(tx, dataset)
        else:
            _settle(ctx, tx, intent, commit.facts)
    logger.info("deletion_finished", dataset=dataset, kind=intent.kind, committed=commit is not None)


def _same(tx: Transaction, intent: Intent) -> bool:
    current = evidence.intent(tx, intent.dataset, lock=True)
    return current is not None and current.message == intent.message


def _settle(ctx: Context, tx: Transaction, intent: Intent, facts: Facts) -> DeletionRow:
    """One transaction after the lake commit."""
    evidence.drop_intent(tx, intent.dataset)
    if facts.get("last_sequence"):
        first, last = int(facts["first_sequence"] or 0), int(facts["last_sequence"] or 0)
        ledger.give_out(tx, intent.dataset, last)
        if intent.kind == "erasure":
            told.tell_others(tx, intent.dataset, _numbers(facts["asked"]), first, last)
    if facts.get("floor"):
        evidence.raise_floor(tx, intent.dataset, int(facts["floor"] or 0))
        told.forget(tx, intent.dataset, int(facts["floor"] or 0))
    arguments: dict[str, str | int | None] = {"dataset": intent.dataset}
    jobs.enqueue(tx, "exchange.rewrite", arguments, lock=f"exchange/{intent.dataset}")
    return _keep(ctx, tx, intent, facts)


def _numbers(text: int | str | None) -> list[int]:
    return [int(each) for each in str(text or "").split(",") if each]


def _keep(ctx: Context, tx: Transaction, intent: Intent, facts: Facts) -> DeletionRow:
    rows, digest = int(facts["rows"] or 0), str(facts["keys_digest"])
    algorithm, _, hexadecimal = digest.rpartition(":")
    # without the salt the log, which forgets nothing, cannot be searched for a person; the evidence beside it has it
    position = ctx.record(
        tx, "exchange.deleted", f"dataset:{intent.dataset}", kind=intent.kind, rows=rows, by=intent.account,
        algorithm=algorithm.partition(":")[0], keys=hexadecimal, floor=facts.get("floor"),
        last_sequence=facts.get("last_sequence"), basis=hashlib.sha256(intent.legal_basis.encode()).hexdigest(),
        before=intent.before.isoformat() if intent.before else None,
    )  # fmt: skip
    id = evidence.keep(tx, intent, rows, digest, ctx.clock.now(), position)
    return evidence.find(tx, id)
