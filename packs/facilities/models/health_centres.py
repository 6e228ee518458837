"""Community health centres (社康中心): how many are missing where, and where new ones reach most people. No I/O.

Source: Shenzhen's standard of city planning (《深圳市城市规划标准与准则》) as quoted by the city: one centre to 10,000 to
20,000 people. Shortfall, reach and ranking are Ibis expressions, for DuckDB and Spark; `choose` and `choose_exactly` solve
the maximal covering location problem (Church and ReVelle 1974) on what they give.
"""

import heapq
from datetime import date
from math import cos, floor, radians
from typing import Literal

import ibis
import msgspec
import numpy as np
import pyarrow as pa
from ibis import _
from ibis.expr.types import IntegerValue, NumericValue, Table
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

Rounding = Literal["up", "nearest", "down"]
DEGREE = 111_320.0
"""Metres to a degree of longitude at the equator."""
MERIDIAN = 110_574.0
"""Metres to a degree of latitude near the tropic."""


class Parameters(msgspec.Struct, frozen=True):
    """The standard, and our reading (the default) of what it leaves open."""

    people_low: int = 20_000
    """People to a centre, at the end of the range that asks for fewer centres."""
    people_high: int = 10_000
    """The same at the other end."""
    rounding: Rounding = "up"
    """A part of a centre counts as a whole one, by the nearest, or not at all (open in the rule)."""
    kinds: tuple[str, ...] = ("B100",)
    """Institutions that are centres, of WS 218; B200, stations, would be counted by another reading."""
    on: date | None = None
    """Centres opened later do not count; None counts all."""
    darkest: int = 4
    """From this gap on a community has the darkest colour."""
    shaded_by: Literal["low", "high"] = "high"
    """Which end of the range the map shows (open in the rule)."""
    metres: float = 1000
    """A centre covers who lives no farther, by the way there."""
    detour: float = 1.3
    """The way as a multiple of the straight line."""
    latitude: float = 22.6
    """Where the projection to metres is true."""


class Site(msgspec.Struct, frozen=True):
    """One chosen site: the people it covers whom none chosen before it does, and how far they go on average."""

    site: str
    newly_covered: int
    metres: float


class Siting(msgspec.Struct, frozen=True):
    """Chosen sites, the most useful first, and how good the choice is."""

    sites: tuple[Site, ...]
    covered: int
    """People newly covered by all of them."""
    bound: float
    """No choice of so many sites covers more."""
    metres: float
    """Person-metres to the nearest chosen site, of those newly covered."""

    @property
    def gap(self) -> float:
        """The share of the bound by which the optimum may be better."""
        return (self.bound - self.covered) / self.bound if self.bound else 0.0


def shortfall(people: Table, centres: Table, parameters: Parameters) -> Table:
    """Centres missing in each community.

    Takes people (community, persons) and institutions (code, community, kind, opened_on). Gives community, persons,
    centres, low and high (centres missing at both ends of the range), and shade, 0 to `darkest`.
    """
    there = centres.filter(_.kind.isin(parameters.kinds))
    if parameters.on:
        there = there.filter(_.opened_on.isnull() | (_.opened_on <= parameters.on))
    number = there.group_by("community").agg(centres=_.count())
    joined = people.left_join(number, "community").select("community", "persons", centres=_.centres.fill_null(0))
    missing = joined.mutate(
        low=_missing(joined, parameters.people_low, parameters.rounding),
        high=_missing(joined, parameters.people_high, parameters.rounding),
    )
    return missing.mutate(shade=ibis.least(missing[parameters.shaded_by], parameters.darkest))


