"""What a connection of the application's role can reach: the rows of its transaction's scope, and nothing else."""

from collections.abc import Iterator

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import errors

from cityloom.kernel.db import PLATFORM, Database, Scope, Transaction
from scratch import Scratch

PROBE = """
    CREATE SCHEMA probe;
    CREATE TABLE probe.note (organisation text NOT NULL, value text NOT NULL);
    ALTER TABLE probe.note ENABLE ROW LEVEL SECURITY;
    ALTER TABLE probe.note FORCE ROW LEVEL SECURITY;
    CREATE POLICY own ON probe.note TO cityloom_app
        USING (organisation = (SELECT kernel.organisation()) OR (SELECT kernel.sees_all()));
    GRANT USAGE ON SCHEMA probe TO cityloom_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON probe.note TO cityloom_app;
    INSERT INTO probe.note VALUES ('psb', 'of the police'), ('civil', 'of civil affairs'), ('civil', 'another');
"""
NOTES = "SELECT organisation, value FROM probe.note ORDER BY organisation, value"
POLICE = Scope("psb", "an.officer")

a_char = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
a_text = st.text(a_char, max_size=40)
many = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


class Note(msgspec.Struct, frozen=True):
    organisation: str
    value: str


POLICE_NOTES = [Note("psb", "of the police")]
EVERY_NOTE = [Note("civil", "another"), Note("civil", "of civil affairs"), *POLICE_NOTES]


@pytest.fixture
def probe(scratch: Scratch) -> None:
    """A table with the policy that all modules use, and three rows of two organisations."""
    with psycopg.connect(scratch.admin_url, autocommit=True) as connection:
        connection.execute(PROBE)


@pytest.fixture
def intruder(scratch: Scratch, probe: None) -> Iterator[psycopg.Connection]:
    """A bare connection of the application's role: whoever has its password and not the scope key."""
    with psycopg.connect(scratch.app_url, autocommit=True) as connection:
        yield connection


def notes(tx: Transaction) -> list[Note]:
    return tx.all(Note, NOTES)


def seen_by(connection: psycopg.Connection, scope_text: str) -> list[tuple[str, str]]:
    """The notes that a transaction with this scope text sees."""
    with connection.transaction():
        connection.execute("SELECT set_config('cityloom.scope', %s, true)", [scope_text])
        return connection.execute(NOTES).fetchall()


def moment(connection: psycopg.Connection) -> int:
    """When the running transaction began, in microseconds of Unix time."""
    row = connection.execute("SELECT (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint").fetchone()
    assert row is not None
    return int(row[0])


# ---- what a scope shows


def test_a_scope_sees_its_own_rows(database: Database, probe: None) -> None:
    with database.begin(POLICE) as tx:
        assert notes(tx) == POLICE_NOTES
        assert tx.scalar(str, "SELECT kernel.organisation()") == "psb"
        assert tx.scalar(str, "SELECT kernel.actor()") == "an.officer"


def test_the_platform_sees_every_row(database: Database, probe: None) -> None:
    with database.begin(PLATFORM) as tx:
        assert notes(tx) == EVERY_NOTE


def test_without_a_scope_no_row_is_seen_or_written(intruder: psycopg.Connection) -> None:
    assert intruder.execute(NOTES).fetchall() == []
    assert intruder.execute("UPDATE probe.note SET value = ''").rowcount == 0
    assert intruder.execute("DELETE FROM probe.note").rowcount == 0
    with pytest.raises(errors.InsufficientPrivilege):
        intruder.execute("INSERT INTO probe.note VALUES ('psb', 'forged')")


def test_a_scope_does_not_write_for_others(database: Database, probe: None) -> None:
    for statement in (
        "INSERT INTO probe.note VALUES ('civil', 'forged')",
        "UPDATE probe.note SET organisation = 'civil'",
    ):
        with pytest.raises(errors.InsufficientPrivilege), database.begin(POLICE) as tx:
            tx.execute(statement)
    with database.begin(POLICE) as tx:
        assert tx.execute("UPDATE probe.note SET value = 'x' WHERE organisation = 'civil'") == 0
        assert tx.execute("DELETE FROM probe.note WHERE organisation = 'civil'") == 0
    with database.begin(PLATFORM) as tx:
        assert notes(tx) == EVERY_NOTE


