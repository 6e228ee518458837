"""What appraisal does by itself: tell of deadlines of filings and appeals, and show them as they were counted anew."""

import msgspec

from cityloom.appraisal import spec
from cityloom.appraisal.store import filings as store
from cityloom.kernel.context import Context
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.events import FlowNotice, FlowsRecounted
from cityloom.kernel.outbox import Envelope

PAGE = 500
RUNNING = ((spec.FILING, "filed"), (spec.APPEAL, "appealed"))


def hear(ctx: Context, envelope: Envelope) -> None:
    """Keep notices of our flows; show deadlines that the calendar moved."""
    if envelope.topic == FlowsRecounted.topic:
        for kind, state in RUNNING:
            _refresh(ctx, kind, state)
        return
    told = msgspec.json.decode(envelope.body, type=FlowNotice)
    if told.kind in spec.FILES:
        subject, to = f"{spec.FILES[told.kind]}:{told.subject}", told.to or "appraiser"
        with ctx.begin() as tx:
            store.note(tx, told.organisation, told.notice, subject, told.state, to, told.step, told.due, told.at)


def _refresh(ctx: Context, kind: str, state: str) -> None:
    after, full = 0, True
    while full:
        with ctx.begin() as tx:
            lines = flow.listed(tx, kind, state, after, PAGE)
            if lines:
                ids, dues = [line.subject for line in lines], [line.due for line in lines]
                store.due(tx, spec.FILES[kind], ids, dues)
        full = len(lines) == PAGE
        after = lines[-1].flow if lines else after
