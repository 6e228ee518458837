"""What was asked, answered, held and used, for those who count. As far as the caller's scope sees; asks no policy."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cityloom.kernel.context import Context
from cityloom.kernel.flow import api as flow
from cityloom.kernel.flow.contracts import Record
from cityloom.sharing.contracts import Answered, Asked, HeldGrant
from cityloom.sharing.store import figures as store
from cityloom.sharing.store.requests import RequestRow

WAITING = "asked"
"""The state in which the keeper's answer is waited for."""
KEEPERS = ("approve", "offer", "refuse")


def answers(ctx: Context, keeper: str, start: datetime, end: datetime) -> list[Answered]:
    """What the keeper had to answer: each answer given from `start` until before `end`, and each that fell due in that time
    and was not given by its end. What was taken back unanswered does not count. Needs the keeper's scope or all."""
    with ctx.begin() as tx:
        rows = store.of_keeper(tx, keeper, start, end)
        histories = flow.histories(tx, [row.flow for row in rows])
    return [each for row in rows for each in _answers(row, histories[row.flow], start, end)]


def _answers(row: RequestRow, records: Sequence[Record], start: datetime, end: datetime) -> Iterator[Answered]:
    due: datetime | None = None
    waiting = False
    for record in records:
        if record.at >= end:
            break
        if record.target == WAITING:
            waiting, due = True, record.due
        elif waiting:
            waiting = False
            if record.move in KEEPERS and record.at >= start:
                law = row.law if record.move == "refuse" else ""
                in_time = due is None or record.at <= due
                yield Answered(row.id, row.organisation, row.dataset, record.move, law, due, record.at, in_time)
    if waiting and due is not None and start <= due < end:
        yield Answered(row.id, row.organisation, row.dataset, "", "", due, None, False)


def asked(ctx: Context, organisation: str, start: datetime, end: datetime) -> list[Asked]:
    """The requests that an organisation made from `start` until before `end`."""
    with ctx.begin() as tx:
        return store.asked(tx, organisation, start, end)


def held(ctx: Context, organisation: str, start: datetime, end: datetime) -> list[HeldGrant]:
    """The grants that an organisation held at some time of the period, with the number of their uses in it."""
    with ctx.begin() as tx:
        return store.held(tx, organisation, start, end)
