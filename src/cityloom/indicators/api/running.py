"""How a model of a pack is run over the city's datasets: in the platform's name, after the policies have permitted it."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa

from cityloom.exchange.api import tables
from cityloom.exchange.contracts import StateTable
from cityloom.indicators import store
from cityloom.indicators.contracts import Figure
from cityloom.kernel import packs
from cityloom.kernel.access import Principal
from cityloom.kernel.context import Context
from cityloom.kernel.db import EVERY_ORGANISATION
from cityloom.kernel.errors import Invalid

if TYPE_CHECKING:  # Ibis is loaded by who computes: every start of a process would pay for it
    from ibis.expr.types import Table


class Outcome(msgspec.Struct, frozen=True):
    """What a computation came to, and from what."""

    parameters: Any
    inputs: Sequence[StateTable]
    figures: list[Figure]


def model(ctx: Context, pack: str, name: str) -> ModuleType:
    """A model of a pack. Raises NotFound `kernel.pack_missing`."""
    return packs.model(ctx.packs.named(pack), name)


def parameters(kind: type[Any], given: Mapping[str, Any], **fixed: Any) -> Any:
    """The parameters of a model. Raises Invalid `indicators.parameters_wrong`."""
    try:
        return msgspec.convert({**given, **fixed}, kind)
    except msgspec.ValidationError as error:
        raise Invalid("indicators.parameters_wrong", reason=str(error)) from error


def everybodys(ctx: Context) -> Context:
    """The caller's context as the platform's own: what is computed rests on everybody's datasets."""
    principal = Principal(ctx.principal.name, EVERY_ORGANISATION, frozenset({"platform"}))
    return msgspec.structs.replace(ctx, principal=principal)


def states(ctx: Context, datasets: Sequence[str]) -> list[StateTable]:
    """Where these datasets lie. Right `exchange.read_changes` on each."""
    return tables.states(ctx, datasets)


def sources(cursor: duckdb.DuckDBPyConnection, found: Sequence[StateTable]) -> dict[str, "Table"]:
    """The datasets as tables of Ibis."""
    import ibis

    given = {}
    for each in found:
        catalogue, database, name = each.table
        schema = ibis.Schema.from_pyarrow(store.schema(cursor, each.table, each.fields))
        given[each.dataset] = ibis.table(schema, name=name, catalog=catalogue, database=database)
    return given


def table(name: str, of: pa.Table) -> "Table":
    """A table of ours that a statement may name; hand it to `run` under this name."""
    import ibis

    return ibis.table(ibis.Schema.from_pyarrow(of.schema), name=name)


def run(
    cursor: duckdb.DuckDBPyConnection, expression: "Table", ours: Mapping[str, pa.Table] | None = None
) -> pa.Table:  # fmt: skip
    """What an expression comes to on DuckDB, over the lake and these tables."""
    import ibis

    found = store.run(cursor, str(ibis.to_sql(expression, dialect="duckdb")), ours)
    for name in ours or ():
        cursor.unregister(name)
    return found
