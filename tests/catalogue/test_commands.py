"""A data officer's day at the command line, against a running city."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogue_kit import RIGHTS, item, wish
from typer.testing import CliRunner

from cityloom import app, client
from cityloom.catalogue import commands
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


def test_describing_reviewing_and_reporting(officer: Officer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command once: what it prints is data, what it says goes to stderr."""

    def run(*words: str) -> Any:
        env = {"CITYLOOM_URL": officer.city.url, "CITYLOOM_TOKEN": officer.token}
        return CliRunner().invoke(commands.app, list(words), env=env, catch_exceptions=False)

    def told(*words: str) -> Any:
        done = run(*words)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def lines(*words: str) -> list[list[str]]:
        done = run(*words)
        assert done.exit_code == 0, done.stderr
        return [line.split("\t") for line in done.stdout.splitlines()]

    monkeypatch.chdir(officer.folder)

    well = """
title: {zh: 窨井盖, en: Manholes}
keeper: town
sharing: unconditional
subject: place
issued: 2026-01-31
items: [{name: {zh: 井盖编码, en: ""}, authoritative: true}, {name: {zh: 位置, en: ""}}]
"""
    (officer.folder / "well.yaml").write_text(well, encoding="utf-8")
    assert told("put", "well", "well.yaml")["record"]["issued"] == "2026-01-31"
    assert run("put", "well", "well.yaml").exit_code == 0
    assert [line[0] for line in lines("history", "well")] == ["1"]
    assert told("history", "well", "--json")[0]["cause"] == "put"
    assert run("follow", "well").exit_code == 0
    assert run("retire", "well", "--reason", "gone", "--effective-on", "2020-01-01").exit_code == 1
    assert told("retire", "well", "--reason", "gone", "--effective-on", "2999-01-01")["announced"]["reason"] == "gone"
    assert lines("notices") == [["2999-01-01", "well", "retired", "gone"]]
    assert told("take-back", "well")["announced"] is None
    assert run("follow", "well", "--no-more").exit_code == 0
    assert ["well", "town", "unconditional", "", "irregular", "1", "Manholes"] in lines("supply", "--keeper", "town")
    answering = {line[1]: line[4] for line in lines("responsibility")}
    assert answering["well"] == "井盖编码"
    need = {"title": "照明", "purpose": "夜巡", "legal_basis": "《城市照明管理规定》第五条", "items": ["灯杆"]}
    (officer.folder / "need.json").write_text(json.dumps(need), encoding="utf-8")
    needed = told("need", "need.json")["id"]
    assert lines("demand")[0][:3] == [needed, "town", "open"]
    assert run("answer", needed, "met", "here").exit_code == 1, "it is a demand of nobody"
    assert {line[0] for line in lines("facets")} == {"keeper", "sharing", "openness", "subject", "category", "grade"}
    pole = "{title: {zh: 灯杆, en: Poles}, keeper: town, sharing: unconditional, items: [{name: {zh: 编码, en: ''}}]}"
    (officer.folder / "draft.yaml").write_text(f"resource: pole\nrecord: {pole}\n", encoding="utf-8")
    assert told("draft", "d1", "draft.yaml")["state"] == "editing"
    assert lines("drafts")[0][:4] == ["d1", "editing", "town", "pole"]
    assert told("review", "d1", "withdraw")["state"] == "withdrawn"
    assert told("drafts", "d1")["steps"][-1]["move"] == "withdraw"
    assert lines("disputes") == []
    (officer.folder / "claim.yaml").write_text(
        "{resource: well, item: 位置, law: 《民法典》第一条, reason: ours}", encoding="utf-8"
    )
    assert run("dispute", "c1", "claim.yaml").exit_code == 1
    assert lines("messages") == []
    assert lines("lineage", "well") == []
    up = run("report", "up.json", "--limit", "1")
    assert (up.exit_code, up.stdout) == (3, "")
    whole = told("report", "-")
    assert "well" in [each["id"] for each in whole["changes"]]
    (officer.folder / "down.json").write_text(json.dumps({**whole, "catalogue": "other"}), encoding="utf-8")
    assert told("hear", "down.json")["added"] == len(whole["changes"])
    assert told("hear", "down.json")["unchanged"] == len(whole["changes"])
    assert told("show", "other~well")["source"] == "other"
