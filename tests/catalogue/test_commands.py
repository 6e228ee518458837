"""A data officer's day at the command line, against a running city."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogue_kit import RIGHTS, item, wish

from cityloom import app, client
from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from faults.running import RunningCity


class Officer:
    """The command `cityloom catalogue …` with an account's token."""

    def __init__(self, city: RunningCity, token: str, folder: Path) -> None:
        self.city, self.token, self.folder = city, token, folder

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        told = {"CITYLOOM_URL": self.city.url, "CITYLOOM_TOKEN": self.token, "NO_COLOR": "1", "COLUMNS": "200"}
        settings = self.city.settings
        told |= {"CITYLOOM_PACKS": settings.packs, "CITYLOOM_CITY": settings.city}
        command = [sys.executable, "-m", "cityloom", "catalogue", *words]
        return subprocess.run(
            command, cwd=self.folder, env={**os.environ, **told}, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="module")
def officer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Officer]:
    running = RunningCity(tmp_path_factory.mktemp("catalogue"))
    running.start()
    try:
        running.wait()
        with app.running_parts(running.settings) as parts:
            token = services.issue(platform_context(parts, "test"), "town", RIGHTS).secret
        yield Officer(running, token, tmp_path_factory.mktemp("officer"))
    finally:
        running.stop()


def test_a_data_officers_day(officer: Officer) -> None:
    doors = client.Exchange(officer.city.url, officer.token)
    told = wish("街道网格", "town", item("网格编码", "Grid code"), item("面积"), en="Street grids")
    assert doors.http.put("/api/catalogue/resources/grid", json=told).status_code == 200
    doors.close()
    found = officer.run("search", "stret grids")
    assert (found.returncode, found.stdout.split("\t")[0]) == (0, "grid"), found.stderr
    assert officer.run("search", "火山").returncode == 1
    assert json.loads(officer.run("show", "grid").stdout)["code"].startswith("300000/")
    for ending in ("xlsx", "ttl", "jsonld"):
        assert officer.run("export", f"all.{ending}", "--keeper", "town").returncode == 0
        again = officer.run("import", f"all.{ending}", "--trial", "--json")
        assert again.returncode == 0, again.stdout
        report = json.loads(again.stdout)
        assert report["unchanged"] == report["read"] > 1
    (officer.folder / "form.json").write_text(
        json.dumps({"title": "Form", "subject": "place", "fields": [{"name": "网格编码"}]}), encoding="utf-8"
    )
    assert officer.run("check-form", "form.json").returncode == 0
    missing = officer.run("show", "nothing")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert "hint:" in missing.stderr
    done = officer.run("reindex", "--home", str(officer.city.settings.home), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["resources"] >= 2
    assert officer.run("search", "stret grids").returncode == 0
