"""A town with three departments, datasets to share, and a clock that can be turned."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pyarrow as pa
from litestar.testing import TestClient

from cityloom.identity.api import services
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context

START = datetime(2026, 3, 2, 1, tzinfo=UTC)  # a Monday, 09:00 in Shenzhen
RIGHTS = (
    "exchange.deliver", "exchange.read_receipt", "exchange.withdraw", "exchange.erase", "sharing.ask", "sharing.approve", "sharing.offer",
    "sharing.refuse", "sharing.certify", "sharing.revoke", "sharing.accept", "sharing.decline", "sharing.withdraw",
    "sharing.give_back", "sharing.read", "sharing.use", "sharing.rebuild",
)  # fmt: skip
PACK = "{name: small, title: {en: Small town, zh: 小镇}, version: '1', keeper: civil, city: true}"
ORGANISATIONS = """\
- {code: civil, title: {en: Civil Affairs, zh: 民政局}, kind: department}
- {code: housing, title: {en: Housing, zh: 住建局}, kind: department}
- {code: other, title: {en: Another department, zh: 其他部门}, kind: department}
"""
RESIDENT = """\
title: {en: Residents, zh: 居民}
keeper: civil
legal_basis: {en: none, zh: 无}
class: person
sharing: conditional
modes: [upsert, replace, delete]
update: {every: irregular}
queryable: true
key: [id]
retention: {records: P10Y}
fields:
  - {name: id, title: {en: Number, zh: 编号}, type: text, required: true, personal: true}
  - {name: name, title: {en: Name, zh: 姓名}, type: text, personal: true}
  - {name: district, title: {en: District, zh: 区}, type: text}
  - {name: born, title: {en: Born, zh: 出生日期}, type: date, personal: true}
  - {name: income, title: {en: Income, zh: 收入}, type: decimal, precision: 12, scale: 2}
  - {name: married, title: {en: Married, zh: 已婚}, type: boolean}
checks:
  - name: grown
    expression: "born < DATE '2026-01-01'"
    title: {en: Born before, zh: 出生}
    remedy: {en: Correct it, zh: 请更正}
"""
SHOP = """\
title: {en: Shops, zh: 商店}
keeper: civil
legal_basis: {en: none, zh: 无}
class: place
sharing: unconditional
update: {every: irregular}
key: [shop]
retention: {records: P10Y}
fields:
  - {name: shop, title: {en: Shop, zh: 商店}, type: text, required: true}
  - {name: owner, title: {en: Owner, zh: 业主}, type: text, personal: true}
"""
SECRET = """\
title: {en: Secret, zh: 涉密}
keeper: civil
legal_basis: {en: none, zh: 无}
class: event
sharing: refused
refusal_law: {en: "State Secrets Law, article 25", zh: 《保守国家秘密法》第二十五条}
update: {every: irregular}
key: [thing]
retention: {records: P10Y}
fields:
  - {name: thing, title: {en: Thing, zh: 事项}, type: text, required: true}
