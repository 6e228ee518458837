"""The tables of the parser: what a numeral looks like, which endings name which level, and what may not follow them.

Everything here is read at one place of a cleaned text (simplified, half width, no spaces, commas and hyphens only).
"""

import re

from cityloom.addresses.rules.levels import Level
from cityloom.addresses.rules.numerals import HAN

ROADS = "大道|大街|公路|国道|省道|县道|快速路|马路|路|街|巷|胡同"
ESTATES = (
    "小区|大学城|中心区|花园|新村|公寓|大厦|广场|家园|山庄|别墅|工业区|工业园|产业园|科技园|软件园|科学园|创业园|住宅区|生活区|"
    "开发区|保税区|合作区|旅游区|度假区|经济区|风景区|新区|小镇|工业园区|产业园区|市场|商城|商场|购物中心|中心城|大院|公馆|名苑|雅苑|华庭|豪庭|华府|雅居|宿舍|大楼|综合楼|学校|小学|"
    "中学|大学|学院|医院|酒店|宾馆|书城|总部|基地|厂区|农场|林场|盐场|渔场|花苑|佳园|嘉园|新城|学园|社康中心|中心"
)
WEAK_ESTATES = "园|苑|府|城|庭|轩|阁|居|湾|里|坊|院|邸|厂|寓|围|屋|台|郡|舍|墅|阙|座|楼"
WEAK_ROADS = "道|线|径|弄"
STANDING = "高新技术产业园区|工业园区|产业园区|科技园|软件园|产业园|工业园|科学园|创业园|保税区|开发区|大学城|高新区"
"""Endings that are said alone, as the name of a whole quarter."""
STREETS = "街道办事处|街道办|街道|办事处|(?<!小)镇|(?<=[\u4e00-\u9fff]{2})乡"
COMMUNITIES = "社区居民委员会|社区居委会|社区|居民委员会|居委会|村民委员会|村委会|行政村|自然村|村"
CELL = rf"(?:\d{{1,3}}[A-Z]\d{{1,3}}|[A-Z]{{0,2}}\d{{1,5}}[A-Z]?|[A-Z]{{1,2}}|[{HAN}]{{1,6}}|[甲乙丙丁戊己])"
"""A numeral or letter that counts doors: 12, A, B3, 12A, 十二, 甲."""
CELLS = rf"(?:第?{CELL}(?:-{CELL})*)"
SIDE = "东南|东北|西南|西北|东|南|西|北|中|前|后|主|副|正|左|右|新|老"

SHORT_TAIL = re.compile(
    rf"(?:[东西南北中上下前后环支]?[一二三四五六七八九十]?(?:{ROADS}|道)|{ESTATES}|[湾村城岭园苑站桥港口区县市镇乡坊里山]"
    rf"(?![东西南北]?(?:{ROADS}))|街道|社区|步行|口岸|机场|地铁|火车|新|大学|银行)"
)
"""A bare 南山 before one of these is the beginning of another name (南山大道, 南山村), not the district."""

ROAD_TAIL = re.compile(rf"[东西南北中]?(?:{ROADS}|道)(?!道)")
"""What makes a division's name the beginning of a road's: 新村 before 路."""

_NEXT_DOOR = rf"(?=$|[,-]|[A-Z0-9]|[甲乙丙丁]|第|[{HAN}]+(?:期|区|栋|幢|座|号|单元|层|楼|室)|(?:{SIDE})(?:区|座|栋|门|苑)|负|地下)"
_NO_ENDING = (
    rf"(?![东西南北中]?(?:{ROADS}|小区|花园|新村|社区|村|大厦|广场|公寓|市场|中心|学校|小学|中学|医院|宿舍|酒店|宾馆|商场|"
    r"区(?!政)))"
)
_NAME = r"(?:[A-Z]{0,3}\d{0,4})?[\u4e00-\u9fff]{1,11}?"

