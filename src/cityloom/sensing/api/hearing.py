"""What devices say is kept: Observations, the frames themselves, and signs of life, in one transaction for each keeper."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta

import msgspec

from cityloom.kernel import log
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Unavailable
from cityloom.sensing.api import fitting, ingest, reports
from cityloom.sensing.api.reports import Key, Reader
from cityloom.sensing.contracts.devices import State
from cityloom.sensing.intake.heard import Batch, Place, Quarantined
from cityloom.sensing.rules import drafts, shapes
from cityloom.sensing.spec.stations import Stations, stations
from cityloom.sensing.store import devices
from cityloom.sensing.store import hearing as store

LOG = log.logger(__name__)
MOST_KNOWN = 200_000
"""Devices that are remembered."""
LONG_AGO = datetime.min.replace(tzinfo=UTC)
EVERY = timedelta(seconds=10)
"""How often the Location of a moving thing is written anew."""


class Route(msgspec.Struct, frozen=True):
    """Where a device's values go."""

    keeper: str
    station: str
    state: str
    thing: int | None
    streams: dict[Key, int]


class Rowed(msgspec.Struct):
    """One batch with what it came to."""

    place: int
    batch: Batch
    route: Route
    found: reports.Rows
    fresh: list[reports.Row]


class Hearing:
    """Keeps batches, and remembers where each device's values go. One a process; `keep` is called by one thread at a time."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.stations: Stations = stations(ctx.packs)
        self._readers: dict[str, Reader] = {}
        self._routes: OrderedDict[int, Route] = OrderedDict()
        self._moved: OrderedDict[int, datetime] = OrderedDict()
        self._day: date | None = None

    def forget(self, devices: Iterable[int]) -> None:
        """Devices that were changed."""
        for each in devices:
            self._routes.pop(each, None)

    def keep(self, batches: Sequence[Batch]) -> list[bool]:
        """Of each batch whether it is kept; what is not may be sent again. Never raises for one device's sake."""
        received = self.ctx.clock.now()
        try:
            self._prepare([int(each.device) for each in batches], received)
        except Unavailable:
            return [False] * len(batches)
        kept = [False] * len(batches)
        groups: dict[str, list[int]] = {}
        for place, batch in enumerate(batches):
            route = self._routes.get(int(batch.device))
            if route is None:  # removed since it was let in
                kept[place] = self._aside(batch, "device_unknown")
            else:
                groups.setdefault(route.keeper, []).append(place)
        for keeper, places in groups.items():
            self._group(keeper, batches, places, received, kept)
        return kept

    def _prepare(self, wanted: list[int], received: datetime) -> None:
        """Routes of devices that are not remembered, and the day's partitions. Raises Unavailable."""
        day = received.astimezone(UTC).date()
        lacking = sorted({each for each in wanted if each not in self._routes})
        if not lacking and day == self._day:
            return
        with self.ctx.begin() as tx:
            if day != self._day:
                store.make_day(tx, day)
            found = store.devices(tx, lacking) if lacking else []
            streams: dict[int, dict[Key, int]] = {each.id: {} for each in found}
            for line in devices.streams(tx, lacking) if lacking else ():
                streams.setdefault(line.device, {})[line.series, line.code, line.aspect] = line.datastream
        self._day = day
        for each in found:
            self._routes[each.id] = Route(each.keeper, each.station, each.state, each.thing, streams[each.id])
        while len(self._routes) > max(MOST_KNOWN, len(lacking)):
            self._routes.popitem(last=False)

    def _group(
        self, keeper: str, batches: Sequence[Batch], places: list[int], received: datetime, kept: list[bool]
    ) -> None:  # fmt: skip
        """One keeper's batches in one transaction; if that cannot be, each in its own, and what cannot be kept so is put aside."""
        try:
            self._write(keeper, batches, places, received)
        except Unavailable:
            return
        except Exception as error:  # noqa: BLE001 - one device's words are not the others' trouble
            if len(places) > 1:
                for place in places:
                    self._group(keeper, batches, [place], received, kept)
                return
            LOG.error("sensing.batch_failed", device=batches[places[0]].device, error=type(error).__name__)
            kept[places[0]] = self._aside(batches[places[0]], "not_kept")
            return
        for place in places:
            kept[place] = True

    def _aside(self, batch: Batch, reason: str) -> bool:
        """Into quarantine with it; whether it is there."""
        route = self._routes.get(int(batch.device))
        stray = store.Strayed(
            route.keeper if route else self.ctx.principal.organisation, batch.speech.value, int(batch.device), "", reason,
            batch.raw, batch.received,
        )  # fmt: skip
        try:
            with self.ctx.begin() as tx:
                store.add_strays(tx, [stray])
        except Unavailable:
            return False
        return True

    def _write(self, keeper: str, batches: Sequence[Batch], places: list[int], received: datetime) -> None:
        """All of it in one transaction. Raises Unavailable."""
        ctx = msgspec.structs.replace(
            self.ctx, principal=Principal("gateway", keeper, frozenset({"data_officer"})), request="gateway"
        )
        into = ingest.partition(ctx, received)
        rows = [self._rowed(place, batches[place]) for place in places]
        with ctx.begin() as tx:
            store.lock(tx, keeper)
            fresh = self._fresh(tx, rows)
            moved = self._spots(tx, rows, received)
            if fresh:
                self._take(ctx, tx, rows, received, into)
            store.add_frames(tx, keeper, [_frame(each.batch) for each in rows])
            store.add_signs(tx, keeper, _signs(rows))
            first = sorted({int(each.batch.device) for each in rows if each.route.state == State.approved})
            started = devices.start_service(tx, first, received) if first else []
            if started:
                devices.log_many(tx, started, keeper, received, "device", "in_service")
        self._remember(moved, started, received)

    def _rowed(self, place: int, batch: Batch) -> Rowed:
        route = self._routes[int(batch.device)]
        how = self._readers.get(route.station)
        if how is None:
            station = self.stations.types.get(route.station)
            if station is None:  # a type that the packs no longer have
                return Rowed(place, batch, route, reports.Rows([], len(batch.readings) + len(batch.places)), [])
            how = self._readers[route.station] = reports.reader(self.stations, station)
        return Rowed(place, batch, route, reports.read(how, route.streams, batch), [])

    def _fresh(self, tx: Transaction, rows: list[Rowed]) -> int:
        """Mark what was not said before. What is later than all of its Datastream is new, so few rows are looked for."""
        streams = sorted({stream for each in rows for stream, _ in each.found.rows})
        if not streams:
            return 0
        last = store.last(tx, streams)
        doubted = [(s, r.start) for each in rows for s, r in each.found.rows if s in last and r.start <= last[s]]
        there: dict[tuple[int, datetime], list[reports.Before]] = {}
        if doubted:
            for old in store.said(tx, [each[0] for each in doubted], [each[1] for each in doubted]):
                there.setdefault((old.stream, old.start), []).append(reports.before(old.ends, old.number, old.result))
        count = 0
        for each in rows:
            for stream, row in each.found.rows:
                known = there.setdefault((stream, row.start), [])
                if not reports.repeats(row, known):
                    known.append(reports.before(row.end, row.number, row.result))
                    each.fresh.append((stream, row))
                    count += 1
        return count

    def _take(self, ctx: Context, tx: Transaction, rows: list[Rowed], received: datetime, into: str) -> None:
        """Observations by the one way in; what it refuses is put aside with the frame."""
        whole: list[tuple[int, int, drafts.Reading]] = []
        owners: list[Rowed] = []
        for each in rows:
            whole += [(stream, 0, row) for stream, row in each.fresh]
            owners += [each] * len(each.fresh)
        taken = ingest.take(ctx, tx, ingest.columns_of(whole), received, into)
        refused: dict[int, str] = {}
        for owner, slot in zip(owners, taken.slots, strict=False):
            if slot.problem is not None:
                refused.setdefault(owner.place, slot.problem.code)
                self._routes.pop(int(owner.batch.device), None)  # its Datastreams are others now
        if refused:
            store.add_strays(
                tx,
                [
                    store.Strayed(
                        each.route.keeper, each.batch.speech.value, int(each.batch.device), "", refused[each.place],
                        each.batch.raw, each.batch.received,
                    )
                    for each in rows if each.place in refused
                ],
            )  # fmt: skip

    def _spots(self, tx: Transaction, rows: list[Rowed], received: datetime) -> list[int]:
        """Locations of moving things go with them, not more often than is worth a write; those that were written."""
        last: dict[int, tuple[Rowed, Place]] = {}
        for each in rows:
            if each.found.spot is not None and each.route.thing is not None:
                last[each.route.thing] = (each, each.found.spot)
        due = sorted(thing for thing in last if received - self._moved.get(thing, LONG_AGO) >= EVERY)
        known = store.spots(tx, due) if due else {}
        moves, written = [], []
        for thing in due:
            owner, place = last[thing]
            if thing not in known:
                self._settle(tx, owner, place, received)
            elif place.backfill:
                continue
            else:
                moves.append(_moved(known[thing].location, place))
            written.append(thing)
        if moves:
            store.move(tx, moves)
        return written

    def _settle(self, tx: Transaction, owner: Rowed, place: Place, received: datetime) -> None:
        """The first place of a moving thing."""
        device = devices.locked(tx, int(owner.batch.device))
        if device is not None and device.thing_id is not None:
            location = fitting.place(tx, device, place.position.longitude, place.position.latitude)
            fitting.settle(tx, device, device.thing_id, location, received)

    def _remember(self, moved: list[int], started: list[int], received: datetime) -> None:
        """What is so now that it is committed."""
        for thing in moved:
            self._moved[thing] = received
            self._moved.move_to_end(thing)
        while len(self._moved) > MOST_KNOWN:
            self._moved.popitem(last=False)
        for id in started:
            if (route := self._routes.get(id)) is not None:
                self._routes[id] = msgspec.structs.replace(route, state=State.in_service.value)

    def set_aside(self, keeper: str, found: Sequence[Quarantined]) -> None:
        """Bytes that could not be read, or of somebody unknown, whose keeper is then `keeper`. Raises Unavailable."""
        with self.ctx.begin() as tx:
            store.add_strays(
                tx,
                [
                    store.Strayed(
                        keeper, each.speech.value, int(each.device) if each.device else None, each.address, each.reason,
                        each.raw, each.received,
                    )
                    for each in found
                ],
            )  # fmt: skip


def _frame(batch: Batch) -> store.Frame:
    facts = msgspec.json.encode([(a.replace("\x00", ""), b.replace("\x00", "")) for a, b in batch.facts]).decode()
    return store.Frame(
        int(batch.device), batch.speech.value, batch.kind, batch.received, batch.deviations,
        facts if batch.facts else None, batch.raw,
    )  # fmt: skip


def _signs(rows: list[Rowed]) -> dict[int, store.Sign]:
    signs: dict[int, store.Sign] = {}
    for each in rows:
        sign = signs.setdefault(int(each.batch.device), store.Sign(each.batch.received))
        sign.at = max(sign.at, each.batch.received)
        sign.frames += 1
        sign.readings += len(each.fresh)
        sign.repeated += len(each.found.rows) - len(each.fresh)
        sign.undeclared += each.found.undeclared
    return signs


def _moved(location: int, place: Place) -> store.Moved:
    said = place.position
    text = reports.point(place)
    shape = shapes.of_geojson(msgspec.json.decode(text))
    assert shape is not None  # noqa: S101 - a point of two numbers
    return store.Moved(location, text, shape.wkb, said.longitude, said.latitude)
