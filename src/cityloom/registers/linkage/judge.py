"""How good a linkage is, where the truth is known: precision, recall and F1 of pairs, for benches, tests and the demo."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray


class Judgement(msgspec.Struct, frozen=True):
    """Pairs found, pairs that are, and pairs that are both."""

    found: int
    true: int
    right: int

    @property
    def precision(self) -> float:
        """Share of the found pairs that are right; 1 where nothing was found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were found; 1 where there are none."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.true) if self.found + self.true else 1.0


def judge(clusters: Sequence[object], truth: Sequence[object]) -> Judgement:
    """Compare the cluster of each record with whom it truly is of; both in the order of the records.

    Every two records of one cluster are a pair, whether they were compared or follow from others.
    Raises ValueError where the lengths differ.
    """
    if len(clusters) != len(truth):
        raise ValueError(f"{len(clusters)} records in clusters, {len(truth)} in the truth")
    found, true = _numbers(clusters), _numbers(truth)
    return Judgement(_pairs(found), _pairs(true), _pairs(found * (int(true.max(initial=0)) + 1) + true))


def _numbers(values: Sequence[object]) -> NDArray[np.int64]:
    array: ArrayLike = [str(each) for each in values]
    return np.asarray(np.unique(array, return_inverse=True)[1], np.int64)


def _pairs(group: NDArray[np.int64]) -> int:
    counts = np.unique(group, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())
