"""Scoring pairs with Splink on DuckDB: training with fixed seeds, then a probability a pair."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.linkage.matching.rules import Comparison, Level, Rules

if TYPE_CHECKING:
    from splink import DuckDBAPI, Linker

SEED: Final = 20_261_123
SAMPLED: Final = 1_000_000  # random pairs for u
TRAINED: Final = 400_000  # pairs of one blocking rule for m
LEAST: Final = 300  # pairs of a rule that can teach anything
LEAST_RECORDS: Final = 20_000
"""Of fewer, two taken at random are one person's too often to tell how two persons' compare, and a
name that stands there twice looks frequent: the rules' own figures hold."""

LOWEST: Final = 1e-7


def score(connection: Any, rules: Rules, least: float) -> None:
    """Table `scored(l, r, score)` of the pairs of table `blocked` whose probability is at least
    `least`; needs `features` and `keyed` as `blocking` leaves them."""
    from splink import DuckDBAPI

    logging.getLogger("splink").setLevel(logging.ERROR)
    api = DuckDBAPI(connection=connection)
    records = connection.execute("SELECT count(*) FROM features").fetchall()[0][0]
    many = records >= LEAST_RECORDS
    linker = _linker(api, connection, rules, often=many)
    if many:
        linker.training.estimate_u_using_random_sampling(
            max_pairs=SAMPLED, seed=SEED, min_count_per_level=None, num_chunks=1
        )
    for name in rules.train:
        n = [one.name for one in rules.blocking].index(name)
        pairs = f"SELECT count(*) FROM blocked WHERE match_key = '{n}'"
        if connection.execute(pairs).fetchall()[0][0] >= LEAST:
            linker.training.estimate_parameters_using_expectation_maximisation(
                " AND ".join(f"l.{key} = r.{key}" for key in rules.blocking[n].keys),
                max_pairs=TRAINED,
                estimate_without_term_frequencies=True,
            )
    connection.execute(
        "CREATE OR REPLACE TABLE pairs AS SELECT match_key, l AS join_key_l, r AS join_key_r "
        "FROM blocked"
    )
    linker.table_management.register_blocked_pairs_for_predict(api.register("pairs"))
    found = linker.inference.predict(threshold_match_probability=least, warning_mode="never")
    connection.execute(
        "CREATE OR REPLACE TABLE scored AS SELECT record_l AS l, record_r AS r, "
        f"match_probability AS score FROM {found.physical_name}"
    )


def _linker(api: DuckDBAPI, connection: Any, rules: Rules, *, often: bool) -> Linker:
    from splink import Linker

    settings = {
        "link_type": "dedupe_only",
        "unique_id_column_name": "record",
        "source_dataset_column_name": "nothing",
        "comparisons": [_comparison(one, often=often) for one in rules.comparisons],
        "blocking_rules_to_generate_predictions": [
            {"blocking_rule": " AND ".join(f"l.{key} = r.{key}" for key in one.keys)}
            for one in rules.blocking
        ],
        "probability_two_random_records_match": _prior(connection, rules),
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": False,
        "max_iterations": 12,
    }
    return Linker(api.register("features"), settings, log_level=None, validate_settings=False)


def _comparison(told: Comparison, *, often: bool) -> dict[str, Any]:
    empty = {"sql_condition": told.empty, "is_null_level": True, "label_for_charts": "empty"}
    levels = [empty, *(_level(one, often=often) for one in told.levels)]
    m, u = told.other
    rest = {"sql_condition": "ELSE", "m_probability": m, "u_probability": u}
    return {
        "output_column_name": told.name,
        "comparison_levels": [*levels, {**rest, "label_for_charts": "different"}],
    }


def _level(told: Level, *, often: bool) -> dict[str, Any]:
    level: dict[str, Any] = {
        "sql_condition": told.when, "m_probability": told.m, "u_probability": told.u,
        "label_for_charts": told.when, "fix_m_probability": told.kept,
        "fix_u_probability": told.kept,
    }  # fmt: skip
    if told.often and often:
        level["tf_adjustment_column"] = told.often
        level["tf_minimum_u_value"] = LOWEST
        level["disable_tf_exact_match_detection"] = True
    return level


def _prior(connection: Any, rules: Rules) -> float:
    """How likely two records taken at random are one person's: a little more than the pairs of the
    first rule, whose share of all true pairs is taken as a third."""
    n = connection.execute("SELECT count(*) FROM features").fetchall()[0][0]
    sure = connection.execute("SELECT count(*) FROM blocked WHERE match_key = '0'").fetchall()[0][0]
    return float(min(0.1, max(3.0 * sure, 0.1 * n, 1.0) / max(n * (n - 1) / 2, 1.0)))
