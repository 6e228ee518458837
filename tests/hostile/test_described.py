"""The API's own description, tried by schemathesis: what is answered is what is described, to whoever asks."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from litestar.testing import TestClient
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.schemas import APIOperation

from cityloom.identity.contracts import Role
from hostile.hostile_kit import Owned, own, person, rightful
from hostile.recipes import OWN, PUBLIC
from sharing.sharing_kit import Town

NAMES = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance",
)  # fmt: skip
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "TRACE")
FEW, MANY = 1, 60
"""Examples of each operation, right ones and wrong ones."""
CALLERS = ("officer", "administrator", "nobody")
"""Unless the run is full, each operation is tried by one of them."""


def operations(document: dict[str, Any]) -> list[APIOperation[Any, Any, Any, Any]]:
    schema = schemathesis.openapi.from_dict(document)
    return [result.ok() for result in schema.get_all_operations()]


def strategies(operation: APIOperation[Any, Any, Any, Any], owned: Owned, examples: int) -> Iterator[Any]:
    """Right and wrong, on names of real things, and where there is time on others."""
    parts = operation.path.split("/")
    real = {
        part.strip("{}"): owned.names.get((operation.label, part))
        or owned.names.get((before, part.strip("{}")), "civil")
        for before, part in pairwise(parts)
        if part.startswith("{")
    }
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        yield operation.as_strategy(generation_mode=mode, path_parameters=real or None)
        if real and examples > FEW:
            yield operation.as_strategy(generation_mode=mode)


def tried(strategy: Any, examples: int, send: Callable[[Case], None]) -> None:
    """The same examples in each run."""

    @settings(
        max_examples=examples, database=None, deadline=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def run(case: Case) -> None:
        send(case)

    with suppress(Unsatisfiable):  # nothing of the operation could be wrong
        run()


class Desk:
    """Sends cases as one caller and keeps what is wrong with the answers."""

    def __init__(self, client: "TestClient[Any]", headers: dict[str, str], checks: list[Any]) -> None:
        self.client = client
        self.headers = headers
        self.checks = checks
        self.wrong: dict[str, str] = {}
        self.sent = 0

    def send(self, case: Case) -> None:
        given = case.as_transport_kwargs(base_url="http://testserver.local")
        answer = self.client.request(
            given["method"], given["url"], params=given.get("params"), json=given.get("json"), headers=self.headers
        )
        self.sent += 1
        label = case.operation.label
        if not self.headers and label not in PUBLIC and answer.status_code not in (400, 401, 404, 405):
            self.wrong[f"{label} without an account"] = f"{answer.status_code} {answer.text[:200]}"
        try:
            case.validate_response(answer, checks=self.checks)
        except BaseExceptionGroup as group:
            for failure in group.exceptions:
                asked = f"{given['url']} {given.get('params')} {given.get('json')}"
                self.wrong.setdefault(
                    f"{label}: {type(failure).__name__} {answer.status_code}", f"{failure} {asked}"[:900]
                )


@pytest.mark.parametrize(
    ("who", "examples"),
    [
        *((who, FEW) for who in CALLERS),
        *(pytest.param(who, MANY, marks=pytest.mark.full) for who in (*CALLERS, "holder")),
    ],
)
def test_every_operation_answers_as_it_is_described(town: Town, who: str, examples: int) -> None:
    owned, client = own(town), town.client
    headers = {
        "officer": lambda: rightful(town, "civil"),
        "holder": lambda: rightful(town, "housing"),
        "administrator": lambda: dict(person(town, "data.sys", "data", Role.system_admin).headers),
        "nobody": dict,
    }[who]()
    load_all_checks()
    desk = Desk(client, headers, [CHECKS.get_one(name) for name in NAMES])
    described = operations(client.get("/schema/openapi.json").json())
    for operation in described if examples > FEW else described[CALLERS.index(who) :: len(CALLERS)]:
        if operation.label not in OWN or not headers:  # those would end the caller's own session
            for strategy in strategies(operation, owned, examples):
                tried(strategy, examples, desk.send)
    assert not desk.wrong, "\n".join(f"{where}\n    {what}" for where, what in sorted(desk.wrong.items()))
    assert desk.sent > len(described) * (1 if examples > FEW else 0.5)


def test_what_is_not_described_is_not_allowed(town: Town) -> None:
    """Other methods of known addresses: 405 with what is allowed (RFC 9110, 15.5.6), to whoever asks."""
    client, headers = town.client, rightful(town, "civil")
    for path, item in client.get("/schema/openapi.json").json()["paths"].items():
        known = {method.upper() for method in item}
        for method in METHODS:
            if method not in known:
                answer = client.request(method, path.replace("{", "").replace("}", ""), headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (405, "kernel.method_not_allowed"), (method, path)
                assert known <= {each.strip() for each in answer.headers["allow"].split(",")}, (method, path)
