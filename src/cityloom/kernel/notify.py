"""Tells systemd how this process is (sd_notify(3)): a datagram to the socket that it names, and nothing elsewhere."""

import os
import socket
from contextlib import suppress
from typing import Literal

VARIABLE = "NOTIFY_SOCKET"


def notify(state: Literal["READY=1", "STOPPING=1", "WATCHDOG=1"]) -> None:
    """Say it, if somebody listens. A listener that is gone is no fault of ours."""
    address = os.environ.get(VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaker:
        speaker.setblocking(False)
        speaker.sendto(state.encode(), "\0" + address[1:] if address[0] == "@" else address)
