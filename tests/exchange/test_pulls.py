"""Scheduled pulls from a real PostgreSQL: what is new is delivered once, and a failure is told and tried again."""

from pathlib import Path

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from cityloom.exchange.api import pulls
from cityloom.exchange.store import pulls as store
from cityloom.kernel import packs
from cityloom.kernel.context import Context, Parts
from cityloom.kernel.jobs import platform_context
from exchange.conftest import Door
from scratch import Scratch

PULL = """\
dataset: stock
every_minutes: 5
mode: upsert
source:
  kind: postgresql
  host: {host}
  database: {database}
  user: {user}
  password: warehouse
  tls: "off"
  query: "SELECT item, amount, note FROM public.warehouse"
"""


def prepare(town: Parts, scratch: Scratch, tmp_path: Path) -> Context:
    facts = conninfo_to_dict(scratch.admin_url)
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.warehouse (item text, amount int, note text)")
        connection.execute("INSERT INTO public.warehouse VALUES ('a', 1, 'x'), ('b', 2, NULL)")
    folder = tmp_path / "packs/small/exchange/pulls"
    folder.mkdir()
    text = PULL.format(host=facts["host"], database=facts["dbname"], user=facts["user"])
    (folder / "warehouse.yaml").write_text(text)
    sources = town.settings.secrets / "sources"
    sources.mkdir(exist_ok=True)
    (sources / "warehouse").write_text(str(facts["password"]))
    chosen = packs.choose(packs.folders(town.settings), "small")
    ctx = platform_context(msgspec.structs.replace(town, packs=chosen), "test")
    pulls.install(ctx)
    return ctx


def due_again(ctx: Context) -> None:
    with ctx.begin() as tx:
        store.hasten(tx, "warehouse", ctx.clock.now())
    pulls.run_due(ctx)


def test_a_pull_delivers_what_is_there_and_then_what_has_changed(
    door: Door, town: Parts, scratch: Scratch, tmp_path: Path
) -> None:
    ctx = prepare(town, scratch, tmp_path)
    pulls.run_due(ctx)
    assert door.records() == {"a": (1, "x"), "b": (2, None)}
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        connection.execute("UPDATE public.warehouse SET amount = 7 WHERE item = 'b'")
    due_again(ctx)
    assert door.records() == {"a": (1, "x"), "b": (7, None)}
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        connection.execute("UPDATE public.warehouse SET amount = 2 WHERE item = 'b'")
    due_again(ctx)
    assert door.records() == {"a": (1, "x"), "b": (2, None)}
    assert [row["_op"] for row in door.lines("stock/changes")] == ["insert", "insert", "update", "update"]


def test_a_source_that_is_away_is_told_and_nothing_is_lost(
    door: Door, town: Parts, scratch: Scratch, tmp_path: Path
) -> None:
    ctx = prepare(town, scratch, tmp_path)
    (town.settings.secrets / "sources/warehouse").write_text("wrong")
    pulls.run_due(ctx)
    state = pulls.listed(ctx)[0]
    assert state.failures == 1
    assert state.last_outcome != ""
    assert door.records() == {}
    (town.settings.secrets / "sources/warehouse").write_text(str(conninfo_to_dict(scratch.admin_url)["password"]))
    due_again(ctx)
    assert pulls.listed(ctx)[0].failures == 0
    assert set(door.records()) == {"a", "b"}
