"""From where, and with which client certificates, organisations come in: kept by the security administrator."""

from cityloom.identity import store
from cityloom.identity.api.entry import everywhere
from cityloom.identity.contracts import Entrance
from cityloom.identity.rules import entrance as rules
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import NotFound

MOST_ADDRESSES = 200


def find(ctx: Context, organisation: str) -> Entrance:
    """How an organisation comes in. Right `identity.read_entrance`; raises NotFound `identity.organisation_missing`."""
    _require(ctx, "identity.read_entrance", organisation)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        return _shown(tx, organisation)


def set_addresses(ctx: Context, organisation: str, addresses: tuple[str, ...]) -> Entrance:
    """Let it in from these addresses and networks only; none: from anywhere. Right `identity.set_entrance`.

    Raises NotFound `identity.organisation_missing`, Invalid `identity.network_wrong`.
    """
    _require(ctx, "identity.set_entrance", organisation)
    found = tuple(sorted({str(network) for network in rules.networks(addresses)}))
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        store.set_addresses(tx, organisation, found)
        store.guard(tx, organisation)
        ctx.record(tx, "identity.addresses_set", f"organisation:{organisation}", addresses=found)
        return _shown(tx, organisation)


def add_certificate(ctx: Context, organisation: str, pem: str) -> Entrance:
    """Its programs come in with this client certificate, or another of its own, and no more without. Safe to repeat.

    Right `identity.set_entrance`. Raises NotFound `identity.organisation_missing`, Invalid `identity.certificate_not_pem`.
    """
    _require(ctx, "identity.set_entrance", organisation)
    certificate = rules.read_certificate(pem)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        if store.add_certificate(tx, organisation, certificate, ctx.clock.now(), ctx.principal.name):
            store.guard(tx, organisation)
            _record(ctx, tx, "identity.certificate_added", organisation, certificate.fingerprint)
        return _shown(tx, organisation)


def drop_certificate(ctx: Context, organisation: str, fingerprint: str) -> Entrance:
    """It opens nothing any more, from the next request on; when it was the last, no certificate is asked for.

    Right `identity.set_entrance`. Raises NotFound `identity.organisation_missing`, `identity.certificate_missing`.
    """
    _require(ctx, "identity.set_entrance", organisation)
    with everywhere(ctx.parts, ctx.principal.name) as tx:
        if not store.drop_certificate(tx, organisation, fingerprint):
            raise NotFound("identity.certificate_missing", fingerprint=fingerprint)
        store.guard(tx, organisation)
        _record(ctx, tx, "identity.certificate_dropped", organisation, fingerprint)
        return _shown(tx, organisation)


def _require(ctx: Context, right: str, organisation: str) -> None:
    ctx.require(right, Resource("Entrance", organisation, {"organisation": organisation}))
    with ctx.begin() as tx:
        if store.organisation(tx, organisation) is None:
            raise NotFound("identity.organisation_missing", organisation=organisation)


def _shown(tx: Transaction, organisation: str) -> Entrance:
    return Entrance(organisation, store.addresses(tx, organisation), tuple(store.certificates(tx, organisation)))


def _record(ctx: Context, tx: Transaction, action: str, organisation: str, fingerprint: str) -> None:
    ctx.record(tx, action, f"organisation:{organisation}", fingerprint=fingerprint)
