"""`./loom` before there is anything: it makes its environment once, safely, and hands over.

Python and apt-get are stand-ins that keep a list of what they were asked; nothing is downloaded.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("sh", "readlink", "dirname", "sed", "cat", "cmp", "head", "rm", "flock", "mkdir", "chmod", "sleep", "find")
VENV = ("-m", "venv", "--clear")

PYTHON = """#!/bin/sh
echo "$@" >>"{log}"
case "$1 $2" in
"-c import sys, ensurepip, venv"*) [ -e "{bin}/has_venv" ] ;;
"-c import ensurepip, venv"*) [ -e "{bin}/has_venv" ] ;;
"-m venv")
    rm -rf "$4"; mkdir -p "$4/bin"; cat "$0" >"$4/bin/python"; chmod +x "$4/bin/python" ;;
"-m pip")
    sleep 0.3
    [ ! -e "{bin}/pip_fails" ] || exit 1
    case "$*" in *--editable*)
        here="${{0%/python}}"
        cat "{bin}/cityloom" >"$here/cityloom"; chmod +x "$here/cityloom" ;;
    esac ;;
esac
"""
CITYLOOM = """#!/bin/sh
if [ "$1 $2" = "web build" ]; then
    echo "web build" >>"{log}"
    [ ! -e "{bin}/web_fails" ] || exit 1
    mkdir -p "{checkout}/src/cityloom/console/static"
    : >"{checkout}/src/cityloom/console/static/built"
    exit
fi
printf "<%s>" "$PWD" "$@"
exit 7
"""
APT = """#!/bin/sh
echo "apt-get $@" >>"{log}"
[ "$1" != install ] || : >"{bin}/has_venv"
"""


class Machine(msgspec.Struct, frozen=True):
    """A bare machine: a checkout in a folder with a space, a path of few programs, a list of what Python was asked."""

    checkout: Path
    bin: Path
    log: Path

    def loom(
        self, *arguments: str, cwd: Path | None = None, program: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self.start(*arguments, cwd=cwd, program=program).result()

    def start(self, *arguments: str, cwd: Path | None = None, program: Path | None = None) -> "Run":
        command = [str(program or self.checkout / "loom"), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return Run(subprocess.Popen(command, cwd=cwd or self.bin, env={"PATH": str(self.bin)}, text=True, **pipes))  # type: ignore[call-overload]

    def asked(self, *beginning: str) -> list[str]:
        """What Python (or apt-get) was asked to do, of the lines that begin like this."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith(" ".join(beginning))]


