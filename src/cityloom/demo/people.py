"""The registers of the sample city: they follow, births find their children, and both are held against the truth."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any

import msgspec

from cityloom import client
from cityloom.registers.contracts import Member

RIGHTS = ("registers.read", "registers.steward")
PATIENCE = 600.0
"""Seconds within which the registers must have followed and linked."""
REGISTER, BIRTHS, KIND = "person", "birth", "citizen_id"


class Linkage(msgspec.Struct, frozen=True):
    """How well records without a number found their person."""

    linked: int
    right: int
    missed: int
    doubts: int
    precision: float
    recall: float


def follow(office: client.Exchange, patience: float = PATIENCE) -> list[dict[str, Any]]:
    """Wait until every register knows all that was delivered, and has linked it; how they stand then."""
    end = time.monotonic() + patience
    asked = False
    while True:
        states: list[dict[str, Any]] = office.get("/api/registers")
        behind = [
            feed["dataset"] for state in states for feed in state["feeds"] if feed["sequence"] < feed["last_sequence"]
        ]
        if not behind and not asked:
            client.checked(office.http.post(f"/api/registers/{REGISTER}/linkage"))
            asked = True
        elif not behind and not any(state["unseen"] for state in states):
            return states
        if time.monotonic() > end:
            raise TimeoutError(f"the registers do not follow: {', '.join(behind) or 'linkage'}")
        time.sleep(0.5)


def judge(members: Sequence[Member], truth: Iterable[tuple[str, str]], known: set[str], doubts: int) -> Linkage:
    """Links of births against the truth; `known` has the numbers of people of whom some other record stands."""
    found = {member.key: member.identifier for member in members}
    linked = right = missed = 0
    for certificate, number in truth:
        if certificate not in found:
            continue
        identifier = found[certificate]
        linked += identifier is not None
        right += identifier == f"{KIND}:{number}"
        missed += identifier is None and number in known
    return Linkage(
        linked, right, missed, doubts,
        round(right / linked, 4) if linked else 1.0, round(right / (right + missed), 4) if right + missed else 1.0,
    )  # fmt: skip


