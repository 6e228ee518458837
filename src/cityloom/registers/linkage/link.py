"""Linking: all records among themselves, or new ones to those that are known."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from cityloom.registers.linkage import blocking, clustering, kinds, prepare, scoring, training
from cityloom.registers.linkage.clustering import IDENTITY, Edges, Rows
from cityloom.registers.linkage.model import Linked, Model, Trained
from cityloom.registers.linkage.prepare import Limits

NOTHING = "SELECT 0 AS first, 0 AS row WHERE false"
NO_OWNERS = "SELECT '' AS kind, 0 AS first, '' AS number WHERE false"


def link(records: pa.Table, model: Model, trained: Trained | None = None, limits: Limits | None = None) -> Linked:
    """Which records are of one.

    `records` has the key and every column that the model names; what else it has is not looked at. With `trained`, what
    was learnt before is used as it is. The same records in the same order, model and `trained` give the same answer.
    Raises Invalid `registers.linkage_model`, `registers.linkage_key`, `registers.linkage_blocking`.
    """
    with prepare.engine(limits or Limits()) as connection:
        prepare.prepare(connection, records, model)
        prepare.add_frequencies(connection, model, "prepared", "prepared")
        rules = trained.rules if trained else blocking.choose(connection, model)
        blocking.key_table(connection, model, rules, "prepared", "keyed")
        compared = blocking.block(connection, model, rules)
        found = trained or training.train(connection, model, rules, "prepared", len(records))
        chosen = scoring.trained_settings(model, found)
        least = scoring.bits(model.doubt)
        scoring.score(connection, chosen, "prepared", "blocked", "scored", least, model)
        connection.execute("DROP TABLE blocked")
        label, edges = _components(connection, model, len(records), least)
        edges = _complete(connection, model, found, "prepared", label, edges)
        group = clustering.cluster(label, edges, _rules(connection, model, "prepared"))
        return _linked(connection, model, "prepared", group, found, compared)


class Known:
    """Records that were linked before, ready to be met by new ones."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, model: Model, trained: Trained, records: int) -> None:
        self.connection, self.model, self.trained, self.records = connection, model, trained, records


@contextmanager
def known(
    records: pa.Table, clusters: pa.Table, model: Model, trained: Trained, limits: Limits | None = None
) -> Iterator[Known]:
    """Make records ready that are known. `clusters` says of each `record` in which `cluster` it is; that is not changed.

    Raises Invalid `registers.linkage_model`, `registers.linkage_key`.
    """
    with prepare.engine(limits or Limits()) as connection:
        prepare.prepare(connection, records, model, "known")
        prepare.add_frequencies(connection, model, "known", "known")
        blocking.key_table(connection, model, trained.rules, "known", "keyed_known")
        connection.register("clusters", clusters)
        connection.execute(
            "CREATE TABLE grouped AS SELECT k.row, min(k.row) OVER (PARTITION BY coalesce(c.cluster, k.record)) AS first"
            " FROM known k LEFT JOIN (SELECT CAST(record AS VARCHAR) AS record, CAST(cluster AS VARCHAR) AS cluster"
            " FROM clusters) c USING (record)"
        )
        connection.unregister("clusters")
        yield Known(connection, model, trained, len(records))


def link_new(new: pa.Table, to: Known) -> Linked:
    """Link new records to the known ones and among each other; what was one or two before stays so.

    A new record that fits two known groups joins the better one, and the other pair is a doubt. `clusters` holds the new
    records and the known ones of the groups that were looked at. Raises as `link` does.
    """
    connection, model, rules = to.connection, to.model, to.trained.rules
    prepare.prepare(connection, new, model, "fresh", to.records)
    prepare.add_frequencies(connection, model, "fresh", "known")
    blocking.key_table(connection, model, rules, "fresh", "keyed_fresh")
    compared = blocking.block(connection, model, rules, ("keyed_known", "keyed_fresh"), "blocked_known")
    compared += blocking.block(connection, model, rules, ("keyed_fresh", "keyed_fresh"), "blocked")
    connection.execute("INSERT INTO blocked FROM blocked_known")
    _gather(connection, model)
    count = blocking.count(connection, "prepared")
    least = scoring.bits(model.doubt)
    scoring.score(
        connection, scoring.trained_settings(model, to.trained), "prepared", "blocked", "scored", least, model
    )
    label, edges = _components(connection, model, count, least, grouped=True)
    edges = _complete(connection, model, to.trained, "prepared", label, edges)
    group = clustering.cluster(label, edges, _rules(connection, model, "prepared", grouped=True))
    return _linked(connection, model, "prepared", group, to.trained, compared)