class Run(msgspec.Struct, frozen=True):
    """A `loom` that was started."""

    process: subprocess.Popen[str]

    def result(self) -> subprocess.CompletedProcess[str]:
        out, err = self.process.communicate(timeout=60)
        return subprocess.CompletedProcess(self.process.args, self.process.returncode, out, err)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    checkout, programs, log = tmp_path / "my city", tmp_path / "bin", tmp_path / "log"
    checkout.mkdir()
    programs.mkdir()
    for name in ("loom", "requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, checkout)
    for name in TOOLS:
        found = shutil.which(name)
        assert found, name
        (programs / name).symlink_to(found)
    _program(programs / "python3.12", PYTHON.format(log=log, bin=programs))
    _program(programs / "cityloom", CITYLOOM.format(log=log, bin=programs, checkout=checkout))
    (checkout / "web/src").mkdir(parents=True)
    (checkout / "web/src/main.ts").touch()
    _program(programs / "id", "#!/bin/sh\necho 1000\n")
    (programs / "has_venv").touch()
    return Machine(checkout, programs, log)


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def test_first_use_installs_what_is_pinned_and_hands_over(machine: Machine) -> None:
    done = machine.loom("exchange", "a b", cwd=machine.bin)
    assert (done.returncode, done.stdout) == (7, f"<{machine.bin}><exchange><a b>")
    packages, project = machine.asked("-m pip install")
    locks = f"-r {machine.checkout}/requirements.lock -r {machine.checkout}/requirements-dev.lock"
    assert packages.endswith(f"--require-hashes --only-binary :all: --no-binary demjson3 {locks}")
    assert project.endswith(f"--no-index --no-deps --no-build-isolation --editable {machine.checkout}")
    assert "the first time takes a few minutes" in done.stderr


def test_later_use_asks_python_nothing(machine: Machine) -> None:
    machine.loom()
    machine.log.unlink()
    assert machine.loom("again").stdout == f"<{machine.bin}><again>"
    assert machine.asked() == []


def test_the_console_is_built_once_and_again_when_a_source_is_newer(machine: Machine) -> None:
    machine.loom()
    machine.loom()
    assert machine.asked("web build") == ["web build"]
    stamp = machine.checkout / "src/cityloom/console/static/built"
    later = stamp.stat().st_mtime + 10
    made = machine.checkout / "web/node_modules/vue/index.js"
    made.parent.mkdir(parents=True)
    for path in (made, machine.checkout / "web/openapi.json"):
        path.touch()
        os.utime(path, (later, later))
    machine.loom()
    assert machine.asked("web build") == ["web build"]
    os.utime(machine.checkout / "web/src/main.ts", (later, later))
    machine.loom()
    assert machine.asked("web build") == ["web build"] * 2


def test_without_a_console_the_rest_works(machine: Machine) -> None:
    (machine.bin / "web_fails").touch()
    done = machine.loom("exchange")
    assert (done.returncode, done.stdout) == (7, f"<{machine.bin}><exchange>")
    assert "the console is not built" in done.stderr


def test_it_is_found_through_a_link_from_any_folder(machine: Machine, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "loom"
    link.parent.mkdir()
    link.symlink_to(os.path.relpath(machine.checkout / "loom", link.parent))
    assert machine.loom("x", cwd=Path("/"), program=link).stdout == "</><x>"


@pytest.mark.parametrize(
    ("file", "change", "again"),
    [
        ("requirements.lock", "# one more pin\n", 2),
        ("requirements-dev.lock", "# one more pin\n", 2),
        ("pyproject.toml", "\n[tool.other]\nx = 1\n", 0),
    ],
)
def test_changed_pins_are_installed_into_the_same_environment(
    machine: Machine, file: str, change: str, again: int
) -> None:
    machine.loom()
    machine.log.unlink()
    with (machine.checkout / file).open("a") as opened:
        opened.write(change)
    assert machine.loom().returncode == 7
    assert len(machine.asked("-m pip install")) == again
    assert machine.asked(*VENV) == []


def test_a_moved_checkout_gets_an_environment_anew(machine: Machine, tmp_path: Path) -> None:
    machine.loom()
    machine.log.unlink()
    moved = Machine(machine.checkout.rename(tmp_path / "moved"), machine.bin, machine.log)
    assert moved.loom().returncode == 7
    assert moved.asked(*VENV) == [f"-m venv --clear {tmp_path}/moved/.venv"]


def test_two_at_once_install_once(machine: Machine) -> None:
    runs = [machine.start(str(number)) for number in range(2)]
    assert [run.result().stdout for run in runs] == [f"<{machine.bin}><0>", f"<{machine.bin}><1>"]
    assert len(machine.asked(*VENV)) == 1
    assert len(machine.asked("-m pip install")) == 2


def test_an_installation_that_failed_is_done_again(machine: Machine) -> None:
    (machine.bin / "pip_fails").touch()
    failed = machine.loom()
    assert (failed.returncode, failed.stdout) == (1, "")
    assert not (machine.checkout / ".venv" / "bin" / "cityloom").exists()
    (machine.bin / "pip_fails").unlink()
    assert machine.loom().returncode == 7


def test_an_installation_that_was_killed_is_done_again(machine: Machine) -> None:
    run = machine.start()
    while not machine.asked("-m pip install"):
        time.sleep(0.01)
    run.process.kill()
    run.result()
    assert machine.loom().returncode == 7


def test_without_python_it_says_what_to_install(machine: Machine) -> None:
    (machine.bin / "has_venv").unlink()
    done = machine.loom()
    assert (done.returncode, done.stdout) == (1, "")
    assert "sudo apt-get install python3.12-venv" in done.stderr
    assert not (machine.checkout / ".venv").exists()


def test_root_on_debian_gets_what_is_missing(machine: Machine) -> None:
    (machine.bin / "has_venv").unlink()
    _program(machine.bin / "id", "#!/bin/sh\necho 0\n")
    _program(machine.bin / "apt-get", APT.format(log=machine.log, bin=machine.bin))
    assert machine.loom().returncode == 7
    assert machine.asked("apt-get") == [
        "apt-get update -qq",
        "apt-get install -y -qq --no-install-recommends python3.12-venv",
    ]


def test_an_older_python_is_not_taken(machine: Machine) -> None:
    # the real one answers the question about its version; told that it is older, it must be passed over
    older = f'#!/bin/sh\nset -- "$1" "import sys; sys.version_info = (3, 10, 0)\n$2"\nexec {sys.executable} "$@"\n'
    _program(machine.bin / "python3.12", older)
    done = machine.loom()
    assert done.returncode == 1
    assert "Python 3.11 or later" in done.stderr


def test_it_costs_less_than_a_tenth_of_a_second(machine: Machine) -> None:
    machine.loom()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        machine.loom()
        times.append(time.perf_counter() - started)
    assert min(times) < 0.1
