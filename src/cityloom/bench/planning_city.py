"""A city's people as Parquet files for the bench of planning, and the count written by hand in DuckDB's SQL."""

from datetime import date
from pathlib import Path

import duckdb

from cityloom.kernel import sql

COMMUNITIES = 800
SCHOOLS = 2000
MACRO = "CREATE MACRO draw(i, salt, n) AS (hash(i * 97 + salt) % n::UBIGINT)::BIGINT"


def write(folder: Path, people: int) -> int:
    """One Parquet file for each source; three rows a person in all. The rows written."""
    rows = 0
    with duckdb.connect(config={"memory_limit": "3GB", "temp_directory": str(folder / "making")}) as connection:
        connection.execute(MACRO)
        connection.execute(
            "CREATE MACRO community(n) AS printf('4403%02d%03d%03d', 1 + n // 100, n // 10 % 10, n % 10)"
        )
        for name, query in _tables(people).items():
            file = sql.literal(str(folder / f"{name}.parquet"))
            connection.execute(f"COPY ({query}) TO {file} (FORMAT parquet)")
            found = connection.execute(f"SELECT count(*) FROM read_parquet({file})").fetchone()
            rows += found[0] if found else 0
    return rows


def _tables(people: int) -> dict[str, str]:
    """What each source is made of: the first three tenths of the people are registered, the others are not."""
    part = people // 100
    own, homes, houses = 30 * part, 25 * part, 10 * part
    other = f"{own} + draw(i, 1, {people - own})"
    return {
        "registered": f"SELECT i AS person, printf('H%011d', draw(i, 2, {houses})) AS household,"
        f" community(draw(i, 3, {COMMUNITIES})) AS community, DATE '2000-01-01' + (i % 9000)::INTEGER AS registered_on"
        f" FROM range({own}) r(i)",
        "household": f"SELECT printf('H%011d', i) AS number, CASE WHEN i % 20 > 0 THEN printf('D%011d', draw(i, 4, {homes})) END"
        f" AS dwelling FROM range({houses}) r(i)",
        "death": f"SELECT draw(i, 5, {people}) AS person, DATE '2026-01-01' + (i % 365)::INTEGER AS died_on FROM range({part}) r(i)",
        "pupil": f"SELECT draw(i, 6, {people}) AS person, printf('E%09d', i % {SCHOOLS}) AS school,"
        f" CASE WHEN i % 50 = 0 THEN '2' ELSE '1' END AS status, i % 13 AS grade, DATE '2020-09-01' AS enrolled_on FROM range({10 * part}) r(i)",
        "teacher": f"SELECT draw(i, 7, {people}) AS person, printf('E%09d', i % {SCHOOLS}) AS school, DATE '2019-09-01' AS hired_on"
        f" FROM range({part}) r(i)",
        "school": f"SELECT printf('E%09d', i) AS code, community(i % {COMMUNITIES}) AS community FROM range({SCHOOLS}) r(i)",
        "social_insurance": f"SELECT {own // 2} + i // 2 AS person, CASE WHEN i % 2 = 0 THEN '2026-05' ELSE '2026-06' END AS month,"
        f" 1 + draw(i // 2, 8, 40) + i % 2 AS months_paid FROM range({90 * part}) r(i)",
        "provident_fund": f"SELECT {own // 2} + i AS person, '2026-06' AS month, 1 + draw(i, 9, 60) AS months_paid FROM range({40 * part}) r(i)",
        "tenancy": f"SELECT {other} AS person, printf('D%011d', draw(i, 10, {homes})) AS dwelling,"
        f" DATE '2024-06-30' + draw(i, 11, 760)::INTEGER AS registered_on FROM range({35 * part}) r(i)",
        "collected": f"SELECT {other} AS person, printf('D%011d', draw(i, 12, {homes})) AS dwelling,"
        f" DATE '2025-06-30' + draw(i, 13, 380)::INTEGER AS collected_on FROM range({45 * part}) r(i)",
        "permit": f"SELECT {other} AS person, community(draw(i, 14, {COMMUNITIES})) AS community,"
        f" DATE '2024-01-01' + draw(i, 15, 900)::INTEGER AS issued_on FROM range({8 * part}) r(i)",
        "dwelling": f"SELECT printf('D%011d', i) AS code, community(i % {COMMUNITIES}) AS community,"
        f" 113.75 + (i % {COMMUNITIES} % 40) * 0.02 + draw(i, 16, 20) / 1000.0 AS longitude,"
        f" 22.45 + (i % {COMMUNITIES} // 40) * 0.02 + draw(i, 17, 20) / 1000.0 AS latitude FROM range({homes}) r(i)",
        "business": f"SELECT {other} AS person, 'department ' || draw(i, 18, 12) AS department, DATE '2026-01-01' AS done_on,"
        f" i % 2 = 0 AS transaction FROM range({5 * part}) r(i)",
    }  # fmt: skip


