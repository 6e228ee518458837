"""Runs a pack's expressions on DuckDB, and Spark where it is installed, over tables given as rows."""

from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import ibis
import pyarrow as pa

from cityloom.kernel import packs

PACKS = Path(__file__).parents[2] / "packs"


def model(pack: str, name: str) -> ModuleType:
    """A shipped pack's model."""
    return packs.model(packs.available([PACKS])[pack], name)


def table(name: str, data: pa.Table) -> Any:
    """An Ibis table of that name with the columns of the data."""
    return ibis.table(ibis.Schema.from_pyarrow(data.schema), name=name)


def rows(expression: Any, data: dict[str, pa.Table]) -> list[dict[str, Any]]:
    """What the expression comes to on DuckDB."""
    with duckdb.connect() as connection:
        for name, each in data.items():
            connection.register(name, each)
        return connection.execute(ibis.to_sql(expression, dialect="duckdb")).to_arrow_table().to_pylist()
