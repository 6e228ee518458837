"""Scheduled pulls: fetch what is new from a source and deliver it, like any other delivery, once."""

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec

from cityloom.exchange.api import deliveries, gate, spool
from cityloom.exchange.connectors import fetch as connectors
from cityloom.exchange.connectors.schedule import Pull
from cityloom.exchange.connectors.sources import Bounds, Fetched, Format
from cityloom.exchange.contracts import Declaration, PullState, Receipt, State
from cityloom.exchange.store import pulls as store
from cityloom.kernel import log
from cityloom.kernel.access import Resource
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Invalid, NotFound, Problem

PIECE = 1 << 20
LONGEST_PAUSE = timedelta(hours=6)
MEDIA: dict[Format, str] = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

logger = log.logger("pulls")


def install(ctx: Context) -> None:
    """Make the packs' pulls known. Raises Invalid `exchange.pull_wrong` for a dataset that is not there."""
    found = ctx.packs.read("exchange/pulls", Pull)
    for name, pull in found.items():
        try:
            keeper = gate.dataset(ctx, pull.dataset).keeper
        except NotFound as problem:
            raise Invalid("exchange.pull_wrong", pull=name, dataset=pull.dataset) from problem
        with ctx.begin() as tx:
            store.put(tx, name, pull.dataset, keeper, msgspec.json.encode(pull).decode(), ctx.clock.now())
    with ctx.begin() as tx:
        store.retire(tx, list(found))


def run_due(ctx: Context) -> None:
    """Run every pull whose time has come; one that fails does not hold up the next."""
    with ctx.begin() as tx:
        waiting = store.due(tx, ctx.clock.now())
    for row in waiting:
        try:
            run(ctx, row)
        except Problem as problem:
            _failed(ctx, row, problem)


def run(ctx: Context, row: store.PullRow) -> Receipt | None:
    """One pull from fetch to receipt; None when nothing was new. Raises what fetching and delivering raise."""
    pull = msgspec.json.decode(row.spec, type=Pull)
    bounds = Bounds(
        max_bytes=ctx.settings.delivery_max_mib << 20,
        allowed=tuple(ctx.settings.pull_allowed.replace(",", " ").split()),
    )
    ctx.settings.spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ctx.settings.spool, prefix="pull-") as folder:
        fetched = connectors.fetch(
            pull.source, row.state, Path(folder), secrets=_secret(ctx), bounds=bounds, clock=ctx.clock
        )
        receipt = _deliver(ctx, row, pull, fetched) if fetched else None
    outcome = "nothing new" if receipt is None else f"delivered {receipt.delivery}: {receipt.state}"
    now = ctx.clock.now()
    with ctx.begin() as tx:
        state = fetched.state if fetched else row.state
        delivered = row.delivered + (receipt is not None)
        store.ended(tx, row.name, outcome, state, delivered, now, now + timedelta(minutes=pull.every_minutes))
    return receipt


def _deliver(ctx: Context, row: store.PullRow, pull: Pull, fetched: Fetched) -> Receipt:
    # the id follows from the pull's number and content: pulled again after a crash, it is the same delivery
    with fetched.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    id = f"pull-{row.name}-{row.delivered + 1}-{digest[:16]}"
    declared = Declaration(
        mode=pull.mode, media=MEDIA[fetched.format], file_name=fetched.name[:255], rows=fetched.rows, sha256=digest
    )
    delivery = deliveries.claim(ctx, pull.dataset, id, declared)
    if delivery.state != State.receiving:
        return deliveries.process(ctx, pull.dataset, id)
    deliveries.received(ctx, delivery, spool.copy(ctx, _pieces(fetched.path)))
    return deliveries.process(ctx, pull.dataset, id)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


class _Secrets:
    """Secrets of sources: files in the home's secrets/sources, readable by the owner only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, /) -> str:
        path = self._folder / name
        if not path.is_file():
            raise NotFound("exchange.secret_missing", secret=name, path=str(path))
        return path.read_text().strip()


def _secret(ctx: Context) -> _Secrets:
    return _Secrets(ctx.settings.secrets / "sources")


def _failed(ctx: Context, row: store.PullRow, problem: Problem) -> None:
    pull = msgspec.json.decode(row.spec, type=Pull)
    pause = min(timedelta(minutes=pull.every_minutes) * 2**row.failures, LONGEST_PAUSE)
    now = ctx.clock.now()
    logger.warning("pull_failed", pull=row.name, code=problem.code, failures=row.failures + 1)
    detail, remedy = ctx.parts.words.problem(problem, ctx.settings.language)
    with ctx.begin() as tx:
        store.failed(tx, row.name, f"{detail} {remedy}".strip()[:1000], now, now + pause)
        ctx.record(tx, "exchange.pull_failed", f"pull:{row.name}", code=problem.code)


def listed(ctx: Context) -> list[PullState]:
    """The pulls of the caller's organisation and how the last of each ended. Those with right `exchange.read_receipt`."""
    with ctx.begin() as tx:
        rows = store.listed(tx)
    return [
        PullState(row.name, row.dataset, row.next_at, row.last_at, row.last_outcome, row.failures)
        for row in rows
        if deliveries.readable(ctx, row.dataset, row.organisation)
    ]


def hasten(ctx: Context, name: str) -> None:
    """Run a pull at the next look. Raises NotFound `exchange.pull_unknown`, Refused."""
    with ctx.begin() as tx:
        row = next((each for each in store.listed(tx) if each.name == name), None)
    if row is None:
        raise NotFound("exchange.pull_unknown", pull=name)
    ctx.require("exchange.manage_pulls", Resource("Dataset", row.dataset, {"keeper": row.organisation}))
    with ctx.begin() as tx:
        store.hasten(tx, name, ctx.clock.now())
