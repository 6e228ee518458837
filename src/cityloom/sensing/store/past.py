"""The observations in the lake that a page can need, brought to where the page is made.

PostgreSQL makes every page: it filters, orders and counts what is hot together with what comes from here. Of each side no more
is needed than skipped and shown entities. Where the lake cannot decide a filter or an order, all candidates come, up to a limit.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Protocol

import msgspec

from cityloom.kernel.db import Transaction
from cityloom.kernel.errors import BadRequest
from cityloom.kernel.lake import Lake
from cityloom.sensing.contracts import Kind
from cityloom.sensing.contracts.queries import Node, Query
from cityloom.sensing.store import history, lake, pushing, tables
from cityloom.sensing.store.history import Border
from cityloom.sensing.store.pushing import Resolve, Values

MOST = 100_000
"""Observations that one request may bring out of the lake."""
FAR = 1_000
"""From so many skipped entities on it pays to count what is hot first."""


class Parents(Protocol):
    """As `reading.Parents`."""

    @property
    def kind(self) -> Kind: ...
    @property
    def ids(self) -> list[int]: ...


class Wanted(msgspec.Struct, frozen=True):
    """Which observations of the lake are meant."""

    where: str
    values: dict[str, object]
    exact: bool
    """Whether they fit the filter, or only may."""
    parent: str = ""
    """The column that tells the parent."""


class Found(msgspec.Struct, frozen=True):
    """Observations of the lake as a JSON array, and how many before them were left out that come before the page anyhow."""

    rows: str
    dropped: int = 0


class Past:
    """What the lake has, for one request in one transaction."""

    def __init__(self, tx: Transaction, lake: Lake) -> None:
        self.tx = tx
        self.lake = lake
        self._border: Border | None = None
        self._some: dict[Node | None, str] = {}

    @property
    def border(self) -> Border:
        if self._border is None:
            self._border = history.border(self.tx)
            if self._border.corrected:  # they must not be written into the lake between reading them and reading it
                history.hold_border(self.tx)
                self._border = history.border(self.tx)
        return self._border

    def wanted(
        self, query: Query, parents: Parents | None, id: int | None, streams: Sequence[int] | None, resolve: Resolve | None
    ) -> Wanted | None:  # fmt: skip
        """Which are meant; None if none can be. `streams`: those of the parents that need the lake, if that is known."""
        until, bound = self.border.until, Values()
        if until is None:
            return None
        parts, parent = [f"received < {lake.moment(until)}"], ""
        if id is not None:
            days = history.days_of(self.tx, id)
            if not days:
                return None
            parts += [f"id = {bound(id)}", f"({' OR '.join(map(_of, days))})"]
        if parents is not None and parents.kind in tables.STREAMS:
            ids = history.cold_ids(self.tx, parents.ids) if streams is None else list(streams)
            since, last = pushing.since(query.filter), history.last_cold(self.tx, ids)
            if not ids or last is None or (since is not None and since > last):
                return None
            parts.append(f"datastream_id IN ({', '.join(map(str, ids))})" if len(ids) < 100 else
                         f"datastream_id IN (SELECT unnest({bound(ids)}::BIGINT[]))")  # fmt: skip
            parent = "datastream_id"
        elif parents is not None:
            pairs = history.cold_pairs(self.tx, parents.ids)
            parts.append(f"(datastream_id, feature_id) IN (SELECT unnest({bound([each[0] for each in pairs])}::BIGINT[]),"
                         f" unnest({bound([each[1] for each in pairs])}::BIGINT[]))")  # fmt: skip
            parent = "feature_id"
        else:
            parts += self._seen(bound)
        if self.border.corrected:
            parts.append(f"id NOT IN (SELECT unnest({bound(history.corrected_ids(self.tx))}::BIGINT[]))")
        told = None if query.filter is None else pushing.condition(query.filter, bound, resolve)
        parts += [told.sql] if told else []
        exact = query.filter is None or (told is not None and told.exact)
        where = " AND ".join(parts)
        return Wanted(where, bound.of(where), exact, parent)

    def _seen(self, bound: Values) -> list[str]:
        """Own ones, and what others cleared."""
        organisation = self.border.organisation
        if organisation == "*":
            return []
        others = history.others(self.tx, organisation)
        own = f"keeper = {bound(organisation)}"
        return [f"({own} OR datastream_id IN (SELECT unnest({bound(others)}::BIGINT[])))" if others else own]

    def source(self, bound: Callable[[object], str], alias: str, given: str = "") -> str:
        """What stands behind FROM: what is hot, corrections, and what is given of the lake."""
        parts = [f"SELECT {lake.NAMES} FROM sensing.observations WHERE received >= {bound(self.border.until)}"]
        if self.border.corrected:
            parts.append(f"SELECT {lake.NAMES} FROM sensing.corrections WHERE NOT removed")
        if given:
            parts.append(history.given(bound(given)))
        return f"({' UNION ALL '.join(parts)}) {alias}"

    def some(self, condition: Node | None) -> str:
        """One for each Datastream and feature of those in the lake that fit a condition, as a JSON array; all that may fit where
        the lake cannot decide it. Raises BadRequest `sensing.history_too_wide`."""
        if condition not in self._some:  # the same condition is compiled for page and count
            wanted = self.wanted(Query(filter=condition), None, None, None, None)
            self._some[condition] = "[]" if wanted is None else self._fitting(wanted)
        return self._some[condition]

    def _fitting(self, wanted: Wanted) -> str:
        if not wanted.exact:
            return self.all(wanted)
        return self._rows(wanted, "QUALIFY row_number() OVER (PARTITION BY datastream_id, feature_id) = 1", MOST)

    def page(self, wanted: Wanted, query: Query, parents: int, hot: Callable[[], int]) -> Found:
        """What a page can need; `hot` counts what fits on the other side. Raises BadRequest `sensing.history_too_wide`."""
        order, need = pushing.order(query.orderby), query.skip + query.size + 1
        if not wanted.exact or order is None or (wanted.parent and parents > 1 and need * parents > MOST):
            return Found(self._rows(wanted, f"LIMIT {MOST + 1}", MOST))
        if wanted.parent and parents > 1:
            return Found(
                self._rows(
                    wanted, f"QUALIFY row_number() OVER (PARTITION BY {wanted.parent} ORDER BY {order}) <= {need}", MOST
                )
            )
        # whatever is hot, so many of the lake come before the page
        dropped = max(0, query.skip - hot()) if query.skip > FAR else 0
        return Found(self._rows(wanted, f"ORDER BY {order} LIMIT {need - dropped} OFFSET {dropped}", need), dropped)

    def all(self, wanted: Wanted) -> str:
        """All of them, as a JSON array. Raises BadRequest `sensing.history_too_wide`."""
        return self._rows(wanted, f"LIMIT {MOST + 1}", MOST)

    def counts(self, wanted: Wanted) -> dict[int, int]:
        """How many there are, by parent (0: of all)."""
        parent = wanted.parent or "0"
        with self.lake.session() as cursor:
            rows = lake.rows(
                cursor, f"SELECT {parent}, count(*) FROM {lake.RAW} WHERE {wanted.where} GROUP BY ALL", wanted.values
            )
        return {int(row[0]): int(row[1]) for row in rows}

    def _rows(self, wanted: Wanted, end: str, most: int) -> str:
        shown = ", ".join(f"'{name}': {lake.as_text(name)}" for name in lake.COLUMNS)
        with self.lake.session() as cursor:
            rows = lake.rows(
                cursor,
                f"SELECT to_json({{{shown}}})::VARCHAR FROM {lake.RAW} WHERE {wanted.where} {end}",
                wanted.values,
            )
        if len(rows) > most:
            raise BadRequest("sensing.history_too_wide", most=most)
        return f"[{','.join(row[0] for row in rows)}]"


def _of(day: date) -> str:
    return f"(received >= DATE '{day}' AND received < DATE '{day + timedelta(days=1)}')"
