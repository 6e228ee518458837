"""Firms with what the market and tax offices know of them, and what they pay for their people."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from cityloom.samplecity.rules import chance, numbers, times
from cityloom.samplecity.rules.chance import Index
from cityloom.samplecity.rules.recipes import Recipe
from cityloom.samplecity.rules.times import EPOCH, day
from cityloom.samplecity.rules.world import (
    Columns,
    Roll,
    Scene,
    addresses,
    chosen,
    community_codes,
    dates,
    decimals,
    grown,
    moments,
    only_where,
    whole,
)  # fmt: skip


def firm_roll(scene: Scene) -> Roll:
    """Firms with people, firms without, and the ones founded in each month; of those without some close each month."""
    firms = scene.people.firms
    new = max(8, firms.idle // 200)
    turns = scene.world.turns
    first = len(firms.community) - turns * new
    roll = grown(
        np.arange(first),
        [np.arange(first + turn * new, first + (turn + 1) * new) for turn in range(turns)],
        referenced=firms.idle,
    )
    leaves = np.full(roll.ends[-1], -1)
    for period in range(1, turns + 1):
        leaves[firms.idle + 3 * period : firms.idle + 3 * period + 3] = period
    return Roll(roll.subject, roll.ends, roll.referenced, leaves)


def _trades(scene: Scene, one: Index) -> tuple[Index, Index]:
    """Industry and trade word of firms, as places in `_sections` and `_words`."""
    shop = scene.people.firms.self_employed[one]
    shops, trades = (list(table) for table in (scene.world.names.shops, scene.world.names.firm_trades))
    small = chance.pick(scene.key, "shop trade", one, (6, 3, 2, *[1] * (len(shops) - 3))[: len(shops)])
    weights = np.array([3.0 if trade in "CFIL" else 1.0 for trade in trades])
    large = chance.pick(scene.key, "firm trade", one, weights)
    section = np.where(shop, small, len(shops) + large)
    sizes = np.array([len(words) for words in _words(scene)])
    return section, (chance.unit(scene.key, "trade word", one) * sizes[section]).astype(np.int64)


def _words(scene: Scene) -> list[tuple[str, ...]]:
    return [*scene.world.names.shops.values(), *scene.world.names.firm_trades.values()]


def _sections(scene: Scene) -> list[str]:
    return [*scene.world.names.shops, *scene.world.names.firm_trades]


def firm_names(scene: Scene, one: Index) -> pa.Array:
    """Made-up words after the city (companies) or the district (shops), then the trade."""
    firms, world = scene.people.firms, scene.world
    section, word = _trades(scene, one)
    words = _words(scene)
    starts = np.cumsum([0, *(len(some) for some in words)])
    trade = chosen([text for some in words for text in some], starts[section] + word)
    letters = list(world.names.firm_words)
    own = [chosen(letters, chance.whole(scene.key, f"firm word {place}", one, 0, len(letters))) for place in range(3)]
    shop = firms.self_employed[one]
    district = chosen(tuple(place.zh for place in world.districts), world.communities.district[firms.community[one]])
    begin = pc.if_else(pa.array(shop), district, pa.scalar(world.city.title.zh))
    end = chosen(("有限公司", ""), shop.astype(np.int64))
    return pc.binary_join_element_wise(begin, *own, trade, end, "")


def firm(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    firms, people, key = scene.people.firms, scene.people, scene.key
    one, period = roll.subject[entity], roll.period(entity)
    shop = firms.self_employed[one]
    section, _ = _trades(scene, one)
    firsts = scene.world.firsts
    founded = np.where(period > 0, firsts[period] + chance.whole(key, "firm founded", one, 0, 27), firms.founded[one])
    capital = np.where(shop, 1, 10 ** chance.whole(key, "capital", one, 1, 5)) * 10_000
    owner = pa.array(firms.owner[one])
    return {
        "uscc": firms.code.take(pa.array(one)),
        "name": firm_names(scene, one),
        "kind": chosen(("1", "2", "3", "4", "5"), np.where(shop, 4, chance.pick(key, "firm kind", one, (90, 2, 4, 4)))),
        "industry": chosen(_sections(scene), section),
        "community": community_codes(scene.world, firms.community[one]),
        "address": addresses(scene, firms.community[one], "firm", one, 0 * one),
        "representative": people.name.take(owner),
        "representative_id": people.id_number.take(owner),
        "capital": decimals(capital + 20_000 * version, 16, 4),
        "founded_on": dates(founded),
        "status": chosen(("1",), 0 * one),
    }


def _some(scene: Scene, name: str, first: float, monthly: float) -> Roll:
    """The share `first` of the firms with people, and `monthly` more each month."""
    firm = np.arange(scene.people.firms.idle)
    drawn = chance.unit(scene.key, name, firm)
    bounds = [first + monthly * turn for turn in range(len(scene.world.periods))]
    later = [np.flatnonzero((drawn >= low) & (drawn < low + monthly)) for low in bounds[:-1]]
    return grown(np.flatnonzero(drawn < first), later)


def licence_roll(scene: Scene) -> Roll:
    return _some(scene, "licence", 0.35, 0.006)


def firm_licence(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, period = scene.people, scene.key, roll.period(entity)
    lasts = scene.world.lasts
    ago = np.where(period > 0, 25, 1700) * chance.unit(key, "licence issued", entity)
    issued = lasts[period] - ago.astype(np.int64)
    return {
        "number": numbers.serials("JY", people.number, entity, 14),
        "uscc": people.firms.code.take(pa.array(roll.subject[entity])),
        "kind": chosen(("1", "2", "3", "4", "5"), chance.pick(key, "licence kind", entity, (50, 8, 12, 20, 10))),
        "issued_on": dates(issued),
        "valid_until": dates(issued + 1826 + 365 * version),
    }


def report_roll(scene: Scene) -> Roll:
    return _some(scene, "annual report", 0.8, 0.02)


def firm_annual_report(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, one = scene.people, scene.key, roll.subject[entity]
    periods = scene.world.periods
    firsts, lasts = scene.world.firsts, scene.world.lasts
    year = EPOCH.fromordinal(EPOCH.toordinal() + periods[0].last).year - 1
    early = np.minimum(day(year + 1, 1, 1) + chance.whole(key, "report on", one, 0, 180), lasts[0])
    late = firsts[roll.period(entity)] + chance.whole(key, "report on", one, 0, 27)
    employees = np.bincount(people.firm[people.firm >= 0], minlength=people.firms.idle)[one]
    revenue = (employees + 1) * chance.whole(key, "revenue", one, 6_000_000, 90_000_000)
    return {
        "uscc": people.firms.code.take(pa.array(one)),
        "year": whole(0 * one + year),
        "employees": whole(employees + version),
        "revenue": decimals(revenue, 14, 2),
        "assets": decimals(revenue * chance.whole(key, "assets", one, 30, 300) // 100, 14, 2),
        "reported_on": dates(np.where(roll.period(entity) > 0, late, early)),
    }


def tax_roll(scene: Scene) -> Roll:
    return _some(scene, "tax", 0.9, 0.01)


def tax_registration(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    firms, one = scene.people.firms, roll.subject[entity]
    section, _ = _trades(scene, one)
    small = firms.self_employed[one] | (chance.unit(scene.key, "small taxpayer", one) < 0.6)
    return {
        "uscc": firms.code.take(pa.array(one)),
        "name": firm_names(scene, one),
        "kind": chosen(("1", "2"), small.astype(np.int64)),
        "industry": chosen(_sections(scene), section),
        "registered_on": dates(
            np.minimum(firms.founded[one] + chance.whole(scene.key, "taxed", one, 1, 25), scene.world.today) + version
        ),
    }


def _payers(scene: Scene, name: str, share: float, teachers: bool) -> Roll:
    """Who pays in each month; everybody pays every month but those who start or stop."""
    people, turns = scene.people, scene.world.turns
    drawn = chance.unit(scene.key, name, np.arange(len(people.sex)))
    working = (people.firm >= 0) | (people.teacher if teachers else np.zeros(len(drawn), np.bool_))
    months = []
    for turn in range(turns + 1):
        starts, stops = 0.005 * turn, 0.004 * turn
        months.append(np.flatnonzero(working & (drawn >= stops) & (drawn < share + starts)))
    return grown(months[0], months[1:])


def _paid(scene: Scene, name: str, share: float, roll: Roll, entity: Index) -> tuple[Index, Index, pa.Array]:
    """The period, the months paid without a gap, and the month's label."""
    one, period = roll.subject[entity], roll.period(entity)
    drawn = chance.unit(scene.key, name, one)
    long = np.where(chance.unit(scene.key, name + " new", one) < 0.12, 5, 180)
    before = 1 + (chance.unit(scene.key, name + " months", one) * long).astype(np.int64)
    started = np.ceil(np.maximum(0.0, drawn - share) / 0.005 - 1e-9).astype(np.int64)
    months = np.where(drawn < share, before + period, period - started + 1)
    return period, np.maximum(1, months), chosen([period.label for period in scene.world.periods], period)


