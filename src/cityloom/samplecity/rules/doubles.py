"""Records of people as several offices write them down: the same person more than once, never quite the same.

For the judging of record linkage. People live in families at one address, some are twins, many have the same name; some
move, change telephones or are renamed. Each record is then written by somebody who mishears, mistypes, writes traditional
or variant characters, writes pinyin, swaps day and month, leaves out. The tables of errors are this file's own: what a
clerk gets wrong is not taken from what the linkage forgives. Rates are assumptions, all in `RATES`.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pypinyin import lazy_pinyin

from cityloom.samplecity.rules import chance, numbers
from cityloom.samplecity.rules.chance import Flags, Index
from cityloom.samplecity.spec import Names

Letters = NDArray[np.uint32]

RATES = {
    "traditional": 0.04, "variant": 0.25, "homophone": 0.025, "look-alike": 0.01, "pinyin": 0.02, "swapped": 0.007,
    "no name": 0.003, "renamed": 0.007, "date typing": 0.02, "day and month": 0.005, "no date": 0.05, "year only": 0.01,
    "no phone": 0.2, "new phone": 0.25, "phone typing": 0.015, "family phone": 0.1, "moved": 0.2, "no address": 0.08,
    "room left out": 0.05, "number typing": 0.015, "no sex": 0.05, "wrong sex": 0.005, "twins": 0.01,
    "numbered": 0.45, "checked": 0.65, "number wrong": 0.08, "foreign spaces": 0.03,
}  # fmt: skip
"""Shares; `variant` of the names that hold a character with one, `renamed`, `moved` and `new phone` of people, the twins of
people, `checked` of the records with an identity number, `number wrong` of those that were not checked."""
RECORDS_EACH = (0.55, 0.28, 0.12, 0.05)
"""Shares of people with 1, 2, 3 and 4 records."""
MORE_GIVEN = (
    "安宝斌冰波才昌成春达丹德栋恩方芬锋福富刚根光贵桂国海恒宏洪鸿厚虎欢会吉纪季建江锦进京景静久钧开可克宽朗乐雷礼力立良亮烈霖灵龙鲁伦茂"
    "美蒙苗民鸣木楠宁培沛朋品琪奇启千乾强青清庆权全群仁荣如瑞润森善尚少绍生胜圣诗世守书淑舒树帅双水顺硕思松棠腾天田铁亭通同维卫文希喜贤祥"
    "向晓笑新信兴星雄修雪训亚延炎岩彦扬尧业依以义艺益逸毅银应盈映友有余育裕元远苑悦跃云允运在增展兆珍振正政知直智中忠洲竹卓宗祖佐"
)
HOMOPHONES = (
    "伟玮炜纬 强蔷墙 军君钧均 洋阳扬杨 杰捷洁婕 明铭鸣茗 涛滔韬 丽莉俐力 静婧靖竞 敏闽皿 燕艳雁彦 玲灵凌伶 英瑛莹盈 华桦骅 娟鹃 霞侠"
    " 芳方坊 辉晖徽 鹏朋彭 宇羽雨语 浩皓昊灏 凯恺楷 俊峻骏竣 帆凡繁 旭续绪 宁柠 龙隆 林琳霖麟 波博 峰锋丰枫 毅义艺逸益 诚成程承 哲辙"
    " 轩萱宣 泽则择 睿瑞锐 文雯纹 志智致治 国帼 海亥 建健剑 东冬栋 晨辰尘陈 子梓紫籽 然冉 家佳嘉加 豪毫 永勇咏泳 康慷 泰太 娜纳 秀绣"
    " 慧惠会汇 巧俏 雅亚娅 芝之枝 萍平苹 玉钰郁煜 兰岚蓝 洁杰 素肃 云芸耘 莲连涟 真珍贞 环寰 雪血 荣容蓉嵘 爱艾 香湘祥 月悦越 媛圆源"
    " 佳嘉家 琼穷 勤芹秦 桂贵 叶业烨 璐露路 晶京菁 茜倩 珊姗衫 黛代 青清卿 婷亭庭 怡依宜仪 丹单 欣新鑫心馨 诗施 可珂 张章 于余俞 江姜"
    " 付傅 肖萧 闫严阎 吴伍武 徐许 周洲 黄皇 刘留 李理 王汪 朱诸 郑政 何和 罗骆 梁良 孙荪 谢榭 邓登 曹槽 田甜 袁园元 蔡菜 魏卫 苏酥 沈审"
)
TRADITIONAL = (
    "张張 刘劉 陈陳 杨楊 黄黃 赵趙 吴吳 孙孫 马馬 罗羅 郑鄭 谢謝 许許 韩韓 邓鄧 冯馮 萧蕭 蒋蔣 叶葉 苏蘇 吕呂 卢盧 钟鐘 姜薑 谭譚 陆陸 范範 韦韋 贾賈"
    " 邹鄒 闫閆 龙龍 顾顧 龚龔 万萬 钱錢 严嚴 伟偉 强強 军軍 杰傑 涛濤 刚剛 辉輝 鹏鵬 华華 飞飛 凯凱 宁寧 诚誠 轩軒 泽澤 国國 东東 铭銘 丽麗 艳豔 红紅 兰蘭 凤鳳"
    " 洁潔 莲蓮 环環 荣榮 爱愛 莺鶯 凡凢 琼瓊 贞貞 娅婭 颖穎 莹瑩 云雲 庆慶 权權 润潤 圣聖 书書 树樹 帅帥 双雙 顺順 硕碩 腾騰 维維 卫衛 贤賢 晓曉 兴興 亚亞 尧堯 业業"
    " 义義 艺藝 银銀 应應 远遠 跃躍 运運 进進 钧鈞 开開 乐樂 礼禮 灵靈 鲁魯 伦倫 鸣鳴 启啟 锦錦 恺愷 骏駿 俭儉 欧歐 诸諸 阳陽 怀懷"
)
VARIANTS = "峰峯 群羣 升昇 哲喆 坤堃 宁甯 岩嵒 昆崑 映暎 炎焱 秋穐 辉煇 晋晉 德惪 春旾 梅槑 松枩 烟煙 秘祕 游遊 同仝 周週 咏詠 泛汎 乃迺 真眞 青靑"
LOOK_ALIKE = "未末 宇字 晴睛 琳淋 浩洁 雨两 亮高 鹏朋 天夭 日曰 晶品 明朋 林材 凤风 玉王 王玉 大太 丹舟 岳兵 思恩 莹萤 晓晚 锋铎 清情 佳住 旭旮 志忘 军车 田由 于干"
DISTRICTS = ("东河区", "西岭区", "南湖区", "北山区", "青石县", "白水县", "临江县", "平原县")
STREETS = (
    "五星街道",
    "新城街道",
    "文峰街道",
    "先锋街道",
    "毓龙街道",
    "黄海街道",
    "新洋街道",
    "盐渎街道",
    "张庄街道",
    "大洋街道",
)
ESTATES = ("阳光花园", "锦绣家园", "东方明珠", "翠湖雅苑", "香榭丽舍", "金色港湾", "和谐佳园", "紫薇花园", "书香门第", "水岸名都", "幸福里", "凤凰城",
           "绿地世纪城", "中央公馆", "钱江方洲", "聚龙湖苑")  # fmt: skip
NUMERALS = np.array(
    [
        "零",
        "一",
        "二",
        "三",
        "四",
        "五",
        "六",
        "七",
        "八",
        "九",
        "十",
        "十一",
        "十二",
        "十三",
        "十四",
        "十五",
        "十六",
        "十七",
        "十八",
    ]
)


class _People:
    """People with what is true of them; families stand one after the other."""

    def __init__(self, key: int, count: int, names: Names) -> None:
        self.key, self.everyone = key, np.arange(count)
        size = 1 + chance.pick(key, "family size", self.everyone, [0.2, 0.3, 0.3, 0.15, 0.05])
        self.home = np.repeat(self.everyone, size)[:count]
        first = np.flatnonzero(np.append(True, self.home[1:] != self.home[:-1]))
        self.role = self.everyone - first[np.cumsum(np.append(True, self.home[1:] != self.home[:-1])) - 1]
        parent = chance.whole(key, "parent", self.home, -12_000, 6_000)
        child = chance.whole(key, "gap", self.everyone, 8_000, 14_000)
        self.born = np.where(
            self.role < 2, parent + chance.whole(key, "spouse", self.everyone, -1_500, 1_500), parent + child
        )
        self.born = np.minimum(self.born, 20_600)
        self.sex = np.where(self.role < 2, 1 + self.role, 1 + chance.whole(key, "sex", self.everyone, 0, 2))
        self.twin = (self.role >= 3) & (chance.unit(key, "twin", self.everyone) < RATES["twins"] / 0.1)
        self._name(names)
        self.born[self.twin] = self.born[np.flatnonzero(self.twin) - 1]
        self.number = numbers.citizen_ids(
            numbers.divisions(chance.whole(key, "division", self.everyone, 0, 40)), self.born, self.sex
        )

    def _name(self, names: Names) -> None:
        """Letters × people: families share the father's name; a twin mostly shares a character with the other."""
        key, people = self.key, self.everyone
        surnames = np.array([[*map(ord, each), 0][:2] for each in names.surnames], np.uint32)
        inherited = np.where(self.role == 1, people + len(people), self.home)
        family = surnames[chance.pick(key, "surname", inherited, list(names.surnames.values()))]
        shared = np.frombuffer(MORE_GIVEN.encode("utf-32-le"), np.uint32)
        self.family = family

        def drawn(what: str, index: Index) -> Letters:
            found = np.zeros(len(people), np.uint32)
            for sex, own in ((1, names.male), (2, names.female)):
                listed = np.concatenate([np.frombuffer(own.encode("utf-32-le"), np.uint32), shared])
                # some characters are given far more often than others
                place = (chance.unit(key, what, index) ** 1.7 * len(listed)).astype(np.int64)
                found = np.where(self.sex == sex, listed[place], found)
            return found

        first, second = drawn("first", people), drawn("second", people)
        before = people[self.twin] - 1
        alike = chance.unit(key, "alike", before) < 0.7
        first[self.twin] = np.where(alike, first[before], first[self.twin])
        second[chance.unit(key, "short", people) < 0.15] = 0
        self.given = np.stack([first, second], 1)
        other = np.stack([drawn("other first", people), drawn("other second", people)], 1)
        renamed = chance.unit(key, "renamed", people) < RATES["renamed"]
        self.later = np.where(renamed[:, None], other, self.given)


