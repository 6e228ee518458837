"""What simulated devices say: sewage outlets (HJ 212), vehicles (JT/T 808) and river stations (SL 651)."""

import random
from abc import ABC, abstractmethod
from datetime import datetime
from math import cos, radians, sin
from typing import Final

import msgspec

from cityloom.sensing.intake.framing import CHINA, Speech, Unreadable
from cityloom.sensing.intake.hj212 import answers
from cityloom.sensing.intake.hj212 import frames as hj212
from cityloom.sensing.intake.hj212.answers import Outcome, Readiness
from cityloom.sensing.intake.jt808 import bodies, positions
from cityloom.sensing.intake.jt808 import frames as jt808
from cityloom.sensing.intake.jt808.bodies import Answer, Authentication, Id, Registration, Result
from cityloom.sensing.intake.jt808.positions import ACC, FIXED, Item, Position
from cityloom.sensing.intake.sl651 import bodies as reports
from cityloom.sensing.intake.sl651 import frames as sl651
from cityloom.sensing.intake.sl651 import hexadecimal

METRES_A_DEGREE: Final = 111_320.0


class Typical(msgspec.Struct, frozen=True):
    """What a simulated device says of a quantity: around the middle, within what can be true."""

    code: str
    middle: float
    width: float
    low: float = float("-inf")
    high: float = float("inf")


class Simulated(msgspec.Struct, frozen=True):
    """A device that the city has been told of."""

    number: str
    """MN, telephone number or station address."""
    secret: str
    longitude: float = 114.06
    latitude: float = 22.54
    typical: tuple[Typical, ...] = ()
    """What it measures; none: what its protocol's devices usually do."""
    system: str = "32"
    """ST of HJ 212."""
    aspect: str = "Rtd"


class Said(msgspec.Struct, frozen=True):
    """A frame, and the name of the answer it waits for."""

    raw: bytes
    key: str


class Actor(ABC):
    """One device."""

    def __init__(self, device: Simulated, seed: int, spikes: float) -> None:
        self.device, self.spikes = device, spikes
        self.chance = random.Random(seed)  # noqa: S311 - no secret

    def hello(self, now: datetime) -> Said | None:  # noqa: ARG002 - those that introduce themselves need the time
        """The next step of an introduction; None when there is none, or no more."""
        return None

    @abstractmethod
    def message(self, now: datetime) -> Said:
        """What is measured now."""

    @abstractmethod
    def hear(self, buffer: bytes) -> tuple[bytes, list[str], list[bytes]]:
        """What is left of a piece of the stream, names of answers in it, and replies to what was asked."""

    def near(self, middle: float, width: float, leap: float) -> float:
        """A value around the middle, or, for a share of all, far from it."""
        return leap if self.chance.random() < self.spikes else self.chance.gauss(middle, width)

    def values(self) -> list[tuple[str, float]]:
        """One value of each quantity that is declared."""
        return [
            (each.code, min(each.high, max(each.low, self.near(each.middle, each.width, each.middle + 40 * each.width))))
            for each in self.device.typical
        ]  # fmt: skip


_NUMBERS: dict[Speech, tuple[str, int, str]] = {
    Speech.hj212: ("51A0{:020X}", 0, "123456"), Speech.jt808: ("{:d}", 10_000_000_000, "simulated"),
    Speech.sl651: ("00{:08d}", 90_000_000, "04D2"),
}  # fmt: skip
_SIDE = 0.2


def numbers(speech: Speech, count: int, first: int = 1) -> list[Simulated]:
    """Devices with numbers that the protocols allow and nobody has been given, spread over a square of 0.2 degrees."""
    pattern, base, secret = _NUMBERS[speech]
    return [
        Simulated(pattern.format(base + at), secret, 113.9 + _SIDE * (at % 97) / 97, 22.5 + _SIDE * (at % 89) / 89)
        for at in range(first, first + count)
    ]


