"""The sample city: a plan of a city from its pack, and the files its departments would deliver, one after the other."""

import csv
import hashlib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa

from cityloom.kernel import packs
from cityloom.kernel.errors import Invalid
from cityloom.samplecity import spec
from cityloom.samplecity.contracts import (
    PlannedAddress,
    PlannedApplication,
    PlannedDelivery,
    PlannedSpelling,
    PlannedWish,
)
from cityloom.samplecity.rules import (
    addressbook,
    chance,
    doubles,
    drafts,
    dress,
    facilities,
    files,
    geometry,
    layout,
    population,
    spellings,
    times,
)
from cityloom.samplecity.rules import applications as applying
from cityloom.samplecity.rules import headcount as heads
from cityloom.samplecity.rules.drafts import State
from cityloom.samplecity.rules.habits import HABITS
from cityloom.samplecity.rules.layout import Communities, Part
from cityloom.samplecity.rules.recipes import Recipe, book
from cityloom.samplecity.rules.world import Roll, Scene, World
from cityloom.samplecity.spec import City, District

FEWEST, MOST = 10_000, 20_000_000
MOST_MONTHS = 4
STANDARD_ADDRESS = (
    "code", "parent", "level", "name", "full_text", "division", "since", "until", "replaced_by", "longitude", "latitude",
)  # fmt: skip


class Plan(msgspec.Struct, frozen=True):
    """Everything that is settled before the first file is written."""

    city: str
    people: int
    seed: int
    as_of: datetime
    world: World
    census: tuple[District, ...]
    blocks: list[list[Part]]
    datasets: dict[str, spec.Dataset]
    """The declarations of the datasets that are delivered, by name."""


def plan(city: Path | packs.Packs, people: int, seed: int, as_of: datetime, months: int = 2) -> Plan:
    """Plan the sample city of a city pack: a full delivery of everything, then the changes of `months` months.

    `city` is the pack's folder (packs it needs lie beside it or are shipped), or the packs that are on. `as_of` is the
    aware moment at which the files will be handed in: the last month ended before it, and timestamps are fresh by it.
    The same arguments give the same files, byte for byte. Raises Invalid `samplecity.people_out_of_range`,
    `samplecity.months_out_of_range`, `samplecity.pack_wrong`.
    """
    if not FEWEST <= people <= MOST:
        raise Invalid("samplecity.people_out_of_range", people=people, least=FEWEST, most=MOST)
    if not 0 <= months <= MOST_MONTHS:
        raise Invalid("samplecity.months_out_of_range", months=months, most=MOST_MONTHS)
    chosen = city if isinstance(city, packs.Packs) else _found(city)
    folder = _city_folder(chosen)
    described = packs.decode(folder / "city.yaml", City)
    try:
        census = spec.census(_read(folder, described.census))
    except ValueError as error:
        raise Invalid("samplecity.pack_wrong", file=str(folder / described.census), reason=str(error)) from error
    communities = _communities(seed, folder, described, census)
    parts = layout.parts(people, census, communities)
    world = World(
        seed, described, _names(chosen), times.periods(as_of, described.time_zone, months),
        _districts(folder, described, census), communities, facilities.schools(seed, parts, communities),
        facilities.clinics(seed, described, parts, communities),
        {name: _features(folder, file).features for name, file in described.stops.items()},
    )  # fmt: skip
    return Plan(folder.parent.name, people, seed, as_of, world, census, layout.blocks(parts), _datasets(chosen))


def count(plan: Plan) -> int:
    """How many deliveries the plan comes to, at most (a file with no rows is not delivered)."""
    total = 0
    for recipes, times_each in ((book.CITY, 1), (book.BLOCK, len(plan.blocks))):
        for recipe in _delivered(plan, recipes):
            total += times_each * sum(len(HABITS[recipe.dataset].modes(period.number)) for period in plan.world.periods)
    return total


def deliveries(plan: Plan, spool: Path) -> Iterator[PlannedDelivery]:
    """The deliveries in an order in which no record names one that is still to come.

    Each file is written into `spool` just before it is given out; whoever takes it removes it.
    """
    states: dict[tuple[str, int], State] = {}
    kept: tuple[int, Scene] | None = None
    for period in plan.world.periods:
        yield from _some(plan, spool, Scene(plan.world), 0, book.CITY, period.number, states)
        for block, parts in enumerate(plan.blocks):
            if kept is None or kept[0] != block:
                kept = None  # two blocks at once would take twice the memory
                kept = block, Scene(plan.world, _people(plan, block, parts))
            yield from _some(plan, spool, kept[1], block, book.BLOCK, period.number, states)


def wishes(plan: Plan, chosen: packs.Packs) -> list[PlannedWish]:
    """What the city's departments ask of one another, from all packs in their order."""
    found = []
    for pack in chosen:
        path = pack.folder / "samplecity" / "wishes.yaml"
        for each in packs.decode(path, list[spec.Wish]) if path.is_file() else ():
            dataset = plan.datasets.get(each.wish.get("dataset", ""))
            if dataset is not None:
                found.append(PlannedWish(key=dataset.key, **msgspec.structs.asdict(each)))
    return found


