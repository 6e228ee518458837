"""Small pieces of DuckDB SQL that the rules are put together from."""

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from cityloom.kernel.sql import literal


def constant(value: str | float | Decimal | date | datetime) -> str:
    """A literal of the pack's declaration; never of delivered data."""
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, datetime):
        return f"TIMESTAMP {literal(value.isoformat(sep=' '))}"
    if isinstance(value, date):
        return f"DATE {literal(value.isoformat())}"
    return f"{Decimal(str(value)):f}"


def any_of(conditions: Iterable[str]) -> str:
    """OR of conditions; false when there are none."""
    return " OR ".join(conditions) or "false"
