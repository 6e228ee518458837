"""The normal form of a name: of a person in Chinese, of a person in Latin letters, of an organisation."""

import re
import unicodedata
from functools import cache

import msgspec

from cityloom.kernel import characters

_COMPOUND = (
    "欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠 公孙 慕容 仲孙 钟离 "
    "长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 谷梁 拓跋 夹谷 轩辕 令狐 段干 百里 呼延 东郭 "
    "南门 羊舌 微生 梁丘 左丘 东门 西门 南荣 第五 叱干 纳兰 完颜 叶赫 那拉 爱新 富察"
)
COMPOUND = frozenset(_COMPOUND.split(" "))
"""Family names of two characters (复姓)."""

COMPOUND_SOUNDS = {"尉迟": ("yu", "chi"), "万俟": ("mo", "qi"), "长孙": ("zhang", "sun"), "澹台": ("tan", "tai")}
DOTS = "·•‧∙⋅・･.．。、,，'’‘`´\"“”-‐‑–—－_()（）[]【】〔〕"
TITLES = re.compile(r"(?:先生|女士|小姐|同志|老师)$")


class PersonName(msgspec.Struct, frozen=True):
    """A person's name in its normal forms."""

    text: str
    """Simplified standard characters without spaces and dots; letters in lower case where it has no characters."""
    sound: str
    """Syllables in order, without tones: `wang xiao ming`."""
    family: str
    given: str
    """The name cut after the family name; a name in letters, or of a minority with dots, is not cut: all is given."""

    @property
    def characters(self) -> str:
        """The characters in rising order: the same when family and given name change places."""
        return "".join(sorted(self.text))

    @property
    def sounds(self) -> str:
        """The syllables in rising order: the same when family and given name change places."""
        return " ".join(sorted(self.sound.split(" ")))


class LatinName(msgspec.Struct, frozen=True):
    """A name in Latin letters in its normal forms."""

    text: str
    """Lower case, no accents, words parted by one space."""
    code: str
    """Soundex of its first word (US National Archives, General Information Leaflet 55)."""

    @property
    def words(self) -> str:
        """The words in rising order."""
        return " ".join(sorted(self.text.split(" ")))


class OrganisationName(msgspec.Struct, frozen=True):
    """An organisation's name, taken apart as 《企业名称登记管理规定》 Art. 6 has it put together."""

    text: str
    """Normal form of all of it."""
    core: str
    """Without place and form: 字号 and trade."""
    place: str
    """The division it begins with, without 省, 市, 区, 县."""
    form: str
    """The legal form it ends with, such as 有限公司."""


def person(written: str | None) -> PersonName | None:
    """The normal form of a person's name, or None where nothing of a name is there.

    Traditional and variant characters are folded, full-width letters too; spaces, and the dots (·) of names of
    minorities, fall away. A name in pinyin (`WANG, Xiao-ming`) has its letters as text and its syllables as sound.
    """
    text = unicodedata.normalize("NFKC", written or "").translate(characters.folding())
    dotted = any(dot in text for dot in "·•‧∙⋅・")
    text = TITLES.sub("", text.strip()) or text
    if any(map(characters.is_chinese, text)):
        bare = "".join(each for each in text if characters.is_chinese(each))
        family, given = ("", bare) if dotted else split(bare)
        return PersonName(bare, _sound(family, given), family, given)
    found = latin(text)
    if found is None:
        return None
    spoken = " ".join(_spoken(word) for word in found.text.split(" "))
    return PersonName(found.text.replace(" ", ""), spoken, "", found.text.replace(" ", ""))


def split(name: str) -> tuple[str, str]:
    """Family and given name of a name in characters without dots; a compound family name (复姓) counts as one."""
    if len(name) > 2 and name[:2] in COMPOUND:
        return name[:2], name[2:]
    return (name[:1], name[1:]) if 1 < len(name) <= 4 else ("", name)


