"""What everybody may see: decided by its keeper, Thing by Thing."""

from cityloom.kernel.context import Context
from cityloom.sensing.api import making, serving
from cityloom.sensing.contracts import Clearance, Kind
from cityloom.sensing.store import entities


def clear(ctx: Context, thing: int, wish: Clearance) -> Clearance:
    """Show a Thing, with its Datastreams and Observations, to everybody; or no longer. Right `sensing.clear`.

    Raises NotFound `sensing.entity_unknown`, Refused `sensing.not_keeper`.
    """
    ctx.require("sensing.clear", serving.resource(ctx))
    with ctx.begin() as tx:
        making.own(ctx, tx, Kind.things, thing)
        entities.publish(tx, thing, public=wish.public)
        ctx.record(tx, "sensing.cleared", f"Thing:{thing}", public=wish.public)
    return wish