NAMED = re.compile(
    rf"(?P<standing>(?:{STANDING}){_NO_ENDING})|(?P<stem>{_NAME})(?:"
    rf"(?P<street>{STREETS})(?![东西南北中]?(?:{ROADS}|新村|村))|"
    rf"(?P<community>(?:{COMMUNITIES}){_NO_ENDING})|"
    rf"(?P<road>(?:\d{{1,3}}号?|[A-Z])?(?:{ROADS})(?:[东西南北中]段|[东西南北中](?=\d{{1,5}}(?:号|$|,)))?{_NO_ENDING}(?![口边段灯]|道)|(?:{WEAK_ROADS}){_NEXT_DOOR})|"
    rf"(?P<estate>(?:{ESTATES}){_NO_ENDING}|(?:{WEAK_ESTATES}){_NEXT_DOOR})"
    rf")"
)
NAMED_LEVELS = (Level.street, Level.community, Level.road, Level.estate)
LONG_ROAD = re.compile(r"\d{1,3}(?:路|街|巷)|\d{2,4}(?:国道|省道|县道|乡道)|[GSXY]\d{2,4}(?:国道|省道|公路|高速|线)")
"""Roads that begin with their number."""
REGION = re.compile(
    r"[\u4e00-\u9fff]{2,6}?(?:省|自治区|特别行政区|自治州|(?<![超夜城门闹菜楼花集])市|自治县|新区|县|"
    r"(?<![东西南北小期园社校业厂宅活发税作景济游假心])区)"
    rf"(?!{ROADS}|场|政府|民政|委员|委会|中心|[东西南北]路)"
)
"""A division that no list has; only where a text begins. Not every 区 and 市 is one: 工业区, 超市."""

_MORE = r"(?P<more>(?:-|之|附)\d{1,3}(?:号(?![楼栋幢座房室铺])|(?![-\dA-Z栋幢座单层楼室房期]))|)"
"""A number behind the number: 12号之3, 12号附3号."""
DOORS: tuple[tuple[Level, re.Pattern[str]], ...] = tuple(
    (level, re.compile(pattern))
    for level, pattern in (
        (Level.group, rf"第?(?P<name>[{HAN}]+|\d+)(?:村民小组|居民小组|小组|组(?!团)|队)"),
        (Level.section, rf"(?P<name>第?(?:[{HAN}]+|\d{{1,2}})期|(?:{SIDE}|[A-Z]{{1,2}}|[{HAN}]+|\d{{1,2}})(?:区|组团))(?![域间])"),
        (Level.building, rf"(?P<name>{CELLS}|{SIDE})(?:号?(?:栋|幢|座)|号院?(?:楼|大楼|宿舍楼))(?:楼)?"),
        (Level.unit, rf"第?(?P<name>(?:{CELLS}|{SIDE})(?=单元)|{CELL})(?:单元|门(?![口诊面市店卫])|梯)"),
        (Level.room, rf"(?P<name>{CELLS})(?:号(?:房间?|室|铺|商铺|店铺|档口?|门店)|室|房间?|户(?!籍)|铺|档口|商铺|店铺)"),
        (Level.floor, rf"(?P<name>(?:负|地下|B|-)?(?:第)?(?:\d{{1,3}}(?:-\d{{1,3}})?|[{HAN}]+)|首|B\d)(?:层|楼)(?![梯道盘下上])"),
        (Level.number, rf"附?(?P<name>[甲乙丙丁]?{CELLS}[甲乙丙丁]?)(?:(?P<lane>弄)|号(?![路街巷])(?:大?院)?{_MORE})"),
    )
)  # fmt: skip
"""Doors in the order in which they are tried: a longer ending before the shorter that it begins with."""

_PLAIN = r"(?:\d{1,3}[A-Z]\d{1,3}|[A-Z]{0,2}\d{1,5}[A-Z]?)"
BARE = re.compile(rf"{_PLAIN}(?:-{_PLAIN}){{0,4}}(?![国省县乡]道|号?[路街巷]|\d)|[A-Z](?:-\d{{1,5}}){{1,2}}")
"""Numbers without a word, such as 3-2-502 or 1907."""
BARE_HAN = re.compile(r"[零〇一二三四五六七八九]{3,4}(?=$|,)")
"""A room at the end without a word, digit by digit: 五零一."""
WING = re.compile(rf"(?P<name>[A-Z]|{SIDE})(?:座|栋|翼|塔)")
"""A part of a building that has been named already: 3栋A座."""

RELATION = re.compile(
    r"(?:的)?(?:斜对面|正对面|对面|对过|隔壁|旁边|附近|周边|旁|后面|前面|背后|楼下|门口|路口|交汇处|交叉口|交叉路口|十字路口|交界处|"
    r"以?[东南西北]侧?(?:约?\d+米)|[东南西北]侧|[东南西北]边|\d+米(?:处)?)"
)
"""Words after a place that say: not this place, but near it."""
JOIN = re.compile(r"[与和跟及近至到的]")
"""Words between two roads of a crossing."""
