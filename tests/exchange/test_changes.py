"""Change rows as subscribers read them: in order whatever order the files have them in, window by window, never an empty body."""

import io
from itertools import pairwise

import pyarrow as pa
import pytest

from cityloom.exchange.store import changes as change_store
from cityloom.kernel.context import Parts
from exchange.conftest import Door

ARROW = {"accept": "application/vnd.apache.arrow.stream"}
SETS = [
    [],
    [7],
    [1, 2, 3, 4],
    [3, 4, 5, 1, 2],
    [5, 6, 1, 2, 3, 9, 4],
    [9, 8, 7, 6, 5],
    [1, 4, 2, 5, 3, 6],
]


def table(sequence: list[int]) -> pa.Table:
    pieces = [sequence[start : start + 2] for start in range(0, len(sequence), 2)]
    schema = pa.schema([("_sequence", pa.int64()), ("text", pa.string())])
    return pa.Table.from_batches(
        [pa.record_batch([piece, [f"row {number}" for number in piece]], schema=schema) for piece in pieces], schema
    )


@pytest.mark.parametrize("sequence", [*SETS, [number * 1237 % 5000 for number in range(5000)]], ids=str)
def test_rows_come_in_order(sequence: list[int]) -> None:
    ordered = change_store.in_order(table(sequence)).to_pydict()
    assert ordered["_sequence"] == sorted(sequence)
    assert ordered["text"] == [f"row {number}" for number in sorted(sequence)]


def arrow(door: Door, address: str, **query: object) -> pa.Table:
    answer = door.client.get(f"/api/exchange/datasets/{address}", params=query, headers={**door.headers, **ARROW})
    assert answer.status_code == 200, answer.text
    return pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()


def test_windows_lose_nothing(door: Door, town: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a few rows, some of them empty, since unchanged rows take numbers and no change row."""
    monkeypatch.setattr(change_store, "FIRST_WINDOW", 3)
    monkeypatch.setattr(change_store, "WINDOW_BYTES", 600)
    monkeypatch.setattr(change_store, "BATCH", 2)
    rows = [f"k{number},1,x\n" for number in range(40)]
    door.put("d1", "item,amount,note\n" + "".join(rows))
    door.put("d2", "item,amount,note\n" + "".join(rows))
    door.put("d3", "item,amount,note\n" + "".join(rows[:39]) + "k39,2,x\n")
    read = arrow(door, "stock/changes").to_pydict()
    assert read["_sequence"] == [*range(1, 41), 120]
    assert read["_op"] == ["insert"] * 40 + ["update"]
    assert read["item"] == [*(f"k{number}" for number in range(40)), "k39"]
    assert arrow(door, "stock/changes", limit=7).to_pydict()["_sequence"] == [*range(1, 8)]
    assert arrow(door, "stock/changes", since=5, limit=36).to_pydict()["_sequence"] == [*range(6, 41), 120]
    assert [row["_sequence"] for row in door.lines("stock/changes", since=38)] == [39, 40, 120]
    pages, since = [], 0
    while page := arrow(door, "stock/changes", since=since, limit=9).to_pydict()["_sequence"]:
        pages.append(page)
        since = page[-1]
    assert [number for page in pages for number in page] == [*range(1, 41), 120]
    assert all(one[-1] < other[0] for one, other in pairwise(pages))


@pytest.mark.parametrize("address", ["stock/changes", "stock/records"])
def test_nothing_to_tell_is_told_in_columns(door: Door, address: str) -> None:
    empty = arrow(door, address)
    assert empty.num_rows == 0
    assert {"item", "amount", "note"} <= set(empty.column_names)
    assert door.lines(address) == []
