"""Merkle trees of RFC 9162 section 2.1 (and RFC 6962): roots, proofs and their verification, without I/O."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

LEAF = b"\x00"
NODE = b"\x01"


class Digest(Protocol):
    """What a hash function of `hashlib` gives back."""

    def digest(self) -> bytes: ...


Hash = Callable[[bytes], Digest]
Nodes = Callable[[int, int], bytes]
"""(level, index) -> hash of the full subtree over the leaves [index << level, (index + 1) << level)."""


def _sm3(data: bytes) -> Digest:
    return hashlib.new("sm3", data)


HASHES: dict[str, Hash] = {"SHA-256": hashlib.sha256, "SM3": _sm3}
DEFAULT = "SHA-256"
WIDTH = 32
"""Bytes of a digest; the same for SHA-256 and SM3 (GB/T 32905)."""


def hashing(algorithm: str) -> Hash:
    """The hash function of that name. Raises ValueError for a name that is not known."""
    found = HASHES.get(algorithm)
    if found is None:
        raise ValueError(f"no hash algorithm {algorithm!r}")
    return found


def leaf_hash(data: bytes, algorithm: str = DEFAULT) -> bytes:
    """Hash of one leaf: H(0x00 || data), 32 bytes."""
    return hashing(algorithm)(LEAF + data).digest()


def node_hash(left: bytes, right: bytes, algorithm: str = DEFAULT) -> bytes:
    """Hash of an inner node: H(0x01 || left || right), 32 bytes."""
    return hashing(algorithm)(NODE + left + right).digest()


class Frontier(msgspec.Struct, frozen=True):
    """The full subtrees, largest first, that make up a tree of `size` leaves: enough to append and to know the root."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()
    algorithm: str = DEFAULT

    def extend(self, leaves: Sequence[bytes]) -> "Frontier":
        """The frontier after appending these leaf hashes; n leaves cost n hashes and O(log size) other steps."""
        new = hashing(self.algorithm)
        pending = list(self.nodes)
        size, row = self.size, list(leaves)
        kept: list[bytes] = []
        while row or size:
            if size & 1:
                row.insert(0, pending.pop())
            if len(row) & 1:
                kept.append(row.pop())
            joined = b"".join(row)
            row = [new(NODE + joined[at : at + 2 * WIDTH]).digest() for at in range(0, len(joined), 2 * WIDTH)]
            size >>= 1
        return Frontier(self.size + len(leaves), tuple(reversed(kept)), self.algorithm)

    def root(self) -> bytes:
        """Root of the tree; of an empty one the hash of nothing."""
        if not self.nodes:
            return hashing(self.algorithm)(b"").digest()
        root = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            root = node_hash(node, root, self.algorithm)
        return root


def fold(row: bytes, algorithm: str = DEFAULT) -> bytes:
    """Root of the full subtree over 2^k neighbouring hashes given as one string of bytes."""
    new = hashing(algorithm)
    while len(row) > WIDTH:
        row = b"".join([new(NODE + row[at : at + 2 * WIDTH]).digest() for at in range(0, len(row), 2 * WIDTH)])
    return row


def full_subtrees(start: int, end: int) -> list[tuple[int, int]]:
    """The leaves [start, end) as (level, index) of the largest full subtrees, from left to right."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        found.append((level, start >> level))
        start += 1 << level
    return found


def frontier(nodes: Nodes, size: int, algorithm: str = DEFAULT) -> Frontier:
    """The frontier of the first `size` leaves of a stored tree."""
    return Frontier(size, tuple(nodes(level, index) for level, index in full_subtrees(0, size)), algorithm)


def inclusion_proof(nodes: Nodes, index: int, size: int, algorithm: str = DEFAULT) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves (RFC 9162, 2.1.3.1). Raises ValueError outside of it."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(nodes, middle, end, algorithm))
            end = middle
        else:
            path.append(_range_hash(nodes, start, middle, algorithm))
            start = middle
    return path[::-1]


def consistency_proof(nodes: Nodes, first: int, second: int, algorithm: str = DEFAULT) -> list[bytes]:
    """Proof that the tree of `first` leaves begins the tree of `second` (RFC 9162, 2.1.4.1). Raises ValueError."""
    if not 0 < first <= second:
        raise ValueError(f"no proof from {first} to {second} leaves")
    path: list[bytes] = []
    start, end = 0, second
    while first < end:
        middle = start + _split(end - start)
        if first <= middle:
            path.append(_range_hash(nodes, middle, end, algorithm))
            end = middle
        else:
            path.append(_range_hash(nodes, start, middle, algorithm))
            start = middle
    if start:
        path.append(_range_hash(nodes, start, end, algorithm))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes, algorithm: str = DEFAULT
) -> bool:
    """Whether the proof shows that `leaf` is number `index` of the tree with that root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size or any(len(node) != WIDTH for node in (leaf, root, *proof)):
        return False
    place, last, found = index, size - 1, leaf
    for node in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(node, found, algorithm)
            place, last = _climb(place, last)
        else:
            found = node_hash(found, node, algorithm)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes, algorithm: str = DEFAULT
) -> bool:
    """Whether the proof shows that the first tree begins the second (RFC 9162, 2.1.4.2).

    An empty first tree begins every tree, so that a proof of it says nothing: it is refused.
    """
    if not 0 < first <= second:
        return False
    if first == second:
        return not proof and first_root == second_root
    nodes = list(proof) if first & (first - 1) else [first_root, *proof]
    if not proof or any(len(node) != WIDTH for node in nodes):
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(node, old, algorithm), node_hash(node, new, algorithm)
            place, last = _climb(place, last)
        else:
            new = node_hash(new, node, algorithm)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(count: int) -> int:
    """The largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _climb(place: int, last: int) -> tuple[int, int]:
    """Go up past the levels where the node at the right edge has no sibling (the RFC's "until LSB(fn) is set")."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _range_hash(nodes: Nodes, start: int, end: int, algorithm: str) -> bytes:
    """Root over the leaves [start, end), where `start` is a place at which the tree splits."""
    parts = [nodes(level, index) for level, index in full_subtrees(start, end)]
    found = parts[-1]
    for part in reversed(parts[:-1]):
        found = node_hash(part, found, algorithm)
    return found
