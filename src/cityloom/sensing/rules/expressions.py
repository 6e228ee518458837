"""`$filter` and `$orderby` as trees: the grammar of OGC 18-088 (9.3.3.5), read by descent, with the place of each fault."""

import re
from collections.abc import Callable

import msgspec

from cityloom.kernel.errors import BadRequest
from cityloom.sensing.contracts.queries import COMPARISONS, Call, Geometry, Literal, Node, Order, Path, Value
from cityloom.sensing.rules import times

LEVELS: tuple[tuple[str, ...], ...] = (("or",), ("and",), (*COMPARISONS, "in"), ("add", "sub"), ("mul", "div", "mod"))
"""Operators from the weakest to the strongest. `not` takes a comparison, as clients write it: `not result lt 1`."""
RESERVED = {word for level in LEVELS for word in level} | {"not"}
ARITIES: dict[str, tuple[int, ...]] = {
    "substringof": (2,), "endswith": (2,), "startswith": (2,), "length": (1,), "indexof": (2,), "substring": (2, 3),
    "tolower": (1,), "toupper": (1,), "trim": (1,), "concat": (2,), "year": (1,), "month": (1,), "day": (1,), "hour": (1,),
    "minute": (1,), "second": (1,), "fractionalseconds": (1,), "date": (1,), "time": (1,), "totaloffsetminutes": (1,),
    "now": (0,), "mindatetime": (0,), "maxdatetime": (0,), "round": (1,), "floor": (1,), "ceiling": (1,),
    "geo.distance": (2,), "geo.length": (1,), "geo.intersects": (2,), "st_equals": (2,), "st_disjoint": (2,),
    "st_touches": (2,), "st_within": (2,), "st_overlaps": (2,), "st_crosses": (2,), "st_intersects": (2,),
    "st_contains": (2,), "st_relate": (3,), "before": (2,), "after": (2,), "meets": (2,), "during": (2,), "overlaps": (2,),
    "starts": (2,), "finishes": (2,),
}  # fmt: skip
DEEPEST = 60
LONGEST = 20_000
TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<geometry>geo(?:graphy|metry)'(?:[^']|'')*')
    | (?P<duration>duration'[^']*')
    | (?P<text>'(?:[^']|'')*')
    | (?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+\- ]\d\d:?\d\d)?(?:/\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+\- ]\d\d:?\d\d)?)?)
    | (?P<day>\d{4}-\d\d-\d\d)
    | (?P<clock>\d\d:\d\d(?::\d\d(?:\.\d+)?)?)
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[^\W\d][\w.:\-]*|@iot\.\w+)
    | (?P<mark>[(),/\[\]])""",
    re.VERBOSE,
)


class Token(msgspec.Struct, frozen=True):
    """A word of the expression, its kind, and where it begins."""

    kind: str
    text: str
    position: int


def tokens(text: str) -> list[Token]:
    """Words and marks, without spaces. Raises BadRequest `sensing.filter_wrong`."""
    if len(text) > LONGEST:
        raise wrong(text, LONGEST)
    found, place = [], 0
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise wrong(text, place)
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup or "", match[0], place))
        place = match.end()
    return found


def wrong(text: str, position: int) -> BadRequest:
    """The problem with what stands at a place."""
    return BadRequest("sensing.filter_wrong", position=position + 1, near=text[position : position + 30])


def parse_filter(text: str) -> Node:
    """The tree of a `$filter`. Raises BadRequest `sensing.filter_wrong` with the place of the fault."""
    parser = _Parser(text)
    found = parser.level(0, 0)
    parser.end()
    return found


def parse_order(text: str) -> tuple[Order, ...]:
    """The keys of an `$orderby`: `a/b desc,c`. Raises BadRequest `sensing.filter_wrong`."""
    parser = _Parser(text)
    found = [_order(parser)]
    while parser.take(","):
        found.append(_order(parser))
    parser.end()
    return tuple(found)


def _order(parser: "_Parser") -> Order:
    by = parser.level(3, 0)
    descending = parser.take("desc")
    if not descending:
        parser.take("asc")
    return Order(by, descending)


class _Parser:
    """One pass over the words of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = tokens(text)
        self.place = 0

    def peek(self) -> Token:
        if self.place < len(self.words):
            return self.words[self.place]
        return Token("end", "", len(self.text))

    def take(self, text: str) -> bool:
        """Go past the next word if it is this one."""
        if self.peek().text == text and self.peek().kind in ("name", "mark"):
            self.place += 1
            return True
        return False

    def must(self, text: str) -> None:
        if not self.take(text):
            raise wrong(self.text, self.peek().position)

    def end(self) -> None:
        if self.place < len(self.words):
            raise wrong(self.text, self.peek().position)

    def level(self, number: int, depth: int) -> Node:
        """Whatever binds at least as strongly as level `number`."""
        if depth > DEEPEST:
            raise wrong(self.text, self.peek().position)
        if number == len(LEVELS):
            return self.single(depth)
        if number == 2 and self.peek().kind == "name" and self.peek().text == "not":
            position = self.peek().position
            self.place += 1
            return Call("not", (self.level(2, depth + 1),), position)
        left = self.level(number + 1, depth)
        while (word := self.peek()).kind == "name" and word.text in LEVELS[number]:
            self.place += 1
            right = self.listed(depth) if word.text == "in" else (self.level(number + 1, depth),)
            left = Call(word.text, (left, *right), word.position)
            depth += 1
        return left

    def listed(self, depth: int) -> tuple[Node, ...]:
        self.must("(")
        found = [self.level(3, depth + 1)]
        while self.take(","):
            found.append(self.level(3, depth + 1))
        self.must(")")
        return tuple(found)

    def single(self, depth: int) -> Node:
        word = self.peek()
        if word.text == "(" and word.kind == "mark":
            self.place += 1
            found = self.level(0, depth + 1)
            self.must(")")
            return found
        if word.kind in ("end", "mark") or (word.kind == "name" and word.text in RESERVED):
            raise wrong(self.text, word.position)
        self.place += 1
        if word.kind != "name":
            return self.literal(word)
        if word.text in ("true", "false", "null"):
            return Literal({"true": True, "false": False}.get(word.text), word.position)
        if self.peek().text == "(" and self.peek().kind == "mark":
            return self.call(word, depth)
        return self.path(word)

    def call(self, word: Token, depth: int) -> Node:
        if word.text.lower() not in ARITIES:
            raise BadRequest("sensing.function_unknown", name=word.text[:60], position=word.position + 1)
        self.must("(")
        found: list[Node] = []
        if not self.take(")"):
            found.append(self.level(0, depth + 1))
            while self.take(","):
                found.append(self.level(0, depth + 1))
            self.must(")")
        name = word.text.lower()
        if len(found) not in ARITIES[name]:
            raise wrong(self.text, word.position)
        return Call(name, tuple(found), word.position)

    def path(self, word: Token) -> Path:
        names = [word.text]
        while self.peek().kind == "mark" and self.peek().text in ("/", "["):
            closed = self.peek().text == "["
            self.place += 1
            part = self.peek()
            if part.kind not in ("name", "number", "day"):
                raise wrong(self.text, part.position)
            names.append(part.text)
            self.place += 1
            if closed:
                self.must("]")
        return Path(tuple(names), word.position)

    def literal(self, word: Token) -> Node:
        try:
            return self._literal(word)
        except BadRequest as problem:
            raise wrong(self.text, word.position) from problem

    def _literal(self, word: Token) -> Node:
        text = word.text
        if word.kind == "geometry":
            return Geometry(text[text.index("'") + 1 : -1].replace("''", "'"), word.position)
        readers: dict[str, Callable[[], Value]] = {
            "text": lambda: text[1:-1].replace("''", "'"),
            "number": lambda: float(text) if set(text) & set(".eE") else int(text),
            "time": lambda: times.period(text) if "/" in text else times.instant(text),
            "day": lambda: times.day(text),
            "clock": lambda: times.clock(text),
            "duration": lambda: times.duration(text[9:-1]),
        }
        value: Value = readers[word.kind]()
        if value is None or "\x00" in text:
            raise wrong(self.text, word.position)
        return Literal(value, word.position)