def people_twice(people: int, seed: int) -> pa.Table:
    """About 1.67 records each of `people` made-up persons as offices write them down, to judge record linkage by.

    Columns: record, person (the truth), name, sex, born, id_number, id_checked, phone, address. The same arguments give
    the same table.
    """
    names = packs.decode(packs.shipped() / "base" / "samplecity" / "names.yaml", spec.Names)
    return doubles.records(people, seed, names)


def infants(plan: Plan) -> Iterator[tuple[str, str]]:
    """The truth that no delivery tells: certificate number of each birth, and the child's identity number."""
    (recipe,) = (each for each in book.BLOCK if each.dataset == "birth")
    for block, parts in enumerate(plan.blocks):
        scene = Scene(plan.world, _people(plan, block, parts))
        roll = recipe.roll(scene)
        every = np.arange(len(roll.subject))
        certificates = recipe.frame(scene, roll, every, 0 * every)["certificate_number"]
        numbers = scene.people.id_number.take(pa.array(roll.subject))
        yield from zip(certificates.to_pylist(), numbers.to_pylist(), strict=True)


def headcount(plan: Plan, on: date) -> dict[str, int]:
    """The truth of the three-class count (R05) on a day: persons registered (H), resident (R), managed (N), and all."""
    total = dict.fromkeys(("H", "R", "N"), 0)
    for block, parts in enumerate(plan.blocks):
        for kind, persons in heads.classes(Scene(plan.world, _people(plan, block, parts)), on).items():
            total[kind] += persons
    return {**total, "all": sum(total.values())}


def applications(plan: Plan) -> Iterator[PlannedApplication]:
    """The city's six-year-olds with their parents, and the truth of what school admission asks of them."""
    on = plan.as_of.astimezone(ZoneInfo(plan.world.city.time_zone)).date()
    for block, parts in enumerate(plan.blocks):
        yield from applying.applications(Scene(plan.world, _people(plan, block, parts)), on)


def addresses(plan: Plan, count: int) -> Iterator[PlannedAddress]:
    """The library of standard addresses that the keeper of addresses would have: `count` and some more, parents first.

    Those that were renamed, renumbered, split or given up are there too, with their last day and what they became. The
    roads and estates are not those of the people's files, which are made up without a library.
    """
    return addressbook.addresses(plan.seed, plan.world.communities, plan.world.names, count)


def write_addresses(plan: Plan, count: int, entries: Path, spans: Path) -> tuple[int, int]:
    """That library as its keeper would deliver it, CSV: `standard_address`, and of addresses whose boundaries were redrawn
    their former `address_division`; how many there are of both."""
    written = [0, 0]
    with entries.open("w", encoding="utf-8", newline="") as one, spans.open("w", encoding="utf-8", newline="") as two:
        rows, stays = csv.writer(one), csv.writer(two)
        rows.writerow(STANDARD_ADDRESS)
        stays.writerow(("address", "division", "since", "until"))
        for each in addresses(plan, count):
            written[0] += 1
            rows.writerow(
                (each.code, each.parent, each.level, each.name, each.text, each.division, each.since, each.until or "",
                 " ".join(each.replaced_by), "", "")
            )  # fmt: skip
            if each.former_division:
                written[1] += 1
                stays.writerow((each.code, each.former_division, each.since, addressbook.REDRAWN))
    return written[0], written[1]


def misspellings(plan: Plan, count: int, stride: int) -> Iterator[PlannedSpelling]:
    """How people write every `stride`-th address of that library, about, and which address they mean."""
    return spellings.spellings(plan.seed, plan.world.names, plan.world.city, addresses(plan, count), stride)


def _some(
    plan: Plan, spool: Path, scene: Scene, block: int, recipes: tuple[Recipe, ...], period: int,
    states: dict[tuple[str, int], State],
) -> Iterator[PlannedDelivery]:  # fmt: skip
    local = plan.as_of.astimezone(ZoneInfo(plan.world.city.time_zone)).replace(tzinfo=None, microsecond=0)
    for recipe in _delivered(plan, recipes):
        habit, dataset = HABITS[recipe.dataset], plan.datasets[recipe.dataset]
        modes = habit.modes(period)
        if not modes:
            continue
        roll = recipe.roll(scene)
        for mode in modes:
            state = states.get((recipe.dataset, block), drafts.start(roll))
            draft = _draft(scene, recipe, roll, state, period, mode)
            order = files.Order(recipe, dataset, habit.dress(period, len(draft.entity)), mode, period, local)
            file = files.make(scene, roll, order, draft)
            if file is not None:
                states[recipe.dataset, block] = drafts.settle(state, draft, file.spoiled, mode)
                yield _planned(plan, spool, order, block, file)


