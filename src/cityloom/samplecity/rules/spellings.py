"""How people write the addresses of the sample city, with what they mean: a labelled file for matching.

Knows nothing of any parser: the ways are those that clerks and senders have, drawn by chance. Each text is written so that a
person with the library before him could tell the address; those that mean none are marked by an empty code.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from cityloom.samplecity.contracts import PlannedAddress, PlannedSpelling
from cityloom.samplecity.rules import chance
from cityloom.samplecity.spec import City, Names

Steps = list[tuple[str, str]]
Dice = Callable[[str], float]

_WIDE = str.maketrans("0123456789ABCDEF-", "０１２３４５６７８９ＡＢＣＤＥＦ－")
_TRADITIONAL = str.maketrans(
    "区号栋单楼层东龙华门宝罗岭兴园广场厦庄苑乡镇街头盐坝坑马湾铁桥观沟",
    "區號棟單樓層東龍華門寶羅嶺興園廣場廈莊苑鄉鎮街頭鹽壩坑馬灣鐵橋觀溝",
)
_NUMERALS = "零一二三四五六七八九"
_MISTAKEN = {"华": "花", "新": "心", "福": "富", "明": "名", "景": "井", "和": "河", "安": "按", "康": "唐", "泰": "秦"}
_ELSEWHERE = ("江苏省南京市鼓楼区", "湖南省长沙市岳麓区", "四川省成都市武侯区", "河北省石家庄市长安区")


def spellings(
    seed: int, names: Names, city: City, library: Iterable[PlannedAddress], stride: int
) -> Iterator[PlannedSpelling]:  # fmt: skip
    """About one spelling for each `stride` addresses of a library, in its order."""
    key = chance.key(seed, "spellings", stride)
    for number, address in enumerate(library):
        if address.level not in ("room", "number", "building"):
            continue
        dice = _dice(key, number)
        if dice("taken") * stride < 1.3:
            yield _one(address, names, city, dice)


def _dice(key: int, number: int) -> Dice:
    return lambda name: float(chance.unit(key, name, np.array([number]))[0])


def _one(address: PlannedAddress, names: Names, city: City, dice: Dice) -> PlannedSpelling:
    current = address.replaced_by[0] if len(address.replaced_by) == 1 else address.code
    if address.until and len(address.replaced_by) != 1:
        current = "" if address.replaced_by else address.code  # one house became two: no text tells which
    none = dice("none")
    if none < 0.08:
        return PlannedSpelling(text=_absent(address, names, dice), code="", way="absent")
    if none < 0.11:
        text = _frame(address, dice) + _written(list(address.steps)[:2]) + ("对面" if dice("near") < 0.5 else "旁边")
        return PlannedSpelling(text=text, code="", way="near")
    text, way = _frame_and_doors(address, dice)
    for noise, chosen in _NOISES:
        if dice("noise " + chosen) < 0.07:
            text = _province(text, city) if noise is None else noise(text, names, dice)
            way = f"{way}+{chosen}"
    return PlannedSpelling(text=text, code=current, way=("old " if address.until else "") + way)


def _absent(address: PlannedAddress, names: Names, dice: Dice) -> str:
    """An address that was never built, or lies in another city."""
    steps = list(address.steps)
    kind = dice("absent")
    if kind < 0.3:
        return _ELSEWHERE[int(dice("city") * len(_ELSEWHERE))] + _written(steps)
    if kind < 0.6:
        return _frame(address, dice) + _written(
            [steps[0], ("number", f"{2001 + int(dice('far') * 900)}号"), *steps[2:]]
        )
    if kind < 0.8 or address.level != "room":
        road = "漱石" + names.road_endings[int(dice("road") * len(names.road_endings))]
        return _frame(address, dice) + _written([("road", road), steps[1]])
    return _frame(address, dice) + _written([*steps[:2], ("room", f"{70 + int(dice('floor') * 20)}09室")])


def _frame(address: PlannedAddress, dice: Dice) -> str:
    """The divisions as they are said, from all to the district alone."""
    city, district, street, community = address.place
    drawn = dice("frame")
    if drawn < 0.25:
        return city + district + street + community
    if drawn < 0.45:
        return city + district + street
    if drawn < 0.6:
        return city + district
    if drawn < 0.7:
        return city.removesuffix("市") + (district[:-1] if len(district) == 3 else district)
    if drawn < 0.8:
        return district + street
    if drawn < 0.88:
        return city + city + district + street
    if drawn < 0.94:
        office = street.replace("街道", "街道办事处")
        return city + district + office + community.replace("社区", "社区居委会")
    return ""


def _frame_and_doors(address: PlannedAddress, dice: Dice) -> tuple[str, str]:
    frame, steps = _frame(address, dice), list(address.steps)
    if address.former_division and dice("redrawn") < 0.5:
        frame = "".join(address.place[:3])  # the community it was in; the other half says none
    drawn = dice("doors")
    levels = [level for level, _ in steps]
    if drawn < 0.4:
        return frame + _written(steps), "plain"
    if drawn < 0.52:
        return frame + _written(steps, _numerals), "numerals"
    if drawn < 0.64:
        return frame + _written(steps, _other_words), "other words"
    if drawn < 0.74 and "room" in levels:
        return frame + _dashed(steps), "dashes"
    if drawn < 0.82 and levels[-1] == "room":
        return frame + _written(steps[:-1]) + steps[-1][1].removesuffix("室"), "bare room"
    if drawn < 0.9 and "estate" in levels and frame:
        return frame + _written(steps[2:]), "estate only"
    if drawn < 0.95 and levels[2:3] in ([], ["estate"]):  # 11 and 2栋 without a word between is 112栋 to anybody
        return frame + steps[0][1] + steps[1][1].removesuffix("号") + _written(steps[2:]), "bare number"
    return frame + _written(steps, _floored), "with floor"


def _written(steps: Steps, spell: Callable[[str, str], str] = lambda _, name: name) -> str:
    return "".join(spell(level, name) for level, name in steps)


def _numerals(level: str, name: str) -> str:
    if level in ("road", "estate"):
        return name
    digits = "".join(sign for sign in name if sign.isdigit())
    if not digits or "-" in name or (level == "number" and len(digits) > 2):
        return name
    written = _amount(int(digits)) if len(digits) < 3 else "".join(_NUMERALS[int(sign)] for sign in digits)
    return name.replace(digits, written)


def _amount(number: int) -> str:
    tens, ones = divmod(number, 10)
    return ("" if not tens else "十" if tens == 1 else _NUMERALS[tens] + "十") + (
        _NUMERALS[ones] if ones or not tens else ""
    )


def _other_words(level: str, name: str) -> str:
    if level == "building" and name[0].isdigit():
        return name.replace("栋", ("幢", "号楼", "#楼", "座")[int(name[0]) % 4])
    if level == "room":
        return name.replace("室", "号房" if name[0] in "13579" else "房")
    return name


def _floored(level: str, name: str) -> str:
    return f"{name[:-3]}楼{name}" if level == "room" else name


def _dashed(steps: Steps) -> str:
    """3-2-502 for building, unit and room."""
    doors = [name for level, name in steps if level in ("building", "unit", "room")]
    plain = [door.removesuffix("栋").removesuffix("座").removesuffix("单元").removesuffix("室") for door in doors]
    begin = [step for step in steps if step[0] not in ("building", "unit", "room")]
    return _written(begin) + "-".join(plain) if len(plain) > 1 else _written(steps)


def _wide(text: str, _names: Names, _dice: Dice) -> str:
    return text.translate(_WIDE)


def _spaced(text: str, _names: Names, dice: Dice) -> str:
    where = 1 + int(dice("where") * max(1, len(text) - 2))
    inside = text[where - 1 : where + 1]
    return (
        text
        if inside.isalnum() and inside.isascii()
        else text[:where] + ("  ", "　", "\t")[len(text) % 3] + text[where:]
    )


def _traditional(text: str, _names: Names, _dice: Dice) -> str:
    return text.translate(_TRADITIONAL)


def _noted(text: str, names: Names, dice: Dice) -> str:
    landmark = names.landmarks[int(dice("landmark") * len(names.landmarks))]
    return f"{text}（{landmark}旁）" if dice("bracket") < 0.6 else f"{text}({landmark}楼上)"


def _pasted(text: str, _names: Names, dice: Dice) -> str:
    phone = (
        f"13{int(dice('phone') * 10):01d}0000{int(dice('digits') * 10000):04d}"  # 0000 in its midst was never given out
    )
    return f"地址：{text} 电话：{phone}" if dice("order") < 0.5 else f"{phone}，{text}"


def _mistaken(text: str, _names: Names, _dice: Dice) -> str:
    place = next((place for place, sign in enumerate(text) if sign in _MISTAKEN and place > 9), None)
    return text if place is None else text[:place] + _MISTAKEN[text[place]] + text[place + 1 :]


def _named(text: str, names: Names, dice: Dice) -> str:
    """What is there, behind the address: 12号农业银行."""
    return text + names.landmarks[int(dice("business") * len(names.landmarks))]


def _listed(text: str, _names: Names, _dice: Dice) -> str:
    return text.replace("街道", "街道，", 1).replace("号", "号、", 1)


def _shortened(text: str, _names: Names, _dice: Dice) -> str:
    return text.replace("街道", "", 1) if "街道办" not in text else text


def _crossing(text: str, names: Names, dice: Dice) -> str:
    first, second = (names.roads[int(dice(name) * len(names.roads))] for name in ("first road", "second road"))
    return f"{text}（{first}与{second}交汇处）"


def _province(text: str, city: City) -> str:
    """The province before the city, where the text begins with that."""
    begins = text.startswith(city.title.zh.removesuffix("市"))
    return city.province.zh + text if city.province is not None and begins else text


_NOISES: tuple[tuple[Callable[[str, Names, Dice], str] | None, str], ...] = (
    (_shortened, "shortened"), (_named, "named"), (_crossing, "crossing"), (_listed, "listed"),
    (None, "province"), (_mistaken, "mistaken"), (_wide, "wide"), (_spaced, "spaced"),
    (_traditional, "traditional"), (_noted, "noted"), (_pasted, "pasted"),
)  # fmt: skip
"""In the order in which they are done; None is the province, which is the city's."""
