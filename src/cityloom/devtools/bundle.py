"""`cityloom bundle`: one file that installs CityLoom on a machine without a network (docs/decisions/0008).

It is a zip with a few lines of shell before it. Python runs such a file; `unzip -l` shows what is in it.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from email.parser import HeaderParser
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from cityloom.devtools.checkout import checkout, say
from cityloom.kernel import copies
from cityloom.kernel.errors import Conflict, Unavailable, Unsupported

FORMAT: Final = "cityloom.bundle/1"
PYTHONS: Final = ("3.11", "3.12", "3.13")
GLIBC: Final = (2, 28)
"""The oldest C library that every pinned wheel runs on."""
MACHINES: Final = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
SUMS, MANIFEST, REQUIREMENTS, MAIN = "SHA256SUMS", "manifest.json", "requirements.txt", "__main__.py"
PAGES: Final = ("README.md", "README.zh-CN.md", "CHANGELOG.md", "SECURITY.md", "LICENSE", "publiccode.yml")
LICENCE: Final = re.compile(r"[^/]+\.dist-info/(licenses/.+|(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)", re.IGNORECASE)
WIDTH: Final = 12
"""Digits of the file's length, which its first lines hold."""
BEGINNING: Final = (1980, 1, 1, 0, 0, 0)
"""The oldest moment a zip can tell; the same wheels make the same bundle, byte for byte."""


class Package(msgspec.Struct, frozen=True):
    """A package of the bundle, and what its wheel says of its licence."""

    name: str
    version: str
    licence: str
    wheels: tuple[str, ...]
    licence_files: tuple[str, ...]


class Manifest(msgspec.Struct, frozen=True):
    """What a bundle is. The hash of every file, this one's too, stands in SHA256SUMS."""

    format: str
    release: str
    machine: str
    glibc: str
    pythons: tuple[str, ...]
    unpacked_bytes: int
    """What an installation takes on disk, about."""
    packages: tuple[Package, ...]


class Made(msgspec.Struct, frozen=True):
    """A bundle that was written."""

    path: str
    release: str
    machine: str
    pythons: tuple[str, ...]
    packages: int
    bytes: int
    sha256: str


