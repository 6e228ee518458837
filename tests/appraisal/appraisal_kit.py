"""A town whose civil affairs department is appraised: what it did in March 2026, all of it through the doors.

docs/guides/appraisal.md works the same department by hand.
"""

from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from litestar.testing import TestClient

from cityloom import app
from cityloom.identity.api import accounts, tokens
from cityloom.identity.contracts import Role, TokenWish
from cityloom.kernel.jobs import Timers, platform_context
from cityloom.quality import jobs as quality
from cityloom.quality.api import scores
from sharing import sharing_kit
from sharing.sharing_kit import PACK, RESIDENT, ROWS, SECRET, SHOP, Town

MARCH = {"start": "2026-03-01", "end": "2026-03-31"}
PUBLISHED = "2018.20260301-20260331"
ORGANISATIONS = """\
- {code: civil, title: {en: Civil Affairs, zh: 民政局}, kind: department}
- {code: housing, title: {en: Housing, zh: 住建局}, kind: department}
- {code: other, title: {en: Another department, zh: 其他部门}, kind: department}
- {code: bureau, title: {en: Data Bureau, zh: 数据局}, kind: platform}
- {code: council, title: {en: City Council Office, zh: 市政府办公厅}, kind: district}
"""
SUMMARY = "title: {en: Residents, zh: 居民}\nsummary: {en: Who lives here., zh: 本地居民。}"
CARD = """\
title: {en: Senior cards, zh: 敬老优待证}
summary: {en: Who has a card., zh: 敬老优待证持证情况。}
keeper: civil
legal_basis: {en: Senior Citizens Act, zh: 《老年人权益保障法》}
class: person
sharing: conditional
update: {every: month, due_days: 5, days: working}
key: [card]
retention: {records: P10Y}
fields:
  - {name: card, title: {en: Card, zh: 卡号}, type: text, required: true}
"""
LEASE = """\
title: {en: Leases, zh: 房屋租赁}
keeper: housing
legal_basis: {en: none, zh: 无}
class: place
sharing: unconditional
update: {every: irregular}
key: [dwelling]
retention: {records: P10Y}
fields:
  - {name: dwelling, title: {en: Dwelling, zh: 房屋编码}, type: text, required: true}
"""
DATASETS = {
    "resident": RESIDENT.replace("title: {en: Residents, zh: 居民}", SUMMARY)
    .replace("every: irregular", "every: month, due_days: 5, days: working"),
    "shop": SHOP,
    "secret": SECRET.replace("class: event", "class: event\nsummary: {en: A secret., zh: 涉密事项。}"),
    "card": CARD,
    "lease": LEASE,
    "street": LEASE.replace("Leases, zh: 房屋租赁", "Streets, zh: 道路"),
}  # fmt: skip
RIGHTS = (
    *sharing_kit.RIGHTS, "catalogue.write", "catalogue.demand", "quality.dispute", "quality.read", "quality.accept",
    "quality.read_scores", "quality.measure", "appraisal.read", "appraisal.read_all", "appraisal.publish",
    "appraisal.file", "appraisal.accept", "appraisal.reject", "appraisal.withdraw", "appraisal.appeal",
    "appraisal.uphold", "appraisal.dismiss",
)  # fmt: skip
MEASURED = (("resident", date(2026, 3, 2)), ("resident", date(2026, 3, 6)), ("card", date(2026, 3, 20)))
TABLES = ("publication", "result", "evidence", "filing", "appeal", "notice")


def write_pack(folder: Path, sets: dict[str, str]) -> Path:
    """The pack of the town, with more indicator sets by version."""
    pack = folder / "small"
    for name in ("exchange", "identity", "appraisal"):
        (pack / name).mkdir(parents=True)
    (pack / "pack.yaml").write_text(PACK)
    (pack / "identity/organisations.yaml").write_text(ORGANISATIONS)
    for name, text in DATASETS.items():
        (pack / f"exchange/{name}.yaml").write_text(text)
    for name, text in sets.items():
        path = pack / f"appraisal/{name}.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


