"""A town with three departments for the tests of the catalogue, behind its HTTP door."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from litestar.testing import TestClient

from cityloom import app
from cityloom.catalogue import jobs
from cityloom.catalogue.api import resources
from cityloom.catalogue.contracts import Resource
from cityloom.catalogue.module import MODULE
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import Timers, platform_context

START = datetime(2026, 3, 2, 2, tzinfo=UTC)
PACK = "{name: town, title: {en: Town, zh: 小镇}, version: '1', keeper: data, city: true, needs: [base]}"
ORGANISATIONS = """
- {code: data, title: {en: Data Bureau, zh: 数据局}, kind: platform}
- {code: psb, title: {en: Public Security Bureau, zh: 公安局}, kind: department}
- {code: housing, title: {en: Housing Bureau, zh: 住房和建设局}, kind: department}
- {code: district_one, title: {en: First District, zh: 第一区}, kind: district}
"""
RESIDENT = """
title: {en: Registered residents, zh: 户籍人口}
summary: {en: Everyone in the household register., zh: 本市户籍登记的全部人员。}
keeper: psb
legal_basis: {en: "Regulations on Household Registration, article 3", zh: 《中华人民共和国户口登记条例》第三条}
class: person
sharing: conditional
update: {every: month}
key: [id_number]
retention: {records: P30Y}
fields:
  - {name: id_number, title: {en: Identity number, zh: 公民身份号码}, element: citizen_id, required: true, authoritative: true}
  - {name: name, title: {en: Name, zh: 姓名}, element: person_name, required: true, authoritative: true}
  - name: address
    title: {en: Registered address, zh: 户籍地址}
    element: address
    qualifier: 户籍
    grade: 3
    personal: true
    authoritative: true
"""
RIGHTS = (
    "catalogue.write", "catalogue.retire", "catalogue.demand", "catalogue.follow", "catalogue.answer_demand",
    "catalogue.hear_report", "catalogue.draft", "catalogue.review", "catalogue.read_draft", "catalogue.dispute",
    "catalogue.answer_dispute", "catalogue.rule", "catalogue.read_dispute",
)  # fmt: skip
TABLES = (
    "resource", "resource_revision", "item_source", "announcement", "follower", "demand", "partner", "search",
    "code_counter", "last_change", "lineage", "term", "entry", "setback", "message", "draft",
    "dispute",
)  # fmt: skip


def write_pack(folder: Path, resident: str = RESIDENT) -> Path:
    """The pack `town` with one dataset."""
    home = folder / "town"
    for part in ("identity", "exchange"):
        (home / part).mkdir(parents=True, exist_ok=True)
    (home / "pack.yaml").write_text(PACK, encoding="utf-8")
    (home / "identity/organisations.yaml").write_text(ORGANISATIONS, encoding="utf-8")
    (home / "exchange/resident.yaml").write_text(resident, encoding="utf-8")
    return folder


class TurnedClock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def turn(self, **span: float) -> None:
        self.moment += timedelta(**span)


def install(parts: Parts) -> None:
    """What a start does after the migrations."""
    for module in app.MODULES:
        if module.install:
            module.install(platform_context(parts, "install"))


class Town(msgspec.Struct, frozen=True):
    """The parts, the clock and the way past all policies to look at every row."""

    parts: Parts
    clock: TurnedClock
    admin_url: str

    @property
    def platform(self) -> Context:
        return platform_context(self.parts, "test")

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of the catalogue: what a refused act must leave as it was."""
        with psycopg.connect(self.admin_url) as connection:
            return {
                table: connection.execute(f"SELECT t::text FROM catalogue.{table} t ORDER BY 1".encode()).fetchall()
                for table in TABLES
            }

    def audited(self, *actions: str) -> list[dict[str, Any]]:
        """The audit log's entries of these actions."""
        with psycopg.connect(self.admin_url) as connection:
            found = connection.execute("SELECT body FROM kernel.audit_entry ORDER BY position").fetchall()
        return [body for row in found if (body := msgspec.json.decode(row[0]))["action"] in actions]

    def events(self, topic: str) -> list[dict[str, Any]]:
        """What was announced on a topic, oldest first."""
        with psycopg.connect(self.admin_url) as connection:
            found = connection.execute("SELECT body::text FROM kernel.outbox WHERE topic = %s ORDER BY id", [topic])
            return [msgspec.json.decode(row[0]) for row in found]

    def hear(self) -> None:
        """Hand out events to the catalogue's own listeners, as a worker does every second."""
        for listener in MODULE.listeners:
            Timers(self.parts, {}, [listener]).hand_out(listener)

    def work(self) -> None:
        """What a worker does by itself in the course of a day."""
        app.tell_deadlines(self.platform)
        jobs.bring_into_force(self.platform)
        self.hear()

    def resource(self, id: str) -> Resource:
        return resources.find(self.platform, id)


class Door:
    """The town's HTTP door as one organisation's data officer."""

    def __init__(self, client: "TestClient[Any]", token: str) -> None:
        self.client = client
        self.headers = {"authorization": f"Bearer {token}", "accept-language": "en"}

    def call(self, method: str, address: str, **more: Any) -> Any:
        headers = self.headers | more.pop("headers", {})
        return self.client.request(method, f"/api/catalogue/{address}", headers=headers, **more)

    def get(self, address: str, **query: Any) -> Any:
        answer = self.call("GET", address, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def put(self, id: str, wish: dict[str, Any], **query: Any) -> Any:
        return self.call("PUT", f"resources/{id}", json=wish, params=query)

    def describe(self, id: str, wish: dict[str, Any], **query: Any) -> dict[str, Any]:
        """Put that must be taken."""
        answer = self.put(id, wish, **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def item(zh: str, en: str = "", **more: Any) -> dict[str, Any]:
    return {"name": {"zh": zh, "en": en}, **more}


def wish(zh: str, keeper: str, *items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A description that can be shared unconditionally."""
    given = list(items) or [item("名称", "Name", type="text"), item("数量", "Amount", type="integer")]
    return {
        "title": {"zh": zh, "en": more.pop("en", "")},
        "keeper": keeper,
        "items": given,
        "sharing": "unconditional",
        **more,
    }


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, checked."""
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    assert document["code"] == code, document
    assert document["detail"]
    return document
