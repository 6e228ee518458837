"""Pulls from real database servers bring every value as it is, and only what is new."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pymysql
import pytest
import sqlalchemy
from pymysql.cursors import Cursor

from cityloom.exchange.connectors import fetch as connectors
from cityloom.exchange.connectors.sources import Bounds, Fetched, Mysql, Other, Postgres, SourceSpec
from cityloom.kernel import secrets
from cityloom.kernel.clock import FixedClock
from cityloom.kernel.errors import Invalid, NotFound, TooLarge, Unavailable
from cityloom.kernel.postgres import ADMIN, Server
from exchange.intake_reading import read

NOON = FixedClock(datetime(2025, 1, 31, 12, tzinfo=UTC))
Rows = list[tuple[object, ...]]


def pull(
    source: SourceSpec, into: Path, password: str = "", state: bytes | None = None, **bounds: int
) -> Fetched | None:
    def known(name: str) -> str:
        if name != "pull":
            raise NotFound("exchange.secret_unknown", name=name)
        return password

    return connectors.fetch(source, state, into, secrets=known, bounds=Bounds(**bounds), clock=NOON)


def brought(fetched: Fetched | None) -> tuple[tuple[str, ...], Rows]:
    """Columns and rows of what came; every row of it must be readable."""
    assert fetched is not None
    columns, good, bad = read(fetched.path, fetched.format)
    assert bad == []
    assert fetched.rows == len(good)
    return columns, good


class Fund:
    """A PostgreSQL database of a department."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        self.password = secrets.load_or_make(server.home / "secrets", "database_admin")

    def run(self, statement: str) -> None:
        with psycopg.connect(self.server.admin_url, dbname=self.name, autocommit=True) as connection:
            connection.execute(statement.encode())

    def source(self, query: str, **more: str) -> Postgres:
        return Postgres(
            host=str(self.server.sockets),
            database=self.name,
            user=ADMIN,
            query=query,
            password="pull",
            tls="off",
            **more,
        )


