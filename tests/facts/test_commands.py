"""A department asks facts of its own records at the command line, against a running city."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cityloom import app
from cityloom.identity.api import services
from cityloom.kernel.jobs import platform_context
from faults.running import RunningCity
from registers.registers_kit import PERSON
from sharing.sharing_kit import ROWS, write_pack

FACTS = """\
title: {en: Aid, zh: 补助}
keeper: civil
askers: [civil]
purpose: aid
law: {en: Act, zh: 《法》}
consent: applicant
subjects: [{name: applicant, title: {en: Applicant, zh: 申请人}, register: person, identifier: number}]
parameters: [{name: income_limit, title: {en: Limit, zh: 限额}, value: 150}]
facts:
  - name: poor
    title: {en: Earns little, zh: 收入低}
    law: {en: Act, zh: 《法》}
    paper: {en: Income certificate, zh: 收入证明}
    ways:
      - find: [{name: one, dataset: resident, of: applicant, fields: [income]}]
        when: [{if: one.income <= income_limit, else: {en: Earns more., zh: 收入超过限额。}, unit: CNY}]
"""
QUESTION = """\
case: c-1
subjects: {{applicant: [{number}]}}
consent: {{by: {number}, reference: f-1, given_at: 2026-01-01T09:00:00+08:00}}
day: {day}
"""


def test_ask_at_the_command_line(tmp_path: Path) -> None:
    packs = tmp_path / "packs"
    (packs / "small/registers").mkdir(parents=True)
    (packs / "small/facts").mkdir()
    person = PERSON.partition("  - dataset: tenant")[0].replace("keeper: bureau", "keeper: civil")
    write_pack(
        packs, {"facts/aid.yaml": FACTS.replace("150}]", "150}]\nconsent_days: 3660"), "registers/person.yaml": person}
    )
    running = RunningCity(tmp_path)
    running.start()
    try:
        running.wait()
        with app.running_parts(running.settings) as parts:
            rights = ("exchange.deliver", "exchange.read_receipt", "facts.ask", "facts.read_asked")
            token = services.issue(platform_context(parts, "test"), "civil", rights).secret
            today = parts.clock.now().date().isoformat()
        told = {"CITYLOOM_URL": running.url, "CITYLOOM_TOKEN": token, "NO_COLOR": "1", "CITYLOOM_LANGUAGE": "en"}

        def run(*words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, "-m", "cityloom", *words], cwd=tmp_path, env={**os.environ, **told},
                capture_output=True, text=True, check=False,
            )  # fmt: skip

        def answer(*words: str) -> Any:
            done = run(*words)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout)

        assert [(each["name"], each["facts"]) for each in answer("facts", "list")] == [
            ("aid", {"poor": "Income certificate"})
        ]
        assert answer("facts", "show", "aid")["purpose"] == "aid"
        (tmp_path / "residents.csv").write_text(ROWS)
        answer("exchange", "deliver", "resident", "residents.csv", "--id", "d1", "--json")
        questions = tmp_path / "question.yaml"
        questions.write_text(QUESTION.format(number="a2", day=today))
        refused = run("facts", "ask", "aid", "question.yaml")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "none is named" in refused.stderr
        end = time.monotonic() + 60
        while (found := _fact(answer("facts", "ask", "aid", "question.yaml", "--purpose", "aid")))[
            "answer"
        ] == "unknown":
            assert time.monotonic() < end, found
            time.sleep(0.5)
        assert found["answer"] == "no"
        assert found["why"].endswith("It is 200.00, and 150 is asked for: a difference of 50 CNY.")
    finally:
        running.stop()


def _fact(lines: Any) -> dict[str, Any]:
    (fact,) = json.loads(lines[0]["statement"])["facts"]
    found: dict[str, Any] = fact
    return found
