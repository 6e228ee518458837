"""SQL of uses and quotas."""

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.sharing.contracts import Use

COLUMNS = """u.id, u.granted AS "grant", u.at, u.organisation, u.account, u.way, u.purpose, u.case_reference AS "case", u.fields,
    u.key_digest, u.found, coalesce(e.rows, u.rows) AS rows, e.complete, u.sequence, u.request, u.audit_position"""
TABLES = "sharing.use u LEFT JOIN sharing.use_end e USING (granted, id)"


class NewUse(msgspec.Struct, frozen=True):
    """One use, before it is answered."""

    grant: str
    id: str
    organisation: str
    keeper: str
    dataset: str
    account: str
    way: str
    purpose: str
    case: str
    fields: str
    """Names separated by commas."""
    key_digest: str
    found: bool | None
    rows: int | None
    sequence: int
    request: str

    def line(self) -> bytes:
        """What the digest in the audit log covers."""
        return msgspec.json.encode(self) + b"\n"


class Metered(msgspec.Struct, frozen=True):
    """What a grant has used by now, these questions included."""

    granted: str
    in_day: int
    in_minute: int


def add(tx: Transaction, uses: Sequence[NewUse], positions: Sequence[int], at: datetime) -> None:
    """Keep uses with the audit position that covers each. As JSON: arrays of texts cost the client ten times as much."""
    rows = [
        [
            use.grant, use.id, use.organisation, use.keeper, use.dataset, use.account, use.way, use.purpose, use.case,
            use.fields, use.key_digest, use.request, use.found, use.rows, use.sequence, position,
        ]
        for use, position in zip(uses, positions, strict=True)
    ]  # fmt: skip
    tx.execute(
        """INSERT INTO sharing.use (granted, id, organisation, keeper, dataset, account, way, purpose, case_reference,
             fields, key_digest, request, found, rows, sequence, audit_position, at)
           SELECT e ->> 0, e ->> 1, e ->> 2, e ->> 3, e ->> 4, e ->> 5, e ->> 6, e ->> 7, e ->> 8,
             string_to_array(e ->> 9, ','), e ->> 10, e ->> 11, (e ->> 12)::bool, (e ->> 13)::bigint,
             (e ->> 14)::bigint, (e ->> 15)::bigint, %s
           FROM jsonb_array_elements(%s::jsonb) AS t (e)""",
        [at, msgspec.json.encode(rows).decode()],
    )


def listed(tx: Transaction, grant: str, after: str, limit: int) -> list[Use]:
    """Uses of a grant, oldest first."""
    return tx.all(
        Use,
        f"SELECT {COLUMNS} FROM {TABLES} WHERE u.granted = %s AND u.id > %s ORDER BY u.id LIMIT %s",
        [grant, after, limit],
    )


def end(tx: Transaction, use: NewUse, rows: int, complete: bool, at: datetime, position: int) -> int:
    """A streamed use came to its end."""
    return tx.execute(
        """INSERT INTO sharing.use_end (granted, id, organisation, keeper, rows, complete, at, audit_position)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [use.grant, use.id, use.organisation, use.keeper, rows, complete, at, position],
    )


def meter(
    tx: Transaction, grants: Sequence[tuple[str, str, str, int]], day: date, minute: datetime, now: datetime
) -> list[Metered]:
    """Count questions (grant, organisation, keeper, how many) towards quotas. Grants in the order of their ids, so that
    two processes never wait for each other in a circle."""
    ordered = sorted(grants)
    ids, organisations, keepers, numbers = (list(column) for column in zip(*ordered, strict=True))
    return tx.all(
        Metered,
        """INSERT INTO sharing.meter AS m (granted, organisation, keeper, day, in_day, minute, in_minute, used_at)
           SELECT g, o, k, %(day)s, n, %(minute)s, n, %(now)s
           FROM unnest(%(ids)s::text[], %(organisations)s::text[], %(keepers)s::text[], %(numbers)s::int[])
             AS t (g, o, k, n)
           ON CONFLICT (granted) DO UPDATE SET
             in_day = CASE WHEN m.day = excluded.day THEN m.in_day ELSE 0 END + excluded.in_day, day = excluded.day,
             in_minute = CASE WHEN m.minute = excluded.minute THEN m.in_minute ELSE 0 END + excluded.in_minute,
             minute = excluded.minute, used_at = excluded.used_at
           RETURNING granted, in_day, in_minute""",
        {"day": day, "minute": minute, "now": now, "ids": ids, "organisations": organisations, "keepers": keepers,
         "numbers": numbers},
    )  # fmt: skip


def touch(tx: Transaction, grant: str, organisation: str, keeper: str, now: datetime) -> None:
    """Note that a grant was used, without counting towards its quotas."""
    tx.execute(
        """INSERT INTO sharing.meter AS m (granted, organisation, keeper, day, in_day, minute, in_minute, used_at)
           VALUES (%(grant)s, %(organisation)s, %(keeper)s, %(now)s::date, 0, %(now)s, 0, %(now)s)
           ON CONFLICT (granted) DO UPDATE SET used_at = excluded.used_at""",
        {"grant": grant, "organisation": organisation, "keeper": keeper, "now": now},
    )


def find(tx: Transaction, grant: str, id: str) -> Use | None:
    """One use of a grant, if the scope may see it."""
    return tx.first(Use, f"SELECT {COLUMNS} FROM {TABLES} WHERE u.granted = %s AND u.id = %s", [grant, id])


def of_record(tx: Transaction, dataset: str, key_digest: str, limit: int) -> list[Use]:
    """Uses that asked for one record, newest first."""
    return tx.all(
        Use,
        f"""SELECT {COLUMNS} FROM {TABLES} WHERE u.dataset = %s AND u.key_digest = %s AND u.key_digest <> ''
            ORDER BY u.at DESC, u.granted, u.id LIMIT %s""",
        [dataset, key_digest, limit],
    )


def askers(tx: Transaction, dataset: str, key_digest: str, field: str, since: datetime) -> list[str]:
    """Organisations that asked for this field of this record since then, and were not told that there is none."""
    return tx.values(
        str,
        """SELECT DISTINCT organisation FROM sharing.use
           WHERE dataset = %s AND key_digest = %s AND key_digest <> '' AND found AND %s = ANY(fields) AND at >= %s
           ORDER BY organisation""",
        [dataset, key_digest, field, since],
    )
