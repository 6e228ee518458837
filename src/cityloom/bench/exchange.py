"""A peak day through the real doors: HTTP in, checks, quarantine, merge, change rows, receipts, audit, two subscribers.

Beside each pair of datasets, in the same run, a hand-written DuckDB program does the same work on the same files into a lake of
its own: the baseline. What is compared is the time from the file to the committed lake.
"""

import io
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from cityloom import app, client, supervise
from cityloom.bench import baseline, peakday
from cityloom.bench.line import Line, Memory, percentile, show
from cityloom.identity.api import services
from cityloom.kernel import jobs
from cityloom.kernel.postgres import passing_folder
from cityloom.kernel.settings import load

RECORDS = 80_000_000
RIGHTS = ("exchange.deliver", "exchange.read_receipt", "exchange.read_changes")
TARGET_RATE = 250_000
TARGET_RATIO = 2.5
TARGET_MIB = 8192
PAGE = 1_000_000


class Day(msgspec.Struct):
    """What is measured, dataset by dataset."""

    seconds: list[float]
    plain: list[float]
    ratios: list[float]
    records: int = 0
    read: int = 0


def run(quick: bool, talk: Callable[[str], None]) -> None:
    """Measure and print. `quick` runs a tenth of the size."""
    each = RECORDS // (10 if quick else 1) // peakday.DATASETS
    with passing_folder("cityloom-bench-") as folder:
        peakday.write_pack(folder / "packs")
        settings = load(
            {},
            home=folder / "home",
            packs=str(folder / "packs"),
            city="peakday",
            port=0,
            lake_memory_mib=2500,
            secure_cookies=False,
            delivery_max_mib=4096,
        )
        settings = msgspec.structs.replace(settings, port=supervise.free_port())
        city = supervise.City(settings, talk)
        city.start()
        try:
            city.wait_until_ready()
            _measure(city, folder, each, talk)
        finally:
            city.stop()


def _measure(city: supervise.City, folder: Path, each: int, talk: Callable[[str], None]) -> None:
    parts = app.open_parts(city.settings)
    token = services.issue(jobs.platform_context(parts, "bench"), "bench", RIGHTS).secret
    maker = duckdb.connect(config={"memory_limit": "2GB"})
    plain = baseline.Plain(app.lake_settings(city.settings, app.admin_url(city.settings)))
    day, memory = Day([], [], []), Memory()
    readers = [Subscriber(city.url, token) for _ in range(2)]
    names = peakday.names()
    for pair in zip(names[::2], names[1::2], strict=True):
        files = {dataset: folder / f"{dataset}.csv" for dataset in pair}
        for dataset, file in files.items():
            _prepare(city.url, token, maker, plain, folder, dataset, each)
            peakday.write_csv(maker, file, 0, each, changed=7)
        with memory.watch(city.pids()):
            seconds = _hand_in(city.url, token, files, readers)
        plainly = sum(plain.deliver(file, dataset, "peak", peakday.mode(dataset)) for dataset, file in files.items())
        for file in files.values():
            file.unlink()
        day.seconds.append(seconds)
        day.plain.append(plainly)
        day.ratios.append(seconds / plainly)
        day.records += 2 * each
        ours, theirs = 2 * each / seconds, 2 * each / plainly
        talk(f"{' and '.join(pair)}: {ours:,.0f} records/s, plain DuckDB {theirs:,.0f}/s, memory {memory.peak} MiB")
    plain.close()
    app.close_parts(parts)
    _show(day, memory.peak)


def _hand_in(url: str, token: str, files: dict[str, Path], readers: list["Subscriber"]) -> float:
    """Two departments deliver at once; each dataset's changes are read by both subscribers once its receipt is there."""
    started = time.perf_counter()
    with ThreadPoolExecutor(len(files)) as senders:
        sent = {senders.submit(_deliver, url, token, each, "peak", file): each for each, file in files.items()}
        for delivered in as_completed(sent):
            delivered.result()
            _read(readers, sent[delivered])
    return time.perf_counter() - started


def _prepare(
    url: str, token: str, maker: duckdb.DuckDBPyConnection, plain: baseline.Plain, folder: Path, dataset: str, each: int
) -> None:
    """What an updating dataset holds before the day: a quarter of the keys, with other amounts. Not measured."""
    plain.create(dataset)
    if peakday.mode(dataset) == "upsert":
        before = folder / "before.csv"
        peakday.write_csv(maker, before, 0, each // 4)
        _deliver(url, token, dataset, "before", before)
        plain.deliver(before, dataset, "before", "upsert")
        before.unlink()


def _deliver(url: str, token: str, dataset: str, id: str, file: Path) -> float:
    with closing(client.Exchange(url, token, patience=3600)) as door:
        started = time.perf_counter()
        receipt = door.deliver(dataset, id, client.File(file), mode=peakday.mode(dataset))
        seconds = time.perf_counter() - started
    counts = receipt["counts"]
    if counts["rows_in"] != counts["accepted"] + counts["quarantined"] + counts["duplicates"]:
        raise AssertionError(f"the receipt of {dataset} does not add up: {counts}")
    return seconds


class Subscriber:
    """Reads a dataset's changes from where it stopped, as Arrow over HTTP."""

    def __init__(self, url: str, token: str) -> None:
        self.http = client.Exchange(url, token, patience=600).http
        self.since: dict[str, int] = {}
        self.failure: Exception | None = None

    def read(self, dataset: str) -> None:
        """Everything new."""
        try:
            while self._page(dataset) == PAGE:
                pass
        except Exception as failure:  # noqa: BLE001 - raised again where the thread is awaited
            self.failure = failure

    def _page(self, dataset: str) -> int:
        headers = {"accept": "application/vnd.apache.arrow.stream"}
        params = {"since": self.since.get(dataset, 0), "limit": PAGE}
        rows = 0
        with self.http.stream(
            "GET", f"/api/exchange/datasets/{dataset}/changes", params=params, headers=headers
        ) as answer:
            answer.raise_for_status()
            for batch in pa.ipc.open_stream(io.BufferedReader(Chunks(answer.iter_raw(1 << 20)), 1 << 20)):
                rows += batch.num_rows
                self.since[dataset] = batch.column("_sequence")[-1].as_py()
        return rows


class Chunks(io.RawIOBase):
    """Chunks of an answer as a file that Arrow reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._left = chunk
        size = min(len(buffer), len(self._left))
        buffer[:size] = self._left[:size]
        self._left = self._left[size:]
        return size


def _read(readers: list[Subscriber], dataset: str) -> float:
    started = time.perf_counter()
    threads = [threading.Thread(target=reader.read, args=(dataset,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread, reader in zip(threads, readers, strict=True):
        thread.join()
        if reader.failure:
            raise reader.failure
    return time.perf_counter() - started


def _show(day: Day, peak: int) -> None:
    total = sum(day.seconds)
    ratio = statistics.median(day.ratios)
    rate = day.records / total
    show(
        Line(
            bench="exchange", item="peak day", rows=day.records, seconds=round(total, 2), rate=round(rate),
            p50_ms=round(percentile(day.seconds, 0.5) * 1000), p95_ms=round(percentile(day.seconds, 0.95) * 1000),
            peak_mib=peak, baseline="hand-written DuckDB into the same kind of lake", ratio=round(ratio, 3),
            target=f">= {TARGET_RATE}/s, <= {TARGET_RATIO} x baseline, <= {TARGET_MIB} MiB",
            met=rate >= TARGET_RATE and ratio <= TARGET_RATIO and peak <= TARGET_MIB,
        )
    )  # fmt: skip
