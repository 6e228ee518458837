"""SIGKILL at random moments of deliveries: nothing acknowledged is lost, nothing comes twice, nothing is half there."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.conftest import Tell
from faults.running import RunningCity
from faults.senders import Senders


def kill_group(city: RunningCity) -> bool:
    """Everything at once, then started again as systemd would."""
    city.kill_group()
    city.start()
    city.wait()
    return True


def kill_keeper(city: RunningCity) -> bool:
    """The process that keeps the web workers running; they must not go on without it."""
    return city.kill_web(keeper=True)


Strike = Callable[[RunningCity], bool]
VICTIMS: dict[str, tuple[Strike, ...]] = {
    "group": (kill_group,),
    "worker": (RunningCity.kill_worker,),
    "web": (RunningCity.kill_web,),
    "web-keeper": (kill_keeper,),
    "postmaster": (RunningCity.kill_postmaster,),
    "each": (RunningCity.kill_worker, RunningCity.kill_web, kill_keeper, RunningCity.kill_postmaster),
}
FEW = [("group", 2), ("each", 4)]
MANY = [pytest.param(name, 30, marks=pytest.mark.full) for name in VICTIMS]


@pytest.mark.parametrize(("victim", "kills"), [*FEW, *MANY])
def test_nothing_acknowledged_is_lost(city: RunningCity, tmp_path: Path, victim: str, kills: int, tell: Tell) -> None:
    chance = random.Random(f"{victim}{kills}")  # noqa: S311 - a test's dice
    senders = Senders(city, tmp_path)
    senders.progress(1)
    strikes, struck = VICTIMS[victim], 0
    while struck < kills:
        time.sleep(chance.uniform(0.1, 2.0))
        struck += strikes[struck % len(strikes)](city)
        if struck % 3 == 0:
            senders.progress(1)  # what dies young is started later and later, and the senders' patience has an end
    back = city.wait()
    senders.progress(3)
    senders.let_end()
    deliveries = senders.check()
    tell(
        victim, kills=struck, deliveries=deliveries, withdrawn=len(senders.withdrawn), slowest_receipt_s=senders.longest,
        back_s=back,
    )  # fmt: skip
