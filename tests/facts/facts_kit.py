"""The shipped city with a few families whose answers are worked by hand, and a clock that can be turned."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from litestar.testing import TestClient

from cityloom.identity.api import services
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context
from cityloom.registers import jobs as register_jobs
from cityloom.sharing.api import projections
from sharing.sharing_kit import RIGHTS, TurnedClock

PURPOSE = "school_admission"
NUMBERS = count(1)
"""Of grants, so that each has an id of its own."""
PACK = (
    "{name: small, title: {en: Small city, zh: 小城}, version: '1', keeper: education, city: true, needs: [yancheng]}"
)
PARAMETERS = "values: {insurance_gap: 1}"
EAST, WEST = "320902001001", "320902001002"
"""Two communities; the school E000000001 serves the eastern one."""
SCHOOL = "E000000001"
MORE_RIGHTS = (
    "facts.ask", "facts.read_asked", "registers.read", "registers.steward", "registers.read_readings", "quality.dispute",
    "quality.read",
)  # fmt: skip
KEEPERS = ("psb", "housing", "hrss", "health", "education", "grid", "data_bureau", "planning")


def id_number(day: str, number: int) -> str:
    """An identity number with a right check digit (GB 11643-1999), of a division that is not given out."""
    body = f"190114{day}{number:03d}"
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return body + "10X98765432"[sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11]


ANNA, ADAM, AMY = id_number("19900501", 2), id_number("19880101", 1), id_number("20200310", 2)
"""A family that is registered here, and owns a dwelling in the east jointly."""
BEN, BELLA, BO, BI = (
    id_number("19850202", 3), id_number("19860303", 4), id_number("20200404", 5), id_number("20200404", 6)
)  # fmt: skip
"""A family from elsewhere with twins; Ben rents in the east."""
BEN_BEFORE = id_number("19850203", 3)
"""Ben's number before it was corrected: his permit still has it."""
CARL, CASS = id_number("19800808", 7), id_number("20200808", 8)
"""Carl lives in the west; Cass is registered elsewhere."""
DORA, DAN = id_number("19910909", 10), id_number("20200909", 9)
"""Of whom nothing is known but Dora's insurance."""
PEOPLE = (ANNA, ADAM, AMY, BEN, BELLA, BO, BI, BEN_BEFORE, CARL, CASS, DORA, DAN)

