"""A broker that is not ours (Mosquitto) knows the city's devices by files: made here from what is registered."""

from cityloom.kernel.context import Context
from cityloom.kernel.errors import NotFound
from cityloom.kernel.jobs import platform_context
from cityloom.sensing import spec
from cityloom.sensing.api import admitting, ingest
from cityloom.sensing.contracts.devices import Protocol
from cityloom.sensing.contracts.mqtt import BrokerFiles
from cityloom.sensing.rules import credentials, mosquitto
from cityloom.sensing.rules.mosquitto import User
from cityloom.sensing.store import publishing

WORKER = "cityloom"


def files(ctx: Context) -> BrokerFiles:
    """Of all devices that speak MQTT, whoever keeps them. Right `sensing.issue`, of whoever looks after the MQTT port.

    Raises NotFound `sensing.port_missing`, Refused.
    """
    gate = spec.gate(ctx.packs, Protocol.mqtt)
    if gate is None:
        raise NotFound("sensing.port_missing", protocol=Protocol.mqtt.value)
    ctx.require("sensing.issue", ingest.resource(gate.keeper))
    key = admitting.key(ctx)
    users, skipped = [], []
    with platform_context(ctx.parts, "broker").begin() as tx:
        found = publishing.secrets(tx)
    for each in found:
        password = credentials.password(key, each.device, each.number, each.turns)
        if ":" in each.number or not credentials.fits(key, each.digest, Protocol.mqtt, each.number, password):
            skipped.append(each.number)
            continue
        streams = tuple(
            f"{'MultiDatastreams' if multi else 'Datastreams'}({id})"
            for multi, id in zip(each.multi, each.streams, strict=True)
        )
        users.append(User(each.number, password, streams))
    ours = credentials.password(key, 0, WORKER, 0)
    with ctx.begin() as tx:
        ctx.record(tx, "sensing.broker_files_made", "Broker:mqtt", devices=len(users))
    return BrokerFiles(
        mosquitto.passwords(key, [User(WORKER, ours, ()), *users]), mosquitto.access(users, WORKER), len(users),
        tuple(skipped), WORKER, ours,
    )  # fmt: skip
