"""The README's first command, as a newcomer runs it, on a smaller city."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from cityloom.demo.run import Result
from faults.running import free_port


def test_the_demo_delivers_and_shares_a_city(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cityloom", "demo", "--once", "--json", "--people", "10000"]
    done = subprocess.run(
        [*command, "--home", tmp_path / "home", "--port", str(free_port())],
        capture_output=True, text=True, timeout=600, env={**os.environ, "CITYLOOM_LAKE_MEMORY_MIB": "512"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    result = msgspec.json.decode(done.stdout.splitlines()[-1], type=Result)
    assert result.sound
    assert result.records_in == result.accepted + result.quarantined + result.duplicates > 50_000
    assert result.seeded_errors_found == result.seeded_errors > 300
    # one request is refused with its law, one is answered with less and accepted; all others are granted
    assert (result.requests, result.grants) == (17, 16)
    assert (result.queries, result.verifications) == (160, 130)
    assert {"psb", "housing", "education"} <= set(result.appraisal)
    # whoever asked and used has points for it, and a department that neither delivers nor asks has next to none
    assert result.appraisal["housing"] > result.appraisal["justice"]
    # births find their children, and nobody else's; the registers hold each number once
    assert result.linkage.linked > 50
    assert (result.linkage.precision, result.linkage.recall) >= (0.98, 0.95)
    assert result.registers["person"] > 9_000
    # what the city can plan: most people are counted, and there are fewer centres than the standard asks for at its upper end
    assert (result.population["all"] or 0) > 8_000
    assert result.health_centre_gap["low"] <= result.health_centre_gap["high"]
    assert {kind.split(":")[0] for kind in result.school_pressure} == {"all", "points"}