def _draft(scene: Scene, recipe: Recipe, roll: Roll, state: State, period: int, mode: str) -> drafts.Draft:
    key = chance.key(scene.key, recipe.dataset)
    if period == 0:
        return drafts.first(roll)
    if mode == "delete":
        return drafts.removal(key, roll, state, period)
    return drafts.later(key, roll, state, period, mode, recipe.varies)


def _planned(plan: Plan, spool: Path, order: files.Order, block: int, file: files.File) -> PlannedDelivery:
    label = plan.world.periods[order.period].label
    name = f"{order.recipe.dataset}.{label}.{'full' if order.period == 0 else order.mode}.{block + 1:03d}"
    path = spool / f"{name}{order.dress.ending}"
    path.write_bytes(file.data)
    return PlannedDelivery(
        dataset=order.recipe.dataset, delivery_id=name, organisation=order.dataset.keeper, mode=order.mode,
        period=label,
        content_type=dress.CONTENT_TYPES[order.dress.format], content_encoding="gzip" if order.dress.gzip else "",
        charset=order.dress.charset if order.dress.format == "csv" else None, path=path, bytes=len(file.data),
        sha256=hashlib.sha256(file.data).hexdigest(), rows=file.rows, accepted=file.accepted,
        quarantined=file.quarantined, duplicates=file.duplicates, deletes=file.deletes, truth=file.truth,
    )  # fmt: skip


def _delivered(plan: Plan, recipes: tuple[Recipe, ...]) -> list[Recipe]:
    """The recipes of datasets that the city's packs declare, and for which there is something to deliver."""
    stops = {recipe.dataset for recipe in recipes if recipe.dataset.endswith("_stop")} - set(plan.world.stops)
    return [recipe for recipe in recipes if recipe.dataset in plan.datasets and recipe.dataset not in stops]


def _people(plan: Plan, block: int, parts: list[Part]) -> population.Population:
    world = plan.world
    return population.build(
        plan.seed, block, parts, plan.census, world.communities.weight, world.city, world.names, world.periods
    )


def _found(city: Path) -> packs.Packs:
    """The pack in this folder and what it needs."""
    name = packs.decode(city / "pack.yaml", packs.Manifest).name
    return packs.choose([packs.shipped(), city.absolute().parent, city], name)


def _city_folder(chosen: packs.Packs) -> Path:
    for pack in reversed(chosen.order):
        if (pack.folder / "samplecity" / "city.yaml").is_file():
            return pack.folder / "samplecity"
    names = ", ".join(pack.name for pack in chosen)
    raise Invalid("samplecity.pack_wrong", file=names, reason="no pack has samplecity/city.yaml")


def _names(chosen: packs.Packs) -> spec.Names:
    for pack in reversed(chosen.order):
        if (pack.folder / "samplecity" / "names.yaml").is_file():
            return packs.decode(pack.folder / "samplecity" / "names.yaml", spec.Names)
    names = ", ".join(pack.name for pack in chosen)
    raise Invalid("samplecity.pack_wrong", file=names, reason="no pack has samplecity/names.yaml")


def _datasets(chosen: packs.Packs) -> dict[str, spec.Dataset]:
    elements: dict[str, spec.Element] = {}
    for pack in chosen:
        path = pack.folder / "catalogue" / "elements.yaml"
        if path.is_file():
            elements.update(packs.decode(path, dict[str, spec.Element]))
    return {
        name: dataset.inheriting(elements)
        for name, dataset in chosen.read("exchange", spec.Dataset).items()
        if name in HABITS
    }


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid("samplecity.pack_wrong", file=str(folder / name), reason=str(error)) from error


def _features(folder: Path, name: str) -> spec.Features:
    try:
        return msgspec.json.decode(_read(folder, name), type=spec.Features)
    except msgspec.DecodeError as error:
        raise Invalid("samplecity.pack_wrong", file=str(folder / name), reason=str(error)) from error


def _districts(folder: Path, city: City, census: tuple[District, ...]) -> tuple[spec.Place, ...]:
    known = {place.code: place for place in spec.places(_read(folder, city.district_names))}
    return tuple(known[district.code] for district in census)


def _communities(seed: int, folder: Path, city: City, census: tuple[District, ...]) -> Communities:
    found = [
        place
        for place in spec.places(_read(folder, city.communities))
        if place.code[:6] in {one.code for one in census}
    ]
    streets = {place.code: place for place in spec.places(_read(folder, city.streets))}
    districts = {place.code: place for place in spec.places(_read(folder, city.district_names))}
    order = {district.code: place for place, district in enumerate(census)}
    shapes = geometry.shapes(_features(folder, city.districts))
    longitude, latitude = geometry.centres(seed, found, shapes, city.inside)
    steps = tuple((city.title.zh, districts[place.code[:6]].zh, streets[place.parent].zh, place.zh) for place in found)
    number = np.array([order[place.code[:6]] for place in found], np.int64)
    return Communities(
        tuple(place.code for place in found), tuple("".join(each) for each in steps), steps, number,
        layout.weights(seed, tuple(found)), longitude, latitude,
    )  # fmt: skip
