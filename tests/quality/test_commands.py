"""A dispute and a measuring at the command line, in a city whose worker closes the ticket by itself."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cityloom import app
from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from faults.running import RunningCity
from quality.quality_kit import Door, write_pack
from sharing.sharing_kit import ROWS, wish

PATIENCE = 60


class Officer:
    """`cityloom quality …` with an account's token."""

    def __init__(self, city: RunningCity, token: str, folder: Path) -> None:
        self.city, self.token, self.folder = city, token, folder
        self.http = httpx.Client(base_url=city.url, timeout=60, headers={"authorization": f"Bearer {token}"})

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        told = {"CITYLOOM_URL": self.city.url, "CITYLOOM_TOKEN": self.token, "CITYLOOM_PURPOSE": "rent_aid"}
        told |= {"NO_COLOR": "1", "COLUMNS": "200"}
        command = [sys.executable, "-m", "cityloom", "quality", *words]
        return subprocess.run(
            command, cwd=self.folder, env={**os.environ, **told}, capture_output=True, text=True, check=False
        )

    def seen(self, *words: str) -> Any:
        """What a command that must succeed prints."""
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def deliver(self, id: str, text: str) -> None:
        address = f"/api/exchange/datasets/resident/deliveries/{id}"
        assert self.http.put(address, content=text, headers={"content-type": "text/csv"}).status_code == 200


@pytest.fixture(scope="module")
def officers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Officer, Officer]]:
    """Of the keeper, and of a department with a grant."""
    folder = tmp_path_factory.mktemp("city")
    write_pack(folder / "packs")
    city = RunningCity(folder)
    try:
        city.start()
        city.wait()
        with app.running_parts(city.settings) as parts:
            tokens = [
                services.issue(platform_context(parts, "test"), name, Door.rights).secret
                for name in ("civil", "housing")
            ]
        civil, housing = (Officer(city, token, folder) for token in tokens)
        civil.deliver("d1", ROWS)
        asked = housing.http.put("/api/sharing/requests/r1", json=wish())
        assert asked.status_code == 200, asked.text
        act = {"move": "approve", "version": 1, "key": "k"}
        assert civil.http.post("/api/sharing/requests/r1/moves", json=act).status_code == 200
        yield civil, housing
        for officer in (civil, housing):
            officer.http.close()
    finally:
        city.stop()


def test_a_dispute_at_the_command_line(officers: tuple[Officer, Officer]) -> None:
    civil, housing = officers
    (housing.folder / "ticket.yaml").write_text(
        "dataset: resident\nkey: [a1]\nfield: name\nvalue: Anna Apple\nexpected: Anne Apple\n"
        "evidence: her identity card\ngrant: r1\n"
    )
    assert housing.seen("open", "t1", "ticket.yaml")["state"] == "disputed"
    wrong = housing.run("move", "t1", "accept")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "refused" in wrong.stderr
    assert [each["id"] for each in civil.seen("tickets", "--side", "keeper", "--status", "open")] == ["t1"]
    assert civil.seen("move", "t1", "accept")["state"] == "mending"
    civil.deliver("d2", ROWS.replace("Anna Apple", "Anne Apple"))
    end = time.monotonic() + PATIENCE
    while (ticket := housing.seen("tickets", "t1"))["state"] != "corrected" and time.monotonic() < end:
        time.sleep(0.5)
    assert (ticket["state"], ticket["delivery"]) == ("corrected", "d2")
    assert [(each["field"], each["key"]) for each in housing.seen("corrections")] == [("name", ["a1"])]
    assert housing.seen("corrections", "--dataset", "shop") == []


def test_scores_at_the_command_line(officers: tuple[Officer, Officer]) -> None:
    civil, housing = officers
    measured = civil.seen("measure", "resident", "2026-01-05")  # before anything came
    assert {each["dimension"]: each["total"] for each in measured} == dict.fromkeys(
        ("completeness", "validity", "uniqueness", "consistency", "timeliness"), 0
    )
    assert civil.seen("explain", "resident", "2026-01-05") == measured
    assert len(civil.seen("scores", "2026-01-01", "2026-02-01", "--dataset", "resident")) == 5
    assert housing.run("explain", "resident", "2026-01-05").returncode == 1
    assert housing.seen("scores", "2026-01-01", "2026-02-01") == []
