"""Messages of MQTT kept, many at once: Observations by SensorThings' topics, and payloads by the mappings of packs.

What is told `kept` is committed. A message that comes again is not kept twice: one that brings its own moment is known by
Datastream, moment and value; one without is known by its sender's packet for MARKED, where the sender says that it repeats.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from cityloom.kernel import log
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Problem, Unavailable
from cityloom.sensing.api import ingest, serving
from cityloom.sensing.api.mapping import Mapped, Stray
from cityloom.sensing.api.serving import Asking
from cityloom.sensing.contracts import Body, Door
from cityloom.sensing.contracts.mqtt import Arrived, Outcome
from cityloom.sensing.rules import drafts, topics
from cityloom.sensing.rules.topics import Target
from cityloom.sensing.spec.mappings import Mapping
from cityloom.sensing.store import devices as devices_store
from cityloom.sensing.store import hearing, publishing
from cityloom.sensing.store.hearing import Sign, Strayed

LOG = log.logger(__name__)
MARKED = timedelta(minutes=2)
"""So long a message without a moment of its own is known again."""
AFRESH = timedelta(seconds=5)
"""How long it is believed whose a Datastream is."""
STRAYS = 200
"""Of one batch so many are put aside with their bytes; the rest is counted."""
LONGEST_KEPT = 8_192
PROTOCOL = "mqtt"


class Row(msgspec.Struct, gc=False):
    """An Observation that a message brings, and what becomes of it."""

    place: int
    stream: int
    feature: int
    reading: drafts.Reading
    timed: bool
    keeper: str = ""


class Publishing:
    """Keeps messages. One a process; `keep` is called by one thread at a time."""

    def __init__(self, ctx: Context, strays: str = "") -> None:
        self.ctx, self.strays = ctx, strays
        """`ctx` is the platform's; `strays` is who gets what nobody else can be given."""
        self.mapped = Mapped(ctx)
        self.put_aside = 0
        self.changed: Callable[[Sequence[int]], None] | None = None
        """Who wants to know of devices that were changed; called in the thread of `keep`."""
        self._owners: dict[int, publishing.Owner] = {}
        self._looked: datetime | None = None

    def keep(self, batch: Sequence[Arrived]) -> list[Outcome]:
        """What became of each; those that are `unavailable` are not kept. Never raises for one message's sake."""
        outcomes = [Outcome.unavailable] * len(batch)
        strays: list[Stray] = []
        try:
            self._afresh()
            rows, plain, slow = self._read(batch, outcomes, strays)
            self._observations(batch, rows, outcomes, strays)
            self.mapped.keep(batch, plain, outcomes, strays)
            for place in slow:
                outcomes[place] = self._alone(batch[place], place, strays)
            self._aside(batch, strays, outcomes)
        except Unavailable:
            LOG.warning("sensing.messages_wait", messages=sum(each is Outcome.unavailable for each in outcomes))
        return outcomes

    def push(self, said: Arrived, how: Mapping) -> tuple[Outcome, int]:
        """The same for one payload that is read by this mapping; what became of it, and how much was put aside."""
        outcomes, strays = [Outcome.unavailable], list[Stray]()
        try:
            self._afresh()
            self.mapped.keep([said], [0], outcomes, strays, how)
            self._aside([said], strays, outcomes)
        except Unavailable:
            return Outcome.unavailable, 0
        return outcomes[0], len(strays)

    def _afresh(self) -> None:
        """Forget from time to time what may have changed."""
        now = self.ctx.clock.now()
        if self._looked is not None and now - self._looked < AFRESH:
            return
        with self.ctx.begin() as tx:
            changed = [] if self._looked is None else devices_store.changed_since(tx, self._looked - AFRESH)
            publishing.forget(tx, now - 2 * MARKED)
        self._owners.clear()
        ids = [each.id for each in changed]
        self.mapped.forget(ids)
        if ids and self.changed is not None:
            self.changed(ids)
        self._looked = now

    def _read(
        self, batch: Sequence[Arrived], outcomes: list[Outcome], strays: list[Stray]
    ) -> tuple[list[Row], list[int], list[int]]:
        """Observations; places of payloads for mappings; places of Observations that bring more than themselves."""
        rows: list[Row] = []
        plain: list[int] = []
        slow: list[int] = []
        targets: dict[str, Target | None] = {}
        for place, each in enumerate(batch):
            if each.topic not in targets:
                targets[each.topic] = topics.target(each.topic)
            target = targets[each.topic]
            if target is None:
                plain.append(place)
                continue
            try:
                row = _row(each, target, place)
            except Problem as problem:
                strays.append((place, problem.code, ""))
                outcomes[place] = Outcome.unreadable
                continue
            if row is None:
                slow.append(place)
            else:
                rows.append(row)
        return rows, plain, slow

    def _observations(
        self, batch: Sequence[Arrived], rows: list[Row], outcomes: list[Outcome], strays: list[Stray]
    ) -> None:
        self._know(sorted({each.stream for each in rows} - self._owners.keys()))
        owners = {stream: frozenset(each.devices) for stream, each in self._owners.items()}
        groups: dict[str, list[Row]] = {}
        for row in rows:
            said, owner = batch[row.place], self._owners.get(row.stream)
            if not topics.may_send(said.guest, said.topic, owners):
                outcomes[row.place] = Outcome.refused
                strays.append(
                    (row.place, Outcome.refused, said.guest.keeper if said.guest else owner.keeper if owner else "")
                )
                continue
            row.keeper = said.guest.keeper if said.guest else owner.keeper if owner else ""
            if not row.keeper:
                outcomes[row.place] = Outcome.unreadable
                strays.append((row.place, "sensing.link_unknown", ""))
                continue
            groups.setdefault(row.keeper, []).append(row)
        for keeper, own in groups.items():
            self._group(keeper, batch, own, outcomes, strays)

    def _know(self, streams: list[int]) -> None:
        if streams:
            with self.ctx.begin() as tx:
                found = publishing.owners(tx, streams)
            self._owners |= {each.stream: each for each in found}

    def _group(
        self, keeper: str, batch: Sequence[Arrived], rows: list[Row], outcomes: list[Outcome],
        strays: list[Stray],
    ) -> None:  # fmt: skip
        """One keeper's Observations in one transaction; if that cannot be, each half in its own."""
        try:
            written = self._write(keeper, batch, rows)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - one message is not the others' trouble
            if len(rows) > 1:
                half = len(rows) // 2
                self._group(keeper, batch, rows[:half], outcomes, strays)
                self._group(keeper, batch, rows[half:], outcomes, strays)
                return
            LOG.error("sensing.message_failed", error=type(error).__name__)
            written = [(rows[0].place, Outcome.unreadable, "not_kept")]
        for place, outcome, reason in written:
            outcomes[place] = outcome
            if outcome is Outcome.unreadable:
                strays.append((place, reason, keeper))

    def _write(self, keeper: str, batch: Sequence[Arrived], rows: list[Row]) -> list[tuple[int, Outcome, str]]:
        """Raises Unavailable."""
        ctx = msgspec.structs.replace(
            self.ctx, principal=Principal("mqtt", keeper, frozenset({"data_officer"})), request="mqtt"
        )
        received = self.ctx.clock.now()
        into = ingest.partition(ctx, received)
        with ctx.begin() as tx:
            again = self._again(tx, batch, rows, received)
            fresh = [row for row, old in zip(rows, again, strict=True) if not old]
            told = [(row.place, Outcome.repeated, "") for row, old in zip(rows, again, strict=True) if old]
            if fresh:
                found = ingest.columns_of([(row.stream, row.feature, row.reading) for row in fresh])
                taken = ingest.take(ctx, tx, found, received, into)
                problems = [each.problem for each in taken.slots] or [None] * len(fresh)
                told += [
                    (row.place, Outcome.unreadable, problem.code)
                    if problem is not None
                    else (row.place, Outcome.kept, "")
                    for row, problem in zip(fresh, problems, strict=True)
                ]
                marks = [_mark(batch[row.place]) for row in fresh if not row.timed and batch[row.place].mark]
                if marks:
                    publishing.remember(tx, received, marks)
            self._signs(tx, keeper, batch, rows, again)
        return told

    def _again(self, tx: Transaction, batch: Sequence[Arrived], rows: list[Row], now: datetime) -> list[bool]:
        """Which of the rows were kept before."""
        doubted = [_mark(batch[row.place]) for row in rows if not row.timed and batch[row.place].again]
        marked = publishing.remembered(tx, now - MARKED, doubted) if doubted else set[int]()
        known = self._known(tx, [row for row in rows if row.timed])
        found: list[bool] = []
        for row in rows:
            said = row.reading
            if row.timed:
                value = _value(row.stream, said.start, said.end, said.number, said.result)
                found.append(value in known)
                known.add(value)
            else:
                found.append(batch[row.place].again and _mark(batch[row.place]) in marked)
        return found

    def _known(self, tx: Transaction, timed: list[Row]) -> set[tuple[Any, ...]]:
        """Values that are there already, as far as they could be: what is later than all of its Datastream is new."""
        last = hearing.last(tx, sorted({row.stream for row in timed})) if timed else {}
        doubted = [row for row in timed if row.stream in last and row.reading.start <= last[row.stream]]
        if not doubted:
            return set()
        there = hearing.said(tx, [row.stream for row in doubted], [row.reading.start for row in doubted])
        return {_value(each.stream, each.start, each.ends, each.number, each.result) for each in there}

    def _signs(
        self, tx: Transaction, keeper: str, batch: Sequence[Arrived], rows: list[Row], again: list[bool]
    ) -> None:  # fmt: skip
        """Signs of life of the devices that sent the rows."""
        signs: dict[int, Sign] = {}
        for row, old in zip(rows, again, strict=True):
            guest = batch[row.place].guest
            devices = [guest.device] if guest and guest.device else self._devices(row.stream) if guest is None else []
            for device in devices:
                sign = signs.setdefault(device, Sign(batch[row.place].received))
                sign.at = max(sign.at, batch[row.place].received)
                sign.frames += 1
                sign.readings += not old
                sign.repeated += old
        if signs:
            hearing.add_signs(tx, keeper, signs)
            at = self.ctx.clock.now()
            for device in devices_store.start_service(tx, sorted(signs), at):
                devices_store.log(tx, device, keeper, at, "device", "in_service")

    def _devices(self, stream: int) -> list[int]:
        owner = self._owners.get(stream)
        return owner.devices if owner else []

    def _alone(self, said: Arrived, place: int, strays: list[Stray]) -> Outcome:
        """An Observation that brings its feature with it, of an account: as over HTTP."""
        guest = said.guest
        if guest is None or guest.device or not guest.sends:
            strays.append((place, Outcome.refused, guest.keeper if guest else ""))
            return Outcome.refused
        ctx = msgspec.structs.replace(self.ctx, principal=guest.principal, request="mqtt")
        version, _, path = said.topic.partition("/")
        try:
            serving.handle(ctx, Door(version[1:], ""), Asking("POST", path, "", Body(said.payload)))
        except Unavailable:
            raise
        except Problem as problem:
            strays.append((place, problem.code, guest.keeper))
            return Outcome.unreadable
        return Outcome.kept

    def _aside(self, batch: Sequence[Arrived], strays: list[Stray], outcomes: list[Outcome]) -> None:
        """Keep what could not be kept otherwise, as far as there is room. Raises Unavailable."""
        self.put_aside += len(strays)
        found = []
        for place, reason, keeper in strays[:STRAYS]:
            said = batch[place]
            owner = keeper or (said.guest.keeper if said.guest else "") or self.strays
            if owner:
                raw = f"{said.topic}\n".encode() + said.payload[:LONGEST_KEPT]
                device = said.guest.device if said.guest and said.guest.device else None
                found.append(Strayed(owner, PROTOCOL, device, said.source, reason, raw, said.received))
        if not found:
            return
        try:
            with self.ctx.begin() as tx:
                hearing.add_strays(tx, found)
        except Unavailable:
            for place, _, _ in strays:
                outcomes[place] = Outcome.unavailable
            raise


