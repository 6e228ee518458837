"""The disks that a city writes to, and how much room they have."""

import functools
import shutil
from pathlib import Path

from cityloom.kernel.errors import NoRoom
from cityloom.kernel.postgres import Server
from cityloom.kernel.settings import Settings


def places(settings: Settings) -> list[Path]:
    """Folders of this machine that fill up: home, spool, lake and database, as far as they are here."""
    found = [settings.home, settings.spool]
    found += [] if "://" in settings.lake_files else [Path(settings.lake_files)]
    found += [] if settings.database_url else [_cluster(settings.home)]
    return [place for place in found if place.exists()]


@functools.cache
def _cluster(home: Path) -> Path:
    return Server(home).state


def scarcest(settings: Settings) -> tuple[int, Path]:
    """MiB that are free where least is, and where that is."""
    return min((shutil.disk_usage(place).free >> 20, place) for place in places(settings))


def require(settings: Settings, bytes_coming: int) -> None:
    """Raises NoRoom `kernel.disk_full` unless what comes fits the spool twice, and no disk of the city is nearly full."""
    coming = 2 * (bytes_coming >> 20)
    for place in places(settings):
        free = shutil.disk_usage(place).free >> 20
        needed = settings.min_free_mib + (coming if place == settings.spool else 0)
        if free < needed:
            raise NoRoom("kernel.disk_full", free=free, needed=needed)