@many
@given(rows=st.lists(st.tuples(st.sampled_from(["psb", "civil", "health", ""]), a_text), max_size=12))
def test_each_organisation_sees_exactly_its_rows(
    database: Database, scratch: Scratch, rows: list[tuple[str, str]]
) -> None:
    with psycopg.connect(scratch.admin_url, autocommit=True) as admin:
        admin.execute("DROP SCHEMA IF EXISTS probe CASCADE")
        admin.execute(PROBE)
        admin.execute("DELETE FROM probe.note")
        admin.cursor().executemany("INSERT INTO probe.note VALUES (%s, %s)", rows)
    for organisation in ("psb", "civil", "health", "education"):
        with database.begin(Scope(organisation, "x")) as tx:
            seen = [(note.organisation, note.value) for note in notes(tx)]
        assert sorted(seen) == sorted(row for row in rows if row[0] == organisation)


@many
@given(organisation=a_text, actor=a_text)
@example("psb\x1f*", "x")
@example("psb", "x\x1f1\x1f2")
@example("*", "")
def test_a_signed_scope_means_what_was_signed_or_nothing(database: Database, organisation: str, actor: str) -> None:
    """No choice of names makes one scope read as another, separators in them included."""
    try:
        with database.begin(Scope(organisation, actor)) as tx:
            said = tx.scalar(str, "SELECT kernel.organisation()"), tx.scalar(str, "SELECT kernel.actor()")
    except errors.InsufficientPrivilege:
        assert "\x1f" in organisation + actor
    else:
        assert said == (organisation, actor)


# ---- forging, replaying, extending


@many
@given(text=a_text.filter(bool))
def test_no_text_is_a_scope_by_chance(intruder: psycopg.Connection, text: str) -> None:
    with pytest.raises(psycopg.Error):
        seen_by(intruder, text)


@many
@given(at=st.integers(0, 200), char=a_char, drop=st.booleans())
def test_a_changed_scope_is_refused(
    database: Database, intruder: psycopg.Connection, at: int, char: str, drop: bool
) -> None:
    with intruder.transaction():
        good = database.sign(POLICE, intruder.info.backend_pid, moment(intruder))
        at %= len(good)
        changed = good[:at] + ("" if drop else char) + good[at + 1 :]
        if changed != good:
            with pytest.raises(psycopg.Error), intruder.transaction():
                seen_by(intruder, changed)
        assert seen_by(intruder, good) == [("psb", "of the police")]


def test_a_scope_signed_with_another_key_is_refused(scratch: Scratch, intruder: psycopg.Connection) -> None:
    stranger = Database(scratch.app_url, b"another key of thirty-two bytes!")
    try:
        with pytest.raises(errors.InsufficientPrivilege), intruder.transaction():
            seen_by(intruder, stranger.sign(PLATFORM, intruder.info.backend_pid, moment(intruder)))
    finally:
        stranger.close()


def test_a_scope_is_not_replayed_on_another_backend(
    database: Database, scratch: Scratch, intruder: psycopg.Connection
) -> None:
    with psycopg.connect(scratch.app_url, autocommit=True) as other, intruder.transaction():
        for pid in (other.info.backend_pid, 0, -1):
            with pytest.raises(errors.InsufficientPrivilege), intruder.transaction():
                seen_by(intruder, database.sign(PLATFORM, pid, moment(intruder)))


def test_a_scope_read_in_one_transaction_is_void_in_the_next(database: Database, probe: None) -> None:
    """Neither kept as a session's setting nor set again: same backend, later transaction."""
    with database.begin(PLATFORM) as tx:
        stolen = tx.scalar(str, "SELECT current_setting('cityloom.scope')")
        pid = tx.connection.info.backend_pid
        assert len(notes(tx)) == 3
    with database.begin(POLICE) as tx:
        assert tx.connection.info.backend_pid == pid
        tx.execute("SELECT set_config('cityloom.scope', %s, true)", [stolen])
        with pytest.raises(errors.InsufficientPrivilege), tx.connection.transaction():
            notes(tx)


def test_a_scope_is_not_carried_over_a_commit(database: Database, intruder: psycopg.Connection) -> None:
    intruder.execute("BEGIN")
    text = database.sign(PLATFORM, intruder.info.backend_pid, moment(intruder))
    intruder.execute("SELECT set_config('cityloom.scope', %s, false)", [text])  # for the whole session
    assert len(intruder.execute(NOTES).fetchall()) == 3
    intruder.execute("COMMIT AND CHAIN")
    with pytest.raises(errors.InsufficientPrivilege):
        intruder.execute(NOTES)
    intruder.execute("ROLLBACK")
    with pytest.raises(errors.InsufficientPrivilege):
        intruder.execute(NOTES)
    with pytest.raises(errors.InsufficientPrivilege):
        intruder.execute("DO $$ BEGIN COMMIT; PERFORM 1 FROM probe.note; END $$")


