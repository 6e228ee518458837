"""Reading what was delivered: datasets, change rows, current state, quarantined rows, templates.

Here a dataset is read by its keeper (and the platform). Other organisations read through grants, whose fields and row
filter become the `View` that every read of the lake needs (`excerpts`).
"""

import io
from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pyarrow as pa

from cityloom.exchange.api import deliveries, gate
from cityloom.exchange.contracts import DatasetState, HeldBack, HeldColumn, HeldPage, HeldRow, Mode, Receipt
from cityloom.exchange.intake import columns
from cityloom.exchange.rules import returned
from cityloom.exchange.rules import template as templates
from cityloom.exchange.spec import ResolvedDataset
from cityloom.exchange.store import changes as change_store
from cityloom.exchange.store import ledger, listing
from cityloom.exchange.store import quarantine as quarantine_store
from cityloom.exchange.store import records as record_store
from cityloom.kernel.audit import api as audit
from cityloom.kernel.audit.entry import InclusionProof
from cityloom.kernel.context import Context
from cityloom.kernel.errors import Gone, NotFound, Unsupported

MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


class File(msgspec.Struct, frozen=True):
    """A file to hand out."""

    name: str
    media: str
    content: bytes


class Feed:
    """Record batches out of the lake, as bytes in Arrow's stream format or NDJSON. Close it when done or given up."""

    def __init__(self, batches: Iterator[pa.RecordBatch], last_sequence: int, stack: ExitStack) -> None:
        self._batches = batches
        self.last_sequence = last_sequence
        self._stack = stack

    def arrow(self) -> Iterator[bytes]:
        """The Arrow IPC stream, a batch at a time."""
        sink = io.BytesIO()
        writer = None
        for batch in self._batches:
            if writer is None:
                writer = pa.ipc.new_stream(sink, batch.schema)
            writer.write_batch(batch)
            yield sink.getvalue()
            sink.seek(0)
            sink.truncate()
        if writer is not None:
            writer.close()
            yield sink.getvalue()

    def ndjson(self) -> Iterator[bytes]:
        """One JSON object a line."""
        encoder = msgspec.json.Encoder()
        for batch in self._batches:
            if batch.num_rows:
                yield encoder.encode_lines(batch.to_pylist())

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The record batches as they are."""
        yield from self._batches

    def close(self) -> None:
        """Give the lake session back."""
        self._stack.close()


def datasets(ctx: Context) -> list[DatasetState]:
    """Every active dataset and where it stands. What exists is no secret between departments."""
    with ctx.begin() as tx:
        rows = [row for row in ledger.datasets(tx) if row.active]
    return [_state(ctx, row, None) for row in rows]


def dataset(ctx: Context, name: str) -> DatasetState:
    """One dataset with the number of its records."""
    row = deliveries.describe(ctx, name)
    ctx.require("exchange.read_receipt", deliveries.resource(row))
    with ctx.lake.session() as cursor:
        return _state(ctx, row, record_store.count(cursor, gate.shape_of(gate.dataset(ctx, name))))


def _state(ctx: Context, row: ledger.DatasetRow, records: int | None) -> DatasetState:
    declared = gate.dataset(ctx, row.name)
    title = declared.title.of(ctx.language)
    return DatasetState(
        row.name, title, row.organisation, list(declared.modes), row.last_sequence, row.floor_sequence, records
    )


def changes(ctx: Context, name: str, since: int, limit: int) -> Feed:
    """Change rows after `since`. Raises Gone `exchange.changes_gone` when some of them are past their retention."""
    row = deliveries.describe(ctx, name)
    ctx.require("exchange.read_changes", deliveries.resource(row))
    if since < row.floor_sequence:
        raise Gone("exchange.changes_gone", since=since, floor=row.floor_sequence, dataset=name)
    shape = gate.shape_of(gate.dataset(ctx, name))
    with ctx.begin() as tx:
        ctx.record(tx, "exchange.changes_read", f"dataset:{name}", since=since, upto=row.last_sequence, limit=limit)
    stack = ExitStack()
    cursor = stack.enter_context(ctx.lake.session())
    view = change_store.whole(shape)
    return Feed(change_store.changes(cursor, shape, view, since, row.last_sequence, limit), row.last_sequence, stack)


def records(ctx: Context, name: str) -> Feed:
    """The current state; `last_sequence` was read before it, so reading on from there repeats at most, never skips."""
    row = deliveries.describe(ctx, name)
    ctx.require("exchange.read_changes", deliveries.resource(row))
    shape = gate.shape_of(gate.dataset(ctx, name))
    with ctx.begin() as tx:
        ctx.record(tx, "exchange.records_read", f"dataset:{name}", upto=row.last_sequence)
    stack = ExitStack()
    cursor = stack.enter_context(ctx.lake.session())
    return Feed(change_store.records(cursor, shape, change_store.whole(shape)), row.last_sequence, stack)


def quarantine(ctx: Context, name: str, id: str, format: str) -> File:
    """The quarantined rows of a delivery in the columns they came in, with what is wrong and what to do beside.

    Raises NotFound, Refused, Unsupported `exchange.format_unknown`.
    """
    if format not in MEDIA:
        raise Unsupported("exchange.format_unknown", format=format, known=", ".join(MEDIA))
    header = columns_of(_quarantined(ctx, name, id))
    declared = gate.dataset(ctx, name)
    with ctx.lake.session() as cursor:
        held = quarantine_store.read(cursor, gate.shape_of(declared), id)
        rows = (returned.ReturnedRow(row.row, row.raw, gate.explained(ctx, declared, row.faults)) for row in held)
        content = returned.render(header, rows, format, ctx.parts.words, ctx.language)
    return File(f"{name}-{id}-quarantine.{format}", MEDIA[format], content)


def faults(ctx: Context, name: str, id: str) -> Iterator[bytes]:
    """Every fault of a delivery's quarantined rows as NDJSON, by row: for programs. Raises NotFound, Refused."""
    _quarantined(ctx, name, id)
    declared = gate.dataset(ctx, name)
    return _faults(ctx, declared, id)