def _sound(family: str, given: str) -> str:
    spoken = COMPOUND_SOUNDS.get(family) or tuple(characters.sound(each, surname=True) for each in family)
    return " ".join(each for each in (*spoken, *map(characters.sound, given)) if each)


@cache
def _spoken(word: str) -> str:
    """A word in pinyin cut into its syllables (the fewest, the earlier ones longer), or as it is."""
    best: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for start in range(max(0, end - 6), end):
            before, piece = best[start], characters.plain(word[start:end])
            if before is not None and piece in characters.syllables():
                known = best[end]
                if known is None or len(before) + 1 < len(known):
                    best[end] = (*before, piece)
    return " ".join(best[-1] or (word,))


def latin(written: str | None) -> LatinName | None:
    """The normal form of a name in Latin letters, or None where it has none."""
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", written or "").casefold())
    text = text.replace("u\u0308", "v") if _is_pinyin(text) else text
    bare = "".join(each for each in text if not unicodedata.combining(each) and each not in "'’‘`´")
    words = re.findall(r"[^\W\d_]+", bare)
    return LatinName(" ".join(words), soundex(words[0])) if words else None


def _is_pinyin(text: str) -> bool:
    """ü is v after l and n alone in a syllable, as in lü; in Müller it is u."""
    return bool(re.search(r"\b[ln]u\u0308e?(?![a-z])", text))


_CODES = {letter: code for letters, code in zip(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), "123456", strict=True)
          for letter in letters}  # fmt: skip


def soundex(word: str) -> str:
    """Soundex of a word in lower case: h and w part nothing, vowels do."""
    if not word:
        return ""
    code, before = word[0], _CODES.get(word[0], "")
    for letter in word[1:]:
        found = _CODES.get(letter, "")
        if found and found != before:
            code += found
        if letter not in "hw":
            before = found
    return (code + "000")[:4]


FORMS = re.compile(
    r"(?:股份有限公司|有限责任公司|有限公司|股份公司|集团公司|总公司|分公司|公司|合伙企业|普通合伙|有限合伙|特殊普通合伙"
    r"|个人独资企业|农民专业合作社|专业合作社|合作社|个体工商户|工作室|经营部|事务所)$"
)
PLACES = re.compile(r"^(?:[\u4e00-\u9fff]{2,7}?(?:省|自治区|特别行政区))?(?:[\u4e00-\u9fff]{2,6}?(?:市|自治州|盟))?"
                    r"(?:[\u4e00-\u9fff]{1,5}?(?:区|县|旗))?")  # fmt: skip
BRACKETED = re.compile(r"[(（\[【〔]([^)）\]】〕]*)[)）\]】〕]")
SUFFIXES = re.compile(r"(?:特别行政区|自治区|自治州|省|市|区|县|旗|盟)")


def organisation(written: str | None) -> OrganisationName | None:
    """The normal form of an organisation's name, or None where it has none.

    A place in brackets (`华为技术（深圳）有限公司`) counts as a place; other brackets stay in the core.
    """
    text = unicodedata.normalize("NFKC", written or "").casefold().translate(characters.folding())
    inner = [each for each in BRACKETED.findall(text) if each]
    outer = re.sub(r"[\W_]+", "", BRACKETED.sub("", text))
    if not outer and not inner:
        return None
    form = FORMS.search(outer)
    body = outer[: form.start()] if form and form.start() else outer
    place = PLACES.match(body)
    head = place.group() if place and len(place.group()) < len(body) - 1 else ""
    core = body[len(head) :]
    places = [SUFFIXES.sub("", head)] + [SUFFIXES.sub("", each) for each in inner if _is_place(each)]
    core += "".join(re.sub(r"[\W_]+", "", each) for each in inner if not _is_place(each) and not FORMS.fullmatch(each))
    ending = form.group() if form and form.start() else ""
    return OrganisationName(re.sub(r"[\W_]+", "", text), core or outer, "".join(filter(None, places)), ending)


def _is_place(text: str) -> bool:
    return 2 <= len(text) <= 4 and all(map(characters.is_chinese, text)) and not FORMS.search(text)
