"""SQL of what was asked."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.facts.contracts import Asked, AskedAbout
from cityloom.kernel.db import Transaction


class NewAbout(msgspec.Struct, frozen=True):
    """Somebody who was asked about, by the number of the register, which says nothing of them."""

    register: str
    entity: str
    role: str


class NewAsked(msgspec.Struct, frozen=True):
    """What was asked, before it is answered."""

    id: str
    list: str
    organisation: str
    account: str
    purpose: str
    case: str
    consent: str
    consent_at: datetime
    answers: dict[str, str]
    papers_asked: int
    statement: str
    audit_position: int
    about: tuple[NewAbout, ...]


class _AskedRow(msgspec.Struct, frozen=True):
    id: str
    at: datetime
    list: str
    organisation: str
    account: str
    purpose: str
    case: str
    consent: str
    consent_at: datetime
    answers: str
    papers_asked: int
    statement: str
    audit_position: int


def keep(tx: Transaction, asked: Sequence[NewAsked], now: datetime) -> None:
    """Keep what was asked, and about whom. As JSON: arrays of texts cost the client several times as much."""
    if not asked:
        return
    tx.execute(
        """INSERT INTO facts.asked (id, list, organisation, account, purpose, case_reference, consent, consent_at, answers,
             papers_asked, statement, audit_position, at)
           SELECT e ->> 'id', e ->> 'list', e ->> 'organisation', e ->> 'account', e ->> 'purpose', e ->> 'case',
             e ->> 'consent', (e ->> 'consent_at')::timestamptz, e -> 'answers', (e ->> 'papers_asked')::int,
             e ->> 'statement', (e ->> 'audit_position')::bigint, %s
           FROM jsonb_array_elements(%s::jsonb) AS t (e)""",
        [now, msgspec.json.encode(asked).decode()],
    )
    rows = [(each.register, each.entity, one.id, each.role) for one in asked for each in one.about]
    tx.execute(
        """INSERT INTO facts.about (register, entity, asked, role)
           SELECT e ->> 0, e ->> 1, e ->> 2, e ->> 3 FROM jsonb_array_elements(%s::jsonb) AS t (e)""",
        [msgspec.json.encode(rows).decode()],
    )


def find(tx: Transaction, id: str) -> Asked | None:
    """What was asked, if the scope may see it."""
    row = tx.first(
        _AskedRow,
        """SELECT id, at, list, organisation, account, purpose, case_reference AS case, consent, consent_at,
             answers::text AS answers, papers_asked, statement, audit_position
           FROM facts.asked WHERE id = %s""",
        [id],
    )
    if row is None:
        return None
    answers = msgspec.json.decode(row.answers, type=dict[str, str])
    return Asked(**{**msgspec.structs.asdict(row), "answers": answers})


def lists(tx: Transaction) -> list[str]:
    """The lists of which something is kept."""
    return tx.values(
        str,
        """WITH RECURSIVE l AS ((SELECT list FROM facts.asked ORDER BY list LIMIT 1) UNION ALL
             SELECT (SELECT a.list FROM facts.asked a WHERE a.list > l.list ORDER BY a.list LIMIT 1) FROM l WHERE l.list IS NOT NULL)
           SELECT list FROM l WHERE list IS NOT NULL""",
    )


def forget(tx: Transaction, name: str, before: datetime, most: int) -> int:
    """Remove some of what was asked by a list before a moment, and whom it was about; how many."""
    ids = tx.values(str, "SELECT id FROM facts.asked WHERE list = %s AND at < %s LIMIT %s", [name, before, most])
    if ids:
        tx.execute("DELETE FROM facts.about WHERE asked = ANY(%s)", [ids])
        tx.execute("DELETE FROM facts.asked WHERE id = ANY(%s)", [ids])
    return len(ids)


def about(tx: Transaction, register: str, entity: str, before: str, limit: int) -> list[AskedAbout]:
    """What was asked about somebody, newest first, before an id (empty: from the newest on)."""
    return tx.all(
        AskedAbout,
        """SELECT a.id, a.at, a.list, b.role, a.organisation, a.account, a.purpose, a.case_reference AS case, a.consent,
             ARRAY(SELECT jsonb_object_keys(a.answers) ORDER BY 1) AS facts, a.audit_position
           FROM facts.about b JOIN facts.asked a ON a.id = b.asked
           WHERE b.register = %s AND b.entity = %s AND (%s = '' OR b.asked < %s) ORDER BY b.asked DESC, b.role LIMIT %s""",
        [register, entity, before, before, limit],
    )
