"""The town of quality with a register of people, fed by three departments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from cityloom.kernel.jobs import platform_context
from cityloom.registers import jobs
from quality import quality_kit
from quality.quality_kit import Place

TENANT = """\
title: {en: Tenants, zh: 租户}
keeper: housing
legal_basis: {en: none, zh: 无}
class: person
sharing: conditional
modes: [upsert, replace, delete]
update: {every: irregular}
queryable: true
key: [contract]
retention: {records: P10Y}
fields:
  - {name: contract, title: {en: Contract, zh: 合同}, type: text, required: true}
  - {name: person, title: {en: Person, zh: 人}, type: text, personal: true}
  - {name: name, title: {en: Name, zh: 姓名}, type: text, personal: true}
  - {name: born, title: {en: Born, zh: 出生日期}, type: date, personal: true}
  - {name: dwelling, title: {en: Dwelling, zh: 房屋}, type: text}
"""
HOME = """\
title: {en: Dwellings, zh: 房屋}
keeper: other
legal_basis: {en: none, zh: 无}
class: place
sharing: unconditional
modes: [upsert, delete]
update: {every: irregular}
queryable: true
key: [code]
retention: {records: P70Y}
fields:
  - {name: code, title: {en: Code, zh: 编码}, type: text, required: true}
  - {name: street, title: {en: Street, zh: 街道}, type: text}
"""
PERSON = """\
title: {en: People, zh: 人口}
keeper: bureau
letter: P
identifiers: [{name: number, title: {en: Number, zh: 编号}}]
fields:
  - {name: name, title: {en: Name, zh: 姓名}}
  - {name: born, title: {en: Born, zh: 出生日期}}
  - {name: district, title: {en: District, zh: 区}}
  - {name: income, title: {en: Income, zh: 收入}}
sources:
  - dataset: resident
    identifier: number
    by: id
    fields: {name: name, born: born, district: district, income: income}
  - dataset: tenant
    identifier: number
    by: person
    fields: {name: name, born: born}
    links: {rents: {register: dwelling, identifier: number, field: dwelling}}
"""
DWELLING = """\
title: {en: Dwellings, zh: 房屋}
keeper: bureau
letter: D
personal: false
identifiers: [{name: number, title: {en: Code, zh: 编码}}]
fields:
  - {name: street, title: {en: Street, zh: 街道}}
sources:
  - {dataset: home, identifier: number, by: code, fields: {street: street}}
"""
TENANTS = """\
contract,person,name,born,dwelling
c1,a1,Anna Apple,1980-05-01,h1
c2,a2,Bert Beech,1990-06-02,h1
c3,b9,Zoe Zander,1970-01-01,h2
c4,,Unknown Person,1999-09-09,
"""
HOMES = "code,street\nh1,High Street\nh2,Low Street\na1,Number of a person\n"
RESIDENT = quality_kit.sharing_kit.RESIDENT.replace(
    "title: {en: Name, zh: 姓名}, type: text,", "title: {en: Name, zh: 姓名}, type: text, authoritative: true,"
)
FILES = {
    "exchange/resident.yaml": RESIDENT, "exchange/tenant.yaml": TENANT, "exchange/home.yaml": HOME,
    "registers/person.yaml": PERSON, "registers/dwelling.yaml": DWELLING,
}  # fmt: skip
RIGHTS = ("registers.read", "registers.steward", "registers.read_readings")


def write_pack(folder: Path, more: Mapping[str, str] = {}) -> Path:
    """The pack of the town, with more files by their path."""
    (folder / "small/registers").mkdir(parents=True)
    return quality_kit.write_pack(folder, {**FILES, **more})


class Door(quality_kit.Door):
    """The town's HTTP door as one organisation, with the doors of the registers."""

    rights = (*quality_kit.Door.rights, *RIGHTS)

    def ask_register(self, method: str, path: str, purpose: str = "rent_aid", **more: Any) -> Any:
        headers = {**self.headers, "x-purpose": purpose}
        return self.client.request(method, f"/api/registers/{path}", headers=headers, **more)

    def look_up(self, register: str = "person", purpose: str = "rent_aid", **lookup: Any) -> Any:
        body = {"case": "case-1", **lookup}
        return self.ask_register("POST", f"{register}/read", purpose, json=body)

    def person(self, number: str, purpose: str = "rent_aid", **lookup: Any) -> dict[str, Any]:
        """The record of the person with this number."""
        answer = self.look_up("person", purpose, kind="number", value=number, **lookup)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def values(record: dict[str, Any]) -> dict[str, Any]:
    """The fields of a record by their names."""
    return {field["name"]: field["value"] for field in record["fields"]}


class Town(Place, frozen=True):
    """The town of quality with registers."""

    def follow(self) -> None:
        """What the worker does when data has changed."""
        super().follow()
        jobs.follow(platform_context(self.parts, "test"))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the database."""
        with psycopg.connect(self.admin_url) as connection:
            return connection.execute(query.encode()).fetchall()

    def standing(self) -> list[tuple[Any, ...]]:
        """Who says what about whom now: dataset, key, identifier, entity and the record."""
        return self.rows(
            """SELECT f.register, f.dataset, c.key, c.identifier, c.entity, c.record FROM registers.claim c
               JOIN registers.feed f ON f.number = c.feed WHERE c.closed = 0 ORDER BY 1, 2, 3"""
        )