class Door(sharing_kit.Door):
    """The town's HTTP door as one account of an organisation."""

    def __init__(self, client: "TestClient[Any]", parts: Any, organisation: str, number: int = 1) -> None:
        self.account = f"{organisation}-{number}"
        super().__init__(client, parts, organisation)

    def sign_in(self) -> None:
        ctx = platform_context(self.parts, "test")
        accounts.create(ctx, self.account, self.organisation)
        accounts.give_roles(ctx, self.account, [Role.data_officer])
        made = tokens.make(ctx, TokenWish(title="test", rights=RIGHTS), self.account)
        self.headers["authorization"] = f"Bearer {made.secret}"

    def call(self, method: str, address: str, **more: Any) -> Any:
        return self.client.request(method, f"/api/{address}", headers=self.headers, **more)

    def done(self, method: str, address: str, **more: Any) -> Any:
        """The answer to what must be taken."""
        answer = self.call(method, address, **more)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def score(self, organisation: str = "civil", **query: Any) -> Any:
        return self.done("GET", f"appraisal/scores/{organisation}", params=MARCH | query)

    def evidence(self, indicator: str, organisation: str = "civil", **query: Any) -> Any:
        address = f"appraisal/scores/{organisation}/evidence/{indicator}"
        return self.done("GET", address, params=MARCH | query)

    def file(self, id: str, indicator: str, *claims: dict[str, Any], **changed: Any) -> Any:
        return self.call("PUT", f"appraisal/filings/{id}", json=filing(indicator, *claims, **changed))

    def decide(self, id: str, move: str, kind: str = "filings", version: int = 1, **more: Any) -> Any:
        body = {"move": move, "version": version, "key": f"{move}{version}", "reason": "seen", **more}
        return self.call("POST", f"appraisal/{kind}/{id}/moves", json=body)

    def publish(self, key: str = "k1", **changed: Any) -> Any:
        return self.call("POST", "appraisal/publications", json={"set": "2018", **MARCH, "key": key, **changed})

    def appeal(self, id: str = "a1", **changed: Any) -> Any:
        return self.call("PUT", f"appraisal/appeals/{id}", json=appeal(**changed))

    def result(self, organisation: str = "civil", **query: Any) -> Any:
        return self.call("GET", f"appraisal/publications/{PUBLISHED}/results/{organisation}", params=query)


