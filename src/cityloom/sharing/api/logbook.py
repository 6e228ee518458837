"""Uses are kept before they are answered: rows for people, and in the audit log a digest over them."""

import hashlib
import os
import time
from collections.abc import Sequence
from datetime import datetime

from cityloom.kernel import secrets
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit.entry import Entry, Fact
from cityloom.kernel.context import Parts
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Problem
from cityloom.sharing.rules import using
from cityloom.sharing.rules.using import Live
from cityloom.sharing.store import uses
from cityloom.sharing.store.uses import NewUse


def new_id() -> str:
    """An id of a use: ids sort as their times do."""
    return f"u{time.time_ns():016x}{os.urandom(3).hex()}"


def secret(parts: Parts, name: str) -> str:
    """A secret of this city for sharing, as hexadecimal text."""
    return secrets.load_or_make(parts.settings.secrets, f"sharing_{name}")


def salt(parts: Parts, grant: str) -> str:
    """The secret that makes pseudonyms of one grant unlike those of any other."""
    return hashlib.sha256(f"{secret(parts, 'pseudonyms')} {grant}".encode()).hexdigest()


def meter(tx: Transaction, parts: Parts, grants: Sequence[Live], now: datetime) -> list[Problem | None]:
    """Count one question towards the quota of each grant, in order; for those that are one too many, what to answer."""
    if not grants:
        return []
    left: dict[str, int] = {}
    for grant in grants:
        left[grant.id] = left.get(grant.id, 0) + 1
    parties = {grant.id: (grant.organisation, grant.keeper) for grant in grants}
    local = now.astimezone(parts.calendars.city.table.zone)
    counted = [(id, *parties[id], number) for id, number in left.items()]
    metered = uses.meter(tx, counted, local.date(), now.replace(second=0, microsecond=0), now)
    used = {row.granted: row for row in metered}
    found = []
    for grant in grants:
        left[grant.id] -= 1
        row, later = used[grant.id], left[grant.id]
        found.append(using.over(grant, row.in_day - later, row.in_minute - later, now))
    return found


def keep(
    tx: Transaction, made: Sequence[NewUse], others: Sequence[Entry], now: datetime
) -> tuple[list[int], list[int]]:
    """Write uses, and other entries such as refusals; the audit positions that cover the uses, and those of the others.

    One entry for all uses that one account makes of one grant at once: it holds their number, the first and last id,
    and the SHA-256 of their lines in order, so that no use can be changed or left out afterwards.
    """
    groups: dict[tuple[str, str, str], list[NewUse]] = {}
    for use in made:
        groups.setdefault((use.grant, use.account, use.purpose), []).append(use)
    entries = [_entry(members, now) for members in groups.values()]
    positions = audit.append(tx, [*others, *entries])
    placed = dict(zip(groups, positions[len(others) :], strict=True))
    found = [placed[use.grant, use.account, use.purpose] for use in made]
    if made:
        uses.add(tx, made, found, now)
    return found, positions[: len(others)]


def end(tx: Transaction, use: NewUse, rows: int, complete: bool, now: datetime) -> None:
    """Write what a streamed use came to, with an audit entry of its own."""
    facts: dict[str, Fact] = {"dataset": use.dataset, "use": use.id, "rows": rows, "complete": complete}
    entry = Entry(
        time=now, actor=use.account, organisation=use.organisation, action="sharing.use_ended",
        subject=f"grant:{use.grant}", purpose=use.purpose, request=use.request, facts=facts,
    )  # fmt: skip
    uses.end(tx, use, rows, complete, now, audit.append(tx, [entry])[0])


def _entry(members: Sequence[NewUse], now: datetime) -> Entry:
    first = members[0]
    lines = hashlib.sha256(b"".join(use.line() for use in members)).hexdigest()
    return Entry(
        time=now,
        actor=first.account,
        organisation=first.organisation,
        action="sharing.used",
        subject=f"grant:{first.grant}",
        purpose=first.purpose,
        request=first.request,
        facts={
            "dataset": first.dataset, "uses": len(members), "first": first.id, "last": members[-1].id,
            "digest": f"sha256:{lines}", "cases": tuple(dict.fromkeys(use.case for use in members))[:20],
        },
    )  # fmt: skip
