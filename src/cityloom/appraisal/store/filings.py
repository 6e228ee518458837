"""SQL of filings and appeals, and of the notices about their deadlines."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from cityloom.appraisal.contracts import AppealWish, FilingWish
from cityloom.kernel.db import Transaction
from cityloom.kernel.flow.contracts import Standing

FILING = """id, organisation, wish::text AS wish, account, flow, state, version, due_at, given::text AS given, answer,
    filed_at, decided_at"""
APPEAL = """id, organisation, publication, revision, indicator, wish::text AS wish, before, account, flow, state, version,
    due_at, points, answer, led_to, appealed_at, decided_at"""
Table = Literal["filing", "appeal"]


class FilingRow(msgspec.Struct, frozen=True):
    """One row of appraisal.filing."""

    id: str
    organisation: str
    wish: str
    account: str
    flow: int
    state: str
    version: int
    due_at: datetime | None
    given: str
    answer: str
    filed_at: datetime
    decided_at: datetime | None


class AppealRow(msgspec.Struct, frozen=True):
    """One row of appraisal.appeal."""

    id: str
    organisation: str
    publication: str
    revision: int
    indicator: str
    wish: str
    before: Decimal
    account: str
    flow: int
    state: str
    version: int
    due_at: datetime | None
    points: Decimal | None
    answer: str
    led_to: int | None
    appealed_at: datetime
    decided_at: datetime | None


class NoticeRow(msgspec.Struct, frozen=True):
    """One row of appraisal.notice."""

    id: int
    organisation: str
    kind: str
    subject: str
    state: str
    addressee: str
    due_at: datetime
    at: datetime


def hold(tx: Transaction, id: str) -> None:
    """Nobody else files or appeals under this id until the transaction ends."""
    tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('appraisal ' || %s, 0))", [id])


def file(
    tx: Transaction, id: str, wish: FilingWish, account: str, filed_by: str, flow: Standing, now: datetime
) -> None:
    """Keep a filing."""
    tx.execute(
        """INSERT INTO appraisal.filing (id, organisation, set_name, indicator, start_on, end_on, wish, account, filed_by,
             flow, state, version, due_at, filed_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s)""",
        [
            id, wish.organisation, wish.set, wish.indicator, wish.start, wish.end,
            msgspec.json.encode(wish).decode(), account, filed_by, flow.flow, flow.state, flow.version, flow.due, now,
        ],
    )  # fmt: skip


def filing(tx: Transaction, id: str) -> FilingRow | None:
    """The filing, if the scope may see it."""
    return tx.first(FilingRow, f"SELECT {FILING} FROM appraisal.filing WHERE id = %s", [id])


def filings(tx: Transaction, organisation: str, state: str, after: str, limit: int) -> list[FilingRow]:
    """Filings that the scope may see, by id behind `after`; of an organisation and a state, or of any."""
    return tx.all(
        FilingRow,
        f"""SELECT {FILING} FROM appraisal.filing
            WHERE id > %s AND %s IN ('', organisation) AND %s IN ('', state) ORDER BY id LIMIT %s""",
        [after, organisation, state, limit],
    )


def accepted(tx: Transaction, set_name: str, start: date, end: date) -> list[FilingRow]:
    """Accepted filings for a set whose time lies within a period, by id."""
    return tx.all(
        FilingRow,
        f"""SELECT {FILING} FROM appraisal.filing
            WHERE state = 'accepted' AND set_name = %s AND start_on >= %s AND end_on <= %s ORDER BY id""",
        [set_name, start, end],
    )


def give(tx: Transaction, id: str, given: str, answer: str) -> None:
    """What the platform decided on a filing."""
    tx.execute("UPDATE appraisal.filing SET given = %s::jsonb, answer = %s WHERE id = %s", [given, answer, id])


def appeal_to(
    tx: Transaction, id: str, wish: AppealWish, organisation: str, before: Decimal, account: str, flow: Standing,
    now: datetime,
) -> None:  # fmt: skip
    """Keep an appeal."""
    tx.execute(
        """INSERT INTO appraisal.appeal (id, organisation, publication, revision, indicator, wish, before, account, flow,
             state, version, due_at, appealed_at)
           VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s, %s)""",
        [
            id, organisation, wish.publication, wish.revision, wish.indicator, msgspec.json.encode(wish).decode(), before,
            account, flow.flow, flow.state, flow.version, flow.due, now,
        ],
    )  # fmt: skip


def appeal(tx: Transaction, id: str) -> AppealRow | None:
    """The appeal, if the scope may see it."""
    return tx.first(AppealRow, f"SELECT {APPEAL} FROM appraisal.appeal WHERE id = %s", [id])


def appeals(tx: Transaction, organisation: str, state: str, after: str, limit: int) -> list[AppealRow]:
    """Appeals that the scope may see, by id behind `after`; of an organisation and a state, or of any."""
    return tx.all(
        AppealRow,
        f"""SELECT {APPEAL} FROM appraisal.appeal
            WHERE id > %s AND %s IN ('', organisation) AND %s IN ('', state) ORDER BY id LIMIT %s""",
        [after, organisation, state, limit],
    )


def upheld(tx: Transaction, publication: str) -> list[AppealRow]:
    """The appeals about a publication that were upheld, in the order of their revisions."""
    return tx.all(
        AppealRow,
        f"SELECT {APPEAL} FROM appraisal.appeal WHERE publication = %s AND state = 'upheld' ORDER BY led_to",
        [publication],
    )


def is_open(tx: Transaction, publication: str, organisation: str, indicator: str) -> bool:
    """Whether there is an undecided appeal about this."""
    return tx.scalar(
        bool,
        """SELECT EXISTS (SELECT FROM appraisal.appeal
           WHERE publication = %s AND organisation = %s AND indicator = %s AND state = 'appealed')""",
        [publication, organisation, indicator],
    )


def settle(tx: Transaction, id: str, points: Decimal | None, answer: str, led_to: int | None) -> None:
    """What the platform decided on an appeal."""
    tx.execute(
        "UPDATE appraisal.appeal SET points = %s, answer = %s, led_to = %s WHERE id = %s", [points, answer, led_to, id]
    )


def stand(tx: Transaction, table: Table, id: str, flow: Standing) -> None:
    """Where its flow stands now."""
    tx.execute(
        f"""UPDATE appraisal.{table} SET state = %s, version = %s, due_at = %s,
              decided_at = CASE WHEN %s THEN %s ELSE decided_at END WHERE id = %s""",
        [flow.state, flow.version, flow.due, flow.is_final, flow.at, id],
    )


def due(tx: Transaction, table: Table, ids: Sequence[str], dues: Sequence[datetime | None]) -> None:
    """Deadlines that were counted anew."""
    tx.execute(
        f"""UPDATE appraisal.{table} r SET due_at = t.due
            FROM unnest(%s::text[], %s::timestamptz[]) AS t (id, due) WHERE r.id = t.id""",
        [list(ids), list(dues)],
    )


def note(
    tx: Transaction, organisation: str, kind: str, subject: str, state: str, to: str, step: int, due: datetime,
    at: datetime,
) -> None:  # fmt: skip
    """Keep a notice, once."""
    tx.execute(
        """INSERT INTO appraisal.notice (organisation, kind, subject, state, addressee, step, due_at, at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING""",
        [organisation, kind, subject, state, to, step, due, at],
    )


def notices(tx: Transaction, after: int, limit: int) -> list[NoticeRow]:
    """Notices that the scope may see, behind a number."""
    return tx.all(
        NoticeRow,
        """SELECT id, organisation, kind, subject, state, addressee, due_at, at FROM appraisal.notice
           WHERE id > %s ORDER BY id LIMIT %s""",
        [after, limit],
    )
