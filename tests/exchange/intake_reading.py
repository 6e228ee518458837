"""Reads a file through the intake, for the tests of every format."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from cityloom.exchange.intake.columns import Wanted
from cityloom.exchange.intake.limits import Limits
from cityloom.exchange.intake.read import Format, open_source

Row = tuple[object, ...]


def read(
    path: Path, format: Format, *, limits: Limits = Limits(), charset: str = "", sheet_name: str = "",  # noqa: B008
    fields: Sequence[Wanted] = (),
) -> tuple[tuple[str, ...], list[Row], list[Row]]:  # fmt: skip
    """Columns; the rows (number, values…) without fault; the faults (number, field, rule, reason, value)."""
    with (
        duckdb.connect(config={"threads": 2}) as con,
        open_source(
            con, path, format, path.parent, limits, charset=charset, sheet_name=sheet_name, fields=fields
        ) as source,
    ):
        con.execute(f"CREATE TABLE got AS SELECT * FROM {source.scan()}")
        good = con.execute("SELECT * EXCLUDE (_faults) FROM got WHERE _faults IS NULL ORDER BY _row").fetchall()
        bad = con.execute(
            "SELECT _row, f.field, f.rule, f.reason, f.value"
            " FROM (SELECT _row, unnest(_faults) AS f FROM got WHERE _faults IS NOT NULL) ORDER BY _row, f.field"
        ).fetchall()
        return source.columns, good, bad
