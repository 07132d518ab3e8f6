"""A stranger with public keys checks what the log proves; neighbours hold it to what they saw."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from pintu.kernel.access.audited import Entry
from pintu.kernel.audit import Audit
from pintu.kernel.audit.heads import Head, cosigned, cosigned_at, signed
from pintu.kernel.audit.sealing import told_of
from pintu.kernel.audit.tree import consistent, included, leaf_hash
from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.identity.keys import Keys
from pintu_verify.program import main as verify

from .conftest import Desk


async def fill(desk: Desk, count: int) -> Head:
    """So many rows, sealed."""
    entries = (Entry(what="read", actor="person:1", reason=f"预约 {n}") for n in range(count))
    await asyncio.gather(*(desk.audit.enter(one) for one in entries))
    head = await desk.audit.sealer.seal()
    assert head is not None
    return head


async def test_every_row_and_every_head_is_proved(desk: Desk) -> None:
    """In the newest tree and in each before it."""
    heads = [await fill(desk, count) for count in (1, 6, 250, 300)]
    newest = heads[-1]
    for number in (1, 2, 7, 256, 257, 557):
        path = await desk.audit.inclusion(number)
        leaf = leaf_hash(await desk.audit.body(number))
        assert included(leaf, number - 1, newest.size, path, newest.root)
    for old in heads[:-1]:
        steps = await desk.audit.consistency(old.size)
        assert consistent((old.size, old.root), (newest.size, newest.root), steps)
    for number, size in ((0, None), (558, None), (5, 9_999)):
        with pytest.raises(ResourceNotFound):
            await desk.audit.inclusion(number, size)
    with pytest.raises(BadRequestData):
        await desk.audit.inclusion(100, 7)


async def test_a_bundle_convinces_a_stranger(desk: Desk, tmp_path: Path) -> None:
    """With the row or without it, also of a row that nobody has sealed yet."""
    await fill(desk, 300)
    await desk.audit.enter(Entry(what="glass", actor="person:7", reason="急诊"))
    for with_row in (True, False):
        bundle = await desk.audit.proofs.bundle(301, with_row=with_row)
        assert with_row == ("row" in bundle)
        path = tmp_path / "bundle.json"
        path.write_text(json.dumps(bundle))
        assert 0 == verify([str(path), "--key", desk.audit.public()])
        assert 1 == verify([str(path), "--key", Keys(tmp_path / "other").signer("log").public])


async def test_a_neighbour_countersigns_what_goes_on_and_nothing_else(desk: Desk) -> None:
    """A head that is smaller, other, unproved or signed by somebody else gets no line."""
    key = desk.audit.sealer.key
    small, big = await fill(desk, 3), await fill(desk, 4)
    other = Neighbour(desk)
    with pytest.raises(Forbidden):
        await other.witness.cosign(told_of(small).replace("\n3\n", "\n4\n"), public=key.public)
    await other.witness.cosign(told_of(small), public=key.public)
    with pytest.raises(StateConflict, match="nothing proves it") as caught:
        await other.witness.cosign(told_of(big), public=key.public)
    assert told_of(small) == caught.value.extra["seen"]
    proof = await desk.audit.consistency(3)
    line = await other.witness.cosign(told_of(big), public=key.public, proof=proof)
    await other.witness.cosign(told_of(big), public=key.public)
    with pytest.raises(StateConflict, match="7 were shown"):
        await other.witness.cosign(told_of(small), public=key.public)
    seen = await other.witness.last_seen("city.example")
    assert seen is not None and 7 == seen.size

    name, public = other.audit.sealer.name, other.audit.sealer.key.public
    await desk.audit.witness.add_cosignature(7, line, name=name, public=public)
    with pytest.raises(Forbidden):
        await desk.audit.witness.add_cosignature(3, line, name=name, public=public)
    with pytest.raises(ResourceNotFound):
        await desk.audit.witness.add_cosignature(5, line, name=name, public=public)
    [neighbour] = await desk.audit.witness.neighbours()
    assert (name, 7) == (neighbour.name, neighbour.size)
    assert line in (await desk.audit.proofs.checkpoint()).signatures
    await fill(desk, 1)
    bundle = await desk.audit.proofs.bundle(2)
    assert line in bundle["head"] and 1 == len(bundle["witnesses"])


async def test_a_fork_that_a_neighbour_saw_is_said_loudly(desk: Desk, tmp_path: Path) -> None:
    """Only a head that our own key signed can accuse us."""
    head = await fill(desk, 5)
    sealer = desk.audit.sealer
    stranger = Keys(tmp_path / "stranger").signer("log")
    for text, key, forked in (
        (head.text, sealer.key, False),
        (head.text.replace("\n5\n", "\n9\n"), stranger, False),
        (head.text.replace(base64.b64encode(head.root).decode(), "A" * 43 + "="), sealer.key, True),
    ):
        assert forked == await desk.audit.witness.contradicted(signed(text, sealer.origin, key))
    assert "forked" in desk.audit.trouble
    await desk.audit.enter(Entry(what="read"))
    assert head == await sealer.seal()  # nothing is sealed any more
    rows = await desk.audit.rows(5, 10)
    assert ["log.doubted", ""] == [one.row.deed for one in rows]


async def test_a_countersignature_says_which_second(desk: Desk) -> None:
    """One of another head, name, key or second is none."""
    head = await fill(desk, 1)
    key = desk.audit.sealer.key
    line = cosigned(head.text, "b", key, 1_700_000_000)
    assert 1_700_000_000 == cosigned_at(head, line, "b", key.public)
    assert cosigned_at(head, line, "c", key.public) is None
    blob = base64.b64decode(line.rsplit(" ", 1)[1])
    moved = blob[:4] + (1_700_000_001).to_bytes(8, "big") + blob[12:]
    spoiled = f"\u2014 b {base64.b64encode(moved).decode()}"
    assert cosigned_at(head, spoiled, "b", key.public) is None


class Neighbour:
    """Another city's witness, in the same tables: its own name and key."""

    def __init__(self, desk: Desk) -> None:
        keys = desk.keys("neighbour")
        self.audit = Audit(desk.store, desk.tables, keys, desk.clock, name="neighbour.example")
        self.witness = self.audit.witness
