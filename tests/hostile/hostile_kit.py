"""A town in which one organisation's things are tried by everybody who has no business with them."""

from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from openpyxl import load_workbook
from psycopg import sql

from cityloom import app
from cityloom.addresses.api import following as addresses
from cityloom.identity.api import accounts, entrances, services, sessions, tokens
from cityloom.identity.contracts import Attempt, Role, TokenWish
from cityloom.identity.rules.tokens import known_rights
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import Timers
from cityloom.quality.api import following, scores
from cityloom.registers.api import following as registers
from cityloom.sharing.api import projections
from cityloom.topics.api import counting
from hostile.sensed import declare, sense
from sharing import sharing_kit
from sharing.sharing_kit import Town

MARK = "kilo"
"""Stands in every name that a stranger may not come to know."""
ROWS = """\
id,name,district,born,income,married
kilo1,Kilo Apple,N1,1980-05-01,100.50,true
kilo2,Kilo Birch,N2,1990-06-02,200.00,false
kilo3,Kilo Broken,N1,never,,true
"""
PULL = """\
dataset: resident
mode: upsert
source: {kind: http, url: "http://127.0.0.1:9/residents.csv"}
"""
CODES = """\
title: {en: Colour, zh: 颜色}
version: "1"
valid_from: "2020-01-01"
codes: [{code: "1", title: {en: Red, zh: 红}}]
"""
PERSON = """\
title: {en: People, zh: 人口}
keeper: civil
letter: P
identifiers: [{name: number, title: {en: Number, zh: 编号}}]
fields: [{name: name, title: {en: Name, zh: 姓名}}, {name: born, title: {en: Born, zh: 出生}}]
sources: [{dataset: resident, identifier: number, by: id, fields: {name: name, born: born}}]
linkage: {evidence: [{field: name, kind: name}, {field: born, kind: date}]}
"""
DOORS = """\
title: {en: Doors, zh: 门址}
keeper: civil
legal_basis: {en: none, zh: 无}
class: place
sharing: conditional
modes: [upsert, delete]
update: {every: irregular}
key: [code]
retention: {records: P10Y}
fields:
  - {name: code, title: {en: Code, zh: 编码}, type: text, required: true}
  - {name: parent, title: {en: Lies in, zh: 上级}, type: text}
  - {name: level, title: {en: Level, zh: 层级}, type: text, required: true}
  - {name: name, title: {en: Name, zh: 名称}, type: text, required: true}
  - {name: full_text, title: {en: Text, zh: 全称}, type: text, required: true}
  - {name: division, title: {en: Division, zh: 区划}, type: text, required: true}
  - {name: since, title: {en: Since, zh: 启用}, type: date, required: true}
  - {name: until, title: {en: Until, zh: 停用}, type: date}
  - {name: replaced_by, title: {en: Replaced by, zh: 替代}, type: text}
  - {name: longitude, title: {en: Longitude, zh: 经度}, type: number}
  - {name: latitude, title: {en: Latitude, zh: 纬度}, type: number}
"""
DOOR = "440304008001000000017"
DOOR_ROWS = f"code,level,name,full_text,division,since\n{DOOR},road,Kilo路,深圳市Kilo路,440304008,2012-03-01\n"
PEOPLE = """\
title: {en: People, zh: 人口}
summary: {en: Who lives here, zh: 实有人口}
kind: base
keeper: civil
subjects: [person]
parts:
  - {register: person, required: [name]}
  - {dataset: resident, required: [name], links: [{register: person, identifier: number, field: id}]}
"""
FACTS = """\
title: {en: Aid, zh: 补助}
keeper: housing
askers: [housing]
purpose: rent_aid
law: {en: Housing Act, zh: 《住房法》}
consent: tenant
subjects: [{name: tenant, title: {en: Tenant, zh: 承租人}, register: person, identifier: number}]
facts:
  - name: district
    title: {en: Lives in the first district, zh: 居住在第一区}
    law: {en: Housing Act, zh: 《住房法》}
    paper: {en: Residence certificate, zh: 居住证明}
    ways:
      - find: [{name: one, dataset: resident, of: tenant, fields: [district]}]
        when: [{if: one.district == "N1", else: {en: Lives elsewhere., zh: 不在该区居住。}}]
"""
BATCH = {
    "questions": [
        {
            "case": "kilo-c", "subjects": {"tenant": ["kilo1"]},
            "consent": {"by": "kilo1", "reference": "kilo-form", "given_at": "2026-03-01T00:00:00Z"},
        }
    ]
}  # fmt: skip
WHY = "kilo knows"
PLATFORM = "- {code: data, title: {en: Data Bureau, zh: 数据局}, kind: platform}\n"
ITEMS = [{"name": {"zh": "名称", "en": "Name"}}]
RESOURCE = {"title": {"zh": "居民", "en": "Residents"}, "keeper": "civil", "items": ITEMS, "sharing": "unconditional"}
DRAFT = {"resource": "paths", "record": RESOURCE, "reason": "new"}
DISPUTE = {"resource": "grid", "item": "小区编码", "law": "Act, article 1", "reason": "our duty"}
TICKET = {
    "dataset": "resident", "key": ["kilo2"], "field": "name", "value": "Kilo Birch", "evidence": "kilo's card",
    "grant": "kilo-g1",
}  # fmt: skip
PERIOD = {"start": "2026-03-01", "end": "2026-03-10"}
RELEASE = {"set": "2018", **PERIOD, "key": "k1"}
PUBLISHED = "2018.20260301-20260310"
DOCUMENTS = [{"title": "Decision 7", "where": "archive"}]
FILING = {
    "organisation": "civil", "set": "2018", "indicator": "institutions", **PERIOD, "statement": "kilo rules",
    "documents": DOCUMENTS, "claims": [{"of": "points", "good": "7.5"}],
}  # fmt: skip
APPEAL = {
    "publication": PUBLISHED, "revision": 1, "indicator": "provision", "reason": "kilo was answered", "documents": DOCUMENTS,
}  # fmt: skip
PASSWORD = "seven wet umbrellas"
UNHEEDED = {
    "kernel.audit_log": "a refusal, and a reading, is an entry of the audit log",
    "kernel.audit_entry": "as above; `acts` says what the new entries tell of",
    "kernel.audit_signed_head": "the log's head is signed anew",
}
"""Tables in which something may change although nothing was done, and why."""
SEEN = ["used_at", "seen_at"]
"""Columns that say when a token was last used, and a session last seen."""


