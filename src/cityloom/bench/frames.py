"""Frames of devices: how fast each protocol is read, and ten million broken ones that must harm nothing.

Broken in four ways: bytes changed, lost and added anywhere; frames cut off and run together; bodies changed under a checksum
that is right for them; and noise that has the signs of frames. Processes do it side by side, each with memory of its own.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from cityloom.bench.line import PAGE, Line, show
from cityloom.sensing.api import frames
from cityloom.sensing.api.frames import SPEECHES, Speech

READ = 200_000
BROKEN = 10_000_000
CHUNK = 50_000
"""Broken frames that a process does before it says how large it is."""
PIECE = 8_192
"""Bytes of a read, as a gateway takes them."""
MOST_REST = 16_384
GROWTH = 16
"""MiB that a process may be larger at its end than after its first tenth."""
NOW = datetime(2026, 7, 18, tzinfo=UTC)
SIGNS = {Speech.hj212: b"##0123", Speech.jt808: b"\x7e\x7d", Speech.sl651: b"\x7e\x7e\x01"}


def run(quick: bool, talk: Callable[[str], None]) -> None:
    """`quick` does a tenth."""
    for speech in SPEECHES:
        _rate(speech, READ // (10 if quick else 1))
    _broken(BROKEN // (10 if quick else 1), talk)


def _rate(speech: Speech, count: int) -> None:
    some = frames.made(speech, 10_000, NOW)
    stream = b"".join(some)
    pieces = [stream[at : at + PIECE] for at in range(0, len(stream), PIECE)]
    rounds = count // len(some)
    read = values = size = 0
    started = time.process_time()
    for _round in range(rounds):
        rest = b""
        for piece in pieces:
            found = frames.decode(speech, rest + piece)
            rest = found.rest
            read += found.frames
            values += found.values
            size += len(piece)
            if found.faults or found.unreadable:
                raise AssertionError(f"{speech}: what was written cannot be read")
    took = time.process_time() - started
    if read != rounds * len(some):
        raise AssertionError(f"{speech}: {read} of {rounds * len(some)} frames")
    item = f"{speech}: cut from a stream, checked, all values read ({values / read:.0f} a frame, {size / read:.0f} bytes), processor time"
    rate = read / took
    show(
        Line(
            bench="frames", item=item, rows=read, seconds=round(took, 2), rate=round(rate), peak_mib=_size(),
            target=">= 20,000/s on one core", met=rate >= 20_000,
        )
    )  # fmt: skip


class Survived(msgspec.Struct, frozen=True):
    """What a process has done to its share."""

    frames: int
    read: int
    """That were whole all the same."""
    unreadable: int
    faults: int
    early: int
    """MiB after the first tenth."""
    late: int


def _broken(count: int, talk: Callable[[str], None]) -> None:
    processes = os.cpu_count() or 1
    started = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        done = list(pool.map(_share, range(processes), [count // processes] * processes))
    took = time.perf_counter() - started
    total = sum(each.frames for each in done)
    growth = max(each.late - each.early for each in done)
    talk(
        f"read all the same: {sum(each.read for each in done):,}; bodies refused: {sum(each.unreadable for each in done):,}; "
        f"stretches refused: {sum(each.faults for each in done):,}"
    )
    show(
        Line(
            bench="frames", item=f"broken frames of three protocols, {processes} processes; grew by {growth} MiB",
            rows=total, seconds=round(took, 2), rate=round(total / took), peak_mib=sum(each.late for each in done),
            target=f"no exception, grows by <= {GROWTH} MiB", met=growth <= GROWTH and total >= count * 0.99,
        )
    )  # fmt: skip


def _share(seed: int, count: int) -> Survived:
    """One process's share, in chunks of each protocol in turn."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    some = {speech: frames.made(speech, 500, NOW, seed) for speech in SPEECHES}
    total = read = unreadable = faults = early = 0
    turn = 0
    while total < count:
        speech = SPEECHES[turn % len(SPEECHES)]
        turn += 1
        rest = b""
        for piece in _pieces(_stream(speech, some[speech], chance, min(CHUNK, count - total))):
            found = frames.decode(speech, rest + piece)
            rest = found.rest
            read += found.frames
            unreadable += found.unreadable
            faults += found.faults
            if len(rest) > MOST_REST:
                raise AssertionError(f"{speech}: {len(rest)} bytes are held back")
        total += min(CHUNK, count - total)
        if not early and total >= count / 10 and turn >= len(SPEECHES):
            early = _size()
    return Survived(total, read, unreadable, faults, early, _size())


def _pieces(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Parts of a stream as reads of at most PIECE bytes."""
    held = bytearray()
    for part in parts:
        held += part
        while len(held) >= PIECE:
            yield bytes(held[:PIECE])
            del held[:PIECE]
    yield bytes(held)


def _stream(speech: Speech, some: list[bytes], chance: random.Random, count: int) -> Iterator[bytes]:
    for _each in range(count):
        raw = chance.choice(some)
        way = chance.randrange(8)
        if way == 0:
            yield frames.changed(speech, raw, lambda body: _spoil(body, chance))
        elif way == 1:
            yield raw[: chance.randrange(len(raw))]
        elif way == 2:
            yield SIGNS[speech] + chance.randbytes(len(raw) // 2)
        else:
            yield _spoil(raw, chance)


def _spoil(raw: bytes, chance: random.Random) -> bytes:
    """Some of its bytes changed, lost or added."""
    found = bytearray(raw)
    for _change in range(chance.randrange(1, 4)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0:
                del found[at : at + chance.randrange(1, 4)]
            case 1:
                found[at:at] = chance.randbytes(chance.randrange(1, 6))
            case _:
                found[at : at + 1] = chance.randbytes(1)
    return bytes(found)


def _size() -> int:
    """Memory of this process now, in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE >> 20
