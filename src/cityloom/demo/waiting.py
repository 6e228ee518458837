"""What departments have begun and nobody has answered yet, so that who looks at the demo finds work on the desks."""

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from typing import Any

import httpx

from cityloom import client
from cityloom.samplecity.contracts import PlannedWish

RIGHTS = ("quality.dispute", "quality.read", "appraisal.file", "appraisal.read", "catalogue.demand")

Door = Callable[[str], client.Exchange]
Record = dict[str, Any]

AGAIN = "不含前次未予共享的数据项，仅核对家庭关系"
DISPUTED = "核查申请材料时，现场所见与登记不一致，附现场照片 3 张"
FILED = "本年度以共享数据替代群众提交的证明材料，并已写入办事指南"
DOCUMENT = {"title": "关于以数据共享替代证明材料的通知", "where": "办公系统，数据共享专栏"}
DEMAND = {
    "title": "殡葬火化信息",
    "purpose": "核减已故人员待遇",
    "legal_basis": "《社会救助暂行办法》第五十八条",
    "items": ["姓名", "公民身份号码", "火化日期"],
}


def leave(door: Door, wishes: Sequence[PlannedWish], today: date) -> None:
    """A refused request asked again with less, a value disputed, material filed, a need told: the first of each that there is."""
    for planned in [each for each in wishes if each.answer == "refuse"][:1]:
        _ask_again(door, planned)
    for planned in [each for each in wishes if each.answer == "approve" and each.queries][:1]:
        _dispute(door, planned)
        _file(door, planned.organisation, today)
        with closing(door(planned.organisation)) as desk:
            if not any(each["title"] == DEMAND["title"] for each in desk.get("/api/catalogue/lists/demand")):
                desk.post("/api/catalogue/demands", DEMAND)


def _put(desk: client.Exchange, address: str, body: Record) -> None:
    """Once: a demo that runs again on its home finds it there."""
    if desk.http.get(address).status_code != httpx.codes.OK:
        desk.put(address, body)


def _ask_again(door: Door, planned: PlannedWish) -> None:
    fields = [name for name in planned.wish["terms"]["fields"] if name in planned.key] or planned.wish["terms"][
        "fields"
    ][:1]
    wish = {**planned.wish, "reason": AGAIN, "terms": {**planned.wish["terms"], "fields": fields}}
    with closing(door(planned.organisation)) as asker:
        _put(asker, f"/api/sharing/requests/{planned.id}-again", wish)


def _dispute(door: Door, planned: PlannedWish) -> None:
    with closing(door(planned.organisation)) as asker:
        keeper = asker.get(f"/api/sharing/requests/{planned.id}")["keeper"]
        with closing(door(keeper)) as owner:
            (record,) = owner.first(f"/api/exchange/datasets/{planned.wish['dataset']}/records", 1)
        fields = [
            name for name in planned.wish["terms"]["fields"] if name not in planned.key and record[name] is not None
        ]
        if not fields:
            return
        asker.http.headers["x-purpose"] = planned.wish["purpose"]
        ticket = {
            "dataset": planned.wish["dataset"], "key": [str(record[name]) for name in planned.key], "field": fields[0],
            "value": str(record[fields[0]]), "grant": planned.id, "evidence": DISPUTED,
        }  # fmt: skip
        _put(asker, f"/api/quality/tickets/{planned.id}-disputed", ticket)


def _file(door: Door, organisation: str, today: date) -> None:
    with closing(door(organisation)) as desk:
        start, end = f"{today.year}-01-01", today.isoformat()
        for known in desk.get("/api/appraisal/sets"):
            using = known["set"]
            reviewed = [each for each in known["fileable"] if each["of"] == "points"]
            if not reviewed or using["valid_from"] > start or end > (using.get("valid_until") or end):
                continue
            filing = {
                "organisation": organisation, "set": known["name"], "indicator": reviewed[0]["indicator"], "start": start, "end": end,
                "statement": FILED, "documents": [DOCUMENT], "claims": [{"of": "points", "good": "2", "total": "0"}],
            }  # fmt: skip
            _put(desk, f"/api/appraisal/filings/{organisation}-{today.year}", filing)
            return
