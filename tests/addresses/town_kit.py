"""A small library in Futian: what its keeper delivers, and what becomes of it."""

from collections.abc import Sequence

from addresses.city_kit import ADDRESS, City, table
from cityloom.addresses.rules import codes

STREET, HERE, THERE = "440304008", "440304008001", "440304008003"
"""莲花街道, 福中社区, 莲花北社区."""
SINCE, CHANGED = "2012-03-01", "2025-06-01"


def code(number: int) -> str:
    """The address code with this number."""
    return codes.make(HERE, number)


Row = Sequence[object]


def row(number: int, parent: int, level: str, name: str, text: str, division: str = HERE, since: str = SINCE,
        until: str = "", heirs: Sequence[int] = ()) -> Row:  # fmt: skip
    """One record of standard_address."""
    return (
        code(number), code(parent) if parent else "", level, name, "深圳市福田区莲花街道" + text, division, since, until,
        " ".join(map(code, heirs)), "", "",
    )  # fmt: skip


ROAD, GATE, ESTATE, BUILDING, UNIT, ROOM = 1, 2, 3, 4, 5, 6
ROWS = [
    row(ROAD, 0, "road", "红荔路", "红荔路", STREET),
    row(GATE, ROAD, "number", "8号", "红荔路8号"),
    row(ESTATE, GATE, "estate", "银盛花园", "红荔路8号银盛花园"),
    row(BUILDING, ESTATE, "building", "3栋", "红荔路8号银盛花园3栋"),
    row(UNIT, BUILDING, "unit", "1单元", "红荔路8号银盛花园3栋1单元"),
    row(ROOM, UNIT, "room", "501室", "红荔路8号银盛花园3栋1单元501室"),
    row(7, UNIT, "room", "502室", "红荔路8号银盛花园3栋1单元502室"),
    row(10, ROAD, "number", "12号", "红荔路12号", THERE),
    row(11, 10, "room", "201室", "红荔路12号201室", THERE),
    row(12, ROAD, "number", "14号", "红荔路14号"),
    row(13, ROAD, "number", "16号", "红荔路16号"),
    row(14, ROAD, "number", "18号", "红荔路18号"),
    row(15, ROAD, "number", "20号", "红荔路20号"),
]


def deliver(city: City, id: str, rows: Sequence[Row], mode: str = "upsert") -> None:
    """Hand records of standard_address in, and let the library follow."""
    city.psb.deliver("standard_address", id, table(ADDRESS, rows), mode)
    city.follow()


def spans(rows: Sequence[Row]) -> str:
    """Records of address_division."""
    return table(("address", "division", "since", "until"), rows)
