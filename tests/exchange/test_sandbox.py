"""Sandbox twins: of every dataset of the shipped city, records that pass its checks, the same each time."""

from cityloom.exchange.api import gate, sandbox
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context

TWINLESS = {"address_cell", "address_division", "division_change", "grid_cell", "standard_address"}
"""Codes and spans of the address library must fit one another, which nothing made up by itself does: no twin yet."""


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
        if len(rows) < 20:
            empty.append((name, str(len(rows))))
    assert {name for name, _ in empty} <= TWINLESS, empty
