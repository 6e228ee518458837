"""How each route of the real application is called by somebody who has no business with it, and what he may expect.

What is not named here is refused to everybody who is not named here. Nothing is listed twice: a new route whose address,
query and body are of known kinds needs no line; one with an unknown kind fails the test until it gets one.
"""

from collections.abc import Iterator, Mapping
from inspect import iscoroutinefunction
from typing import Any, cast, get_args, get_type_hints

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from cityloom.appraisal.api import appeals, filings
from cityloom.catalogue.contracts import DisputeAct, DraftAct
from cityloom.kernel.context import Parts
from cityloom.quality.api import tickets
from cityloom.sensing.contracts.devices import Move
from cityloom.server import make_app
from cityloom.sharing.api import grants, requests
from hostile.hostile_kit import (
    APPEAL,
    BATCH,
    DISPUTE,
    DRAFT,
    FILING,
    PERIOD,
    RELEASE,
    RESOURCE,
    ROWS,
    TICKET,
    Owned,
    certificate,
)
from hostile.sensed import DEVICE, PUSHED, SENSED, SHEET, TRIAL
from sharing.sharing_kit import wish

ADMINISTRATORS = ("system_admin", "security_admin", "audit_admin")
DATA = ("data_officer", "steward", "analyst")

PUBLIC = {
    "GET /healthz": "health", "GET /readyz": "health", "GET /metrics": "figures without names; a proxy keeps them in",
    "GET /schema": "the API's description", "GET /schema/openapi.json": "the API's description",
    "GET /schema/{path}": "the API's description", "GET /.well-known/jwks.json": "the key that checks signatures",
    "GET /": "the way to the console", "GET /console": "its pages, the same for everybody",
    "GET /console/{path}": "its pages, the same for everybody", "POST /api/identity/session": "signing in",
    "GET /api/facts": "what departments ask of people, which anybody may read",
    "GET /api/facts/{list}": "what departments ask of people, which anybody may read",
    "POST /api/sensing/push/{mapping}/{organisation}": "signed with the push key of the organisation",
    "GET /api/sensing/push/{mapping}/{organisation}": "signed with the push key of the organisation",
}  # fmt: skip
"""Without an account."""

OWN = {
    "GET /api/identity/session", "DELETE /api/identity/session", "DELETE /api/identity/sessions",
    "PUT /api/identity/password", "POST /api/identity/tokens", "GET /api/console/today",
}  # fmt: skip
"""About the caller's own account alone: there is no other's thing to try it on."""

OPEN = {
    "GET /api/console/frame",
    "GET /api/identity/purposes", "GET /api/identity/organisations", "GET /api/identity/organisations/{code}", "GET /api/catalogue/entries",
    "GET /api/catalogue/entries/{dataset}", "GET /api/catalogue/elements", "GET /api/catalogue/codes/{name}",
    "GET /api/catalogue/resources", "GET /api/catalogue/resources/{resource}",
    "GET /api/catalogue/resources/{resource}/revisions", "GET /api/catalogue/resources/{resource}/diff",
    "GET /api/catalogue/resources/{resource}/lineage", "GET /api/catalogue/sources", "GET /api/catalogue/guide.xlsx",
    "GET /api/catalogue/dcat.ttl", "GET /api/catalogue/dcat.jsonld", "GET /api/catalogue/lists/supply",
    "GET /api/catalogue/lists/responsibility", "GET /api/catalogue/lists/demand", "POST /api/catalogue/form-checks",
    "GET /api/catalogue/report", "GET /api/catalogue/facets", "GET /api/exchange/datasets",
    "GET /api/exchange/datasets/{dataset}/template.xlsx",
    "GET /api/sharing/sandbox/{dataset}/records", "GET /api/sharing/sandbox/{dataset}/changes",
    "POST /api/sharing/sandbox/{dataset}/query", "POST /api/sharing/sandbox/{dataset}/verify",
    "GET /api/appraisal/sets", "GET /api/appraisal/sets/{name}", "GET /api/appraisal/publications",
    "GET /api/appraisal/publications/{id}/ranking", "GET /api/registers", "GET /api/registers/{register}",
    "GET /api/addresses/library", "GET /api/maps", "GET /api/maps/areas", "GET /api/indicators",
    "GET /api/maps/tiles/{level}/{zoom}/{column}/{row}",
    "GET /v1.0", "GET /v1.1", "GET /api/topics", "GET /api/topics/{topic}", "GET /api/topics/{topic}/days/{day}",
}  # fmt: skip
"""What exists, and what was published, is no secret between departments, and made-up records are nobody's: any account
reads these."""

