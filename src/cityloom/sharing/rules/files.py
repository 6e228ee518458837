"""A file of keys: CSV in UTF-8 whose header names the dataset's key fields, one record asked for per line."""

import csv
import io
from collections.abc import Sequence

from cityloom.kernel.errors import Invalid, TooLarge

MOST_BYTES = 4 << 20
MOST_LINES = 10_000
LONGEST = 500


def keys(content: bytes, fields: Sequence[str]) -> list[tuple[str, ...]]:
    """The keys in the order of the file, parts in the order of `fields`.

    Raises TooLarge `sharing.file_too_long`; Invalid `sharing.file_unreadable`, `sharing.file_header`,
    `sharing.file_line`, `sharing.file_key` naming the line.
    """
    if len(content) > MOST_BYTES:
        raise TooLarge("sharing.file_too_long", lines=MOST_LINES, mib=MOST_BYTES >> 20)
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Invalid("sharing.file_unreadable", reason=str(error)) from error
    header = [name.strip() for name in rows[0]] if rows else []
    if sorted(header) != sorted(fields):
        raise Invalid("sharing.file_header", found=", ".join(header)[:200], fields=", ".join(fields))
    if len(rows) - 1 > MOST_LINES:
        raise TooLarge("sharing.file_too_long", lines=MOST_LINES, mib=MOST_BYTES >> 20)
    places = [header.index(name) for name in fields]
    found = []
    for number, row in enumerate(rows[1:], 2):
        if not row:
            continue
        if len(row) != len(header):
            raise Invalid("sharing.file_line", line=number, found=len(row), wanted=len(header))
        key = tuple(row[place].strip() for place in places)
        if any(len(part) > LONGEST or "\x00" in part or "\x1f" in part for part in key):
            raise Invalid("sharing.file_key", line=number, most=LONGEST)
        found.append(key)
    return found
