"""Becoming neighbours: two operators compare fingerprints, keys are exchanged both ways, and every
step of it is in the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from pintu.kernel.access import Actor, Entry
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    PintuError,
    StateConflict,
    Unauthorized,
    Unavailable,
)
from pintu.kernel.exchange.nodes import documents
from pintu.kernel.exchange.nodes.receiving import Received
from pintu.kernel.exchange.nodes.words import Document, Node, State

if TYPE_CHECKING:
    from pintu.kernel.exchange.nodes.parts import Parts

WELL_KNOWN: Final = "/.well-known/pintu-node"
ROOT: Final = "/api/v1/exchange"
OLD_KEY_US: Final = 3_600_000_000
"""How long calls that were signed with the key before are good."""

CODE: Final = re.compile(r"[0-9a-f]{20}-[0-9a-f]{16}")


class Wish(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a node sends that wants to be a neighbour."""

    document: Document
    code: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: the other one's document, and what we are to it."""

    document: Document
    state: State


class Joining:
    """Both sides of joining."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.listeners: list[Callable[[Node], None]] = []
        """Told of every neighbour that came, went, or changed what it is to us."""

    # --- our operator asks ------------------------------------------------------------------------
    async def look(self, url: str) -> Document:
        """What the node at an address tells of itself, checked; nothing is kept.

        Raises Forbidden, Unavailable, BadRequestData; StateConflict when it calls itself by another
        address, or as we do.
        """
        told = url.strip().rstrip("/")
        body = await self._parts.calling.fetch(told, WELL_KNOWN, documents.MOST_BYTES)
        found = documents.read(body)
        if found.url != told:
            raise StateConflict(f"The node at {told} says its address is {found.url}: join that")
        own = self._parts.own
        if found.public == own.public:
            raise StateConflict("This is this node itself")
        if found.name == own.name:
            raise StateConflict(f"It is called {found.name!r}, as we are: rename one of the two")
        self._log_is_its_own(found)
        return found

    async def ask(self, actor: Actor, url: str, *, fingerprint: str = "", code: str = "") -> Node:
        """Ask the node at an address to be our neighbour. Either our operator compared the
        `fingerprint`, or a `code` of its administrator names its key; else Forbidden."""
        told = await self.look(url)
        if code and not CODE.fullmatch(code):
            raise BadRequestData("An invitation code is 20 signs, a hyphen and 16 signs")
        if code and code.partition("-")[2] != documents.id_of(told.public):
            raise Forbidden("The code is one of another node than the one that answers there")
        if not code and _plain(fingerprint) != _plain(documents.fingerprint(told.public)):
            raise Forbidden(
                "Compare the fingerprint with its operator, over the telephone: it is "
                + documents.fingerprint(told.public)
            )
        known = self._parts.register.find(told.name)
        if known is not None and known.state in ("joined", "suspended"):
            documents.follow(known.document, told)
        state: State = "joined" if known is not None and known.state == "asked" else "invited"
        await self._keep(told, state, actor, "invited")
        return await self.knock(told.name, code=code)

    async def knock(self, name: str, *, code: str = "") -> Node:
        """Tell a node whom we invited or accepted; both joined when it says so."""
        parts = self._parts
        node = parts.register.get(name)
        wish = Wish(document=parts.own.document(), code=code)
        reply = await parts.calling.call(
            node.document.url, f"{ROOT}/join", msgspec.json.encode(wish), node.document.public
        )
        try:
            outcome = msgspec.json.decode(reply.body, type=Outcome)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise Unavailable(f"Node {name} answered what cannot be read: {error}") from error
        if outcome.state == "joined" and parts.register.get(name).state == "invited":
            await self._keep(node.document, "joined", Actor(id=f"node:{name}"), "joined")
        return parts.register.get(name)

    # --- another one asks ---------------------------------------------------------------------
    async def asked(self, received: Received) -> Outcome:
        """A node asks to be our neighbour: kept for our administrator, joined when we invited it or
        it shows a code. Raises as `Receiving.check_stranger` and `documents.check` do."""
        parts = self._parts
        try:
            wish = msgspec.json.decode(received.body, type=Wish)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadRequestData(f"This is no wish to join: {error}") from error
        documents.check(wish.document)
        await parts.receiving.check_stranger(received, wish.document.public)
        document = wish.document
        if document.name == parts.own.name or document.public == parts.own.public:
            raise StateConflict(f"Node {document.name!r} has our name or key")
        self._log_is_its_own(document)
        known = parts.register.find(document.name)
        if known is not None and known.state not in ("asked", "left"):
            documents.follow(known.document, document)
        by = await parts.register.use(wish.code) if wish.code else ""
        if wish.code and not by:
            raise Unauthorized("Nobody made this invitation code, or it was used, or it is too old")
        state = _answered(known, bool(by))
        if known is None or (known.state, known.document) != (state, document):
            actor = Actor(id=by or f"node:{document.name}")
            await self._keep(document, state, actor, state)
            if state == "asked":
                await self._tell(document)
        return Outcome(document=parts.own.document(), state=state)

    async def accept(self, actor: Actor, name: str, *, fingerprint: str = "") -> Node:
        """Our administrator compared the fingerprint and takes the neighbour in. Forbidden for
        another fingerprint, StateConflict when it did not ask."""
        node = self._parts.register.get(name)
        if node.state != "asked":
            raise StateConflict(f"Node {name} is {node.state}, it does not ask to join")
        if _plain(fingerprint) != _plain(documents.fingerprint(node.document.public)):
            raise Forbidden("The fingerprint is not the one of the node that asked")
        await self._keep(node.document, "joined", actor, "joined")
        try:
            return await self.knock(name)
        except PintuError as error:
            # it is joined here; it hears of it when it knocks again or when we reach it
            self._parts.kept(name).last_failure = error.detail
            return self._parts.register.get(name)

    async def change(self, actor: Actor, name: str, state: State, note: str = "") -> Node:
        """Suspend, resume (`joined`) or part with (`left`) a neighbour; it is told of the last."""
        node = self._parts.register.get(name)
        allowed = {
            "suspended": ("joined",),
            "joined": ("suspended",),
            "left": ("joined", "suspended", "asked", "invited"),
        }
        if node.state not in allowed.get(state, ()):
            raise StateConflict(f"Node {name} is {node.state}: it cannot be {state}")
        done = await self._keep(node.document, state, actor, state, note)
        if state == "left" and node.state in ("joined", "suspended"):
            await self._parts.register.tell(name, "leave", f"{ROOT}/leave", b"{}")
        return done

    async def left(self, name: str) -> None:
        """A neighbour parted with us."""
        node = self._parts.register.get(name)
        await self._keep(node.document, "left", Actor(id=f"node:{name}"), "left")

    # --- keys ---------------------------------------------------------------------------------
    async def refresh(self, node: Node) -> Node:
        """Take what a neighbour tells of itself now; a new key only when the old one vouches for
        it. StateConflict else."""
        body = await self._parts.calling.fetch(node.document.url, WELL_KNOWN, documents.MOST_BYTES)
        return await self.take(node, documents.read(body))

    async def take(self, node: Node, told: Document) -> Node:
        """Keep a newer document of a node we know."""
        if told == node.document:
            return node
        if told.name != node.name:
            raise StateConflict(f"Node {node.name} calls itself {told.name!r} now")
        self._log_is_its_own(told)
        passed = documents.follow(node.document, told)
        until_us = self._parts.clock.now_us() + OLD_KEY_US
        keys = (*((one, until_us) for one in passed), *node.keys)[: documents.MOST_KEYS]
        done = msgspec.structs.replace(
            node, document=told, keys=keys, changed_us=self._parts.clock.now_us()
        )
        changed = (
            passed
            or told.log_public != node.document.log_public
            or _parties(told) != _parties(node.document)
        )
        if changed:
            await self._note("keys changed", Actor(id=f"node:{node.name}"), done)
        await self._parts.register.put(done)
        return done

    async def keys_told(self, received: Received) -> None:
        """A neighbour tells its new document by itself."""
        document = documents.read(received.body)
        node = self._parts.register.get(document.name)
        await self._parts.receiving.check_stranger(received, document.public)
        await self.take(node, document)

    # --- parts --------------------------------------------------------------------------------
    def _log_is_its_own(self, document: Document) -> None:
        """StateConflict for a node that calls its log as a neighbour, or we, do: heads are kept by
        the name of their log, so it could have another one's log said to be forked."""
        name, own = _log_of(document), self._parts.own.document()
        known = [
            one.document
            for one in self._parts.register.list_nodes()
            if one.name != document.name and one.state not in ("asked", "left")
        ]
        if name and any(_log_of(one) == name for one in (own, *known)):
            raise StateConflict(
                f"Node {document.name!r} calls its log {name[:80]!r}, and that is another's"
            )

    async def _keep(
        self, document: Document, state: State, actor: Actor, deed: str, note: str = ""
    ) -> Node:
        register, now_us = self._parts.register, self._parts.clock.now_us()
        known = register.find(document.name)
        since_us = known.since_us if known is not None else 0
        node = Node(
            document=document,
            state=state,
            since_us=since_us if since_us and state != "asked" else now_us * (state == "joined"),
            changed_us=now_us,
            by=actor.id,
            keys=known.keys if known is not None and state != "asked" else (),
            note=note[:500],
        )
        await self._note(deed, actor, node)
        await register.put(node)
        for listener in self.listeners:
            listener(node)
        return node

    async def _note(self, deed: str, actor: Actor, node: Node) -> None:
        """The log's row of what changes between nodes; durable before it changes."""
        audit = self._parts.audit
        if audit is None:
            return
        key = documents.fingerprint(node.document.public)
        detail = {"node": node.name, "url": node.document.url, "fingerprint": key}
        if node.note:
            detail["note"] = node.note
        entry = Entry(
            what="node", deed=deed, actor=actor.id, person=actor.person,
            organisation=actor.organisation, detail=detail,
        )  # fmt: skip
        await audit.enter(entry)

    async def noted(self, deed: str, actor: Actor, **detail: str) -> None:
        """A deed about this node itself, in the log."""
        if self._parts.audit is not None:
            entry = Entry(
                what="node", deed=deed, actor=actor.id, person=actor.person, detail=detail
            )
            await self._parts.audit.enter(entry)

    async def _tell(self, document: Document) -> None:
        text = {
            "en": f"Node {document.name} asks to join: compare fingerprints, then accept it",
            "zh": f"节点 {document.name} 申请互联：请先核对指纹再接受",
        }
        key = f"node/{document.name}/{documents.id_of(document.public)}"
        await self._parts.notify("admin@city", text, key=key)


def _answered(known: Node | None, invited: bool) -> State:
    if known is not None and known.state in ("joined", "suspended"):
        return known.state
    if invited or (known is not None and known.state == "invited"):
        return "joined"
    return "asked"


def _plain(fingerprint: str) -> str:
    return "".join(fingerprint.lower().split())


def _log_of(document: Document) -> str:
    """The name of its log, whatever its era."""
    return document.log.partition("#")[0]


def _parties(document: Document) -> dict[str, Any]:
    return {one.id: one.public for one in document.organisations}
