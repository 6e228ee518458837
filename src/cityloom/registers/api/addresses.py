"""Reading and matching Chinese addresses: pure, so without a context; who holds a library of addresses calls this.

`Gazetteer` (what names there are) and `parse` read a text; `Library` (the standard addresses) and `match` find what it
means; `codes` makes and checks standard codes; `life` tells what became of addresses and divisions.
"""

from cityloom.registers.rules.addresses import codes, life
from cityloom.registers.rules.addresses.gazetteer import Division, FormerName, Gazetteer
from cityloom.registers.rules.addresses.levels import Level, Parsed, Part, write
from cityloom.registers.rules.addresses.life import DivisionSpan, Entry
from cityloom.registers.rules.addresses.parsing import canonical, parse
from cityloom.registers.rules.matching.library import Library
from cityloom.registers.rules.matching.scoring import Decision, Finding, Verdict
from cityloom.registers.rules.matching.search import Alternative, Match, match

__all__ = [
    "Alternative", "Decision", "Division", "DivisionSpan", "Entry", "Finding", "FormerName", "Gazetteer", "Level",
    "Library", "Match", "Parsed", "Part", "Verdict", "canonical", "codes", "life", "match", "parse", "write",
]  # fmt: skip
