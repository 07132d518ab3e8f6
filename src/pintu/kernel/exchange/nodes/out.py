"""How our own people go out to another node: what they must be, what is written down, whose key
signs."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pintu.kernel.access import Actor, Entry
from pintu.kernel.errors import Forbidden, Unavailable
from pintu.kernel.exchange.agreements.words import Signature
from pintu.kernel.exchange.nodes.joining import ROOT
from pintu.kernel.exchange.nodes.parts import with_body

if TYPE_CHECKING:
    from pintu.kernel.exchange.nodes.calling import Reply
    from pintu.kernel.exchange.nodes.parts import Parts

T = TypeVar("T")


class Out:
    """Used by both sides of the consumer's work."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def needs(self, actor: Actor, roles: frozenset[str], what: str) -> None:
        """Forbidden for who is not a person with one of these roles in an organisation."""
        if not actor.person or not actor.organisation or not actor.roles & roles:
            who = " or ".join(sorted(roles))
            raise Forbidden(f"Only an {who} of an organisation may {what}")

    async def call(
        self, actor: Actor, node: str, path: str, body: Any, *, purpose: str = "", reason: str = ""
    ) -> Reply:
        """Call a joined neighbour in somebody's name; raises as `Parts.call`."""
        found = self._parts.neighbour(node)
        call = self._parts.as_told(actor, node, purpose=purpose, reason=reason)
        return await self._parts.call(found, ROOT + path, with_body(call, body))

    async def note(self, actor: Actor, deed: str, node: str, data_set: str, why: str) -> None:
        """A deed of ours in our own log, before it is done there."""
        if self._parts.audit is None:
            raise Unavailable("There is no audit log: nothing can be agreed without one")
        entry = Entry(
            what="recall" if deed == "answer_recall" else "agreement",
            deed=deed,
            actor=actor.id,
            person=actor.person,
            organisation=actor.organisation,
            data_set=f"{data_set}@{node}",
            reason=why[:500],
            detail={"node": node},
        )
        await self._parts.audit.enter(entry)

    def signed(self, organisation: str, name: str, message: bytes) -> Signature:
        """An organisation of ours signs, under the name the other node knows it by."""
        key = self._parts.keys.signer(f"org.{organisation}")
        return Signature(
            organisation=name,
            key_id=key.key_id,
            public=key.public,
            at_us=self._parts.clock.now_us(),
            signature=base64.b64encode(key.sign(message)).decode(),
        )


def read(reply: Reply, kind: type[T]) -> T:
    """What an answer says; Unavailable when it cannot be read."""
    try:
        return msgspec.json.decode(reply.body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Unavailable(f"The node's answer cannot be read: {error}") from error
