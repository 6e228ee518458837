"""Who a device is: asked by gateways and brokers with each connection, so it costs one point read."""

from datetime import datetime

from cityloom.kernel import secrets
from cityloom.kernel.context import Context
from cityloom.sensing.contracts.devices import Denial, Known, State
from cityloom.sensing.rules import credentials, devices
from cityloom.sensing.store import devices as store


def key(ctx: Context) -> bytes:
    """The city's key for digests of devices' secrets: a file of its own, not in the database."""
    return bytes.fromhex(secrets.load_or_make(ctx.settings.secrets, "devices"))


def identify(ctx: Context, protocol: str, number: str, secret: str) -> Known | Denial:
    """The device of that number and secret, or why it is refused. `ctx` is the platform's.

    Raises Unavailable while the database is away.
    """
    with ctx.begin() as tx:
        found = store.known(tx, protocol, number)
    return judged(ctx, found, protocol, number, secret)


def judged(ctx: Context, found: Known | None, protocol: str, number: str, secret: str) -> Known | Denial:
    """The same for a row that was read already."""
    if found is None:
        return Denial.unknown
    if State(found.state) not in devices.SPEAKS:
        return Denial.closed
    if not credentials.fits(key(ctx), found.digest, protocol, number, secret):
        return Denial.secret
    return found


def changed_since(ctx: Context, moment: datetime) -> list[store.Changed]:
    """Devices that were changed then or later: whoever remembers devices forgets them. Raises Unavailable."""
    with ctx.begin() as tx:
        return store.changed_since(tx, moment)
