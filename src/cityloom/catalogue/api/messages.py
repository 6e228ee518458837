"""What organisations are told: deadlines, rulings, and what the catalogue could not do by itself."""

import msgspec

from cityloom.catalogue.contracts import Message
from cityloom.catalogue.store import messages as store
from cityloom.kernel.context import Context


def listing(ctx: Context, after: int, limit: int) -> list[Message]:
    """Messages to the caller's organisation behind a number, in the caller's language."""
    with ctx.begin() as tx:
        rows = store.messages(tx, ctx.principal.organisation, after, limit)
    return [_message(ctx, row) for row in rows]


def _message(ctx: Context, row: store.MessageRow) -> Message:
    params = msgspec.json.decode(row.params, type=dict[str, str | int])
    told = ctx.parts.words.say(row.code, ctx.language, **params)
    return Message(row.id, row.kind, row.subject, row.state, row.addressee, row.due_at, told, row.at)
