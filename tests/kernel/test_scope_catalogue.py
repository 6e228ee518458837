"""What the database's own catalogue says a connection can reach, for every table of every module there is."""

from collections.abc import Iterator

import msgspec
import psycopg
import pytest
from psycopg import errors, sql

from cityloom.kernel.db import PLATFORM, Database, Scope
from scratch import Scratch


class Table(msgspec.Struct, frozen=True):
    schema: str
    name: str
    secured: bool
    forced: bool
    owner: str
    policies: int


SYSTEM = "('pg_catalog', 'information_schema', 'pg_toast')"
TABLES = f"""
    SELECT n.nspname AS schema, c.relname AS name, c.relrowsecurity AS secured, c.relforcerowsecurity AS forced,
           pg_get_userbyid(c.relowner) AS owner,
           (SELECT count(*)::int FROM pg_policy WHERE polrelid = c.oid) AS policies
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN {SYSTEM}
"""
OF_ORGANISATIONS = (
    TABLES
    + """ AND EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'organisation' AND NOT attisdropped)
    ORDER BY 1, 2"""
)
NOT_FORCED = {"kernel.audit_entry"}
"""Written by functions that run as its owner; where that is no superuser, forcing would stop them."""
OPEN = {
    "catalogue.resource": "what exists is no secret between departments",
    "catalogue.resource_revision": "nor what it was before",
    "catalogue.item_source": "everybody must know who answers for an item",
    "catalogue.announcement": "everybody must know what is to come",
    "catalogue.demand": "the list of demands is for all to see",
    "indicators.computation": "what is published says who had it computed",
    "exchange.dataset": "what datasets exist is no secret between departments",
    "exchange.deletion_intent": "whoever commits to a dataset must see that a deletion of it is unfinished",
}
DEFINERS = {
    "kernel.scope_part", "kernel.audit_append", "kernel.audit_seal", "lake.refuse_late_commit", "sensing.make_day",
    "sensing.own_rows", "sensing.take_ids", "sensing.days", "sensing.drop_day", "sensing.note_gone", "sensing.note_touched",
    "sensing.seal_day", "sensing.make_frames_day", "sensing.drop_frames", "sensing.last_change", "sensing.sum_up",
}  # fmt: skip
"""Functions that run with their owner's rights. Whoever adds one proves here what it lets a scope do."""


def rows(connection: psycopg.Connection, query: str) -> list[Table]:
    cursor = connection.execute(query.encode())
    names = [column.name for column in cursor.description or ()]
    return [Table(**dict(zip(names, row, strict=True))) for row in cursor]


def column(connection: psycopg.Connection, query: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(query.encode())]


@pytest.fixture
def admin(scratch: Scratch) -> Iterator[psycopg.Connection]:
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        yield connection


def test_every_table_of_an_organisation_has_row_security(admin: psycopg.Connection) -> None:
    found = rows(admin, OF_ORGANISATIONS)
    assert {"identity", "kernel"} <= {table.schema for table in found}
    for table in found:
        name = f"{table.schema}.{table.name}"
        assert table.secured, name
        assert table.forced or name in NOT_FORCED, name
        assert table.policies, name
        assert table.owner not in ("cityloom_app", "cityloom_lake"), name


def test_every_policy_asks_for_the_scope(admin: psycopg.Connection) -> None:
    for name, using, check in admin.execute(
        """SELECT polrelid::regclass::text || '/' || polname,
                  pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid) FROM pg_policy"""
    ):
        for expression in filter(None, (using, check)):
            assert "kernel.organisation()" in expression or "kernel.sees_all()" in expression, name


def test_rows_of_an_organisation_are_seen_by_nobody_else(
    admin: psycopg.Connection, scratch: Scratch, database: Database
) -> None:
    """A row is put into every such table, past its checks, and looked for from each kind of scope."""
    for table in rows(admin, OF_ORGANISATIONS):
        if table.schema != "kernel":
            _put_row(admin, table, "psb")
            name = f"{table.schema}.{table.name}"
            count = f"SELECT count(*)::int FROM {name}"
            with psycopg.connect(scratch.app_url) as bare:
                assert column(bare, count) == ["0"], name
            with database.begin(Scope("civil", "x")) as tx:
                assert tx.scalar(int, count) == (1 if name in OPEN else 0), name
            with database.begin(PLATFORM) as tx:
                assert tx.scalar(int, count) == 1, name


