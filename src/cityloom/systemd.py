"""`cityloom systemd`: the service of a city and its nightly backup, as units of systemd for this installation."""

import pwd
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from cityloom.kernel.errors import Conflict, Invalid
from cityloom.kernel.postgres import LONGEST_SOCKET
from cityloom.kernel.settings import load
from cityloom.supervise import LONGEST_STOP

talk = Console(stderr=True)

HARDENING: Final = """\
UMask=0077
LimitNOFILE=65536
NoNewPrivileges=true
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=true
ReadWritePaths={writable}
PrivateTmp=true
PrivateDevices=true
PrivateIPC=true
ProtectClock=true
ProtectHostname=true
ProtectKernelLogs=true
ProtectKernelModules=true
ProtectKernelTunables=true
ProtectControlGroups=true
ProtectProc=invisible
RemoveIPC=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=true
RestrictRealtime=true
RestrictSUIDSGID=true
LockPersonality=true
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
SERVICE: Final = """\
[Unit]
Description=CityLoom, the platform of a city
Documentation=file://{guide}
After=network-online.target time-sync.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
User={user}
Environment=CITYLOOM_HOME={home}
EnvironmentFile=-{environment}
ExecStart={program} serve
Restart=always
RestartSec=2
# a database that recovers takes as long as it takes
TimeoutStartSec=infinity
WatchdogSec=60
KillMode=mixed
TimeoutStopSec={stop}
{hardening}
[Install]
WantedBy=multi-user.target
"""
BACKUP: Final = """\
[Unit]
Description=A backup of CityLoom
After=cityloom.service

[Service]
Type=oneshot
User={user}
Environment=CITYLOOM_HOME={home}
EnvironmentFile=-{environment}
ExecStart=/bin/sh -c 'exec {program} backup "$$0/$$(date -u +%%Y-%%m-%%dT%%H%%M%%SZ)"' {backups}
{hardening}"""
TIMER: Final = """\
[Unit]
Description=Nightly backup of CityLoom

[Timer]
OnCalendar=*-*-* 01:30:00
RandomizedDelaySec=15min
Persistent=true

[Install]
WantedBy=timers.target
"""

Home = Annotated[Path | None, typer.Option(help="Folder of this city.")]


def systemd(
    out: Annotated[Path, typer.Option(help="Folder for the units, such as /etc/systemd/system.")],
    home: Home = None,
    user: Annotated[str, typer.Option(help="The user that the city runs as; not root.")] = "cityloom",
    environment: Annotated[Path, typer.Option(help="File with the settings.")] = Path("/etc/cityloom/environment"),
    backups: Annotated[Path, typer.Option(help="Folder for the nightly backups.")] = Path("/var/backups/cityloom"),
) -> None:
    """Write cityloom.service, cityloom-backup.service and cityloom-backup.timer, and say what is left to do."""
    place = load(home=home).home
    out.mkdir(parents=True, exist_ok=True)
    for name, text in units(program(), place, user, environment, backups).items():
        if (out / name).exists() and (out / name).read_text() != text:
            raise Conflict("systemd.unit_exists", path=str(out / name))
        (out / name).write_text(text)
        talk.print(f"wrote {out / name}", highlight=False)
    for line in _left(place, user, environment, backups):
        talk.print(line, highlight=False)


def program() -> Path:
    """The command of this installation; of one with several versions, the command that follows `current`."""
    here = Path(sys.prefix)
    if here.parent.name == "versions" and (here.parent.parent / "bin" / "cityloom").exists():
        return here.parent.parent / "bin" / "cityloom"
    return here / "bin" / "cityloom"


def units(program: Path, home: Path, user: str, environment: Path, backups: Path) -> dict[str, str]:
    """The texts of the units by file name.

    Raises Invalid `systemd.user_root`, `systemd.home_too_long`, and `systemd.path_wrong` for what a unit cannot hold.
    """
    if user in ("root", "0"):
        raise Invalid("systemd.user_root")
    if len(str(home / "postgres" / "run")) > LONGEST_SOCKET:
        raise Invalid("systemd.home_too_long", home=str(home))
    for path in (program, home, environment, backups):
        if not path.is_absolute() or set(str(path)) & set(" \t\n\"'\\%$;"):
            raise Invalid("systemd.path_wrong", path=str(path))
    facts = {
        "program": program, "home": home, "user": user, "environment": environment, "backups": backups,
        "stop": LONGEST_STOP, "guide": program.parent.parent / "current/share/doc/cityloom/docs/guides/operate.md",
    }  # fmt: skip
    return {
        "cityloom.service": SERVICE.format(**facts, hardening=HARDENING.format(writable=home)),
        "cityloom-backup.service": BACKUP.format(**facts, hardening=HARDENING.format(writable=f"{home} {backups}")),
        "cityloom-backup.timer": TIMER,
    }


def _left(home: Path, user: str, environment: Path, backups: Path) -> list[str]:
    lines = []
    try:
        pwd.getpwnam(user)
    except KeyError:
        lines.append(f"useradd --system --home-dir {home.parent} {user}")
    lines += [f"install -d -o {user} -m 0700 {folder}" for folder in (home, backups) if not folder.exists()]
    lines += [] if environment.exists() else [f"write the settings into {environment} (mode 0600)"]
    return [
        "what is left to do:",
        *lines,
        "systemctl daemon-reload",
        "systemctl enable --now cityloom cityloom-backup.timer",
    ]
