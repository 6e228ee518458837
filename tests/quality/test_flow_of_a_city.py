"""A city's own way of going about tickets, and what it cannot change."""

from importlib import resources
from pathlib import Path

import msgspec
import pytest

from cityloom.kernel import packs
from cityloom.kernel.errors import Invalid
from cityloom.kernel.settings import Settings
from cityloom.quality.module import check
from quality.quality_kit import Place, write_pack

SHIPPED = (resources.files("cityloom.quality.spec") / "correction.yaml").read_text(encoding="utf-8")
FILE = "quality/flows/correction.yaml"
THREE_DAYS = SHIPPED.replace("within: {amount: 10", "within: {amount: 3", 1).replace(
    "warn: [{amount: 3, unit: working_days}, ", "warn: [", 1
)


@pytest.mark.parametrize("place", [{FILE: THREE_DAYS}], indirect=True)
def test_a_city_sets_its_own_times(place: Place) -> None:
    place.grant()
    assert place.housing.dispute().json()["due_at"] == "2026-03-05T10:00:00Z"


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("to: corrected, roles: [source]", "to: corrected, roles: [source, keeper]", "correct"),
        ("to: corrected, roles: [source]", "to: corrected, roles: [keeper]", "correct"),
        ("from: [contested], to: upheld", "from: [contested], to: corrected", "uphold"),
        ("[disputed, mending, upheld, rejected, contested], to: corrected", "[mending], to: corrected", "correct"),
        ("roles: [disputer]}", "roles: [disputer, source]}", "withdraw"),
        ("kind: data_correction", "kind: another", "another"),
        ("- {name: mending, ", "- {name: mending, final: true, ", "mending"),
    ],
)
def test_nobody_gets_to_close_a_ticket_as_corrected(tmp_path: Path, old: str, new: str, what: str) -> None:
    assert old in SHIPPED
    folder = write_pack(tmp_path / "packs", {FILE: SHIPPED.replace(old, new, 1)})
    settings = msgspec.structs.replace(Settings(home=tmp_path), packs=str(folder))
    with pytest.raises(Invalid) as refused:
        check(packs.choose(packs.folders(settings), "small"))
    assert (refused.value.code, refused.value.params["what"]) == ("quality.flow_wrong", what)
