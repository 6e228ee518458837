"""Addresses of the sample city: its keeper delivers a library, and texts as people write them are matched with it."""

import tempfile
import time
from datetime import date
from pathlib import Path

import msgspec

from cityloom import client
from cityloom.samplecity import api as samplecity

RIGHTS = ("addresses.read",)
KEEPER = "psb"
FEWEST, TEXTS, GROUP = 5_000, 400, 200
PATIENCE = 600.0


class Addresses(msgspec.Struct, frozen=True):
    """The library, and how well texts found their standard address."""

    library: int
    texts: int
    matched: int
    right: int
    precision: float
    recall: float


def match(keeper: client.Exchange, plan: samplecity.Plan, on: date) -> Addresses:
    """Deliver about one address for every ten people, wait until the library has them, and ask for texts."""
    count = max(FEWEST, plan.people // 10)
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.csv" for name in ("standard_address", "address_division")}
        library, _ = samplecity.write_addresses(plan, count, *files.values())
        for dataset, path in files.items():
            keeper.deliver(dataset, "library", client.File(path))
    _follow(keeper)
    texts = list(samplecity.misspellings(plan, count, max(1, count // TEXTS)))
    answers = []
    for start in range(0, len(texts), GROUP):
        body = {"texts": [each.text for each in texts[start : start + GROUP]], "on": on.isoformat()}
        answers += client.checked(keeper.http.post("/api/addresses/match", json=body))
    found = [
        (each.code, answer["code"])
        for each, answer in zip(texts, answers, strict=True)
        if answer["decision"] == "matched"
    ]
    right = sum(meant == told for meant, told in found)
    meant = sum(bool(each.code) for each in texts)
    return Addresses(
        library, len(texts), len(found), right, round(right / len(found), 4) if found else 1.0,
        round(right / meant, 4) if meant else 1.0,
    )  # fmt: skip


def _follow(keeper: client.Exchange) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        sources = keeper.get("/api/addresses/library")["sources"]
        if all(each["followed_at"] is not None and each["sequence"] >= each["last_sequence"] for each in sources):
            return
        if time.monotonic() > end:
            raise TimeoutError("the address library does not follow")
        time.sleep(0.5)
