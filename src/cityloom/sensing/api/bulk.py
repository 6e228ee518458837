"""CreateObservations: many Observations in one transaction; a row that cannot be taken has `error` in its slot."""

import msgspec

from cityloom.kernel.context import Context
from cityloom.kernel.errors import BadRequest
from cityloom.sensing.api import ingest
from cityloom.sensing.api.serving import Asking
from cityloom.sensing.contracts import Answer, Door
from cityloom.sensing.rules import bulks

ERROR = "error"


def handle(ctx: Context, door: Door, asking: Asking) -> Answer:
    """The links of what was made, in the order of the rows. Right `sensing.observe`.

    Raises BadRequest `sensing.body_wrong`, `sensing.too_many_rows`; the problem of the first row where none can be taken.
    """
    ctx.require("sensing.observe", ingest.resource(ctx.principal.organisation))
    received = ctx.clock.now()
    bulk = bulks.read(asking.body.content, received)
    into = ingest.partition(ctx, received)
    with ctx.begin() as tx:
        taken = ingest.take(ctx, tx, bulk.rows, received, into, bulk.problems)
    prefix = f"{door.root}/Observations("
    if not taken.slots:
        links = [f"{prefix}{id})" for id in range(taken.first, taken.first + len(bulk.rows))]
    else:
        links = [f"{prefix}{taken.first + slot.place})" if slot.problem is None else ERROR for slot in taken.slots]
        if taken.first == 0:
            raise next(
                (slot.problem for slot in taken.slots if slot.problem), BadRequest("sensing.body_wrong", reason="")
            )
    return Answer(201, msgspec.json.encode(links))
