"""A small town behind its HTTP door, in this process: one dataset, two departments."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient

from cityloom import app
from cityloom.identity.api import services
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from faults.running import RIGHTS, write_pack
from installing import installed
from scratch import Scratch
from serving import served


@pytest.fixture
def town(scratch: Scratch, tmp_path: Path) -> Iterator[Parts]:
    """The parts of a city whose only pack is `small`, installed."""
    packs = tmp_path / "packs"
    packs.mkdir()
    write_pack(packs)
    parts = installed(scratch, packs=str(packs), city="small")
    yield parts
    app.close_parts(parts)


class Door:
    """The town's HTTP door as one organisation."""

    def __init__(self, client: "TestClient[object]", token: str) -> None:
        self.client = client
        self.headers = {"authorization": f"Bearer {token}", "accept-language": "en"}

    def put(self, id: str, body: str | bytes, *, dataset: str = "stock", media: str = "text/csv", **query: object):  # type: ignore[no-untyped-def]
        content = body.encode() if isinstance(body, str) else body
        address = f"/api/exchange/datasets/{dataset}/deliveries/{id}"
        return self.client.put(address, params=query, content=content, headers={**self.headers, "content-type": media})

    def get(self, address: str, **query: object):  # type: ignore[no-untyped-def]
        return self.client.get(f"/api/exchange/datasets/{address}", params=query, headers=self.headers)

    def post(self, address: str, body: str | bytes, media: str = "text/csv", **query: object):  # type: ignore[no-untyped-def]
        content = body.encode() if isinstance(body, str) else body
        path = f"/api/exchange/datasets/{address}"
        return self.client.post(path, params=query, content=content, headers={**self.headers, "content-type": media})

    def withdraw(self, id: str, reason: str = "wrong file"):  # type: ignore[no-untyped-def]
        address = f"/api/exchange/datasets/stock/deliveries/{id}"
        return self.client.delete(address, params={"reason": reason}, headers=self.headers)

    def lines(self, address: str, **query: object) -> list[dict[str, object]]:
        """An NDJSON answer."""
        answer = self.get(address, **query)
        assert answer.status_code == 200, answer.text
        return [msgspec.json.decode(line) for line in answer.content.splitlines()]

    def records(self) -> dict[object, tuple[object, object]]:
        """The current state of `stock`."""
        return {row["item"]: (row["amount"], row["note"]) for row in self.lines("stock/records")}


@pytest.fixture
def http(town: Parts) -> Iterator["TestClient[object]"]:
    """The application over the town."""
    with served(town) as client:
        yield client


@pytest.fixture
def door(town: Parts, http: "TestClient[object]") -> Door:
    """As the town hall, which keeps the dataset."""
    return Door(http, services.issue(platform_context(town, "test"), "town", RIGHTS).secret)


@pytest.fixture
def stranger(town: Parts, http: "TestClient[object]") -> Door:
    """As another department."""
    return Door(http, services.issue(platform_context(town, "test"), "other", RIGHTS).secret)