def write_pack(folder: Path) -> Path:
    """The pack of the sharing town, with a pull, and an organisation for the administrators."""
    sharing_kit.write_pack(folder)
    declare(folder / "small")
    (folder / "small/exchange/pulls").mkdir()
    (folder / "small/exchange/pulls/kilo_pull.yaml").write_text(PULL)
    (folder / "small/registers").mkdir()
    (folder / "small/registers/person.yaml").write_text(PERSON)
    (folder / "small/exchange/door.yaml").write_text(DOORS)
    (folder / "small/addresses").mkdir()
    (folder / "small/addresses/library.yaml").write_text("datasets: {addresses: door}")
    (folder / "small/topics").mkdir()
    (folder / "small/topics/people.yaml").write_text(PEOPLE)
    (folder / "small/facts").mkdir()
    (folder / "small/facts/kilo_aid.yaml").write_text(FACTS)
    (folder / "small/catalogue/codes").mkdir(parents=True)
    (folder / "small/catalogue/codes/colour.yaml").write_text(CODES)
    with (folder / "small/identity/organisations.yaml").open("a") as file:
        file.write(PLATFORM)
    return folder


class Caller(msgspec.Struct, frozen=True):
    """Somebody who calls, and what he shows for himself."""

    name: str
    organisation: str
    roles: tuple[str, ...]
    headers: Mapping[str, str]
    narrowed: bool = False
    """A token that does not do all that the roles give."""
    aim: str = ""
    """The end of the addresses that such a token is for."""


