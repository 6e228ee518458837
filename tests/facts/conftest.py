"""The city of these tests, behind its HTTP door, in this process; one for each file."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cityloom import app
from cityloom.kernel.jobs import platform_context
from facts.facts_kit import FILES, GRANTS, KEEPERS, City, Door, payments, write_pack
from scratch import Scratch
from serving import served
from sharing.sharing_kit import TurnedClock


@pytest.fixture(scope="module")
def city(shared_scratch: Scratch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """Every department has delivered, the register and the copies have followed, and education has grants to verify."""
    packs: Path = write_pack(tmp_path_factory.mktemp("packs"))
    settings = msgspec.structs.replace(
        shared_scratch.settings, packs=str(packs), city="small", language="en", min_free_mib=1
    )  # fmt: skip
    opened, clock = app.open_parts(settings), TurnedClock()
    parts = msgspec.structs.replace(opened, clock=clock)
    for module in app.MODULES:
        if module.install:
            module.install(platform_context(parts, "install"))
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