def _gather(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Table `prepared` of the new records and of every known one whose group may be met, numbered anew from 0."""
    numbers = "".join(
        f" UNION SELECT k.row FROM known k JOIN fresh f ON k.{field.name}__verified = f.{field.name}__verified"
        for field in model.fields
        if field.verified
    )
    connection.execute(
        "CREATE OR REPLACE TABLE met AS SELECT row FROM grouped WHERE first IN (SELECT first FROM grouped WHERE row IN"
        f" (SELECT join_key_l FROM blocked_known{numbers}))"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE prepared AS SELECT row_number() OVER (ORDER BY row) - 1 AS row, row AS place,"
        " * EXCLUDE (row) FROM (SELECT * FROM known WHERE row IN (FROM met) UNION ALL BY NAME SELECT * FROM fresh)"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE blocked AS SELECT l.row AS join_key_l, r.row AS join_key_r, match_key FROM blocked b"
        " JOIN prepared l ON l.place = b.join_key_l JOIN prepared r ON r.place = b.join_key_r"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE together AS SELECT p.row, min(p.row) OVER (PARTITION BY g.first) AS first"
        " FROM prepared p JOIN grouped g ON g.row = p.place"
    )


def _components(
    connection: duckdb.DuckDBPyConnection, model: Model, records: int, least: float, grouped: bool = False
) -> tuple[Rows, Edges]:
    """Components of the scored pairs, of pairs with the same verified number, and of known groups."""
    numbered = " UNION ALL ".join(
        f"SELECT min(row) OVER (PARTITION BY {field.name}__verified) AS first, row FROM prepared"
        f" WHERE {field.name}__verified IS NOT NULL"
        for field in model.fields
        if field.verified
    )
    connection.execute(f"CREATE OR REPLACE TABLE numbered AS {numbered or NOTHING}")
    parts = [
        "SELECT row_l, row_r, match_weight FROM scored",
        f"SELECT first, row, {IDENTITY} FROM numbered WHERE first < row",
    ]
    if grouped:
        parts.append(f"SELECT first, row, {IDENTITY} FROM together WHERE first < row")
    rows = connection.execute(
        "SELECT l, r, max(w)::DOUBLE AS w FROM (SELECT least(a, b) AS l, greatest(a, b) AS r, w"
        f" FROM ({' UNION ALL '.join(parts)}) t(a, b, w)) GROUP BY ALL ORDER BY ALL"
    ).fetchnumpy()
    edges = Edges(np.asarray(rows["l"], np.int64), np.asarray(rows["r"], np.int64), np.asarray(rows["w"], np.float64))
    return clustering.split(records, edges, least), edges


def _complete(
    connection: duckdb.DuckDBPyConnection, model: Model, trained: Trained, table: str, label: Rows, edges: Edges
) -> Edges:
    """The edges, and those of all other pairs in components."""
    left, right = clustering.missing(label, edges)
    if not len(left):
        return edges
    connection.register("lacking", pa.table({"join_key_l": left, "join_key_r": right}))
    connection.execute("CREATE OR REPLACE TABLE unscored AS SELECT *, '0' AS match_key FROM lacking")
    connection.unregister("lacking")
    scoring.score(connection, scoring.trained_settings(model, trained), table, "unscored", "added", None, model)
    rows = connection.execute("SELECT row_l, row_r, match_weight FROM added ORDER BY ALL").fetchnumpy()
    return Edges(
        np.concatenate([edges.left, rows["row_l"]]),
        np.concatenate([edges.right, rows["row_r"]]),
        np.concatenate([edges.weight, rows["match_weight"]]),
    )


def _rules(connection: duckdb.DuckDBPyConnection, model: Model, table: str, grouped: bool = False) -> clustering.Rules:
    owners = [
        _codes(connection, f"SELECT {field.name}__verified FROM {table} ORDER BY row")
        for field in model.fields
        if field.verified
    ]
    if grouped:
        owners.append(
            _codes(
                connection, f"SELECT t.first::VARCHAR FROM {table} p LEFT JOIN together t USING (row) ORDER BY p.row"
            )
        )
    files = _codes(connection, f"SELECT source FROM {table} ORDER BY row") if model.one_to_one else None
    return clustering.Rules(scoring.bits(model.link), model.joined, tuple(owners), files)


def _codes(connection: duckdb.DuckDBPyConnection, query: str) -> Rows:
    """A number for each different value, in order of rows; -1 where there is none."""
    column = connection.execute(query).to_arrow_table().column(0).combine_chunks().dictionary_encode()
    return np.asarray(column.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)


def _linked(
    connection: duckdb.DuckDBPyConnection, model: Model, table: str, group: Rows, trained: Trained, compared: int
) -> Linked:
    connection.register("groups", pa.table({"row": np.arange(len(group)), "first": group}))
    connection.execute(
        f"CREATE OR REPLACE TABLE clustered AS SELECT g.row, g.first, p.record, f.record AS cluster FROM groups g"
        f" JOIN {table} p ON p.row = g.row JOIN {table} f ON f.row = g.first"
    )
    connection.unregister("groups")
    pairs = connection.execute(
        f"SELECT l.record AS left, r.record AS right, s.match_weight, s.match_probability AS probability,"
        f" CASE WHEN l.first = r.first THEN 'link' ELSE 'doubt' END AS decision{_levels(model)}"
        f" FROM scored s JOIN clustered l ON l.row = s.row_l JOIN clustered r ON r.row = s.row_r"
        f" ORDER BY s.match_weight DESC, s.row_l, s.row_r"
    ).to_arrow_table()
    clusters = connection.execute("SELECT record, cluster FROM clustered ORDER BY row").to_arrow_table()
    return Linked(
        pairs=pairs,
        clusters=clusters,
        conflicts=_conflicts(connection, model, table),
        trained=trained,
        compared=compared,
    )


def _levels(model: Model) -> str:
    """Columns of evidence: the level by its code, and its weight with what its frequency adds."""
    columns = ""
    for field in model.fields:
        levels = kinds.levels(field.kind, bool(field.partner))
        cases = " ".join(f"WHEN {len(levels) - 1 - place} THEN '{each.code}'" for place, each in enumerate(levels))
        columns += (
            f", CASE s.gamma_{field.name} {cases} ELSE 'unknown' END AS {field.name}__level,"
            f" s.mw_{field.name} + s.mw_tf_adj_{field.name} AS {field.name}__weight"
        )
    return columns


def _conflicts(connection: duckdb.DuckDBPyConnection, model: Model, table: str) -> pa.Table:
    """Pairs that convince, or share a verified number, and are kept apart because their groups have two different ones."""
    connection.execute(
        "CREATE OR REPLACE TABLE apart AS SELECT x.record AS left, y.record AS right, x.first AS one, y.first AS two, p FROM"
        f" (SELECT row_l AS a, row_r AS b, match_probability AS p FROM scored WHERE match_probability >= {model.link}"
        " UNION ALL SELECT first, row, 1.0 FROM numbered WHERE first < row) e"
        " JOIN clustered x ON x.row = e.a JOIN clustered y ON y.row = e.b WHERE x.first <> y.first"
    )
    owners = " UNION ".join(
        f"SELECT '{field.name}' AS kind, c.first, p.{field.name}__verified AS number FROM {table} p"
        f" JOIN clustered c ON c.row = p.row WHERE p.{field.name}__verified IS NOT NULL"
        for field in model.fields
        if field.verified
    )
    connection.execute(f"CREATE OR REPLACE TABLE owners AS {owners or NO_OWNERS}")
    return connection.execute(
        'SELECT DISTINCT a."left", a."right", a.p AS probability FROM apart a JOIN owners v ON v.first = a.one'
        " JOIN owners w ON w.first = a.two AND w.kind = v.kind WHERE w.number <> v.number ORDER BY ALL"
    ).to_arrow_table()


def write(trained: Trained) -> bytes:
    """What was learnt, as JSON."""
    return msgspec.json.encode(trained)


def read(data: bytes) -> Trained:
    """What was written by `write`. Raises msgspec.ValidationError."""
    return msgspec.json.decode(data, type=Trained)
