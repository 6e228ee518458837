"""Processes that belong together: none goes on alone when the one that started it has died."""

import ctypes
import os
import shutil
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PARENT = "CITYLOOM_PARENT"
"""The variable in which a process tells its children its number."""


def die_with_parent(by: signal.Signals = signal.SIGTERM) -> None:
    """Have the kernel send a signal here when the process that started this one ends, however it ends.

    prctl(2), Linux only; elsewhere nothing happens. What listens on a port must go at once (SIGKILL): an orphan that
    only ends its last answers takes connections which nobody will ever accept. A parent that told its number in PARENT
    and died before this call is noticed too.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, by, 0, 0, 0)
        if os.environ.get(PARENT, str(os.getppid())) != str(os.getppid()):
            os.kill(os.getpid(), by)


def own_folder(parent: Path) -> Path:
    """A folder named by this process's number, for files that are worth nothing once it has ended."""
    return parent / str(os.getpid())


def drop_folders_of_the_dead(parent: Path) -> int:
    """Remove the folders that `own_folder` gave to processes which are no more; how many."""
    dead = [path for path in parent.glob("*") if path.name.isdecimal() and not _lives(int(path.name))]
    for path in dead:
        shutil.rmtree(path, ignore_errors=True)
    return len(dead)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True
