"""The town of registers with a library of people, and payments that no register takes in."""

from pathlib import Path
from typing import Any

from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from cityloom.quality import jobs as quality_jobs
from cityloom.topics.api import counting
from registers import registers_kit

PAYMENT = """\
title: {en: Payments, zh: 缴费}
keeper: other
legal_basis: {en: none, zh: 无}
class: event
sharing: conditional
modes: [upsert, delete]
update: {every: month, due_days: 5, days: calendar}
queryable: true
key: [person, month]
retention: {records: P10Y}
fields:
  - {name: person, title: {en: Person, zh: 人}, type: text, required: true, personal: true}
  - {name: month, title: {en: Month, zh: 月}, type: text, required: true}
  - {name: amount, title: {en: Amount, zh: 金额}, type: decimal, precision: 12, scale: 2}
  - {name: payer, title: {en: Who pays for another, zh: 代缴人}, type: text, personal: true}
"""
PEOPLE = """\
title: {en: People, zh: 人口}
summary: {en: Who lives here, zh: 实有人口}
kind: base
keeper: civil
subjects: [person]
parts:
  - {register: person, required: [name, born]}
  - dataset: resident
    fields: [id, name, district, income]
    required: [name, income]
    links: [{register: person, identifier: number, field: id}]
  - dataset: tenant
    required: [name, born]
    links: [{register: person, identifier: number, field: person}]
    every_days: 30
  - dataset: payment
    required: [amount]
    links:
      - {register: person, identifier: number, field: person}
      - {register: person, identifier: number, field: payer}
  - dataset: relief
    title: {en: Relief, zh: 救助}
    responsible: {en: Civil affairs, zh: 民政部门}
    legal_basis: {en: Relief Act, zh: 救助办法}
"""
PAYMENTS = """\
person,month,amount,payer
a1,2026-01,10.25,
a1,2026-02,10.25,
a2,2026-02,,a1
zz,2026-02,777.75,
"""
FIRST = "2026-03-03"
"""The day on which the town is counted first."""
FILES = {"exchange/payment.yaml": PAYMENT, "topics/people.yaml": PEOPLE}


def write_pack(folder: Path) -> Path:
    """The pack of the town with its library."""
    (folder / "small/topics").mkdir(parents=True)
    return registers_kit.write_pack(folder, FILES)


class Door(registers_kit.Door):
    """The town's HTTP door as one organisation, with the doors of topics."""

    rights = (*registers_kit.Door.rights, "topics.read_figures")

    def sign_in_as(self, *rights: str) -> None:
        """With a token for these rights."""
        token = services.issue(platform_context(self.parts, "test"), self.organisation, rights).secret
        self.headers["authorization"] = f"Bearer {token}"

    def topic(self, path: str = "/people", status: int = 200, **query: Any) -> Any:
        answer = self.client.get(f"/api/topics{path}", params=query, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def records(self, *numbers: str, purpose: str = "rent_aid", case: str = "case-1") -> Any:
        wish = {"case": case, "subjects": [{"kind": "number", "value": number} for number in numbers]}
        headers = {**self.headers, "x-purpose": purpose}
        return self.client.post("/api/topics/people/records/read", json=wish, headers=headers)


class Town(registers_kit.Town, frozen=True):
    """The town of registers with a library."""

    def measure(self) -> None:
        """What the worker does for quality once a day."""
        quality_jobs.measure(platform_context(self.parts, "test"))

    def count(self) -> None:
        """What the worker does for the libraries once a day."""
        counting.count(platform_context(self.parts, "test"))

    def grant_payments(self, id: str, purpose: str, **changed: Any) -> None:
        """A grant of housing on payments, asked for and approved."""
        terms = {"fields": ["person", "month", "amount"], "rows": "", **changed.pop("terms", {})}
        asked = self.housing.ask(id, dataset="payment", purpose=purpose, terms=terms, **changed)
        assert asked.status_code == 200, asked.text
        approved = self.other.move(id, "approve")
        assert approved.status_code == 200, approved.text

    def sign_in(self) -> None:
        """Tokens end; after a month all need new ones."""
        for door in (self.civil, self.housing, self.other, self.bureau):
            door.sign_in()


def numbers(figures: list[dict[str, Any]]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Count and total by part, measure, field and pair, without those that are empty."""
    return {
        tuple(each[name] for name in ("part", "measure", "field", "other") if each[name]): (
            each["count"],
            each["total"],
        )
        for each in figures
    }


def of_parts(topic: dict[str, Any]) -> dict[tuple[str, ...], tuple[int, int]]:
    """The figures of all parts that are shown."""
    return numbers([figure for part in topic["parts"] for figure in part["figures"]])


def parts(answer: Any, place: int = 0) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """Access and the fields that are shown, by dataset."""
    assert answer.status_code == 200, answer.text
    found = answer.json()["subjects"][place]["parts"]
    return {each["part"]: (each["access"], [record["fields"] for record in each["records"]]) for each in found}