def _missing(table: Table, people: int, rounding: Rounding) -> IntegerValue:
    more = {"up": people - 1, "nearest": people // 2, "down": 0}[rounding]
    needed = (table.persons + more) // people
    return ibis.greatest(needed - table.centres, 0).cast("int64")


def in_metres(places: Table, parameters: Parameters) -> Table:
    """The table with longitude and latitude (degrees) replaced by x and y, metres on a plane true at `latitude`."""
    across = DEGREE * cos(radians(parameters.latitude))
    x, y = places.longitude.cast("float64") * across, places.latitude.cast("float64") * MERIDIAN
    return places.mutate(x=x, y=y).drop("longitude", "latitude")


def reach(demand: Table, sites: Table, parameters: Parameters) -> Table:
    """Who is within reach of which site: cell, site, persons, metres of the way.

    Takes demand (cell, persons, x, y) and sites (site, x, y). Pairs are looked for in neighbouring squares only.
    """
    straight = parameters.metres / parameters.detour
    near = ibis.array([-1, 0, 1])
    spread = sites.select("site", sx=_.x, sy=_.y, column=_square(sites.x, straight), row=_square(sites.y, straight))
    spread = spread.mutate(beside=near.unnest()).mutate(column=_.column + _.beside).drop("beside")
    spread = spread.mutate(beside=near.unnest()).mutate(row=_.row + _.beside).drop("beside")
    people = demand.mutate(column=_square(demand.x, straight), row=_square(demand.y, straight))
    pairs = people.inner_join(spread, ["column", "row"])
    x, y = pairs.x - pairs.sx, pairs.y - pairs.sy
    pairs = pairs.mutate(metres=(x * x + y * y).sqrt() * parameters.detour)
    return pairs.filter(_.metres <= parameters.metres).select("cell", "site", "persons", "metres")


def _square(value: NumericValue, size: float) -> IntegerValue:
    return (value / size).floor().cast("int64")


def uncovered(demand: Table, centres: Table, parameters: Parameters) -> Table:
    """The demand that no existing centre (site, x, y) reaches."""
    return demand.anti_join(reach(demand, centres, parameters), "cell")


def ranking(reached: Table) -> Table:
    """Each site alone, the best first: people newly covered, then how far they go. Takes what `reach` gives of the uncovered."""
    far = (_.persons * _.metres).sum() / _.persons.sum()
    return reached.filter(_.persons > 0).group_by("site").agg(newly_covered=_.persons.sum().cast("int64"), metres=far).order_by(
        ibis.desc("newly_covered"), "metres", "site"
    )  # fmt: skip


class _Cover:
    """Sites by cells: which site reaches which cell, people of the cells, and how often each is covered."""

    def __init__(self, reached: pa.Table) -> None:
        site, cell = reached["site"].combine_chunks(), reached["cell"].combine_chunks()
        self.sites, at_site = np.unique(site.to_numpy(zero_copy_only=False), return_inverse=True)
        cells, first, at_cell = np.unique(cell.to_numpy(zero_copy_only=False), return_index=True, return_inverse=True)
        self.weight = reached["persons"].to_numpy().astype(np.int64)[first]
        self.metres = sparse.csr_array(
            (reached["metres"].to_numpy() + 1.0, (at_site, at_cell)), shape=(len(self.sites), len(cells))
        )
        """Metres to each cell, plus one so that none is zero."""
        self.by_cell = self.metres.tocsc()
        self.times = np.zeros(len(cells), np.int64)
        self.gain = self._sums(self.weight)

    def _sums(self, value: NDArray[np.float64] | NDArray[np.int64]) -> NDArray[np.float64]:
        """Of each site the sum of a value of its cells."""
        pattern = sparse.csr_array(
            (np.ones(self.metres.nnz), self.metres.indices, self.metres.indptr), self.metres.shape
        )
        return np.asarray(pattern @ value)

    def cells(self, site: int) -> NDArray[np.int32]:
        start, end = self.metres.indptr[site : site + 2]
        return np.asarray(self.metres.indices[start:end])

    def around(self, cells: NDArray[np.int32]) -> NDArray[np.float64]:
        """Of each site the people of those of these cells that it reaches."""
        some = self.by_cell[:, cells]
        return np.asarray((some != 0).astype(np.int64) @ self.weight[cells], dtype=np.float64)

    def add(self, site: int) -> None:
        cells = self.cells(site)
        self.gain -= self.around(cells[self.times[cells] == 0])
        self.times[cells] += 1

    def remove(self, site: int) -> None:
        cells = self.cells(site)
        self.times[cells] -= 1
        self.gain += self.around(cells[self.times[cells] == 0])

    @property
    def covered(self) -> int:
        return int(self.weight[self.times > 0].sum())


def choose(reached: pa.Table, number: int, rounds: int = 1000) -> Siting:
    """So many sites that together newly cover as many people as can be found, and a bound on what is possible.

    Lazy greedy (within 1 - 1/e of the optimum, Nemhauser, Wolsey and Fisher 1978), then exchanges of one site as long as
    they gain; the bound is the best of `rounds` steps of a Lagrangian relaxation. Takes what `reach` gives.
    """
    cover = _Cover(reached)
    number = min(number, len(cover.sites))
    if not number:
        return Siting((), 0, 0.0, 0.0)
    chosen = _greedily(cover, number)
    _exchange(cover, chosen)
    bound, others = _relax(cover, number, cover.covered, rounds)
    best, covered = list(chosen), cover.covered
    for site in chosen:
        cover.remove(site)
    for site in others:
        cover.add(site)
    _exchange(cover, others)
    return _siting(cover, others if cover.covered > covered else best, bound)


def _greedily(cover: _Cover, number: int) -> list[int]:
    far = np.asarray(cover.metres @ cover.weight) / np.maximum(cover.gain, 1)
    queue = [(-gain, far[site], site) for site, gain in enumerate(cover.gain)]
    heapq.heapify(queue)
    chosen: list[int] = []
    while len(chosen) < number:
        gain, metres, site = heapq.heappop(queue)
        if -gain > cover.gain[site]:
            heapq.heappush(queue, (-cover.gain[site], metres, site))
            continue
        cover.add(site)
        chosen.append(site)
    return chosen


def _exchange(cover: _Cover, chosen: list[int], passes: int = 30) -> None:
    """Put a better site in the place of a chosen one, until none gains or after so many passes."""
    for _pass in range(passes):
        before = cover.covered
        for at, site in enumerate(chosen):
            cover.remove(site)
            cover.gain[chosen[:at] + chosen[at + 1 :]] = -1  # chosen already
            best = int(np.argmax(cover.gain))
            cover.gain[chosen[:at] + chosen[at + 1 :]] = 0
            chosen[at] = best if cover.gain[best] > cover.gain[site] else site
            cover.add(chosen[at])
        if cover.covered == before:
            return


def _relax(cover: _Cover, number: int, known: int, rounds: int) -> tuple[float, list[int]]:
    """The least upper bound found, and the sites that the relaxation chose there.

    Each cell's "covered only if a chosen site reaches it" is taken out for a price; what is left is solved by sorting.
    """
    weight = cover.weight.astype(np.float64)
    price = np.where(cover.times > 0, weight / np.maximum(cover.times, 1) * 0.5, weight)
    pattern = sparse.csr_array(
        (np.ones(cover.metres.nnz), cover.metres.indices, cover.metres.indptr), cover.metres.shape
    )
    across = pattern.T.tocsr()
    bound, sites, step, still = float("inf"), list[int](), 1.0, 0
    for _round in range(rounds):
        value = np.asarray(pattern @ price)
        top = np.argpartition(value, -number)[-number:]
        worth = float(value[top].sum() + np.maximum(weight - price, 0).sum())
        if worth < bound - 1e-6:
            bound, sites, still = worth, [int(site) for site in top], 0
        else:
            still += 1
            step = step / 2 if still % 20 == 0 else step
        opened = np.zeros(len(value))
        opened[top] = 1
        slope = np.asarray(across @ opened) - (weight > price)
        size = float(slope @ slope)
        if size == 0 or bound - known < 0.5:
            break
        price = np.clip(price - step * max(worth - known, 1) / size * slope, 0, weight)
    return max(floor(bound + 1e-6), known), sites  # people are whole


def _siting(cover: _Cover, chosen: list[int], bound: float) -> Siting:
    """The choice in the order of what each adds, with the ways of those it adds."""
    seen, steps, left = np.zeros(len(cover.weight), bool), [], set(chosen)
    nearest = np.full(len(cover.weight), np.inf)
    while left:
        gains = {site: int(cover.weight[(cells := cover.cells(site))[~seen[cells]]].sum()) for site in left}
        site = max(sorted(left), key=lambda each: gains[each])
        left.remove(site)
        cells = cover.cells(site)
        far = cover.metres.data[slice(*cover.metres.indptr[site : site + 2])] - 1
        new = ~seen[cells]
        people = cover.weight[cells][new]
        steps.append(Site(str(cover.sites[site]), gains[site], float(far[new] @ people) / max(int(people.sum()), 1)))
        seen[cells] = True
        nearest[cells] = np.minimum(nearest[cells], far)
    covered = int(cover.weight[seen].sum())
    return Siting(tuple(steps), covered, max(bound, covered), float(nearest[seen] @ cover.weight[seen]))


def choose_exactly(reached: pa.Table, number: int) -> Siting:
    """The optimum, for small cases: most people newly covered; among such choices, the fewest person-metres. By HiGHS.

    Raises RuntimeError where the solver finds none.
    """
    cover = _Cover(reached)
    sites, cells = cover.metres.shape
    number = min(number, sites)
    pairs = cover.metres.tocoo()
    size = sites + pairs.nnz  # x: site is opened; y: cell goes to site
    each = np.arange(pairs.nnz)
    goes = sparse.csr_array((np.ones(pairs.nnz), (pairs.col, sites + each)), shape=(cells, size))
    opened = sparse.csr_array(
        (np.tile([1.0, -1.0], pairs.nnz), (np.repeat(each, 2), np.column_stack([sites + each, pairs.row]).ravel())),
        shape=(pairs.nnz, size),
    )
    count = sparse.csr_array((np.ones(sites), (np.zeros(sites, int), np.arange(sites))), shape=(1, size))
    rules = [LinearConstraint(goes, 0, 1), LinearConstraint(opened, -np.inf, 0), LinearConstraint(count, 0, number)]
    people = np.concatenate([np.zeros(sites), cover.weight[pairs.col]]).astype(float)
    whole = np.concatenate([np.ones(sites), np.zeros(pairs.nnz)])
    most = milp(-people, constraints=rules, integrality=whole, bounds=Bounds(0, 1), options={"mip_rel_gap": 0})
    if most.x is None:
        raise RuntimeError(most.message)
    covered = round(-most.fun)
    far = np.concatenate([np.zeros(sites), cover.weight[pairs.col] * (pairs.data - 1)])
    least = milp(
        far, constraints=[*rules, LinearConstraint(people[None, :], covered - 0.5, np.inf)], integrality=whole,
        bounds=Bounds(0, 1), options={"mip_rel_gap": 0},
    )  # fmt: skip
    if least.x is None:
        raise RuntimeError(least.message)
    return _siting(cover, [int(site) for site in np.flatnonzero(least.x[:sites] > 0.5)], float(covered))