class Owned(msgspec.Struct, frozen=True):
    """Things of civil, which keeps the data, and of housing, which has a grant; told from others by `MARK`."""

    town: Town
    names: Mapping[tuple[str, str], str]
    """The thing that stands in an address: by the segment before the parameter, and the parameter's name."""
    files: Mapping[str, tuple[str, bytes]]
    """Media type and content for the routes that take a catalogue as a file: what is there, with another title."""
    holder: Caller
    """The account whose token is among the names."""


def own(town: Town) -> Owned:
    """Make one of each."""
    town.civil.deliver("kilo-d1", ROWS)
    projections.follow(town.platform)
    projections.rebuild(town.platform, "resident")
    town.grant("kilo-g1", terms={"fields": ["id", "name", "district"], "rows": ""})
    assert town.housing.ask("kilo-r2").status_code == 200
    _announce(town)
    _dispute(town)
    _correct(town)
    people = _register(town)
    town.civil.deliver("kilo-doors", DOOR_ROWS, "door")
    addresses.follow(town.platform)
    (line,) = _done(town, "housing", "POST", "facts/kilo_aid/ask", BATCH)
    asked_facts = msgspec.json.decode(line["statement"])["id"]
    hooked = town.housing.post("grants/kilo-g1/webhooks", {"url": "https://kilo.example/", "case": "kilo-c1"})
    wanted = {
        "title": "Residents", "purpose": "rent aid", "legal_basis": "Housing Act", "items": ["name"], "resource": "roads",
    }  # fmt: skip
    asked = town.housing.client.post("/api/catalogue/demands", json=wanted, headers=rightful(town, "housing"))
    assert (hooked.status_code, asked.status_code) == (201, 201), (hooked.text, asked.text)
    town.clock.turn(days=9)
    counted = _appraise(town)
    town.clock.turn(days=11)
    tell(town)
    shown = entrances.add_certificate(town.platform, "data", certificate("old"))
    sensed = sense(town, rightful(town, "civil"))
    holder = person(town, "kilo.chen", "civil", Role.data_officer)
    made = tokens.make(town.platform, TokenWish("kilo", ("sharing.use",)), holder.name)
    return Owned(town, {
        ("datasets", "dataset"): "resident", ("copies", "dataset"): "resident", ("sandbox", "dataset"): "resident",
        ("entries", "dataset"): "resident", ("resources", "resource"): "roads",
        ("deliveries", "delivery_id"): "kilo-d1", ("requests", "id"): "kilo-r2", ("grants", "id"): "kilo-g1",
        ("webhooks", "webhook"): hooked.json()["id"], ("demands", "demand"): asked.json()["id"],
        ("tokens", "id"): made.token.id, ("accounts", "name"): "kilo.chen", ("organisations", "code"): "data",
        ("drafts", "id"): "kilo-draft", ("disputes", "id"): "kilo-dispute",
        ("certificates", "fingerprint"): shown.certificates[0].fingerprint,
        ("pulls", "pull"): "kilo_pull", ("codes", "name"): "colour",
        ("tickets", "id"): "kilo-ticket", ("scores", "dataset"): "resident", ("{dataset}", "day"): "2026-03-02",
        ("sets", "name"): "2018", ("scores", "organisation"): "civil", ("results", "organisation"): "civil",
        ("evidence", "indicator"): "provision", ("publications", "id"): PUBLISHED,
        ("tiles", "level"): "district", ("{level}", "zoom"): "1", ("{zoom}", "column"): "0", ("{column}", "row"): "0",
        ("indicators", "indicator"): "population", ("addresses", "code"): DOOR,
        ("topics", "topic"): "people", ("days", "day"): counted.isoformat(),
        ("facts", "list"): "kilo_aid", ("asked", "id"): asked_facts, ("asked-about", "register"): "person",
        ("{indicator}", "id"): "kilo-count", ("filings", "id"): "kilo-filing", ("appeals", "id"): "kilo-appeal", **people, **sensed,
    }, _catalogue(town), holder)  # fmt: skip