def test_one_scope_does_not_become_another(database: Database, probe: None) -> None:
    for text in ("", "*", "*\x1fplatform\x1f0\x1f0\x1f", "\x1f\x1f\x1f\x1f"):
        with database.begin(POLICE) as tx:
            tx.execute("SELECT set_config('cityloom.scope', %s, true)", [text])
            if text == "":
                assert notes(tx) == []
            else:
                with pytest.raises(errors.InsufficientPrivilege), tx.connection.transaction():
                    notes(tx)


# ---- breaking out

ESCAPES = [
    "SET ROLE cityloom_admin",
    "SET ROLE cityloom_lake",
    "SET SESSION AUTHORIZATION cityloom_admin",
    "SELECT set_config('role', 'cityloom_admin', false)",
    "SET session_replication_role = replica",
    "ALTER ROLE cityloom_app BYPASSRLS",
    "ALTER ROLE cityloom_app SUPERUSER",
    "ALTER ROLE cityloom_admin PASSWORD 'known'",
    "GRANT cityloom_admin TO cityloom_app",
    "GRANT cityloom_lake TO cityloom_app",
    "GRANT pg_read_all_data TO cityloom_app",
    "CREATE ROLE accomplice",
    "ALTER TABLE probe.note DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE probe.note NO FORCE ROW LEVEL SECURITY",
    "ALTER TABLE probe.note OWNER TO cityloom_app",
    "DROP POLICY own ON probe.note",
    "ALTER POLICY own ON probe.note USING (true)",
    "CREATE POLICY mine ON probe.note USING (true)",
    "CREATE RULE mine AS ON SELECT TO probe.note DO INSTEAD SELECT 1",
    "TRUNCATE probe.note",
    "SET LOCAL row_security = off; SELECT * FROM probe.note",
    "COPY probe.note TO PROGRAM 'cat'",
    "COPY probe.note TO '/tmp/notes'",
    "SELECT * FROM kernel.scope_key",
    "SELECT outer_pad FROM kernel.scope_key",
    "SELECT count(*) FROM kernel.scope_key",
    "TABLE kernel.scope_key",
    "COPY kernel.scope_key TO STDOUT",
    "SELECT query_to_xml('SELECT * FROM kernel.scope_key', true, true, '')",
    "DO $$ BEGIN PERFORM * FROM kernel.scope_key; END $$",
    "PREPARE mine AS SELECT * FROM kernel.scope_key; EXECUTE mine",
    "DECLARE mine CURSOR FOR SELECT * FROM kernel.scope_key",
    "EXPLAIN ANALYZE SELECT * FROM kernel.scope_key",
    "LOCK TABLE kernel.scope_key",
    "UPDATE kernel.scope_key SET outer_pad = ''",
    "DELETE FROM kernel.scope_key",
    "INSERT INTO kernel.scope_key VALUES ('', '')",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT pg_read_binary_file(pg_relation_filepath('kernel.scope_key'))",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/hostname')",
    "CREATE EXTENSION vector",
    "LOAD 'auto_explain'",
    "CREATE SCHEMA mine",
    "CREATE TABLE public.mine (x int)",
    "CREATE TABLE kernel.mine (x int)",
    "CREATE TABLE jobs.mine (x int)",
    "CREATE TEMP TABLE note AS SELECT 'psb' AS organisation, '' AS value",
    "CREATE TEMP VIEW note AS SELECT 1",
    "CREATE VIEW probe.mine AS SELECT 1",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION jobs.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT '*' $$",
    "CREATE OR REPLACE FUNCTION kernel.organisation() RETURNS text LANGUAGE sql RETURN '*'",
    "CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
    "CREATE OPERATOR pg_temp.= (LEFTARG = text, RIGHTARG = text, FUNCTION = texteq)",
    "CREATE DOMAIN pg_temp.text AS int",
    "CREATE CAST (text AS int) WITH INOUT",
    'CREATE COLLATION public.mine FROM "C"',
    "CREATE EVENT TRIGGER mine ON ddl_command_end EXECUTE FUNCTION jobs.mine()",
    "CREATE TRIGGER mine BEFORE UPDATE ON probe.note EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER FUNCTION kernel.scope_part(int) RESET ALL",
    "ALTER FUNCTION kernel.scope_part(int) SECURITY INVOKER",
    "ALTER FUNCTION kernel.organisation() OWNER TO cityloom_app",
    "ALTER DATABASE postgres SET row_security = off",
]


