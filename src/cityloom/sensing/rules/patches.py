"""JSON Patch (RFC 6902) on a document."""

import copy
from typing import Any

from cityloom.kernel.errors import BadRequest

MOST = 1000


def applied(document: Any, operations: Any) -> Any:
    """The document after all operations. Raises BadRequest `sensing.patch_wrong` with the number of the one that fails."""
    if not isinstance(operations, list) or len(operations) > MOST:
        raise BadRequest("sensing.patch_wrong", number=0)
    found = copy.deepcopy(document)
    for number, each in enumerate(operations, 1):
        try:
            found = _one(found, each)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
            raise BadRequest("sensing.patch_wrong", number=number) from error
    if not isinstance(found, dict):
        raise BadRequest("sensing.patch_wrong", number=len(operations))
    return found


def _one(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation["op"], _pointer(operation["path"])
    if kind == "test":
        if _at(document, path) != operation["value"]:
            raise ValueError(kind)
        return document
    if kind == "remove":
        return _without(document, path)
    if kind in ("add", "replace"):
        if kind == "replace":
            document = _without(document, path) if path else document
        return _with(document, path, copy.deepcopy(operation["value"]))
    if kind in ("move", "copy"):
        source = _pointer(operation["from"])
        if kind == "move" and path[: len(source)] == source and path != source:
            raise ValueError(kind)
        value = copy.deepcopy(_at(document, source))
        return _with(_without(document, source) if kind == "move" else document, path, value)
    raise ValueError(kind)


def _pointer(text: str) -> list[str]:
    """The parts of a JSON Pointer (RFC 6901)."""
    if text == "":
        return []
    if not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _index(part: str, most: int) -> int:
    if not part.isascii() or not part.isdigit() or (part != "0" and part.startswith("0")) or int(part) > most:
        raise IndexError(part)
    return int(part)


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value[_index(part, len(value) - 1)] if isinstance(value, list) else value[part]
    return value


def _with(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    place = _at(document, path[:-1])
    if isinstance(place, list):
        place.insert(len(place) if path[-1] == "-" else _index(path[-1], len(place)), value)
    elif isinstance(place, dict):
        place[path[-1]] = value
    else:
        raise TypeError(path[-1])
    return document


def _without(document: Any, path: list[str]) -> Any:
    if not path:
        return None
    place = _at(document, path[:-1])
    del place[_index(path[-1], len(place) - 1) if isinstance(place, list) else path[-1]]
    return document
