"""From an installed program to a demo city of 200,000 people, delivered and served."""

import json
import subprocess
import sys
from collections.abc import Callable

from cityloom.bench.line import Line, Memory, show, timed
from cityloom.kernel.postgres import passing_folder
from cityloom.supervise import free_port

PEOPLE = 200_000
TARGET = 90


def run(quick: bool, talk: Callable[[str], None]) -> None:
    """Run `cityloom demo --once` in a new home, as a newcomer would; `quick` with a tenth of the people."""
    people = PEOPLE // (10 if quick else 1)
    memory = Memory()
    with passing_folder("cityloom-bench-") as home, timed() as seconds:
        command = [sys.executable, "-m", "cityloom", "demo", "--once", "--json", "--people", str(people)]
        command += ["--home", f"{home}/city", "--port", str(free_port())]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        with memory.watch([process.pid]):
            output, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"the demo ended with {process.returncode}")
        result = json.loads(output.splitlines()[-1])
    talk(f"{result['deliveries']} deliveries, {result['records_in']:,} records")
    show(
        Line(
            bench="start", item=f"demo city of {people:,}", rows=result["records_in"], seconds=round(seconds[0], 2),
            rate=round(result["records_in"] / seconds[0]), peak_mib=memory.peak, target=f"<= {TARGET} s",
            met=seconds[0] <= TARGET,
        )
    )  # fmt: skip
