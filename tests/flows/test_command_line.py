"""A clerk's day at the command line, against a running city."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import time

import openpyxl
import pytest

from faults.running import RunningCity

FILE = "编号,数量,备注\na,1,x\nB!,2,\nc,3,\n"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCity]:
    running = RunningCity(tmp_path_factory.mktemp("commands"))
    running.start()
    try:
        running.wait()
        yield running
    finally:
        running.stop()


def run(city: RunningCity, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "CITYLOOM_URL": city.url, "CITYLOOM_TOKEN": city.token, "NO_COLOR": "1", "COLUMNS": "200"}
    command = [sys.executable, "-m", "cityloom", "exchange", *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def test_a_clerks_day(city: RunningCity, tmp_path: Path) -> None:
    (tmp_path / "stock.csv").write_text(FILE, encoding="gb18030")
    trial = run(city, "deliver", "stock", "stock.csv", "--trial", "--json", cwd=tmp_path)
    assert trial.returncode == 3, trial.stderr
    assert json.loads(trial.stdout)["counts"]["accepted"] == 2
    done = run(city, "deliver", "stock", "stock.csv", "--id", "c1", "--quarantine", "back.csv", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "accepted 2 + quarantined 1 + duplicates 0" in done.stderr
    back = (tmp_path / "back.csv").read_text(encoding="utf-8-sig").splitlines()
    assert back[0].startswith("编号,数量,备注,_")
    assert back[1].startswith("B!,2,,2,")
    (tmp_path / "back.csv").write_text("\n".join(back).replace("B!", "b"), encoding="utf-8")
    again = run(city, "deliver", "stock", "back.csv", "--corrects", "c1", "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    rows = run(city, "changes", "stock", cwd=tmp_path).stdout.splitlines()
    items = [json.loads(row)["item"] for row in rows]
    assert [item for item in items if item in ("a", "b", "c")] == ["a", "c", "b"]  # other tests deliver here too
    assert run(city, "withdraw", "stock", "c1", "--reason", "wrong month", cwd=tmp_path).returncode == 0
    assert json.loads(run(city, "receipt", "stock", "c1", cwd=tmp_path).stdout)["state"] == "withdrawn"


def test_the_template_can_be_filled_in_and_delivered(city: RunningCity, tmp_path: Path) -> None:
    assert run(city, "template", "stock", "t.xlsx", cwd=tmp_path).returncode == 0
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    book.worksheets[0].append(["t1", 5, "from the template"])
    book.save(tmp_path / "t.xlsx")
    done = run(city, "deliver", "stock", "t.xlsx", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"]["accepted"] == 1


def test_a_watched_folder_delivers_what_is_put_in(city: RunningCity, tmp_path: Path) -> None:
    folder = tmp_path / "in" / "stock"
    folder.mkdir(parents=True)
    quiet = time() - 60
    for name, text in (("good.csv", "item,amount\nw1,1\nw2,x\n"), ("bad.csv", "colour\nred\n")):
        (folder / name).write_text(text)
        os.utime(folder / name, (quiet, quiet))
    (folder / "still-coming.csv").write_text("item,amount\nw3,1\n")
    os.utime(
        folder / "still-coming.csv", (quiet + 600, quiet + 600)
    )  # written to until just now, however slow the test
    assert run(city, "watch", "in", "--once", cwd=tmp_path).returncode == 0
    assert [path.name for path in folder.iterdir()] == ["still-coming.csv"]
    receipt = json.loads((tmp_path / "in/done/stock/good.csv.receipt.json").read_text())
    assert receipt["counts"]["accepted"] == 1
    assert "w2,x" in (tmp_path / "in/done/stock/good.csv.quarantine.csv").read_text(encoding="utf-8-sig")
    refused = json.loads((tmp_path / "in/refused/stock/bad.csv.receipt.json").read_text())
    assert refused["code"] == "exchange.columns_unknown"


def test_refusals_tell_what_to_do(city: RunningCity, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("item,amount\na,1\n")
    unknown = run(city, "deliver", "nothing", "x.csv", cwd=tmp_path)
    assert unknown.returncode == 1
    assert "There is no dataset nothing" in unknown.stderr
    assert "hint:" in unknown.stderr
