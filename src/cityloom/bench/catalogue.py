"""Search over 100,000 entries of a catalogue, and its re-index, against a scan of the same texts with ILIKE.

Entries come in as another catalogue reports them. A fifth of the questions each are: whole words in another order, a
piece cut out of the middle, a title with one character wrong, an English title, an English title with a letter wrong.
"""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import psycopg

from cityloom import app
from cityloom.bench.line import Line, Memory, percentile, show, timed
from cityloom.catalogue.api import cascade, search
from cityloom.catalogue.contracts import Filter, Item, Report, ReportedChange, ResourceWish
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.postgres import passing_folder
from cityloom.kernel.settings import load
from cityloom.kernel.words import Text

ENTRIES = 100_000
QUESTIONS = 500
TARGET_MS = 100
TARGET_INDEX = 120
REPORT = 5_000
PACK = """\
name: searched
title: {en: Searched, zh: 检索压测}
version: "1"
keeper: bench
needs: [base]
city: true
"""
ORGANISATIONS = "- {code: bench, title: {en: Bench Bureau, zh: 压测局}, kind: department}\n"

PLACES = (
    "罗湖 Luohu|福田 Futian|南山 Nanshan|宝安 Baoan|龙岗 Longgang|盐田 Yantian|龙华 Longhua|坪山 Pingshan|光明 Guangming"
    "|大鹏 Dapeng|亭湖 Tinghu|盐都 Yandu|大丰 Dafeng|响水 Xiangshui|滨海 Binhai|阜宁 Funing|射阳 Sheyang|建湖 Jianhu"
)
SUBJECTS = (
    "户籍人口 residents|流动人口 migrants|个体工商户 traders|企业法人 companies|不动产登记 property|房屋租赁 tenancies"
    "|中小学学籍 pupils|幼儿园 kindergartens|医疗机构 clinics|出生医学证明 births|死亡证明 deaths|婚姻登记 marriages"
    "|低保家庭 allowances|残疾人证 disability|养老机构 elderly|社会保险缴费 insurance|住房公积金 provident|机动车登记 vehicles"
    "|驾驶证 drivers|交通违法 offences|公交站点 stops|地铁客流 metro|道路施工 roadworks|停车泊位 parking|空气质量 air"
    "|水质监测 water|噪声监测 noise|排污许可 discharge|危险化学品 chemicals|建筑施工许可 building|消防检查 firefighting"
    "|食品经营许可 food|药品零售 pharmacies|特种设备 lifts|安全生产事故 accidents|行政处罚 penalties|行政许可 permits"
    "|信用评价 credit|税务登记 taxes|政府采购 procurement|招标投标 tenders|图书馆藏 library|文物保护 monuments"
    "|旅游景区 attractions|气象预警 weather|地震台站 earthquakes|林地资源 forests|河道管理 rivers|供水管网 pipes"
)
KINDS = (
    "基本信息 basics|登记信息 register|统计信息 statistics|变更记录 changes|名录 directory|注销记录 cancellations"
    "|年度报告 reports|检查结果 inspections|证照信息 licences|空间位置 positions|监测数据 measurements|办件信息 applications"
)
FIELDS = (
    "公民身份号码 number|姓名 name|统一社会信用代码 code|登记日期 registered|有效期 validity|地址 address|经度 longitude"
    "|纬度 latitude|联系电话 telephone|法定代表人 representative|状态 state|备注 remark|金额 amount|面积 area|所属街道 street"
)


def run(quick: bool, talk: Callable[[str], None]) -> None:
    """Measure and print; `quick` with a tenth of the entries."""
    count = ENTRIES // (10 if quick else 1)
    with passing_folder("cityloom-bench-") as folder:
        _write_pack(folder / "packs" / "searched")
        settings = load({}, home=folder / "home", packs=str(folder / "packs"), city="searched", secure_cookies=False)
        with app.running_parts(settings, talk) as parts:
            _measure(parts, count, app.admin_url(settings), talk)


def _write_pack(home: Path) -> None:
    (home / "identity").mkdir(parents=True)
    (home / "pack.yaml").write_text(PACK, encoding="utf-8")
    (home / "identity/organisations.yaml").write_text(ORGANISATIONS, encoding="utf-8")


def _measure(parts: Parts, count: int, admin_url: str, talk: Callable[[str], None]) -> None:
    ctx = Context(parts, Principal("bench", "bench", frozenset({"data_officer"})))
    platform = Context(parts, Principal("platform", "*", frozenset({"platform"})))
    wishes = list(_wishes(count))
    with timed() as loaded:
        for since in range(0, count, REPORT):
            cascade.hear(ctx, _report(since, wishes[since : since + REPORT]))
    _show("load by report", count, loaded[0], None, None)
    memory = Memory()
    with memory.watch([os.getpid()]), timed() as indexed:
        done = search.reindex(platform)
    talk(f"{done.resources:,} entries, {done.terms:,} terms")
    _show("re-index", count, indexed[0], f"<= {TARGET_INDEX} s", indexed[0] <= TARGET_INDEX, memory.peak)
    with psycopg.connect(admin_url, autocommit=True) as plain:
        plain.execute("VACUUM ANALYZE catalogue.search")
        for kind in ("words", "piece", "typo", "english", "english typo"):
            _ask(ctx, plain, kind, _questions(wishes, kind), count, talk)