def records(people: int, seed: int, names: Names) -> pa.Table:
    """About 1.67 records for each of `people` persons, in no order: columns record, person (the truth), name, sex, born,
    id_number, id_checked (true where the number was compared with its register), phone, address; all but the first two
    and id_checked may be null. The same arguments give the same table."""
    key = chance.key("doubles", seed)
    who = _People(key, people, names)
    times = 1 + chance.pick(key, "records", who.everyone, RECORDS_EACH)
    person = np.repeat(who.everyone, times)
    person = person[np.argsort(chance.bits(key, "order", np.arange(len(person))), kind="stable")]
    clerk = _Clerk(chance.key("clerk", seed), len(person))
    numbered = clerk.now_and_then("numbered")
    checked = numbered & clerk.now_and_then("checked")
    return pa.table(
        {
            "record": pc.binary_join_element_wise("R", pc.cast(pa.array(clerk.all), pa.string()), ""),
            "person": pa.array(person),
            "name": clerk.name(who, person),
            "sex": clerk.sex(who.sex[person]),
            "born": clerk.born(who.born[person]),
            "id_number": clerk.id_number(who.number.take(pa.array(person)), numbered, checked),
            "id_checked": pa.array(checked),
            "phone": clerk.phone(who, person),
            "address": clerk.address(who.home[person], person),
        }
    )


