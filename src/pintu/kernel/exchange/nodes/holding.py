"""What our organisations keep of other nodes' data, and are asked to delete: recalls, answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from pintu.kernel.access import Actor
from pintu.kernel.errors import Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.exchange.agreements import signing
from pintu.kernel.exchange.agreements.words import Deletion, Recall
from pintu.kernel.exchange.nodes.out import Out, read
from pintu.kernel.exchange.nodes.words import Answering, Node

if TYPE_CHECKING:
    from pintu.kernel.exchange.nodes.parts import Parts
    from pintu.kernel.exchange.nodes.shelf import Shelf

ANSWERS: Final = frozenset(("officer", "owner", "steward"))


class Holding:
    """The holder's side of recalls."""

    def __init__(self, parts: Parts, shelf: Shelf) -> None:
        self._parts, self._shelf, self._out = parts, shelf, Out(parts)

    def recalls(self, actor: Actor) -> list[tuple[str, Recall]]:
        """(node, recall) of what the actor's organisation was asked to delete, due first."""
        mine = f"{actor.organisation}@{self._parts.own.name}"
        found = [(node, one) for node, one in self._shelf.recalls() if one.holder == mine]
        return sorted(found, key=lambda one: (not one[1].open, one[1].due_us, one[1].id))

    async def take_recall(self, node: Node, recall: Recall) -> None:
        """A provider asks for copies to be deleted: kept and told when it signed that."""
        holder, _, ours = recall.holder.partition("@")
        if ours != self._parts.own.name:
            raise Forbidden(f"Recall {recall.id} is not one to an organisation of ours")
        key = next((p.public for p in node.document.organisations if p.id == recall.provider), "")
        asked = recall.request
        if (
            asked is None
            or not key
            or asked.public != key
            or not signing.holds(asked, signing.canonical_recall(recall))
        ):
            raise Forbidden(f"Recall {recall.id} is not signed by {recall.provider[:60]}")
        known = self._shelf.recall(node.name, recall.id)
        if known is not None and not known.open and recall.open:
            return
        await self._shelf.put_recall(node.name, recall)
        if known is None:
            text = {
                "en": f"Delete what you keep of {recall.data_set} of node {node.name}, and say so",
                "zh": f"请删除节点 {node.name} 的 {recall.data_set} 的留存副本并答复",
            }
            for role in ("officer", "owner"):
                await self._parts.notify(f"{role}@{holder}", text, key=f"{recall.id}/{role}")

    async def answer_recall(self, actor: Actor, node: str, told: Deletion) -> Recall:
        """Say what was deleted: signed with our organisation's key, told to the provider's node."""
        self._out.needs(actor, ANSWERS, "answer a recall")
        recall = self._shelf.recall(node, told.recall)
        mine = f"{actor.organisation}@{self._parts.own.name}"
        if recall is None or recall.holder != mine:
            raise ResourceNotFound(f"Recall {told.recall[:40]} does not exist")
        if not recall.open:
            raise StateConflict(f"Recall {recall.id} is answered already")
        person = f"{self._parts.own.pseudonym(node, actor.person)}@{self._parts.own.name}"
        deletion = msgspec.structs.replace(told, person=person, at_us=self._parts.clock.now_us())
        signature = self._out.signed(actor.organisation, mine, signing.canonical_deletion(deletion))
        await self._out.note(actor, "answer_recall", node, recall.data_set, told.what[:200])
        path = f"/recalls/{recall.id}/answer"
        body = Answering(told=deletion, signature=signature)
        done = read(await self._out.call(actor, node, path, body), Recall)
        await self._shelf.put_recall(node, done)
        return done
