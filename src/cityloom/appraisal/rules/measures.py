"""What each measure comes to, as an exact fraction, from the facts of a department."""

from collections.abc import Sequence
from fractions import Fraction

import msgspec

from cityloom.appraisal.contracts import DimensionFacts, DocumentFacts, Facts, Measure, Ratio


class Value(msgspec.Struct, frozen=True):
    """What a measure came to. Without a number, `absent` tells whether nobody knows or there was nothing to count."""

    number: Fraction | None
    shown: str = ""
    absent: str = ""


UNKNOWN, NOTHING = Value(None, absent="unknown"), Value(None, absent="nothing")


def value(facts: Facts, measure: Measure) -> Value:
    """The measure of these facts."""
    if measure == Measure.quality:
        return quality(facts.quality)
    if measure == Measure.documents:
        return documents(facts.documents)
    found: Ratio | None = getattr(facts, measure)
    return ratio(found)


def ratio(found: Ratio | None) -> Value:
    """Good of total."""
    if found is None:
        return UNKNOWN
    if not found.total:
        return NOTHING
    return Value(Fraction(found.good, found.total), f"{found.good}/{found.total}")


def quality(dimensions: Sequence[DimensionFacts]) -> Value:
    """The mean over the dimensions that were measured of good records of all: each dimension counts alike, and within it
    each record."""
    measured = [each for each in dimensions if each.total]
    if not measured:
        return NOTHING if dimensions else UNKNOWN
    mean = sum((Fraction(each.good, each.total) for each in measured), Fraction(0)) / len(measured)
    terms = " + ".join(f"{each.good}/{each.total}" for each in measured)
    return Value(mean, f"({terms})/{len(measured)}")


def documents(found: Sequence[DocumentFacts] | None) -> Value:
    """Over the documents that the department needs: how often each was had by sharing, of how often in all. One that was
    had neither way counts as needed and not shared."""
    if found is None:
        return UNKNOWN
    if not found:
        return NOTHING
    shares = [Fraction(each.good, each.total) if each.total else Fraction(0) for each in found]
    terms = " + ".join(f"{each.good}/{each.total}" if each.total else "0" for each in found)
    return Value(sum(shares, Fraction(0)) / len(found), f"({terms})/{len(found)}")