class _Clerk:
    """Whoever writes the records down."""

    def __init__(self, key: int, count: int) -> None:
        self.key, self.all = key, np.arange(count)

    def now_and_then(self, what: str) -> Flags:
        return np.asarray(chance.unit(self.key, what, self.all) < RATES[what], np.bool_)

    def name(self, who: _People, person: Index) -> pa.Array:
        late = chance.unit(self.key, "late", self.all) < 0.5
        given = np.where(late[:, None], who.later[person], who.given[person])
        letters = np.concatenate([who.family[person], given], 1)
        letters = _replace(
            letters, HOMOPHONES, self.now_and_then("homophone"), chance.bits(self.key, "which", self.all)
        )
        letters = _replace(
            letters, LOOK_ALIKE, self.now_and_then("look-alike"), chance.bits(self.key, "like", self.all)
        )
        everywhere = np.zeros(0, np.uint64)
        letters = _replace(letters, VARIANTS, self.now_and_then("variant"), everywhere)
        letters = _replace(letters, TRADITIONAL, self.now_and_then("traditional"), everywhere)
        swapped = self.now_and_then("swapped")
        letters[swapped] = letters[swapped][:, [2, 3, 0, 1]]
        spaced = self.now_and_then("foreign spaces")
        joined = [pa.array(np.where(column == 0, "", _text(column))) for column in letters.T]
        plain = pc.binary_join_element_wise(*joined, "")
        apart = pc.binary_join_element_wise(joined[0], joined[1], pa.scalar(" "), joined[2], joined[3], "")
        written = pc.if_else(pa.array(spaced), apart, plain)
        written = pc.if_else(pa.array(self.now_and_then("pinyin")), _pinyin(letters), written)
        return pc.if_else(pa.array(self.now_and_then("no name")), pa.scalar(None, pa.string()), written)

    def sex(self, sex: Index) -> pa.Array:
        wrong = np.where(self.now_and_then("wrong sex"), 3 - sex, sex)
        return pa.array(np.array(["", "男", "女"])[wrong], mask=self.now_and_then("no sex"))

    def born(self, born: Index) -> pa.Array:
        digits = born.astype("datetime64[D]").astype("U10").view(np.uint32).reshape(-1, 10).copy()
        day = (digits[:, 8] - 48) * 10 + digits[:, 9] - 48
        turned = self.now_and_then("day and month") & (day <= 12)
        digits[turned] = digits[turned][:, [0, 1, 2, 3, 4, 8, 9, 7, 5, 6]]
        typed = self.now_and_then("date typing")
        place = np.array([2, 3, 6, 8, 9])[chance.whole(self.key, "date place", self.all, 0, 5)]
        _mistype(digits, typed, place, chance.whole(self.key, "date digit", self.all, 1, 10))
        digits[self.now_and_then("year only"), 5:] = np.array([*map(ord, "01-01")], np.uint32)
        return pa.array(_text(digits), mask=self.now_and_then("no date"))

    def id_number(self, number: pa.Array, numbered: Flags, checked: Flags) -> pa.Array:
        digits = np.array(number.to_pylist(), "U18").view(np.uint32).reshape(-1, 18).copy()
        place = chance.whole(self.key, "number place", self.all, 6, 17)
        wrong = ~checked & self.now_and_then("number wrong")
        _mistype(digits, wrong, place, chance.whole(self.key, "number digit", self.all, 1, 10))
        return pa.array(_text(digits), mask=~numbered)

    def phone(self, who: _People, person: Index) -> pa.Array:
        owner = np.where(
            chance.unit(who.key, "family phone", person) < RATES["family phone"], -1 - who.home[person], person
        )
        moved_on = chance.unit(who.key, "new phone", person) < RATES["new phone"]
        second = moved_on & (chance.unit(self.key, "old phone", self.all) < 0.5)
        head = np.array([138, 139, 136, 137, 150, 151, 158, 159, 186, 188, 189, 177, 199])
        index = owner * 2 + second
        value = head[chance.whole(who.key, "head", index, 0, len(head))] * 10**8 + chance.whole(
            who.key, "tail", index, 0, 10**8
        )
        digits = value.astype("U11").view(np.uint32).reshape(-1, 11).copy()
        place = chance.whole(self.key, "phone place", self.all, 3, 11)
        _mistype(
            digits, self.now_and_then("phone typing"), place, chance.whole(self.key, "phone digit", self.all, 1, 10)
        )
        return pa.array(_text(digits), mask=self.now_and_then("no phone"))

    def address(self, home: Index, person: Index) -> pa.Array:
        moved = (chance.unit(self.key, "moved", person) < RATES["moved"]) & (
            chance.unit(self.key, "old home", self.all) < 0.5
        )
        place = np.where(moved, 10**8 + person, home)
        part = chance.key("addresses")
        district, street, road = (
            chance.whole(part, what, place, 0, most) for what, most in (("d", 8), ("s", 10), ("r", 30))
        )
        house, estate = chance.whole(part, "h", place, 1, 400), chance.whole(part, "e", place, 0, 16)
        building, unit = chance.whole(part, "b", place, 1, 19), chance.whole(part, "u", place, 1, 5)
        room = chance.whole(part, "f", place, 1, 19) * 100 + chance.whole(part, "o", place, 1, 5)
        typing = self.now_and_then("number typing")
        house = np.where(typing, np.maximum(1, house + chance.whole(self.key, "house slip", self.all, -9, 10)), house)
        style = chance.pick(self.key, "style", self.all, [0.4, 0.2, 0.15, 0.15, 0.1])
        head = np.where(style == 1, "云江省河湾市", np.where(style == 3, "", "河湾市"))
        middle = np.where(style == 2, "", np.array(STREETS)[street])
        estates = np.where(style == 4, "", np.array(ESTATES)[estate])
        number = building.astype("U2")
        block = np.select(
            [style == 1, style == 2, style == 3],
            [np.char.add(number, "号楼"), np.char.add(number, "-"), np.char.add(NUMERALS[building], "幢")],
            np.char.add(number, "幢"),
        )
        stair = np.where(style == 2, np.char.add(unit.astype("U1"), "-"), np.char.add(unit.astype("U1"), "单元"))
        rooms = np.where(
            self.now_and_then("room left out"), "", np.char.add(room.astype("U4"), np.where(style == 2, "", "室"))
        )
        parts = [head, np.array(DISTRICTS)[district], middle, np.array(ROADS)[road], house.astype("U3"), "号", estates, block, stair,
                 rooms]  # fmt: skip
        columns = [pa.scalar(each) if isinstance(each, str) else pa.array(each) for each in parts]
        written = pc.binary_join_element_wise(*columns, "")
        return pc.if_else(pa.array(self.now_and_then("no address")), pa.scalar(None, pa.string()), written)