def certificate(name: str) -> str:
    """A client certificate in PEM, such as an organisation's program shows."""
    key = Ed25519PrivateKey.generate()
    names = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(names, names, key.public_key(), x509.random_serial_number())
    dated = builder.not_valid_before(sharing_kit.START).not_valid_after(sharing_kit.START + timedelta(days=900))
    return dated.sign(key, None).public_bytes(Encoding.PEM).decode()


def _announce(town: Town) -> None:
    """A resource of civil that is to go."""
    address, headers = "/api/catalogue/resources/roads", rightful(town, "civil")
    wanted = {"title": {"zh": "道路", "en": "Roads"}, "keeper": "civil", "items": ITEMS, "sharing": "unconditional"}
    put = town.client.put(address, json=wanted, headers=headers)
    gone = {"reason": "over", "effective_on": "2027-01-01"}
    retired = town.client.request("DELETE", address, params=gone, headers=headers)
    assert (put.status_code, retired.status_code) == (200, 200), (put.text, retired.text)


def _dispute(town: Town) -> None:
    """A draft of civil, and its claim to answer for an item that housing answers for."""
    item = {"name": {"zh": "小区编码", "en": "Estate"}}
    estate = {"title": {"zh": "小区", "en": "Estates"}, "subject": "place", "sharing": "unconditional"}
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("housing", "resources/estate", {**estate, "keeper": "housing", "items": [{**item, "authoritative": True}]}),
        (
            "civil",
            "resources/grid",
            {**estate, "title": {"zh": "网格", "en": "Grid"}, "keeper": "civil", "items": [item]},
        ),
        ("civil", "disputes/kilo-dispute", DISPUTE),
        ("civil", "drafts/kilo-draft", DRAFT),
    ]
    for organisation, path, body in calls:
        answer = town.client.put(f"/api/catalogue/{path}", json=body, headers=rightful(town, organisation))
        assert answer.status_code in (200, 201), answer.text


def _correct(town: Town) -> None:
    """A ticket of housing that is contested, and another that was corrected."""
    district = {**TICKET, "key": ["kilo1"], "field": "district", "value": "N1"}
    _done(town, "housing", "PUT", "quality/tickets/kilo-mended", district)
    town.civil.deliver("kilo-d2", "id,name,district,born,income,married\nkilo1,Kilo Apple,N9,1980-05-01,100.50,true\n")
    following.follow(town.platform)
    _done(town, "housing", "PUT", "quality/tickets/kilo-ticket", TICKET)
    rejected = {"move": "reject", "version": 1, "key": "k1", "reason": "right", "evidence": "kilo's file"}
    _done(town, "civil", "POST", "quality/tickets/kilo-ticket/moves", rejected)
    contested = {"move": "contest", "version": 2, "key": "k2", "reason": "wrong"}
    _done(town, "housing", "POST", "quality/tickets/kilo-ticket/moves", contested)


def _register(town: Town) -> dict[tuple[str, str], str]:
    """A register of civil, with a doubtful pair and a merge, and a reading of one of its records."""
    registers.follow(town.platform)
    found = [_done(town, "civil", "POST", "registers/person/read", {"case": "kilo-c", "kind": "number", "value": f"kilo{n}"},
                   {"x-purpose": "rent_aid"}) for n in (1, 2)]  # fmt: skip
    left, right = (each["id"] for each in found)
    merged = _done(town, "civil", "POST", "registers/person/merges", {"from_id": right, "into": left, "reason": WHY})
    _done(town, "civil", "POST", f"registers/person/decisions/{merged['id']}/undo", {"reason": WHY})
    again = _done(town, "civil", "POST", "registers/person/merges", {"from_id": right, "into": left, "reason": WHY})
    town.civil.deliver("kilo-d3", "id,name,district,born,income,married\nkilo4,Kilo Dell,N1,1990-06-02,1.00,false\n")
    registers.follow(town.platform)
    other = _done(town, "civil", "POST", "registers/person/read", {"case": "kilo-c", "kind": "number", "value": "kilo4"},
                  {"x-purpose": "rent_aid"})  # fmt: skip
    pair = {"left": left, "right": other["id"], "reason": WHY}
    doubt = _done(town, "civil", "POST", "registers/person/doubts", pair)
    return {
        ("registers", "register"): "person", ("{register}", "id"): left, ("doubts", "number"): str(doubt["id"]),
        ("decisions", "number"): str(again["id"]),
    }  # fmt: skip


