"""The program inside a bundle: installs what lies beside it in the zip. Nothing but Python's own library; no network.

`PREFIX/versions/…` holds one environment for each version; `PREFIX/current` and `PREFIX/previous` point to two of them.
"""

import argparse
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

SUMS, MANIFEST, REQUIREMENTS = "SHA256SUMS", "manifest.json", "requirements.txt"
DONE = "bundle.json"
"""Written into an environment when it is whole."""
ROLLBACK = """#!/bin/sh
# Go back to the version before: the two change places. Restart the service afterwards.
set -eu
prefix=$(dirname "$(dirname "$(readlink -f "$0")")")
before=$(readlink "$prefix/previous") || { echo "There is no version before this one." >&2; exit 1; }
now=$(readlink "$prefix/current")
ln -s "$before" "$prefix/current.new"
mv -T "$prefix/current.new" "$prefix/current"
ln -s "$now" "$prefix/previous.new"
mv -T "$prefix/previous.new" "$prefix/previous"
echo "$prefix/current is ${before#versions/} now; ${now#versions/} is kept as previous." >&2
"""
FIRST = """CityLoom {release} is installed. What next:
  {prefix}/bin/cityloom systemd --out /etc/systemd/system     the service, the nightly backup
  {prefix}/bin/cityloom identity bootstrap                    the first accounts
  {prefix}/bin/cityloom serve                                 or try it at once
  {prefix}/current/share/doc/cityloom/docs/guides/operate.md  the guide
"""
AGAIN = """CityLoom {release} is installed; what ran before is kept as {prefix}/previous. What next:
  {prefix}/bin/cityloom upgrade --rehearse                    on a copy of your city; it goes on running
  stop the service, {prefix}/bin/cityloom upgrade --backup FOLDER, and start the service
  {prefix}/bin/cityloom-rollback                              goes back to the version before
"""


class Refused(Exception):
    """Why nothing was installed."""


def main(arguments: list[str]) -> int:
    """Verify, and with --prefix install. Exit code 1: nothing was changed that is in use."""
    parser = argparse.ArgumentParser(description="Install CityLoom from this file, without a network.")
    parser.add_argument("--prefix", type=Path, help="folder to install into, such as /opt/cityloom")
    parser.add_argument("--verify", action="store_true", help="only compare what is in this file with its hashes")
    wanted = parser.parse_args(arguments)
    if not wanted.verify and wanted.prefix is None:
        parser.error("--prefix DIR is needed, or --verify")
    try:
        with zipfile.ZipFile(sys.argv[0]) as archive:
            digest = verify(archive)
            if not wanted.verify:
                install(archive, digest, wanted.prefix.absolute())
    except (Refused, OSError, zipfile.BadZipFile) as problem:
        say(f"Not installed: {problem}")
        return 1
    return 0


def verify(archive: zipfile.ZipFile) -> str:
    """Compare every file of the bundle with its hash; the hash of them all."""
    sums = archive.read(SUMS)
    known = {line[66:]: line[:64] for line in sums.decode().splitlines()}
    there = {entry.filename for entry in archive.infolist()} - {SUMS}
    wrong = sorted(there ^ known.keys())
    for name in sorted(there & known.keys()):
        digest = hashlib.sha256()
        try:
            with archive.open(name) as file:
                while chunk := file.read(1 << 20):
                    digest.update(chunk)
        except zipfile.BadZipFile:
            wrong.append(name)
            continue
        if digest.hexdigest() != known[name]:
            wrong.append(name)
    if wrong:
        raise Refused(f"{len(wrong)} files are not what SHA256SUMS says, such as {wrong[0]}. Fetch the bundle again.")
    say(f"{len(known)} files are what their hashes say")
    return hashlib.sha256(sums).hexdigest()


def install(archive: zipfile.ZipFile, digest: str, prefix: Path) -> None:
    """Make the version's environment unless it is there, and let `current` point to it."""
    facts = json.loads(archive.read(MANIFEST))
    if os.uname().machine != facts["machine"]:
        raise Refused(f"this bundle is for {facts['machine']}, and this machine is {os.uname().machine}")
    versions = prefix / "versions"
    versions.mkdir(parents=True, exist_ok=True)
    with (prefix / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        name = f"{facts['release']}-{digest[:8]}"
        if not (versions / name / DONE).exists():
            make(archive, facts, versions / name)
        first = not (prefix / "current").is_symlink()
        switch(prefix, name)
    say((FIRST if first else AGAIN).format(release=facts["release"], prefix=prefix))


def make(archive: zipfile.ZipFile, facts: dict[str, int], target: Path) -> None:
    """An environment of its own with the bundle's packages, pages and licences in it."""
    packed = sum(entry.file_size for entry in archive.infolist())
    needed, free = int(facts["unpacked_bytes"] * 1.3) + packed, shutil.disk_usage(target.parent).free
    if free < needed:
        raise Refused(f"{needed >> 20} MiB of disk are needed in {target.parent}, {free >> 20} MiB are free")
    shutil.rmtree(target, ignore_errors=True)
    say(f"installing into {target}; about a minute")
    try:
        venv.create(target, with_pip=False, symlinks=True)
        with tempfile.TemporaryDirectory(dir=target) as scratch:
            archive.extractall(scratch, [each.filename for each in archive.infolist()])
            fill(target / "bin" / "python", Path(scratch))
            pages = target / "share" / "doc" / "cityloom"
            pages.parent.mkdir(parents=True)
            shutil.move(Path(scratch) / "docs", pages)
            if (Path(scratch) / "licences").exists():
                shutil.move(Path(scratch) / "licences", pages / "licences")
            shutil.move(Path(scratch) / REQUIREMENTS, pages / REQUIREMENTS)
        (target / DONE).write_bytes(archive.read(MANIFEST))
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def fill(python: Path, unpacked: Path) -> None:
    """Install the wheels, by a pip that is one of them, and see that the command runs."""
    wheels = unpacked / "wheels"
    pip = next(wheels.glob("pip-*.whl")) / "pip"
    command = [str(python), "-I", str(pip), "--isolated", "--disable-pip-version-check", "install", "--quiet"]
    command += ["--no-index", "--no-deps", "--no-cache-dir", "--require-hashes", "--find-links", str(wheels)]
    run([*command, "-r", str(unpacked / REQUIREMENTS)])
    run([str(python.parent / "cityloom"), "--version"])


def run(command: list[str]) -> None:
    """Raises Refused with what the program said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refused(f"{command[-1]} did not end well: {(done.stderr or done.stdout).strip()[-1500:]}")


def switch(prefix: Path, name: str) -> None:
    """Let `current` point to this version, `previous` to the one before; older ones go."""
    current, previous = prefix / "current", prefix / "previous"
    wanted = f"versions/{name}"
    before = str(current.readlink()) if current.is_symlink() else wanted
    if before != wanted:
        point(previous, before)
    point(current, wanted)
    programs = prefix / "bin"
    programs.mkdir(exist_ok=True)
    point(programs / "cityloom", "../current/bin/cityloom")
    draft = programs / "cityloom-rollback.new"
    draft.write_text(ROLLBACK)
    draft.chmod(0o755)
    draft.replace(programs / "cityloom-rollback")
    kept = {each.readlink().name for each in (current, previous) if each.is_symlink()}
    for old in (prefix / "versions").iterdir():
        if old.name not in kept:
            say(f"removing {old.name}")
            shutil.rmtree(old)


def point(link: Path, target: str) -> None:
    """A symlink, exchanged in one step."""
    draft = link.with_name(f"{link.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)


def say(text: str) -> None:
    """Tell the person at the terminal."""
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
