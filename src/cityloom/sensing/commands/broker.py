"""`cityloom sensing broker` and `push-key`: what a broker that is not ours, and platforms that push, need of the city."""

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from cityloom import client
from cityloom.terminal import HERE, Token, Url, opened, show, talk

CONF = """# Mosquitto for the city's devices; loom sensing broker wrote the files that it names.
listener {port}
allow_anonymous false
password_file {folder}/passwords
acl_file {folder}/access
persistence true
persistence_location {folder}/data/
# Nothing that was acknowledged is dropped: what waits for our workers is bounded by the disk, and watched.
max_queued_messages 0
max_inflight_messages 0
"""


def broker(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where Mosquitto reads its files.")],
    port: Annotated[int, typer.Option(help="For mosquitto.conf, which is written where there is none yet.")] = 1883,
    pid: Annotated[
        Path | None, typer.Option(exists=True, help="Mosquitto's pid file: it reads the files anew.")
    ] = None,
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Write Mosquitto's passwords and access list from the devices that are registered; run it again when they change.

    Lines of your own go into extra.passwords and extra.access of the same folder.
    """
    with opened(url, token) as city:
        found = city.get("/api/sensing/broker-files")
    (folder / "data").mkdir(mode=0o750, parents=True, exist_ok=True)
    _give(folder / "data")
    for name in ("passwords", "access"):
        extra = folder / f"extra.{name}"
        _replace(folder / name, found[name] + (extra.read_text() if extra.exists() else ""))
    conf = folder / "mosquitto.conf"
    if not conf.exists():
        conf.write_text(CONF.format(port=port, folder=folder.absolute()))
    if pid is not None:
        os.kill(int(pid.read_text()), signal.SIGHUP)
    for number in found["skipped"]:
        talk.print(f"left out: {number} (its secret was set by hand, or it has a colon; rotate it)")
    show({"devices": found["devices"], "broker": f"mqtt://{found['user']}:{found['password']}@HOST:{port}"})


def _replace(path: Path, text: str) -> None:
    """Write a file at once, for its owner and Mosquitto alone."""
    draft = path.with_name(f".{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.chmod(0o600)
    _give(draft)
    draft.replace(path)


def _give(path: Path) -> None:
    """To the user as whom Debian runs Mosquitto, where there is one and we may."""
    with suppress(LookupError, PermissionError):
        shutil.chown(path, "mosquitto")


def push_key(
    mapping: Annotated[str, typer.Argument(help="Name of a mapping of the packs, such as onenet.")],
    url: Url = HERE,
    token: Token = "",
) -> None:
    """Show where a platform that signs pushes to, and the key of our organisation for it."""
    with opened(url, token) as city:
        show(client.checked(city.http.post(f"/api/sensing/push-keys/{mapping}")))
