"""What the body of a station's frame says, the same for both encodings (SL 651-2014, 6.6)."""

from datetime import datetime, timedelta

import msgspec

from cityloom.sensing.intake.framing import Picture, Reading, Unreadable
from cityloom.sensing.intake.sl651 import elements, frames
from cityloom.sensing.intake.sl651.numbers import Value

WITH_CLASS = frozenset({*range(0x30, 0x3B), 0x44})
"""Functions whose bodies have the class of the station after its address."""
CONFIGURATION = frozenset({0x40, 0x41, 0x42, 0x43, 0x49})
"""Functions whose bodies have parameters (Annex D), not elements."""
MOST_READINGS = 4096
"""Of one body; a longer one is cut and says so."""


class Parameter(msgspec.Struct, frozen=True):
    """A parameter of a station's configuration, as bytes (HEX) or characters (ASCII)."""

    id: int
    data: bytes
    decimals: int = 0


class Report(msgspec.Struct, frozen=True):
    """One body."""

    serial: int
    sent: datetime | None
    """None where the station's clock makes no sense."""
    stations: tuple[str, ...]
    """Every station that the body speaks of; empty when it is the frame's own."""
    kinds: tuple[str, ...]
    """The class letter of each."""
    readings: list[Reading]
    picture: Picture | None = None
    manual: str | None = None
    """Text that an observer typed in, by SL 330 or as agreed."""
    parameters: tuple[Parameter, ...] = ()
    status: int | None = None
    rest: bytes = b""
    """What the function has besides: version, event counters, states of pumps, valves and gates."""
    deviations: tuple[str, ...] = ()


class Draft:
    """A report while it is read: knows the station and the observation time that what follows belongs to."""

    def __init__(self, frame: frames.Frame) -> None:
        self.frame = frame
        self.station = frame.station
        self.kind = ""
        self.observed: datetime | None = None
        self.sent: datetime | None = None
        self.serial = 0
        self.stations: list[str] = []
        self.kinds: list[str] = []
        self.readings: list[Reading] = []
        self.deviations: set[str] = set()
        self.picture: Picture | None = None
        self.manual: str | None = None
        self.parameters: list[Parameter] = []
        self.status: int | None = None
        self.rest = b""

    def begin_station(self, address: str, kind: str) -> None:
        """Another station speaks from here on."""
        self.station, self.kind, self.observed = address, kind, None
        self.stations.append(address)
        self.kinds.append(kind)
        if kind and kind not in elements.KINDS:
            self.deviations.add("class_unknown")

    def begin_observation(self, at: datetime | None) -> None:
        """What follows was observed then; None: the time makes no sense, and what follows cannot be kept."""
        self.observed = at
        if at is None:
            self.deviations.add("observed_wrong")

    def add(self, code: str, value: Value, later: timedelta = timedelta()) -> None:
        """One value, so much after the observation time."""
        at = self.observed
        if at is None and "observed_wrong" not in self.deviations and self.sent is not None:
            self.deviations.add("observed_missing")
            at = self.sent
        if at is None:
            self.deviations.add("values_untimed")
        elif len(self.readings) >= MOST_READINGS:
            self.deviations.add("readings_cut")
        else:
            at += later
            period = elements.PERIODS.get(code)
            start, end = (at - period, at) if period else (at, None)
            self.readings.append(Reading(self.station, code, "", start, end, value.number, value.text))

    def add_many(self, code: str, values: list[Value], later: timedelta = timedelta()) -> None:
        """The twelve values of an hour: the first at the observation time, the others five minutes apart."""
        for at, value in enumerate(values):
            self.add(code, value, later + at * elements.FIVE_MINUTES)

    def take_picture(self, image: bytes) -> None:
        """The rest of the body is a picture."""
        at = self.observed or self.sent
        if at is None:
            raise Unreadable("observed_wrong")
        if not image.startswith(b"\xff\xd8"):
            self.deviations.add("picture_no_jpeg")
        self.picture = Picture(self.station, at, image)

    def done(self) -> Report:
        """The report. Raises Unreadable `observed_wrong` when values were there and none has a time."""
        if "values_untimed" in self.deviations and not self.readings:
            raise Unreadable("observed_wrong")
        return Report(
            self.serial, self.sent, tuple(self.stations), tuple(self.kinds), self.readings, self.picture, self.manual,
            tuple(self.parameters), self.status, self.rest, tuple(sorted(self.deviations)),
        )  # fmt: skip
