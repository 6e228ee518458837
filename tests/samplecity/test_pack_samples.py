"""The samples of every pack come to what its expect.yaml says, by a judge that shares no code with the product."""

from datetime import datetime

import msgspec
import pytest
from city_judge import Judge
from city_kit import ROOT

from cityloom.kernel import packs
from cityloom.samplecity.contracts import Fault

BEYOND = {"places"}
"""Its checks reach over rows and datasets, which the judge does not know: the real gate tries it (`tests/packs`)."""
CITY = {pack.name for pack in packs.choose([ROOT / "packs"], "shenzhen")} - BEYOND
NAMES = sorted(
    path.parent.parent.name
    for path in (ROOT / "packs").glob("*/samples/expect.yaml")
    if path.parent.parent.name in CITY
)
"""Packs of the sample city that a judge of the tests' own can try."""
NOW = datetime(2026, 11, 21)  # noqa: DTZ001 - local, as the judge has it


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one sample must come to."""

    rows: int
    accepted: int
    quarantined: int
    duplicates: int
    faults: tuple[Fault, ...]


def test_every_pack_with_datasets_has_samples() -> None:
    with_datasets = {path.parent.parent.name for path in (ROOT / "packs").glob("*/exchange/*.yaml")}
    assert with_datasets & CITY == set(NAMES)
    assert len(NAMES) == 9
    assert all((ROOT / "packs" / name / "samples/expect.yaml").is_file() for name in with_datasets)


@pytest.mark.parametrize("within", ["itself", "shenzhen"])
@pytest.mark.parametrize("name", NAMES)
def test_samples_come_to_what_is_expected(name: str, within: str) -> None:
    """By themselves, and in the city whose communities they name."""
    chosen = packs.choose([ROOT / "packs"], name)
    city = chosen if within == "itself" else packs.choose([ROOT / "packs"], within)
    judge = Judge([pack.folder for pack in city], NOW)
    seen = set()
    for pack in chosen:
        samples = pack.folder / "samples"
        if not samples.is_dir():
            continue
        expected = packs.decode(samples / "expect.yaml", dict[str, Expected])
        assert (
            set(expected)
            == {path.stem for path in samples.glob("*.csv")}
            == {path.stem for path in pack.files("exchange")}
        )
        for dataset, wanted in expected.items():
            mode = judge.datasets[dataset]["modes"][0]
            found = judge.judge_bytes(dataset, mode, (samples / f"{dataset}.csv").read_bytes(), "csv", "utf-8")
            counts = (found.rows, found.accepted, found.quarantined, found.duplicates)
            assert counts == (wanted.rows, wanted.accepted, wanted.quarantined, wanted.duplicates), dataset
            assert found.faults == {(fault.row, fault.field, fault.rule) for fault in wanted.faults}, dataset
            seen.add(dataset)
    assert {path.stem for path in chosen.named(name).files("exchange")} <= seen
