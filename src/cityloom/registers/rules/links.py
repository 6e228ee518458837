"""What groups of linked entities come to: who goes into whom, and which pairs a steward is asked about."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from cityloom.registers.contracts import Scored


def links(
    groups: Iterable[tuple[int, int]], identified: Collection[int], apart: Collection[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Entities without an identifier, and the entity into which each goes; `groups` has pairs of entity and group.

    Into the one that has an identifier, or where none has into the first. A group in which several have one is left as it
    is, and so are pairs that a steward found to be two.
    """
    members: dict[int, list[int]] = {}
    for entity, group in groups:
        members.setdefault(group, []).append(entity)
    found = []
    for each in members.values():
        known = [entity for entity in each if entity in identified]
        if len(each) < 2 or len(known) > 1:
            continue
        into = known[0] if known else min(each)
        found += [
            (entity, into) for entity in sorted(each)
            if entity != into and (min(entity, into), max(entity, into)) not in apart
        ]  # fmt: skip
    return found


def doubts(doubtful: Sequence[Scored], conflicting: Sequence[Scored], into: Mapping[int, int]) -> list[Scored]:
    """Pairs to ask about, the smaller number first, each once with its highest probability, after what was linked."""
    found: dict[tuple[int, int], Scored] = {}
    for pair in (*conflicting, *doubtful):
        first, second = sorted((into.get(pair.left, pair.left), into.get(pair.right, pair.right)))
        known = found.get((first, second))
        if first != second and (known is None or known.probability < pair.probability):
            found[first, second] = msgspec.structs.replace(pair, left=first, right=second)
    return list(found.values())
