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
from cityloom.sharing.store.uses import NewUse

WAY = "query"
Grant = Live
"""A grant in force, as the floor above hands it back."""


class Reader(msgspec.Struct, frozen=True):
    """Who reads, for what."""

    who: Principal
    purpose: str
    case: str
    request: str


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
        if self._held.refusal(reader.who, grant.id, grant, WAY, reader.purpose, now) is not None:
            return None
        fields = grant.show(record)
        return None if fields is None else Shown(grant, fields, frozenset(mask.field for mask in grant.terms.masks))

    def find(self, grants: Iterable[Grant], dataset: str, field: str) -> list[Grant]:
        """Those of the grants that show this field of the dataset whole: by others no record may be found by it.

        Else the finding would tell what the grant hides.
        """
        return [
            each for each in grants
            if each.dataset == dataset and field in each.terms.fields
            and field not in {mask.field for mask in each.terms.masks}
        ]  # fmt: skip

    def meter(self, tx: Transaction, seen: Sequence[Seen], now: datetime) -> list[Problem | None]:
        """Count these towards the grants' quotas, in order; for those that are one too many, what to tell the reader."""
        return logbook.meter(tx, self._parts, [each.grant for each in seen], now)

    def keep(self, tx: Transaction, seen: Sequence[Seen], others: Sequence[Entry], now: datetime) -> list[int]:
        """Keep the uses, and in the same breath other entries of the audit log; the positions of those, in order.

        Call it last: from here on no other transaction can write to the log.
        """
        return logbook.keep(tx, [self._use(each) for each in seen], others, now)[1]

    def _use(self, seen: Seen) -> NewUse:
        reader, grant = seen.reader, seen.grant
        digest = using.digest(self._secret, grant.dataset, key_text(seen.key))
        return NewUse(
            grant.id, logbook.new_id(), reader.who.organisation, grant.keeper, grant.dataset, reader.who.name, WAY,
            reader.purpose, reader.case, ",".join(grant.terms.fields), digest, True, None, seen.sequence, reader.request,
        )  # fmt: skip
