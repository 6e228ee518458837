"""Which column of a file is which field of the dataset: by English name or Chinese title, however it is spelled."""

import unicodedata
from collections.abc import Iterable, Sequence

import msgspec

from cityloom.exchange.intake.batches import FAULTS, ROW
from cityloom.kernel import sql
from cityloom.kernel.errors import Invalid

IGNORED = "_"  # such as the columns that a quarantine download adds


class Wanted(msgspec.Struct, frozen=True):
    """A field of the dataset as a header may name it."""

    name: str
    titles: tuple[str, ...] = ()
    required: bool = False


class Matched(msgspec.Struct, frozen=True):
    """Each field with the file's column that holds it, or None where the file has no such column."""

    pairs: tuple[tuple[str, str | None], ...]

    def select(self, table: str) -> str:
        """A query over a source's `table`: `_row`, `_faults`, and every field by its name, NULL where it is missing."""
        values = [
            f"{sql.name(column)} AS {sql.name(field)}"
            if column is not None
            else f"CAST(NULL AS VARCHAR) AS {sql.name(field)}"
            for field, column in self.pairs
        ]
        return f"SELECT {', '.join([ROW, FAULTS, *values])} FROM {table}"


def folded(name: str) -> str:
    """A name without what clerks vary: full and half width, upper and lower case, spaces, the form's asterisk."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return "".join(letter for letter in text if not letter.isspace() and letter not in "*_\u200b\ufeff")


def match(header: Sequence[str], fields: Iterable[Wanted]) -> Matched:
    """Find each field's column. Columns whose name begins with `_` are left alone.

    Raises Invalid `exchange.columns_unknown` (listing them and what is expected), `exchange.columns_missing` (required
    ones), `exchange.columns_doubled` (two columns for one field).
    """
    fields = tuple(fields)
    spellings = _spellings(fields)
    found: dict[str, str] = {}
    unknown: list[str] = []
    for column in header:
        if column.startswith(IGNORED):
            continue
        field = spellings.get(folded(column))
        if field is None:
            unknown.append(column)
        elif field in found:
            raise Invalid("exchange.columns_doubled", field=field, first=found[field], second=column)
        else:
            found[field] = column
    if unknown:
        raise Invalid("exchange.columns_unknown", columns=_told(unknown), expected=_told(_shown(fields)))
    missing = [field for field in fields if field.required and field.name not in found]
    if missing:
        raise Invalid("exchange.columns_missing", columns=_told(_shown(missing)), found=_told(found.values()))
    return Matched(tuple((field.name, found.get(field.name)) for field in fields))


def fields_of(header: Sequence[str], fields: Iterable[Wanted]) -> list[str]:
    """The field that each column holds, "" where it holds none. Refuses nothing: the file was taken once."""
    spellings = _spellings(tuple(fields))
    return ["" if column.startswith(IGNORED) else spellings.get(folded(column), "") for column in header]


def _spellings(fields: Sequence[Wanted]) -> dict[str, str]:
    return {folded(spelling): field.name for field in fields for spelling in reversed((field.name, *field.titles))}


def _shown(fields: Iterable[Wanted]) -> list[str]:
    return [f"{field.name} ({field.titles[-1]})" if field.titles else field.name for field in fields]


def _told(names: Iterable[str]) -> str:
    listed = [name[:60] for name in names]
    rest = len(listed) - 50
    return ", ".join(listed[:50]) + (f" … (+{rest})" if rest > 0 else "")
