"""SIGKILL at random moments of deliveries: nothing acknowledged is lost, nothing comes twice, nothing is half there."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.conftest import Tell
from faults.running import RunningCity
from faults.senders import at_work, check_audit, check_records, let_end


def kill_group(city: RunningCity) -> bool:
    """Everything at once, then started again as systemd would."""
    city.kill_group()
    city.start()
    city.wait()
    return True


VICTIMS: dict[str, tuple[Callable[[RunningCity], bool], int]] = {
    # with a limit of 0 MiB every delivery is answered 202 and decided by the job worker
    "group": (kill_group, 0),
    "group-inline": (kill_group, 16),
    "worker": (RunningCity.kill_worker, 0),
    "web": (RunningCity.kill_web, 16),
    "web-keeper": (lambda city: city.kill_web(keeper=True), 16),
    "postmaster": (RunningCity.kill_postmaster, 16),
    "postmaster-queued": (RunningCity.kill_postmaster, 0),
}
SMALL = ("group", "worker", "web", "postmaster")


@pytest.mark.parametrize(
    ("victim", "kills"),
    [(name, 4) for name in SMALL] + [pytest.param(name, 30, marks=pytest.mark.full) for name in VICTIMS],
)
def test_nothing_acknowledged_is_lost(tmp_path: Path, victim: str, kills: int, tell: Tell) -> None:
    strike, inline = VICTIMS[victim]
    city = RunningCity(tmp_path, inline_mib=inline)
    try:
        city.start()
        city.wait()
        senders = at_work(city, tmp_path)
        chance = random.Random(victim)  # noqa: S311 - a test's dice
        struck = 0
        while struck < kills:
            time.sleep(chance.uniform(0.2, 2.5))
            struck += strike(city)
        back = city.wait()
        let_end(city, senders)
        deliveries = check_records(city, senders, tmp_path)
        city.stop()
        check_audit(city, senders, tmp_path)
    finally:
        city.remove()
    withdrawn = sum(len(sender.withdrawn) for sender in senders)
    slowest = max(sender.longest for sender in senders)
    tell(victim, kills=struck, deliveries=deliveries, withdrawn=withdrawn, slowest_receipt_s=slowest, back_s=back)
    assert deliveries > kills
