"""Loggers and relays that speak for several devices: one of them that is too fast makes none of the others wait."""

import asyncio
from datetime import timedelta

import msgspec

from cityloom.sensing.gateways import later
from cityloom.sensing.gateways.hj212 import Hj212
from cityloom.sensing.gateways.sl651 import Sl651
from cityloom.sensing.intake.actors import ACTORS, Simulated
from cityloom.sensing.intake.framing import Speech
from cityloom.sensing.intake.hj212 import frames as hj212
from cityloom.sensing.intake.sl651 import frames as sl651
from sensing.protocols.gateway_kit import NOW, QUICK, City, run, running, until
from sensing.protocols.test_gateways import MN, MN2, upload

SLOW = msgspec.structs.replace(
    QUICK, frames_per_second=50, burst=0.2, answer=timedelta(seconds=5), bytes_per_second=10_000_000
)


def test_a_logger_speaks_for_a_quiet_device_while_another_floods() -> None:
    async def scene() -> None:
        city = City({MN: "123456", MN2: "123456"})
        async with running(Hj212, city, SLOW) as door:
            line = await door.dial()
            await line.say(upload(MN2), upload())
            await line.hear(hj212.feed, 2)
            loop = asyncio.get_running_loop()
            before = loop.time()
            await line.say(*[upload(flag=4)] * 60, upload(MN2))
            (answer,) = await line.hear(hj212.feed)
            assert answer.mn == MN2
            assert (
                loop.time() - before < (60 - 10) / 50 / 2
            )  # the flood takes a second, and this one has not waited for it
            await until(lambda: len(city.batches) == 63)
            assert loop.time() - before >= (60 - 10) / 50 * 0.9
            assert door.gateway.figures.dropped == 0

    run(scene())


def test_what_finds_no_room_is_dropped_without_an_answer() -> None:
    async def scene() -> None:
        city = City({MN: "123456", MN2: "123456"})
        async with running(Hj212, city, SLOW) as door:
            line = await door.dial()
            await line.say(upload(MN2), upload())
            await line.hear(hj212.feed, 2)
            await line.say(*[upload()] * 200, upload(MN2))
            await until(lambda: any(each.device == f"d{MN2}" for each in city.batches[2:]))
            figures = door.gateway.figures
            await until(lambda: figures.frames == 203)
            assert 100 <= figures.dropped <= 200 - later.MOST
            kept = 203 - figures.dropped
            answers = await line.hear(hj212.feed, kept - 2)
            assert len(answers) == kept - 2
            assert len(city.batches) == kept

    run(scene())


def test_a_relay_speaks_for_a_quiet_station_while_another_floods() -> None:
    async def scene() -> None:
        fast, calm = Simulated("0000000001", "04D2"), Simulated("0000000002", "04D2")
        city = City({fast.number: "04D2", calm.number: "04D2"})
        async with running(Sl651, city, SLOW) as door:
            line = await door.dial()
            actors = {each.number: ACTORS[Speech.sl651](each, 1, 0) for each in (fast, calm)}
            await line.say(*(each.message(NOW).raw for each in actors.values()))
            await line.hear(sl651.feed, 2)
            flood = [actors[fast.number].message(NOW).raw for _turn in range(40)]
            await line.say(*flood, actors[calm.number].message(NOW).raw)
            heard = await line.hear(sl651.feed, 41)
            places = [at for at, each in enumerate(heard) if each.station == calm.number]
            assert places < [20]
            assert len(city.batches) == 43

    run(scene())
