"""The life of devices: registered, approved, suspended, retired; their secrets, their log."""

from datetime import datetime

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import Conflict, NotFound, Refused
from cityloom.sensing.api import admitting, fitting, ingest
from cityloom.sensing.contracts.devices import (
    Device,
    DeviceChange,
    DeviceFilter,
    DevicePage,
    DeviceWish,
    Issued,
    Line,
    Made,
    Move,
    MoveWish,
    NumberWish,
    Protocol,
    SecretWish,
    State,
)
from cityloom.sensing.rules import credentials, devices
from cityloom.sensing.spec.stations import Stations, stations
from cityloom.sensing.store import devices as store

PAGE = 200
LINES = 200


def allow(ctx: Context, right: str) -> str:
    """The keeper for whom the caller may do that to devices. Raises Refused."""
    keeper = ctx.principal.organisation
    ctx.require(right, ingest.resource(keeper))
    return keeper


def register(ctx: Context, wish: DeviceWish) -> Made:
    """A device that waits for approval. Right `sensing.register`.

    Raises Invalid `sensing.station_unknown`, `sensing.number_wrong`, `sensing.secret_unfit`, `sensing.place_half`,
    Conflict `sensing.number_taken`.
    """
    keeper = allow(ctx, "sensing.register")
    now, found = ctx.clock.now(), stations(ctx.packs)
    with ctx.begin() as tx:
        id, issued = add(ctx, tx, keeper, wish, found, now)
        device = the(tx, id)
        ctx.record(tx, "sensing.device_registered", f"Device:{id}", station=wish.station)
    return Made(device, tuple(issued))


def add(
    ctx: Context, tx: Transaction, keeper: str, wish: DeviceWish, found: Stations, now: datetime
) -> tuple[int, list[Issued]]:  # fmt: skip
    """Write a device down; its id, and the secrets that were made."""
    fitting.known_station(found, wish.station)
    devices.placed(wish.longitude, wish.latitude)
    values: dict[str, object] = {name: getattr(wish, name) for name in store.PLAIN}
    values |= {
        "keeper": keeper, "groups": list(wish.groups), "state": State.registered.value, "since": now,
        "decided_by": ctx.principal.name, "made": now, "changed": now,
    }  # fmt: skip
    id = store.insert(tx, values, wish.traits)
    issued = [made for each in wish.numbers if (made := _number(ctx, tx, keeper, id, each, now)) is not None]
    store.log(tx, id, keeper, now, ctx.principal.name, "registered")
    return id, issued


def _number(
    ctx: Context, tx: Transaction, keeper: str, id: int, wish: NumberWish, now: datetime
) -> Issued | None:  # fmt: skip
    """A number of a device, with the secret that it has, or one that is made; terminals of JT/T 808 ask for theirs."""
    number = devices.number(wish.protocol, wish.number)
    issued = None
    secret = devices.secret(wish.protocol, wish.secret) if wish.secret else ""
    if not secret and wish.protocol is not Protocol.jt808:
        secret = _secret(ctx, wish.protocol, id, number, 1)
        issued = Issued(wish.protocol, number, secret)
    kept = credentials.digest(admitting.key(ctx), wish.protocol, number, secret) if secret else None
    if not store.add_number(tx, id, keeper, wish.protocol.value, number, kept, now):
        raise Conflict("sensing.number_taken", number=number, protocol=wish.protocol.value)
    return issued


def listing(ctx: Context, wish: DeviceFilter, after: int = 0, most: int = PAGE) -> DevicePage:
    """Devices of the caller's organisation, by id. Right `sensing.read`."""
    allow(ctx, "sensing.read")
    with ctx.begin() as tx:
        found = store.find(tx, wish, after, most + 1)
    return DevicePage(tuple(found[:most]), found[most - 1].id if len(found) > most else 0)


def find(ctx: Context, id: int) -> Device:
    """One device. Right `sensing.read`. Raises NotFound `sensing.device_missing`."""
    allow(ctx, "sensing.read")
    with ctx.begin() as tx:
        return the(tx, id)


def the(tx: Transaction, id: int) -> Device:
    """A device that the scope sees. Raises NotFound `sensing.device_missing`."""
    found = store.one(tx, id)
    if found is None:
        raise NotFound("sensing.device_missing", id=id)
    return found


def locked(ctx: Context, tx: Transaction, id: int) -> store.Row:
    """The caller's device, to be changed. Raises NotFound `sensing.device_missing`, Refused `sensing.not_keeper`."""
    found = store.locked(tx, id)
    if found is None:
        raise NotFound("sensing.device_missing", id=id)
    if found.keeper != ctx.principal.organisation:
        raise Refused("sensing.not_keeper", keeper=found.keeper)
    return found


def change(ctx: Context, id: int, wish: DeviceChange) -> Device:
    """Write down what changed, such as a new firmware. Right `sensing.register`.

    The Thing of an approved device has its name, district and place from then on. Raises NotFound, Refused, Invalid
    `sensing.place_half`.
    """
    allow(ctx, "sensing.register")
    now = ctx.clock.now()
    given = {name: value for name, value in msgspec.structs.asdict(wish).items() if value is not None}
    said = given.pop("traits", None)
    if "groups" in given:
        given["groups"] = list(given["groups"])
    with ctx.begin() as tx:
        device = locked(ctx, tx, id)
        devices.placed(wish.longitude, wish.latitude)
        store.update(tx, id, given, now, said)
        if device.thing_id is not None:
            fitting.refit(ctx, tx, id, now)
        names = ", ".join(sorted({*given, *(("traits",) if said is not None else ())}))
        store.log(tx, id, ctx.principal.organisation, now, ctx.principal.name, "changed", names)
        found = the(tx, id)
        ctx.record(tx, "sensing.device_changed", f"Device:{id}", fields=names.replace(" ", ""))
    return found