def insured_roll(scene: Scene) -> Roll:
    return _payers(scene, "insured", 0.85, teachers=False)


def social_insurance_payment(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, one = scene.people, scene.key, roll.subject[entity]
    period, months, label = _paid(scene, "insured", 0.85, roll, entity)
    base = _base(scene, one)
    firsts = scene.world.firsts
    paid = times.moments(firsts[period] + chance.whole(key, "paid on", one, 14, 26), key, "paid at", one)
    return {
        "id_number": people.id_number.take(pa.array(one)),
        "month": label,
        "kind": chosen(("110",), 0 * one),
        "employer": people.firms.code.take(pa.array(people.firm[one])),
        "base": decimals(base, 14, 2),
        "amount": decimals(base * 24 // 100 + 100 * version, 14, 2),
        "months_paid": whole(months),
        "paid_at": moments(paid),
    }


def _base(scene: Scene, one: Index) -> Index:
    return (2_600 + (chance.unit(scene.key, "wage", one) ** 2.2 * 28_000).astype(np.int64)) // 10 * 1000


def fund_roll(scene: Scene) -> Roll:
    return _payers(scene, "fund", 0.5, teachers=True)


def provident_fund_payment(scene: Scene, roll: Roll, entity: Index, version: Index) -> Columns:
    people, key, one = scene.people, scene.key, roll.subject[entity]
    period, months, label = _paid(scene, "fund", 0.5, roll, entity)
    base = _base(scene, one)
    rate = 10 + 2 * chance.whole(key, "fund rate", np.maximum(0, people.firm[one]), 0, 8)
    firsts = scene.world.firsts
    employed = people.firm[one] >= 0
    return {
        "id_number": people.id_number.take(pa.array(one)),
        "month": label,
        "employer": only_where(employed, people.firms.code.take(pa.array(np.maximum(0, people.firm[one])))),
        "base": decimals(base, 14, 2),
        "amount": decimals(base * rate // 100 + 100 * version, 14, 2),
        "months_paid": whole(months),
        "paid_on": dates(firsts[period] + chance.whole(key, "fund paid on", one, 4, 22)),
    }


RECIPES = (
    Recipe("firm", "block", firm_roll, firm),
    Recipe("social_insurance_payment", "block", insured_roll, social_insurance_payment),
    Recipe("provident_fund_payment", "block", fund_roll, provident_fund_payment),
    Recipe("firm_licence", "block", licence_roll, firm_licence),
    Recipe("firm_annual_report", "block", report_roll, firm_annual_report),
    Recipe("tax_registration", "block", tax_roll, tax_registration),
)
