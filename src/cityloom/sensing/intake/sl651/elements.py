"""Elements of SL 651-2014 Annex C: number, mnemonic, digits; names and units stand in the pack `water`."""

from datetime import timedelta

import msgspec

TIME, STATION, MANUAL, PICTURE, RAIN, LEVELS, VELOCITIES = 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, range(0xF5, 0xFD), 0xFD
STEP, DURATION, STATUS, EXTENDED = 0x04, 0x05, 0x45, 0xFF


class Element(msgspec.Struct, frozen=True):
    """N(digits, decimals) of the annex."""

    id: int
    mnemonic: str
    digits: int
    decimals: int


_TABLE = """
01 AC 8,2|02 AI 3,1|03 C 3,1|05 DT 4,2|06 ED 5,1|07 EJ 5,1|08 FL 5,0|09 GH 5,2|0A GN 3,0|0B GS 1,0|0C GT 3,0|0D GTP 3,1
0E H 6,2|0F HW 5,2|10 M10 4,1|11 M20 4,1|12 M30 4,1|13 M40 4,1|14 M50 4,1|15 M60 4,1|16 M80 4,1|17 M100 4,1|18 MST 4,1
19 NS 2,0|1A P1 5,1|1B P2 5,1|1C P3 5,1|1D P6 5,1|1E P12 5,1|1F PD 5,1|20 PJ 5,1|21 PN01 5,1|22 PN05 5,1|23 PN10 5,1
24 PN30 5,1|25 PR 5,1|26 PT 6,1|27 Q 9,3|28 Q1 9,3|29 Q2 9,3|2A Q3 9,3|2B Q4 9,3|2C Q5 9,3|2D Q6 9,3|2E Q7 9,3|2F Q8 9,3
30 QA 9,3|31 QZ 9,3|32 SW 11,3|33 UC 2,0|34 UE 2,0|35 US 4,1|36 VA 5,3|37 VJ 5,3|38 VT 4,2|39 Z 7,3|3A ZB 7,3|3B ZU 7,3
3C Z1 7,3|3D Z2 7,3|3E Z3 7,3|3F Z4 7,3|40 Z5 7,3|41 Z6 7,3|42 Z7 7,3|43 Z8 7,3|44 SQ 9,3|46 pH 4,2|47 DO 4,1|48 COND 5,0
49 TURB 3,0|4A CODMN 4,1|4B REDOX 5,1|4C NH4N 6,2|4D TP 5,3|4E TN 5,2|4F TOC 4,2|50 CU 7,4|51 ZN 6,4|52 SE 7,5|53 AS 7,5
54 THG 7,5|55 CD 7,5|56 PB 7,5|57 CHLA 4,2|58 WP1 5,2|59 WP2 5,2|5A WP3 5,2|5B WP4 5,2|5C WP5 5,2|5D WP6 5,2|5E WP7 5,2
5F WP8 5,2|60 SYL1 11,3|61 SYL2 11,3|62 SYL3 11,3|63 SYL4 11,3|64 SYL5 11,3|65 SYL6 11,3|66 SYL7 11,3|67 SYL8 11,3
68 SBL1 10,2|69 SBL2 10,2|6A SBL3 10,2|6B SBL4 10,2|6C SBL5 10,2|6D SBL6 10,2|6E SBL7 10,2|6F SBL8 10,2
70 VTA 4,1|71 VTB 4,1|72 VTC 4,1|73 VIA 4,1|74 VIB 4,1|75 VIC 4,1
"""


def _read() -> tuple[Element, ...]:
    found = []
    for entry in _TABLE.replace("\n", "|").split("|"):
        if entry:
            number, mnemonic, size = entry.split()
            digits, decimals = size.split(",")
            found.append(Element(int(number, 16), mnemonic, int(digits), int(decimals)))
    return tuple(found)


ELEMENTS = _read()
BY_ID = {each.id: each for each in ELEMENTS}
BY_MNEMONIC = {each.mnemonic.upper(): each for each in ELEMENTS}
SPECIAL = {RAIN: "DRP", STATUS: "ZT", VELOCITIES: "DATA"} | {each: f"DRZ{each - 0xF4}" for each in LEVELS}
"""Those that are no decimals: bytes, words or bits."""

PERIODS = {
    "P1": timedelta(hours=1), "P2": timedelta(hours=2), "P3": timedelta(hours=3), "P6": timedelta(hours=6),
    "P12": timedelta(hours=12), "PD": timedelta(days=1), "ED": timedelta(days=1), "PN01": timedelta(minutes=1),
    "PN05": timedelta(minutes=5), "PN10": timedelta(minutes=10), "PN30": timedelta(minutes=30),
    "DRP": timedelta(minutes=5),
}  # fmt: skip
"""Sums over a period: the observation time is its end (6.6.2.8)."""
FIVE_MINUTES = timedelta(minutes=5)

STATUS_BITS = (
    "mains_off", "battery_low", "level_alarm", "flow_alarm", "quality_alarm", "flow_meter_fault", "level_gauge_fault",
    "door_open", "memory_fault", "card_on", "pump_running", "quota_exceeded",
)  # fmt: skip
_ON_AT_ZERO = frozenset({"door_open", "pump_running"})
KINDS = {
    "P": "rain", "H": "river", "K": "reservoir", "Z": "sluice", "D": "pump", "T": "tide", "M": "soil",
    "G": "groundwater", "Q": "quality", "I": "intake", "O": "outfall",
}  # fmt: skip
"""Classes of stations (Annex A): letter → English name."""


def name(number: int) -> str:
    """Mnemonic of an element, or its number in hexadecimal where the standard has none."""
    known = BY_ID.get(number)
    return known.mnemonic if known else SPECIAL.get(number, f"{number:02X}")


def status(bits: int) -> tuple[str, ...]:
    """What the status of a station says (table 58). The door is open and the pump runs where their bit is 0."""
    return tuple(
        each for at, each in enumerate(STATUS_BITS) if bool(bits >> at & 1) != (each in _ON_AT_ZERO)
    )  # fmt: skip
