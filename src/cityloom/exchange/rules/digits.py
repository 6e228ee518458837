"""Check digits of GB 11643-1999 (identity numbers) and GB 32100-2015 (credit codes), in Python and as DuckDB SQL.

The Python functions are the yardstick; the SQL expressions do the same for columns, in integer arithmetic instead of
one substring per character, and a property test holds both to the same answer.
"""

from datetime import date

CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
"""GB 32100-2015, table 1: no I, O, S, V, Z."""

EARLIEST_BIRTH = date(1850, 1, 1)
CENTENARIAN = ("996", "997", "998", "999")
"""Sequence codes that 15-digit numbers kept for people born before 1900 (GB 11643-1989)."""


def gb11643_check(body: str) -> str:
    """The check character of the first 17 digits (ISO 7064 MOD 11-2)."""
    total = sum(int(digit) << (17 - place) for place, digit in enumerate(body))
    return "0123456789X"[(12 - total) % 11]


def gb11643_expand(old: str) -> str:
    """The 18-character number of a 15-digit one (GB 11643-1999 puts the century before the year)."""
    century = "18" if old[12:] in CENTENARIAN else "19"
    body = old[:6] + century + old[6:]
    return body + gb11643_check(body)


def gb11643_valid(text: str, today: date) -> bool:
    """18 characters, a real birth date up to `today`, a sequence code that is given out, the right check character."""
    body, check = text[:17], text[17:]
    if not (len(text) == 18 and body.isascii() and body.isdigit() and body[0] != "0"):
        return False
    try:
        birth = date(int(body[6:10]), int(body[10:12]), int(body[12:14]))
    except ValueError:
        return False
    return EARLIEST_BIRTH <= birth <= today and body[14:] != "000" and check == gb11643_check(body)


def gb32100_check(body: str) -> str:
    """The check character of the first 17 characters (weights 3^i modulo 31). Raises ValueError for other letters."""
    total = sum(CREDIT_ALPHABET.index(letter) * pow(3, place, 31) for place, letter in enumerate(body))
    return CREDIT_ALPHABET[-total % 31]


def gb32100_valid(text: str) -> bool:
    """18 characters of the alphabet, digits in the division code (places 3 to 8), the right check character."""
    if len(text) != 18 or not set(text) <= set(CREDIT_ALPHABET) or not text[2:8].isdigit():
        return False
    return text[17] == gb32100_check(text[:17])
