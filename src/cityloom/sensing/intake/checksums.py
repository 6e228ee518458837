"""Checksums of the field's protocols. HJ 212 and SL 651 share a polynomial and nothing else."""

from functools import reduce
from operator import xor

POLYNOMIAL = 0xA001


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _bit in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()
_HIGH = bytes(value >> 8 for value in _TABLE)


def hj212(data: bytes) -> int:
    """CRC of HJ 212-2017 Annex A, 16 bits. Each step keeps the high byte of the last only, so it is not that of Modbus."""
    if not data:
        return 0xFFFF
    high, table = 0xFF, _HIGH
    for byte in data[:-1]:
        high = table[high ^ byte]
    return _TABLE[high ^ data[-1]]


def modbus(data: bytes) -> int:
    """CRC-16 of Modbus (x16+x15+x2+1 reflected, starts with FFFF), 16 bits; SL 651-2014, 6.2.3, sends its high byte first."""
    value, table = 0xFFFF, _TABLE
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 0xFF]
    return value


def exclusive_or(data: bytes) -> int:
    """All bytes by exclusive or, 8 bits: JT/T 808-2019, 4.4.4. Zeros that were lost or added do not show in it."""
    return reduce(xor, data, 0)