LISTS = {
    "GET /api/catalogue/notices", "GET /api/exchange/pulls", "GET /api/exchange/overdue", "GET /api/exchange/held",
    "GET /api/exchange/reconciliation", "GET /api/sharing/requests", "GET /api/sharing/grants",
    "GET /api/sharing/notices", "GET /api/sharing/copies", "GET /api/catalogue/messages",
    "GET /api/catalogue/drafts", "GET /api/catalogue/disputes", "GET /api/quality/tickets", "GET /api/quality/notices",
    "GET /api/quality/corrections", "GET /api/appraisal/filings", "GET /api/appraisal/appeals",
    "GET /api/appraisal/notices",
}  # fmt: skip
"""Any account gets its own part, and not a line of another's."""

PARTS = {
    "GET /api/quality/scores", "GET /api/sensing/devices", "POST /api/sensing/devices/import", "GET /api/sensing/quarantine",
    "GET /api/sensing/coverage", "GET /api/sensing/aggregates",
    "GET /api/sensing/events", "GET /api/sensing/events/changes", "GET /api/sensing/events/stream",
    "GET /api/sensing/events/webhooks", "GET /api/sensing/rules", "POST /api/sensing/rules/{rule}/trial",
}  # fmt: skip
"""Whoever has the right gets his own organisation's part, and not a line of another's."""

MAY: Mapping[str, tuple[str, ...]] = {
    "GET /api/identity/accounts": ADMINISTRATORS,
    "GET /api/identity/accounts/{name}": ADMINISTRATORS,
    "POST /api/identity/accounts": ("system_admin",),
    "PUT /api/identity/accounts/{name}/roles": ("security_admin",),
    "POST /api/identity/accounts/{name}/password": ("system_admin",),
    "POST /api/identity/accounts/{name}/disable": ("system_admin", "security_admin"),
    "POST /api/identity/accounts/{name}/enable": ("system_admin",),
    "DELETE /api/identity/accounts/{name}/sessions": ("system_admin", "security_admin"),
    "GET /api/identity/tokens": ("system_admin", "security_admin"),
    "DELETE /api/identity/tokens/{id}": ("system_admin", "security_admin"),
    "GET /api/identity/audit": ("audit_admin",),
    "GET /api/identity/audit/search": ("audit_admin",),
    "GET /api/identity/audit/proof": ("audit_admin",),
    "POST /api/sharing/readers": ("audit_admin",),
    "GET /api/identity/organisations/{code}/entrance": ADMINISTRATORS,
    "PUT /api/identity/organisations/{code}/entrance/addresses": ("security_admin",),
    "POST /api/identity/organisations/{code}/entrance/certificates": ("security_admin",),
    "DELETE /api/identity/organisations/{code}/entrance/certificates/{fingerprint}": ("security_admin",),
    "PUT /api/catalogue/resources/{resource}/following": DATA,
    "DELETE /api/catalogue/resources/{resource}/following": DATA,
    "POST /api/catalogue/demands": DATA,
    "POST /api/catalogue/reports": ("data_officer",),
    "POST /api/sensing/push/{mapping}": ("data_officer", "steward"),
    "POST /api/sensing/push-keys/{mapping}": ("data_officer", "steward"),
    "POST /api/sensing/events/webhooks": ("data_officer",),
    "GET /api/operation/health": ("system_admin",),
    "GET /api/operation/jobs": ("system_admin",),
    "GET /api/operation/versions": ("system_admin",),
    "GET /api/operation/logs": ("system_admin",),
    "GET /api/registers/{register}/{id}/readings": ("audit_admin",),
    "GET /api/facts/asked-about/{register}/{id}": ("audit_admin",),
}
"""Roles of any organisation that may: the city's administrators, and whoever writes a line of his own."""

ELSEWHERE = {
    f"{method} /api/indicators/{{indicator}}{path}": "tests/indicators"
    for method, path in (("PUT", "/{id}"), ("GET", ""), ("GET", "/{id}/figures"), ("GET", "/{id}/members"))
} | {"GET /api/maps/tiles/{level}/{zoom}/{column}/{row}": "tests/maps"}
"""What this town has not, because it lacks the pack or the shapes; where the rights to it are tried."""

TAKEN = {
    "PUT /api/sharing/requests/{id}": 409, "PUT /api/quality/tickets/{id}": 409, "PUT /api/appraisal/appeals/{id}": 409,
    "POST /api/sensing/devices": 409,
}  # fmt: skip
"""Ids that the askers choose are the city's: one that is taken is told to those who may ask, and no more than that."""

