"""Who is asking, for what purpose and in which language, with the running parts: the first argument of every `api`."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from cityloom.kernel import outbox
from cityloom.kernel.access import Policies, Principal, Resource
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit.entry import Entry, Fact
from cityloom.kernel.audit.keys import Signer
from cityloom.kernel.calendar.rules import Calendars
from cityloom.kernel.clock import Clock
from cityloom.kernel.db import EVERY_ORGANISATION, Database, Scope, Transaction
from cityloom.kernel.errors import Refused
from cityloom.kernel.events import Event
from cityloom.kernel.lake import Lake
from cityloom.kernel.packs import Packs
from cityloom.kernel.settings import Settings
from cityloom.kernel.words import Words

PLATFORM = Principal("platform", EVERY_ORGANISATION, frozenset({"platform"}))


class Parts(msgspec.Struct, frozen=True):
    """The running parts of one city, made once per process by `app.open_parts`."""

    settings: Settings
    clock: Clock
    db: Database
    lake: Lake
    words: Words
    policies: Policies
    packs: Packs
    calendars: Calendars
    signer: Signer


class Context(msgspec.Struct, frozen=True):
    """One call. A door makes it; a transaction is opened where it is needed and holds nothing while bytes arrive."""

    parts: Parts
    principal: Principal
    purpose: str = ""
    language: str = "zh"
    request: str = ""

    @property
    def clock(self) -> Clock:
        return self.parts.clock

    @property
    def lake(self) -> Lake:
        return self.parts.lake

    @property
    def packs(self) -> Packs:
        return self.parts.packs

    @property
    def settings(self) -> Settings:
        return self.parts.settings

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """A PostgreSQL transaction in the scope of the caller's organisation; commits at the end of the block."""
        with self.parts.db.begin(Scope(self.principal.organisation, self.principal.name)) as tx:
            yield tx

    def permits(self, right: str, resource: Resource) -> bool:
        """Whether the policies let the caller do this."""
        return self.parts.policies.permits(self.principal, right, resource, self.purpose)

    def require(self, right: str, resource: Resource) -> None:
        """Raises Refused `kernel.refused` unless the policies permit it; the refusal is kept in the audit log."""
        if not self.permits(right, resource):
            with self.begin() as tx:
                self.record(tx, "access.refused", f"{resource.kind}:{resource.name}", right=right)
            raise Refused("kernel.refused", right=right, kind=resource.kind, name=resource.name)

    def emit(self, tx: Transaction, event: Event) -> None:
        """Announce the event once the transaction has committed."""
        outbox.write(tx, event, self.clock.now())

    def record(self, tx: Transaction, action: str, subject: str, **facts: Fact) -> int:
        """Write what happened into the audit log of this transaction; its position.

        Facts are identifiers, counts and digests, never the values of personal fields. The log's lock is held until
        the transaction ends, so record last.
        """
        entry = Entry(
            time=self.clock.now(),
            actor=self.principal.name,
            organisation=self.principal.organisation,
            action=action,
            subject=subject,
            purpose=self.purpose,
            request=self.request,
            facts=facts,
        )
        return audit.append(tx, [entry])[0]
