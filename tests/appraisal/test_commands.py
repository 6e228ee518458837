"""The appraising office and a department at the command line, against a running city."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appraisal.appraisal_kit import RIGHTS, appeal, filing, write_pack
from cityloom import app
from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from faults.running import RunningCity

Run = Callable[..., subprocess.CompletedProcess[str]]
JANUARY = {"start": "2026-01-01", "end": "2026-01-31"}
PERIOD = ("--from", JANUARY["start"], "--to", JANUARY["end"])
PUBLISHED = "2018.20260101-20260131"


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Run, Path]]:
    """The command as the bureau and as civil affairs, and a folder for their files."""
    folder, files = tmp_path_factory.mktemp("appraisal"), tmp_path_factory.mktemp("files")
    write_pack(folder / "packs", {})
    running = RunningCity(folder)
    running.start()
    try:
        running.wait()
        with app.running_parts(running.settings) as parts:
            ctx = platform_context(parts, "test")
            tokens = [services.issue(ctx, name, RIGHTS).secret for name in ("bureau", "civil")]

        def desk(token: str) -> Run:
            told = {"CITYLOOM_URL": running.url, "CITYLOOM_TOKEN": token, "NO_COLOR": "1", "COLUMNS": "200"}
            return lambda *words: subprocess.run(
                [sys.executable, "-m", "cityloom", "appraisal", *words],
                cwd=files, env={**os.environ, **told}, capture_output=True, text=True, check=False,
            )  # fmt: skip

        yield desk(tokens[0]), desk(tokens[1]), files
    finally:
        running.stop()


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_year_at_the_command_line(desks: tuple[Run, Run, Path]) -> None:
    bureau, civil, files = desks
    assert [each["name"] for each in answer(civil("sets"))] == ["2012", "2013", "2014", "2018"]
    assert answer(civil("sets", "2018"))["set"]["indicators"][1]["weight"] == "31"
    (files / "filing.yaml").write_text(json.dumps(filing("institutions", {"of": "points", "good": 8}, **JANUARY)))
    assert answer(civil("file", "f1", "filing.yaml"))["state"] == "filed"
    (files / "less.yaml").write_text("[{of: points, good: 4.9}]")
    accepted = bureau("decide", "f1", "accept", "--reason", "half is proved", "--claims", "less.yaml")
    assert answer(accepted)["given"] == [{"of": "points", "good": "4.9", "total": "0"}]
    score = answer(civil("compute", "civil", *PERIOD))["score"]
    assert score["points"] == "5.00"  # 4.9 × 100/98
    rows = answer(civil("evidence", "civil", "institutions", *PERIOD))["rows"]
    assert [row["id"] for row in rows] == ["f1"]
    ranking = answer(bureau("rank", *PERIOD))
    assert ranking["lines"][0] == {"place": 1, "organisation": "civil", "points": "5.00"}
    published = answer(bureau("publish", "--set", "2018", *PERIOD, "--show", "places"))
    assert (published["id"], published["revision"]) == (PUBLISHED, 1)
    assert answer(civil("rank", "--publication", PUBLISHED))["lines"][0]["points"] is None
    wish = appeal(publication=PUBLISHED, indicator="institutions")
    (files / "appeal.yaml").write_text(json.dumps(wish))
    assert answer(civil("appeal", "a1", "appeal.yaml"))["before"] == "5.00"
    upheld = answer(bureau("decide", "a1", "uphold", "--points", "6", "--reason", "all of it is proved"))
    assert (upheld["points"], upheld["revision"]) == ("6.00", 2)
    assert answer(civil("show", PUBLISHED, "civil"))["score"]["points"] == "6.00"
    assert answer(civil("show", PUBLISHED, "civil", "--revision", "1"))["score"]["points"] == "5.00"
    assert [each["revision"] for each in answer(civil("show", PUBLISHED))] == [2, 1]
    kinds = [
        row["kind"] for row in answer(civil("evidence", "civil", "institutions", "--publication", PUBLISHED))["rows"]
    ]
    assert kinds == ["filing", "appeal"]


def test_a_refusal_is_told_with_its_remedy(desks: tuple[Run, Run, Path]) -> None:
    _, civil, files = desks
    refused = civil("publish", "--set", "2018", *PERIOD)
    assert refused.returncode == 1
    assert "refused" in refused.stderr
    unclear = civil("compute", "civil")
    assert unclear.returncode == 2
    (files / "facts.yaml").write_text("departments: {a: {provided: {good: 3, total: 2}}}")
    wrong = civil("compute", "--facts", "facts.yaml", "--set", "2018")
    assert wrong.returncode == 2
    assert "provided of a cannot be" in wrong.stderr
