"""Sensing's manifest."""

from datetime import timedelta

from cityloom.kernel.manifest import Job, Module, Process
from cityloom.kernel.packs import Packs
from cityloom.sensing import jobs, routes, spec
from cityloom.sensing.api import gauges
from cityloom.sensing.gateways import serve
from cityloom.sensing.gateways.mqtt import serve as mqtt
from cityloom.sensing.spec import mappings, retention, rules, stations


def check(packs: Packs) -> None:
    """What sensing reads from packs. Raises Invalid `kernel.pack_wrong`."""
    spec.doors(packs)
    stations.read(packs)
    retention.retention(packs)
    mappings.mappings(packs)
    rules.rules(packs)


MODULE = Module(
    name="sensing",
    routes=routes.ROUTES,
    jobs=(
        Job("make_days", jobs.make_days, timedelta(hours=6)),
        Job("judge_devices", jobs.judge_devices, timedelta(minutes=1)),
        Job("forget_frames", jobs.forget_frames, timedelta(hours=1)),
        Job("keep_history", jobs.keep_history, timedelta(minutes=10)),
        Job("write_corrections", jobs.write_corrections, timedelta(minutes=1)),
        Job("judge", jobs.judge, timedelta(seconds=0.5)),
        Job("silent", jobs.silent, timedelta(seconds=30)),
        Job("push_events", jobs.push_events, timedelta(seconds=2)),
    ),
    gauges=gauges.GAUGES,
    processes=(
        Process("gateways", serve.wanted, serve.run),
        Process("mqtt", mqtt.door_wanted, mqtt.serve_door),
        *(
            Process(f"broker_{each}", mqtt.worker_wanted(each), mqtt.serve_worker(each))
            for each in range(1, mqtt.MOST_WORKERS + 1)
        ),
    ),
    check=check,
)