QUERY: Mapping[str, Any] = {
    "reason": "none", "since": 0, "by": ["district"], "case": "c-1", "day": "2026-03-02", "first": 1, "second": 1,
    "level": "city", "account": "kilo.chen", "position": 0, "number": "r-1", "effective_on": "2027-01-01", **PERIOD,
    "GET /api/sensing/aggregates by": "day",
}  # fmt: skip
"""What is asked for beside the address, by name, or by operation and name; `account` is no must and still the way to another's tokens."""


def moves_of(act: type[msgspec.Struct]) -> Any:
    """The type of its field `move`."""
    return get_type_hints(act)["move"]


ACT = {"version": 1, "key": "k", "reason": "because", "law": "Act, article 1"}
DRAFT_ACT = {name: value for name, value in ACT.items() if name != "law"}
MOVES: Mapping[str, tuple[tuple[str, ...], Mapping[str, Any]]] = {
    "/api/sharing/requests/{id}/moves": (requests.MOVES, ACT),
    "/api/sharing/grants/{id}/moves": (grants.MOVES, ACT),
    "/api/catalogue/drafts/{id}/moves": (get_args(moves_of(DraftAct)), DRAFT_ACT),
    "/api/catalogue/disputes/{id}/moves": (get_args(moves_of(DisputeAct)), ACT),
    "/api/quality/tickets/{id}/moves": (tickets.MOVES, ACT),
    "/api/appraisal/filings/{id}/moves": (filings.MOVES, DRAFT_ACT),
    "/api/appraisal/appeals/{id}/moves": (appeals.MOVES, DRAFT_ACT),
    "/api/sensing/devices/{id}/moves": (tuple(each.value for each in Move), {"reason": "because"}),
}
MORE: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("/api/sharing/requests/{id}/moves", "offer"): {"terms": {"fields": ["id"]}},
    ("/api/appraisal/appeals/{id}/moves", "uphold"): {"points": "1.00"},
}
"""What a move needs beside its act."""
FILES: Mapping[str, tuple[str, bytes]] = {
    "PUT /api/exchange/datasets/{dataset}/deliveries/{delivery_id}": ("text/csv", ROWS.encode()),
    "POST /api/exchange/datasets/{dataset}/trials": ("text/csv", ROWS.encode()),
    "POST /api/sensing/devices/import": ("application/octet-stream", SHEET),
    "POST /api/sensing/push/{mapping}": ("application/json", PUSHED),
    "POST /api/sharing/grants/{id}/batches": ("text/csv", b"id\nkilo1\n"),
    **{
        f"{method} /v1.{version}/{{path}}": ("application/json", content)
        for version in (0, 1)
        for method, content in (("PUT", SENSED), ("PATCH", SENSED), ("POST", b'{"result": 1}'))
    },
}
"""Routes whose body is a file; the catalogue's own are the town's, handed in again with a change (`own`)."""
BODIES: Mapping[str, Any] = {
    "PasswordChange": {"old": "x", "new": "seven wet umbrellas"},
    "NewAccount": {"name": "wang.li", "organisation": "civil"},
    "Roles": {"roles": ["data_officer"]},
    "Addresses": {"addresses": ["10.3.0.0/16"]},
    "NewCertificate": {"pem": certificate("new")},
    "DraftWish": DRAFT,
    "DisputeWish": DISPUTE,
    "TokenWish": {"title": "t", "rights": ["sharing.use"]},
    "Rotation": {},
    "SignIn": {"account": "kilo.chen", "password": "x"},
    "ResourceWish": RESOURCE,
    "DemandWish": {"title": "t", "purpose": "p", "legal_basis": "l", "items": ["name"], "resource": "roads"},
    "DemandAnswer": {"state": "met", "answer": "here"},
    "Form": {"title": "t", "subject": "person", "fields": [{"name": "name"}]},
    "NewTicket": TICKET,
    "Release": RELEASE,
    "FilingWish": FILING,
    "AppealWish": APPEAL,
    "Report": {"catalogue": "lower", "since": 0, "until": 0, "changes": []},
    "Erasure": {"keys": [["kilo1"]], "legal_basis": "PIPL, article 47"},
    "Wish": wish(),
    "CountWish": {"on": "2026-03-01"},
    "Question": {"key": ["kilo1"], "case": "c-1"},
    "Claims": {"key": ["kilo1"], "case": "c-1", "claims": {"name": "Kilo Apple"}},
    "Lookup": {"case": "c-1", "kind": "number", "value": "kilo1"},
    "SubjectsWish": {"case": "c-1", "subjects": [{"kind": "number", "value": "kilo1"}]},
    "Pair": {"left": "P000000000001", "right": "P000000000003", "reason": "because"},
    "Ruling": {"answer": "distinct", "reason": "because"},
    "Merge": {"from_id": "P000000000003", "into": "P000000000001", "reason": "because"},
    "Split": {"entity": "P000000000001", "records": [{"dataset": "resident", "key": ["kilo1"]}], "reason": "because"},
    "Undo": {"reason": "because"},
    "ParseWish": {"texts": ["Kilo路"]},
    "MatchWish": {"texts": ["Kilo路"]},
    "Batch": BATCH,
    "RecordAsked": {"dataset": "resident", "key": ["kilo1"]},
    "Clearance": {"public": False},
    "DeviceWish": DEVICE,
    "DeviceChange": {"firmware": "2"},
    "SecretWish": {"protocol": "hj212", "number": "51A1"},
    "NoteWish": {"note": "n"},
    "Act": {"reason": "because"},
    "From": {"since": 0},
    "NewEventWebhook": {"url": "https://x.example/"},
    "RuleTrial": TRIAL,
    "NewWebhook": {"url": "https://x.example/", "case": "c-1"},
}
"""Bodies in JSON by the name of the struct that they are read into."""


