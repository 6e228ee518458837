"""Chinese numerals in addresses, both as amounts (一百零八) and digit by digit (二〇五)."""

import re

DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
UNITS = {"十": 10, "百": 100, "千": 1000}
HAN = "零〇一二两三四五六七八九十百千"
_RUN = re.compile(rf"[{HAN}]+")
_WRITTEN = "零一二三四五六七八九"


def to_digits(text: str) -> str:
    """Every run of Chinese numerals in the text as Arabic digits: 十二 → 12, 二〇五 → 205."""
    return _RUN.sub(lambda found: _number(found.group()), text)


def _number(run: str) -> str:
    if not any(sign in UNITS for sign in run):
        return "".join(str(DIGITS[sign]) for sign in run)
    total, waiting = 0, 0
    for sign in run:
        if sign in UNITS:
            total += (waiting or (1 if sign == "十" else 0)) * UNITS[sign]
            waiting = 0
        else:
            waiting = DIGITS[sign]
    return str(total + waiting)


def to_han(text: str) -> str:
    """Arabic numbers up to 99 as roads have them in their names: 科技南12路 → 科技南十二路. Longer ones stay."""
    return re.sub(r"(?<!\d)\d{1,2}(?!\d)", lambda found: _han(int(found.group())), text)


def _han(number: int) -> str:
    tens, ones = divmod(number, 10)
    if not tens:
        return _WRITTEN[ones]
    head = "十" if tens == 1 else _WRITTEN[tens] + "十"
    return head + (_WRITTEN[ones] if ones else "")
