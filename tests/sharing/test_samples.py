"""The samples of the guide and the commands, run against a city in processes of its own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from cityloom import app
from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from faults.running import RunningCity
from sharing.sharing_kit import RIGHTS, ROWS, wish, write_pack

SAMPLES = Path(__file__).parents[2] / "docs/guides/samples/share-data"
COMMANDS = {
    "curl": ("curl", ["sh", str(SAMPLES / "query.sh")]),
    "python": (sys.executable, [sys.executable, str(SAMPLES / "query.py")]),
    "java": ("java", ["java", str(SAMPLES / "Query.java")]),
    "command": (
        sys.executable,
        [sys.executable, "-m", "cityloom", "sharing", "query", "r1", "a1", "--case", "c-1", "--purpose", "rent_aid"],
    ),
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What a sample needs: a running city with a grant, and its copy made by the worker."""
    folder = tmp_path_factory.mktemp("city")
    write_pack(folder / "packs")
    city = RunningCity(folder)
    try:
        city.start()
        city.wait()
        with app.running_parts(city.settings) as parts:
            tokens = {
                name: services.issue(platform_context(parts, "test"), name, RIGHTS).secret
                for name in ("civil", "housing")
            }
        with httpx.Client(base_url=city.url, timeout=60) as http:
            prepare(http, tokens)
        yield {
            **os.environ, "CITYLOOM_URL": city.url, "CITYLOOM_TOKEN": tokens["housing"], "PURPOSE": "rent_aid",
            "GRANT": "r1", "KEY": "a1", "CASE": "c-1",
        }  # fmt: skip
    finally:
        city.stop()


def prepare(http: httpx.Client, tokens: dict[str, str]) -> None:
    def ask(who: str, method: str, address: str, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {tokens[who]}", "content-type": more.pop("media", "application/json")}
        return http.request(method, address, headers={**headers, "x-purpose": "rent_aid"}, **more)

    delivered = ask(
        "civil", "PUT", "/api/exchange/datasets/resident/deliveries/d1", content=ROWS.encode(), media="text/csv"
    )
    assert delivered.status_code == 200, delivered.text
    act = {"move": "approve", "version": 1, "key": "k"}
    for id in ("r1", "r2"):
        assert ask("housing", "PUT", f"/api/sharing/requests/{id}", json=wish()).status_code == 200
        assert ask("civil", "POST", f"/api/sharing/requests/{id}/moves", json=act).status_code == 200
    end = time.monotonic() + 60
    while time.monotonic() < end:
        answer = ask("housing", "POST", "/api/sharing/grants/r1/query", json={"key": ["a1"], "case": "wait"})
        if answer.status_code == 200 and msgspec.json.decode(answer.json()["statement"])["found"]:
            return
        time.sleep(0.2)
    raise AssertionError(f"the copy does not follow: {answer.text}")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_sample_reads_a_record(environment: dict[str, str], name: str) -> None:
    program, command = COMMANDS[name]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    statement = msgspec.json.decode(msgspec.json.decode(done.stdout)["statement"])
    assert statement["record"] == {"id": "a1", "name": "Anna Apple", "district": "N1"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_sample_tells_why_it_was_refused(environment: dict[str, str], name: str) -> None:
    program, command = COMMANDS[name]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    command = ["r9" if part == "r1" else part for part in command]
    done = subprocess.run(
        command, env={**environment, "GRANT": "r9"}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0
    assert "r9" in done.stdout + done.stderr


def test_asking_and_deciding_at_the_command_line(environment: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "wish.json"
    file.write_bytes(msgspec.json.encode(wish()))

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "cityloom", "sharing", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode(done.stdout) if done.stdout else None

    assert run("ask", "cli-1", str(file))["state"] == "asked"
    assert [each["id"] for each in run("requests", "--status", "asked")] == ["cli-1"]
    assert run("decide", "cli-1", "withdraw")["state"] == "withdrawn"
    verified = run("verify", "r2", "a1", "--claim", "name=Anna Apple", "--case", "c", "--purpose", "rent_aid")
    assert msgspec.json.decode(verified["statement"])["matches"] == {"name": True}
    keys, answers = tmp_path / "keys.csv", tmp_path / "answers.ndjson"
    keys.write_text("id\na1\na2\n")
    run("batch", "r2", str(keys), str(answers), "--case", "c", "--purpose", "rent_aid")
    assert [msgspec.json.decode(line)["line"] for line in answers.read_bytes().splitlines()] == [2, 3]
    rows = tmp_path / "changes.ndjson"
    run("changes", "r2", str(rows), "--case", "c", "--purpose", "rent_aid")
    assert [msgspec.json.decode(line)["id"] for line in rows.read_bytes().splitlines()] == ["a1", "a3"]
    assert {use["way"] for use in run("uses", "r2")} == {"query", "verify", "changes"}
    assert run("end", "r2", "give_back")["state"] == "given_back"
