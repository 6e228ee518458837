"""A dataset at the gate for tests: rows of text in, checked rows and named faults out, through a real DuckDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from cityloom.catalogue.contracts import Code, CodeList
from cityloom.exchange.contracts import Mode
from cityloom.exchange.rules.compile import Compiled, compile_delivery, faults_sql
from cityloom.exchange.spec import Check, ResolvedDataset, ResolvedField, Retention, Update
from cityloom.kernel.words import Text

CITY = timezone(timedelta(hours=8))
AT = datetime(2026, 1, 31, 12, 0, tzinfo=CITY)
TODAY = AT.date()
TEXT = Text("title", "标题")
Row = Mapping[str, str | None]


class Checked(msgspec.Struct, frozen=True):
    """What came out: each row of the table by number, and (row, field, rule, value) of each fault."""

    rows: dict[int, dict[str, Any]]
    faults: list[tuple[int, str, str, str | None]]

    @property
    def named(self) -> list[tuple[int, str, str]]:
        return [fault[:3] for fault in self.faults]

    def values(self, field: str) -> list[Any]:
        return [row[field] for row in self.rows.values()]


def field(name: str, type: str = "text", **properties: Any) -> ResolvedField:
    return ResolvedField(name, Text(f"Field {name}", f"字段{name}"), type, **properties)  # type: ignore[arg-type]


def codes(name: str, *known: str, withdrawn: Sequence[str] = ()) -> CodeList:
    listed = [Code(code, Text(f"Code {code}", f"代码{code}")) for code in known]
    gone = [Code(code, Text(f"Code {code}", f"代码{code}"), status="withdrawn") for code in withdrawn]
    return CodeList(name, Text("List", "代码表"), (*listed, *gone))


def dataset(
    *fields: ResolvedField, key: str | None = None, checks: Sequence[tuple[str, str]] = (), name: str = "tried"
) -> ResolvedDataset:
    return ResolvedDataset(
        name=name, title=TEXT, summary=TEXT, keeper="office", legal_basis=TEXT, class_="person", sharing="conditional",
        refusal_law=None, modes=(Mode.upsert,), update=Update("month"), queryable=False,
        key=tuple((key or fields[0].name).split()), retention=Retention("P1Y"), fields=fields, grade=1,
        checks=tuple(Check(name, expression, TEXT, TEXT) for name, expression in checks),
    )  # fmt: skip


def load(
    con: duckdb.DuckDBPyConnection, declared: ResolvedDataset, rows: Sequence[Row], *, intake: bool = False
) -> str:
    """Put rows of text into a table; returns the query that reads them."""
    names = [field.name for field in declared.fields] + (["_intake"] if intake else [])
    texts = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    con.register("rows_given", pa.table({"_row": pa.array(range(1, len(rows) + 1), pa.int64()), **texts}))
    con.execute("CREATE OR REPLACE TEMP TABLE rows_of_text AS SELECT * FROM rows_given")
    con.unregister("rows_given")
    return "SELECT * FROM rows_of_text"


def run(con: duckdb.DuckDBPyConnection, compiled: Compiled) -> Checked:
    con.execute(compiled.statement, dict(compiled.parameters))
    cursor = con.execute(f'SELECT * FROM "{compiled.table}" ORDER BY _row')
    names = [column[0] for column in cursor.description]
    found = {row[0]: dict(zip(names, row, strict=True)) for row in cursor.fetchall()}
    faults = con.execute(f"SELECT * FROM ({faults_sql(compiled)}) ORDER BY row, field, rule").fetchall()
    return Checked(found, faults)


def check(
    declared: ResolvedDataset,
    rows: Sequence[Row],
    *,
    relations: Mapping[str, str] | None = None,
    mode: Mode = Mode.upsert,
    con: duckdb.DuckDBPyConnection | None = None,
    rescan: bool = True,
    intake: bool = False,
    at: datetime = AT,
    few: bool = False,
) -> Checked:
    """Rows of text through the gate."""
    cursor = con or duckdb.connect()
    source = load(cursor, declared, rows, intake=intake)
    told = len(rows) if few else None
    compiled = compile_delivery(
        declared, source, at, relations or {}, mode=mode, rescan=rescan, intake=intake, rows=told
    )
    return run(cursor, compiled)


def one(declared: ResolvedField, text: str | None, **options: Any) -> tuple[Any, list[str]]:
    """Value and rules broken of one text in one field."""
    checked = check(
        dataset(field("number", required=True), declared), [{"number": "1", declared.name: text}], **options
    )
    return checked.values(declared.name)[0], [rule for _, name, rule, _ in checked.faults if name == declared.name]
