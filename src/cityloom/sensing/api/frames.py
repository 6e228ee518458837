"""Frames of devices, for whoever replays, simulates or measures them: read, written anew, and made by simulated devices."""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from cityloom.sensing.intake import checksums
from cityloom.sensing.intake.actors import ACTORS, numbers
from cityloom.sensing.intake.framing import Fed, Speech, Unreadable
from cityloom.sensing.intake.hj212 import frames as hj212
from cityloom.sensing.intake.hj212 import reports as hj212_reports
from cityloom.sensing.intake.jt808 import bodies as jt808_bodies
from cityloom.sensing.intake.jt808 import frames as jt808
from cityloom.sensing.intake.jt808 import positions
from cityloom.sensing.intake.sl651 import bodies as sl651_bodies
from cityloom.sensing.intake.sl651 import frames as sl651

__all__ = ["SPEECHES", "Decoded", "Frame", "Speech", "changed", "decode", "feed", "made", "values"]

Frame = hj212.Frame | jt808.Message | sl651.Frame
SPEECHES: tuple[Speech, ...] = tuple(Speech)


class Decoded(msgspec.Struct, frozen=True):
    """What a piece of a stream came to."""

    frames: int
    values: int
    """Readings and positions of all frames."""
    unreadable: int
    """Frames with a right checksum whose body is not what the standard says."""
    faults: int
    """Stretches that are no frames."""
    rest: bytes
    """The beginning of a frame that is not whole; goes before the next piece."""


def feed(speech: Speech, buffer: bytes) -> Fed[hj212.Frame] | Fed[jt808.Message] | Fed[sl651.Frame]:
    """The whole frames of a piece of a stream."""
    if speech is Speech.hj212:
        return hj212.feed(buffer)
    return jt808.feed(buffer) if speech is Speech.jt808 else sl651.feed(buffer)


def values(frame: Frame) -> int:
    """How many values the body of a frame has, all of them read. Raises Unreadable."""
    if isinstance(frame, hj212.Frame):
        return len(hj212_reports.report(frame).readings) if frame.cn in hj212_reports.DATA else 0
    if isinstance(frame, sl651.Frame):
        return len(sl651_bodies.read(frame).readings) if frame.packet is None else 0
    if frame.id == jt808_bodies.Id.locations:
        return len(positions.positions(frame.body).positions)
    if frame.id == jt808_bodies.Id.register:
        jt808_bodies.registration(frame)
        return 0
    if frame.id == jt808_bodies.Id.authenticate:
        jt808_bodies.authentication(frame)
        return 0
    positions.position(frame.body)
    return 1


def decode(speech: Speech, buffer: bytes) -> Decoded:
    """Frames and all their values. Never raises, whatever the bytes are."""
    fed = feed(speech, buffer)
    count = unreadable = 0
    for frame in fed.frames:
        try:
            count += values(frame)
        except Unreadable:
            unreadable += 1
    return Decoded(len(fed.frames), count, unreadable, len(fed.faults), fed.rest)


def made(speech: Speech, count: int, now: datetime, seed: int = 1) -> list[bytes]:
    """So many messages of simulated devices, a second apart."""
    actors = [ACTORS[speech](device, seed + at, 0.02) for at, device in enumerate(numbers(speech, min(count, 100)))]
    return [actors[at % len(actors)].message(now + timedelta(seconds=at)).raw for at in range(count)]


def changed(speech: Speech, raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """A frame with another body and a checksum that is right for it: so that readers of bodies are tried, not checksums."""
    (frame,) = feed(speech, raw).frames
    if isinstance(frame, hj212.Frame):
        body = change(raw[6:-6])[: hj212.LONGEST - 12]
        return b"##%04d%b%04X\r\n" % (len(body), body, checksums.hj212(body))
    if isinstance(frame, sl651.Frame):
        body = change(frame.body)[: sl651.MOST_BODY]
        return sl651.write(sl651_bodies.header(frame), frame.function, body, frame.end, packet=frame.packet)
    return jt808.write(frame.id, frame.phone, frame.serial, change(frame.body)[: jt808.MOST_BODY], frame.edition)
