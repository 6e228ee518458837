"""From records and change rows to what the copies in PostgreSQL hold: a key as one text, and the record as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from cityloom.exchange.contracts import record_key

_encoder = msgspec.json.Encoder()


def records(key: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Records of the current state, as `store.projections.put` takes them."""
    return _encoder.encode([(record_key(key, row), row) for row in rows])


def changes(key: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[bytes, list[str], int]:
    """What change rows in order come to: records to write, keys to remove, the last sequence. Of one key the last wins.

    Nothing to write is an empty text.
    """
    last: dict[str, dict[str, Any] | None] = {}
    for row in rows:
        fields = {name: value for name, value in row.items() if not name.startswith("_")}
        last[record_key(key, row)] = None if row["_op"] == "delete" else fields
    written = [(name, row) for name, row in last.items() if row is not None]
    gone = [name for name, row in last.items() if row is None]
    return _encoder.encode(written) if written else b"", gone, int(rows[-1]["_sequence"])
