"""The life of devices, and what their numbers and secrets look like: decisions only."""

import re

from cityloom.kernel.errors import Conflict, Invalid
from cityloom.sensing.contracts.devices import Move, Protocol, State

MOVES: dict[Move, tuple[frozenset[State], State]] = {
    Move.approve: (frozenset({State.registered, State.refused}), State.approved),
    Move.refuse: (frozenset({State.registered}), State.refused),
    Move.suspend: (frozenset({State.approved, State.in_service}), State.suspended),
    Move.resume: (frozenset({State.suspended}), State.approved),
    Move.retire: (frozenset(State) - {State.retired}, State.retired),
}
REASONED = frozenset({Move.refuse, Move.suspend, Move.retire})
SPEAKS = frozenset({State.approved, State.in_service})
"""May be heard."""
_NUMBERS = {
    Protocol.hj212: re.compile(r"[0-9A-Za-z]{1,40}"),
    Protocol.jt808: re.compile(r"[1-9]\d{0,19}"),
    Protocol.sl651: re.compile(r"[0-9A-F]{10}"),
    Protocol.mqtt: re.compile(r"[0-9A-Za-z._:-]{1,64}"),
    Protocol.http: re.compile(r"[0-9A-Za-z._:-]{1,64}"),
}
_SECRETS = {
    Protocol.hj212: re.compile(r"[^;&#=,\s]{1,9}"),
    Protocol.sl651: re.compile(r"[0-9A-Fa-f]{1,4}"),
}


def moved(state: State, move: Move, reason: str) -> State:
    """The state after a move. Raises Conflict `sensing.move_wrong`, Invalid `sensing.reason_needed`."""
    before, after = MOVES[move]
    if state not in before:
        raise Conflict("sensing.move_wrong", move=move.value, state=state.value)
    if move in REASONED and not reason.strip():
        raise Invalid("sensing.reason_needed", move=move.value)
    return after


def number(protocol: Protocol, text: str) -> str:
    """A number as it is kept: of JT/T 808 without zeros in front, of SL 651 in capitals.

    Raises Invalid `sensing.number_wrong`.
    """
    found = text.strip()
    if protocol is Protocol.jt808:
        found = found.lstrip("0")
    elif protocol is Protocol.sl651:
        found = found.upper()
    if not _NUMBERS[protocol].fullmatch(found):
        raise Invalid("sensing.number_wrong", number=text[:64], protocol=protocol.value)
    return found


def secret(protocol: Protocol, text: str) -> str:
    """A secret that devices of the protocol can send. Raises Invalid `sensing.secret_unfit`."""
    wanted = _SECRETS.get(protocol)
    unfit = not wanted.fullmatch(text) if wanted else len(text) < 12 or not text.isprintable()
    if unfit:
        raise Invalid("sensing.secret_unfit", protocol=protocol.value)
    return text


def placed(longitude: float | None, latitude: float | None) -> None:
    """A place has both coordinates or none. Raises Invalid `sensing.place_half`."""
    if (longitude is None) != (latitude is None):
        raise Invalid("sensing.place_half")
