"""Messages to organisations, and what the catalogue could not do by itself yet."""

from datetime import datetime
from typing import Literal

import msgspec

from cityloom.kernel.db import Transaction

Act = Literal["announced", "regrade", "draft"]
Kind = Literal["warning", "overdue", "escalation", "setback", "moved"]
Params = dict[str, str | int]


class SetbackRow(msgspec.Struct, frozen=True):
    """An act that failed and is tried again."""

    resource: str
    act: Act
    organisation: str
    code: str


class NewMessage(msgspec.Struct, frozen=True):
    """A message as it is written; `code` names its words, which `params` fill."""

    organisation: str
    kind: str
    subject: str
    code: str
    params: Params
    at: datetime
    state: str = ""
    addressee: str = ""
    step: int = 0
    due_at: datetime | None = None


class MessageRow(msgspec.Struct, frozen=True):
    """A message as it stands in the table, with the resource that it is about."""

    id: int
    kind: Kind
    subject: str
    resource: str
    state: str
    addressee: str
    due_at: datetime | None
    code: str
    params: str
    at: datetime


def setbacks(tx: Transaction, act: Act) -> list[SetbackRow]:
    """What is to be tried again, longest tried first."""
    return tx.all(
        SetbackRow,
        "SELECT resource, act, organisation, code FROM catalogue.setback WHERE act = %s ORDER BY tried_at, resource",
        [act],
    )


def set_back(tx: Transaction, row: SetbackRow, params: Params, at: datetime) -> bool:
    """Keep that an act failed; whether that, or its reason, is new."""
    known = tx.values(
        str, "SELECT code FROM catalogue.setback WHERE resource = %s AND act = %s", [row.resource, row.act]
    )
    tx.execute(
        """INSERT INTO catalogue.setback (resource, act, organisation, code, params, since, tried_at, tries)
           VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s, 1)
           ON CONFLICT (resource, act) DO UPDATE SET code = excluded.code, params = excluded.params,
             organisation = excluded.organisation, tried_at = excluded.tried_at, tries = setback.tries + 1""",
        [row.resource, row.act, row.organisation, row.code, msgspec.json.encode(params).decode(), at, at],
    )
    return known != [row.code]


def forget(tx: Transaction, resource: str, act: Act) -> int:
    """It is done, or nobody wants it any more."""
    return tx.execute("DELETE FROM catalogue.setback WHERE resource = %s AND act = %s", [resource, act])


def tell(tx: Transaction, new: NewMessage) -> None:
    """Keep a message, once."""
    tx.execute(
        """INSERT INTO catalogue.message
             (organisation, kind, subject, state, addressee, step, due_at, code, params, at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s) ON CONFLICT DO NOTHING""",
        [
            new.organisation, new.kind, new.subject, new.state, new.addressee, new.step, new.due_at, new.code,
            msgspec.json.encode(new.params).decode(), new.at,
        ],
    )  # fmt: skip


def messages(tx: Transaction, organisation: str, after: int, limit: int) -> list[MessageRow]:
    """Messages to an organisation behind a number."""
    return tx.all(
        MessageRow,
        """SELECT m.id, m.kind, m.subject, coalesce(d.resource, q.resource, substring(m.subject FROM '^[a-z]+:(.*)$'))
             AS resource, m.state, m.addressee, m.due_at, m.code, m.params::text AS params, m.at
           FROM catalogue.message m
             LEFT JOIN catalogue.draft d ON m.subject = 'draft:' || d.id
             LEFT JOIN catalogue.dispute q ON m.subject = 'dispute:' || q.id
           WHERE m.organisation = %s AND m.id > %s ORDER BY m.id LIMIT %s""",
        [organisation, after, limit],
    )
