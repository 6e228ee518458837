"""The pack that docs/guides/write-a-pack.md shows is right: its files are taken from the page, checked and tried."""

import csv
import re
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from cityloom.catalogue import api as catalogue
from cityloom.devtools.packs import Expected, app
from cityloom.exchange.rules import resolve
from cityloom.exchange.spec import Dataset, ResolvedDataset
from cityloom.kernel import packs

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "write-a-pack.md"
FILE = re.compile(r"^\*\*`(charging/[^`]+)`\*\*\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packs with the page's pack in it."""
    home = tmp_path_factory.mktemp("packs")
    for name, text in FILE.findall(PAGE.read_text(encoding="utf-8")):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text, encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def datasets(folder: Path) -> dict[str, ResolvedDataset]:
    """The page's datasets, resolved as a city would."""
    chosen = packs.choose([ROOT / "packs", folder], "charging")
    standards = catalogue.standards(chosen)
    return resolve.resolve_all(chosen.read("exchange", Dataset), standards.elements, standards.codes)


def test_every_file_that_the_page_lists_is_on_it(folder: Path) -> None:
    tree = re.search(r"^```\ncharging/\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert tree
    listed = {line.split()[0] for line in tree.group(1).splitlines()}
    assert listed == {str(path.relative_to(folder / "charging")) for path in folder.rglob("*") if path.is_file()}


def test_its_datasets_resolve(datasets: dict[str, ResolvedDataset]) -> None:
    station = datasets["charging_station"]
    assert station.field("power").column_type == "DECIMAL(7,2)"
    assert station.field("operator").format == "gb32100"
    codes = station.field("connector").codes
    assert codes is not None
    assert codes.current == ("1", "2", "3")
    assert datasets["charging_session"].references == ("charging_station",)


def test_what_it_expects_adds_up(folder: Path, datasets: dict[str, ResolvedDataset]) -> None:
    samples = folder / "charging" / "samples"
    expected = msgspec.yaml.decode((samples / "expect.yaml").read_bytes(), type=dict[str, Expected])
    assert set(expected) == set(datasets)
    for name, each in expected.items():
        rows = list(csv.reader((samples / f"{name}.csv").read_text(encoding="utf-8").splitlines()))
        fields = datasets[name].fields
        assert set(rows[0]) <= {
            spelling for field in fields for spelling in (field.name, field.title.en, field.title.zh)
        }
        assert each.rows == len(rows) - 1 == each.accepted + each.quarantined + each.duplicates
        assert len({fault.row for fault in each.faults}) == each.quarantined
        assert {fault.field for fault in each.faults} <= {field.name for field in fields}


@pytest.mark.parametrize("verb", ["check", "try"])
def test_it_passes_what_the_page_says_to_run(folder: Path, verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "charging", "--in", str(folder)])
    assert done.exit_code == 0, done.output
    assert "todo" not in done.stdout
    assert "different" not in done.stdout


def test_the_elements_it_names_are_in_the_base_pack() -> None:
    text = PAGE.read_text(encoding="utf-8")
    passage = text[text.index("The pack `base` brings elements") : text.index("look into its `catalogue")]
    base = catalogue.standards(packs.choose([ROOT / "packs"], "base")).elements
    assert set(re.findall(r"`(\w+)`", passage)) - {"base"} <= set(base)
