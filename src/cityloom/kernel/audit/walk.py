"""Walks along entries and the leaf hashes that were signed, and names each place where they part."""

import re
from collections.abc import Callable, Iterable, Sequence

from cityloom.kernel.audit import merkle
from cityloom.kernel.audit.entry import Finding, prefix

MOST_FINDINGS = 10_000
MOST_STRANGE = 10_000
_POSITION = re.compile(rb'\{"position":(-?\d{1,18}),')

ReadLeaves = Callable[[int, int], bytes]
"""(first, end) -> the leaf hashes [first, end) as one string."""


class Findings:
    """Gathers findings; neighbours of one kind become one range, and a flood is cut off with a count."""

    def __init__(self) -> None:
        self._found: list[Finding] = []
        self._more = 0

    def add(self, code: str, first: int, last: int, detail: str = "") -> None:
        """Note that something is wrong at the positions first to last."""
        previous = self._found[-1] if self._found else None
        if previous and (previous.code, previous.last + 1, previous.detail) == (code, first, detail):
            self._found[-1] = Finding(code=code, first=previous.first, last=last, detail=detail)
        elif len(self._found) < MOST_FINDINGS:
            self._found.append(Finding(code=code, first=first, last=last, detail=detail))
        else:
            self._more += 1

    def extend(self, findings: Iterable[Finding]) -> None:
        """Take over what was found elsewhere."""
        for finding in findings:
            self.add(finding.code, finding.first, finding.last, finding.detail)

    def all(self) -> tuple[Finding, ...]:
        """What was found, in the order it was found."""
        if not self._more:
            return tuple(self._found)
        last = self._found[-1].last
        return (*self._found, Finding(code="audit.more_findings", first=last, last=last, detail=str(self._more)))


class Walk:
    """Takes the entries from `first` on in order; the first `signed` of all are compared with the leaves.

    `size` is how many entries there must be, `expected` the position that must come next, `seen` how many came.
    """

    def __init__(
        self, findings: Findings, read: ReadLeaves, signed: int, size: int, hash_name: str, first: int = 0
    ) -> None:
        self.findings = findings
        self.expected = first
        self.seen = 0
        self._strange: list[int | None] = []
        self.read = read
        self.signed = signed
        self.size = size
        self._new = merkle.hashing(hash_name)

    def take(self, bodies: Sequence[bytes], places: Sequence[int] | None = None) -> None:
        """The next bodies, with the positions they are filed under (None: what the bodies themselves say)."""
        self.seen += len(bodies)
        new, first, end = self._new, self.expected, self.expected + len(bodies)
        hashes = [new(merkle.LEAF + body).digest() for body in bodies] if first < self.signed else [b""] * len(bodies)
        same = first >= self.signed or (end <= self.signed and self.read(first, end) == b"".join(hashes))
        if same and end <= self.size and not self._strange and _in_order(bodies, places, first):
            self.expected = end
            return
        for index, (body, leaf) in enumerate(zip(bodies, hashes, strict=True)):
            self._one(body, leaf, places[index] if places is not None else claimed(body))

    def finish(self) -> None:
        """No more entries come: what was signed or counted beyond here is missing."""
        self._settle(max(self.size, self.expected))

    def _one(self, body: bytes, leaf: bytes, place: int | None) -> None:
        if place is None or not self._genuine(body, leaf, place):
            self._strange.append(place)
            if len(self._strange) == MOST_STRANGE:
                self._settle(max(self.expected, min(self.expected + MOST_STRANGE, self.size)))
        elif place < self.expected:
            self.findings.add("audit.entry_inserted", place, place)
        else:
            self._settle(place)
            self.expected = place + 1

    def _genuine(self, body: bytes, leaf: bytes, place: int) -> bool:
        if place < self.signed:
            return place >= 0 and self.read(place, place + 1) == leaf
        return place < self.size and body.startswith(prefix(place))

    def _settle(self, end: int) -> None:
        """Only strange entries stand between the expected position and `end`: say what became of those in between.

        A strange entry is the changed one of the position that it claims. One that claims none is that of a position
        which no other claims. Those left over were put in, and the positions left over are missing.
        """
        strange, self._strange = self._strange, []
        places = range(self.expected, end)
        changed: set[int] = set()
        nameless = 0
        for claim in strange:
            if claim is None:
                nameless += 1
            elif claim in places and claim not in changed:
                changed.add(claim)
            else:
                self.findings.add("audit.entry_inserted", claim, claim)
        for place in places if strange else ():
            if place not in changed and nameless:
                changed.add(place)
                nameless -= 1
            self.findings.add("audit.entry_changed" if place in changed else "audit.entry_missing", place, place)
        if places and not strange:
            self.findings.add("audit.entry_missing", self.expected, end - 1)
        if nameless:
            self.findings.add("audit.entry_inserted", self.expected, self.expected, str(nameless))
        self.expected = end


def claimed(body: bytes) -> int | None:
    """The position that a body says it has."""
    found = _POSITION.match(body)
    return int(found[1]) if found else None


def _in_order(bodies: Sequence[bytes], places: Sequence[int] | None, first: int) -> bool:
    if places is not None and list(places) != list(range(first, first + len(bodies))):
        return False
    return all(body.startswith(prefix(place)) for place, body in enumerate(bodies, first))
