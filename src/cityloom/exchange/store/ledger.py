"""The ledger of deliveries in PostgreSQL: what was claimed, what arrived, what was decided."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from cityloom.exchange.contracts import Counts, Declaration, Mode, Overdue, Signature, Spooled, State
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Unavailable

Bytes = bytes  # a column is named bytes too
LEASE = timedelta(seconds=15)
# a lease this far ahead was given before the clock was set back; other machines' clocks may differ by one lease
TOO_FAR = 2 * LEASE
COLUMNS = """dataset, id, organisation, account, keeper, state, mode, media, encoding, charset, file_name, corrects,
    as_of, language, declared_rows, declared_sha256, bytes, sha256, spool, attempt, tries, lease_until, claimed_at, received_at,
    decided_at, rows_in, accepted, quarantined, duplicates, inserted, updated, deleted, deletes_held, first_sequence,
    last_sequence, snapshot, columns::text AS columns, refusal::text AS refusal, audit_position, receipt,
    signature::text AS signature, withdrawn_at, withdrawn_why, withdrawn_rows"""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger."""

    dataset: str
    id: str
    organisation: str
    account: str
    keeper: str
    state: str
    mode: str
    media: str
    encoding: str
    charset: str
    file_name: str
    corrects: str | None
    as_of: date | None
    language: str
    declared_rows: int | None
    declared_sha256: str | None
    bytes: int | None
    sha256: str | None
    spool: str | None
    attempt: int
    tries: int
    lease_until: datetime
    claimed_at: datetime
    received_at: datetime | None
    decided_at: datetime | None
    rows_in: int | None
    accepted: int | None
    quarantined: int | None
    duplicates: int | None
    inserted: int | None
    updated: int | None
    deleted: int | None
    deletes_held: bool
    first_sequence: int | None
    last_sequence: int | None
    snapshot: int | None
    columns: str | None
    refusal: str | None
    audit_position: int | None
    receipt: Bytes | None
    signature: str | None
    withdrawn_at: datetime | None
    withdrawn_why: str | None
    withdrawn_rows: int | None

    @property
    def counts(self) -> Counts | None:
        """What became of the rows, once decided."""
        if self.rows_in is None:
            return None
        return Counts(
            self.rows_in,
            self.accepted or 0,
            self.quarantined or 0,
            self.duplicates or 0,
            self.inserted or 0,
            self.updated or 0,
            self.deleted or 0,
        )

    @property
    def message(self) -> str:
        """The commit message under which this attempt stands in the lake."""
        return f"{self.dataset}/{self.id}/{self.state}/{self.attempt}"


class DatasetRow(msgspec.Struct, frozen=True):
    """Where a dataset stands."""

    name: str
    organisation: str
    last_sequence: int
    floor_sequence: int
    active: bool


def install(tx: Transaction, name: str, keeper: str, spec: bytes, digest: str, at: datetime) -> None:
    """Make the dataset known, or bring its declaration up to date."""
    tx.execute(
        """INSERT INTO exchange.dataset (name, organisation, spec, spec_digest, installed_at)
           VALUES (%s, %s, %s::jsonb, %s, %s)
           ON CONFLICT (name) DO UPDATE SET organisation = excluded.organisation, spec = excluded.spec,
             spec_digest = excluded.spec_digest, installed_at = excluded.installed_at, active = true
           WHERE dataset.spec_digest <> excluded.spec_digest OR NOT dataset.active""",
        [name, keeper, spec.decode(), digest, at],
    )


def installed(tx: Transaction) -> dict[str, str]:
    """Digest of each active dataset's declaration as last installed."""
    rows = tx.connection.execute("SELECT name, spec_digest FROM exchange.dataset WHERE active").fetchall()
    return {row[0]: row[1] for row in rows}


def queryable(tx: Transaction) -> list[DatasetRow]:
    """Active datasets whose single records may be asked for."""
    return tx.all(
        DatasetRow,
        """SELECT name, organisation, last_sequence, floor_sequence, active FROM exchange.dataset
           WHERE active AND (spec ->> 'queryable')::boolean ORDER BY name""",
    )


