"""Who connects by MQTT: a device by its number and secret, an account by its name and a token, or anybody."""

import base64
import re
from urllib.parse import urlsplit

import msgspec

from cityloom.identity import api as identity
from cityloom.identity.contracts import Credentials
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Refused, Unauthorised
from cityloom.sensing import spec
from cityloom.sensing.api import admitting, ingest
from cityloom.sensing.api.entering import ANYBODY
from cityloom.sensing.contracts.devices import Denial, Known, Protocol
from cityloom.sensing.contracts.mqtt import Guest


def enter(ctx: Context, user: str, password: str, address: str) -> Guest | None:
    """The guest with that name and secret; None: it is not let in. `ctx` is the platform's. Raises Unavailable."""
    if not user and not password:
        return Guest(ANYBODY, sends=False, reads=True) if spec.doors(ctx.packs).public else None
    found = admitting.identify(ctx, Protocol.mqtt.value, user, password)
    if isinstance(found, Known):
        principal = Principal(f"device {found.id}", found.keeper, frozenset({"data_officer"}))
        return Guest(principal, found.id, user, reads=True)
    if found is not Denial.unknown:
        return None
    return _account(ctx, user, password, address)


def _account(ctx: Context, user: str, password: str, address: str) -> Guest | None:
    shown = base64.b64encode(f"{user}:{password}".encode()).decode()
    try:
        principal = identity.authenticate(
            ctx.parts, Credentials(method="GET", authorization=f"Basic {shown}", address=address)
        )
    except (Unauthorised, Refused):
        return None
    own = msgspec.structs.replace(ctx, principal=principal)
    of = ingest.resource(principal.organisation)
    sends, reads = own.permits("sensing.observe", of), own.permits("sensing.read", of)
    return Guest(principal, sends=sends, reads=reads) if sends or reads else None


def endpoint(ctx: Context) -> str:
    """Where the MQTT door is, such as `mqtts://city.example:8883`; empty: there is none."""
    settings, gate = ctx.settings, spec.gate(ctx.packs, Protocol.mqtt)
    if gate is None or not settings.gateway_host:
        return ""
    chosen = re.search(r"(?:^|,)\s*mqtt=(\d+)", settings.gateway_ports)
    host = urlsplit(settings.public_url).hostname or settings.gateway_host
    return f"{'mqtts' if settings.gateway_certificate else 'mqtt'}://{host}:{chosen[1] if chosen else gate.port}"
