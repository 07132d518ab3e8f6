"""Folding that passes rows over ends where folding row by row ends."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import orjson
import pytest

from pintu.kernel.analytics.columns import body_of
from pintu.kernel.analytics.folding import fold
from pintu.kernel.analytics.folding_columns import fold_columns
from pintu.kernel.analytics.packs import pack_of
from pintu.kernel.analytics.standing import kept, read_standing
from pintu.kernel.clock import iso
from pintu.kernel.context.standing import Standing
from pintu.kernel.store.port import Change
from tests.kernel.analytics.conftest import BEGIN_US

SECOND_US = 1_000_000
NAMES = ("a", "b", "c")


def instance(chance: random.Random, mood: str, at_us: int) -> Any:
    """What somebody writes of an attribute; `mood` says how odd that may be."""
    told: dict[str, Any] = {"type": "Property", "value": chance.choice([1, 2.5, "on", "off", True])}
    when = at_us - chance.randrange(3 * SECOND_US) if chance.random() < 0.2 else at_us
    if mood == "late":
        when = at_us - chance.randrange(60 * SECOND_US)
    if mood != "untimed" and not (mood == "odd" and chance.random() < 0.3):
        told["observedAt"] = iso(when if chance.random() < 0.5 else when // SECOND_US * SECOND_US)
    if mood == "odd":
        kind = chance.random()
        if kind < 0.1:
            return None
        if kind < 0.2:
            return [told, {**told, "datasetId": "urn:d"}]
        if kind < 0.3:
            told["note"] = {"type": "Property", "value": 1, "observedAt": iso(at_us)}
        elif kind < 0.4:
            told["value"] = {"observedAt": "x", "s": '":{'}
    return told


def lived(seed: int) -> list[Change]:
    """One entity's rows, of one mood for a while and then of another."""
    chance = random.Random(seed)
    rows: list[Change] = []
    at_us, mood, source = BEGIN_US, "plain", "lamps/mqtt"
    there = chance.random() < 0.5
    for n in range(chance.randrange(1, 60)):
        at_us += chance.randrange(4 * SECOND_US)
        if chance.random() < 0.08:
            mood = chance.choice(["plain", "late", "untimed", "odd"])
        if chance.random() < 0.05:
            source = chance.choice(["lamps/mqtt", "token:x", "hj212"])
        names = NAMES if chance.random() < 0.7 else tuple(chance.sample(NAMES, 2))
        payload: dict[str, Any] = {name: instance(chance, mood, at_us) for name in names}
        verb: Any = "updated"
        changed: tuple[str, ...] | None = names
        if chance.random() < 0.04 or (not n and not there):
            verb = "replaced" if n else "created"
            payload, changed = {"id": "x", "type": "T", **payload}, None
            payload = {k: v for k, v in payload.items() if v is not None}
        elif chance.random() < 0.03:
            verb, changed, payload = "deleted", None, {}
        elif chance.random() < 0.03:
            payload, changed = {**payload, "scope": ["/a"]}, (*names, "scope")
        body = orjson.dumps(payload) if payload else b""
        rows.append(Change(n + 1, 1, "x", ("T",), verb, at_us, source, changed, body, n))
    return rows


def base(seed: int) -> Standing:
    """How the entity stood before; sometimes it was not there."""
    chance = random.Random(seed)
    if chance.random() < 0.3:
        return Standing(times={})
    observed = BEGIN_US + chance.randrange(-90, 90) * SECOND_US
    doc = {"id": "x", "type": "T", "a": instance(chance, "odd", observed)}
    doc["b"] = instance(chance, "plain", observed)
    doc = {name: value for name, value in doc.items() if value is not None}
    return Standing(doc, BEGIN_US - 9, BEGIN_US - 5, {"b": [BEGIN_US - 8, BEGIN_US - 7]})


@pytest.mark.parametrize("block", range(6))
def test_rows_passed_over_are_not_missed(block: int) -> None:
    """Late rows, rows of one second, several sources, instances of data sets, deletions."""
    for seed in range(block * 60, block * 60 + 60):
        rows = lived(seed)
        until_us = rows[random.Random(seed).randrange(len(rows))].at_us
        right = read_standing(kept(base(seed)))
        count = 0
        for row in rows:
            if row.at_us > until_us:
                break
            right.apply(row)
            count += 1
        one, other = (read_standing(kept(base(seed))) for _ in range(2))
        assert count == fold(one, pack_of(rows), "x", until_us)
        assert count == fold_columns(other, body_of(rows), "x", until_us)
        assert msgspec.to_builtins(right) == msgspec.to_builtins(one), seed
        assert msgspec.to_builtins(right) == msgspec.to_builtins(other), seed


def test_most_of_a_plain_pack_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Telemetry of a lamp: two rows of five hundred are applied."""
    applied: list[int] = []

    def apply(standing: Standing, row: Change) -> None:
        applied.append(row.at_us)

    rows = []
    for n in range(500):
        at_us = BEGIN_US + n * SECOND_US
        told = {"type": "Property", "value": n, "observedAt": iso(at_us - SECOND_US)}
        payload = orjson.dumps({name: told for name in NAMES})
        rows.append(Change(n + 1, 1, "x", ("T",), "updated", at_us, "mqtt", NAMES, payload, n))
    monkeypatch.setattr(Standing, "apply", apply)
    assert 500 == fold(Standing(times={}), pack_of(rows), "x", rows[-1].at_us)
    assert [rows[0].at_us, rows[-1].at_us] == applied
    assert 500 == fold_columns(Standing(times={}), body_of(rows), "x", rows[-1].at_us)
    assert 4 == len(applied)
