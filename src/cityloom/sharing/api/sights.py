"""What a reader sees of other departments' records by all its grants for one purpose: for a floor above that joins datasets.

The floor above has found the records. What is shown of each is decided here, by each grant's terms; and each is a use of
its grant, metered and kept as any other before it is told.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.exchange.contracts import key_text
from cityloom.kernel.access import Principal
from cityloom.kernel.audit.entry import Entry
from cityloom.kernel.context import Parts
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Problem
from cityloom.sharing.api import logbook
from cityloom.sharing.api.held import Held
from cityloom.sharing.rules import using
from cityloom.sharing.rules.using import Live
from cityloom.sharing.store import grants as store
from cityloom.sharing.store import projections
from cityloom.sharing.store.projections import ProjectionRow
from cityloom.sharing.store.uses import NewUse

WAY = "query"
Granted = Live
"""A grant in force, as this process holds it."""


class Reader(msgspec.Struct, frozen=True):
    """Who reads, for what, and how: `query` shows fields, `verify` lets them only be judged (核验)."""

    who: Principal
    purpose: str
    case: str
    request: str
    way: str = WAY


class Shown(msgspec.Struct, frozen=True):
    """What one grant shows of one record."""

    grant: Live
    fields: dict[str, Any]
    masked: frozenset[str]


class Seen(msgspec.Struct, frozen=True):
    """A record that is about to be told, and by which grant."""

    reader: Reader
    grant: Live
    key: tuple[str, ...]
    sequence: int
    fields: tuple[str, ...] = ()
    """Those that were looked at; empty: all that the grant shows."""
    found: bool = True


class Look(msgspec.Struct, frozen=True):
    """A record that somebody looks for by its key: under a grant, or (None) in a dataset of its own."""

    reader: Reader
    grant: Granted | None
    dataset: str
    key: tuple[str, ...]


class Copy(msgspec.Struct, frozen=True):
    """How far the copy of a dataset that answers by key follows it."""

    sequence: int
    followed_at: datetime | None


GrantsOf = Mapping[tuple[str, str], Sequence[Live]]
"""Grants by organisation and purpose."""


class Sights:
    """Grants as this process holds them. One for each answering thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._held = Held(parts)
        self._secret = bytes.fromhex(logbook.secret(parts, "record_keys"))

    def grants(self, tx: Transaction, readers: Iterable[Reader], datasets: Sequence[str], now: datetime) -> GrantsOf:
        """The grants in force of these readers' organisations for their purposes, on these datasets."""
        pairs = sorted({(reader.who.organisation, reader.purpose) for reader in readers})
        rows = store.of_parties(tx, pairs, datasets, now)
        lives = self._held.grants(tx, {row.id for row in rows})
        found: dict[tuple[str, str], list[Live]] = {pair: [] for pair in pairs}
        for row in rows:
            live = lives.get(row.id)
            if live is not None and live.problem is None:
                found[row.organisation, row.purpose].append(live)
        return found

    def show(self, reader: Reader, grant: Live, record: dict[str, Any], now: datetime) -> Shown | None:
        """What the grant shows this reader of a record of its dataset; None if nothing."""
        if self.refusal(reader, grant, now) is not None:
            return None
        fields = grant.show(record)
        return None if fields is None else Shown(grant, fields, frozenset(mask.field for mask in grant.terms.masks))

    def find(self, grants: Iterable[Granted], dataset: str, field: str) -> list[Granted]:
        """Those of the grants that show this field of the dataset whole: by others no record may be found by it.

        Else the finding would tell what the grant hides.
        """
        return [
            each for each in grants
            if each.dataset == dataset and field in each.terms.fields
            and field not in {mask.field for mask in each.terms.masks}
        ]  # fmt: skip

    def refusal(self, reader: Reader, grant: Granted, now: datetime) -> Problem | None:
        """Why the grant gives this reader nothing in its way now; None if it does."""
        return self._held.refusal(reader.who, grant.id, grant, reader.way, reader.purpose, now)

    def copies(self, tx: Transaction, datasets: Sequence[str]) -> dict[str, Copy]:
        """How far the copies of these datasets follow; one that is not there yet is left out."""
        rows = projections.several(tx, datasets) if datasets else {}
        return {name: Copy(row.sequence, row.followed_at) for name, row in rows.items() if row.generation}

    def look(self, tx: Transaction, looks: Sequence[Look], now: datetime) -> list[dict[str, Any] | None]:
        """What each shows of its record: under a grant what the grant shows, in its own dataset all; None if nothing."""
        if not looks:
            return []
        copies = projections.several(tx, list({each.dataset for each in looks}))
        ready = [(place, each) for place, each in enumerate(looks) if _may_look(each, copies.get(each.dataset))]
        rows = projections.records(
            tx,
            [copies[each.dataset].number for _, each in ready],
            [copies[each.dataset].generation for _, each in ready],
            [key_text(each.key) for _, each in ready],
        )
        found: list[dict[str, Any] | None] = [None] * len(looks)
        for number, text in rows.items():
            place, each = ready[number]
            record = msgspec.json.decode(text, type=dict[str, Any])
            if each.grant is None:
                found[place] = record
            elif (shown := self.show(each.reader, each.grant, record, now)) is not None:
                found[place] = shown.fields
        return found

    def meter(self, tx: Transaction, seen: Sequence[Seen], now: datetime) -> list[Problem | None]:
        """Count these towards the grants' quotas, in order; for those that are one too many, what to tell the reader."""
        return logbook.meter(tx, self._parts, [each.grant for each in seen], now)

    def keep(self, tx: Transaction, seen: Sequence[Seen], others: Sequence[Entry], now: datetime) -> list[int]:
        """Keep the uses, and in the same breath other entries of the audit log; the positions of those, in order.

        Call it last: from here on no other transaction can write to the log.
        """
        return logbook.keep(tx, [self._use(each) for each in seen], others, now)[1]

    def uses(self, seen: Sequence[Seen]) -> list[NewUse]:
        """The uses that these come to, each with its id, still to be kept by `keep_uses`."""
        return [self._use(each) for each in seen]

    def keep_uses(
        self, tx: Transaction, uses: Sequence[NewUse], others: Sequence[Entry], now: datetime
    ) -> tuple[list[int], list[int]]:
        """As `keep`: the audit positions that cover the uses, and those of the others."""
        return logbook.keep(tx, uses, others, now)

    def _use(self, seen: Seen) -> NewUse:
        reader, grant = seen.reader, seen.grant
        digest = using.digest(self._secret, grant.dataset, key_text(seen.key))
        return NewUse(
            grant.id, logbook.new_id(), reader.who.organisation, grant.keeper, grant.dataset, reader.who.name, reader.way,
            reader.purpose, reader.case, ",".join(seen.fields or grant.terms.fields), digest, seen.found, None,
            seen.sequence, reader.request,
        )  # fmt: skip


def _may_look(look: Look, copy: ProjectionRow | None) -> bool:
    """A copy that answers; without a grant only for the keeper itself."""
    if copy is None or copy.generation == 0:
        return False
    if look.grant is None:
        return copy.organisation == look.reader.who.organisation
    return look.grant.dataset == look.dataset
