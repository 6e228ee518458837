"""Splink's part: the declared model as its settings, and the scores of blocked pairs."""

import math

import duckdb
from splink import DuckDBAPI, Linker, SettingsCreator

from cityloom.kernel.sql import name
from cityloom.registers.linkage import kinds
from cityloom.registers.linkage.model import Model, Trained, Weights

QUIET = 40
"""Splink's log level: errors only; what matters is said by what is returned."""
CAUTION = 0.01
"""Bits below a link at which a pair is held that must not be linked by itself."""
LEAST = 1e-9
"""No chance is smaller: a level never seen is unlikely, not impossible."""


def settings(model: Model, prior: float, weights: tuple[Weights, ...]) -> SettingsCreator:
    """Splink settings of the model with these chances."""
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="row",
        probability_two_random_records_match=min(max(prior, LEAST), 0.5),
        comparisons=[_comparison(model, place, each) for place, each in enumerate(weights)],
        blocking_rules_to_generate_predictions=[],
        retain_matching_columns=True,  # the level of each field comes with them
        retain_intermediate_calculation_columns=True,
        linker_uid="cityloom",
    )


def _comparison(model: Model, place: int, weights: Weights) -> dict[str, object]:
    """One field as a Splink comparison: unknown first, then its levels, best first."""
    field = model.fields[place]
    unknown = f'"{field.name}_l" IS NULL OR "{field.name}_r" IS NULL'
    listed: list[dict[str, object]] = [{"sql_condition": unknown, "label_for_charts": "unknown", "is_null_level": True}]
    for number, level in enumerate(kinds.levels(field.kind, bool(field.partner))):
        declared: dict[str, object] = {
            "sql_condition": level.condition.format(x=field.name, y=field.partner),
            "label_for_charts": level.code,
            "m_probability": max(weights.m[number], LEAST),
            "u_probability": max(weights.u[number], LEAST),
        }
        if level.frequency or number == 0:
            declared |= {"tf_adjustment_column": kinds.column(field.name, level.frequency), "tf_adjustment_weight": 1.0}
        listed.append(declared)
    return {"output_column_name": field.name, "comparison_levels": listed}


def score(
    connection: duckdb.DuckDBPyConnection,
    chosen: SettingsCreator,
    table: str,
    blocked: str,
    scored: str,
    least: float | None = None,
    model: Model | None = None,
) -> None:
    """Score the pairs of `blocked` between records of `table` into table `scored`; those below `least` bits fall away. With `model`
    weights are held below a link where a level asks for caution.

    It has row_l, row_r, match_weight, match_probability and for each field gamma_F, mw_F and, where some level has a
    frequency, mw_tf_adj_F.
    """
    splink = DuckDBAPI(connection)
    linker = Linker(splink.register(table), chosen, log_level=QUIET, validate_settings=False)
    linker.table_management.register_blocked_pairs_for_predict(splink.register(blocked))
    found = linker.inference.predict(threshold_match_weight=least, warning_mode="never")
    weight = _capped(model) if model else "match_weight"
    connection.execute(
        f"CREATE OR REPLACE TABLE {name(scored)} AS SELECT * REPLACE (1 / (1 + pow(2.0, -match_weight)) AS match_probability)"
        f" FROM (SELECT COLUMNS('^(row|match|gamma|mw)_') FROM (SELECT * REPLACE ({weight} AS match_weight)"
        f" FROM {found.physical_name}))"
    )
    found.drop_table_from_database_and_remove_from_cache()


def _capped(model: Model) -> str:
    """The match weight, just below a link where some level asks for caution and no identifier agrees."""
    cautious, numbered = [], []
    for field in model.fields:
        levels = kinds.levels(field.kind, bool(field.partner))
        gammas = [str(len(levels) - 1 - place) for place, each in enumerate(levels) if each.caution]
        if gammas:
            cautious.append(f"gamma_{field.name} IN ({', '.join(gammas)})")
        if field.kind == "identifier":
            numbered.append(f"gamma_{field.name} >= {len(levels) - 2}")
    if not cautious:
        return "match_weight"
    unless = f" AND NOT ({' OR '.join(numbered)})" if numbered else ""
    return (
        f"CASE WHEN ({' OR '.join(cautious)}){unless} THEN least(match_weight, {bits(model.link) - CAUTION})"
        " ELSE match_weight END"
    )


def trained_settings(model: Model, trained: Trained) -> SettingsCreator:
    """Splink settings of what was learnt."""
    return settings(model, trained.prior, trained.weights)


def bits(probability: float) -> float:
    """A probability as match weight: the binary logarithm of its odds."""
    return math.log2(probability / (1 - probability))


def probability(weight: float) -> float:
    """A match weight as probability."""
    return float(1 / (1 + 2.0 ** -max(min(weight, 1000.0), -1000.0)))
