"""Two verified numbers that seem to be of one person: everything else that is known of both is the same.

The comparison does not find them, since a number that differs outweighs all the rest; and it must not link them.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from cityloom.kernel import sql

MOST = 4
"""More of one name and day are not a person with so many numbers, but a text that stands for what is not known."""


def twice(records: pa.Table, fields: Sequence[str], entity: str, number: str, memory_mib: int) -> list[tuple[int, int]]:
    """Pairs of entities, the smaller number first, that have different numbers and the same value in every one of
    `fields`, none of them empty. Columns of `records`: entity, number (text or NULL), fields (text)."""
    keys = ", ".join(map(sql.name, fields))
    there = " AND ".join(f"{field} <> ''" for field in map(sql.name, fields))
    with duckdb.connect(config={"memory_limit": f"{memory_mib}MiB", "threads": 2}) as engine:
        engine.register("records", records)
        rows = engine.execute(
            f"""WITH same AS (
                  SELECT list({{'entity': {sql.name(entity)}, 'number': {sql.name(number)}}} ORDER BY {sql.name(entity)}) AS those
                  FROM records WHERE {sql.name(number)} IS NOT NULL AND {there}
                  GROUP BY {keys} HAVING count(*) BETWEEN 2 AND {MOST})
                SELECT a.entity, b.entity FROM (SELECT those, unnest(those) AS a FROM same), LATERAL (SELECT unnest(those) AS b)
                WHERE a.entity < b.entity AND a.number <> b.number ORDER BY ALL"""
        ).fetchall()
    return [(int(left), int(right)) for left, right in rows]
