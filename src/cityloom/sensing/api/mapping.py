"""Payloads that platforms and devices send in formats of their own, read as the mappings of packs say, and kept."""

from collections.abc import Iterable, Sequence

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.errors import Unavailable
from cityloom.sensing.api.hearing import Hearing
from cityloom.sensing.contracts.devices import Denial, Protocol, State
from cityloom.sensing.contracts.mqtt import Arrived, Outcome
from cityloom.sensing.intake import payloads
from cityloom.sensing.intake.framing import Unreadable
from cityloom.sensing.intake.heard import Batch
from cityloom.sensing.intake.payloads import Said
from cityloom.sensing.rules import devices, topics
from cityloom.sensing.spec.mappings import Mapping, mappings
from cityloom.sensing.store import publishing

PROTOCOLS = (Protocol.mqtt.value, Protocol.http.value)
Stray = tuple[int, str, str]
"""Place of a message, why it is put aside, and whose it is, where that is known."""


class Found(msgspec.Struct, frozen=True):
    """What one message says of one device."""

    place: int
    said: Said


class Mapped:
    """Keeps payloads. One a process; `keep` is called by one thread at a time."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.mappings = mappings(ctx.packs)
        self.hearing = Hearing(ctx)
        self._matching: dict[str, list[Mapping]] = {}

    def forget(self, devices: Iterable[int]) -> None:
        """Devices that were changed."""
        self.hearing.forget(devices)

    def matching(self, topic: str) -> list[Mapping]:
        """The mappings that a topic is meant for."""
        found = self._matching.get(topic)
        if found is None:
            if len(self._matching) > 100_000:
                self._matching.clear()
            found = self._matching[topic] = [
                each for each in self.mappings.values() if any(topics.matches(filter, topic) for filter in each.topics)
            ]
        return found

    def keep(
        self, batch: Sequence[Arrived], places: Sequence[int], outcomes: list[Outcome], strays: list[Stray],
        only: Mapping | None = None,
    ) -> None:  # fmt: skip
        """The messages at these places; `only`: by this mapping, whatever the topic. Raises Unavailable."""
        found: list[Found] = []
        for place in places:
            said = batch[place]
            wanted = [only] if only else self.matching(said.topic)
            if not topics.may_send(said.guest, said.topic):
                outcomes[place] = Outcome.refused
                strays.append((place, Outcome.refused, ""))
                continue
            if not wanted:
                outcomes[place] = Outcome.unknown
                strays.append((place, Outcome.unknown, ""))
                continue
            try:
                messages = [
                    each for how in wanted for each in payloads.read(how, said.payload, said.topic, said.received)
                ]
            except Unreadable as error:
                outcomes[place] = Outcome.unreadable
                strays.append((place, error.code, ""))
                continue
            outcomes[place] = Outcome.kept  # what follows may still change that; a payload may mean nothing to us
            found += [Found(place, each) for each in messages]
        if not found:
            return
        try:
            self._heard(batch, found, outcomes, strays)
        except Unavailable:
            for each in found:
                outcomes[each.place] = Outcome.unavailable
            raise

    def _heard(
        self, batch: Sequence[Arrived], found: Sequence[Found], outcomes: list[Outcome], strays: list[Stray]
    ) -> None:
        with self.ctx.begin() as tx:
            rows = publishing.numbered(tx, PROTOCOLS, sorted({each.said.number for each in found}))
        known = {each.number: each for each in rows}
        batches: list[Batch] = []
        places: list[int] = []
        for each in found:
            said, device = batch[each.place], known.get(each.said.number)
            reason = _denied(said, device)
            if reason or device is None:
                outcomes[each.place] = Outcome.unreadable
                strays.append((each.place, reason, device.keeper if device and said.guest is None else ""))
                continue
            batches.append(
                Batch(
                    str(device.id),
                    Protocol.mqtt,
                    each.said.kind,
                    said.received,
                    said.payload,
                    readings=each.said.readings,
                )
            )
            places.append(each.place)
        for place, kept in zip(places, self.hearing.keep(batches) if batches else (), strict=True):
            if not kept:
                outcomes[place] = Outcome.unavailable


def _denied(said: Arrived, device: publishing.Numbered | None) -> str:
    """Why the values of a device are not taken from whoever sent them."""
    if device is None:
        return Denial.unknown.value
    guest = said.guest
    if guest is not None and (guest.keeper != device.keeper or (guest.device and guest.device != device.id)):
        return Denial.unknown.value  # another organisation's devices are not there
    if State(device.state) not in devices.SPEAKS:
        return Denial.closed.value
    return ""
