"""From records and change rows to what the copies in PostgreSQL hold: a key as one text, and the record as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from cityloom.sharing.rules.using import key_text

_encoder = msgspec.json.Encoder()
Written = tuple[list[str], list[str]]


def records(key: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> Written:
    """Keys and JSON of records of the current state."""
    keys, texts = [], []
    for row in rows:
        keys.append(_key(key, row))
        texts.append(_encoder.encode(row).decode())
    return keys, texts


def changes(key: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> tuple[Written, list[str], int]:
    """What change rows in order come to: records to write, keys to remove, the last sequence. Of one key the last wins."""
    last: dict[str, str | None] = {}
    for row in rows:
        fields = {name: value for name, value in row.items() if not name.startswith("_")}
        last[_key(key, row)] = None if row["_op"] == "delete" else _encoder.encode(fields).decode()
    written = {name: text for name, text in last.items() if text is not None}
    gone = [name for name, text in last.items() if text is None]
    return (list(written), list(written.values())), gone, int(rows[-1]["_sequence"])


def _key(key: Sequence[str], row: Mapping[str, Any]) -> str:
    return key_text(tuple(_text(row[name]) for name in key))


def _text(value: Any) -> str:
    """A value as it stands in JSON, without quotes: this is how a question writes its key."""
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