def retire(tx: Transaction, active: list[str]) -> int:
    """Mark the datasets that no pack declares any more; their records stay."""
    return tx.execute("UPDATE exchange.dataset SET active = false WHERE active AND NOT name = ANY(%s)", [active])


def datasets(tx: Transaction) -> list[DatasetRow]:
    """Every dataset, by name."""
    return tx.all(
        DatasetRow,
        "SELECT name, organisation, last_sequence, floor_sequence, active FROM exchange.dataset ORDER BY name",
    )


def dataset(tx: Transaction, name: str) -> DatasetRow | None:
    """One dataset."""
    return tx.first(
        DatasetRow,
        "SELECT name, organisation, last_sequence, floor_sequence, active FROM exchange.dataset WHERE name = %s",
        [name],
    )


def claim(
    tx: Transaction,
    dataset: str,
    id: str,
    organisation: str,
    account: str,
    keeper: str,
    mode: Mode,
    declared: Declaration,
    language: str,
    now: datetime,
) -> bool:
    """Take the id; False when it was taken before."""
    return (
        tx.execute(
            """INSERT INTO exchange.delivery (dataset, id, organisation, account, keeper, state, mode, media, encoding,
                 charset, file_name, corrects, as_of, language, declared_rows, declared_sha256, lease_until, claimed_at)
               VALUES (%s, %s, %s, %s, %s, 'receiving', %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (dataset, id) DO NOTHING""",
            [dataset, id, organisation, account, keeper, mode, declared.media, declared.encoding, declared.charset,
             declared.file_name, declared.corrects, declared.as_of, language, declared.rows, declared.sha256, now + LEASE, now],
        )
        == 1
    )  # fmt: skip


def reclaim(tx: Transaction, before: Delivery, account: str, mode: Mode, declared: Declaration, now: datetime) -> bool:
    """Take over an id whose sender went away before the last byte; False when somebody else just did."""
    return (
        tx.execute(
            """UPDATE exchange.delivery SET attempt = attempt + 1, account = %s, mode = %s, media = %s, encoding = %s,
                 charset = %s, file_name = %s, corrects = %s, as_of = %s, declared_rows = %s, declared_sha256 = %s,
                 lease_until = %s, claimed_at = %s
               WHERE dataset = %s AND id = %s AND state = 'receiving' AND attempt = %s
                 AND lease_until NOT BETWEEN %s AND %s""",
            [account, mode, declared.media, declared.encoding, declared.charset, declared.file_name, declared.corrects,
             declared.as_of, declared.rows, declared.sha256, now + LEASE, now, before.dataset, before.id, before.attempt,
             now, now + TOO_FAR],
        )
        == 1
    )  # fmt: skip


def extend(tx: Transaction, delivery: Delivery, now: datetime) -> bool:
    """Say that this attempt is alive; False when it is no longer ours."""
    return (
        tx.execute(
            "UPDATE exchange.delivery SET lease_until = %s WHERE dataset = %s AND id = %s AND attempt = %s AND state = %s",
            [now + LEASE, delivery.dataset, delivery.id, delivery.attempt, delivery.state],
        )
        == 1
    )


def touch(tx: Transaction, delivery: Delivery, now: datetime) -> int:
    """Say that somebody works on this delivery, whatever its state."""
    return tx.execute(
        "UPDATE exchange.delivery SET lease_until = %s WHERE dataset = %s AND id = %s",
        [now + LEASE, delivery.dataset, delivery.id],
    )


def begin_try(tx: Transaction, delivery: Delivery) -> int:
    """Count that somebody begins to work on it; how often that was."""
    return tx.scalar(
        int,
        "UPDATE exchange.delivery SET tries = tries + 1 WHERE dataset = %s AND id = %s RETURNING tries",
        [delivery.dataset, delivery.id],
    )


