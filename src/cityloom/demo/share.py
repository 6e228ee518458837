"""Departments of the sample city ask one another for data, decide, and use what was granted, each with its own token."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any

import msgspec

from cityloom import client
from cityloom.kernel import log
from cityloom.samplecity.contracts import PlannedWish

RIGHTS = (
    "sharing.ask",
    "sharing.approve",
    "sharing.offer",
    "sharing.refuse",
    "sharing.accept",
    "sharing.read",
    "sharing.use",
)
PATIENCE = 180.0
"""Seconds within which the copies for single-record questions must have followed."""

logger = log.logger("demo")

Door = Callable[[str], client.Exchange]
"""The city's doors as an organisation; closed by who opened them."""
Record = dict[str, Any]


class Shared(msgspec.Struct, kw_only=True):
    """What came of the wishes."""

    requests: int = 0
    refused: int = 0
    grants: int = 0
    queries: int = 0
    verifications: int = 0
    as_planned: bool = True


def share(door: Door, wishes: Sequence[PlannedWish], advance: Callable[[str], None]) -> Shared:
    """Ask, decide and use, wish by wish; every answer is held against what the keeper itself reads of the record."""
    shared = Shared()
    for planned in wishes:
        advance(f"{planned.organisation}: {planned.wish['dataset']}")
        with closing(door(planned.organisation)) as asker:
            request = asker.put(f"/api/sharing/requests/{planned.id}", planned.wish)
            shared.requests += 1
            with closing(door(request["keeper"])) as keeper:
                _decide(asker, keeper, planned, request)
                state = asker.get(f"/api/sharing/requests/{planned.id}")["state"]
                if state == "refused":
                    shared.refused += 1
                elif state == "approved":
                    shared.grants += 1
                    _use(asker, keeper, planned, shared)
            expected = "refused" if planned.answer == "refuse" else "approved"
            _hold(shared, planned, "decision", state == expected)
    return shared


def _decide(asker: client.Exchange, keeper: client.Exchange, planned: PlannedWish, request: Record) -> None:
    if request["state"] != "asked":  # granted at once: declared for unconditional sharing
        return
    why = {"reason": planned.why, "law": planned.law, **({"terms": planned.offer} if planned.offer else {})}
    _move(keeper, planned, planned.answer, why)
    if planned.answer == "offer":
        _move(asker, planned, "accept", {})


def _move(door: client.Exchange, planned: PlannedWish, move: str, more: Record) -> None:
    address = f"/api/sharing/requests/{planned.id}"
    version = door.get(address)["version"]
    door.post(f"{address}/moves", {"move": move, "version": version, "key": f"{move} {version}", **more})


def _use(asker: client.Exchange, keeper: client.Exchange, planned: PlannedWish, shared: Shared) -> None:
    grant, case = f"/api/sharing/grants/{planned.id}", f"demo-{planned.id}"
    asker.http.headers["x-purpose"] = planned.wish["purpose"]
    if planned.count_by:
        groups = asker.get(f"{grant}/counts", case=case, by=list(planned.count_by))["groups"]
        _hold(shared, planned, "counts", bool(groups))
    dataset = planned.wish["dataset"]
    many = max(planned.queries, planned.verifications)
    if not many:
        return
    fields = (planned.offer or planned.wish["terms"])["fields"]
    wait_for_copy(keeper, dataset)
    truth = keeper.first(f"/api/exchange/datasets/{dataset}/records", many)
    for number, record in enumerate(truth):
        question: Record = {"key": [record[name] for name in planned.key], "case": f"{case}-{number}"}
        shown = {name: record[name] for name in fields}
        if number < planned.queries:
            answer = _statement(asker.post(f"{grant}/query", question))
            shared.queries += 1
            _hold(shared, planned, "query", answer["record"] == shown)
        if number < planned.verifications:
            # one claim in two is false
            claims = {
                name: value if number % 2 else f"{value}?" for name, value in shown.items() if isinstance(value, str)
            }
            answer = _statement(asker.post(f"{grant}/verify", {**question, "claims": claims}))
            shared.verifications += 1
            _hold(shared, planned, "verification", answer["matches"] == dict.fromkeys(claims, bool(number % 2)))


def _statement(answer: Record) -> Record:
    return msgspec.json.decode(answer["statement"], type=Record)


def wait_for_copy(keeper: client.Exchange, dataset: str) -> None:
    """Until the copy that answers questions knows all of a dataset. Raises TimeoutError."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for copy in keeper.get("/api/sharing/copies"):
            if copy["dataset"] == dataset and not copy["rebuilding"] and copy["sequence"] >= copy["last_sequence"] > 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"the copy of {dataset} does not follow")


def _hold(shared: Shared, planned: PlannedWish, what: str, right: bool) -> None:
    if not right:
        shared.as_planned = False
        logger.error("sharing_differs", wish=planned.id, what=what)
