"""Rules that no score outweighs: two valid numbers that differ are two persons; twins, and a number
under somebody else's name, are for a person to look at."""

from __future__ import annotations

from typing import Any, Final

from pintu.kernel.linkage.matching.rules import Rules

SAME_NAME: Final = (
    "coalesce(a.reading = b.reading OR a.family = b.family AND a.given = b.given "
    "OR a.family IS NULL AND b.family IS NULL AND least(length(a.given), length(b.given)) > 7 "
    "AND (starts_with(a.given, b.given) OR starts_with(b.given, a.given)), false)"
)
NEAR_NAME: Final = (
    "coalesce(a.family = b.family AND (length(a.given) > 3 AND "
    "damerau_levenshtein(a.given, b.given) = 1 OR "
    "(contains(a.name, '\ufffd') OR contains(b.name, '\ufffd')) "
    "AND length(a.name) = length(b.name)), false)"
)
NO_NAME: Final = "(a.reading IS NULL OR b.reading IS NULL)"
SAME_NUMBER: Final = "coalesce(a.id_number = b.id_number AND a.proved, false)"
NEAR_NUMBER: Final = (
    "coalesce(NOT (a.proved AND b.proved) AND "
    "damerau_levenshtein(a.id_number, b.id_number) <= 1, false)"
)
TWO_NUMBERS: Final = "coalesce(a.proved AND b.proved AND a.id_number <> b.id_number, false)"
SAME_BIRTH: Final = "coalesce(a.birth = b.birth, false)"
SAME_PLACE: Final = (
    "coalesce(a.road = b.road AND a.number = b.number, false) OR coalesce(a.phone = b.phone, false)"
)


def judge(connection: Any, rules: Rules, link_at: float, review_at: float) -> None:
    """Table `judged(l, r, score, why)` of table `scored`: `why` is empty for what may be linked,
    `no` for what is not, else what a person has to look at. Records that are no persons have no
    rules but the score."""
    if not rules.persons:
        connection.execute(
            f"CREATE OR REPLACE TABLE judged AS SELECT *, CASE WHEN score >= {link_at!r} THEN '' "
            f"WHEN score >= {review_at!r} THEN 'score' ELSE 'no' END AS why FROM scored"
        )
        return
    connection.execute(
        f"""
        CREATE OR REPLACE TABLE judged AS
        WITH said AS (
            SELECT s.l, s.r, s.score, {SAME_NAME} AS same_name, {NEAR_NAME} AS near_name,
                {NO_NAME} AS no_name, {SAME_NUMBER} AS same_number, {NEAR_NUMBER} AS near_number,
                {TWO_NUMBERS} AS two_numbers, {SAME_BIRTH} AS same_birth,
                {SAME_PLACE} AS same_place, a.family = b.family AS same_family
            FROM scored s JOIN features a ON a.record = s.l JOIN features b ON b.record = s.r
        )
        SELECT l, r, score, CASE
            WHEN two_numbers THEN 'no'
            WHEN same_number AND NOT (same_name OR near_name OR no_name) THEN 'number'
            WHEN same_number THEN ''
            WHEN near_name AND same_birth AND same_place AND NOT near_number THEN 'twins'
            WHEN NOT (same_name OR near_name OR no_name OR near_number) THEN CASE
                WHEN same_birth AND same_family AND same_place THEN 'twins'
                WHEN same_birth AND same_place AND score >= {link_at!r} THEN 'name'
                ELSE 'no' END
            WHEN score >= {link_at!r} THEN ''
            WHEN score >= {review_at!r} THEN 'score'
            ELSE 'no' END AS why
        FROM said
        """
    )