def _put_row(admin: psycopg.Connection, table: Table, organisation: str) -> None:
    target = sql.Identifier(table.schema, table.name)
    checks = "SELECT conname FROM pg_constraint WHERE contype IN ('c', 'f') AND conrelid = %s::regclass"
    for (constraint,) in admin.execute(checks, [target.as_string(admin)]).fetchall():
        admin.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(target, sql.Identifier(constraint)))
    values = {
        "boolean": "false",
        "text": "''",
        "bytea": "''",
        "jsonb": "'{}'",
        "date": "now()",
        "timestamp with time zone": "now()",
    }
    needed = admin.execute(
        """SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
           WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull AND NOT atthasdef AND attidentity = ''
             AND NOT attisdropped AND attname <> 'organisation'""",
        [target.as_string(admin)],
    ).fetchall()
    names = [sql.Identifier("organisation"), *(sql.Identifier(name) for name, _ in needed)]
    fill = [sql.SQL("'{}'") if kind.endswith("[]") else sql.SQL(values.get(kind, "0")) for _, kind in needed]
    row = sql.SQL(", ").join([sql.Literal(organisation), *fill])
    admin.execute(sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(target, sql.SQL(", ").join(names), row))


def test_the_roles_are_ordinary(admin: psycopg.Connection) -> None:
    for role in ("cityloom_app", "cityloom_lake"):
        attributes = admin.execute(
            """SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolinherit
               FROM pg_roles WHERE rolname = %s""",
            [role],
        ).fetchall()
        assert attributes == [(False,) * 6]
        member = "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = %s::regrole"
        assert admin.execute(member, [role]).fetchall() == []


def test_the_application_owns_and_makes_nothing(admin: psycopg.Connection) -> None:
    owned = "SELECT classid::regclass::text FROM pg_shdepend WHERE deptype = 'o' AND refobjid = 'cityloom_app'::regrole"
    assert column(admin, owned) == []
    writable = "SELECT nspname FROM pg_namespace WHERE has_schema_privilege('cityloom_app', oid, 'CREATE')"
    assert column(admin, writable) == []
    rights = "SELECT has_database_privilege('cityloom_app', current_database(), 'CREATE, TEMPORARY')"
    assert column(admin, rights) == ["False"]


def test_the_application_has_no_right_that_passes_by_policies(admin: psycopg.Connection) -> None:
    """TRUNCATE heeds no policy, TRIGGER runs code in other transactions, REFERENCES tells which keys exist."""
    passing = f"""SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT IN {SYSTEM}
                    AND has_table_privilege('cityloom_app', c.oid, 'TRUNCATE, TRIGGER, REFERENCES')"""
    assert column(admin, passing) == []
    views = f"""SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN {SYSTEM}
                  AND has_table_privilege('cityloom_app', c.oid, 'SELECT')
                  AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false)"""
    assert column(admin, views) == []


def test_functions_with_their_owners_rights_are_known_and_closed(admin: psycopg.Connection) -> None:
    definers = admin.execute(
        f"""SELECT n.nspname || '.' || p.proname, p.proconfig
            FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE p.prosecdef AND n.nspname NOT IN {SYSTEM}"""
    ).fetchall()
    assert {name for name, _ in definers} == DEFINERS
    assert {tuple(config) for _, config in definers} == {("search_path=pg_catalog, pg_temp",)}


def test_the_lake_role_reads_no_module(admin: psycopg.Connection, scratch: Scratch) -> None:
    reachable = f"""SELECT nspname FROM pg_namespace WHERE nspname NOT IN {SYSTEM} AND nspname NOT LIKE 'pg\\_%'
                      AND has_schema_privilege('cityloom_lake', oid, 'USAGE')"""
    assert column(admin, reachable) == ["lake"]
    assert column(admin, "SELECT has_schema_privilege('cityloom_app', 'lake', 'USAGE')") == ["False"]
    every = rows(admin, TABLES)
    assert {"kernel", "identity", "jobs"} <= {table.schema for table in every}
    with psycopg.connect(scratch.lake_url, autocommit=True) as lake:
        for table in every:
            with pytest.raises(errors.InsufficientPrivilege):
                lake.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(table.schema, table.name)))
