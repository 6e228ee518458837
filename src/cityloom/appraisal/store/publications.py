"""SQL of published results and their evidence."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from cityloom.appraisal.contracts import Evidence
from cityloom.kernel.db import Transaction

COLUMNS = """id, revision, set_name, set_body::text AS set_body, digest, start_on, end_on, show, ranking::text AS ranking,
    reason, appeal, key, actor, at, appeals_until"""


class PublicationRow(msgspec.Struct, frozen=True):
    """One row of appraisal.publication."""

    id: str
    revision: int
    set_name: str
    set_body: str
    digest: str
    start_on: date
    end_on: date
    show: str
    ranking: str
    reason: str
    appeal: str
    key: str
    actor: str
    at: datetime
    appeals_until: datetime | None


class ResultRow(msgspec.Struct, frozen=True):
    """One department's result."""

    organisation: str
    points: Decimal
    place: int
    score: str
    facts: str


class EvidenceRow(msgspec.Struct, frozen=True):
    """A row of evidence where it stands."""

    organisation: str
    indicator: str
    position: int
    row: Evidence


def lock(tx: Transaction, id: str) -> None:
    """Publish revisions of this alone until the transaction ends."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('appraisal ' || %s, 0))", [id])


def add(tx: Transaction, row: PublicationRow, results: Sequence[ResultRow]) -> None:
    """Freeze a revision."""
    tx.execute(
        """INSERT INTO appraisal.publication (id, revision, set_name, set_body, digest, start_on, end_on, show, ranking,
             reason, appeal, key, actor, at, appeals_until)
           VALUES (%s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)""",
        list(msgspec.structs.astuple(row)),
    )
    tx.many(
        """INSERT INTO appraisal.result (publication, revision, organisation, points, place, score, facts)
           VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s::jsonb)""",
        [(row.id, row.revision, *msgspec.structs.astuple(each)) for each in results],
    )


def add_evidence(tx: Transaction, id: str, revision: int, rows: Sequence[EvidenceRow]) -> None:
    """The rows that a revision rests on."""
    tx.many(
        """INSERT INTO appraisal.evidence
             (publication, revision, organisation, indicator, position, measure, kind, id, good, total, href, note)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            (id, revision, each.organisation, each.indicator, each.position, *msgspec.structs.astuple(each.row))
            for each in rows
        ],
    )


def copy_evidence(tx: Transaction, id: str, revision: int, into: int) -> None:
    """A revision that follows from an appeal rests on the same rows."""
    tx.execute(
        """INSERT INTO appraisal.evidence
             (publication, revision, organisation, indicator, position, measure, kind, id, good, total, href, note)
           SELECT publication, %s, organisation, indicator, position, measure, kind, id, good, total, href, note
           FROM appraisal.evidence WHERE publication = %s AND revision = %s""",
        [into, id, revision],
    )


def find(tx: Transaction, id: str, revision: int = 0) -> PublicationRow | None:
    """A revision, or the last one."""
    return tx.first(
        PublicationRow,
        f"""SELECT {COLUMNS} FROM appraisal.publication WHERE id = %s AND %s IN (0, revision)
            ORDER BY revision DESC LIMIT 1""",
        [id, revision],
    )


def with_key(tx: Transaction, id: str, key: str) -> PublicationRow | None:
    """The revision that was made with this key."""
    return tx.first(
        PublicationRow, f"SELECT {COLUMNS} FROM appraisal.publication WHERE id = %s AND key = %s", [id, key]
    )


def listed(tx: Transaction) -> list[PublicationRow]:
    """Every revision, the newest period first."""
    return tx.all(
        PublicationRow,
        f"SELECT {COLUMNS} FROM appraisal.publication ORDER BY end_on DESC, id, revision DESC LIMIT 1000",
    )


def results(tx: Transaction, id: str, revision: int) -> list[ResultRow]:
    """The results that the scope may see, by place."""
    return tx.all(
        ResultRow,
        """SELECT organisation, points, place, score::text AS score, facts::text AS facts FROM appraisal.result
           WHERE publication = %s AND revision = %s ORDER BY place, organisation""",
        [id, revision],
    )


def result(tx: Transaction, id: str, revision: int, organisation: str) -> ResultRow | None:
    """One department's result, if the scope may see it."""
    return tx.first(
        ResultRow,
        """SELECT organisation, points, place, score::text AS score, facts::text AS facts FROM appraisal.result
           WHERE publication = %s AND revision = %s AND organisation = %s""",
        [id, revision, organisation],
    )


def evidence(
    tx: Transaction, id: str, revision: int, organisation: str, indicator: str, offset: int, limit: int
) -> list[Evidence]:
    """A page of the rows of an indicator."""
    return tx.all(
        Evidence,
        """SELECT measure, kind, id, good, total, href, note FROM appraisal.evidence
           WHERE publication = %s AND revision = %s AND organisation = %s AND indicator = %s
           ORDER BY position OFFSET %s LIMIT %s""",
        [id, revision, organisation, indicator, offset, limit],
    )


def count_evidence(tx: Transaction, id: str, revision: int, organisation: str, indicator: str) -> int:
    """How many rows an indicator rests on."""
    return tx.scalar(
        int,
        """SELECT count(*) FROM appraisal.evidence
           WHERE publication = %s AND revision = %s AND organisation = %s AND indicator = %s""",
        [id, revision, organisation, indicator],
    )
