"""Pulls new files from an SFTP folder, one a time, from the one server whose key is known."""

import asyncio
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

import asyncssh
import msgspec

from cityloom.exchange.connectors.sources import Bounds, Fetched, Secrets, Sftp
from cityloom.exchange.connectors.spool import Spool, format_of, spooled
from cityloom.kernel.clock import Clock
from cityloom.kernel.errors import Invalid, NotFound, Refused, Unavailable

PIECE = 1 << 18
UNFINISHED = (".part", ".filepart", ".tmp", "~")


class Version(msgspec.Struct, frozen=True, array_like=True):
    """Which state of a file is meant."""

    size: int
    modified: int
    """Seconds since 1970."""


class State(msgspec.Struct, frozen=True):
    """The files that were fetched, as long as they lie in the folder."""

    seen: Mapping[str, Version] = {}


def fetch(
    source: Sftp, state: bytes | None, into: Path, secrets: Secrets, bounds: Bounds, clock: Clock
) -> Fetched | None:
    """The oldest file that was not fetched before; None if there is none. Call again with its state for the next.

    Raises Refused `exchange.pull_host_key`, `exchange.pull_login`, NotFound `exchange.pull_folder_missing`, Invalid
    `exchange.pull_key_wrong`, Unavailable `exchange.pull_unreachable`, and what `spooled`, `format_of` and `Spool.check`
    raise.
    """
    seen = msgspec.json.decode(state, type=State).seen if state else {}
    newest = int(clock.now().timestamp()) - source.settle_seconds
    try:
        with spooled(into, bounds) as spool:
            return asyncio.run(_fetch(source, seen, newest, spool, secrets, bounds))
    except asyncssh.HostKeyNotVerifiable as error:
        raise Refused("exchange.pull_host_key", host=source.host) from error
    except asyncssh.PermissionDenied as error:
        raise Refused("exchange.pull_login", host=source.host, user=source.user) from error
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied) as error:
        raise NotFound("exchange.pull_folder_missing", host=source.host, folder=source.folder) from error
    except (asyncssh.Error, OSError, TimeoutError) as error:
        raise Unavailable("exchange.pull_unreachable", host=source.host, reason=type(error).__name__) from error


async def _fetch(
    source: Sftp, seen: Mapping[str, Version], newest: int, spool: Spool, secrets: Secrets, bounds: Bounds
) -> Fetched | None:
    options = _options(source, secrets)
    async with asyncio.timeout(bounds.seconds), asyncssh.connect(source.host, source.port, options=options) as server:
        client = await server.start_sftp_client()
        present = await _listed(client, source)
        fresh = [(version.modified, name) for name, version in present.items() if seen.get(name) != version]
        ready = [(modified, name) for modified, name in fresh if modified <= newest]
        if not ready:
            return None
        name = min(ready)[1]
        format = format_of(name, source.format)
        if not await _copied(client, f"{source.folder.rstrip('/')}/{name}", present[name], spool):
            return None
    kept = {other: version for other, version in seen.items() if other in present}
    state = msgspec.json.encode(State(kept | {name: present[name]}))
    return Fetched(spool.path, format, None, state, name)


def _options(source: Sftp, secrets: Secrets) -> asyncssh.SSHClientConnectionOptions:
    try:
        known = asyncssh.import_public_key(source.host_key)
        keys = [asyncssh.import_private_key(secrets(source.private_key))] if source.private_key else None
    except asyncssh.KeyImportError as error:
        raise Invalid("exchange.pull_key_wrong", host=source.host) from error
    return asyncssh.SSHClientConnectionOptions(
        username=source.user, known_hosts=([known], [], []), client_keys=keys,
        password=secrets(source.password) if source.password else None, config=None, agent_path=None,
        preferred_auth="publickey" if keys else "password,keyboard-interactive", connect_timeout=30, login_timeout=30,
        keepalive_interval=15,
    )  # fmt: skip


async def _listed(client: asyncssh.SFTPClient, source: Sftp) -> dict[str, Version]:
    found: dict[str, Version] = {}
    async for entry in client.scandir(source.folder):
        name, facts = str(entry.filename), entry.attrs
        wanted = fnmatchcase(name, source.pattern) and not name.startswith(".") and not name.endswith(UNFINISHED)
        if wanted and "/" not in name and facts.type == asyncssh.FILEXFER_TYPE_REGULAR:
            found[name] = Version(facts.size or 0, int(facts.mtime or 0))
    return found


async def _copied(client: asyncssh.SFTPClient, path: str, version: Version, spool: Spool) -> bool:
    """Whether the file came whole; not if it is being written anew meanwhile."""
    with spool.path.open("wb") as file:
        async with client.open(path, "rb") as remote:
            data: bytes | str
            while data := await remote.read(PIECE):
                spool.write(file, bytes(memoryview(data)))  # type: ignore[arg-type] # bytes, opened as rb
        after = await client.stat(path)
        whole = Version(file.tell(), int(after.mtime or 0)) == version
    if not whole:
        spool.path.unlink()
    return whole
