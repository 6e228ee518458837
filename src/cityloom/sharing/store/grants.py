"""SQL of grants."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.kernel.flow.contracts import Standing

COLUMNS = """g.id, g.request, g.organisation, g.keeper, g.dataset, g.purpose, g.legal_basis, g.terms::text AS terms,
    g.flow, g.state, g.version, g.valid_from, g.valid_until, g.certify_by, g.ended_at, g.ended_why, m.used_at,
    m.day AS counted_on, coalesce(m.in_day, 0) AS in_day"""
TABLES = "sharing.granted g LEFT JOIN sharing.meter m ON m.granted = g.id"


class GrantRow(msgspec.Struct, frozen=True):
    """One row of sharing.granted, with its last use."""

    id: str
    request: str
    organisation: str
    keeper: str
    dataset: str
    purpose: str
    legal_basis: str
    terms: str
    flow: int
    state: str
    version: int
    valid_from: datetime
    valid_until: datetime
    certify_by: datetime | None
    ended_at: datetime | None
    ended_why: str
    used_at: datetime | None
    counted_on: date | None
    in_day: int
    """Questions on the day that was counted last."""


class NewGrant(msgspec.Struct, frozen=True):
    """What a new grant says."""

    id: str
    organisation: str
    keeper: str
    dataset: str
    purpose: str
    legal_basis: str
    terms: str
    valid_from: datetime
    valid_until: datetime


class Version(msgspec.Struct, frozen=True):
    """Which version of a grant is the present one."""

    id: str
    version: int


def add(tx: Transaction, new: NewGrant, flow: Standing) -> None:
    """Keep a grant."""
    tx.execute(
        """INSERT INTO sharing.granted (id, request, organisation, keeper, dataset, purpose, legal_basis, terms, flow,
             state, version, valid_from, valid_until, certify_by)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, %s, %s, %s, %s)""",
        [
            new.id, new.id, new.organisation, new.keeper, new.dataset, new.purpose, new.legal_basis, new.terms,
            flow.flow, flow.state, flow.version, new.valid_from, new.valid_until, flow.due,
        ],
    )  # fmt: skip


def stand(tx: Transaction, id: str, flow: Standing, why: str) -> None:
    """Where its flow stands now; processes that hold an older version read it anew."""
    tx.execute(
        """UPDATE sharing.granted SET state = %(state)s, version = %(version)s, certify_by = %(due)s,
             ended_at = CASE WHEN %(final)s THEN %(at)s ELSE ended_at END,
             ended_why = CASE WHEN %(final)s THEN %(why)s ELSE ended_why END WHERE id = %(id)s""",
        {"state": flow.state, "version": flow.version, "due": flow.due, "final": flow.is_final, "at": flow.at,
         "why": why, "id": id},
    )  # fmt: skip


def renew(tx: Transaction, id: str, terms: str, until: datetime) -> None:
    """Other terms and a later end."""
    tx.execute("UPDATE sharing.granted SET terms = %s::jsonb, valid_until = %s WHERE id = %s", [terms, until, id])


def find(tx: Transaction, id: str) -> GrantRow | None:
    """The grant, if the scope may see it."""
    return tx.first(GrantRow, f"SELECT {COLUMNS} FROM {TABLES} WHERE g.id = %s", [id])


def several(tx: Transaction, ids: Sequence[str]) -> list[GrantRow]:
    """These grants, in no order."""
    return tx.all(GrantRow, f"SELECT {COLUMNS} FROM {TABLES} WHERE g.id = ANY(%s)", [list(ids)])


def versions(tx: Transaction, ids: Sequence[str]) -> list[Version]:
    """The present version of these grants."""
    return tx.all(Version, "SELECT id, version FROM sharing.granted WHERE id = ANY(%s)", [list(ids)])


def listed(tx: Transaction, state: str, dataset: str, after: str, limit: int) -> list[GrantRow]:
    """Grants that the scope may see, by id behind `after`; of a state and a dataset, or of any."""
    return tx.all(
        GrantRow,
        f"""SELECT {COLUMNS} FROM {TABLES} WHERE g.id > %s AND %s IN ('', g.state) AND %s IN ('', g.dataset)
            ORDER BY g.id LIMIT %s""",
        [after, state, dataset, limit],
    )


def in_force(tx: Transaction, dataset: str, field: str, now: datetime, after: str, limit: int) -> list[str]:
    """Ids of the grants that give this field of a dataset now, behind `after`."""
    return tx.values(
        str,
        """SELECT id FROM sharing.granted WHERE dataset = %s AND state = 'active' AND valid_from <= %s AND valid_until > %s
             AND terms -> 'fields' ? %s AND id > %s ORDER BY id LIMIT %s""",
        [dataset, now, now, field, after, limit],
    )


class Party(msgspec.Struct, frozen=True):
    """A grant, by who holds it for what."""

    id: str
    organisation: str
    purpose: str


def of_parties(
    tx: Transaction, parties: Sequence[tuple[str, str]], datasets: Sequence[str], now: datetime
) -> list[Party]:
    """Grants in force of organisations for purposes (pairs of these) on datasets, by id."""
    return tx.all(
        Party,
        """SELECT g.id, g.organisation, g.purpose FROM sharing.granted g
           JOIN unnest(%s::text[], %s::text[]) AS t (organisation, purpose) USING (organisation, purpose)
           WHERE g.dataset = ANY(%s) AND g.state = 'active' AND g.valid_from <= %s AND g.valid_until > %s ORDER BY g.id""",
        [[one for one, _ in parties], [other for _, other in parties], list(datasets), now, now],
    )


def expired(tx: Transaction, now: datetime, limit: int) -> list[GrantRow]:
    """Active grants whose time is over."""
    return tx.all(
        GrantRow,
        f"""SELECT {COLUMNS} FROM {TABLES} WHERE g.state = 'active' AND g.valid_until <= %s
            ORDER BY g.valid_until LIMIT %s""",
        [now, limit],
    )


def unused(tx: Transaction, since: datetime, limit: int) -> list[GrantRow]:
    """Active grants that were given before a moment and not used since."""
    return tx.all(
        GrantRow,
        f"""SELECT {COLUMNS} FROM {TABLES} WHERE g.state = 'active' AND g.valid_from < %(since)s
              AND coalesce(m.used_at, g.valid_from) < %(since)s ORDER BY g.id LIMIT %(limit)s""",
        {"since": since, "limit": limit},
    )


def due(tx: Transaction, ids: Sequence[str], dues: Sequence[datetime | None]) -> None:
    """Days to certify by that were counted anew."""
    tx.execute(
        """UPDATE sharing.granted g SET certify_by = t.due
           FROM unnest(%s::text[], %s::timestamptz[]) AS t (id, due) WHERE g.id = t.id""",
        [list(ids), list(dues)],
    )
