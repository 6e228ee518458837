"""What organisations are told: deadlines, rulings, and what the catalogue could not do by itself."""

import msgspec

from cityloom.catalogue import spec
from cityloom.catalogue.contracts import Message
from cityloom.catalogue.store import disputes, drafts
from cityloom.catalogue.store import messages as store
from cityloom.catalogue.store.messages import NewMessage
from cityloom.kernel.access import Resource as Thing
from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.events import FlowNotice, FlowsRecounted
from cityloom.kernel.outbox import Envelope

PAGE = 500
RUNNING = ((spec.DRAFT, "submitted"), (spec.DISPUTE, "stated"), (spec.DISPUTE, "answered"))


def listing(ctx: Context, after: int, limit: int) -> list[Message]:
    """Messages to the caller's organisation behind a number, in the caller's language; those that the policies let it see."""
    with ctx.begin() as tx:
        rows = store.messages(tx, ctx.principal.organisation, after, limit)
    return [_message(ctx, row) for row in rows if ctx.permits(*_seen(row, ctx.principal.organisation))]


def _seen(row: store.MessageRow, told: str) -> tuple[str, Thing]:
    """The right that a message needs, and on what: whoever is told of a dispute, or of what becomes of a resource, is a
    party to it."""
    if row.subject.startswith("dispute:"):
        return "catalogue.read_dispute", Thing(
            "SourceDispute", row.resource, {"organisation": told, "holder": "", "reviewer": ""}
        )
    return "catalogue.read_draft", Thing("CatalogueDraft", row.resource, {"keeper": told, "reviewer": ""})


def _message(ctx: Context, row: store.MessageRow) -> Message:
    params = msgspec.json.decode(row.params, type=dict[str, str | int])
    told = ctx.parts.words.say(row.code, ctx.language, **params)
    return Message(row.id, row.kind, row.subject, row.state, row.addressee, row.due_at, told, row.at)


def hear(ctx: Context, envelope: Envelope) -> None:
    """Tell those concerned of our flows' deadlines; show deadlines as they were counted anew."""
    if envelope.topic == FlowsRecounted.topic:
        for kind, state in RUNNING:
            _recounted(ctx, kind, state)
        return
    told = msgspec.json.decode(envelope.body, type=FlowNotice)
    if told.kind not in spec.FLOWS:
        return
    subject = f"{spec.FLOWS[told.kind]}:{told.subject}"
    params: dict[str, str | int] = {"subject": told.subject, "due": told.due.isoformat(timespec="minutes")}
    with ctx.begin() as tx:
        for each in _concerned(tx, told):
            new = NewMessage(
                each, told.notice, subject, f"catalogue.deadline_{told.notice}", params, told.at, told.state, told.to,
                told.step, told.due,
            )  # fmt: skip
            store.tell(tx, new)


def _concerned(tx: Transaction, told: FlowNotice) -> list[str]:
    found: set[str] = set()
    if told.kind == spec.DRAFT and (draft := drafts.find(tx, told.subject)):
        found = {draft.organisation, draft.reviewer}
    if told.kind == spec.DISPUTE and (dispute := disputes.find(tx, told.subject)):
        found = {dispute.organisation, dispute.holder, dispute.reviewer}
    return sorted(found - {""})


def _recounted(ctx: Context, kind: str, state: str) -> None:
    after, full = 0, True
    put = drafts.due if kind == spec.DRAFT else disputes.due
    while full:
        with ctx.begin() as tx:
            lines = flow.listed(tx, kind, state, after, PAGE)
            put(tx, [line.subject for line in lines], [line.due for line in lines])
        full = len(lines) == PAGE
        after = lines[-1].flow if lines else after
