"""The units are what systemd takes, hardened, and the city tells it when it is ready, alive and stopping."""

import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cityloom import supervise, systemd
from cityloom.kernel.errors import Invalid
from faults.running import RunningCity

PROGRAM = Path(sys.executable).parent / "cityloom"
HOME, ENVIRONMENT, BACKUPS = (
    Path("/var/lib/cityloom/home"),
    Path("/etc/cityloom/environment"),
    Path("/var/backups/city"),
)
EXPOSED = 2.0
"""Of 10; systemd calls up to 4 "OK" and up to 2 "safe"."""


def written(folder: Path, user: str = "daemon") -> dict[str, Path]:
    texts = systemd.units(PROGRAM, HOME, user, ENVIRONMENT, BACKUPS)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return {name: folder / name for name in texts}


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze here")
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    files = written(tmp_path)
    verified = analyze("verify", "--man=no", *files.values())
    assert verified.returncode == 0, verified.stderr
    ours = [line for line in verified.stderr.splitlines() if "cityloom" in line]
    assert ours == []


@pytest.mark.parametrize("name", ["cityloom.service", "cityloom-backup.service"])
def test_the_services_are_little_exposed(tmp_path: Path, name: str) -> None:
    told = analyze("security", "--offline=true", "--no-pager", written(tmp_path)[name])
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert found, told.stdout + told.stderr
    assert float(found.group(1)) <= EXPOSED, told.stdout


def test_what_a_unit_cannot_hold_is_refused() -> None:
    for user, home, code in (
        ("root", HOME, r"systemd\.user_root"),
        ("city", Path("/" + "x" * 90), r"systemd\.home_too_long"),
        ("city", Path("/srv/my city"), r"systemd\.path_wrong"),
        ("city", Path("srv/city"), r"systemd\.path_wrong"),
    ):
        with pytest.raises(Invalid, match=code):
            systemd.units(PROGRAM, home, user, ENVIRONMENT, BACKUPS)


def test_the_command_writes_them_and_keeps_what_is_there(tmp_path: Path) -> None:
    command = [str(sys.executable), "-m", "cityloom", "systemd", "--out", str(tmp_path), "--home", "/var/lib/x"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    unit = tmp_path / "cityloom.service"
    text = unit.read_text()
    assert "Environment=CITYLOOM_HOME=/var/lib/x\n" in text
    assert f"TimeoutStopSec={supervise.LONGEST_STOP}\n" in text
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    unit.write_text("mine")
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "systemctl edit" in again.stderr.replace("\n", " ")
    assert unit.read_text() == "mine"


def test_the_city_tells_that_it_is_ready_alive_and_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(120)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        city = RunningCity(tmp_path)
        city.start()
        try:
            assert listener.recv(100) == b"READY=1", city.tail()
            assert city.wait(5) < 5
            started = time.monotonic()
            assert listener.recv(100) == b"WATCHDOG=1"
            assert time.monotonic() - started < 60  # WatchdogSec
            city.stop()
            assert listener.recv(100) == b"STOPPING=1"
        finally:
            city.remove()
