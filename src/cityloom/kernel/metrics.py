"""Figures for Prometheus, in one registry per process; several processes share them through files."""

import os
from pathlib import Path

import msgspec
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

DELIVERIES = Counter("cityloom_deliveries_total", "Deliveries decided.", ["dataset", "outcome"])
RECORDS = Counter("cityloom_records_total", "Records decided.", ["dataset", "outcome"])
DELIVERY_SECONDS = Histogram(
    "cityloom_delivery_seconds",
    "Time from the last byte of a delivery to its receipt.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
REQUESTS = Counter("cityloom_http_requests_total", "HTTP requests answered.", ["method", "status"])
REQUEST_SECONDS = Histogram("cityloom_http_request_seconds", "Time to answer an HTTP request.")
TICKS = Counter("cityloom_timed_jobs_total", "Runs of timed jobs.", ["job", "outcome"])
LAST_RUN = Gauge(
    "cityloom_timed_job_last_run_seconds", "When a timed job last ended so, in Unix time.", ["job", "outcome"],
    multiprocess_mode="mostrecent",
)  # fmt: skip
BACKLOG = Gauge(
    "cityloom_deliveries_waiting", "Deliveries received and not yet decided.", multiprocess_mode="mostrecent"
)

GAUGE = Gauge("cityloom_gauge", "Gauges of the modules, in the unit of each.", ["name"], multiprocess_mode="mostrecent")
ALARM = Gauge(
    "cityloom_alarm", "Level of each gauge: 0 ok, 1 warning, 2 alarm.", ["name"], multiprocess_mode="mostrecent"
)


def exposition() -> bytes:
    """All figures in the text format of Prometheus."""
    return generate_latest(_registry())


class TimedRun(msgspec.Struct, frozen=True):
    """How often a timed job of this machine ended so, and when it last did (Unix time; 0: unknown)."""

    job: str
    outcome: str
    runs: int
    last: float


def timed_runs() -> list[TimedRun]:
    """The runs of timed jobs since this machine's processes were started, by job and outcome."""
    counted: dict[tuple[str, str], float] = {}
    ended: dict[tuple[str, str], float] = {}
    for family in _registry().collect():
        for sample in family.samples:
            kept = {"cityloom_timed_jobs_total": counted, "cityloom_timed_job_last_run_seconds": ended}.get(sample.name)
            if kept is not None:
                kept[sample.labels["job"], sample.labels["outcome"]] = sample.value
    return [TimedRun(*name, int(runs), ended.get(name, 0.0)) for name, runs in sorted(counted.items())]


def _registry() -> CollectorRegistry:
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder and Path(folder).is_dir():
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return registry
    return REGISTRY