def test_no_statement_breaks_out(database: Database, probe: None) -> None:
    for statement in ESCAPES:
        refused = False
        try:
            with database.begin(POLICE) as tx:
                tx.connection.execute(statement.encode())
        except errors.InsufficientPrivilege:
            refused = True
        assert refused, statement
        with database.begin(POLICE) as tx:
            assert notes(tx) == POLICE_NOTES, statement
    with database.begin(PLATFORM) as tx:
        assert notes(tx) == EVERY_NOTE


@many
@given(path=st.permutations(["jobs", "probe", "kernel", "public", "pg_temp", "pg_catalog"]), kept=st.integers(0, 6))
def test_no_search_path_changes_what_is_seen(
    intruder: psycopg.Connection, database: Database, path: list[str], kept: int
) -> None:
    with intruder.transaction():
        intruder.execute("SELECT set_config('search_path', %s, true)", [", ".join(path[:kept])])
        text = database.sign(POLICE, intruder.info.backend_pid, moment(intruder))
        assert seen_by(intruder, text) == [("psb", "of the police")]


def test_no_predicate_runs_on_rows_that_are_not_seen(database: Database, probe: None) -> None:
    """A condition that fails on a hidden row would tell of it; policies come first."""
    with database.begin(POLICE) as tx:
        fails_on_hidden = "1 / (CASE organisation WHEN 'civil' THEN 0 ELSE 1 END) = 1"
        assert tx.all(Note, f"SELECT * FROM probe.note WHERE {fails_on_hidden}") == POLICE_NOTES
        assert tx.all(Note, "SELECT * FROM probe.note WHERE value::date IS NOT NULL AND organisation = 'civil'") == []


def test_other_sessions_do_not_show_their_scope(database: Database, intruder: psycopg.Connection) -> None:
    with database.begin(PLATFORM) as tx:
        secret = tx.scalar(str, "SELECT current_setting('cityloom.scope')").split("\x1f")[-1]
        shown = intruder.execute("SELECT query FROM pg_stat_activity").fetchall()
    assert any("set_config" in str(row[0]) or "current_setting" in str(row[0]) for row in shown)
    assert not any(secret in str(row[0]) for row in shown)


def test_nothing_stays_on_the_connection(scratch: Scratch, probe: None) -> None:
    """What one transaction leaves behind must not act in the next one, whoever's it is."""
    one = Database(scratch.app_url, scratch.scope_key, size=1)
    try:
        with one.begin(POLICE) as tx:
            pid = tx.connection.info.backend_pid
            for statement in (
                "SET search_path = probe",
                "SET row_security = off",
                "SET statement_timeout = 1",
                "SET cityloom.scope = 'left behind'",
                "PREPARE left_behind AS SELECT 1",
                "DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1",
                "LISTEN left_behind",
                "SELECT pg_advisory_lock(1)",
            ):
                tx.connection.execute(statement.encode())
        with one.begin(PLATFORM) as tx:
            assert tx.connection.info.backend_pid == pid
            assert tx.scalar(str, "SHOW search_path") == "jobs,pg_temp"
            assert tx.scalar(str, "SHOW row_security") == "on"
            assert tx.scalar(str, "SHOW statement_timeout") == "0"
            assert tx.scalar(int, "SELECT count(*)::int FROM pg_prepared_statements") == 0
            assert tx.scalar(int, "SELECT count(*)::int FROM pg_cursors") == 0
            assert tx.values(str, "SELECT pg_listening_channels()") == []
            assert tx.scalar(int, "SELECT count(*)::int FROM pg_locks WHERE locktype = 'advisory'") == 0
            assert notes(tx) == EVERY_NOTE
        with one.begin(POLICE) as tx:
            tx.connection.execute("SET cityloom.scope = 'left behind'")
        with one.raw() as connection:
            assert connection.execute(NOTES).fetchall() == []
    finally:
        one.close()


def test_events_are_announced_by_all_and_read_by_the_platform(database: Database) -> None:
    write = "INSERT INTO kernel.outbox (topic, body, recorded_at) VALUES ('a.b', '{}', now())"
    count = "SELECT count(*)::int FROM kernel.outbox"
    with database.begin(POLICE) as tx:
        assert tx.execute(write) == 1
        assert tx.scalar(int, count) == 0
    with database.begin(PLATFORM) as tx:
        assert tx.scalar(int, count) == 1
    with pytest.raises(errors.InsufficientPrivilege), database.raw() as connection:
        connection.execute(write.encode())
