"""The standard code of an address: 21 digits, given once and never again.

Twelve digits of the community in which the address lay when it was coded (GB/T 10114-2003 with the community digits of the
statistical division codes), eight of a sequence within it, and one check digit. GB/T 23705-2009 and GB/T 39609-2020 ask that
an address code begins with the division; the length of the sequence and the check digit are ours. The check is ISO/IEC 7064
MOD 11,10 (GB/T 17710-2008), which finds every wrong digit and nearly every transposition.

A code never changes. When boundaries are redrawn, the first twelve digits tell where the address was, not where it is:
ask `life.Divisions` for that.
"""

from cityloom.kernel.errors import Invalid

DIVISION, SEQUENCE = 12, 8
LENGTH = DIVISION + SEQUENCE + 1


def make(division: str, sequence: int) -> str:
    """The code of the address with this number in a division of 6, 9 or 12 digits (shorter ones are filled with zeros).

    Raises Invalid `addresses.code_wrong`.
    """
    if not (division.isascii() and division.isdigit() and len(division) in (6, 9, 12) and 0 < sequence < 10**SEQUENCE):
        raise Invalid("addresses.code_wrong", division=division, sequence=sequence)
    digits = f"{division:0<{DIVISION}}{sequence:0{SEQUENCE}d}"
    return digits + str(_check_digit(digits))


def is_written(code: str) -> bool:
    """Whether the code has its length and digits only."""
    return len(code) == LENGTH and code.isascii() and code.isdigit()


def is_valid(code: str) -> bool:
    """Whether the code has its length, digits only, and the right check digit."""
    return is_written(code) and _check_digit(code[:-1]) == int(code[-1])


def born_in(code: str) -> str:
    """The division in which the address was coded: 12 digits, those that were not known are zeros."""
    return code[:DIVISION]


def _check_digit(digits: str) -> int:
    product = 10
    for digit in digits:
        product = (product + int(digit)) % 10 or 10
        product = product * 2 % 11
    return (11 - product) % 10