class Hj212Actor(Actor):
    """An outlet of sewage: flow, pH, COD and ammonia as real-time data."""

    _last: datetime | None = None

    def message(self, now: datetime) -> Said:
        """CN 2011, with an answer wanted."""
        qn = answers.number(now)
        values = self.values() or (
            ("w00000", max(0.0, self.near(12.0, 1.0, 12.0))), ("w01001", self.near(7.2, 0.1, 7.2)),
            ("w01018", max(0.1, self.near(32.0, 4.0, 180.0))), ("w21003", max(0.01, self.near(1.8, 0.3, 14.0))),
        )  # fmt: skip
        head = (
            ("QN", qn), ("ST", self.device.system), ("CN", "2011"), ("PW", self.device.secret), ("MN", self.device.number), ("Flag", "5"),
        )  # fmt: skip
        said = (((f"{code}-{self.device.aspect}", f"{value:.3f}"), (f"{code}-Flag", "N")) for code, value in values)
        time = ("DataTime", now.astimezone(CHINA).strftime("%Y%m%d%H%M%S"))
        return Said(hj212.write(head, ((time,), *said)), qn)

    def hear(self, buffer: bytes) -> tuple[bytes, list[str], list[bytes]]:
        """9014 names the upload it answers; every command is agreed to and done."""
        fed = hj212.feed(buffer)
        replies: list[bytes] = []
        for frame in fed.frames:
            if frame.cn not in {"9013", "9014"}:
                replies += [answers.answer(frame, "9011", Readiness.ready), answers.answer(frame, "9012", Outcome.done)]
        return fed.rest, [each.qn for each in fed.frames if each.cn in {"9013", "9014"}], replies


class Jt808Actor(Actor):
    """A vehicle that drives about: registers, authenticates, and says where it is."""

    def __init__(self, device: Simulated, seed: int, spikes: float) -> None:
        super().__init__(device, seed, spikes)
        self._serial = 0
        self._code: str | None = None
        self._in = False
        self._longitude, self._latitude = device.longitude, device.latitude
        self._heading = self.chance.uniform(0, 360)
        self._at: datetime | None = None
        self._metres = self.chance.uniform(1e6, 9e7)

    def _write(self, number: int, body: bytes) -> Said:
        self._serial = self._serial + 1 & 0xFFFF
        return Said(jt808.write(number, self.device.number, self._serial, body), f"{number}:{self._serial}")

    def hello(self, now: datetime) -> Said | None:  # noqa: ARG002 - as declared above
        """Registration, then authentication with the code that came back."""
        if self._in:
            return None
        if self._code is None:
            plate = f"粤B{self.device.number[-5:]}"
            said = Registration(44, 300, "CITYLOOM", "SIMULATED", self.device.number[-7:], 2, plate, 2019)
            return self._write(Id.register, bodies.write_registration(said))
        body = bodies.write_authentication(Authentication(self._code, "0" * 15, "1"), 2019)
        return self._write(Id.authenticate, body)

    def message(self, now: datetime) -> Said:
        """0x0200 with mileage, signal and satellites."""
        return self._write(Id.location, positions.write_position(self._drive(now)))

    def _drive(self, now: datetime) -> Position:
        seconds = min(60.0, (now - self._at).total_seconds()) if self._at else 0.0
        self._at = now
        speed = abs(self.near(38.0, 12.0, 131.0))
        self._heading = (self._heading + self.chance.gauss(0, 12)) % 360
        way = speed / 3.6 * seconds
        self._metres += way
        self._latitude += way * cos(radians(self._heading)) / METRES_A_DEGREE
        self._longitude += way * sin(radians(self._heading)) / (METRES_A_DEGREE * cos(radians(self._latitude)))
        items = (
            Item(0x01, round(self._metres / 100).to_bytes(4, "big")), Item(0x30, b"\x1c"), Item(0x31, b"\x0e"),
        )  # fmt: skip
        return Position(
            now,
            self._longitude,
            self._latitude,
            20,
            speed,
            int(self._heading),
            2 if speed > 120 else 0,
            ACC | FIXED,
            items,
        )

    def hear(self, buffer: bytes) -> tuple[bytes, list[str], list[bytes]]:
        """0x8001 and 0x8100 name the message they answer; 0x8201 is answered with a position."""
        fed = jt808.feed(buffer)
        keys: list[str] = []
        replies: list[bytes] = []
        for each in fed.frames:
            try:
                keys += self._answered(each)
            except Unreadable:
                continue
            if each.id == Id.locate and self._at:
                body = each.serial.to_bytes(2, "big") + positions.write_position(self._drive(self._at))
                replies.append(self._write(Id.locate_answer, body).raw)
        return fed.rest, keys, replies

    def _answered(self, message: jt808.Message) -> list[str]:
        if message.id == Id.register_answer:
            registered = bodies.register_answer(message.body)
            self._code = registered.code if registered.result == 0 else self.device.secret
            return [f"{Id.register}:{registered.serial}"]
        if message.id != Id.platform_answer:
            return []
        answer: Answer = bodies.answer(message.body)
        if answer.id == Id.authenticate:
            self._in = answer.result == Result.done
        return [f"{answer.id}:{answer.serial}"] if answer.result == Result.done or not self._in else []