def let_go(tx: Transaction, delivery: Delivery) -> int:
    """Nobody works on it any more, for a reason outside it: the try does not count, and the next sweep takes it up."""
    return tx.execute(
        """UPDATE exchange.delivery SET lease_until = 'epoch', tries = greatest(tries - 1, 0)
           WHERE dataset = %s AND id = %s AND state IN ('received', 'committing')""",
        [delivery.dataset, delivery.id],
    )


def drop_claim(tx: Transaction, delivery: Delivery) -> int:
    """Give the id back: nothing of it was kept."""
    return tx.execute(
        "UPDATE exchange.delivery SET lease_until = 'epoch' WHERE dataset = %s AND id = %s AND attempt = %s AND state = 'receiving'",
        [delivery.dataset, delivery.id, delivery.attempt],
    )


def find(tx: Transaction, dataset: str, id: str, lock: bool = False) -> Delivery | None:
    """One delivery, if the scope may see it."""
    ending = " FOR UPDATE" if lock else ""
    return tx.first(
        Delivery, f"SELECT {COLUMNS} FROM exchange.delivery WHERE dataset = %s AND id = %s{ending}", [dataset, id]
    )


def received(tx: Transaction, delivery: Delivery, spooled: Spooled, now: datetime) -> bool:
    """All bytes are here; False when this attempt was taken over."""
    return (
        tx.execute(
            """UPDATE exchange.delivery SET state = 'received', bytes = %s, sha256 = %s, spool = %s, received_at = %s, lease_until = %s
               WHERE dataset = %s AND id = %s AND attempt = %s AND state = 'receiving'""",
            [
                spooled.bytes,
                spooled.sha256,
                spooled.path,
                now,
                now + LEASE,
                delivery.dataset,
                delivery.id,
                delivery.attempt,
            ],
        )
        == 1
    )


def committing(tx: Transaction, delivery: Delivery, state: State, why: str | None, now: datetime) -> Delivery | None:
    """Begin a new attempt at the lake commit (of the delivery or of its withdrawal); None if it is no longer as read."""
    return tx.first(
        Delivery,
        f"""UPDATE exchange.delivery SET state = %s, attempt = attempt + 1, withdrawn_why = %s, lease_until = %s
            WHERE dataset = %s AND id = %s AND attempt = %s AND state = %s RETURNING {COLUMNS}""",
        [state, why, now + LEASE, delivery.dataset, delivery.id, delivery.attempt, delivery.state],
    )


def unfinished(tx: Transaction, dataset: str) -> list[Delivery]:
    """Deliveries of the dataset whose lake commit may or may not have happened.

    Raises Unavailable `exchange.deletion_unfinished` while that is so of a deletion, which took sequence numbers too.
    """
    if tx.scalar(bool, "SELECT EXISTS (SELECT FROM exchange.deletion_intent WHERE dataset = %s)", [dataset]):
        raise Unavailable("exchange.deletion_unfinished", dataset=dataset)
    return tx.all(
        Delivery,
        f"SELECT {COLUMNS} FROM exchange.delivery WHERE dataset = %s AND state IN ('committing', 'withdrawing') ORDER BY id",
        [dataset],
    )


def waiting(tx: Transaction, now: datetime) -> list[Delivery]:
    """Received or committing deliveries that nobody has been working on for a lease."""
    return tx.all(
        Delivery,
        f"""SELECT {COLUMNS} FROM exchange.delivery
            WHERE state IN ('received', 'committing', 'withdrawing') AND lease_until NOT BETWEEN %s AND %s
            ORDER BY received_at LIMIT 200""",
        [now, now + TOO_FAR],
    )


def backlog(tx: Transaction) -> int:
    """Deliveries received and not yet decided."""
    return tx.scalar(int, "SELECT count(*) FROM exchange.delivery WHERE state IN ('received', 'committing')")


class Waiting(msgspec.Struct, frozen=True):
    """A delivery that waits, and since when."""

    dataset: str
    received_at: datetime