def bundle(
    folder: Annotated[Path, typer.Argument(help="Folder for the bundle and its checksum.", file_okay=False)],
    pythons: Annotated[
        list[str] | None, typer.Option("--python", help="Python it shall install on, such as 3.11; may be repeated.")
    ] = None,
    machine: Annotated[str, typer.Option(help="Processor: x86_64 or aarch64.")] = platform.machine(),
    wheels: Annotated[
        Path | None, typer.Option(help="Take the pinned wheels from this folder; nothing is downloaded.", exists=True)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make one file that installs this CityLoom on a machine without a network."""
    made = make(checkout("bundle"), folder, tuple(pythons or PYTHONS), machine, wheels)
    if as_json:
        sys.stdout.write(msgspec.json.encode(made).decode() + "\n")
        return
    say(f"{made.path}: {made.bytes >> 20} MiB, {made.packages} packages, for Python {', '.join(made.pythons)}")
    say(f"SHA-256, also in {made.path}.sha256, which is there to be signed: {made.sha256}")


def make(root: Path, folder: Path, pythons: Sequence[str], machine: str, wheels: Path | None = None) -> Made:
    """Build the checkout's wheel, gather the pinned ones, and write the bundle into `folder`.

    Raises Unsupported `devtools.bundle_platform`, Unavailable `devtools.bundle_wheels`, Conflict `devtools.bundle_exists`.
    """
    arch = MACHINES.get(machine.lower())
    if arch is None or set(pythons) - set(PYTHONS):
        raise Unsupported("devtools.bundle_platform", machines="x86_64, aarch64", pythons=", ".join(PYTHONS))
    release = str(tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"])
    target = folder / f"cityloom-{release}-linux-{arch}.run"
    if target.exists():
        raise Conflict("devtools.bundle_exists", path=str(target))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        house = Path(scratch) / "wheels"
        house.mkdir()
        own = _build(root, house)
        for version in pythons:
            _gather(root, house, version, arch, wheels)
        manifest = _describe(house, release, arch, pythons)
        archive = Path(scratch) / "bundle.zip"
        _pack(archive, root, house, own, manifest)
        _finish(target, archive, manifest)
    digest = copies.hashed(folder, target.name)
    (folder / f"{target.name}.sha256").write_text(f"{digest.sha256}  {target.name}\n")
    return Made(str(target), release, arch, tuple(pythons), len(manifest.packages), digest.bytes, digest.sha256)


def _build(root: Path, house: Path) -> Path:
    """The wheel of the checkout: code, packs, words, migrations."""
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(house)], root)
    return next(house.glob("cityloom-*.whl"))


def _gather(root: Path, house: Path, python: str, arch: str, wheels: Path | None) -> None:
    """The wheels that the lock pins for one Python, compared with the lock's hashes."""
    pins = _pins((root / "requirements.lock").read_text(), python, arch)
    pins += [
        pin for pin in _pins((root / "requirements-dev.lock").read_text(), python, arch) if pin.startswith("pip==")
    ]
    wanted = house / f"{python}.txt"
    wanted.write_text("\n".join(pins))
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--dest", str(house), "-r", str(wanted)]
    command += ["--implementation", "cp", "--python-version", python]
    command += [word for tag in _tags(arch) for word in ("--platform", tag)]
    command += [] if wheels is None else ["--no-index", "--find-links", str(wheels)]
    try:
        _run(command, root)
    finally:
        wanted.unlink()


def _pins(lock: str, python: str, arch: str) -> list[str]:
    """The entries of a lock that count for one Python on Linux."""
    facts = {
        "python_version": python, "python_full_version": f"{python}.0", "sys_platform": "linux", "os_name": "posix",
        "platform_system": "Linux", "platform_machine": arch, "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }  # fmt: skip
    found = []
    for entry in re.findall(r"^[a-z0-9].*(?:\n[ ]+--hash.*)*", lock, re.MULTILINE):
        marker = Requirement(entry.partition("\\")[0].strip()).marker
        if marker is None or marker.evaluate(facts):
            found.append(entry)
    return found


def _tags(arch: str) -> Iterator[str]:
    """Platform tags of wheels that run with the C library GLIBC or a later one (PEP 600)."""
    yield from (f"manylinux_{GLIBC[0]}_{minor}_{arch}" for minor in range(GLIBC[1], 4, -1))
    yield from (f"manylinux{name}_{arch}" for name in ("2014", "2010", "1"))
    yield f"linux_{arch}"


def _describe(house: Path, release: str, arch: str, pythons: Sequence[str]) -> Manifest:
    found: dict[tuple[str, str], Package] = {}
    unpacked: dict[tuple[str, str], int] = {}
    for path in sorted(house.glob("*.whl")):
        name, version, _, _ = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as wheel:
            size = sum(member.file_size for member in wheel.infolist())
            licence, texts = _licence(wheel)
        key = (str(name), str(version))
        unpacked[key] = max(size, unpacked.get(key, 0))  # an installation has one wheel of each
        before = found[key].wheels if key in found else ()
        found[key] = Package(*key, licence, (*before, path.name), texts)
    packages = tuple(found[key] for key in sorted(found))
    glibc = f"{GLIBC[0]}.{GLIBC[1]}"
    return Manifest(FORMAT, release, arch, glibc, tuple(pythons), sum(unpacked.values()), packages)


def _licence(wheel: zipfile.ZipFile) -> tuple[str, tuple[str, ...]]:
    names = wheel.namelist()
    metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
    said = HeaderParser().parsestr(wheel.read(metadata).decode())
    classifiers = [each.rpartition("::")[2].strip() for each in said.get_all("Classifier", []) if "License ::" in each]
    short = str(said["License-Expression"] or "") or "; ".join(classifiers) or str(said["License"] or "").split("\n")[0]
    return short or "see its files", tuple(sorted(name for name in names if LICENCE.fullmatch(name)))


class _Archive:
    """A zip that notes the hash of all that is put into it."""

    def __init__(self, into: zipfile.ZipFile) -> None:
        self.into = into
        self.sums: dict[str, str] = {}

    def put(self, name: str, content: bytes, kind: int = zipfile.ZIP_DEFLATED) -> None:
        self.sums[name] = hashlib.sha256(content).hexdigest()
        self._write(name, content, kind)

    def close(self) -> None:
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.sums.items()))
        self._write(SUMS, lines.encode(), zipfile.ZIP_DEFLATED)

    def _write(self, name: str, content: bytes, kind: int) -> None:
        entry = zipfile.ZipInfo(name, BEGINNING)
        entry.external_attr = 0o644 << 16
        self.into.writestr(entry, content, kind)


def _pack(path: Path, root: Path, house: Path, own: Path, manifest: Manifest) -> None:
    """Everything into one zip; wheels are packed already."""
    with zipfile.ZipFile(path, "w") as into:
        archive = _Archive(into)
        archive.put(MAIN, (Path(__file__).parent / "install.py").read_bytes())
        archive.put(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        lock = (root / "requirements.lock").read_text()
        digest = copies.hashed(house, own.name).sha256
        archive.put(REQUIREMENTS, f"{lock}\ncityloom=={manifest.release} --hash=sha256:{digest}\n".encode())
        for page in [*(root / name for name in PAGES), *sorted((root / "docs").rglob("*"))]:
            if page.is_file():
                archive.put(f"docs/{page.relative_to(root)}", page.read_bytes())
        for package in manifest.packages:
            _put_licences(archive, house, package)
        for wheel in sorted(house.glob("*.whl")):
            archive.put(f"wheels/{wheel.name}", wheel.read_bytes(), zipfile.ZIP_STORED)
        archive.close()


def _put_licences(archive: _Archive, house: Path, package: Package) -> None:
    with zipfile.ZipFile(house / package.wheels[0]) as wheel:
        for name in package.licence_files:
            archive.put(f"licences/{package.name}-{package.version}/{name.partition('/')[2]}", wheel.read(name))


def _finish(target: Path, archive: Path, manifest: Manifest) -> None:
    """The shell's lines and the zip in one file, under its name only when it is whole."""
    header = (Path(__file__).parent / "install.sh").read_text()
    header = header.replace("@release@", manifest.release).replace("@pythons@", " ".join(manifest.pythons))
    size = len(header.encode()) - len("@bytes@") + WIDTH + archive.stat().st_size
    draft = archive.with_suffix(".run")
    with draft.open("wb") as file, archive.open("rb") as body:
        file.write(header.replace("@bytes@", f"{size:0{WIDTH}}").encode())
        shutil.copyfileobj(body, file)
        os.fchmod(file.fileno(), 0o755)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(target)


def _run(command: list[str], folder: Path) -> None:
    """Raises Unavailable `devtools.bundle_wheels` with what the tool said."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable("devtools.bundle_wheels", reason=(done.stderr or done.stdout).strip()[-800:])
