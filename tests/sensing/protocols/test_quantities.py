"""The tables of the packs: whole, with units that exist, and the same as what the readers know."""

import re

import pytest

from cityloom.kernel import packs
from cityloom.sensing.intake.framing import implausible
from cityloom.sensing.intake.hj212 import frames, reports
from cityloom.sensing.intake.jt808 import frames as jt808
from cityloom.sensing.intake.jt808 import positions
from cityloom.sensing.intake.sl651 import elements
from cityloom.sensing.spec.quantities import Interval, PositionItems, Quantities
from sensing.protocols import vectors

HAN = re.compile(r"[\u4e00-\u9fff]")
UNITS = {
    "1", "L/s", "mg/L", "ug/L", "ng/L", "Cel", "uS/cm", "{count}/L", "{count}", "Bq/L", "m3/s", "%", "kPa", "hPa", "m/s", "deg", "m2",
    "mg/m3", "ug/m3", "ng/m3", "dB", "{TCU}", "{NTU}", "{code}", "{Beaufort}", "h", "mm", "m", "V", "A", "kg/m3", "mV", "m3", "m3/h",
    "10*4.t",
}  # fmt: skip


def table(pack: str, name: str) -> Quantities:
    path = packs.shipped() / pack / "sensing" / "quantities" / f"{name}.yaml"
    return packs.decode(path, Quantities)


@pytest.mark.parametrize(("pack", "name", "size"), [("environment", "hj212", 197), ("water", "sl651", 125)])
def test_tables_are_whole(pack: str, name: str, size: int) -> None:
    found = table(pack, name)
    codes = [each.code for each in found.quantities]
    assert len(set(codes)) == len(codes) == size
    for each in found.quantities:
        assert each.unit in UNITS, each
        assert each.title.en, each
        assert not HAN.search(each.title.en), each
        assert HAN.search(each.title.zh) or each.title.zh.startswith("pH"), each
        assert each.range is None or each.range[0] < each.range[1]


def test_every_published_factor_is_known_but_the_makers_own() -> None:
    known = table("environment", "hj212").by_code()
    read = [frame for raw in vectors.hj212() for frame in frames.feed(raw, frames.Profile(wrong_crc=True)).frames]
    data = [reports.report(frame) for frame in read if frame.cn in reports.DATA]
    codes = {each.code for said in data for each in said.readings}
    assert codes - set(known) == {"ele01", "ele02", "a21006", "a21007", "w01008"}
    assert (known["011"].code, known["060"].code, known["B01"].code) == ("w01018", "w21003", "w00000")
    assert known["a34004"].unit == "ug/m3"


def test_every_element_of_the_reader_has_a_name() -> None:
    found = table("water", "sl651")
    assert {each.code for each in found.quantities} == {
        *(each.mnemonic for each in elements.ELEMENTS), *(set(elements.SPECIAL.values()) - {"DATA"})
    }  # fmt: skip
    assert found.ranges()["VTA"] == Interval(0, 500)
    assert implausible([], found.ranges()) == []


def test_items_of_positions() -> None:
    path = packs.shipped() / "vehicles" / "sensing" / "items" / "jt808.yaml"
    items = {each.id: each for each in packs.decode(path, PositionItems).items}
    (message,) = [
        each for raw in vectors.binary("jt808") for each in jt808.feed(raw).frames if each.serial == 126
    ]  # fmt: skip
    said = positions.position(message.body)
    assert {items[each.id].title.en: items[each.id].value(each.data) for each in said.items} == {
        "Mileage": 10.0,
        "Fuel": 12.5,
    }
    assert items[0x06].value(b"\x80\x05") == -5.0
    assert items[0x06].value(b"\x00\x05") == 5.0
    assert items[0x01].value(b"\x05") is None
    assert items[0x64].value(b"\x05") is None
