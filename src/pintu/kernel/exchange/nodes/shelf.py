"""What this node keeps of other nodes' agreements: as they told it, recalls, receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa

from pintu.kernel.clock import Clock
from pintu.kernel.exchange.agreements.words import Recall
from pintu.kernel.exchange.nodes.schema import ABROAD, RECALL, RECEIPT
from pintu.kernel.exchange.nodes.words import Abroad
from pintu.kernel.tables import OpenTables, put_rows

if TYPE_CHECKING:
    from pintu.kernel.exchange.nodes.calling import Reply

_ABROAD: Final = msgspec.json.Decoder(Abroad)
_RECALL: Final = msgspec.json.Decoder(Recall)


class Shelf:
    """In memory, read at the start; every change is durable when it returns."""

    def __init__(self, file: OpenTables, clock: Clock) -> None:
        self._file, self._clock = file, clock
        self._agreements: dict[tuple[str, str], Abroad] = {}
        self._recalls: dict[tuple[str, str], Recall] = {}
        for row in file.read_now(lambda c: c.execute(sa.select(ABROAD)).all()):
            self._agreements[row.node, row.id] = _ABROAD.decode(row.body)
        for row in file.read_now(lambda c: c.execute(sa.select(RECALL)).all()):
            self._recalls[row.node, row.id] = _RECALL.decode(row.body)

    def agreement(self, node: str, id: str) -> Abroad | None:
        """One agreement abroad."""
        return self._agreements.get((node, id))

    def agreements(self) -> list[Abroad]:
        """All of them, newest change first."""
        found = self._agreements.values()
        return sorted(found, key=lambda one: (-one.agreement.changed_us, one.agreement.id))

    async def put(self, one: Abroad) -> Abroad:
        """Keep an agreement as it is now."""
        id = one.agreement.id
        row = {"node": one.node, "id": id, "body": msgspec.json.encode(one)}
        await self._file.run(lambda c: put_rows(c, ABROAD, [row]))
        self._agreements[one.node, id] = one
        return one

    def recall(self, node: str, id: str) -> Recall | None:
        """One recall by a provider at another node."""
        return self._recalls.get((node, id))

    def recalls(self) -> list[tuple[str, Recall]]:
        """(node, recall) of all of them."""
        return [(node, one) for (node, _), one in self._recalls.items()]

    async def put_recall(self, node: str, one: Recall) -> None:
        """Keep a recall as it is now."""
        row = {"node": node, "id": one.id, "body": msgspec.json.encode(one)}
        await self._file.run(lambda c: put_rows(c, RECALL, [row]))
        self._recalls[node, one.id] = one

    async def keep_receipt(self, own: int, whose: tuple[str, str], reply: Reply) -> None:
        """The provider's receipt and signature beside our own row; `whose`: (node, agreement)."""
        node, agreement = whose
        row = {"own": own, "node": node, "agreement": agreement, "receipt": reply.receipt}
        row |= {"signature": reply.signature, "digest": reply.digest}
        row |= {"at_us": self._clock.now_us()}
        await self._file.run(lambda c: put_rows(c, RECEIPT, [row]))

    async def receipt(self, own: int) -> dict[str, str]:
        """What is kept beside a row of ours; {} when nothing is."""
        query = sa.select(RECEIPT).where(RECEIPT.c.own == own)
        row = await self._file.read(lambda c: c.execute(query).mappings().one_or_none())
        return {} if row is None else {name: str(value) for name, value in row.items()}