def _appraise(town: Town) -> date:
    """A day that was measured, and a result with a filing and an appeal of civil; the day of the libraries' figures."""
    services.issue(town.platform, "data", every_right(town.parts))
    counted = counting.count(town.platform)
    scores.measure(town.platform, "resident", date(2026, 3, 2))
    _done(town, "civil", "PUT", "appraisal/filings/kilo-filing", FILING)
    _done(town, "data", "POST", "appraisal/publications", RELEASE)
    _done(town, "civil", "PUT", "appraisal/appeals/kilo-appeal", APPEAL)
    return counted


def _done(town: Town, organisation: str, method: str, path: str, body: Any, more: Mapping[str, str] = {}) -> Any:
    headers = {**rightful(town, organisation), **more}
    answer = town.client.request(method, f"/api/{path}", json=body, headers=headers)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def tell(town: Town) -> None:
    """Tell of deadlines, and hand the news to whoever listens, as a worker does by itself."""
    app.tell_deadlines(town.platform)
    app.recount_deadlines(town.platform)
    listeners = [listener for module in app.MODULES for listener in module.listeners]
    timers = Timers(town.parts, {}, listeners)
    for listener in listeners:
        timers.hand_out(listener)


def _catalogue(town: Town) -> dict[str, tuple[str, bytes]]:
    headers = rightful(town, "civil")
    turtle, sheet = (
        town.client.get(f"/api/catalogue/{name}", params={"keeper": "civil"}, headers=headers)
        for name in ("dcat.ttl", "guide.xlsx")
    )
    changed = load_workbook(BytesIO(sheet.content))
    for row in changed.worksheets[0].iter_rows():
        for cell in row:
            if cell.value in ("Residents", "居民"):
                cell.value = "Somebody's"
    file = BytesIO()
    changed.save(file)
    return {
        "POST /api/catalogue/dcat-imports": ("text/turtle", turtle.content.replace(b"Residents", b"Somebody's")),
        "POST /api/catalogue/guide-imports": ("application/octet-stream", file.getvalue()),
    }


def rightful(town: Town, organisation: str) -> dict[str, str]:
    """Headers of an organisation's own service, with every right that a token can have."""
    made = tokens.make(town.platform, TokenWish("all", every_right(town.parts)), f"{organisation}-service")
    return {"authorization": f"Bearer {made.secret}", "x-purpose": "rent_aid", "accept-language": "en"}


def every_right(parts: Parts) -> tuple[str, ...]:
    """All rights that a token can be narrowed to."""
    return tuple(sorted(right for right in known_rights(parts.policies.text) if not right.startswith("identity.")))


def person(town: Town, name: str, organisation: str, *roles: Role) -> Caller:
    """An account in a browser's session, which can do all that its roles give."""
    issued = accounts.create(town.platform, name, organisation)
    accounts.give_roles(town.platform, name, roles)
    first = sessions.sign_in(town.parts, _attempt(name, issued.password))
    assert first.me.must_change_password
    ctx = msgspec.structs.replace(
        town.platform, principal=msgspec.structs.replace(town.platform.principal, name=name, organisation=organisation)
    )
    signed = sessions.change_password(ctx, issued.password, PASSWORD)
    headers = {
        "cookie": f"cityloom_session={signed.session}", "x-csrf-token": signed.me.csrf, "x-purpose": "rent_aid",
        "accept-language": "en",
    }  # fmt: skip
    return Caller(name, organisation, tuple(str(role) for role in roles), headers)


