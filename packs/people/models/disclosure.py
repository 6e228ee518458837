"""What of a count may be published: small cells hidden, and nothing to be had by subtracting areas or dates.

**Method.** The city is cut into pieces that no published area divides (community × grid cell). The count n of each piece and
class becomes v = ⌊(n + o) / base⌋ · base, where the offset o in 0…base-1 is drawn from a secret key by the piece and class
alone, so it is the same on every date. Every figure of every level is the sum of the v of its pieces, and a figure is
shown where these v prove at least `smallest` persons (v means at least v - base + 1), else it is hidden.

**Why.** v is unbiased over o. Figures of all levels, and which of them are hidden, follow from the v alone; so areas that
are subtracted from each other, nested or not, tell nothing that the v do not, and a v leaves `base` values or more open.
Since o does not change, repeating the publication averages nothing out, and what a history of v tells is also told by a
history that lies higher or lower with another o. Complementary suppression would have to be found anew for each set of
areas and dates, and is undone by the next; here hidden figures could be told and would still be safe.
**Its price:** a figure of k inhabited pieces has a standard error of at most base / 2 · √k.
**What it does not do:** whoever knows everyone of a piece but one person may tell with some probability whether she is
there. The key must stay secret and must not change; a new key is a second answer to the same question.
"""

import hashlib
import hmac

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

LEVELS = {"city": 0, "district": 6, "street": 9, "community": 12}
"""Digits of a community's code that name each area (GB/T 10114); the grid is the other way to cut the city."""


class Parameters(msgspec.Struct, frozen=True):
    """How much is hidden."""

    smallest: int = 10
    """No figure is shown that could stand for fewer persons."""
    base: int = 10
    """Figures are multiples of this."""


def protect(counts: pa.Table, by: tuple[str, ...], key: bytes, parameters: Parameters, subject: str = "") -> pa.Table:
    """The table with `persons` (whole numbers) replaced by protected ones; rows differ in the columns `by`.

    `subject` names what is counted, so that another count of the same areas has offsets of its own.
    Raises ValueError where two rows are the same cell, whose offsets would then not be independent.
    """
    names = [repr((subject, *values)) for values in zip(*(counts[column].to_pylist() for column in by), strict=True)]
    if len(set(names)) != len(names):
        raise ValueError(f"two rows are one cell of {by}")
    offsets = np.fromiter((offset(name, key, parameters.base) for name in names), np.int64, len(names))
    exact = counts["persons"].to_numpy().astype(np.int64)
    rounded = (exact + offsets) // parameters.base * parameters.base
    return counts.set_column(counts.schema.get_field_index("persons"), "persons", pa.array(rounded))


def offset(cell: str, key: bytes, base: int) -> int:
    """The secret offset of a cell, in 0…base-1: HMAC-SHA-256 (RFC 2104) of its name."""
    return int.from_bytes(hmac.digest(key, cell.encode(), hashlib.sha256)[:8], "big") % base


def figures(protected: pa.Table, level: str, parameters: Parameters) -> pa.Table:
    """What is published of one level (city, district, street, community or grid), from protected pieces.

    Takes community, cell, class, persons; gives area, class ("" for all together), persons (null where hidden).
    """
    length = LEVELS.get(level)
    area = (
        protected["cell"].cast(pa.string())
        if length is None
        else pc.utf8_slice_codeunits(protected["community"], 0, length)
    )
    cells = pa.table({"area": area, "class": protected["class"], "persons": protected["persons"]})
    both = pa.concat_tables([cells, cells.set_column(1, "class", pa.array([""] * len(cells), pa.string()))])
    return shown(both, ("area", "class"), parameters)


def shown(protected: pa.Table, by: tuple[str, ...], parameters: Parameters) -> pa.Table:
    """Sums of protected counts by these columns; null where they do not prove that there are enough persons."""
    proven = pc.max_element_wise(pc.subtract(protected["persons"], parameters.base - 1), 0)
    summed = (
        protected.append_column("proven", proven).group_by(list(by)).aggregate([("persons", "sum"), ("proven", "sum")])
    )
    enough = pc.greater_equal(summed["proven_sum"], parameters.smallest)
    told = pc.if_else(enough, summed["persons_sum"], pa.scalar(None, pa.int64()))
    return pa.table({**{column: summed[column] for column in by}, "persons": told}).sort_by(
        [(each, "ascending") for each in by]
    )