def by_hand(on: date) -> str:
    """The rule as someone would write it who knows DuckDB well: one pass over all sources, one group-by, one join."""
    day = f"DATE '{on}'"
    number = "substr({}, 2)::BIGINT"
    far = "((({rank})::BIGINT << 57) + (({day} - {seen})::BIGINT << 40) + {number})"

    def place(rank: int, seen: str, code: str, letter: bool = True) -> str:
        return far.format(rank=rank, day=day, seen=seen, number=number.format(code) if letter else f"{code}::BIGINT")

    months = "(substr(month, 1, 4)::INTEGER * 12 + substr(month, 6, 2)::INTEGER) * 1024 + months_paid"
    paid = f"month BETWEEN strftime({day} - INTERVAL 2 MONTH, '%Y-%m') AND strftime({day}, '%Y-%m')"
    return f"""
    WITH agencies AS (
        SELECT person, count(DISTINCT department) FILTER (transaction) AS departments, count(*) FILTER (transaction) AS times
        FROM business WHERE done_on <= {day} GROUP BY person
    ), evidence AS (
        SELECT person, 1 AS bits, coalesce((1::BIGINT << 57) + {number.format("dwelling")}, (2::BIGINT << 57) + community::BIGINT) AS place,
            NULL::INTEGER AS insured, NULL::INTEGER AS funded
        FROM registered LEFT JOIN household ON household = number WHERE registered_on <= {day}
        UNION ALL SELECT person, 64, NULL, NULL, NULL FROM death WHERE died_on <= {day}
        UNION ALL SELECT person, 2, {place(8, "enrolled_on", "community", False)}, NULL, NULL
        FROM pupil LEFT JOIN school ON school = code WHERE status = '1' AND enrolled_on <= {day}
        UNION ALL SELECT person, 2, {place(8, "hired_on", "community", False)}, NULL, NULL
        FROM teacher LEFT JOIN school ON school = code WHERE hired_on <= {day}
        UNION ALL SELECT person, 0, NULL, {months}, NULL FROM social_insurance WHERE {paid}
        UNION ALL SELECT person, 0, NULL, NULL, {months} FROM provident_fund WHERE {paid}
        UNION ALL SELECT person, 4, {place(7, "registered_on", "dwelling")}, NULL, NULL
        FROM tenancy WHERE registered_on <= {day} AND registered_on > {day} - INTERVAL 12 MONTH
        UNION ALL SELECT person, CASE WHEN collected_on > {day} - INTERVAL 6 MONTH THEN 8 ELSE 0 END,
            {place(5, "collected_on", "dwelling")}, NULL, NULL
        FROM collected WHERE collected_on <= {day}
        UNION ALL SELECT person, 0, {place(10, "issued_on", "community", False)}, NULL, NULL FROM permit WHERE issued_on <= {day}
        UNION ALL SELECT person, CASE WHEN departments >= 2 AND times >= 2 THEN 48 ELSE 16 END, NULL, NULL, NULL FROM agencies
    ), known AS (
        SELECT person, bit_or(bits) AS bits, min(place) AS place, coalesce(max(insured) % 1024, 0) AS insured,
            coalesce(max(funded) % 1024, 0) AS funded
        FROM evidence GROUP BY person
    ), flagged AS (
        SELECT *, bits & 2 > 0 AS school, insured >= 6 OR funded >= 6 AS payer, bits & 4 > 0 AS rental,
            insured BETWEEN 1 AND 5 OR funded BETWEEN 1 AND 5 AS low
        FROM known WHERE bits & 64 = 0
    ), classed AS (
        SELECT *, CASE WHEN bits & 1 > 0 THEN 'H' WHEN school OR payer OR rental THEN 'R'
            WHEN low AND bits & 8 > 0 AND bits & 48 > 0 THEN 'N' END AS class
        FROM flagged
    ), home AS (
        SELECT {number.format("code")} AS home, community::BIGINT AS lies_in,
            floor((longitude - 73) * 111320 * cos(radians(22.6)) / 500)::BIGINT * 1000000 + floor((latitude - 3) * 110574 / 500)::BIGINT AS cell
        FROM dwelling
    ), placed AS (
        SELECT class, school, payer, rental, class = 'N' AND bits & 16 > 0 AS linked, class = 'N' AND bits & 32 > 0 AS transacted,
            (place >> 57) % 2 = 1 AS inside, place & ((1::BIGINT << 40) - 1) AS spot
        FROM classed WHERE class IS NOT NULL
    ), joined AS (
        SELECT placed.*, CASE WHEN inside THEN lies_in ELSE spot END AS community, cell
        FROM placed LEFT JOIN home ON CASE WHEN inside THEN spot END = home
    ), counted AS (
        SELECT community, coalesce(cell, -1) AS cell, class, school, payer, rental, linked, transacted, count(*) AS persons
        FROM joined GROUP BY ALL
    )
    SELECT * REPLACE (coalesce(lpad(community::VARCHAR, 12, '0'), '') AS community) FROM counted
    """