def _attempt(name: str, password: str) -> Attempt:
    return Attempt(
        account=name, password=password, address="192.0.2.7", device="", session="", language="en", request="test"
    )  # fmt: skip


def token(town: Town, organisation: str, rights: tuple[str, ...], datasets: tuple[str, ...] | None = None) -> Caller:
    """A token of an organisation's service, which is a data officer, narrowed."""
    name = f"{organisation} {' '.join(datasets or rights)}"
    made = tokens.make(town.platform, TokenWish(name, rights, datasets), f"{organisation}-service")
    return msgspec.structs.replace(_bearer(name, organisation, made.secret), narrowed=True)


def followers(town: Town, organisation: str) -> Caller:
    """A token that follows resources, and does nothing else."""
    return msgspec.structs.replace(token(town, organisation, ("catalogue.follow",)), aim="/following")


def stale(town: Town) -> list[Caller]:
    """Tokens with every right that are revoked, or of an account that was disabled, or no tokens at all."""
    revoked = tokens.make(town.platform, TokenWish("revoked", every_right(town.parts)), "civil-service")
    tokens.revoke(town.platform, revoked.token.id)
    accounts.create(town.platform, "civil.left", "civil")
    accounts.give_roles(town.platform, "civil.left", [Role.data_officer])
    left = tokens.make(town.platform, TokenWish("left", every_right(town.parts)), "civil.left")
    accounts.disable(town.platform, "civil.left")
    wrong = revoked.secret[:-4] + "AAAA"
    found = [("revoked", revoked.secret), ("disabled", left.secret), ("guessed", wrong), ("no token", "x")]
    return [_bearer(name, "civil", secret) for name, secret in found]


def expired(town: Town) -> Caller:
    """A token with every right that is over; turn the clock by two days to make it so."""
    made = tokens.make(town.platform, TokenWish("expired", every_right(town.parts), None, 1), "civil-service")
    return _bearer("expired", "civil", made.secret)


def _bearer(name: str, organisation: str, secret: str) -> Caller:
    headers = {"authorization": f"Bearer {secret}", "x-purpose": "rent_aid", "accept-language": "en"}
    return Caller(name, organisation, ("data_officer",), headers)


def digests(admin_url: str) -> dict[str, str]:
    """A digest of every table of the city's database, the lake's catalogue (its snapshots) with it."""
    with psycopg.connect(admin_url) as connection:
        named = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE'"
            " AND table_schema NOT IN ('pg_catalog', 'information_schema', 'jobs') ORDER BY 1, 2"
        ).fetchall()
        one = sql.SQL(
            "SELECT {}, md5(string_agg(line, '' ORDER BY line)) FROM (SELECT (to_jsonb(t) - {}::text[])::text AS line FROM {} t)"
        )
        parts = [
            one.format(sql.Literal(f"{schema}.{name}"), sql.Literal(SEEN), sql.Identifier(schema, name))
            for schema, name in named
        ]
        found = connection.execute(sql.SQL(" UNION ALL ").join(parts)).fetchall()
        queued = connection.execute("SELECT md5(string_agg(args::text, '' ORDER BY id)) FROM jobs.procrastinate_jobs")
        return {**dict(found), "jobs": str(queued.fetchone())}


def state(town: Town) -> dict[str, str]:
    """All that a refused call must leave as it was: every table but those of `UNHEEDED`, and the spool."""
    found = {name: digest for name, digest in digests(town.admin_url).items() if name not in UNHEEDED}
    return {**found, "spool": str(sorted(town.parts.settings.spool.glob("*")))}


def acts(town: Town) -> Counter[str]:
    """What the audit log tells of, and how often."""
    with psycopg.connect(town.admin_url) as connection:
        found = connection.execute("SELECT body FROM kernel.audit_entry").fetchall()
    return Counter(msgspec.json.decode(row[0])["action"] for row in found)


def differing(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Which tables are not as they were."""
    return [name for name in after if after[name] != before.get(name)]
