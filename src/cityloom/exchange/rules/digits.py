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


def gb11643_number_sql(text: str) -> str:
    """BIGINT of the 18 digits of a text, the check character X read as 0; NULL for most texts that have no number."""
    digits = f"CASE WHEN suffix({text}, 'X') THEN left({text}, 17) || '0' ELSE {text} END"
    return f"CASE WHEN strlen({text}) = 18 THEN TRY_CAST({digits} AS BIGINT) END"


def gb11643_sum_sql(number: str) -> str:
    """The sum of all digits times 2^place, place 0 last, modulo 11: 1 when the check character is right.

    By Horner's rule with 2 instead of 10, f(n) = last digit + 2 f(n // 10); written out, no digit has to be cut out:
    f(n) = n - 4 (2 (n // 10) + 4 (n // 100) + 8 (n // 1000) + …).
    """
    tail = " + ".join(f"{2**place} * ({number} // {10**place})" for place in range(1, 18))
    return f"({number} - 4 * ({tail})) % 11"


def gb11643_valid_sql(number: str, text: str, today: date) -> str:
    """Whether `text` is valid, as gb11643_valid; `number` is its gb11643_number_sql. NULL where that is NULL.

    DuckDB casts texts such as 1e17 and 0x10 to numbers; 18 digits with a first one above 0 and without an E are real.
    """
    born = f"({number} // 10000 % 100000000)"
    earliest, latest = int(f"{EARLIEST_BIRTH:%Y%m%d}"), int(f"{today:%Y%m%d}")
    remainder = f"({gb11643_sum_sql(number)} + CASE WHEN suffix({text}, 'X') THEN 10 ELSE 0 END) % 11"
    return (
        f"({number} BETWEEN 100000000000000000 AND 999999999999999999 AND {text} >= '1'"
        f" AND NOT contains({text}, 'e') AND NOT contains({text}, 'E')"
        f" AND {born} BETWEEN {earliest} AND {latest} AND {_real_day(number)}"
        f" AND {number} // 10 % 1000 <> 0 AND {remainder} = 1)"
    )


def _real_day(number: str) -> str:
    """Whether the digits for month and day are in the calendar; most are, by the first branch."""
    year, month, day = f"({number} // 100000000 % 10000)", f"({number} // 1000000 % 100)", f"({number} // 10000 % 100)"
    leap = f"({year} % 4 = 0 AND ({year} % 100 <> 0 OR {year} % 400 = 0))"
    last = f"CASE WHEN {month} = 2 THEN CASE WHEN {leap} THEN 29 ELSE 28 END ELSE 30 + ({month} + {month} // 8) % 2 END"
    in_year = f"{month} BETWEEN 1 AND 12"
    return f"CASE WHEN {day} BETWEEN 1 AND 28 THEN {in_year} ELSE {in_year} AND {day} BETWEEN 29 AND {last} END"


def gb11643_old_number_sql(old: str) -> str:
    """BIGINT of the 18 digits of a 15-digit text, with a last digit 0 in place of the check character."""
    centenarian = ", ".join(f"'{code}'" for code in CENTENARIAN)
    century = f"CASE WHEN list_contains([{centenarian}], right({old}, 3)) THEN '18' ELSE '19' END"
    return f"TRY_CAST(left({old}, 6) || {century} || right({old}, 9) || '0' AS BIGINT)"


def gb11643_text_sql(number: str) -> str:
    """The identity number of 18 digits, the last of them 0, with its check character."""
    check = f"substr('0123456789X', 1 + (12 - {gb11643_sum_sql(number)}) % 11, 1)"
    return f"(CAST({number} // 10 AS VARCHAR) || {check})"


def gb32100_valid_sql(text: str) -> str:
    """Whether `text` is valid, as gb32100_valid."""
    weights = [*(pow(3, place, 31) for place in range(17)), 1]
    values = (
        f"{weight} * instr('{CREDIT_ALPHABET}', substr({text}, {place}, 1))" for place, weight in enumerate(weights, 1)
    )
    letters = "[0-9A-HJ-NPQRTUWXY]"
    shape = f"regexp_full_match({text}, '{letters}{{2}}[0-9]{{6}}{letters}{{10}}')"
    return f"({shape} AND ({' + '.join(values)} - {sum(weights)}) % 31 = 0)"  # instr counts from 1
