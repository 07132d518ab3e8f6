"""Bytes from outside: JSON or a clear refusal, at the price of one encoding."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.context.decode import decode_json
from pintu.kernel.errors import BadRequestData, InvalidRequest


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"\xff",
        b'{"a": 1,}',
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"a": "\\ud800"}',
    ],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    """Unreadable, not a number, not UTF-8, too deep: InvalidRequest."""
    with pytest.raises(InvalidRequest):
        decode_json(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}',
        b'{"a" :1,"a":2}',
        b'{"a"\n:1,"a"\t:2}',
        b'{"x":{"a":"\\":","a":2}}',
        b'{"a":1,"\\u0061":2}',
    ],
)
def test_a_key_twice_is_refused(data: bytes) -> None:
    """However it is spelled: one of them would be lost in silence."""
    with pytest.raises(BadRequestData, match="'a' twice"):
        decode_json(data)


@pytest.mark.parametrize("data", [b'{"a":"\\":"}', b'{"a":"x\\u0022:y","b":1}', b'{"a" : 1}'])
def test_colons_in_strings_are_no_keys(data: bytes) -> None:
    """A doubtful count is looked at closely, not refused."""
    assert json.loads(data) == decode_json(data)[0]


def test_depth_is_counted_not_guessed() -> None:
    """Many objects side by side are not deep."""
    assert decode_json(b"[" + b",".join([b"{}"] * 1000) + b"]")
    assert decode_json(b"[" * 64 + b"]" * 64)


values: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


@settings(deadline=None)
@given(values, st.sampled_from([None, 1]), st.booleans())
def test_any_json_without_doubles_is_read(value: Any, indent: int | None, ascii: bool) -> None:
    """Whatever the layout, and the compact encoding says the same."""
    document, encoded = decode_json(json.dumps(value, indent=indent, ensure_ascii=ascii).encode())
    assert value == document == json.loads(encoded)
