"""Splink 5 as its demos use it: comparisons of its library, rules of its notebooks, its own training, components at 0.95."""

import duckdb
import pyarrow as pa
import splink.comparison_library as compare
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.internals.comparison_creator import ComparisonCreator

from cityloom.registers.linkage.model import Field, Model

QUIET = 40


def link(records: pa.Table, model: Model) -> list[str]:
    """The cluster of each record, in their order."""
    names = {field.name for field in model.fields}
    rules = [tuple(rule) for rule in RULES if set(rule) <= names]
    settings = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name=model.key,
        comparisons=[_comparison(field) for field in model.fields],
        blocking_rules_to_generate_predictions=[block_on(*rule) for rule in rules],
    )
    connection = duckdb.connect(config={"memory_limit": "4096MiB", "threads": 2})
    try:
        connection.execute("SET enable_progress_bar = false")
        api = DuckDBAPI(connection)
        linker = Linker(api.register(records), settings, log_level=QUIET)
        linker.training.estimate_probability_two_random_records_match([block_on(*rules[0])], recall=0.7)
        linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
        for rule in rules[:2]:
            linker.training.estimate_parameters_using_expectation_maximisation(block_on(*rule))
        pairs = linker.inference.predict(threshold_match_probability=0.5)
        groups = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold_match_probability=0.95)
        rows = connection.execute(f'SELECT "{model.key}", cluster_id FROM {groups.physical_name}').fetchall()
    finally:
        connection.close()
    found = {str(key): str(group) for key, group in rows}
    return [found[str(key)] for key in records[model.key].to_pylist()]


RULES = (
    ("soc_sec_id",), ("given_name", "surname"), ("date_of_birth",), ("surname", "postcode"), ("given_name", "suburb"),
    ("first_name", "surname"), ("surname", "dob"), ("first_name", "dob"), ("postcode_fake", "first_name"),
    ("postcode_fake", "surname"), ("dob", "birth_place"), ("dob", "postcode_fake"), ("postcode_fake", "occupation"),
)  # fmt: skip


def _comparison(field: Field) -> ComparisonCreator:
    if field.kind == "latin_name":
        return compare.NameComparison(field.name).configure(term_frequency_adjustments=True)
    if field.kind == "category":
        return compare.ExactMatch(field.name)
    if field.kind == "text":
        return compare.JaroWinklerAtThresholds(field.name, [0.92, 0.8])
    return compare.LevenshteinAtThresholds(field.name, [1, 2])
