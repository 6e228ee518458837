"""Devices in a sheet: headings in either language, and each cell read or its fault named."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime

import msgspec

from cityloom.catalogue.contracts import Cell, Grid
from cityloom.kernel.errors import Problem
from cityloom.sensing.contracts.devices import DeviceWish, NumberWish, Protocol
from cityloom.sensing.rules import devices

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "名称", "设备名称"), "station": ("station", "站点类型", "设备类型"), "protocol": ("protocol", "协议"),
    "number": ("number", "编号", "设备编号"), "secret": ("secret", "密码", "口令"), "maker": ("maker", "厂家", "生产厂家"),
    "model": ("model", "型号"), "serial": ("serial", "序列号"), "firmware": ("firmware", "固件版本"),
    "version": ("version", "硬件版本"), "address": ("address", "地址", "安装地址"), "district": ("district", "行政区", "区"),
    "longitude": ("longitude", "经度"), "latitude": ("latitude", "纬度"), "groups": ("groups", "分组"),
}  # fmt: skip
"""What a column may be called; the first is the field."""
NEEDED = ("name", "station", "protocol", "number")
LONGEST = 200


class Fault(msgspec.Struct, frozen=True):
    """What is wrong where; `code` has words, with `params`."""

    row: int
    column: str
    code: str
    params: Mapping[str, str | int] = {}


class Sheet(msgspec.Struct, frozen=True):
    """Devices by the number of their row, and all that is wrong."""

    wishes: tuple[tuple[int, DeviceWish], ...]
    faults: tuple[Fault, ...]
    rows: int
    columns: Mapping[str, str]
    """What the sheet calls each field."""


def read(grid: Grid, types: Sequence[str]) -> Sheet:
    """The devices of a sheet. Nothing is raised: every fault has its row and its column."""
    if not grid.rows:
        return Sheet((), (Fault(1, "", "sensing.sheet_empty"),), 0, {})
    head, *rows = grid.rows
    names = {heading: field for field, headings in HEADINGS.items() for heading in headings}
    places: dict[int, str] = {}
    columns: dict[str, str] = {}
    faults: list[Fault] = []
    for place, cell in enumerate(head.cells):
        heading = _text(cell).lower().strip()
        if not heading:
            continue
        field = names.get(heading)
        if field is None or field in columns:
            code = "sensing.heading_unknown" if field is None else "sensing.heading_twice"
            faults.append(Fault(head.number, _text(cell), code, {"heading": _text(cell)[:60]}))
            continue
        places[place], columns[field] = field, _text(cell)
    lacking = [name for name in NEEDED if name not in columns]
    faults += [Fault(head.number, name, "sensing.heading_missing", {"heading": name}) for name in lacking]
    if lacking:
        return Sheet((), tuple(faults), len(rows), columns)
    wishes: list[tuple[int, DeviceWish]] = []
    seen: dict[tuple[str, str], int] = {}
    for row in rows:
        cells = {places[place]: cell for place, cell in enumerate(row.cells) if place in places}
        found = _Row(row.number, cells, columns, types)
        wish = found.wish(seen)
        faults += found.faults
        if wish is not None:
            wishes.append((row.number, wish))
    return Sheet(tuple(wishes), tuple(faults), len(rows), columns)


class _Row:
    """One row while it is read."""

    def __init__(
        self, number: int, cells: Mapping[str, Cell], columns: Mapping[str, str], types: Sequence[str]
    ) -> None:
        self.number, self.cells, self.columns, self.types = number, cells, columns, types
        self.faults: list[Fault] = []

    def fault(self, field: str, code: str, params: Mapping[str, str | int] | None = None) -> None:
        self.faults.append(Fault(self.number, self.columns.get(field, field), code, params or {}))

    def text(self, field: str) -> str:
        found = _text(self.cells.get(field)).strip()
        if len(found) > LONGEST:
            self.fault(field, "sensing.cell_long", {"limit": LONGEST})
        elif not found and field in NEEDED:
            self.fault(field, "sensing.cell_empty")
        return found

    def degrees(self, field: str, most: float) -> float | None:
        text = self.text(field)
        if not text:
            return None
        try:
            found = float(text)
        except ValueError:
            found = most + 1
        if not -most <= found <= most:
            self.fault(field, "sensing.cell_degrees", {"limit": int(most)})
            return None
        return found

    def checked(self, field: str, check: Callable[[], str]) -> str:
        try:
            return check()
        except Problem as problem:
            self.fault(field, problem.code, problem.params)
            return ""

    def wish(self, seen: dict[tuple[str, str], int]) -> DeviceWish | None:
        """The device, unless something is wrong with the row."""
        plain = {field: self.text(field) for field in HEADINGS if field not in ("longitude", "latitude", "groups")}
        longitude, latitude = self.degrees("longitude", 180), self.degrees("latitude", 90)
        parted = self.text("groups").replace("、", ";").replace("；", ";").split(";")
        groups = tuple(part for each in parted if (part := each.strip()))
        if plain["station"] and plain["station"] not in self.types:
            params = {"station": plain["station"], "known": ", ".join(sorted(self.types))}
            self.fault("station", "sensing.station_unknown", params)
        protocol = plain["protocol"].lower().replace(" ", "").replace("/", "").replace("jtt", "jt")
        if plain["protocol"] and protocol not in set(Protocol):
            self.fault("protocol", "sensing.protocol_unknown", {"known": ", ".join(Protocol)})
        elif plain["protocol"]:
            self.spoken(Protocol(protocol), plain, seen)
        if (longitude is None) != (latitude is None) and not self.faults:
            self.fault("longitude" if longitude is None else "latitude", "sensing.place_half")
        if self.faults:
            return None
        number = NumberWish(Protocol(protocol), plain["number"], plain["secret"])
        rest = {name: value for name, value in plain.items() if name not in ("protocol", "number", "secret")}
        said = {**rest, "longitude": longitude, "latitude": latitude, "groups": groups}
        return msgspec.convert({**said, "numbers": (number,)}, DeviceWish)

    def spoken(self, protocol: Protocol, plain: Mapping[str, str], seen: dict[tuple[str, str], int]) -> None:
        """Number and secret of the row."""
        if plain["number"]:
            number = self.checked("number", lambda: devices.number(protocol, plain["number"]))
            first = seen.setdefault((protocol.value, number), self.number) if number else self.number
            if first != self.number:
                self.fault("number", "sensing.number_twice", {"number": number, "row": first})
        if plain["secret"]:
            self.checked("secret", lambda: devices.secret(protocol, plain["secret"]))


def _text(cell: Cell) -> str:
    """As a person reads the cell: a whole number without its point."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell)