"""
ROWS = """\
id,name,district,born,income,married
a1,Anna Apple,N1,1980-05-01,100.50,true
a2,Bert Birch,N2,1990-06-02,200.00,false
a3,Cleo Cedar,N1,2001-07-03,,true
"""


class TurnedClock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.moment = START

    def now(self) -> datetime:
        return self.moment

    def turn(self, **span: float) -> None:
        self.moment += timedelta(**span)


def write_pack(folder: Path, more: Mapping[str, str] = {}) -> Path:
    """The pack of the town, with more files by their path."""
    pack = folder / "small"
    for name in ("exchange", "identity", "sharing"):
        (pack / name).mkdir(parents=True)
    (pack / "pack.yaml").write_text(PACK)
    (pack / "identity/organisations.yaml").write_text(ORGANISATIONS)
    for name, text in {"resident": RESIDENT, "shop": SHOP, "secret": SECRET}.items():
        (pack / f"exchange/{name}.yaml").write_text(text)
    for path, text in more.items():
        (pack / path).write_text(text)
    return folder


class Door:
    """The town's HTTP door as one organisation."""

    def __init__(self, client: "TestClient[Any]", parts: Parts, organisation: str) -> None:
        self.client = client
        self.parts = parts
        self.organisation = organisation
        self.headers = {"accept-language": "en", "x-purpose": "rent_aid"}
        self.sign_in()

    def sign_in(self) -> None:
        token = services.issue(platform_context(self.parts, "test"), self.organisation, RIGHTS).secret
        self.headers["authorization"] = f"Bearer {token}"

    def deliver(self, id: str, text: str, dataset: str = "resident", **query: str) -> None:
        answer = self.client.put(
            f"/api/exchange/datasets/{dataset}/deliveries/{id}", params=query, content=text.encode(),
            headers={**self.headers, "content-type": "text/csv"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text

    def withdraw(self, id: str, dataset: str = "resident") -> None:
        address = f"/api/exchange/datasets/{dataset}/deliveries/{id}"
        answer = self.client.delete(address, params={"reason": "wrong file"}, headers=self.headers)
        assert answer.status_code == 200, answer.text

    def erase(self, *keys: str, dataset: str = "resident") -> None:
        body = {"keys": [[key] for key in keys], "legal_basis": "PIPL article 47"}
        answer = self.client.post(f"/api/exchange/datasets/{dataset}/erasures", json=body, headers=self.headers)
        assert answer.status_code == 200, answer.text

    def get(self, path: str, purpose: str = "rent_aid", **query: Any) -> Any:
        return self.client.get(f"/api/sharing/{path}", params=query, headers={**self.headers, "x-purpose": purpose})

    def post(self, path: str, body: Any, purpose: str = "rent_aid") -> Any:
        return self.client.post(f"/api/sharing/{path}", json=body, headers={**self.headers, "x-purpose": purpose})

    def ask(self, id: str = "r1", **changed: Any) -> Any:
        return self.client.put(f"/api/sharing/requests/{id}", json=wish(**changed), headers=self.headers)

    def move(self, id: str, move: str, version: int = 1, kind: str = "requests", **more: Any) -> Any:
        return self.post(f"{kind}/{id}/moves", {"move": move, "version": version, "key": f"{move}{version}", **more})

    def lines(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """An NDJSON answer."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]

    def arrow(self, path: str, **query: Any) -> pa.Table:
        headers = {**self.headers, "accept": "application/vnd.apache.arrow.stream"}
        answer = self.client.get(f"/api/sharing/{path}", params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        return pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()


def wish(**changed: Any) -> dict[str, Any]:
    """A request for residents of one district."""
    terms = {"fields": ["id", "name", "district"], "rows": "district = 'N1'", **changed.pop("terms", {})}
    return {
        "dataset": "resident", "purpose": "rent_aid", "legal_basis": "Housing Act, article 3",
        "reason": "to pay rent aid", "terms": terms, **changed,
    }  # fmt: skip


class Town(msgspec.Struct, frozen=True):
    """The parts, the clock, and a door for each department."""

    parts: Parts
    clock: TurnedClock
    admin_url: str
    client: "TestClient[Any]"
    civil: Door
    housing: Door
    other: Door

    @property
    def platform(self) -> Context:
        return platform_context(self.parts, "test")

    def grant(self, id: str = "r1", asker: Door | None = None, **changed: Any) -> str:
        """A grant, asked for and approved."""
        asked = (asker or self.housing).ask(id, **changed)
        assert asked.status_code == 200, asked.text
        approved = self.civil.move(id, "approve")
        assert approved.status_code == 200, approved.text
        return str(approved.json()["grant"])

    def everything(self) -> dict[str, list[Any]]:
        """All rows of sharing and all flows: what a refused act must leave as it was."""
        tables = ("sharing.request", "sharing.granted", "sharing.use", "sharing.meter", "kernel.flow_move")
        with psycopg.connect(self.admin_url) as connection:
            return {
                table: connection.execute(f"SELECT t::text FROM {table} t ORDER BY 1".encode()).fetchall()
                for table in tables
            }

    def entries(self, *actions: str) -> list[dict[str, Any]]:
        """The audit log's entries of these actions, oldest first."""
        with psycopg.connect(self.admin_url) as connection:
            found = connection.execute("SELECT body FROM kernel.audit_entry ORDER BY position").fetchall()
        bodies = [msgspec.json.decode(row[0], type=dict[str, Any]) for row in found]
        return [body for body in bodies if body["action"] in actions]

    def events(self, topic: str) -> list[dict[str, Any]]:
        """What was announced under a topic."""
        with psycopg.connect(self.admin_url) as connection:
            found = connection.execute("SELECT body::text FROM kernel.outbox WHERE topic = %s ORDER BY id", [topic])
            return [msgspec.json.decode(row[0]) for row in found.fetchall()]