BY_HAND_LEVELS = """
SELECT left(community, 6) AS district, left(community, 9) AS street, community, cell, class, sum(persons) AS persons
FROM plain GROUP BY GROUPING SETS (
    (class), (district, class), (street, class), (community, class), (cell, class), (), (district), (street), (community), (cell)
) HAVING sum(persons) >= 10
"""


def lay_out(connection: duckdb.DuckDBPyConnection, cells: int) -> None:
    """Inhabited cells of 250 m round a dozen centres of a city 80 km long, 600 centres that are there; each cell a candidate."""
    connection.execute(MACRO)
    connection.execute(
        f"""
        CREATE TABLE demand AS
        WITH spot AS (
            SELECT draw(i, 1, 12) AS hub, draw(i, 2, 10000) / 10000.0 * 2 * pi() AS turn, draw(i, 3, 10000) / 10000.0 AS far, i
            FROM range({3 * cells}) r(i)
        ), placed AS (
            SELECT floor((hub * 7000 + far * far * 14000 * cos(turn)) / 250)::BIGINT AS c,
                floor((hub % 3 * 12000 + far * far * 14000 * sin(turn)) / 250)::BIGINT AS r, 1 + draw(i, 4, 900) AS persons
            FROM spot
        )
        SELECT (c + 1000) * 1000000 + r + 1000 AS cell, sum(persons)::BIGINT AS persons, c * 250.0 + 125 AS x, r * 250.0 + 125 AS y
        FROM placed GROUP BY c, r
        """
    )
    connection.execute("CREATE TABLE candidate AS SELECT cell AS site, x, y FROM demand")
    connection.execute(
        "CREATE TABLE centre AS SELECT cell AS site, x + 60 AS x, y FROM demand ORDER BY hash(cell) LIMIT 600"
    )


RANKED_BY_HAND = """
WITH near AS (
    SELECT d.cell, d.persons, s.site, 1.3 * sqrt((d.x - s.x) ** 2 + (d.y - s.y) ** 2) AS metres
    FROM (
        SELECT * FROM demand d WHERE NOT EXISTS (
            FROM centre c WHERE c.x BETWEEN d.x - 1000 / 1.3 AND d.x + 1000 / 1.3 AND 1.3 * sqrt((d.x - c.x) ** 2 + (d.y - c.y) ** 2) <= 1000
        )
    ) d JOIN (SELECT *, floor(x * 1.3 / 1000)::BIGINT AS column, floor(y * 1.3 / 1000)::BIGINT AS line, unnest([-1, 0, 1]) AS dx FROM candidate) s
    ON floor(d.x * 1.3 / 1000)::BIGINT = s.column + s.dx AND abs(floor(d.y * 1.3 / 1000)::BIGINT - s.line) <= 1
)
SELECT site, sum(persons)::BIGINT AS newly_covered, sum(persons * metres) / sum(persons) AS metres
FROM near WHERE metres <= 1000 GROUP BY site ORDER BY newly_covered DESC, metres, site
"""