@pytest.fixture
def fund(postgres: Server) -> Iterator[Fund]:
    made = Fund(postgres, f"fund_{uuid4().hex[:8]}")
    with psycopg.connect(postgres.admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {made.name}".encode())
        yield made
        connection.execute(f"DROP DATABASE {made.name} WITH (FORCE)".encode())


def test_postgres_gives_values_as_they_are(fund: Fund, tmp_path: Path) -> None:
    query = """
        SELECT * FROM (VALUES
            (1, '张"三", 𠮷' || chr(10) || '街', 1.50::numeric(12,2), true, DATE '2020-01-31',
             TIMESTAMPTZ '2020-01-31 08:00+08', 0.1::float8, 9007199254740993, NULL::text),
            (2, '', 0, NULL, NULL, NULL, 1e-7, -1, 'x')
        ) AS t (id, "姓名", amount, flag, born, changed, ratio, big, note)
        WHERE true -- the last line is a comment"""
    fetched = pull(fund.source(query), tmp_path, fund.password)
    columns, rows = brought(fetched)
    assert columns == ("id", "姓名", "amount", "flag", "born", "changed", "ratio", "big", "note")
    assert rows == [
        (
            1,
            "1",
            '张"三", 𠮷\n街',
            "1.50",
            "true",
            "2020-01-31",
            "2020-01-31 00:00:00+00",
            "0.1",
            "9007199254740993",
            None,
        ),
        (2, "2", None, "0", None, None, None, "1e-07", "-1", "x"),
    ]
    assert fetched is not None
    assert (fetched.format, fetched.state, fetched.name) == ("csv", b"", fund.name)


def test_postgres_brings_only_what_is_new(fund: Fund, tmp_path: Path) -> None:
    fund.run("CREATE TABLE paid (id int, changed timestamptz)")
    fund.run(
        "INSERT INTO paid SELECT n, TIMESTAMPTZ '2025-01-01Z' + n * INTERVAL '1 hour' FROM generate_series(1, 5) n"
    )
    source = fund.source("SELECT * FROM paid", watermark="changed")

    first = pull(source, tmp_path, fund.password)
    assert [row[1] for row in brought(first)[1]] == ["1", "2", "3", "4", "5"]
    assert first is not None
    fund.run(
        "INSERT INTO paid VALUES (6, TIMESTAMPTZ '2025-01-01Z' + INTERVAL '5 hour'), (7, '2025-01-02Z'), (0, '2024-01-01Z')"
    )
    second = pull(source, tmp_path, fund.password, first.state)
    assert [row[1] for row in brought(second)[1]] == ["5", "6", "7"]  # those of the very moment come again
    assert second is not None
    fund.run("TRUNCATE paid")
    assert pull(source, tmp_path, fund.password, second.state) is None
    assert pull(source, tmp_path, fund.password) is None


def test_postgres_faults_are_told_and_leave_nothing(fund: Fund, tmp_path: Path) -> None:
    fund.run("CREATE TABLE paid (id int)")
    cases: list[tuple[SourceSpec, type[Exception], str]] = [
        (fund.source("SELECT * FROM missing"), Invalid, "exchange.pull_query_wrong"),
        (fund.source("SELECT 1 AS a; DROP TABLE paid"), Invalid, "exchange.pull_query_wrong"),
        (
            fund.source("WITH gone AS (DELETE FROM paid RETURNING id) SELECT * FROM gone"),
            Invalid,
            "exchange.pull_query_wrong",
        ),
        (fund.source("SELECT nextval('missing')"), Invalid, "exchange.pull_query_wrong"),
        (fund.source("SELECT '张三'::int AS n"), Invalid, "exchange.pull_query_wrong"),
        (fund.source("SELECT 'x'::bytea AS photo"), Invalid, "exchange.pull_column_type"),
        (fund.source("SELECT pg_sleep(60)"), Unavailable, "exchange.pull_too_slow"),
    ]
    for source, kind, code in cases:
        with pytest.raises(kind) as refused:
            pull(source, tmp_path, fund.password, seconds=2)
        assert getattr(refused.value, "code", "") == code
        assert "张三" not in str(refused.value)
    for source, password in [
        (fund.source("SELECT 1"), "wrong"),
        (Postgres(host="/nowhere", database="x", user="x", query="SELECT 1", password="pull", tls="off"), ""),
    ]:
        with pytest.raises(Unavailable) as away:
            pull(source, tmp_path, password)
        assert away.value.code == "exchange.pull_unreachable"
    with pytest.raises(TooLarge) as large:
        pull(
            fund.source("SELECT repeat('x', 1000) FROM generate_series(1, 10000)"),
            tmp_path,
            fund.password,
            max_bytes=1 << 20,
        )
    assert (large.value.code, large.value.params) == ("exchange.pull_too_large", {"limit": 1})
    assert list(tmp_path.iterdir()) == []
    fund.run("SELECT 1 / (SELECT count(*) FROM pg_tables WHERE tablename = 'paid')")  # fails if it had been dropped


class Shop:
    """A MariaDB database of a department."""

    def __init__(self, socket: str) -> None:
        self.socket = socket

    def run(self, *statements: str) -> None:
        connection: pymysql.connections.Connection[Cursor] = pymysql.connect(
            unix_socket=self.socket, user="root", autocommit=True, charset="utf8mb4"
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def source(self, query: str, user: str = "reader", **more: str) -> Mysql:
        return Mysql(host=self.socket, database="shop", user=user, query=query, password="pull", tls="off", **more)


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The socket of a server of this test's own."""
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        pytest.skip(
            "MariaDB's server is not installed (Debian: apt-get install mariadb-server-core mariadb-client-core)"
        )
    folder = tmp_path_factory.mktemp("mariadb")
    path = f"/tmp/cityloom-{uuid4().hex[:8]}.sock"  # noqa: S108 - its path may have 107 bytes
    user = ["--user=root"] if os.geteuid() == 0 else []
    made = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", "--skip-test-db", *user]
    subprocess.run([*made, "--auth-root-authentication-method=normal"], check=True, capture_output=True)
    command = [
        "mariadbd",
        "--no-defaults",
        f"--datadir={folder}/data",
        f"--socket={path}",
        "--skip-networking",
        *user,
    ]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait(path)
            yield path
        finally:
            process.terminate()


def _wait(path: str) -> None:
    for _ in range(300):
        with socket.socket(socket.AF_UNIX) as trial:
            if trial.connect_ex(path) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("mariadbd did not come up in 30 s")


@pytest.fixture
def shop(mariadb: str) -> Shop:
    made = Shop(mariadb)
    made.run(
        "DROP DATABASE IF EXISTS shop",
        "CREATE DATABASE shop CHARACTER SET utf8mb4",
        "CREATE OR REPLACE USER reader@localhost IDENTIFIED BY 'let me'",
        "GRANT SELECT ON shop.* TO reader@localhost",
    )
    return made


def test_mysql_gives_values_as_they_are(shop: Shop, tmp_path: Path) -> None:
    shop.run(
        "CREATE TABLE shop.firm (id bigint unsigned, `名称` varchar(50), capital decimal(20,4), on_date date,"
        " changed datetime(3), ratio double, flag bit(1), small tinyint(1), doc json, note text)",
        "INSERT INTO shop.firm VALUES (18446744073709551615, '深圳𠮷''\"有限', 1.5000, '2020-01-31',"
        " '2020-01-31 08:05:01.250', 0.1, b'1', 1, '{\"a\": 1}', ''), (2, NULL, -0.0001, NULL, NULL, 1e20, b'0', 0, NULL, '%s')",
    )
    source = shop.source("SELECT * FROM firm WHERE note LIKE '%' AND note <> \"none\" -- a comment")
    fetched = pull(source, tmp_path, "let me")
    columns, rows = brought(fetched)
    assert columns == ("id", "名称", "capital", "on_date", "changed", "ratio", "flag", "small", "doc", "note")
    assert rows == [
        (1, "18446744073709551615", "深圳𠮷'\"有限", "1.5000", "2020-01-31", "2020-01-31 08:05:01.250", "0.1", "1", "1",
         '{"a": 1}', None),
        (2, "2", None, "-0.0001", None, None, "1e20", "0", "0", None, "%s"),
    ]  # fmt: skip
    assert fetched is not None
    assert (fetched.format, fetched.state, fetched.name) == ("parquet", b"", "shop")


def test_mysql_brings_only_what_is_new(shop: Shop, tmp_path: Path) -> None:
    shop.run(
        "CREATE TABLE shop.sale (id int, changed datetime)",
        "INSERT INTO shop.sale VALUES (1, '2025-01-01 01:00'), (2, '2025-01-01 02:00')",
    )
    source = shop.source("SELECT * FROM sale", watermark="changed")
    first = pull(source, tmp_path, "let me")
    assert [row[1] for row in brought(first)[1]] == ["1", "2"]
    assert first is not None
    shop.run("INSERT INTO shop.sale VALUES (3, '2025-01-01 02:00'), (4, '2025-01-02'), (0, '2024-01-01')")
    second = pull(source, tmp_path, "let me", first.state)
    assert [row[1] for row in brought(second)[1]] == ["2", "3", "4"]
    assert second is not None
    shop.run("TRUNCATE shop.sale")
    assert pull(source, tmp_path, "let me", second.state) is None


def test_mysql_streams_many_rows(shop: Shop, tmp_path: Path) -> None:
    query = "SELECT seq AS id, repeat('深', 10) AS text FROM seq_1_to_60000"
    columns, rows = brought(pull(shop.source(query), tmp_path, "let me"))
    assert columns == ("id", "text")
    assert [row[:2] for row in rows] == [(number, str(number)) for number in range(1, 60_001)]


def test_mysql_faults_are_told_and_leave_nothing(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE shop.sale (id int)", "INSERT INTO shop.sale VALUES (1)")
    cases: list[tuple[SourceSpec, str, type[Exception], str]] = [
        (shop.source("SELECT * FROM missing"), "let me", Invalid, "exchange.pull_query_wrong"),
        (shop.source("SELECT 1 AS a, 2 AS A"), "let me", Invalid, "exchange.pull_query_wrong"),
        (shop.source("SELECT 1 AS a; DROP TABLE sale"), "let me", Invalid, "exchange.pull_query_wrong"),
        (shop.source("SELECT x'00ff' AS photo"), "let me", Invalid, "exchange.pull_column_type"),
        (shop.source("SELECT 1"), "wrong", Unavailable, "exchange.pull_unreachable"),
        (shop.source("SELECT 1", user="nobody"), "let me", Unavailable, "exchange.pull_unreachable"),
    ]
    for source, password, kind, code in cases:
        with pytest.raises(kind) as refused:
            pull(source, tmp_path, password)
        assert getattr(refused.value, "code", "") == code
    with pytest.raises(TooLarge) as large:
        pull(shop.source("SELECT sha2(seq, 256) AS h FROM seq_1_to_200000"), tmp_path, "let me", max_bytes=1 << 20)
    assert large.value.code == "exchange.pull_too_large"
    assert list(tmp_path.iterdir()) == []
    shop.run("SELECT * FROM shop.sale")


def test_other_databases_are_read_through_sqlalchemy(tmp_path: Path) -> None:
    """On SQLite; for other drivers nothing is promised."""
    file = tmp_path / "other.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id integer, name text, ratio real, photo blob)")
        connection.exec_driver_sql(
            "INSERT INTO t VALUES (1, '张三', 0.5, NULL), (2, NULL, 1e20, NULL), (3, '', 2.0, NULL)"
        )
    engine.dispose()
    into = tmp_path / "into"
    into.mkdir()
    source = Other(url=f"sqlite:///{file}", query="SELECT * FROM t")
    fetched = pull(source, into)
    columns, rows = brought(fetched)
    assert columns == ("id", "name", "ratio", "photo")
    assert rows == [
        (1, "1", "张三", "0.5", None),
        (2, "2", None, "100000000000000000000", None),
        (3, "3", None, "2", None),
    ]
    assert fetched is not None
    fetched.path.unlink()
    for wrong, code in [
        (Other(url="nothing://x/y", query="SELECT 1"), "exchange.pull_driver_missing"),
        (Other(url=f"sqlite:///{file}", query="SELECT x'00' AS photo"), "exchange.pull_column_type"),
        (Other(url=f"sqlite:///{file}", query="SELECT 1 AS a, 2 AS A"), "exchange.pull_column_repeated"),
    ]:
        with pytest.raises(Invalid) as refused:
            pull(wrong, into)
        assert refused.value.code == code
    assert list(into.iterdir()) == []
