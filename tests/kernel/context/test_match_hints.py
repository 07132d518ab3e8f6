"""What an index holds and serves: never too little."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings

from pintu.kernel.context.match import TEXT_LIMIT, compile_q, index_values, sargable
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import OneOf, Path, Q, Range
from pintu.kernel.jsonld import CORE
from tests.kernel.context.queries import DOCS, QUERIES


def index_says(entry: Any, op: str, wanted: Any) -> bool:
    """An index comparison: numbers before texts, as in SQL."""
    if isinstance(wanted, OneOf):
        return any(index_says(entry, "==", one) for one in wanted.values)
    if isinstance(wanted, Range):
        return index_says(entry, ">=", wanted.low) and index_says(entry, "<=", wanted.high)
    if isinstance(entry, str) != isinstance(wanted, str):
        return False
    return {
        "==": entry == wanted,
        "<": entry < wanted,
        "<=": entry <= wanted,
        ">": entry > wanted,
        ">=": entry >= wanted,
    }[op]


@settings(max_examples=600)
@given(DOCS, QUERIES)
def test_an_index_misses_no_match(doc: dict[str, Any], q: Q) -> None:
    """Each conjunct that an index may serve hits every document that matches."""
    if not compile_q(q)(doc):
        return
    for path, op, wanted in sargable(q):
        entries = index_values(doc, path)
        assert any(index_says(entry, op, wanted) for entry in entries), (path, op, wanted, entries)


@given(DOCS)
def test_an_index_entry_fits_a_column(doc: dict[str, Any]) -> None:
    """Entries are texts of bounded length, 64-bit integers or floats."""
    for name in ("p", "q", "r"):
        for entry in index_values(doc, Path(name)):
            assert isinstance(entry, str | int | float)
            assert not isinstance(entry, str) or len(entry) <= TEXT_LIMIT
            assert not isinstance(entry, int) or -(2**63) <= entry < 2**63


def test_alternatives_on_one_path_are_one_hint() -> None:
    """`a==1|a==2` can be served like `a==1,2`; mixed alternatives cannot."""
    assert [(Path("a"), "==", OneOf((1, "x")))] == sargable(parse_q('a==1|a=="x"', CORE))
    assert [] == sargable(parse_q("a==1|b==2", CORE))
    assert [] == sargable(parse_q("a!=1", CORE))
    assert [] == sargable(parse_q("modifiedAt>2020-01-01", CORE))
    assert [] == sargable(None)
