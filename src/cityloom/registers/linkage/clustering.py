"""From scored pairs to groups: records of one, where most of the evidence between groups says so.

Connected components chain: one wrong link joins two lives, and one poor record that fits two people joins both. So
within each component all pairs are scored, also those that no blocking rule met, and groups are joined by the mean
match weight between them, the heaviest first, as long as it speaks for one (average linkage, as in correlation
clustering). Weights are capped, so that one pair alone convinces nobody. Groups with different verified numbers of one
kind are never joined.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

CAP = 12.0
"""Bits beyond which a weight says no more: odds of 4,096 to 1."""
LARGEST = 150
"""Records of a component of which all pairs are scored; a larger one is cut first."""
STEP = 2.0
"""Bits by which the cut of a large component is raised."""

IDENTITY = 1000.0
"""Bits that stand for the same verified number."""

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Edges(msgspec.Struct, frozen=True):
    """Scored pairs by place of the record, and whether a number links them whatever the score."""

    left: Rows
    right: Rows
    weight: NDArray[np.float64]


def components(records: int, left: Rows, right: Rows) -> Rows:
    """For each record the smallest record that it is connected with."""
    label = np.arange(records)
    while True:
        before = label.copy()
        low = np.minimum(label[left], label[right])
        np.minimum.at(label, left, low)
        np.minimum.at(label, right, low)
        label = label[label]
        if np.array_equal(label, before):
            return label


def split(records: int, edges: Edges, least: float) -> Rows:
    """Components by edges of at least `least` bits; one of more than LARGEST records is cut at ever higher weights."""
    label = np.arange(records)
    left, right, weight = edges.left, edges.right, edges.weight
    while True:
        strong = weight >= least
        left, right, weight = left[strong], right[strong], weight[strong]
        found = components(records, left, right)
        size = np.bincount(found, minlength=records)[found]
        label = np.where((size <= LARGEST) & (size > 1), found, label)
        open_ = size[left] > LARGEST
        if not open_.any():
            return label
        if least > CAP and bool((weight[open_] >= IDENTITY).all()):
            return np.where(size > LARGEST, found, label)  # one number on hundreds of records
        left, right, weight, least = left[open_], right[open_], weight[open_], least + STEP


def missing(label: Rows, edges: Edges) -> tuple[Rows, Rows]:
    """Pairs within components of 3 to LARGEST records that have no score yet."""
    records = len(label)
    order = np.argsort(label, kind="stable")
    start, size = np.unique(label[order], return_index=True, return_counts=True)[1:]
    have = np.sort(np.minimum(edges.left, edges.right) * records + np.maximum(edges.left, edges.right))
    found = [np.zeros(0, np.int64)]
    for count in np.unique(size):
        if 2 < count <= LARGEST:
            members = order[start[size == count][:, None] + np.arange(count)]
            a, b = np.triu_indices(int(count), 1)
            found.append((members[:, a] * records + members[:, b]).ravel())
    wanted = np.concatenate(found)
    place = np.minimum(np.searchsorted(have, wanted), max(len(have) - 1, 0))
    fresh = wanted[have[place] != wanted] if len(have) else wanted
    return fresh // records, fresh % records


class Rules(msgspec.Struct, frozen=True):
    """When two groups may be joined."""

    convincing: float
    """Bits that at least one pair between them must have."""
    joined: float
    """Bits that the pairs between them must have on average."""
    owners: tuple[Rows, ...] = ()
    """For each kind of verified number what stands for the record's number, or -1: two different ones are never joined."""
    files: Rows | None = None
    """The file of each record, where no file holds somebody twice."""


def cluster(label: Rows, edges: Edges, rules: Rules) -> Rows:
    """For each record the smallest record of its group.

    `label` is its component, `edges` all scored pairs; those between components do not count.
    """
    group = np.arange(len(label))
    inside = np.flatnonzero(label[edges.left] == label[edges.right])
    order = inside[np.argsort(label[edges.left[inside]], kind="stable")]
    left, right = edges.left[order], edges.right[order]
    weight = np.where(edges.weight[order] >= IDENTITY, IDENTITY, np.clip(edges.weight[order], -CAP, CAP))
    if not len(left):
        return group
    names, since = np.unique(label[left], return_index=True)
    until = np.append(since[1:], len(left))
    clear = _clear(label, names, since, until, weight, _apart(rules, left, right), rules)
    whole = np.isin(label, names[clear])
    group[whole] = label[whole]
    for begin, end in zip(since[~clear], until[~clear], strict=True):
        members, places = np.unique(np.concatenate([left[begin:end], right[begin:end]]), return_inverse=True)
        half = end - begin
        matrix = np.full((len(members), len(members)), -CAP, np.float64)
        matrix[places[:half], places[half:]] = matrix[places[half:], places[:half]] = weight[begin:end]
        a, b = np.meshgrid(members, members, indexing="ij")
        matrix[_apart(rules, a.ravel(), b.ravel()).reshape(matrix.shape)] = -np.inf
        group[members] = members[_agglomerate(matrix, rules)]
    return group


def _clear(
    label: Rows, names: Rows, since: Rows, until: Rows, weight: NDArray[np.float64], apart: Flags, rules: Rules
) -> Flags:
    """Components that are one group as they are: every pair convinces, or all are linked by a number."""
    size = np.bincount(label, minlength=len(label))[names]
    least = np.minimum.reduceat(weight, since)
    complete = until - since == size * (size - 1) // 2
    at_odds = np.logical_or.reduceat(apart, since)
    return np.asarray(~at_odds & ((complete & (least >= rules.convincing)) | (least >= IDENTITY)), np.bool_)


def _apart(rules: Rules, left: Rows, right: Rows) -> Flags:
    """Pairs that must not be in one group."""
    found = np.zeros(len(left), np.bool_)
    for each in rules.owners:
        found |= (each[left] >= 0) & (each[right] >= 0) & (each[left] != each[right])
    if rules.files is not None:
        found |= rules.files[left] == rules.files[right]
    return found


def _agglomerate(matrix: NDArray[np.float64], rules: Rules) -> Rows:
    """Average linkage; for each member the first member of its group. `matrix` is used up."""
    count = len(matrix)
    group, size, best = np.arange(count), np.ones(count), matrix.copy()
    np.fill_diagonal(best, -np.inf)
    for _ in range(count - 1):
        open_ = np.where((best >= rules.convincing) & (matrix > -np.inf), matrix, -np.inf)
        a, b = sorted(divmod(int(open_.argmax()), count))
        if open_[a, b] < rules.joined:
            break
        matrix[a] = matrix[:, a] = (matrix[a] * size[a] + matrix[b] * size[b]) / (size[a] + size[b])
        best[a] = best[:, a] = np.maximum(best[a], best[b])
        best[a, a] = -np.inf
        best[b] = best[:, b] = -np.inf
        size[a] += size[b]
        group[group == b] = a
    return group
