"""How devices are, found by the rules of their types; and what of the sensing catalogue the city senses where."""

from datetime import datetime, timedelta

from cityloom.kernel.context import Context
from cityloom.kernel.db import Transaction
from cityloom.kernel.words import Text
from cityloom.sensing.api import devices
from cityloom.sensing.contracts.devices import (
    Coverage,
    CoverageCategory,
    CoverageItem,
    CoverageTheme,
    DistrictCount,
    State,
)
from cityloom.sensing.rules import health
from cityloom.sensing.rules.health import Window
from cityloom.sensing.spec.catalogue import categories
from cityloom.sensing.spec.stations import Station, stations
from cityloom.sensing.store import health as store

MOST = 100
"""Devices of a type whose values are looked at in one run."""
EVERY = timedelta(minutes=5)
"""A device's values are looked at no more often."""
GONE = frozenset({State.retired.value, State.refused.value, State.registered.value})


def judge(ctx: Context) -> None:
    """Find what is silent, and look at the values of those devices that waited longest. A timed job."""
    now = ctx.clock.now()
    for name, station in stations(ctx.packs).types.items():
        with ctx.begin() as tx:
            store.hush(tx, name, now - timedelta(seconds=station.health.silent_after), now)
            found = store.due(tx, name, now - EVERY, MOST)
            if found:
                windows = _windows(tx, station, found, now)
                verdicts = [(id, health.verdict(station.health, windows.get(id, []))) for id in found]
                judged = [store.Judged(id, verdict.state.value, verdict.causes) for id, verdict in verdicts]
                store.write(tx, judged, now)


def _windows(tx: Transaction, station: Station, devices: list[int], now: datetime) -> dict[int, list[Window]]:
    """What the rules look at: the first series and aspect of the type, which is what devices say most often."""
    series = station.series[0]
    key = (series.name, series.aspects[0].code)
    found: dict[int, list[Window]] = {id: [] for id in devices}
    rules = station.health
    if rules.stuck:
        for each in store.seen(tx, devices, *key, now - timedelta(hours=rules.stuck.hours)):
            found[each.device].append(Window(each.code, each.total, each.low, each.high))
    if rules.implausible:
        for each in store.seen(tx, devices, *key, now - timedelta(hours=rules.implausible.hours)):
            found[each.device].append(Window(each.code, each.total, 0.0, 1.0, each.doubtful))
    if rules.drifting:
        begin = now - timedelta(hours=rules.drifting.hours)
        codes, least = list(rules.drifting.by), rules.drifting.least
        before = {
            (each.device, each.code): each.middle
            for each in store.levels(tx, devices, key, codes, begin - timedelta(days=rules.drifting.days), begin)
            if each.total >= least
        }
        for level in store.levels(tx, devices, key, codes, begin, now):
            if level.total >= least:
                middle = before.get((level.device, level.code))
                found[level.device].append(Window(level.code, 0, 0.0, 1.0, 0, level.middle, middle))
    return found


def coverage(ctx: Context, district: str = "") -> Coverage:
    """The sensing catalogue with the caller's devices: of each item how many, how they are, and where. Right `sensing.read`.

    Devices that were retired or refused, or wait, count as none.
    """
    devices.allow(ctx, "sensing.read")
    with ctx.begin() as tx:
        counted = store.counts(tx)
    types = stations(ctx.packs).types
    items: dict[str, list[store.Count]] = {}
    for each in counted:
        if each.state not in GONE and each.station in types and district in ("", each.district):
            items.setdefault(types[each.station].item, []).append(each)
    return Coverage(
        tuple(
            CoverageCategory(
                code, category.title, category.source,
                tuple(
                    CoverageTheme(
                        theme.code, theme.title,
                        tuple(_item(item.code, item.title, items.get(item.code, [])) for item in theme.items),
                    )
                    for theme in category.themes
                ),
            )
            for code, category in categories(ctx.packs).items()
        )
    )  # fmt: skip


def _item(code: str, title: Text, found: list[store.Count]) -> CoverageItem:
    health: dict[str, int] = {}
    districts: dict[str, list[int]] = {}
    for each in found:
        health[each.health] = health.get(each.health, 0) + each.devices
        counts = districts.setdefault(each.district, [0, 0])
        counts[0] += each.devices
        counts[1] += each.devices if each.health == "online" else 0
    places = tuple(DistrictCount(name, *counts) for name, counts in sorted(districts.items()))
    return CoverageItem(code, title, sum(health.values()), health, places)
