"""All SQL of the audit log."""

from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

from cityloom.kernel.audit.entry import Record
from cityloom.kernel.db import Transaction

PAGE = 10_000


class Log(msgspec.Struct, frozen=True):
    """What the database says of the log: its id, hash algorithm, number of entries, first and last position."""

    id: str
    hash: str
    size: int
    lowest: int | None
    highest: int | None


class StoredHead(msgspec.Struct, frozen=True):
    """A signed head as the database keeps it, with the hashes of the entries that it adds."""

    size: int
    head: str
    leaves: bytes


class Faithful(msgspec.Struct, frozen=True):
    """An entry, and whether the columns to search by still say what its body says."""

    position: int
    body: str
    faithful: bool


def append(tx: Transaction, drafts: Sequence[str]) -> int:
    """Write the entries; the position of the first. Holds the log's lock until the transaction ends."""
    return tx.scalar(int, "SELECT kernel.audit_append(%s::text[])", [list(drafts)])


def seal(tx: Transaction, after: int, size: int, head: str, leaves: bytes) -> bool:
    """Keep a signed head; False if the last one is not of size `after` any more."""
    return tx.scalar(bool, "SELECT kernel.audit_seal(%s, %s, %s, %s)", [after, size, head, leaves])


def log(tx: Transaction) -> Log:
    """The log and its bounds, seen at one moment."""
    return tx.one(
        Log,
        """SELECT id::text AS id, hash, size,
                  (SELECT min(position) FROM kernel.audit_entry) AS lowest,
                  (SELECT max(position) FROM kernel.audit_entry) AS highest
           FROM kernel.audit_log""",
    )


def records(tx: Transaction, first: int, end: int) -> list[Record]:
    """The entries at positions [first, end), in order."""
    return tx.all(
        Record,
        "SELECT position, body FROM kernel.audit_entry WHERE position >= %s AND position < %s ORDER BY position",
        [first, end],
    )


def compared(tx: Transaction, first: int, end: int) -> list[Faithful]:
    """The entries at positions [first, end), with their columns compared to their bodies."""
    return tx.all(
        Faithful,
        """SELECT position, body, CASE WHEN body IS JSON OBJECT THEN
                      organisation IS NOT DISTINCT FROM body::jsonb ->> 'organisation'
                      AND actor IS NOT DISTINCT FROM body::jsonb ->> 'actor'
                      AND subject IS NOT DISTINCT FROM body::jsonb ->> 'subject' ELSE false END AS faithful
           FROM kernel.audit_entry WHERE position >= %s AND position < %s ORDER BY position""",
        [first, end],
    )


def every(tx: Transaction) -> Iterator[tuple[int, list[Record]]]:
    """All rows of the table, whatever their positions are, in pages; each with the log's size at that moment."""
    with tx.connection.cursor(name="audit_entries") as cursor:
        cursor.execute(
            "SELECT position, body, (SELECT size FROM kernel.audit_log) FROM kernel.audit_entry ORDER BY position"
        )
        while page := cursor.fetchmany(PAGE):
            yield cast(int, page[0][2]), [Record(cast(int, row[0]), cast(str, row[1])) for row in page]


class Sought(msgspec.Struct, frozen=True):
    """Which entries are wanted; an empty text asks for any. `first` and `end` bound the positions: [first, end)."""

    first: int
    end: int
    subject: str = ""
    actor: str = ""
    organisation: str = ""
    action: str = ""
    """A whole action, or the part before its dot."""
    purpose: str = ""
    start: str = ""
    until: str = ""
    """Moments as entries have them; from `start` until before `until`."""


def search(tx: Transaction, subject: str | None, actor: str | None, before: int | None, limit: int) -> list[Record]:
    """The newest entries before a position, about a subject, by an actor, or all."""
    return tx.all(
        Record,
        """SELECT position, body FROM kernel.audit_entry
           WHERE (%(subject)s::text IS NULL OR subject = %(subject)s)
             AND (%(actor)s::text IS NULL OR actor = %(actor)s)
             AND (%(before)s::bigint IS NULL OR position < %(before)s)
           ORDER BY position DESC LIMIT %(limit)s""",
        {"subject": subject, "actor": actor, "before": before, "limit": limit},
    )


def seek(tx: Transaction, sought: Sought, limit: int) -> list[Record]:
    """The newest entries that fit, newest first. A body that is no JSON fits nothing: the check of the log names it."""
    return tx.all(
        Record,
        """SELECT position, body FROM kernel.audit_entry
           WHERE position >= %(first)s AND position < %(end)s
             AND (%(subject)s = '' OR subject = %(subject)s) AND (%(actor)s = '' OR actor = %(actor)s)
             AND (%(organisation)s = '' OR organisation = %(organisation)s)
             AND CASE WHEN body IS JSON OBJECT THEN
                 (%(action)s = '' OR body::jsonb ->> 'action' = %(action)s
                  OR split_part(body::jsonb ->> 'action', '.', 1) = %(action)s)
                 AND (%(purpose)s = '' OR body::jsonb ->> 'purpose' = %(purpose)s)
                 AND (%(start)s = '' OR body::jsonb ->> 'time' >= %(start)s)
                 AND (%(until)s = '' OR body::jsonb ->> 'time' < %(until)s) ELSE false END
           ORDER BY position DESC LIMIT %(limit)s""",
        {**msgspec.structs.asdict(sought), "limit": limit},
    )


def time_at(tx: Transaction, position: int) -> str | None:
    """The time of the entry at a position or of the next one after it, as its body has it."""
    found = tx.values(
        str,
        """SELECT coalesce(CASE WHEN body IS JSON OBJECT THEN body::jsonb ->> 'time' END, '') FROM kernel.audit_entry
           WHERE position >= %s ORDER BY position LIMIT 1""",
        [position],
    )
    return found[0] if found else None


def heads_after(tx: Transaction, size: int, limit: int = 100) -> list[StoredHead]:
    """The heads beyond a size, smallest first."""
    return tx.all(
        StoredHead,
        "SELECT size, head, leaves FROM kernel.audit_signed_head WHERE size > %s ORDER BY size LIMIT %s",
        [size, limit],
    )


def head_texts(tx: Transaction) -> Iterator[str]:
    """The text of every head, smallest first."""
    with tx.connection.cursor(name="audit_heads") as cursor:
        cursor.execute("SELECT head FROM kernel.audit_signed_head ORDER BY size")
        while page := cursor.fetchmany(PAGE):
            yield from (cast(str, row[0]) for row in page)


def head_of_size(tx: Transaction, size: int) -> StoredHead | None:
    """The head of exactly this size."""
    return tx.first(StoredHead, "SELECT size, head, leaves FROM kernel.audit_signed_head WHERE size = %s", [size])


def last_head(tx: Transaction) -> StoredHead | None:
    """The largest head."""
    return tx.first(StoredHead, "SELECT size, head, leaves FROM kernel.audit_signed_head ORDER BY size DESC LIMIT 1")
