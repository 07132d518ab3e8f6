"""Entity maps are bounded, end, and belong to who made them."""

from __future__ import annotations

import pytest

from pintu.kernel.errors import ResourceNotFound
from pintu.kernel.federation import maps
from pintu.kernel.federation.maps import HERE, EntityMaps

MINE = ("", "me")


class Hand:
    """A clock set by hand."""

    rate = 1.0

    def __init__(self) -> None:
        self.us = 0

    def now_us(self) -> int:
        """The time it was set to."""
        return self.us


def test_a_map_ends_within_a_day_whatever_was_asked() -> None:
    """Its maker decides within that, now and later (6.4.3.2)."""
    clock = Hand()
    kept = EntityMaps(clock)
    long = kept.make(MINE, {}, 1e12)
    assert 86_400_000_000 == long.expires_us
    kept.extend(long, 5)
    clock.us = 5
    assert kept.find(MINE, long.id) is None
    assert 0 == len(kept)


def test_nobody_else_finds_it() -> None:
    """A map tells which entities somebody may see."""
    kept = EntityMaps(Hand())
    made = kept.make(MINE, {"urn:x:1": (HERE,)}, None)
    for other in (("", "you"), ("other", "me")):
        with pytest.raises(ResourceNotFound):
            kept.remove(other, made.id)
    assert made is kept.get(MINE, made.id)


def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """By number, and by what they hold altogether."""
    monkeypatch.setattr(maps, "MOST_MAPS", 2)
    monkeypatch.setattr(maps, "MOST_ENTITIES", 5)
    kept = EntityMaps(Hand())
    made = [kept.make(MINE, {f"urn:x:{n}": (HERE,)}, None) for n in range(3)]
    assert [False, True, True] == [kept.find(MINE, one.id) is not None for one in made]
    big = kept.make(MINE, {f"urn:x:{n}": (HERE,) for n in range(9)}, None)
    assert (1, True) == (len(kept), kept.find(MINE, big.id) is not None)
    kept.prune(big, ["urn:x:0", "urn:x:0", "urn:x:none"])
    assert 8 == len(big.document()["entityMap"])
