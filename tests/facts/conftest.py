"""The city of these tests, behind its HTTP door, in this process; one for each file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cityloom import app
from facts.facts_kit import FILES, GRANTS, KEEPERS, City, Door, payments, write_pack
from installing import installed
from scratch import Scratch
from serving import served
from sharing.sharing_kit import TurnedClock


@pytest.fixture(scope="module")
def city(shared_scratch: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Every department has delivered, the register and the copies have followed, and education has grants to verify."""
    packs: Path = write_pack(tmp_path_factory.mktemp("packs"))
    clock = TurnedClock()
    parts = installed(shared_scratch, clock, packs=str(packs), city="small")
    with served(parts) as client:
        doors = {name: Door(client, parts, name) for name in KEEPERS}
        found = City(parts, clock, shared_scratch.admin_url, client, doors)
        for dataset, (keeper, text) in FILES.items():
            doors[keeper].deliver(dataset, f"{dataset}-1", text)
        doors["hrss"].deliver("social_insurance_payment", "pay-1", payments(), mode="append")
        found.rebuild()
        found.follow()
        for dataset in GRANTS:
            found.grant(dataset, f"g-{dataset}")
        yield found
    app.close_parts(parts)