class Sl651Actor(Actor):
    """A station at a river: level, rain and battery as timed reports (M2)."""

    def __init__(self, device: Simulated, seed: int, spikes: float) -> None:
        super().__init__(device, seed, spikes)
        self._serial = 0
        self._rain = 0.0
        self._base = self.chance.uniform(2, 40)
        self._header = sl651.Header(1, device.number, int(device.secret, 16))

    def message(self, now: datetime) -> Said:
        """32H."""
        self._serial = self._serial % 65535 + 1
        return Said(self._report(sl651.TIMED, now), f"{sl651.TIMED}:{self._serial}")

    def _report(self, function: int, now: datetime) -> bytes:
        body = hexadecimal.head(self._serial, now) + hexadecimal.address(self.device.number, "H")
        body += hexadecimal.observed(now) + (self._declared() if self.device.typical else self._usual())
        return sl651.write(self._header, function, body, sl651.ETX)

    def _declared(self) -> bytes:
        """What the device's type measures."""
        return b"".join(hexadecimal.element(code, value) for code, value in self.values())

    def _usual(self) -> bytes:
        """Rain, level and battery."""
        fallen = max(0.0, self.near(-1.0, 1.0, 35.0))
        self._rain = (self._rain + fallen) % 90_000
        level = self.near(self._base, 0.02, self._base + 4)
        body = hexadecimal.element("PN05", fallen) + hexadecimal.element("PT", self._rain)
        return body + hexadecimal.element("Z", level) + hexadecimal.element("VT", self.chance.uniform(11.8, 13.2))

    def hear(self, buffer: bytes) -> tuple[bytes, list[str], list[bytes]]:
        """A confirmation has the serial number of the report; a question is answered with what is measured."""
        fed = sl651.feed(buffer)
        keys: list[str] = []
        replies: list[bytes] = []
        for frame in fed.frames:
            if frame.end in (sl651.EOT, sl651.ESC, sl651.ACK):
                keys.append(f"{frame.function}:{int.from_bytes(frame.body[:2], 'big')}")
            elif frame.end == sl651.ENQ and frame.function == sl651.NOW:
                try:
                    sent = reports.read(frame).sent
                except Unreadable:
                    continue
                if sent is not None:
                    replies.append(self._report(frame.function, sent))
        return fed.rest, keys, replies


ACTORS: dict[Speech, type[Actor]] = {
    Speech.hj212: Hj212Actor, Speech.jt808: Jt808Actor, Speech.sl651: Sl651Actor
}  # fmt: skip
