"""Who read a record through grants: what the audit administrator answers a citizen, or a department, that asks."""

from cityloom.exchange.api import excerpts
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.sharing.api import consumers
from cityloom.sharing.api.parties import everywhere
from cityloom.sharing.contracts import RecordAsked, Use
from cityloom.sharing.store import uses as use_store


def readers(ctx: Context, asked: RecordAsked, limit: int) -> list[Use]:
    """The uses of grants that asked for one record, the newest first. Right `sharing.read_readers`.

    Streams of many records are no uses of one: they stand in the audit log under their grants. The reading is kept, by the
    digest of the key and not by the key. Raises NotFound for a dataset that is not there.
    """
    facts = excerpts.facts(ctx, asked.dataset)
    ctx.require("sharing.read_readers", Resource("SharedDataset", facts.name, {"keeper": facts.keeper, "sharing": ""}))
    digest = consumers.digest(ctx, asked.dataset, asked.key)
    with everywhere(ctx) as tx:
        found = use_store.of_record(tx, asked.dataset, digest, limit)
        ctx.record(tx, "sharing.readers_read", f"dataset:{asked.dataset}", key_digest=digest, uses=len(found))
    return found
