"""JSON that is kept."""

import tracemalloc
from typing import Any

import orjson
import pytest

from pintu.kernel.context.encode import exact_json

DOCUMENT = {"id": "urn:x:1", "type": "T", "name": {"type": "Property", "value": "巷 " * 40}}


def test_it_says_what_the_encoder_says() -> None:
    """The same text, and the same refusal of what is no JSON."""
    values: list[Any] = [DOCUMENT, {}, [], None, 1.5, "x", {"a": [1, {"b": None}]}]
    for value in values:
        assert orjson.dumps(value) == exact_json(value)
    with pytest.raises(orjson.JSONEncodeError):
        exact_json({"a": object()})


def test_it_takes_no_more_memory_than_it_has_bytes() -> None:
    """A thousand kept documents are their bytes and an object's head each, not buffers of 4 KB."""
    exact_json(DOCUMENT)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = [exact_json(DOCUMENT) for _ in range(1000)]
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert held < sum(map(len, kept)) + 100 * len(kept)
