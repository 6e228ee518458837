"""A bundle installs where there is no network, refuses what is damaged, and goes back to the version before.

The light tests make bundles of a small checkout by the real builder, pip and installer. The full one takes the folder of
wheels that CITYLOOM_WHEELS names, since no test may download them.
"""

import base64
import ensurepip
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import msgspec
import pytest

from cityloom.devtools import bundle
from cityloom.kernel.errors import Conflict, Unavailable, Unsupported

ROOT = Path(__file__).parents[2]
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCH = bundle.MACHINES[os.uname().machine]
PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "cityloom"
version = "{release}"
dependencies = ["colours"]
[project.scripts]
cityloom = "cityloom:main"
"""
PROGRAM = """\
import sys
from importlib.metadata import version
import colours
def main():
    print(version("cityloom"), *colours.ALL)
    sys.exit({status})
"""


def pip_wheel() -> Path:
    """The pip that came with this Python."""
    folders = [Path(ensurepip.__file__).parent / "_bundled", Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or "/-")]
    found = [path for folder in folders for path in folder.glob("pip-*.whl")]
    if not found:
        pytest.skip("this Python came without a wheel of pip")
    return found[0]


def pin(path: Path) -> str:
    name, version = path.name.split("-")[:2]
    return f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def write_wheel(folder: Path) -> Path:
    """A package `colours` with a licence text."""
    files = {
        "colours/__init__.py": b'ALL = ["red"]\n',
        "colours-1.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: colours\nVersion: 1.0\nLicense-Expression: MIT\n",
        "colours-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "colours-1.0.dist-info/licenses/LICENSE": b"do what you like\n",
    }
    record = "colours-1.0.dist-info/RECORD"
    lines = [f"{name},sha256={_short(content)},{len(content)}" for name, content in files.items()]
    path = folder / "colours-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
        wheel.writestr(record, "\n".join([*lines, f"{record},,"]) + "\n")
    return path


def _short(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


class Small(msgspec.Struct, frozen=True):
    """A small checkout, and a house of the wheels that its locks pin."""

    folder: Path

    @property
    def wheels(self) -> Path:
        return self.folder / "wheels"

    def checkout(self, release: str, status: int = 0) -> Path:
        root = self.folder / f"checkout-{release}"
        (root / "cityloom").mkdir(parents=True)
        (root / "docs").mkdir()
        (root / "docs" / "index.md").write_text("# The guide\n")
        (root / "pyproject.toml").write_text(PROJECT.format(release=release))
        (root / "cityloom" / "__init__.py").write_text(PROGRAM.format(status=status))
        (root / "requirements.lock").write_text(pin(self.wheels / "colours-1.0-py3-none-any.whl"))
        (root / "requirements-dev.lock").write_text(pin(next(self.wheels.glob("pip-*.whl"))))
        return root

    def bundle(self, release: str, status: int = 0) -> Path:
        made = bundle.make(self.checkout(release, status), self.folder / "out", [PYTHON], ARCH, self.wheels)
        return Path(made.path)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    found = Small(tmp_path)
    found.wheels.mkdir()
    write_wheel(found.wheels)
    shutil.copy(pip_wheel(), found.wheels)
    return found


def alone(*words: str | Path, setup: str = "", timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run it without a network, and with nothing in its environment but a path to this Python."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can take the network away (unshare -n)")
    path = f"{Path(sys.executable).resolve().parent}:/usr/sbin:/usr/bin:/sbin:/bin"
    command = ["unshare", "-n", "env", "-i", f"PATH={path}", "LANG=C.UTF-8", "sh", "-c", f'{setup}exec "$@"', "sh"]
    return subprocess.run([*command, *words], capture_output=True, text=True, timeout=timeout, check=False)


def pointed(prefix: Path, link: str) -> str:
    return (prefix / link).readlink().name.rpartition("-")[0]


def test_a_bundle_installs_without_a_network_is_upgraded_and_goes_back(small: Small, tmp_path: Path) -> None:
    prefix = tmp_path / "a prefix"
    done = alone("sh", small.bundle("1.0"), "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    assert "identity bootstrap" in done.stderr
    assert alone(prefix / "bin/cityloom").stdout == "1.0 red\n"
    pages = prefix / "current/share/doc/cityloom"
    assert (pages / "docs/index.md").read_text() == "# The guide\n"
    assert (pages / "licences/colours-1.0/licenses/LICENSE").read_text() == "do what you like\n"
    done = alone("sh", small.bundle("2.0"), "--prefix", prefix)
    assert done.returncode == 0, done.stderr
    assert "upgrade --rehearse" in done.stderr
    assert (pointed(prefix, "current"), pointed(prefix, "previous")) == ("2.0", "1.0")
    assert alone(prefix / "bin/cityloom").stdout == "2.0 red\n"
    again = alone("sh", small.folder / f"out/cityloom-2.0-linux-{ARCH}.run", "--prefix", prefix)
    assert again.returncode == 0
    assert pointed(prefix, "previous") == "1.0"
    assert alone(prefix / "bin/cityloom-rollback").returncode == 0
    assert (pointed(prefix, "current"), pointed(prefix, "previous")) == ("1.0", "2.0")
    assert alone(prefix / "bin/cityloom").stdout == "1.0 red\n"
    assert alone("sh", small.bundle("3.0"), "--prefix", prefix).returncode == 0
    assert sorted(each.name.rpartition("-")[0] for each in (prefix / "versions").iterdir()) == ["1.0", "3.0"]


def test_a_version_that_does_not_run_is_not_switched_to(small: Small, tmp_path: Path) -> None:
    prefix = tmp_path / "prefix"
    assert alone("sh", small.bundle("1.0"), "--prefix", prefix).returncode == 0
    refused = alone("sh", small.bundle("2.0", status=3), "--prefix", prefix)
    assert refused.returncode == 1
    assert "Not installed" in refused.stderr
    assert pointed(prefix, "current") == "1.0"
    assert len(list((prefix / "versions").iterdir())) == 1
    assert not (prefix / "previous").exists()


@pytest.mark.parametrize("harm", ["a changed byte", "cut off", "a file too many"])
def test_a_damaged_bundle_changes_nothing(small: Small, tmp_path: Path, harm: str) -> None:
    path = small.bundle("1.0")
    content = path.read_bytes()
    if harm == "a changed byte":
        path.write_bytes(
            content.replace(b"do what you like", b"do what you love").replace(
                b"colours/__init__", b"colours/__inut__", 1
            )
        )
    elif harm == "cut off":
        path.write_bytes(content[:-1])
    else:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("wheels/evil-1.0-py3-none-any.whl", b"")
        # as whoever puts it in would: the length in the first lines is made to fit
        grown = path.read_bytes()
        path.write_bytes(grown.replace(f"{len(content):012}".encode(), f"{len(grown):012}".encode(), 1))
    refused = alone("sh", path, "--prefix", tmp_path / "prefix")
    assert refused.returncode == 1
    assert "not whole" in refused.stderr or "Not installed" in refused.stderr
    assert not (tmp_path / "prefix").exists()


def test_it_says_which_pythons_it_needs(small: Small, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("sh", "wc"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name) or "")
    command = ["sh", str(small.bundle("1.0")), "--prefix", str(tmp_path / "prefix")]
    done = subprocess.run(command, env={"PATH": str(tmp_path / "bin")}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert PYTHON in done.stderr


def test_a_wheel_that_is_not_the_pinned_one_makes_no_bundle(small: Small) -> None:
    root = small.checkout("1.0")
    with zipfile.ZipFile(small.wheels / "colours-1.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("colours/more.py", b"")
    with pytest.raises(Unavailable, match=r"devtools\.bundle_wheels"):
        bundle.make(root, small.folder / "out", [PYTHON], ARCH, small.wheels)
    assert list((small.folder / "out").iterdir()) == []


def test_what_cannot_be_made_is_refused(small: Small) -> None:
    path = small.bundle("1.0")
    before = path.read_bytes()
    root = small.folder / "checkout-1.0"
    with pytest.raises(Conflict, match=r"devtools\.bundle_exists"):
        bundle.make(root, path.parent, [PYTHON], ARCH, small.wheels)
    for pythons, machine in ((["3.10"], ARCH), ([PYTHON], "mips")):
        with pytest.raises(Unsupported, match=r"devtools\.bundle_platform"):
            bundle.make(root, path.parent / "other", pythons, machine, small.wheels)
    assert path.read_bytes() == before


def test_the_same_wheels_make_the_same_bundle_and_the_checksum_is_its_own(small: Small) -> None:
    path = small.bundle("1.0")
    told = path.with_name(f"{path.name}.sha256").read_text()
    assert told == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
    again = bundle.make(small.folder / "checkout-1.0", small.folder / "again", [PYTHON], ARCH, small.wheels)
    assert Path(again.path).read_bytes() == path.read_bytes()


@pytest.mark.full
def test_the_real_bundle_runs_a_city_without_a_network(tmp_path: Path) -> None:
    house = os.environ.get("CITYLOOM_WHEELS")
    if not house:
        pytest.skip("CITYLOOM_WHEELS names no folder of wheels (pip download, see docs/guides/operate.md)")
    made = bundle.make(ROOT, tmp_path / "out", [PYTHON], ARCH, Path(house))
    done = alone("sh", made.path, "--prefix", tmp_path / "prefix")
    assert done.returncode == 0, done.stderr
    program, home = tmp_path / "prefix/bin/cityloom", tmp_path / "home"
    assert alone(program, "--version").stdout == f"{made.release}\n"
    demo = (program, "demo", "--once", "--people", "10000", "--json", "--home", home)
    ran = alone(*demo, setup="ip link set lo up; ", timeout=1800)
    assert ran.returncode == 0, ran.stderr
    result = msgspec.json.decode(ran.stdout)
    assert (result["unreconciled"], result["audit_verified"]) == (0, True)
