"""How large what a sender gives may be, so that no file can take the machine down."""

import msgspec

MIB = 1 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of one delivered file; going over one is a TooLarge that names it (single rows are set aside instead)."""

    max_bytes: int = 16 * 1024 * MIB
    """Size after unpacking: of a gzip stream, of all members of a workbook, of a Parquet file's columns."""
    max_ratio: int = 250
    """Unpacked bytes per packed byte. Real tables reach 60; a zip bomb 1,000. Not asked below `ratio_from` bytes."""
    ratio_from: int = 64 * MIB
    """Unpacked size from which `max_ratio` counts: what is smaller does no harm."""
    max_columns: int = 2_000
    """Columns of a header, or keys of the objects of a file."""
    max_line_bytes: int = MIB
    """A CSV or NDJSON row of this size is always read; one that is longer by a MiB never is: it is set aside."""
    max_cell_bytes: int = MIB
    """Size of one value in Parquet and .xlsx (a CSV or NDJSON value is bounded by its row)."""
    max_rows: int = 500_000_000
    """Rows of a Parquet file, whose run lengths can claim any number of them."""
    max_shared_bytes: int = 256 * MIB
    """Size of a workbook's shared texts, the only part of a workbook that is held in memory."""