def oldest_waiting(tx: Transaction) -> Waiting | None:
    """The delivery that was received first and is not decided."""
    return tx.first(
        Waiting,
        """SELECT dataset, received_at FROM exchange.delivery WHERE state IN ('received', 'committing', 'withdrawing')
             AND received_at IS NOT NULL ORDER BY received_at LIMIT 1""",
    )


def reset(tx: Transaction, delivery: Delivery, state: State) -> int:
    """The commit never happened: back to where it was."""
    return tx.execute(
        "UPDATE exchange.delivery SET state = %s, withdrawn_why = NULL WHERE dataset = %s AND id = %s AND attempt = %s",
        [state, delivery.dataset, delivery.id, delivery.attempt],
    )


def give_out(tx: Transaction, dataset: str, last_sequence: int) -> int:
    """Move the dataset's last sequence number up."""
    return tx.execute(
        "UPDATE exchange.dataset SET last_sequence = %s WHERE name = %s AND last_sequence <= %s",
        [last_sequence, dataset, last_sequence],
    )


def decide(tx: Transaction, delivery: Delivery, state: State, facts: dict[str, Any]) -> int:
    """Set the outcome columns named in `facts` and the state."""
    names = ", ".join(f"{name} = %({name})s" for name in facts)
    return tx.execute(
        f"UPDATE exchange.delivery SET state = %(_state)s, {names} WHERE dataset = %(_dataset)s AND id = %(_id)s",
        {**facts, "_state": state, "_dataset": delivery.dataset, "_id": delivery.id},
    )


def sign(tx: Transaction, delivery: Delivery, position: int, receipt: bytes, signature: Signature) -> int:
    """Keep the signed receipt and its place in the audit log."""
    return tx.execute(
        "UPDATE exchange.delivery SET audit_position = %s, receipt = %s, signature = %s::jsonb WHERE dataset = %s AND id = %s",
        [position, receipt, msgspec.json.encode(signature).decode(), delivery.dataset, delivery.id],
    )


def page(tx: Transaction, dataset: str, after: str, limit: int) -> list[Delivery]:
    """Deliveries of a dataset by id."""
    return tx.all(
        Delivery,
        f"SELECT {COLUMNS} FROM exchange.delivery WHERE dataset = %s AND id > %s ORDER BY id LIMIT %s",
        [dataset, after, limit],
    )


def withdrawn_ids(tx: Transaction, dataset: str) -> list[str]:
    """Ids of the dataset's withdrawn deliveries."""
    return tx.values(str, "SELECT id FROM exchange.delivery WHERE dataset = %s AND state = 'withdrawn'", [dataset])


def standing_replacements(tx: Transaction, dataset: str, after: int) -> list[Delivery]:
    """Accepted replacements that did delete what they did not mention, after a position or after the dataset's floor.

    Those before the position count too: one may have left a key out that only a withdrawn delivery had deleted.
    """
    return tx.all(
        Delivery,
        f"""SELECT {COLUMNS} FROM exchange.delivery WHERE dataset = %(dataset)s AND state = 'accepted' AND mode = 'replace'
            AND NOT deletes_held AND first_sequence > least(%(after)s,
                (SELECT floor_sequence FROM exchange.dataset WHERE name = %(dataset)s)) ORDER BY first_sequence""",
        {"dataset": dataset, "after": after},
    )


def spooled_paths(tx: Transaction) -> list[str]:
    """Spooled files of undecided deliveries."""
    return tx.values(
        str, "SELECT spool FROM exchange.delivery WHERE spool IS NOT NULL AND state IN ('received', 'committing')"
    )


def hold_still(tx: Transaction) -> int:
    """Let no delivery change its state until this transaction ends; waits for those that just do."""
    return tx.execute("LOCK TABLE exchange.delivery IN SHARE MODE")


