"""Chance without state: every draw is a function of a key, the name of what is drawn, and an index.

So any row can be made again by itself, in any order, on any machine: the numbers come from the finaliser of
SplitMix64 (Steele, Lea, Flood 2014) and not from a generator that moves on.
"""

import hashlib
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Index = NDArray[np.int64]
Flags = NDArray[np.bool_]
Units = NDArray[np.float64]
Bits = NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@lru_cache(maxsize=4096)
def key(*parts: str | int) -> int:
    """A 64-bit key of these words and numbers."""
    text = "\0".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def bits(base: int, name: str, index: ArrayLike) -> Bits:
    """64 random bits for each index."""
    mixed = np.asarray(index, np.int64).astype(np.uint64) * _GOLDEN + np.uint64(key(base, name))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)


def unit(base: int, name: str, index: ArrayLike) -> Units:
    """A number in [0, 1) for each index."""
    return np.asarray((bits(base, name, index) >> np.uint64(11)).astype(np.float64) * 2.0**-53, np.float64)


def whole(base: int, name: str, index: ArrayLike, low: int, high: int) -> Index:
    """An integer in [low, high) for each index."""
    return np.asarray(low + np.floor(unit(base, name, index) * (high - low)), np.int64)


def normal(base: int, name: str, index: ArrayLike) -> Units:
    """About a standard normal number for each index (a sum of four 16-bit numbers), never beyond ±3.5."""
    drawn = bits(base, name, index)
    total = np.zeros(drawn.shape, np.float64)
    for shift in (0, 16, 32, 48):
        total += ((drawn >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float64)
    return np.asarray((total / 65536.0 - 2.0) * 3.0**0.5, np.float64)


def pick(base: int, name: str, index: ArrayLike, weights: ArrayLike) -> Index:
    """For each index a place in `weights`, as likely as its weight."""
    edges = np.cumsum(np.asarray(weights, np.float64))
    found = np.searchsorted(edges, unit(base, name, index) * edges[-1], side="right")
    return np.asarray(np.minimum(found, len(edges) - 1), np.int64)


def sample(base: int, name: str, among: Index, count: int) -> Index:
    """`count` of the numbers `among`, each at most once, in rising order; all of them when there are not as many."""
    if count >= len(among):
        return np.sort(among)
    if count <= 0:
        return among[:0]
    drawn = bits(base, name, among)
    return np.sort(among[np.argpartition(drawn, count - 1)[:count]])


def share(total: int, weights: ArrayLike) -> Index:
    """`total` shared out in whole numbers by weight (largest remainders); the sum is `total`."""
    wanted = np.asarray(weights, np.float64)
    if total == 0 or wanted.sum() <= 0:
        return np.zeros(len(wanted), np.int64)
    exact = wanted / wanted.sum() * total
    found = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - found), kind="stable")
    found[order[: total - int(found.sum())]] += 1
    return np.asarray(found, np.int64)
