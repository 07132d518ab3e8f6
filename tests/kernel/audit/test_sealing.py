"""Rows are sealed as they were written, in a tree that goes on where it was left."""

from __future__ import annotations

import asyncio

from pintu.kernel.access.audited import Entry
from pintu.kernel.audit.heads import is_signed
from pintu.kernel.audit.tree import leaf_hash

from .conftest import Desk, Opening
from .naive import root


def look(number: int) -> Entry:
    """A look at somebody."""
    return Entry(what="read", actor=f"person:{number % 7}", reason="预约核对", rows=number)


async def test_a_receipt_names_the_row_and_its_leaf(desk: Desk) -> None:
    """Durable when it is there; what is left out says nothing."""
    receipt = await desk.audit.enter(Entry(what="read", deed="read", actor="person:1"))
    body = await desk.audit.body(1)
    assert 1 == receipt.number
    assert leaf_hash(body).hex() == receipt.leaf
    assert body.startswith(b'{"at_us":%d,"salt":"' % receipt.at_us)
    assert body.endswith(b'","what":"read","deed":"read","actor":"person:1"}')
    assert await desk.audit.body(1) != await desk.audit.body(
        (await desk.audit.enter(Entry(what="read", deed="read", actor="person:1"))).number
    )


async def test_the_head_is_the_root_over_all_rows_and_signed(desk: Desk) -> None:
    """However many rows a second brings."""
    audit = desk.audit
    assert await audit.sealer.seal() is None
    for count in (1, 2, 5, 300, 900):
        await asyncio.gather(*(audit.enter(look(n)) for n in range(count)))
        head = await audit.sealer.seal()
        assert head is not None
        leaves = [leaf_hash(await audit.body(n)) for n in range(1, head.size + 1)]
        assert root(leaves) == head.root
        assert is_signed(head, "city.example", audit.sealer.key.public)


async def test_sealing_goes_on_after_a_restart(opening: Opening) -> None:
    """From the notes: what was not sealed when the city was killed is sealed now."""
    desk = await opening()
    await desk.audit.sealer.load()
    await asyncio.gather(*(desk.audit.enter(look(n)) for n in range(700)))
    await desk.audit.sealer.seal()
    await asyncio.gather(*(desk.audit.enter(look(n)) for n in range(11)))
    await desk.store.close()
    desk.tables.close()
    again = await opening()
    await again.audit.sealer.load()
    assert 700 == getattr(again.audit.head(), "size", 0)
    head = await again.audit.sealer.seal()
    assert head is not None and 711 == head.size and "" == again.audit.trouble
    leaves = [leaf_hash(await again.audit.body(n)) for n in range(1, 712)]
    assert root(leaves) == head.root
    await again.close()