FILES: Mapping[str, tuple[str, str]] = {
    "dwelling": ("housing", f"""\
code,community,address,use
D00000000001,{EAST},East Road 1 Room 101,11
D00000000002,{EAST},East Road 2 Room 202,11
D00000000003,{WEST},West Road 3 Room 303,11
"""),
    "household": ("psb", f"""\
number,kind,head_id,dwelling,community,members
H00000000001,1,{ADAM},D00000000001,{EAST},3
H00000000002,1,{CARL},D00000000003,{WEST},1
"""),
    "household_resident": ("psb", f"""\
id_number,name,sex,birth_date,household,relation,community,address,registered_on
{ADAM},亚当,1,1988-01-01,H00000000001,02,{EAST},East Road 1 Room 101,2015-01-01
{ANNA},安娜,2,1990-05-01,H00000000001,12,{EAST},East Road 1 Room 101,2015-01-01
{AMY},艾米,2,2020-03-10,H00000000001,30,{EAST},East Road 1 Room 101,2020-04-01
{CARL},卡尔,1,1980-08-08,H00000000002,02,{WEST},West Road 3 Room 303,2010-01-01
"""),
    "residence_collected": ("grid", f"""\
id_number,name,sex,birth_date,community,dwelling,moved_in,collected_on
{BEN},本诺,1,1985-02-02,{EAST},D00000000002,2022-01-01,2026-02-01
{BO},博文,1,2020-04-04,{EAST},D00000000002,2022-01-01,2026-02-01
{BI},博义,1,2020-04-04,{EAST},D00000000002,2022-01-01,2026-02-01
"""),
    "residence_permit": ("psb", f"""\
number,id_number,name,community,issued_on,valid_until
R00000000001,{BEN_BEFORE},本诺,{EAST},2025-03-02,2027-03-01
R00000000002,{BELLA},贝拉,{EAST},2025-03-03,2027-03-01
"""),
    "ownership": ("housing", f"""\
number,dwelling,owner_id,owner_name,share,registered_on
F00000000001,D00000000001,{ADAM},亚当,50,2014-12-01
F00000000001,D00000000001,{ANNA},安娜,50,2014-12-01
F00000000003,D00000000003,{CARL},卡尔,100,2009-12-01
"""),
    "tenancy": ("housing", f"""\
number,dwelling,tenant_id,tenant_name,starts_on,ends_on,monthly_rent,registered_on
T00000000001,D00000000002,{BEN},本诺,2025-02-20,2027-02-19,4321.00,2025-03-02
T00000000002,D00000000001,{BELLA},贝拉,2024-03-02,2026-03-01,4321.00,2024-03-02
T00000000003,D00000000003,{CARL},卡尔,2024-03-02,2028-03-01,4321.00,2024-03-02
"""),
    "school": ("education", f"""\
code,name,kind,community,places
{SCHOOL},东城小学,211,{EAST},500
"""),
    "school_catchment": ("education", f"school,community,since\n{SCHOOL},{EAST},2020\n"),
    "clinic": ("health", f"code,name,kind,community\nY00000001,东城医院,A100,{EAST}\n"),
    "birth": ("health", f"""\
certificate_number,name,sex,born_on,mother_id,father_id,institution,issued_on
Q000000001,艾米,2,2020-03-10,{ANNA},,Y00000001,2020-03-12
Q000000002,博文,1,2020-04-04,{BELLA},{BEN},Y00000001,2020-04-06
Q000000003,博义,1,2020-04-04,{BELLA},{BEN},Y00000001,2020-04-06
"""),
    "immunisation": ("health", f"""\
id_number,name,birth_date,mother_id,father_id,doses_missing,institution,checked_on
{AMY},艾米,2020-03-10,{ANNA},{ADAM},0,Y00000001,2026-01-10
{CASS},凯思,2020-08-08,{BELLA},{CARL},3,Y00000001,2026-01-10
"""),
}  # fmt: skip
PAID = {
    ANNA: [("2026-02", 12)], ADAM: [("2026-01", 11)],
    # Ben misses one month, Bella two in a row, Carl paid last in November
    BEN: [("2026-02", 6), ("2025-07", 6)], BELLA: [("2026-02", 6), ("2025-06", 30)], CARL: [("2025-11", 40)],
    DORA: [(f"2025-{month:02d}", 1) for month in range(3, 13)] + [("2026-01", 1), ("2026-02", 1)],
}  # fmt: skip
"""Months of pension insurance: the month of a payment, and how many months up to it were paid without a gap."""
GRANTS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "household_resident": ("psb", ("id_number", "name", "sex", "birth_date", "household", "relation")),
    "residence_permit": ("psb", ("id_number", "issued_on", "valid_until")),
    "residence_collected": ("grid", ("id_number", "name", "sex", "birth_date")),
    "birth": ("health", ("name", "sex", "born_on", "mother_id", "father_id")),
    "immunisation": ("health", ("id_number", "mother_id", "father_id", "doses_missing")),
    "ownership": ("housing", ("owner_id", "dwelling")),
    "dwelling": ("housing", ("code", "community")),
    "tenancy": ("housing", ("tenant_id", "dwelling", "starts_on", "ends_on", "registered_on")),
    "social_insurance_payment": ("hrss", ("id_number", "month", "kind", "months_paid")),
}


def write_pack(folder: Path) -> Path:
    """A city that sets one parameter otherwise than the shipped list."""
    pack = folder / "small"
    (pack / "facts/parameters").mkdir(parents=True)
    (pack / "pack.yaml").write_text(PACK)
    (pack / "facts/parameters/school_admission.yaml").write_text(PARAMETERS)
    return folder


def payments() -> str:
    """The file of insurance."""
    lines = ["id_number,month,kind,base,amount,months_paid"]
    lines += [f"{id},{month},110,9876.50,1234.50,{paid}" for id, some in PAID.items() for month, paid in some]
    return "\n".join(lines) + "\n"


