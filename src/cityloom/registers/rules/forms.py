"""The normal form of what else is evidence of who somebody is: dates, numbers, telephones, addresses, words."""

import re
import unicodedata

import msgspec

from cityloom.kernel import characters

DIGITS = {each: str(value) for value, each in enumerate("零一二三四五六七八九")} | {"〇": "0", "两": "2"}
NUMERAL = re.compile(r"[零〇一二两三四五六七八九十百]+(?=(?:号|栋|幢|座|单元|层|楼|室|弄|巷|组|区|期|村组|门))")
LETTERS = re.compile(r"[^\W\d_\u3400-\u9fff]")
WORDS = re.compile(r"[^\W_]+")
HAN = re.compile(r"[\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
NUMBERS = re.compile(r"\d+")
LATIN = re.compile(r"[0-9a-z-]+")
BETWEEN = re.compile(r"(?<=\d) (?=\d)")
DIVISIONS = re.compile(
    r"^(?:中国)?(?:[\u4e00-\u9fff]{2,7}?(?:省|自治区|特别行政区))?(?:[\u4e00-\u9fff]{2,6}?(?:市|自治州|盟))?"
    r"(?:[\u4e00-\u9fff]{1,5}?(?:区|县|旗))?(?:[\u4e00-\u9fff]{1,6}?(?:街道办事处|街道|镇|乡))?"
    r"(?:[\u4e00-\u9fff]{1,8}?(?:社区居委会|社区|村委会))?"
)
UNITS = re.compile(r"(?:号楼|号院|单元|号|栋|幢|座|层|楼|室|房|弄|巷|门)")


class Address(msgspec.Struct, frozen=True):
    """An address in its normal forms."""

    text: str
    """All of it: half width, standard characters, Arabic numerals, no spaces between characters."""
    street: str
    """Names of streets and estates without divisions, numbers and their units."""
    numbers: str
    """The numbers in order, from the house to the room: `12-3-401`; empty where there are none."""


def date(written: str | None) -> str | None:
    """A date as eight digits; parts that are not given are 00. None where there is no year.

    What is no day of the calendar is kept: `19811340` is one slip away from a day, and is evidence as such.
    """
    text = unicodedata.normalize("NFKC", written or "").strip()
    parts = re.findall(r"\d+", text.split("T")[0])
    if not parts:
        return None
    if len(parts[0]) in (6, 8, 14):
        whole: str = parts[0]
        return whole[:8] if len(whole) >= 8 else whole + "00"
    if len(parts[0]) != 4 and len(parts) >= 3 and len(parts[2]) == 4:
        parts = [parts[2], parts[1], parts[0]]
    if not 3 <= len(parts[0]) <= 4:
        return None
    month, day = (*parts[1:3], "0", "0")[:2]
    return f"{parts[0]:0>4}{month[:2]:0>2}{day[:2]:0>2}"


def identifier(written: str | None) -> str | None:
    """A number or code as capitals and digits only."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", written or "")).upper() or None


def phone(written: str | None) -> str | None:
    """A telephone number as its last eleven digits, without the country's code (+86, 0086)."""
    digits = re.sub(r"\D+", "", unicodedata.normalize("NFKC", written or ""))
    return (re.sub(r"^(?:0086|86)(?=\d{11}$)", "", digits)[-11:]) or None


def text(written: str | None) -> str | None:
    """Words in lower case, half width, standard characters, one space between words."""
    found = unicodedata.normalize("NFKC", written or "").casefold()
    if LETTERS.search(found):  # accents stand on letters only, and most texts here have none
        found = unicodedata.normalize("NFD", found)
        found = unicodedata.normalize("NFC", "".join(each for each in found if not unicodedata.combining(each)))
    found = found.translate(characters.folding())
    return (found if found.isalnum() else " ".join(WORDS.findall(found))) or None


def address(written: str | None) -> Address | None:
    """The normal forms of an address in Chinese or Latin writing."""
    found = text(written)
    if found is None:
        return None
    if HAN.search(found):
        found = NUMERAL.sub(lambda match: numeral(match.group()), BETWEEN.sub("-", found).replace(" ", ""))
        local = found[DIVISIONS.match(found).end() :] or found  # type: ignore[union-attr]  # all of it is optional
        street = UNITS.sub("", LATIN.sub("", local))
    else:
        local, street = found, " ".join(re.findall(r"[^\W\d]+", found))
    return Address(found, street, "-".join(each.lstrip("0") or "0" for each in NUMBERS.findall(local)))


def numeral(written: str) -> str:
    """A Chinese numeral below 1,000 in Arabic digits: 十二 is 12, 二〇三 is 203."""
    if not any(each in "十百" for each in written):
        return "".join(DIGITS[each] for each in written)
    total, digit = 0, 0
    for each in written:
        if each in "十百":
            total, digit = total + (digit or 1) * (10 if each == "十" else 100), 0
        else:
            digit = int(DIGITS[each])
    return str(total + digit)
