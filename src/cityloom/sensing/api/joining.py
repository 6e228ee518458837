"""Terminals of JT/T 808 that register themselves (0x0100): known ones get their code, others wait for approval."""

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.sensing.api import admitting
from cityloom.sensing.contracts.devices import Known, Protocol, State, Traits
from cityloom.sensing.intake.jt808.bodies import Registered, Registration
from cityloom.sensing.rules import credentials, devices
from cityloom.sensing.spec import Gate
from cityloom.sensing.store import devices as store

DEVICE = "device"
"""Who acts when a device does."""


def join(ctx: Context, gate: Gate, number: str, said: Registration, address: str) -> tuple[Registered, str]:
    """The result of 0x8100, and the code where the terminal may authenticate. `ctx` is the platform's.

    A terminal that waits hears that it is unknown (4) and asks again later; one that was refused, suspended or retired
    hears that its vehicle is (2). The code is always the same until it is rotated, so that asking twice harms nobody.
    Raises Unavailable.
    """
    protocol = Protocol.jt808.value
    with ctx.begin() as tx:
        store.lock_number(tx, protocol, number)
        found = store.known(tx, protocol, number)
        if found is None:
            return _wait(ctx, tx, gate, number, said, address), ""
        if State(found.state) is State.registered:
            return Registered.terminal_unknown, ""
        if State(found.state) not in devices.SPEAKS:
            return Registered.vehicle_unknown, ""
        if found.traits.terminal and found.traits.terminal != said.terminal:
            return Registered.vehicle_has_one, ""
        if found.traits.plate and found.traits.plate != said.plate:
            return Registered.terminal_has_one, ""
        return Registered.done, _code(ctx, tx, found, number, said)


def _wait(ctx: Context, tx: Transaction, gate: Gate, number: str, said: Registration, address: str) -> Registered:
    """Somebody new waits for approval, where there is room for him."""
    if not gate.station or store.waiting(tx, gate.keeper) >= gate.waiting:
        return Registered.terminal_unknown
    if said.terminal and store.same_terminal(tx, gate.keeper, said.terminal, number):
        return Registered.terminal_has_one
    now = ctx.clock.now()
    traits = Traits(terminal=said.terminal[:60], plate=said.plate[:60])
    values = {
        "keeper": gate.keeper, "name": said.plate or number, "station": gate.station, "state": State.registered.value,
        "since": now, "decided_by": DEVICE, "maker": said.maker[:200], "model": said.model[:200],
        "serial": said.terminal[:200], "made": now, "changed": now,
    }  # fmt: skip
    id = store.insert(tx, values, traits)
    store.add_number(tx, id, gate.keeper, Protocol.jt808.value, number, None, now)
    store.log(tx, id, gate.keeper, now, DEVICE, "registered", address)
    return Registered.terminal_unknown


def _code(ctx: Context, tx: Transaction, found: Known, number: str, said: Registration) -> str:
    """The code in force; made when there is none, or one that a person had set and that nobody can say any more."""
    key, protocol, now = admitting.key(ctx), Protocol.jt808.value, ctx.clock.now()
    code = credentials.code(key, number, found.turns)
    if not credentials.fits(key, found.digest, protocol, number, code):
        code = credentials.code(key, number, found.turns + 1)
        store.set_digest(tx, protocol, number, credentials.digest(key, protocol, number, code), now)
        store.log(tx, found.id, found.keeper, now, DEVICE, "rotated", f"{protocol} {number}")
    if not found.traits.terminal:
        store.set_terminal(tx, found.id, said.terminal[:60], said.plate[:60], now)
    return code