class Door:
    """The city's HTTP door as one organisation."""

    def __init__(self, client: "TestClient[Any]", parts: Parts, organisation: str) -> None:
        self.client, self.organisation = client, organisation
        secret = services.issue(platform_context(parts, "test"), organisation, (*RIGHTS, *MORE_RIGHTS)).secret
        self.headers = {"authorization": f"Bearer {secret}", "accept-language": "en", "x-purpose": PURPOSE}

    def call(self, method: str, path: str, **more: Any) -> Any:
        headers = {**self.headers, **more.pop("headers", {})}
        return self.client.request(method, f"/api/{path}", headers=headers, **more)

    def deliver(self, dataset: str, id: str, text: str, **query: str) -> None:
        answer = self.call(
            "PUT", f"exchange/datasets/{dataset}/deliveries/{id}", params=query, content=text.encode(),
            headers={"content-type": "text/csv"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        assert '"quarantined":0' in answer.text, answer.text


class City(msgspec.Struct, frozen=True):
    """The parts, the clock, and a door for each department."""

    parts: Parts
    clock: TurnedClock
    admin_url: str
    client: "TestClient[Any]"
    doors: dict[str, Door]

    @property
    def education(self) -> Door:
        """Who asks."""
        return self.doors["education"]

    @property
    def platform(self) -> Context:
        return platform_context(self.parts, "test")

    def follow(self) -> None:
        """What the worker does when data has changed."""
        register_jobs.follow(self.platform)
        projections.follow(self.platform)

    def rebuild(self) -> None:
        """The copies that answer by key, for the first time."""
        for dataset in ("dwelling", "immunisation", "social_insurance_payment", "school_catchment"):
            projections.rebuild(self.platform, dataset)

    def grant(self, dataset: str, id: str, **changed: Any) -> str:
        """A grant of education, asked for and approved."""
        keeper, fields = GRANTS[dataset]
        terms = {"fields": fields, "kind": "verify", "per_minute": 100_000, "per_day": 1_000_000, **changed}
        wish = {
            "dataset": dataset, "purpose": PURPOSE, "legal_basis": "Compulsory Education Law", "reason": "admission",
            "terms": terms,
        }  # fmt: skip
        asked = self.education.call("PUT", f"sharing/requests/{id}", json=wish)
        assert asked.status_code == 200, asked.text
        act = {"move": "approve", "version": 1, "key": "a1"}
        given = self.doors[keeper].call("POST", f"sharing/requests/{id}/moves", json=act)
        assert given.status_code == 200, given.text
        return id

    def revoke(self, dataset: str, id: str) -> None:
        """The keeper takes a grant back."""
        keeper = GRANTS[dataset][0]
        version = self.doors[keeper].call("GET", f"sharing/grants/{id}").json()["version"]
        act = {"move": "revoke", "version": version, "key": "r1", "reason": "no more needed"}
        done = self.doors[keeper].call("POST", f"sharing/grants/{id}/moves", json=act)
        assert done.status_code == 200, done.text

    @contextmanager
    def instead(self, dataset: str, **changed: Any) -> Iterator[str]:
        """Another grant in place of the usual one, or (with `none`) no grant at all, for the length of the block."""
        for grant in self.education.call(
            "GET", "sharing/grants", params={"dataset": dataset, "status": "active"}
        ).json():
            if grant["organisation"] == "education" and grant["state"] == "active":
                self.revoke(dataset, grant["id"])
        name = f"g-{dataset}-{next(NUMBERS)}"
        try:
            yield name if changed.pop("none", False) else self.grant(dataset, name, **changed)
        finally:
            granted = self.education.call("GET", f"sharing/grants/{name}")
            if granted.status_code == 200:
                self.revoke(dataset, name)
            self.grant(dataset, f"g-{dataset}-{next(NUMBERS)}")

    def ask(self, *questions: Mapping[str, Any], door: str = "education", **headers: str) -> Any:
        body = {"questions": questions}
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.doors[door].call("POST", "facts/school_admission/ask", json=body, headers=more)

    def statement(self, child: str, guardians: Sequence[str], language: str = "en", **changed: Any) -> dict[str, Any]:
        """The signed statement about a child."""
        answer = self.ask(question(child, guardians, **changed), accept_language=language)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = msgspec.json.decode(answer.json()[0]["statement"])
        return found

    def facts(self, child: str, guardians: Sequence[str], **changed: Any) -> dict[str, dict[str, Any]]:
        """The facts of a statement by name."""
        return {fact["name"]: fact for fact in self.statement(child, guardians, **changed)["facts"]}

    def answers(self, child: str, guardians: Sequence[str], **changed: Any) -> dict[str, str]:
        """Fact and answer."""
        return {name: fact["answer"] for name, fact in self.facts(child, guardians, **changed).items()}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What is in the database."""
        with psycopg.connect(self.admin_url) as connection:
            return connection.execute(query.encode()).fetchall()


def question(child: str, guardians: Sequence[str], **changed: Any) -> dict[str, Any]:
    """A question about a child and its guardians, the first of whom consents."""
    consent = {"by": guardians[0], "reference": "form-7", "given_at": datetime(2026, 3, 1, 1, tzinfo=UTC).isoformat()}
    whole = {
        "case": "2026-0001", "subjects": {"child": [child], "guardians": list(guardians)}, "consent": consent,
        "given": {"school": SCHOOL}, **changed,
    }  # fmt: skip
    return {name: value for name, value in whole.items() if value is not None}
