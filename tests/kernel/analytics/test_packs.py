"""Packs and cut texts: whatever goes in comes out equal."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.analytics.columns import body_of, rows_of
from pintu.kernel.analytics.packs import (
    joined,
    loosen,
    observed,
    pack,
    pack_of,
    rows_within,
    squeeze,
    unpack,
)
from pintu.kernel.analytics.texts import cut
from pintu.kernel.store.port import VERBS, Change

SENSOR = "urn:ngsi-ld:Sensor:1"

NUMBERS = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**6), 10**6).map(lambda one: one / 100),
)
TIMES = st.datetimes().map(lambda at: at.isoformat() + "Z")
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, st.text(max_size=12), TIMES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
JSON = st.dictionaries(st.text(max_size=8) | TIMES, VALUES, max_size=3).map(
    lambda one: json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode()
)
SAMPLE = st.builds(
    lambda name, value, at: (
        b'{"%b":{"type":"Property","value":%b,"observedAt":"%bZ"}}'
        % (name, value, at.isoformat().encode())
    ),
    st.sampled_from([b"temperature", b"pm25"]),
    NUMBERS.map(lambda one: repr(one).encode()),
    st.datetimes(),
)
ROW = st.one_of(
    st.tuples(st.just("updated"), st.one_of(SAMPLE, JSON)),
    st.tuples(st.sampled_from([one for one in VERBS if one != "updated"]), st.binary(max_size=30)),
)


@st.composite
def chains(draw: st.DrawFn) -> list[Change]:
    """Rows of one entity, oldest first."""
    rows: list[Change] = []
    position = at = previous = 0
    for verb, payload in draw(st.lists(ROW, min_size=1, max_size=12)):
        position += draw(st.integers(1, 10**6))
        at += draw(st.integers(-(10**9), 10**12))
        if draw(st.booleans()):
            previous = draw(st.integers(0, 10**9))
        changed = draw(st.none() | st.just(("temperature", "湿度")))
        if verb == "updated":
            changed = tuple(json.loads(payload))
        types = draw(st.sampled_from([("Sensor",), ("Lamp", "Sensor")]))
        source = draw(st.sampled_from(["", "http"]))
        rows.append(
            Change(position, 1, SENSOR, types, verb, at, source, changed, payload, previous)
        )
        previous = position
    return rows


@settings(max_examples=60, deadline=None)
@given(chains())
def test_rows_come_back_equal(rows: list[Change]) -> None:
    """What is packed is what is unpacked, be it text, number, time or rubbish."""
    assert rows == unpack(pack(rows), 1, SENSOR)


@settings(max_examples=60, deadline=None)
@given(chains())
def test_columns_come_back_equal(rows: list[Change]) -> None:
    """What a day's file takes apart is put together again, byte for byte."""
    assert rows == rows_of(body_of(rows), 1, SENSOR)


@settings(max_examples=60, deadline=None)
@given(chains(), st.integers(0, 10**13), st.integers(0, 10**12))
def test_what_was_written_in_a_time_is_among_its_rows(
    rows: list[Change], low: int, length: int
) -> None:
    """Nothing of a span is left out, and nothing that comes along is made up."""
    span = (low, low + length)
    found = rows_within(loosen(pack(rows)), (1, SENSOR), span)
    assert [row for row in rows if row in found] == found
    assert [] == [row for row in rows if span[0] <= row.at_us <= span[1] and row not in found]


def test_what_tells_of_a_time_is_among_its_rows() -> None:
    """Late samples are found by the time they tell, at any precision and in any zone."""
    told = ("2026-11-23T08:00:00Z", "2026-11-23T16:00:00.25+08:00", "2020-01-01T00:00:00Z")
    rows = [
        Change(n, 1, SENSOR, ("Sensor",), "updated", 1_900_000_000_000_000 + n, "", ("t",),
               b'{"t":{"value":1,"observedAt":"%b"}}' % at.encode(), n - 1)
        for n, at in enumerate(told, 1)
    ]  # fmt: skip
    eight = 1_795_420_800_000_000
    packed = loosen(pack(rows))
    assert rows[:2] == rows_within(packed, (1, SENSOR), (eight, eight + 1_000_000))
    assert (1_577_836_800_000_000, eight + 1_000_000) == observed(packed)


@settings(max_examples=40, deadline=None)
@given(chains(), st.integers(0, 12))
def test_packs_grow_by_joining(rows: list[Change], where: int) -> None:
    """A pack that later rows were joined to is a pack of all rows."""
    one, two = rows[:where], rows[where:]
    if one and two:
        both = squeeze(joined(loosen(pack(one)), pack_of(two)))
        assert rows == unpack(both, 1, SENSOR)


@pytest.mark.parametrize(
    "number", ["0", "-0", "-0.0", "-0.5", "21.50", "1e5", "007", "123456789012345678", "0.1"]
)
def test_numbers_keep_the_form_they_came_in(number: str) -> None:
    """Trailing and leading zeros, signs and exponents come back as they were written."""
    text = f'{{"a":{{"value":{number},"b":[1,{number}]}}}}'.encode()
    row = Change(1, 1, SENSOR, ("Sensor",), "created", 1, "", None, text, 0)
    assert [row] == rows_of(body_of([row]), 1, SENSOR)


def test_a_sample_is_a_few_bytes() -> None:
    """Samples of one attribute share one template: a number and a time each are left. Squeezed as
    they are they take little more."""
    texts = [
        b'{"t":{"type":"Property","value":%d.%d,"observedAt":"2026-11-23T08:%02d:00Z"}}'
        % (n, n % 10, n)
        for n in range(60)
    ]
    assert {cut(text).template for text in texts} == {cut(texts[0]).template}
    rows = [
        Change(n + 1, 1, SENSOR, ("Sensor",), "updated", n * 10**6, "", ("t",), text, n)
        for n, text in enumerate(texts)
    ]
    assert all(a.position == b.previous for a, b in pairwise(rows))
    assert len(pack(rows)) < 20 * len(rows)