ROADS = (
    "建军路", "人民路", "解放路", "迎宾路", "青年路", "世纪大道", "毓龙路", "文港路", "黄海路", "大庆路", "开放大道", "希望大道", "通榆路", "双元路", "范公路",
    "盐马路", "东进路", "西环路", "新都路", "府西路", "府东路", "戴庄路", "赣江路", "伍佑路", "跃进路", "日月路", "太平路", "剧场路", "沿河路", "海纯路",
)  # fmt: skip


def _replace(letters: Letters, table: str, when: Flags, which: NDArray[np.uint64]) -> Letters:
    """Letters with, where `when`, a character that the table has replaced by another of its group.

    With `which` one character of the name is replaced, by any other of the group; without, all by the second one.
    """
    most = max(len(group) for group in table.split(" "))
    size, start = np.zeros(0x30000, np.int64), np.zeros(0x30000, np.int64)
    others: list[int] = []
    for group in table.split():
        for each in group if len(which) else group[:1]:
            if not size[ord(each)]:
                start[ord(each)], size[ord(each)] = len(others), len(group) - 1
                others += [ord(other) for other in group if other != each]
    listed, found = np.array(others + [0] * most, np.uint32), letters.copy()
    for column in range(letters.shape[1]):
        count = size[letters[:, column]]
        hit = when & (count > 0)
        if column < 2 and len(which):
            hit &= (which & np.uint64(3)) == 0  # a family name is rarely got wrong
        turn = which >> np.uint64(8) if len(which) else np.zeros(len(letters), np.uint64)
        place = start[letters[:, column]] + (turn % np.maximum(count, 1).astype(np.uint64)).astype(np.int64)
        found[hit, column] = listed[place[hit]]
        if len(which):
            when = when & ~(hit & ((which & np.uint64(1)) == 0))
            when = when & ~(hit & ((which & np.uint64(1)) == 1))
    return found