def _report(since: int, wishes: list[ResourceWish]) -> Report:
    changes = tuple(
        ReportedChange(since + number, f"e{since + number}", wish.code, 1, wish)
        for number, wish in enumerate(wishes, 1)
    )
    return Report("elsewhere", since, since + len(wishes), changes)


def _pairs(listed: str) -> list[Text]:
    return [Text(english, chinese) for chinese, english in (each.split(" ") for each in listed.split("|"))]


def _wishes(count: int) -> Iterator[ResourceWish]:
    """Entries that differ in their titles, with six items each."""
    chance = random.Random(2026)  # noqa: S311 - made-up entries
    places, subjects, kinds, fields = map(_pairs, (PLACES, SUBJECTS, KINDS, FIELDS))
    for number in range(1, count + 1):
        place, subject, kind = chance.choice(places), chance.choice(subjects), chance.choice(kinds)
        year = chance.randrange(2005, 2027)
        yield ResourceWish(
            title=Text(f"{place.en} {subject.en} {kind.en} {year}", f"{place.zh}区{subject.zh}{kind.zh}（{year}年）"),
            keeper="bench",
            items=tuple(Item(each) for each in chance.sample(fields, 6)),
            sharing="unconditional",
            summary=Text("", f"{place.zh}区各街道{subject.zh}的{kind.zh}，按年度归集。"),
            code=f"301{number % 997:03d}/{number}",
        )


def _questions(wishes: list[ResourceWish], kind: str) -> list[tuple[str, ResourceWish]]:
    chance = random.Random(7)  # noqa: S311 - made-up questions
    return [(_question(wish, kind, chance), wish) for wish in chance.sample(wishes, min(QUESTIONS // 5, len(wishes)))]


def _question(wish: ResourceWish, kind: str, chance: random.Random) -> str:
    chinese, english = wish.title.zh.replace("（", "").replace("年）", ""), wish.title.en
    place, body = chinese[:3], chinese[3:]
    if kind == "words":
        return f"{body} {place}"
    if kind == "piece":
        return chinese[1:-5]
    if kind == "typo":
        spot = 3 + chance.randrange(len(body) - 5)
        return chinese[:spot] + "某" + chinese[spot + 1 :]
    if kind == "english":
        return english
    words = english.split(" ")
    word = words[1]
    spot = chance.randrange(1, len(word) - 1)
    words[1] = word[:spot] + word[spot + 1 :]
    return " ".join(words)


def _ask(
    ctx: Context,
    plain: "psycopg.Connection[tuple[object, ...]]",
    kind: str,
    questions: list[tuple[str, ResourceWish]],
    count: int,
    talk: Callable[[str], None],
) -> None:
    ours, theirs, found, found_plain = [], [], 0, 0
    for text, wish in questions:
        with timed() as seconds:
            page = search.find(ctx, text, Filter(), 0, 20)
            msgspec.json.encode(page)
        ours.append(1000 * seconds[0])
        found += any(each.title == wish.title.zh for each in page.resources)
        with timed() as seconds:
            rows = plain.execute("SELECT title FROM catalogue.search WHERE title ILIKE %s LIMIT 20", [f"%{text}%"])
            found_plain += any(wish.title.zh in str(row[0]) for row in rows)
        theirs.append(1000 * seconds[0])
    talk(f"{kind}: found by us {found} of {len(questions)}, by ILIKE {found_plain}; such as {questions[0][0]}")
    p95 = percentile(ours, 0.95)
    show(
        Line(
            bench="catalogue", item=f"search, {kind}", rows=count, seconds=round(sum(ours) / 1000, 3),
            rate=round(len(ours) / sum(ours) * 1000), p50_ms=round(percentile(ours, 0.5), 2), p95_ms=round(p95, 2),
            baseline="PostgreSQL ILIKE scan", ratio=round(sum(ours) / sum(theirs), 3), target=f"p95 <= {TARGET_MS} ms",
            met=p95 <= TARGET_MS,
        )
    )  # fmt: skip


def _show(item: str, rows: int, seconds: float, target: str | None, met: bool | None, peak: int | None = None) -> None:
    show(
        Line(
            bench="catalogue", item=item, rows=rows, seconds=round(seconds, 2), rate=round(rows / seconds),
            peak_mib=peak, target=target, met=met,
        )
    )  # fmt: skip
