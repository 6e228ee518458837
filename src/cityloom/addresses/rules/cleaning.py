"""A text as it was pasted, brought to one width, one script and one set of separators."""

import re
import unicodedata

from cityloom.kernel.characters import folding

LONGEST = 400
"""Characters that are looked at: a text that is longer is no address."""

_SPACE_BETWEEN = re.compile(r"(?<=[0-9A-Z])\s+(?=[0-9])")
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")
"""Besides spaces what is not seen: control characters, and signs that turn the direction of writing."""
_DASH = re.compile(r"[-‐‑‒–—―−_~〜～﹣]+")
_SEPARATOR = re.compile(r"[,;:!?。、，；：|/\\·•.…'\"“”‘’<>《》=+*&^$@`]+")
_LABEL = re.compile(
    r"(?:(?:收货|收件|联系|户籍|居住|现住|经营|注册|通讯|家庭|单位|详细)?(?:地址|住址|住所)|所在地区|坐落|现住)(?:[:,为是]|(?=\S))[:,]?"
)
_PERSON = re.compile(r"(?:收件人|收货人|联系人|姓名)[:,]?[\u4e00-\u9fff]{2,4}(?=$|[,;\d\s])")
_PHONE = re.compile(
    r"(?:(?:联系)?(?:电话|手机|座机|联系方式|TEL|MOBILE)号?码?[:,]?)?(?<!\d)(?:\+?86-?)?(?:1[3-9]\d{9}|0\d{2,3}-\d{7,8})(?!\d)"
)
_POSTCODE = re.compile(r"(?:邮政?编码?[:,]?\d{6}|^\d{6}(?=[\u4e00-\u9fff])|(?<=[,\u4e00-\u9fff])(?<!\d)\d{6}$)")
_BRACKET = re.compile(r"[(\[{【〔（]([^()\[\]{}【】〔〕（）]*)[)\]}】〕）]")
_STRUCTURE = re.compile(
    r"(?:[A-Z]?\d{1,5}[A-Z]?|[A-Z]|[零〇一二三四五六七八九十百东南西北]+)(?:栋|幢|座|号楼|号|单元|层|楼|室|房|期|区)"
    r"(?:[A-Z]?\d{1,5}(?:室|房|号)?|)"
)


def clean(text: str) -> tuple[str, tuple[str, ...]]:
    """The text in simplified characters and half width without spaces, and what stood in brackets.

    Commas are the only separators left, hyphens the only dashes. Brackets that hold nothing but a building, a floor or
    a room are opened in place. Telephone numbers, post codes and labels such as 地址: are dropped.
    """
    wide = unicodedata.normalize("NFKC", text[:LONGEST]).upper()
    simple = _simple(wide).replace("號", "号").replace("#", "号").replace("NO.", "").replace("两幢", "二幢")
    notes: list[str] = []
    simple = _without_brackets(simple, notes)
    for pattern in (_PHONE, _PERSON):
        simple = pattern.sub(",", simple)
    simple = _SPACE.sub("", _SPACE_BETWEEN.sub("-", simple.strip()))
    simple = _DASH.sub("-", _SEPARATOR.sub(",", simple))
    simple = _POSTCODE.sub(",", _LABEL.sub(",", simple))
    return _SEPARATOR.sub(",", simple).strip(",-"), tuple(notes)


def _without_brackets(text: str, notes: list[str]) -> str:
    for _ in range(4):  # brackets in brackets are rare, deeper ones are noise
        if not (found := _BRACKET.search(text)):
            break
        inside = found.group(1).strip()
        opened = bool(_STRUCTURE.fullmatch(_SPACE.sub("", inside)))
        if inside and not opened and not _PHONE.search(inside):
            notes.append(_SPACE.sub("", inside))
        text = text[: found.start()] + (inside if opened else ",") + text[found.end() :]
    return re.sub(r"[(\[{【〔）)\]}】〕]", ",", text)


def _simple(text: str) -> str:
    """One form of each character (後 is 后, 邨 is 村), so that library and text meet however either was typed."""
    return text.translate(folding())
