"""A hop may only narrow: whatever inner terms let through, outer terms let through too."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.access import Mask, masked
from pintu.kernel.errors import Forbidden
from pintu.kernel.exchange.agreements.words import Limits, Terms
from pintu.kernel.exchange.nodes.narrowing import narrowed, require_narrower, widenings
from pintu.kernel.exchange.words import Condition, Question
from tests.kernel.exchange.nodes.town import terms

OUTER = terms(
    fields={"vaccinated": Mask(kind="yes_no"), "school": Mask(), "child": Mask(kind="truncate",
                                                                              keep=1)},
    where=(Condition("school", "=", "S1"),),
    until_us=1_000,
)  # fmt: skip


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"fields": {"phone": Mask()}}, "field 'phone' is not in it"),
        ({"fields": {"vaccinated": Mask()}}, "shown more openly"),
        ({"fields": {"child": Mask(kind="truncate", keep=2)}}, "shown more openly"),
        ({"fields": {"child": Mask(kind="pseudonym")}}, "shown more openly"),
        ({"where": ()}, "condition on 'school' is missing"),
        ({"subject": ""}, "one person at a time"),
        ({"purpose": "statistics"}, "purpose"),
        ({"until_us": 1_001}, "term would be longer"),
        ({"until_us": 0}, "term would be longer"),
        ({"retention_days": 31}, "kept longer"),
        ({"onward": True}, "may not be passed on"),
        ({"deed": "write"}, "another deed"),
        ({"limits": Limits(calls_a_minute=100_001, subjects_a_day=1)}, "calls_a_minute"),
        ({"limits": Limits(subjects_a_day=0)}, "subjects_a_day"),
    ],
)
def test_every_way_to_widen_is_named(more: dict[str, Any], why: str) -> None:
    """Fields, masks, rows, persons, purposes, terms, copies, limits: none may grow."""
    inner = msgspec.structs.replace(OUTER, **more)
    with pytest.raises(Forbidden, match="only narrow") as found:
        require_narrower(OUTER, inner)
    assert why in found.value.detail


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"fields": {"school": Mask(kind="yes_no")}},
        {"fields": {"child": Mask(kind="yes_no")}},
        {"where": (*OUTER.where, Condition("vaccinated", "filled"))},
        {"until_us": 999},
        {"retention_days": 0},
        {"limits": Limits(calls_a_minute=1, rows_a_call=1, subjects_a_day=1)},
    ],
)
def test_less_is_let_through(more: dict[str, Any]) -> None:
    """Fewer fields, stronger masks, more conditions, a shorter term, tighter limits."""
    assert [] == widenings(OUTER, msgspec.structs.replace(OUTER, **more))


MASKS = st.one_of(
    st.just(Mask()),
    st.just(Mask(kind="drop")),
    st.just(Mask(kind="yes_no")),
    st.just(Mask(kind="pseudonym")),
    st.integers(1, 4).map(lambda keep: Mask(kind="truncate", keep=keep)),
    st.sampled_from([1.0, 2.0, 5.0]).map(lambda step: Mask(kind="generalise", step=step)),
)


@given(MASKS, MASKS, st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=6))
def test_a_narrower_mask_tells_no_two_values_apart_that_the_wider_does_not(
    outer: Mask, inner: Mask, values: list[str]
) -> None:
    """Of texts: values that look alike under outer terms look alike under inner ones."""
    wide = Terms(data_set="d", provider="p", consumer="c", purpose="u", basis="b",
                 fields={"x": outer})  # fmt: skip
    narrow = msgspec.structs.replace(wide, fields={"x": inner})
    if widenings(wide, narrow):
        return
    key = b"k" * 32
    seen: dict[Any, Any] = {}
    for value in values:
        first = masked(outer, value, key)
        told = masked(inner, first, key) if inner != outer else first
        assert seen.setdefault(first, told) == told


def test_a_question_keeps_within_the_agreement() -> None:
    """Without columns all agreed ones are asked for by name; no more rows than a call lets."""
    one = Question(where=(Condition("id_number", "=", "1"),), limit=5_000)
    found = narrowed(one, OUTER)
    assert (("vaccinated", "school", "child"), 1_000) == (found.columns, found.limit)
    for more in (
        {"columns": ("phone",)},
        {"order": ("-phone",)},
        {"group": ("phone@day",)},
        {"measure": "phone", "aggregate": "max"},
        {"where": (*one.where, Condition("phone", "filled"))},
        {"where": ()},
        {"where": (Condition("id_number", "!=", "1"),)},
    ):
        with pytest.raises(Forbidden):
            narrowed(msgspec.structs.replace(one, **more), OUTER)
