"""All SQL of operation."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.operation.contracts import Level


class GaugeRow(msgspec.Struct, frozen=True):
    """One row of operation.gauge; the title is JSON."""

    name: str
    title: str
    unit: str
    warning: float
    alarm: float
    value: float
    subject: str
    level: Level
    since: datetime
    pending: Level
    looks: int
    seen_at: datetime


def known(tx: Transaction) -> list[GaugeRow]:
    """Every gauge, by name."""
    return tx.all(
        GaugeRow,
        """SELECT name, title::text AS title, unit, warning, alarm, value, subject, level, since, pending, looks, seen_at
           FROM operation.gauge ORDER BY name""",
    )


def put(tx: Transaction, row: GaugeRow) -> None:
    """Keep the last look at a gauge."""
    tx.execute(
        """INSERT INTO operation.gauge (name, title, unit, warning, alarm, value, subject, level, since, pending, looks, seen_at)
           VALUES (%(name)s, %(title)s::jsonb, %(unit)s, %(warning)s, %(alarm)s, %(value)s, %(subject)s, %(level)s, %(since)s,
             %(pending)s, %(looks)s, %(seen_at)s)
           ON CONFLICT (name) DO UPDATE SET title = excluded.title, unit = excluded.unit, warning = excluded.warning,
             alarm = excluded.alarm, value = excluded.value, subject = excluded.subject, level = excluded.level,
             since = excluded.since, pending = excluded.pending, looks = excluded.looks, seen_at = excluded.seen_at""",
        msgspec.structs.asdict(row),
    )


def keep_only(tx: Transaction, names: Sequence[str]) -> None:
    """Forget gauges that no module has any more, or that have nothing to measure."""
    tx.execute("DELETE FROM operation.gauge WHERE NOT name = ANY(%s)", [list(names)])


def server_version(tx: Transaction) -> str:
    """PostgreSQL's version, such as 18.1."""
    return tx.scalar(str, "SELECT split_part(current_setting('server_version'), ' ', 1)")
