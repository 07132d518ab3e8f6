"""Neighbours show each other the heads of their logs each minute and countersign what goes on from
what they saw: a fork or a rewind is told to the auditor of whoever saw both."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from pintu.kernel.access import Entry
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    PintuError,
    StateConflict,
    Unavailable,
)
from pintu.kernel.exchange.nodes.joining import ROOT
from pintu.kernel.exchange.nodes.parts import with_body
from pintu.kernel.exchange.nodes.receiving import From
from pintu.kernel.exchange.nodes.words import Call, Node, Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pintu.kernel.exchange.nodes.parts import Parts

MOST_PROOF: Final = 200
ERA: Final = re.compile(r"#([0-9]{1,6})")


class Head(Protocol):
    """A head as the room of the log keeps it."""

    origin: str
    size: int
    text: str
    signatures: tuple[str, ...]


class Witness(Protocol):
    """The log's side of countersigning."""

    async def last_seen(self, origin: str) -> Any:
        """The newest head of another log that we countersigned."""
        ...

    async def cosign(self, told: str, *, public: str, proof: Sequence[bytes] = ()) -> str:
        """Our line for another log's head; StateConflict when it does not go on."""
        ...

    async def add_cosignature(self, size: int, line: str, *, name: str, public: str) -> None:
        """A neighbour's line for ours."""
        ...

    async def contradicted(self, told: str) -> bool:
        """Whether a head of ours that a neighbour shows is none of ours any more."""
        ...


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The head of the asking node's log that we saw last; "" before the first."""

    head: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Our countersignature."""

    line: str


class Heads:
    """Both sides; `parts.witness` and `parts.audit` are the log's."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    # --- we are shown one -------------------------------------------------------------------------
    async def seen(self, asked: From, origin: str) -> Seen:
        """Where the proof of the next head must begin."""
        self._own_log(asked.node, origin)
        found = await self._witness().last_seen(origin)
        return Seen(head=told_of(found) if found is not None else "")

    async def cosign(self, asked: From, shown: Shown) -> Line:
        """Countersign a neighbour's head. StateConflict, with the head that speaks against it, for
        a log that was forked or rewound: then our auditor hears of it too."""
        node = asked.node
        origin = shown.head.partition("\n")[0]
        self._own_log(node, origin)
        if len(shown.proof) > MOST_PROOF:
            raise BadRequestData("A proof between two heads has at most 200 hashes")
        try:
            proof = [base64.b64decode(one, validate=True) for one in shown.proof]
        except ValueError as error:
            raise BadRequestData("The proof is not base64") from error
        try:
            line = await self._witness().cosign(
                shown.head, public=node.document.log_public, proof=proof
            )
        except StateConflict as error:
            await self._contradiction(node, shown, error)
            raise
        return Line(line=line)

    def _own_log(self, node: Node, origin: str) -> None:
        """A node shows heads of its own log, under the name it joined with; a new era is a number
        behind that."""
        name, era = node.document.log, origin.removeprefix(node.document.log)
        if not name or not origin.startswith(name) or (era and not ERA.fullmatch(era)):
            raise Forbidden(f"{origin[:80]!r} is not the log of node {node.name}")

    async def _contradiction(self, node: Node, shown: Shown, error: StateConflict) -> None:
        parts, kept = self._parts, self._parts.kept(node.name)
        first = kept.forked != error.detail
        kept.forked = error.detail
        if not first:
            return
        if parts.audit is not None:
            detail = {
                "node": node.name,
                "why": error.detail[:500],
                "head": shown.head[:1_000],
                "seen": str(error.extra.get("seen", ""))[:1_000],
            }
            await parts.audit.enter(
                Entry(
                    what="node", deed="head contradicted", actor=f"node:{node.name}", detail=detail
                )
            )
        size = shown.head.split("\n")[1][:20] if shown.head.count("\n") > 1 else ""
        text = {
            "en": f"The log of node {node.name} does not go on from what it showed before: it was "
            "forked or rewound",
            "zh": f"节点 {node.name} 的日志与其先前出示的不连续：可能被分叉或回退",
        }
        await parts.notify("auditor@city", text, key=f"fork/{node.name}/{size}")

    # --- we show ours -----------------------------------------------------------------------------
    async def show(self, node: Node) -> bool:
        """Show our newest head to a neighbour and keep its countersignature; False when we have
        nothing to show. When it saw a head that is none of ours our own log is doubted, aloud."""
        parts, witness = self._parts, self._witness()
        audit: Any = parts.audit
        head: Head | None = audit.head()
        if head is None or not node.document.log:
            return False
        reply = await parts.call(
            node, f"{ROOT}/heads/seen", with_body(Call(), {"origin": head.origin})
        )
        seen = msgspec.json.decode(reply.body, type=Seen).head
        proof: list[bytes] = []
        if seen:
            before = int(seen.split("\n")[1])
            if await witness.contradicted(seen):
                raise StateConflict(f"Node {node.name} saw a head that our log does not hold")
            if before < head.size:
                proof = await audit.consistency(before, head.size)
        told = Shown(
            head=told_of(head), proof=tuple(base64.b64encode(one).decode() for one in proof)
        )
        reply = await parts.call(node, f"{ROOT}/heads", with_body(Call(), told))
        line = msgspec.json.decode(reply.body, type=Line).line
        await witness.add_cosignature(
            head.size, line, name=node.document.log, public=node.document.log_public
        )
        parts.kept(node.name).head_us = parts.clock.now_us()
        return True

    async def show_all(self, nodes: list[Node]) -> None:
        """Show it to every neighbour; one that is away keeps no other waiting."""
        for node in nodes:
            try:
                await self.show(node)
            except (PintuError, ValueError, IndexError) as error:
                detail = error.detail if isinstance(error, PintuError) else str(error)
                self._parts.kept(node.name).last_failure = detail[:300]

    def _witness(self) -> Witness:
        if self._parts.witness is None or self._parts.audit is None:
            raise Unavailable("This node keeps no log: it cannot countersign")
        found: Witness = self._parts.witness
        return found


def told_of(head: Head) -> str:
    """A head with its signatures as one text."""
    return head.text + "\n" + "".join(f"{line}\n" for line in head.signatures)
