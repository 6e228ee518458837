"""Frames and quarantine, to look at."""

from cityloom.kernel.context import Context
from cityloom.sensing.api import devices
from cityloom.sensing.contracts.devices import FramePage, StrayPage
from cityloom.sensing.store import hearing as store


def frames(ctx: Context, device: int, most: int) -> FramePage:
    """The newest frames of a device. Right `sensing.read`. Raises NotFound `sensing.device_missing`."""
    devices.allow(ctx, "sensing.read")
    with ctx.begin() as tx:
        devices.the(tx, device)
        return FramePage(tuple(store.frames(tx, device, most)))


def strays(ctx: Context, device: int, reason: str, before: int, most: int) -> StrayPage:
    """What could not be read, of the caller's devices and ports. Right `sensing.read`."""
    devices.allow(ctx, "sensing.read")
    with ctx.begin() as tx:
        found = store.strays(tx, before, device, reason, most + 1)
    return StrayPage(tuple(found[:most]), found[most - 1].id if len(found) > most else 0)