def _faults(ctx: Context, declared: ResolvedDataset, id: str) -> Iterator[bytes]:
    encoder = msgspec.json.Encoder()
    with ctx.lake.session() as cursor:
        for row in quarantine_store.read(cursor, gate.shape_of(declared), id):
            yield encoder.encode_lines(gate.explained(ctx, declared, row.faults))


def held(ctx: Context, name: str, id: str, after: int, limit: int) -> HeldPage:
    """Quarantined rows beyond a row number with their faults, to be mended in place. Raises NotFound, Refused."""
    delivery = _quarantined(ctx, name, id)
    header, declared = columns_of(delivery), gate.dataset(ctx, name)
    fields = columns.fields_of(header, gate.wanted(declared))
    titles = {field.name: field.title.of(ctx.language) for field in declared.fields}
    with ctx.lake.session() as cursor:
        rows = [
            returned.ReturnedRow(row.row, row.raw, gate.explained(ctx, declared, row.faults))
            for row in quarantine_store.read(cursor, gate.shape_of(declared), id, after, limit)
        ]
    with ctx.begin() as tx:
        back = [deliveries.receipt_of(ctx, each) for each in listing.corrections(tx, name, id)]
    return HeldPage(
        columns=tuple(HeldColumn(each, field, titles.get(field, "")) for each, field in zip(header, fields, strict=True)),
        rows=tuple(HeldRow(row.row, tuple(returned.texts_of(len(header), row)), tuple(row.faults)) for row in rows),
        total=delivery.quarantined or 0,
        mode=returned.mode_back(Mode(delivery.mode), declared.modes),
        as_of=delivery.as_of,
        corrections=tuple(back),
    )  # fmt: skip


def held_back(ctx: Context) -> list[HeldBack]:
    """Deliveries of the caller's organisation whose quarantined rows wait, the newest first; as far as he may read them."""
    with ctx.begin() as tx:
        found = listing.held_back(tx, ctx.principal.organisation)
    return [each for each in found if deliveries.readable(ctx, each.dataset, ctx.principal.organisation)]


def newest(ctx: Context, name: str, after: str, limit: int) -> list[Receipt]:
    """Receipts of a dataset, the newest first, from the one after `after`; as `deliveries.receipts`."""
    row = deliveries.describe(ctx, name)
    ctx.require("exchange.read_receipt", deliveries.resource(row))
    with ctx.begin() as tx:
        return [deliveries.receipt_of(ctx, each) for each in listing.newest(tx, name, after, limit)]


def proof(ctx: Context, name: str, id: str) -> InclusionProof:
    """That the audit entry of a delivery's decision is in the log as last signed.

    Raises NotFound `exchange.delivery_unknown`, `audit.entry_not_signed` (for a second or so after the decision).
    """
    row = deliveries.describe(ctx, name)
    ctx.require("exchange.read_receipt", deliveries.resource(row))
    with ctx.begin() as tx:
        delivery = ledger.find(tx, name, id)
        if delivery is None or delivery.audit_position is None:
            raise NotFound("exchange.delivery_unknown", dataset=name, delivery=id)
        return audit.prove_entry(tx, ctx.settings.audit_files, delivery.audit_position)


def columns_of(delivery: ledger.Delivery) -> list[str]:
    """The columns of the delivered file, as they were named there."""
    return msgspec.json.decode(delivery.columns or "[]", type=list[str])


def _quarantined(ctx: Context, name: str, id: str) -> ledger.Delivery:
    """A delivery whose rows the caller may read back; the reading is kept in the audit log."""
    row = deliveries.describe(ctx, name)
    ctx.require("exchange.read_receipt", deliveries.resource(row))
    with ctx.begin() as tx:
        delivery = ledger.find(tx, name, id)
        if delivery is None or delivery.columns is None:
            raise NotFound("exchange.delivery_unknown", dataset=name, delivery=id)
        ctx.record(tx, "exchange.quarantine_read", f"delivery:{name}/{id}")
    return delivery


def template(ctx: Context, name: str) -> bytes:
    """The dataset's .xlsx template in the caller's language."""
    deliveries.describe(ctx, name)
    return templates.workbook(gate.dataset(ctx, name), ctx.parts.words, ctx.language)