def move_spool(tx: Transaction, folder: str) -> int:
    """The spooled files lie in another folder, under the same names."""
    return tx.execute(
        r"UPDATE exchange.delivery SET spool = %s || '/' || regexp_replace(spool, '^.*/', '') WHERE spool IS NOT NULL",
        [folder],
    )


def count(tx: Transaction) -> int:
    """All deliveries, whatever became of them."""
    return tx.scalar(int, "SELECT count(*) FROM exchange.delivery")


def installed_at(tx: Transaction) -> dict[str, datetime]:
    """Since when each dataset's declaration is in force."""
    return {
        row[0]: row[1] for row in tx.connection.execute("SELECT name, installed_at FROM exchange.dataset").fetchall()
    }


class DayRow(msgspec.Struct, frozen=True):
    """Sums of one dataset and day."""

    dataset: str
    organisation: str
    deliveries: int
    sent: int
    accepted: int
    quarantined: int
    duplicates: int
    declared: int
    hashes_differ: int
    lines: str


def day(tx: Transaction, start: datetime, end: datetime) -> list[DayRow]:
    """What was received from `start` until before `end` and decided, by dataset."""
    return tx.all(
        DayRow,
        """SELECT dataset, max(organisation) AS organisation, count(*) AS deliveries,
             sum(rows_in)::bigint AS sent, sum(accepted)::bigint AS accepted,
             sum(quarantined)::bigint AS quarantined, sum(duplicates)::bigint AS duplicates,
             sum(coalesce(declared_rows, rows_in))::bigint AS declared,
             count(*) FILTER (WHERE declared_sha256 <> sha256) AS hashes_differ,
             string_agg(id || ' ' || sha256 || ' ' || rows_in, E'\n' ORDER BY id COLLATE "C") AS lines
           FROM exchange.delivery
           WHERE received_at >= %s AND received_at < %s AND state IN ('accepted', 'withdrawing', 'withdrawn')
           GROUP BY dataset ORDER BY dataset""",
        [start, end],
    )


def unreconciled(tx: Transaction) -> int:
    """Decided deliveries whose rows in are not accepted + quarantined + duplicates."""
    return tx.scalar(
        int,
        """SELECT count(*) FROM exchange.delivery WHERE state IN ('accepted', 'withdrawing', 'withdrawn')
             AND rows_in IS DISTINCT FROM accepted + quarantined + duplicates""",
    )


def last_accepted(tx: Transaction) -> dict[str, datetime]:
    """When each dataset last had a delivery accepted."""
    rows = tx.connection.execute(
        "SELECT dataset, max(received_at) FROM exchange.delivery WHERE state = 'accepted' GROUP BY dataset"
    ).fetchall()
    return {row[0]: row[1] for row in rows}


def note_overdue(tx: Transaction, found: Overdue, now: datetime) -> bool:
    """Keep an overdue period; False when it was known."""
    return (
        tx.execute(
            """INSERT INTO exchange.overdue (dataset, organisation, period_end, due_at, found_at) VALUES (%s, %s, %s, %s, %s)
               ON CONFLICT DO NOTHING""",
            [found.dataset, found.organisation, found.period_end, found.due_at, now],
        )
        == 1
    )


def settle_overdue(tx: Transaction, dataset: str, now: datetime) -> int:
    """A delivery came: what was overdue is settled."""
    return tx.execute(
        "UPDATE exchange.overdue SET settled_at = %s WHERE dataset = %s AND settled_at IS NULL", [now, dataset]
    )


def overdue(tx: Transaction) -> list[Overdue]:
    """Open overdue periods that the scope may see."""
    return tx.all(
        Overdue,
        "SELECT dataset, organisation, period_end, due_at, settled_at FROM exchange.overdue WHERE settled_at IS NULL ORDER BY due_at",
    )


def spec(tx: Transaction, name: str) -> bytes | None:
    """The resolved declaration of an active dataset as last installed, as JSON."""
    row = tx.connection.execute("SELECT spec::text FROM exchange.dataset WHERE name = %s AND active", [name]).fetchone()
    return row[0].encode() if row else None