class Call(msgspec.Struct, frozen=True):
    """One way to call a route."""

    route: str
    """Method and address as `GET /api/sharing/grants/{id}`."""
    method: str
    url: str
    params: Mapping[str, Any] = {}
    json: Any = None
    content: bytes | None = None
    media: str = ""
    named: tuple[str, ...] = ()
    """The names of another's things in it, which an answer may repeat."""


def application() -> Litestar:
    """The real application, to be looked at and not called."""
    return make_app(cast(Parts, None))


def handlers(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Method, address and handler of every route."""
    for route in app.routes:
        for method, found in sorted(getattr(route, "route_handler_map", {}).items()):
            handler = found[0] if isinstance(found, tuple) else found
            if method != "OPTIONS":
                yield str(method), route.path_format, handler


def calls(app: Litestar, owned: Owned) -> list[Call]:
    """Every route, with another's things. Raises LookupError naming the route that needs a recipe."""
    return [call for method, path, handler in handlers(app) for call in _calls(method, path, handler, owned)]


def _calls(method: str, path: str, handler: HTTPRouteHandler, owned: Owned) -> list[Call]:
    route = f"{method} {path}"
    url, named = _address(route, path, owned.names)
    query = _query(route, path, handler)
    call = Call(route, method, url, query, named=(*named, *(each for each in query.values() if isinstance(each, str))))
    parameters = handler.parsed_fn_signature.parameters
    if "data" in parameters:
        return [
            msgspec.structs.replace(call, json=body) for body in _bodies(route, path, parameters["data"].annotation)
        ]
    files = {**FILES, **owned.files}
    if route in files:
        media, content = files[route]
        return [msgspec.structs.replace(call, content=content, media=media)]
    if method in ("PUT", "POST") and iscoroutinefunction(handler.fn):  # only such can read a body as it arrives
        raise LookupError(f"no file for {route}")
    return [call]


def _address(route: str, path: str, names: Mapping[tuple[str, str], str]) -> tuple[str, tuple[str, ...]]:
    parts, named, before = [], [], ""
    for part in path.split("/"):
        if part.startswith("{") and route not in PUBLIC:
            key = (route, part) if (route, part) in names else (before, part.strip("{}"))
            if key not in names:
                raise LookupError(f"no thing of another organisation for {part} of {route}")
            named.append(names[key])
            parts.append(names[key])
        else:
            parts.append(part.strip("{}"))
        before = part
    return "/".join(parts), tuple(named)


def _query(route: str, path: str, handler: HTTPRouteHandler) -> dict[str, Any]:
    found = {}
    for name, parameter in handler.parsed_fn_signature.parameters.items():
        if name in ("request", "data", "state", "body") or f"{{{name}}}" in path:
            continue
        if f"{route} {name}" in QUERY:
            found[name] = QUERY[f"{route} {name}"]
        elif name in QUERY:
            found[name] = QUERY[name]
        elif not parameter.has_default:
            raise LookupError(f"no value for the parameter {name} of {route}")
    return found


def _bodies(route: str, path: str, annotation: Any) -> list[Any]:
    if path in MOVES:
        moves, act = MOVES[path]
        return [{**act, "move": move, **MORE.get((path, move), {})} for move in moves]
    kind = next(iter(get_args(annotation)), annotation)
    if kind.__name__ not in BODIES:
        raise LookupError(f"no body of the kind {kind.__name__} for {route}")
    body = BODIES[kind.__name__]
    msgspec.convert(body, kind)  # one that is read, so that it is not the body that is refused
    return [body]
