"""The lake on an S3-compatible store: deliveries, corrections, withdrawal, maintenance and erasure with its evidence."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import msgspec
import pytest
from litestar.testing import TestClient

from cityloom import app
from cityloom.exchange.api import maintenance
from cityloom.identity.api import services
from cityloom.kernel.context import Parts
from cityloom.kernel.jobs import platform_context
from exchange.conftest import Door
from faults.running import RIGHTS, free_port, write_pack
from scratch import Scratch

BUCKET = "city-lake"
SECRET = "a note that must go"
NOW = timedelta(0)
SIGNED = {
    "authorization": "AWS4-HMAC-SHA256 Credential=key/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
}
"""The test server wants a signature and does not check it."""


class Store:
    """A server that speaks S3, in a process of its own."""

    def __init__(self) -> None:
        self.endpoint = f"127.0.0.1:{free_port()}"
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", self.endpoint.rpartition(":")[2]]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                httpx.put(f"http://{self.endpoint}/{BUCKET}").raise_for_status()
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("the S3 server did not answer within 30 s")

    def objects(self) -> dict[str, bytes]:
        """Everything in the bucket."""
        bucket = f"http://{self.endpoint}/{BUCKET}"
        listing = httpx.get(bucket, params={"list-type": "2"}, headers=SIGNED).text
        keys = [piece.partition("</Key>")[0] for piece in listing.split("<Key>")[1:]]
        return {key: httpx.get(f"{bucket}/{key}", headers=SIGNED).raise_for_status().content for key in keys}

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    running = Store()
    yield running
    running.stop()


@pytest.fixture
def town(scratch: Scratch, tmp_path: Path, store: Store) -> Iterator[Parts]:
    """The small town with its lake in the bucket, under a prefix of this test's."""
    packs = tmp_path / "packs"
    packs.mkdir()
    write_pack(packs)
    settings = msgspec.structs.replace(
        scratch.settings, packs=str(packs), city="small", language="en", lake_path=f"s3://{BUCKET}/{tmp_path.name}",
        s3_endpoint=store.endpoint, s3_key_id="key", s3_secret="secret", s3_use_ssl=False,
    )  # fmt: skip
    parts = app.open_parts(settings)
    for module in app.MODULES:
        if module.install:
            module.install(platform_context(parts, "install"))
    yield parts
    app.close_parts(parts)


@pytest.fixture
def officer(town: Parts, http: "TestClient[object]") -> Door:
    token = services.issue(platform_context(town, "test"), "town", (*RIGHTS, "exchange.erase")).secret
    return Door(http, token)


def files_of(store: Store, tmp_path: Path) -> dict[str, bytes]:
    return {key: content for key, content in store.objects().items() if key.startswith(f"{tmp_path.name}/")}


def test_a_life_of_deliveries(officer: Door, town: Parts, store: Store, tmp_path: Path) -> None:
    rows = "".join(f"k{number},{number},n\n" for number in range(200))
    first = officer.put("d1", f"item,amount,note\n{rows}bad,x,\n").json()
    assert first["counts"] == first["counts"] | {"rows_in": 201, "accepted": 200, "quarantined": 1}
    assert any(key.endswith(".parquet") for key in files_of(store, tmp_path))
    officer.put("d2", "item,amount,note\n" + "".join(f"k{number},9,m\n" for number in range(150)))
    assert officer.records()["k7"] == (9, "m")
    assert officer.withdraw("d2").status_code == 200
    assert officer.records() == {f"k{number}": (number, "n") for number in range(200)}
    feed = officer.lines("stock/changes")
    assert [row["_op"] for row in feed] == ["insert"] * 200 + ["update"] * 300
    assert [row["row"] for row in officer.lines("stock/deliveries/d1/faults")] == [201]


def test_what_was_erased_is_in_no_object(officer: Door, town: Parts, store: Store, tmp_path: Path) -> None:
    rows = "".join(f"k{number},{number},n\n" for number in range(60))
    officer.put("d1", f"item,amount,note\ngone,1,{SECRET}\n{rows}")
    assert any(SECRET.encode() in content for content in files_of(store, tmp_path).values())
    body = msgspec.json.encode({"keys": [["gone"]], "legal_basis": "《中华人民共和国个人信息保护法》第四十七条"})
    erased = officer.post("stock/erasures", body, media="application/json")
    assert erased.status_code < 300, erased.text
    platform = platform_context(town, "test")
    maintenance.maintain(platform)
    maintenance.clean(platform, keep=NOW, readers=NOW, orphans=NOW)
    assert set(officer.records()) == {f"k{number}" for number in range(60)}
    left = files_of(store, tmp_path)
    assert left
    assert not any(SECRET.encode() in content for content in left.values())
