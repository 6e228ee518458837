"""Lineage as a graph: the way from a resource to what it is made from, and to what is made from it."""

from collections import deque
from collections.abc import Sequence

from cityloom.catalogue.contracts import GraphLine, Line

MOST = 2000


def around(centre: str, lines: Sequence[Line], depth: int) -> list[GraphLine]:
    """The lines within `depth` steps of `centre` in both directions, nearest first; a field counts as its dataset."""
    found: list[GraphLine] = []
    for upward in (True, False):
        found += _walk(centre, lines, depth, upward)
    return sorted(found, key=lambda line: (abs(line.distance), line.source, line.target))[:MOST]


def _walk(centre: str, lines: Sequence[Line], depth: int, upward: bool) -> list[GraphLine]:
    reached, todo = {centre}, deque([(centre, 0)])
    found = []
    while todo:
        here, steps = todo.popleft()
        if steps == depth:
            continue
        for line in lines:
            near, far = (line.target, line.source) if upward else (line.source, line.target)
            if _whole(near) == here:
                found.append(GraphLine(line.source, line.target, line.kind, -(steps + 1) if upward else steps + 1))
                if _whole(far) not in reached:
                    reached.add(_whole(far))
                    todo.append((_whole(far), steps + 1))
    return found


def _whole(name: str) -> str:
    """The dataset of a field; a code list or an element is itself."""
    return name if ":" in name else name.partition(".")[0]