def _row(said: Arrived, target: Target, place: int) -> Row | None:
    """The Observation of a message; None where it brings its feature with it. Raises Problem."""
    body = drafts.decode(said.payload)
    reading = drafts.reading(body, said.received)
    stream = target.stream or _link(body, "Datastream") or _link(body, "MultiDatastream")
    feature = target.feature or _link(body, "FeatureOfInterest")
    if not stream or feature < 0:
        return None
    return Row(place, stream, feature, reading, body.get("phenomenonTime") is not None)


def _link(body: dict[str, Any], name: str) -> int:
    """The id that a link names; 0: there is no link, -1: it is an entity to be made, or no link at all."""
    given = body.get(name)
    if given is None:
        return 0
    id = given.get("@iot.id") if isinstance(given, dict) else None
    return id if type(id) is int and 0 < id < 2**63 else -1


def _mark(said: Arrived) -> int:
    """64 bits by which a message is known again."""
    whole = "\x1f".join((said.mark, said.topic)).encode() + b"\x1f" + said.payload
    return int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest(), "big", signed=True)


def _value(
    stream: int, start: datetime, end: datetime | None, number: float | None, result: str | None
) -> tuple[Any, ...]:
    """What makes two Observations the same. A result that is no number is compared as JSON, not as text."""
    other: object = None
    if number is None and result is not None:
        other = msgspec.json.encode(msgspec.json.decode(result), order="sorted")
    return stream, start, end, number, other
