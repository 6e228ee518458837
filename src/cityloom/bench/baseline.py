"""The plain engine: the same checks and the same tables of a peak day, written by hand for DuckDB and DuckLake."""

import time
from pathlib import Path

import duckdb

from cityloom.kernel import lake, sql
from cityloom.kernel.lake import LakeSettings

TYPES = ("VARCHAR", "VARCHAR", "VARCHAR", "VARCHAR", "DATE", "DECIMAL(12,2)", "DECIMAL(12,2)", "TIMESTAMP")
NAMES = ("record", "id_number", "name", "status", "month", "base", "amount", "paid_at")
FIELDS = ", ".join(f'"{name}" {kind}' for name, kind in zip(NAMES, TYPES, strict=True))
COLUMNS = ", ".join(f'"{name}"' for name in NAMES)
TEXTS = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in NAMES) + "}"


class Plain:
    """One DuckDB with the lake attached, as a careful engineer would use it."""

    def __init__(self, settings: LakeSettings) -> None:
        self.connection = lake.connect(settings)
        self.connection.execute("CREATE SCHEMA IF NOT EXISTS lake.plain")

    def create(self, dataset: str) -> None:
        """The dataset's tables."""
        for ending, fields in (
            ("", f"{FIELDS}, _sequence BIGINT, _delivery VARCHAR"),
            ("_changes", f"_sequence BIGINT, _delivery VARCHAR, _op VARCHAR, {FIELDS}, _before STRUCT({FIELDS})"),
            ("_bad", "_delivery VARCHAR, _row BIGINT, raw VARCHAR[], faults VARCHAR[]"),
        ):
            self.connection.execute(f"CREATE TABLE {sql.name('lake', 'plain', dataset + ending)} ({fields})")

    def deliver(self, file: Path, dataset: str, delivery: str, mode: str) -> float:
        """Read, check, merge, write changes, commit; the seconds it took."""
        table, changes, bad = (sql.name("lake", "plain", dataset + ending) for ending in ("", "_changes", "_bad"))
        run = self.connection.execute
        started = time.perf_counter()
        run("BEGIN")
        base = _one(run(f"SELECT coalesce(max(_sequence), 0) FROM {changes}"))
        run(f"CREATE OR REPLACE TEMP TABLE staged AS {_checks(file)}")
        run("CREATE OR REPLACE TEMP TABLE twice AS SELECT record FROM staged GROUP BY record HAVING count(*) > 1")
        wrong = "len(faults) > 0 OR record IN (FROM twice)"
        pack = "struct_pack(" + ", ".join(f'"{name}" := c."{name}"' for name in NAMES) + ")"
        differs = " OR ".join(f's."{name}" IS DISTINCT FROM c."{name}"' for name in NAMES[1:])
        run(
            f"CREATE OR REPLACE TEMP TABLE known AS SELECT s.record, ({differs}) AS differs,"
            f" CASE WHEN {differs} THEN {pack} END AS before FROM staged s JOIN {table} c USING (record)"
        )
        fresh = f"staged s LEFT JOIN known k USING (record) WHERE NOT ({wrong})"
        wanted = "k.differs IS NULL" if mode == "append" else "(k.differs IS NULL OR k.differs)"
        values = ", ".join(f's."{name}"' for name in NAMES)
        run(
            f"INSERT INTO {changes} SELECT {base} + s.rowid, '{delivery}', CASE WHEN k.differs THEN 'update' ELSE 'insert' END,"
            f" {values}, k.before FROM {fresh} AND {wanted}"
        )
        run(f"DELETE FROM {table} c USING known k WHERE c.record = k.record AND k.differs")
        run(f"INSERT INTO {table} SELECT {values}, {base} + s.rowid, '{delivery}' FROM {fresh} AND {wanted}")
        run(f"INSERT INTO {bad} SELECT '{delivery}', rowid, raw, faults FROM staged WHERE {wrong}")
        run("COMMIT")
        return time.perf_counter() - started

    def close(self) -> None:
        """Close it."""
        self.connection.close()


def _checks(file: Path) -> str:
    """The nine checks of the pack `peakday`, each named when it fails."""
    digits = "try_cast(left(id_number, 17) AS BIGINT)"
    faults = {
        "record pattern": "record IS NULL OR NOT regexp_full_match(record, '[A-Z]{2}[0-9]{10}')",
        "id_number gb11643": f"id_number IS NULL OR coalesce({_check_digit(digits)} <> right(id_number, 1), true)",
        "name required": "name IS NULL OR name = '' OR length(name) > 50",
        "status codes": "status IS NULL OR status NOT IN ('1', '2', '3', '9')",
        "month type": 'try_cast("month" AS DATE) IS NULL OR try_cast("month" AS DATE) < DATE \'2000-01-01\'',
        "base range": "base IS NOT NULL AND coalesce(try_cast(base AS DECIMAL(12,2)) NOT BETWEEN 0 AND 100000, true)",
        "amount type": "coalesce(try_cast(amount AS DECIMAL(12,2)) < 0, true)",
        "amount_below_base": "try_cast(amount AS DECIMAL(12,2)) > try_cast(base AS DECIMAL(12,2))",
        "paid_at type": "paid_at IS NOT NULL AND try_cast(paid_at AS TIMESTAMP) IS NULL",
    }
    named = ", ".join(f"CASE WHEN {test} THEN '{name}' END" for name, test in faults.items())
    good = " OR ".join(f"({test})" for test in faults.values())
    typed = ", ".join(
        f'try_cast("{name}" AS {kind}) AS "{name}"' if kind != "VARCHAR" else f'"{name}"'
        for name, kind in zip(NAMES, TYPES, strict=True)
    )
    return (
        f"SELECT {typed}, CASE WHEN {good} THEN list_filter([{named}], lambda x: x IS NOT NULL) ELSE [] END AS faults,"
        f" CASE WHEN {good} THEN [{COLUMNS}] END AS raw"
        f" FROM read_csv({sql.literal(str(file))}, columns = {TEXTS}, header = true, auto_detect = false, delim = ',', quote = '\"')"
    )


def _check_digit(digits: str) -> str:
    """The check character by Horner's rule, so that no digit is cut out."""
    tail = " + ".join(f"{2**place} * ({digits} // {10**place})" for place in range(1, 17))
    total = f"(2 * ({digits} - 4 * ({tail}))) % 11"
    return f"substr('10X98765432', 1 + ((({total}) % 11) + 11)::INTEGER % 11, 1)"


def _one(result: duckdb.DuckDBPyConnection) -> int:
    row = result.fetchone()
    return int(row[0]) if row else 0