def move(ctx: Context, id: int, wish: MoveWish) -> Device:
    """Approve, refuse, suspend, resume or retire a device. Right `sensing.approve`.

    When it is approved its Thing and Datastreams are made. Raises NotFound, Refused, Conflict `sensing.move_wrong`,
    Invalid `sensing.reason_needed`, `sensing.station_unknown`.
    """
    allow(ctx, "sensing.approve")
    now = ctx.clock.now()
    with ctx.begin() as tx:
        moved(ctx, tx, id, wish, now)
        found = the(tx, id)
        ctx.record(tx, "sensing.device_moved", f"Device:{id}", move=wish.move.value, state=found.state)
    return found


def moved(ctx: Context, tx: Transaction, id: int, wish: MoveWish, now: datetime) -> None:
    """The same inside a transaction."""
    device = locked(ctx, tx, id)
    state = devices.moved(State(device.state), wish.move, wish.reason)
    if wish.move in (Move.approve, Move.resume):
        fitting.fit(ctx, tx, device, now)
    values = {"state": state.value, "reason": wish.reason, "since": now, "decided_by": ctx.principal.name}
    store.update(tx, id, values, now)
    store.log(tx, id, device.keeper, now, ctx.principal.name, wish.move.value, wish.reason)


def rotate(ctx: Context, id: int, wish: SecretWish) -> Issued:
    """Another secret for a number; the one before is no good from then on. Right `sensing.issue`.

    A terminal of JT/T 808 asks for its new code itself, so that none is shown. Raises NotFound `sensing.number_missing`,
    Invalid `sensing.secret_unfit`.
    """
    allow(ctx, "sensing.issue")
    now = ctx.clock.now()
    with ctx.begin() as tx:
        device = locked(ctx, tx, id)
        number, turns = _own(tx, id, wish.protocol.value, wish.number)
        shown = ""
        kept = None
        if wish.secret or wish.protocol is not Protocol.jt808:
            secret = devices.secret(wish.protocol, wish.secret) if wish.secret else ""
            secret = secret or _secret(ctx, wish.protocol, id, number, turns + 1)
            shown = "" if wish.secret else secret
            kept = credentials.digest(admitting.key(ctx), wish.protocol, number, secret)
        store.set_digest(tx, wish.protocol.value, number, kept, now)
        store.update(tx, id, {}, now)
        store.log(tx, id, device.keeper, now, ctx.principal.name, "rotated", f"{wish.protocol} {number}")
        ctx.record(tx, "sensing.secret_issued", f"Device:{id}", protocol=wish.protocol.value)
    return Issued(wish.protocol, number, shown)


def revoke(ctx: Context, id: int, protocol: str, number: str) -> None:
    """No secret of that number is good any more. Right `sensing.issue`. Raises NotFound `sensing.number_missing`."""
    allow(ctx, "sensing.issue")
    now = ctx.clock.now()
    with ctx.begin() as tx:
        device = locked(ctx, tx, id)
        kept, _ = _own(tx, id, protocol, number)
        store.set_digest(tx, protocol, kept, None, now)
        store.update(tx, id, {}, now)
        store.log(tx, id, device.keeper, now, ctx.principal.name, "revoked", f"{protocol} {kept}")
        ctx.record(tx, "sensing.secret_revoked", f"Device:{id}", protocol=protocol)


def _secret(ctx: Context, protocol: Protocol, device: int, number: str, turns: int) -> str:
    """A secret that is made for a number; `turns` counts those that it has had, with this one."""
    if protocol is Protocol.mqtt:
        return credentials.password(admitting.key(ctx), device, number, turns)
    return credentials.made(protocol)


def _own(tx: Transaction, id: int, protocol: str, number: str) -> tuple[str, int]:
    """The number as it is kept, if it is this device's, and how many secrets it has had.

    Raises NotFound `sensing.number_missing`.
    """
    missing = NotFound("sensing.number_missing", number=number[:64], protocol=protocol[:20])
    if protocol not in set(Protocol):
        raise missing
    kept = devices.number(Protocol(protocol), number)
    found = store.numbered(tx, protocol, kept)
    if found is None or found.device != id:
        raise missing
    return kept, found.turns


def note(ctx: Context, id: int, text: str) -> list[Line]:
    """Write a line into the maintenance log; the newest lines. Right `sensing.register`. Raises NotFound, Refused."""
    allow(ctx, "sensing.register")
    with ctx.begin() as tx:
        device = locked(ctx, tx, id)
        store.log(tx, id, device.keeper, ctx.clock.now(), ctx.principal.name, "maintained", text)
        return store.lines(tx, id, LINES)


def lines(ctx: Context, id: int) -> list[Line]:
    """The newest lines of a device's log. Right `sensing.read`. Raises NotFound."""
    allow(ctx, "sensing.read")
    with ctx.begin() as tx:
        the(tx, id)
        return store.lines(tx, id, LINES)
