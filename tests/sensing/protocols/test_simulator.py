"""Simulated devices at the real port: every message of theirs is kept, also when the keeper is away for a while."""

import asyncio
from datetime import timedelta

import pytest

from cityloom.kernel import packs
from cityloom.kernel.clock import SystemClock
from cityloom.sensing.gateways import hj212, jt808, sl651
from cityloom.sensing.gateways.contracts import Limits
from cityloom.sensing.gateways.server import Talk
from cityloom.sensing.gateways.simulator import Wish, simulate
from cityloom.sensing.intake.actors import numbers
from cityloom.sensing.intake.framing import Speech, implausible
from cityloom.sensing.spec.quantities import Quantities
from sensing.protocols.gateway_kit import City, run, running

TALKS: dict[Speech, type[Talk]] = {
    Speech.hj212: hj212.Hj212, Speech.jt808: jt808.Jt808, Speech.sl651: sl651.Sl651
}  # fmt: skip
TABLES = {Speech.hj212: ("environment", "hj212"), Speech.sl651: ("water", "sl651")}


@pytest.mark.parametrize("speech", Speech)
def test_what_devices_send_is_kept(speech: Speech) -> None:
    async def scene() -> None:
        devices = numbers(speech, 20)
        city = City({each.number: each.secret for each in devices})
        async with running(TALKS[speech], city, Limits(), SystemClock()) as door:
            wish = Wish(speech, "127.0.0.1", door.port, 60, 1.0, patience=timedelta(seconds=0.2), tries=10)

            async def interrupt() -> None:
                await asyncio.sleep(0.3)
                city.down = True
                await asyncio.sleep(0.3)
                city.down = False

            tally, _nothing = await asyncio.gather(simulate(wish, devices, SystemClock()), interrupt())
            assert (tally.devices, tally.refused, tally.lost, tally.broken) == (20, 0, 0, 0)
            assert tally.sent == tally.acknowledged == len(tally.latencies) >= 40
            assert tally.again > 0
            kept = [each for each in city.batches if each.readings or each.places]
            assert len(kept) >= tally.acknowledged
            assert {each.device for each in kept} == {f"d{each.number}" for each in devices}
            assert city.kept == []
            assert {name for each in kept for name in each.deviations} == set()
            if speech in TABLES:
                pack, name = TABLES[speech]
                path = packs.shipped() / pack / "sensing" / "quantities" / f"{name}.yaml"
                ranges = packs.decode(path, Quantities).ranges()
                assert [each for batch in kept for each in implausible(batch.readings, ranges)] == []
            else:
                assert all(22.3 < each.position.latitude < 22.9 for batch in kept for each in batch.places)

    run(scene())


def test_devices_that_the_city_does_not_know_are_refused() -> None:
    async def scene() -> None:
        async with running(jt808.Jt808, City({}), Limits(), SystemClock()) as door:
            wish = Wish(Speech.jt808, "127.0.0.1", door.port, 10, 0.5)
            tally = await simulate(wish, numbers(Speech.jt808, 3), SystemClock())
            assert (tally.refused, tally.devices, tally.sent) == (3, 0, 0)

    run(scene())
