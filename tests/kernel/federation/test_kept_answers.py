"""Answers of sources are kept for a time, told as stale for a while, and bounded."""

from __future__ import annotations

import pytest

from pintu.kernel.federation import kept_answers
from pintu.kernel.federation.forwarding import Answer, Failed, warning
from pintu.kernel.federation.kept_answers import STALE_US, KeptAnswers

ONE, TWO = ("", "a", "GET"), ("", "b", "GET")


def answer(size: int = 2) -> Answer:
    """An answer of some bytes."""
    return Answer(200, {}, b"x" * size)


def test_an_answer_is_fresh_up_to_its_time() -> None:
    """After it, it is what a source that fails has said before; one day nobody says it any more."""
    kept = KeptAnswers()
    kept.keep(ONE, answer(), 10)
    assert answer() == kept.fresh(ONE, 9)
    assert kept.fresh(ONE, 10) is None
    stale = kept.stale(ONE, 10)
    assert stale is not None
    assert stale.stale
    assert kept.stale(ONE, 10 + STALE_US) is None
    assert (0, 0) == (len(kept), kept.bytes)


def test_what_was_used_longest_ago_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is of bytes; one that is too long alone is not kept at all."""
    monkeypatch.setattr(kept_answers, "MOST_BYTES", 1_500)
    kept = KeptAnswers()
    kept.keep(ONE, answer(400), 10)
    kept.fresh(ONE, 1)
    kept.keep(TWO, answer(400), 10)
    assert kept.fresh(ONE, 1) is None
    assert kept.fresh(TWO, 1) is not None
    kept.keep(ONE, answer(3_000_000), 10)
    assert kept.fresh(ONE, 1) is None


def test_what_was_asked_counts_too() -> None:
    """A long question with a short answer is not kept for nothing."""
    kept = KeptAnswers()
    kept.keep(("", "a", b"x" * 1_000_000), answer(), 10)
    assert kept.bytes > 1_000_000
    kept.keep(("", "b", b"x" * 3_000_000), answer(), 10)
    assert 1 == len(kept)


def test_a_registration_that_changed_says_nothing_any_more() -> None:
    """What its source said is forgotten, others' is not."""
    kept = KeptAnswers()
    kept.keep(ONE, answer(), 10)
    kept.keep(TWO, answer(), 10)
    kept.forget("", "a")
    assert (None, answer()) == (kept.fresh(ONE, 1), kept.fresh(TWO, 1))


def test_a_warning_is_one_line_of_three_parts() -> None:
    """Code, who says it, and a quoted text that ends where it ends (6.3.17)."""
    found = warning(Failed("away", 'a "b"\r\n\\c'), "pintu-a b")
    assert (b"ngsild-warning", b"199 pintu-a_b \"a 'b' c\"") == found
