"""Which records are compared: each rule's pairs are counted before any is made, and a rule over its
budget is refused with a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pintu.kernel.errors import TooComplex
from pintu.kernel.linkage.matching.rules import Blocking, Rules

LEAST_BUDGET: Final = 200_000
"""Pairs a rule may make however few records there are."""

MOST_PASSED_OVER: Final = 0.10
"""Share of the records with a key that may share it with too many: more is no placeholder, it is a
rule that tells nobody apart."""


def drop_placeholders(connection: Any, rules: Rules) -> list[tuple[str, int, int]]:
    """Empty the values of `features` that more records share than any person's would: they are no
    evidence. Tells (column, values, records)."""
    told = []
    for column, most in rules.placeholders.items():
        many = (
            f"SELECT {column} FROM features WHERE {column} IS NOT NULL "
            f"GROUP BY {column} HAVING count(*) > {most}"
        )
        values, records = connection.execute(
            f"SELECT count(DISTINCT {column}), count(*) FROM features WHERE {column} IN ({many})"
        ).fetchall()[0]
        if values:
            connection.execute(f"UPDATE features SET {column} = NULL WHERE {column} IN ({many})")
            told.append((column, int(values), int(records)))
    return told


def count_pairs(connection: Any, rule: Blocking, records: int) -> tuple[int, int, int]:
    """(pairs, records passed over, largest group passed over) of one rule over table `features`.
    Raises TooComplex when it is over its budget."""
    budget = max(LEAST_BUDGET, int(rule.most * records / 1_000_000))
    counted = f"SELECT count(*) AS n FROM features WHERE {_told(rule)} GROUP BY {_keys(rule)}"
    raw, pairs, over, largest, total = connection.execute(
        f"SELECT coalesce(sum(n * (n - 1) / 2), 0)::BIGINT, "
        f"coalesce(sum(n * (n - 1) / 2) FILTER (n <= {rule.group}), 0)::BIGINT, "
        f"coalesce(sum(n) FILTER (n > {rule.group}), 0)::BIGINT, "
        f"coalesce(max(n) FILTER (n > {rule.group}), 0)::BIGINT, coalesce(sum(n), 0)::BIGINT "
        f"FROM ({counted})"
    ).fetchall()[0]
    if raw > budget and (pairs > budget or over > MOST_PASSED_OVER * max(total, 1)):
        raise TooComplex(
            f"Blocking by {rule.name} makes {raw:,} pairs, over its budget of {budget:,}: "
            "block by one more thing",
            zh=f"按“{rule.name}”分组会产生 {raw:,} 对，超出 {budget:,} 的预算：请再加一个条件",
        )
    return int(pairs), int(over), int(largest)


def make_pairs(
    connection: Any, rules: Sequence[Blocking], records: int, most: int
) -> tuple[int, list[tuple[str, int, int]]]:
    """Table `blocked` with every pair of every rule once, `match_key` the first rule that found it;
    (how many, [(rule, records passed over, largest group)]). Table `allowed(source)` has sources in
    which nobody is twice. Raises TooComplex when a rule, or all together, are over budget."""
    counts = [count_pairs(connection, one, records) for one in rules]
    if sum(pairs for pairs, _, _ in counts) > most:
        raise TooComplex(
            f"The blocking rules make {sum(n for n, _, _ in counts):,} pairs together, over the "
            f"plan's budget of {most:,}",
            zh=f"各分组规则共产生 {sum(n for n, _, _ in counts):,} 对，超出方案 {most:,} 的预算",
        )
    connection.execute(
        "CREATE OR REPLACE TABLE keyed AS SELECT record, source, "
        + ", ".join(f"{_hash(one)} AS k{n}" for n, one in enumerate(rules))
        + " FROM features"
    )
    for n, one in enumerate(rules):
        if counts[n][1]:
            connection.execute(
                f"UPDATE keyed SET k{n} = NULL WHERE k{n} IN "
                f"(SELECT k{n} FROM keyed GROUP BY k{n} HAVING count(*) > {one.group})"
            )
    connection.execute("CREATE OR REPLACE TABLE blocked (match_key VARCHAR, l INTEGER, r INTEGER)")
    for n in range(len(rules)):
        before = "".join(f" AND coalesce(a.k{m} <> b.k{m}, true)" for m in range(n))
        connection.execute(
            f"INSERT INTO blocked SELECT '{n}', a.record, b.record FROM keyed a JOIN keyed b "
            f"ON a.k{n} = b.k{n} AND a.record < b.record WHERE "
            f"(a.source <> b.source OR a.source NOT IN (SELECT source FROM allowed)){before}"
        )
    made = connection.execute("SELECT count(*) FROM blocked").fetchall()[0][0]
    told = zip(rules, counts, strict=True)
    return int(made), [(one.name, over, largest) for one, (_, over, largest) in told if over]


def _keys(rule: Blocking) -> str:
    return ", ".join(rule.keys)


def _told(rule: Blocking) -> str:
    return " AND ".join(f"{one} IS NOT NULL AND {one} <> ''" for one in rule.keys)


def _hash(rule: Blocking) -> str:
    return f"CASE WHEN {_told(rule)} THEN hash({_keys(rule)}) END"
