"""Rows that share most of what they say are the rows they would be one by one."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from pintu.kernel.access.audited import Entry
from pintu.kernel.audit.places import entries_of, numbers_in, words_of
from pintu.kernel.audit.rows import RowForm, read_row, row_bytes

TEXTS = ("", "a", 'say ","answer":"x","rows":3', "学校 \\ \n\x01", '"', "\u2028")


def entry(chance: random.Random) -> Entry:
    """Anything, with texts that look like members of a row."""
    told: dict[str, Any] = {
        name: chance.choice(TEXTS)
        for name in ("deed", "actor", "organisation", "purpose", "reason", "agreement", "data_set")
    }
    return Entry(
        what=chance.choice(("read", "write")),
        fields=tuple(chance.choice(TEXTS) for _ in range(chance.randrange(4))),
        schema=chance.randrange(3),
        **told,
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_form_writes_the_bytes_of_the_whole_row(seed: int) -> None:
    """Whatever is in it, with rows and an answer or without."""
    chance = random.Random(seed)
    for _ in range(300):
        one, at_us = entry(chance), chance.randrange(10**15)
        rows, answer = chance.randrange(3), chance.choice(("", "0a" * 16))
        whole = msgspec.structs.replace(one, rows=rows, answer=answer)
        expected = row_bytes(whole, at_us, b"0123456789abcdef")
        assert expected == RowForm(one).row(at_us, rows, answer, b"0123456789abcdef")


def test_rows_are_found_by_the_words_of_each() -> None:
    """Rows that are alike are read once, and each stands under every word it has."""
    chance = random.Random(4)
    entries = [entry(chance) for _ in range(12)]
    rows = []
    for number in range(1, 600):
        one = msgspec.structs.replace(
            chance.choice(entries), rows=chance.randrange(3), answer=chance.choice(("", "0b"))
        )
        if chance.random() < 0.2:
            one = msgspec.structs.replace(one, subjects=(f"s{chance.randrange(9)}",))
        rows.append((number, row_bytes(one, number)))
    rows.append((600, b"not a row"))
    expected: dict[int, list[int]] = {}
    for number, body in rows[:-1]:
        for word in words_of(read_row(body)):
            expected.setdefault(word, []).append(number)
    found = {one["word"]: numbers_in(one["number"], one["others"]) for one in entries_of(rows)}
    assert expected == found
