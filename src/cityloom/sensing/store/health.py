"""How devices are: what the rules look at, what they found, and how many devices are how."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from cityloom.kernel.db import Transaction

MOST_READINGS = 1_000
"""Of one Datastream that a rule looks at; the newest."""


def hush(tx: Transaction, station: str, before: datetime, now: datetime) -> int:
    """Devices of a type that were last heard before that moment are silent; how many more."""
    return tx.execute(
        """UPDATE sensing.device_signs s SET health = 'silent', health_since = %(now)s, causes = '["silent"]'
           FROM sensing.devices d WHERE d.id = s.device_id AND d.station = %(station)s AND d.state = 'in_service'
             AND s.last_seen < %(before)s AND s.health <> 'silent'""",
        {"station": station, "before": before, "now": now},
    )


def due(tx: Transaction, station: str, before: datetime, most: int) -> list[int]:
    """Devices of a type that speak and were not looked at since then, those that waited longest first."""
    return tx.values(
        int,
        """SELECT s.device_id FROM sensing.device_signs s JOIN sensing.devices d ON d.id = s.device_id
           WHERE d.station = %s AND d.state = 'in_service' AND s.health <> 'silent' AND (s.judged IS NULL OR s.judged < %s)
           ORDER BY s.judged NULLS FIRST, s.device_id LIMIT %s""",
        [station, before, most],
    )


class Seen(msgspec.Struct, frozen=True):
    """The numbers of one Datastream since a moment."""

    device: int
    code: str
    total: int
    low: float
    high: float
    doubtful: int


def seen(tx: Transaction, devices: Sequence[int], series: str, aspect: str, since: datetime) -> list[Seen]:
    """Of each quantity of these devices that has any number since then, the newest thousand."""
    return tx.all(
        Seen,
        """SELECT s.device_id AS device, s.code, w.total, w.low, w.high, w.doubtful
           FROM sensing.device_streams s CROSS JOIN LATERAL (
             SELECT count(*) AS total, min(number) AS low, max(number) AS high,
               count(*) FILTER (WHERE quality ->> 'plausible' = 'no') AS doubtful
             FROM (SELECT number, quality FROM sensing.observations o
               WHERE o.datastream_id = s.datastream_id AND o.phenomenon_start >= %(since)s AND o.number IS NOT NULL
               ORDER BY o.phenomenon_start DESC LIMIT %(most)s) newest) w
           WHERE s.device_id = ANY(%(devices)s) AND s.series = %(series)s AND s.aspect = %(aspect)s AND w.total > 0""",
        {"devices": list(devices), "series": series, "aspect": aspect, "since": since, "most": MOST_READINGS},
    )


class Level(msgspec.Struct, frozen=True):
    """The median of one quantity of a device between two moments."""

    device: int
    code: str
    total: int
    middle: float


def levels(
    tx: Transaction, devices: Sequence[int], key: tuple[str, str], codes: Sequence[str], since: datetime, until: datetime
) -> list[Level]:  # fmt: skip
    """Medians of these quantities (`key`: series and aspect)."""
    return tx.all(
        Level,
        """SELECT s.device_id AS device, s.code, count(*) AS total,
             percentile_cont(0.5) WITHIN GROUP (ORDER BY o.number) AS middle
           FROM sensing.device_streams s JOIN sensing.observations o ON o.datastream_id = s.datastream_id
           WHERE s.device_id = ANY(%s) AND s.series = %s AND s.aspect = %s AND s.code = ANY(%s)
             AND o.phenomenon_start >= %s AND o.phenomenon_start < %s AND o.number IS NOT NULL
           GROUP BY s.device_id, s.code""",
        [list(devices), *key, list(codes), since, until],
    )


class Judged(msgspec.Struct, frozen=True):
    """How a device was found."""

    device: int
    health: str
    causes: tuple[str, ...]


def write(tx: Transaction, found: Sequence[Judged], now: datetime) -> None:
    """How devices are; `health_since` moves only where that is new. One that went silent meanwhile stays so."""
    tx.execute(
        """UPDATE sensing.device_signs s SET judged = %(now)s, health = u.h, causes = u.c,
             health_since = CASE WHEN s.health = u.h THEN s.health_since ELSE %(now)s END
           FROM unnest(%(devices)s::bigint[], %(healths)s::text[], %(causes)s::jsonb[]) u(id, h, c)
           WHERE s.device_id = u.id AND s.health <> 'silent'""",
        {
            "now": now, "devices": [each.device for each in found], "healths": [each.health for each in found],
            "causes": [msgspec.json.encode(each.causes).decode() for each in found],
        },
    )  # fmt: skip


class Count(msgspec.Struct, frozen=True):
    """So many devices of a type in a district are in this state and health."""

    station: str
    district: str
    state: str
    health: str
    devices: int


def counts(tx: Transaction) -> list[Count]:
    """Over all devices that the scope sees."""
    return tx.all(
        Count,
        """SELECT d.station, d.district, d.state, COALESCE(s.health, 'unheard') AS health, count(*) AS devices
           FROM sensing.devices d LEFT JOIN sensing.device_signs s ON s.device_id = d.id
           GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4""",
    )
