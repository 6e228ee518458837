"""Sandbox twins: of every dataset of the shipped city, records that pass its checks, the same each time."""

from cityloom.exchange.api import gate, sandbox
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context

SAMPLED = {"address_cell": 2, "address_division": 2, "division_change": 3, "grid_cell": 2, "standard_address": 9}
"""Their values must fit over rows and datasets: the twin is what passes of the pack's own sample."""


def test_every_dataset_of_the_city_has_a_twin(city: Parts) -> None:
    ctx = platform_context(city, "test")
    empty = []
    for name, resolved in gate.declared(city.packs).items():
        try:
            rows = sandbox.records(ctx, name)
        except Exception as failure:  # noqa: BLE001 - told below
            empty.append((name, str(failure)[:300]))
            continue
        assert len(rows) == len({tuple(row[field] for field in resolved.key) for row in rows})
        assert list(rows[0]) == [field.name for field in resolved.fields]
        if len(rows) < SAMPLED.get(name, 20):
            empty.append((name, str(len(rows))))
    assert empty == []
