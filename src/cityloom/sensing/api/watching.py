"""Receive-updates (OGC 18-088, 14.2): who subscribes to an address of SensorThings gets what is made or changed there.

A plain broker cannot do it: topics are addresses with `$select`, the same change looks different to each subscriber, and each
sees only what row-level security shows it. So each subscription is answered for itself, from the outbox.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from cityloom.kernel import outbox
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest, NotFound
from cityloom.sensing.api import serving
from cityloom.sensing.api.serving import Server
from cityloom.sensing.api.showing import Shower
from cityloom.sensing.contracts import Door, Kind
from cityloom.sensing.contracts.mqtt import Guest
from cityloom.sensing.contracts.queries import Query
from cityloom.sensing.events import EntityChanged, ObservationsArrived
from cityloom.sensing.rules import expressions, queries
from cityloom.sensing.rules.queries import Address
from cityloom.sensing.store import publishing, reading
from cityloom.sensing.store.past import Past

TOPICS = (EntityChanged.topic, ObservationsArrived.topic)
PAGE = 500
MOST = 20_000
"""Observations of one batch that one subscriber is told of; of a larger one it is told the first."""
EVENTS = 500


class Watch(msgspec.Struct, eq=False):
    """A subscription: its topic, who has it, and what it means."""

    topic: str
    guest: Guest
    version: str
    address: Address
    query: Query
    last: bytes = b""
    """Of a property: the value that was told last, or that it had at first."""

    @property
    def stream(self) -> int:
        """The Datastream whose Observations it is, where it is that simple; else 0."""
        steps = self.address.steps
        simple = len(steps) == 2 and steps[0].kind in (Kind.datastreams, Kind.multi_datastreams)
        return steps[0].id or 0 if simple and self.address.kind is Kind.observations and not self.address.single else 0


class Told(msgspec.Struct, frozen=True):
    """What a subscription is told: place of the subscription, and the payload."""

    place: int
    payload: bytes


def watch(ctx: Context, guest: Guest, topic: str) -> Watch:
    """The subscription that a topic means. `ctx` is the platform's.

    Raises NotFound `sensing.path_unknown`, `sensing.entity_unknown`; BadRequest `sensing.option_…`; Refused.
    """
    path, _, text = topic.partition("?")
    version, _, rest = path.partition("/")
    address = queries.address(rest) if version in ("v1.1", "v1.0") else Address()
    if not address.steps or address.value or address.refs or address.counted:
        raise NotFound("sensing.path_unknown", path=topic[:120])
    given = queries.options(text)
    if set(given) - {"$select", "$expand", "$filter"}:
        raise BadRequest("sensing.option_unknown", option=min(set(given) - {"$select", "$expand", "$filter"})[:40])
    found = Watch(topic, guest, version[1:], address, queries.query(address.kind, given))
    own = _own(ctx, guest)
    if not guest.reads:
        own.require("sensing.read", serving.resource(own))
    with own.begin() as tx:
        _server(own, tx, found).found(address, len(address.steps) - (0 if address.single else 1))
    return found


def _own(ctx: Context, guest: Guest) -> Context:
    return msgspec.structs.replace(ctx, principal=guest.principal, request="mqtt")


def _server(ctx: Context, tx: Transaction, watch: Watch) -> Server:
    root = ctx.settings.public_url.rstrip("/") or f"http://{ctx.settings.host}:{ctx.settings.port}"
    return Server(ctx, tx, Door(watch.version, f"{root}/v{watch.version}"), ctx.clock.now(), "", Past(tx, ctx.lake))


class Watching:
    """Follows the outbox from when it was made. One a process; `look` is called by one thread at a time."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self._cursor: outbox.Cursor | None = None

    def start(self) -> None:
        """From now on. Raises Unavailable."""
        with self.ctx.begin() as tx:
            self._cursor = outbox.now(tx)

    def look(self, watches: Sequence[Watch]) -> list[Told]:
        """What is new for these subscriptions, in the order in which it happened. Raises Unavailable."""
        if self._cursor is None:
            self.start()
        if self._cursor is None:
            return []
        with self.ctx.begin() as tx:
            found = outbox.after(tx, TOPICS, self._cursor, EVENTS)
        told = [each for envelope in found for each in self._told(watches, envelope)] if watches else []
        if found:
            self._cursor = outbox.cursor(found[-1])
        return told

    def _told(self, watches: Sequence[Watch], envelope: outbox.Envelope) -> Iterator[Told]:
        if envelope.topic == ObservationsArrived.topic:
            arrived = msgspec.json.decode(envelope.body, type=ObservationsArrived)
            yield from self._arrived(watches, arrived)
            return
        changed = msgspec.json.decode(envelope.body, type=EntityChanged)
        for place, each in enumerate(watches):
            if each.address.kind.value == changed.kind and changed.change != "removed":
                yield from self._pages(place, each, f"id eq {changed.id}")

    def _arrived(self, watches: Sequence[Watch], arrived: ObservationsArrived) -> Iterator[Told]:
        meant = [
            (place, each) for place, each in enumerate(watches)
            if each.address.kind is Kind.observations
        ]  # fmt: skip
        streams = sorted({each.stream for _, each in meant if each.stream})
        if streams:
            with self.ctx.begin() as tx:
                at = datetime.fromisoformat(arrived.received)
                seen = publishing.observed(tx, streams, arrived.first, arrived.last, at)
            meant = [(place, each) for place, each in meant if not each.stream or each.stream in seen]
        for place, each in meant:
            yield from self._pages(place, each, f"id ge {arrived.first} and id le {arrived.last}")

    def _pages(self, place: int, watch: Watch, filter: str) -> Iterator[Told]:
        """The entities of a subscription for which the filter holds."""
        text = dict(watch.query.options).get("$filter")
        node = expressions.parse_filter(f"({text}) and {filter}" if text else filter)
        order = expressions.parse_order("id asc")
        own = _own(self.ctx, watch.guest)
        for skip in range(0, MOST, PAGE):
            query = msgspec.structs.replace(watch.query, filter=node, orderby=order, top=PAGE, skip=skip)
            with own.begin() as tx:
                documents = _documents(_server(own, tx, watch), watch, query)
            for document in documents[:PAGE]:
                payload = self._payload(watch, document)
                if payload is not None:
                    yield Told(place, payload)
            if len(documents) <= PAGE:
                return

    def _payload(self, watch: Watch, document: dict[str, Any]) -> bytes | None:
        """The entity; of a subscription to a property its value, where it is another one than was told before."""
        if not watch.address.inner:
            return msgspec.json.encode(document)
        name = watch.address.inner[0]
        payload = msgspec.json.encode({name: document.get(name)})
        if watch.last == payload:
            return None
        watch.last = payload
        return payload

    def remember(self, watch: Watch) -> None:
        """Know the value of a property now, so that only other ones are told. Raises Unavailable, NotFound."""
        if watch.address.inner:
            own = _own(self.ctx, watch.guest)
            with own.begin() as tx:
                for document in _documents(_server(own, tx, watch), watch, serving.ONE):
                    self._payload(watch, document)


def _documents(server: Server, watch: Watch, query: Query) -> list[dict[str, Any]]:
    """The entities that the address means now; none where what it starts from is gone."""
    address = watch.address
    try:
        parents = server.parents(address)
    except NotFound:
        return []
    shower = Shower(server.tx, server.door, server.now, server.past)
    asked = shower.asked(address.kind, query, parents)
    rows = reading.page(server.tx, msgspec.structs.replace(asked, id=address.steps[-1].id))
    return shower.documents(address.kind, rows, query)
