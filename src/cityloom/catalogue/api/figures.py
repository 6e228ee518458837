"""What the catalogue knew at a moment, for those who count: the revision in force then, not what stands there now."""

from datetime import datetime

from cityloom.catalogue.contracts import Resource
from cityloom.catalogue.store import resources
from cityloom.kernel.context import Context


def as_of(ctx: Context, until: datetime, keeper: str = "") -> list[Resource]:
    """The resources in force just before `until`, by id; of one keeper or all. `changed_at` is the last revision's."""
    with ctx.begin() as tx:
        return [row.resource for row in resources.as_of(tx, until, keeper)]
