"""Figures for Prometheus, in one registry per process; several processes share them through files."""

import os
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
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
BACKLOG = Gauge(
    "cityloom_deliveries_waiting", "Deliveries received and not yet decided.", multiprocess_mode="mostrecent"
)

GAUGE = Gauge("cityloom_gauge", "Gauges of the modules, in the unit of each.", ["name"], multiprocess_mode="mostrecent")
ALARM = Gauge(
    "cityloom_alarm", "Level of each gauge: 0 ok, 1 warning, 2 alarm.", ["name"], multiprocess_mode="mostrecent"
)


def exposition() -> bytes:
    """All figures in the text format of Prometheus."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder and Path(folder).is_dir():
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest()
