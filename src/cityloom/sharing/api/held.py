"""Grants as a process holds them, and whether one may be used: asked for each question, at the price of a look-up."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from cityloom.exchange.api import excerpts
from cityloom.kernel import jobs
from cityloom.kernel.access import Memory, Principal
from cityloom.kernel.context import Parts
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import NotFound, Problem, Refused
from cityloom.sharing.api import logbook, parties
from cityloom.sharing.contracts import Terms
from cityloom.sharing.rules import terms as term_rules
from cityloom.sharing.rules import using
from cityloom.sharing.rules.using import Live
from cityloom.sharing.store import grants as store
from cityloom.sharing.store.grants import GrantRow

MOST_GRANTS = 200_000
MOST_TERMS = 2_000
"""How many grants, and how many different terms, a process holds before it begins anew."""


class Compiled(msgspec.Struct, frozen=True):
    """Terms as they are used. Grants with the same terms on the same dataset share them."""

    terms: Terms
    key: tuple[str, ...]
    show: Callable[[dict[str, Any]], dict[str, Any] | None]


class Held:
    """What is held is used while its version is the present one, which is asked for each group of questions."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._ctx = jobs.platform_context(parts, "sharing.held")
        self._grants: dict[str, Live] = {}
        self._compiled: dict[tuple[str, str, str], Compiled] = {}
        self._policies = Memory(parts.policies, MOST_TERMS)

    def grants(self, tx: Transaction, ids: set[str]) -> dict[str, Live]:
        """These grants as they are now, in the platform's scope; those that are not there are left out."""
        found = {}
        missing = []
        for row in store.versions(tx, list(ids)):
            held = self._grants.get(row.id)
            if held is not None and held.version == row.version:
                found[row.id] = held
            else:
                missing.append(row.id)
        _room(self._grants, MOST_GRANTS)
        for each in store.several(tx, missing) if missing else ():
            try:
                self._grants[each.id] = found[each.id] = self._live(each)
            except Problem as problem:  # of this grant: its parties are told, and nobody else
                found[each.id] = _unusable(each, problem)
        return found

    def _live(self, row: GrantRow) -> Live:
        salt = logbook.salt(self.parts, row.id) if "pseudonym" in row.terms else ""
        key = (row.dataset, row.terms, salt)
        compiled = self._compiled.get(key)
        if compiled is None:
            _room(self._compiled, MOST_TERMS)
            terms = msgspec.json.decode(row.terms, type=Terms)
            show = excerpts.shower(self._ctx, row.dataset, term_rules.excerpt(terms, salt))
            compiled = Compiled(terms, excerpts.facts(self._ctx, row.dataset).key, show)
            self._compiled[key] = compiled
        return Live(
            row.id, row.organisation, row.keeper, row.dataset, row.purpose, row.state, row.version, row.valid_from,
            row.valid_until, compiled.terms, compiled.key, compiled.show,
        )  # fmt: skip

    def refusal(
        self, who: Principal, id: str, grant: Live | None, way: str, purpose: str, now: datetime
    ) -> Problem | None:
        """Why somebody may not use a grant in this way for this purpose now; None if they may."""
        if grant is None or who.organisation not in (grant.organisation, grant.keeper):
            return NotFound("sharing.grant_unknown", grant=id)
        if not self._policies.permits(who, "sharing.use", parties.resource(grant), purpose):
            if parties.differs(grant, who, "sharing.use", purpose):
                return Refused("sharing.purpose_differs", grant=id, purpose=grant.purpose, given=purpose or "–")
            return Refused("kernel.refused", right="sharing.use", kind="Sharing", name=grant.dataset)
        return using.refusal(grant, way, now)


def _unusable(row: GrantRow, problem: Problem) -> Live:
    terms = msgspec.json.decode(row.terms, type=Terms)
    return Live(
        row.id, row.organisation, row.keeper, row.dataset, row.purpose, row.state, row.version, row.valid_from,
        row.valid_until, terms, (), lambda _: None, problem,
    )  # fmt: skip


def _room(held: dict[Any, Any], most: int) -> None:
    if len(held) >= most:
        held.clear()
