"""Identity numbers, credit codes and serial numbers that pass every check and can belong to nobody.

An identity number starts with six digits of a division (GB/T 2260), whose first two name the province: the first
digit is one of eight regions, the second counts the provinces of that region from 1 on. No region ever had more than
seven, so numbers with 9 in second place were never given out, in no edition of the code; 91 and 99 are left out too,
since 9 is the region that permits of foreigners use. Credit codes name the registering authority by such a
division as well (GB 32100-2015, places 3 to 8).
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cityloom.samplecity.rules.chance import Flags, Index

PROVINCES = (19, 29, 39, 49, 59, 69, 79)
"""Province codes that were never allocated."""
DIVISIONS = 9000
"""Divisions used of each such province: 0101 to 9100."""
DIVISIONS_PER_BLOCK = 50
MOST_BLOCKS = len(PROVINCES) * DIVISIONS // DIVISIONS_PER_BLOCK

_CREDIT = np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRTUWXY", np.uint8)
_EPOCH_1900 = -25567  # days from 1970-01-01 to 1900-01-01


def divisions(number: Index) -> Index:
    """Six-digit division codes that were never allocated, for numbers from 0 on."""
    provinces = np.array(PROVINCES, np.int64)
    return provinces[(number // DIVISIONS) % len(PROVINCES)] * 10_000 + 101 + number % DIVISIONS


def citizen_ids(division: Index, birth: Index, sex: Index) -> pa.Array:
    """18-character identity numbers (GB 11643-1999), all different, for divisions, birthdays and sexes (1, 2).

    The sequence code is odd for men; at most 495 people of a sex may share birthday and division.
    """
    together = (division * 200_000 + birth + 100_000) * 4 + sex
    order = np.argsort(together, kind="stable")
    starts = np.flatnonzero(np.diff(together[order], prepend=-1))
    rank = np.arange(len(birth)) - np.repeat(starts, np.diff(np.append(starts, len(birth))))
    sequence = np.empty(len(birth), np.int64)
    sequence[order] = 2 * rank
    sequence += np.where(sex == 1, 1, 2)
    body = (division * 100_000_000 + ymd(birth)) * 1000 + sequence
    return pc.binary_join_element_wise(pa.array(body).cast(pa.string()), _citizen_check(body), "")


def _citizen_check(body: Index) -> pa.Array:
    total, rest = np.zeros(len(body), np.int64), body.copy()
    for place in range(17):
        total += (rest % 10) * (pow(2, place + 1, 11))
        rest //= 10
    letters = pa.array(list("10X98765432"))
    return letters.take(pa.array(total % 11))


def ymd(day: Index) -> Index:
    """Days from 1970-01-01 as numbers such as 20200131."""
    dates = day.astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64)
    within = (dates - dates.astype("datetime64[M]")).astype(np.int64)
    return np.asarray((1970 + months // 12) * 10_000 + (months % 12 + 1) * 100 + within + 1, np.int64)


def credit_codes(division: Index, serial: Index, self_employed: Flags) -> pa.Array:
    """18-character credit codes (GB 32100-2015) with a valid organisation code (GB 11714-1997), one for each serial.

    Serials are below 10^8 and different within a division.
    """
    columns = np.empty((len(serial), 18), np.int64)
    columns[:, 0] = 9
    columns[:, 1] = np.where(self_employed, 2, 1)
    for place in range(6):
        columns[:, 2 + place] = division // 10 ** (5 - place) % 10
    weights = (3, 7, 9, 10, 5, 8, 4, 2)
    total = np.zeros(len(serial), np.int64)
    for place, weight in enumerate(weights):
        columns[:, 8 + place] = serial // 10 ** (7 - place) % 10
        total += columns[:, 8 + place] * weight
    last = 11 - total % 11
    columns[:, 16] = np.where(last == 11, 0, np.where(last == 10, int(np.flatnonzero(ord("X") == _CREDIT)[0]), last))
    check = np.zeros(len(serial), np.int64)
    for place in range(17):
        check += columns[:, place] * pow(3, place, 31)
    columns[:, 17] = -check % 31
    return letters(_CREDIT[columns])


def letters(table: NDArray[np.uint8]) -> pa.Array:
    """The rows of a table of ASCII codes as texts."""
    width = table.shape[1]
    data = np.ascontiguousarray(table, np.uint8)
    offsets = np.arange(len(data) + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(offsets), pa.py_buffer(data))


def serials(prefix: str, block: int, number: Index, width: int) -> pa.Array:
    """Texts such as D00100000123: prefix, three digits of the block, and the number, `width` digits in all."""
    body = pa.array(block * 10 ** (width - 3) + number).cast(pa.string())
    return pc.binary_join_element_wise(pa.scalar(prefix), pc.utf8_lpad(body, width, "0"), "")


def plates(first: str, number: Index) -> pa.Array:
    """Number plates with a first character that no province has: a letter and five digits or letters."""
    alphabet = np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ", np.uint8)
    table = np.empty((len(number), 6), np.uint8)
    rest = number.copy()
    for place in range(5, 0, -1):
        table[:, place] = alphabet[rest % len(alphabet)]
        rest //= len(alphabet)
    table[:, 0] = alphabet[10 + rest % (len(alphabet) - 10)]
    return pc.binary_join_element_wise(pa.scalar(first), letters(table), "")
