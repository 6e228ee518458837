"""Follows signed heads along a row of leaf hashes and says which of them fit."""

import base64
import binascii
from collections.abc import Callable, Mapping

import msgspec

from cityloom.kernel.audit import keys, merkle
from cityloom.kernel.audit.entry import SignedHead
from cityloom.kernel.audit.walk import Findings, ReadLeaves

STRETCH = 1 << 15
"""Leaves hashed at a time between two heads."""

Keys = Mapping[str, keys.PublicKey]
Progress = Callable[[int], None]


class Judgement(msgspec.Struct, frozen=True):
    """What following the heads showed."""

    heads: int
    """Rightly signed ones."""
    good: SignedHead | None
    """The last that fits."""
    reach: int
    """Size of the largest."""
    broken: tuple[tuple[int, int], ...]
    """(size of the last head that fits, size of the first after it that does not)."""
    keys: tuple[str, ...]
    """Ids of the keys that signed."""


class Judge:
    """Sees heads in the order of their sizes; `count` leaves can be had from `read`."""

    def __init__(
        self, log: str, hash_name: str, trusted: Keys, read: ReadLeaves, count: int, findings: Findings
    ) -> None:
        self._log = log
        self._trusted = trusted
        self._read = read
        self._count = count
        self._findings = findings
        self._frontier = merkle.Frontier(algorithm=hash_name)
        self._heads = 0
        self._good: SignedHead | None = None
        self._below = 0
        self._reach = 0
        self._broken: list[tuple[int, int]] = []
        self._signers: set[str] = set()

    def see(self, head: SignedHead) -> None:
        """Check the signature of the head and, as far as there are leaves, its root."""
        fault = signature_fault(head, self._log, self._frontier.algorithm, self._trusted)
        if not fault and head.size < self._frontier.size:
            fault = "audit.head_order"
        if fault:
            self._findings.add(fault, head.size - 1, head.size - 1, head.key)
            return
        self._heads += 1
        self._signers.add(head.key)
        self._reach = max(self._reach, head.size)
        if head.size > self._count:
            return
        self._advance(head.size)
        if self._good and self._good.size < head.size:
            self._below = self._good.size
        if self._frontier.root().hex() == head.root:
            self._good = head
        elif not self._broken or self._broken[-1][0] != self._below:
            self._broken.append((self._below, head.size))

    def verdict(self) -> Judgement:
        """What was seen so far."""
        return Judgement(self._heads, self._good, self._reach, tuple(self._broken), tuple(sorted(self._signers)))

    def _advance(self, size: int) -> None:
        while self._frontier.size < size:
            first = self._frontier.size
            row = self._read(first, min(first + STRETCH, size))
            self._frontier = self._frontier.extend(
                [row[at : at + merkle.WIDTH] for at in range(0, len(row), merkle.WIDTH)]
            )


def signature_fault(head: SignedHead, log: str, hash_name: str, trusted: Keys) -> str:
    """The code of what is wrong with a head by itself; empty if nothing is."""
    if head.log != log or head.hash != hash_name or head.size < 1:
        return "audit.head_foreign"
    key = trusted.get(head.key)
    if key is None:
        return "audit.head_key_unknown"
    try:
        value = base64.b64decode(head.signature, validate=True)
    except binascii.Error:
        return "audit.head_signature"
    signature = keys.Signature(head.algorithm, head.key, value)
    return "" if key.verifies(signature, head.signed_bytes()) else "audit.head_signature"
