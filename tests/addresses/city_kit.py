"""A city with the shipped pack of places and the divisions of Shenzhen, and its doors as three of its departments."""

import csv
import io
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from litestar.testing import TestClient

from addresses.address_kit import PACKS
from cityloom import app
from cityloom.addresses import jobs
from cityloom.identity.api import services
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context
from cityloom.registers.api import following as registers
from cityloom.samplecity.contracts import PlannedAddress
from installing import installed
from scratch import Scratch
from serving import served
from sharing.sharing_kit import TurnedClock

PACK = """\
name: harbour
title: {en: Harbour town, zh: 港城}
version: "1"
keeper: psb
city: true
needs: [base, places]
"""
ORGANISATIONS = """\
- {code: psb, title: {en: Public Security, zh: 公安局}, kind: department}
- {code: grid, title: {en: Grid Office, zh: 网格办}, kind: department}
- {code: civil_affairs, title: {en: Civil Affairs, zh: 民政局}, kind: department}
- {code: other, title: {en: Another department, zh: 其他部门}, kind: department}
"""
ELEMENTS = """\
longitude: {title: {en: Longitude, zh: 经度}, type: number, min: -180, max: 180}
latitude: {title: {en: Latitude, zh: 纬度}, type: number, min: -90, max: 90}
"""
LISTS = ("district", "street", "community")
ADDRESS = (
    "code", "parent", "level", "name", "full_text", "division", "since", "until", "replaced_by", "longitude", "latitude",
)  # fmt: skip
RIGHTS = (
    "exchange.deliver",
    "exchange.read_receipt",
    "exchange.withdraw",
    "exchange.erase",
    "addresses.read",
    "registers.read",
)


def write_pack(folder: Path) -> Path:
    """The pack of the city. Its name lists are those of Shenzhen."""
    pack = folder / "harbour"
    (pack / "identity").mkdir(parents=True)
    (pack / "catalogue/codes").mkdir(parents=True)
    (pack / "pack.yaml").write_text(PACK)
    (pack / "identity/organisations.yaml").write_text(ORGANISATIONS)
    (pack / "catalogue/elements.yaml").write_text(ELEMENTS)
    for name in LISTS:
        for ending in ("yaml", "csv"):
            shutil.copy(PACKS / "shenzhen/catalogue/codes" / f"{name}.{ending}", pack / "catalogue/codes")
    return folder


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV file."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue()


def delivered(made: Iterable[PlannedAddress]) -> str:
    """Planned addresses as their keeper would deliver them."""
    return table(
        ADDRESS,
        (
            (each.code, each.parent, each.level, each.name, each.text, each.division, each.since, each.until or "",
             " ".join(each.replaced_by), "", "")
            for each in made
        ),
    )  # fmt: skip


class Door:
    """The city's HTTP door as one organisation."""

    def __init__(self, client: "TestClient[Any]", parts: Parts, organisation: str) -> None:
        self.client = client
        secret = services.issue(platform_context(parts, "test"), organisation, RIGHTS).secret
        self.headers = {"accept-language": "en", "authorization": f"Bearer {secret}"}

    def deliver(self, dataset: str, id: str, text: str, mode: str = "upsert") -> None:
        answer = self.client.put(
            f"/api/exchange/datasets/{dataset}/deliveries/{id}", params={"mode": mode}, content=text.encode(),
            headers={**self.headers, "content-type": "text/csv"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        assert answer.json()["counts"]["quarantined"] == 0, answer.text

    def get(self, path: str = "", **query: Any) -> Any:
        return self.client.get(f"/api/addresses{path}", params=query, headers=self.headers)

    def ask(self, path: str, body: Any) -> Any:
        return self.client.post(f"/api/addresses/{path}", json=body, headers=self.headers)

    def match(self, *texts: str, **more: Any) -> list[dict[str, Any]]:
        answer = self.ask("match", {"texts": texts, **more})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    def place(self, code: str, **more: Any) -> Any:
        """The record of the register of places."""
        body = {"case": "case-1", "kind": "address_code", "value": code, **more}
        headers = {**self.headers, "x-purpose": "place_names"}
        return self.client.post("/api/registers/place/read", json=body, headers=headers)

    def one(self, code: str, **query: Any) -> dict[str, Any]:
        answer = self.get(f"/{code}", **query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


class City(msgspec.Struct, frozen=True):
    """The running city."""

    parts: Parts
    clock: TurnedClock
    admin_url: str
    psb: Door
    grid: Door
    civil: Door
    other: Door

    @property
    def platform(self) -> Context:
        return platform_context(self.parts, "test")

    def follow(self) -> None:
        """What the worker does each second."""
        jobs.follow(self.platform)

    def follow_registers(self) -> None:
        """The same for the register of places."""
        registers.follow(self.platform)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the database."""
        with psycopg.connect(self.admin_url) as connection:
            return connection.execute(query.encode()).fetchall()


@contextmanager
def opened(scratch: Scratch, folder: Path) -> Iterator[City]:
    """The city, installed, with nothing delivered."""
    packs = write_pack(folder)
    clock = TurnedClock()
    parts = installed(scratch, clock, packs=str(packs), city="harbour")
    with served(parts) as client:
        doors = [Door(client, parts, name) for name in ("psb", "grid", "civil_affairs", "other")]
        yield City(parts, clock, scratch.admin_url, *doors)
    app.close_parts(parts)