def filing(indicator: str, *claims: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """Material for an indicator of March."""
    return {
        "organisation": "civil", "set": "2018", "indicator": indicator, **MARCH, "statement": "what we did",
        "documents": [{"title": "Decision 7", "where": "archive 2026-7", "sha256": "0" * 64}], "claims": list(claims),
        **changed,
    }  # fmt: skip


def appeal(**changed: Any) -> dict[str, Any]:
    return {
        "publication": PUBLISHED, "revision": 1, "indicator": "provision", "reason": "the request was answered by letter",
        "documents": [{"title": "Letter", "where": "archive 2026-8"}], **changed,
    }  # fmt: skip


class Place(Town, frozen=True):
    """The town with its bureau (two accounts), and the council's office."""

    bureau: Door
    second: Door
    council: Door

    def tick(self) -> None:
        """What the worker does about deadlines."""
        app.tell_deadlines(self.platform)
        app.recount_deadlines(self.platform)
        listeners = [listener for module in app.MODULES for listener in module.listeners]
        timers = Timers(self.parts, {}, listeners)
        for listener in listeners:
            timers.hand_out(listener)

    def follow(self) -> None:
        """What the worker does when data has changed."""
        quality.follow(platform_context(self.parts, "test"))

    def kept(self) -> dict[str, list[Any]]:
        """All rows of appraisal and all flows: what a refused act must leave as it was."""
        tables = (*(f"appraisal.{name}" for name in TABLES), "kernel.flow_move")
        with psycopg.connect(self.admin_url) as connection:
            return {
                table: connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1".encode()).fetchall()
                for table in tables
            }


def described(title: str, **more: Any) -> dict[str, Any]:
    """A resource of civil affairs that is no dataset."""
    return {
        "title": {"zh": title, "en": ""}, "keeper": "civil", "subject": "place", "sharing": "unconditional",
        "legal_basis": {"zh": "《无》", "en": ""},
        "items": [{"name": {"zh": "商店", "en": "Shop"}, "type": "text"}], **more,
    }  # fmt: skip


def ask(dataset: str, *fields: str, **more: Any) -> dict[str, Any]:
    return {"dataset": dataset, "terms": {"fields": list(fields), "rows": ""}, **more}


def march(place: Place) -> None:
    """What happened in March: see the guide."""
    civil, housing, other = place.civil, place.housing, place.other
    assert isinstance(civil, Door)
    civil.deliver("d1", ROWS)
    civil.deliver("s1", "shop,owner\nb1,Anna Apple\n", "shop")
    broken = civil.call(
        "PUT", "exchange/datasets/shop/deliveries/s2", content=b"nothing known\n1\n", params={"file_name": "s2.csv"}
    )
    assert broken.json()["state"] == "refused", broken.text
    housing.deliver("w1", "dwelling\nh1\n", "lease")
    shown = {"summary": {"zh": "商店名录", "en": ""}, "openness": "open", "derived_from": ["shop"], "format": "csv"}
    civil.done("PUT", "catalogue/resources/shops_open", json=described("商店开放目录", **shown))
    condition = {"sharing": "conditional", "sharing_condition": {"zh": "仅限审批", "en": ""}, "carrier": "document"}
    civil.done("PUT", "catalogue/resources/minutes", json=described("会议纪要", **condition))
    housing.ask("r1", **ask("resident", "id", "name", "district"))
    assert civil.move("r1", "approve").status_code == 200
    other.ask("r2", **ask("resident", "id", "income"))
    housing.ask("r3", **ask("resident", "id", "born"))
    less = {"fields": ["id"], "rows": ""}
    assert civil.move("r3", "offer", reason="less will do", terms=less).status_code == 200
    assert housing.move("r3", "accept", 2).status_code == 200
    other.ask("r4", **ask("resident", "id", "married"))
    other.ask("r5", **ask("shop", "shop"))  # unconditional: granted at once
    civil.ask("g1", **ask("lease", "dwelling"))
    civil.ask("g2", **ask("street", "dwelling"))
    for case in ("c1", "c2", "c3"):
        assert len(civil.lines("grants/g1/records", case=case)) == 1
    disputes(place)
    place.clock.turn(days=18)  # 20 March: what fell due on the 16th is late
    refusal = {"reason": "income is not yours to know", "law": "Privacy Act, article 5"}
    assert civil.move("r2", "refuse", **refusal).status_code == 200
    civil.deliver("c1", "card\nk1\n", "card")
    file_all(place)
    place.clock.turn(days=14)  # 3 April
    for dataset, day in MEASURED:
        scores.measure(place.platform, dataset, day)  # as the worker does at night


def disputes(place: Place) -> None:
    """One ticket is answered in time by a correction; the other is not answered at all."""
    for id, key in (("t1", "a2"), ("t2", "a3")):
        body = {
            "dataset": "resident", "key": [key], "field": "name", "evidence": "an identity card", "grant": "r1",
            "value": {"a2": "Bert Birch", "a3": "Cleo Cedar"}[key],
        }  # fmt: skip
        place.housing.done("PUT", f"quality/tickets/{id}", json=body)
    civil = place.civil
    act = {"move": "accept", "version": 1, "key": "k", "reason": "so it is"}
    civil.done("POST", "quality/tickets/t1/moves", json=act)
    civil.deliver(
        "d2", "id,name,district,born,income,married\na2,Bert Beech,N2,1990-06-02,200.00,false\n", mode="upsert"
    )
    place.follow()


def file_all(place: Place) -> None:
    """What civil affairs files, and what the bureau gives for it."""
    filed: tuple[tuple[str, str, dict[str, Any], dict[str, Any] | None], ...] = (
        ("f1", "catalogue", {"of": "catalogued", "good": 5, "total": 8}, None),
        ("f2", "institutions", {"of": "points", "good": "7.5"}, {"of": "points", "good": "6.5"}),
        ("f3", "feedback", {"of": "feedback", "good": 18, "total": 20}, None),
        ("f4", "innovation", {"of": "points", "good": 3}, {"of": "points", "good": "2.25"}),
        ("f5", "innovation", {"of": "points", "good": 2}, None),
    )
    for id, indicator, claim, given in filed:
        answer = place.civil.file(id, indicator, claim)
        assert answer.status_code == 200, answer.text
        if id != "f5":  # counts for nothing: nobody accepted it
            taken = place.bureau.decide(id, "accept", **({"claims": [given]} if given else {}))
            assert taken.status_code == 200, taken.text


def codes(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")