def _pinyin(letters: Letters) -> pa.Array:
    """Names as a passport has them: family name in capitals, given name in one word."""
    different = np.unique(letters[letters > 0])
    spoken = np.full(int(different.max()) + 1, "", "U7")
    spoken[different] = [lazy_pinyin(chr(each))[0][:7] for each in different]
    family = np.char.upper(np.char.add(spoken[letters[:, 0]], spoken[letters[:, 1]]))
    given = np.char.capitalize(np.char.add(spoken[letters[:, 2]], spoken[letters[:, 3]]))
    return pc.binary_join_element_wise(pa.array(family), pa.array(given), " ")


def _mistype(digits: Letters, when: Flags, place: Index, by: Index) -> None:
    """Another digit at one place of each text where `when`."""
    rows = np.flatnonzero(when)
    at = place[rows]
    digits[rows, at] = np.where(
        (digits[rows, at] >= 48) & (digits[rows, at] < 58),
        48 + (digits[rows, at] - 48 + by[rows]) % 10,
        digits[rows, at],
    )


def _text(letters: Letters) -> NDArray[np.str_]:
    """Rows of letters as texts."""
    wide = np.ascontiguousarray(letters if letters.ndim == 2 else letters[:, None], np.uint32)
    return wide.view(f"<U{wide.shape[1]}").ravel()
