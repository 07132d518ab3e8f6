"""A call from another node: cheap looks first, then the signature, then who it claims to be."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from pintu.kernel.access import Actor
from pintu.kernel.clock import Clock
from pintu.kernel.errors import BadRequestData, Forbidden, PintuError, TooLarge, Unauthorized
from pintu.kernel.exchange.nodes import httpsig
from pintu.kernel.exchange.nodes.httpsig import Params
from pintu.kernel.exchange.nodes.rates import Bucket
from pintu.kernel.exchange.nodes.register import Nonces, Register
from pintu.kernel.exchange.nodes.words import ROLES, Call, Node
from pintu.kernel.identity.keys import verified

WINDOW_S: Final = 300
MOST_BODY: Final = 1_000_000
PERSON: Final = re.compile(r"[a-z0-9-]{1,64}")
NONCE: Final = re.compile(r"[A-Za-z0-9_+/=-]{16,64}")
_CALL: Final = msgspec.json.Decoder(Call)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it came; header names in small letters."""

    method: str
    path: str  # with the query, as it was asked for
    headers: Mapping[str, str]
    body: bytes
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class From:
    """A call whose node is known for sure, and what it says of who acts there."""

    node: Node
    call: Call

    @property
    def actor(self) -> Actor:
        """Who acts, as our gate knows them. Their node vouches for organisation, person, roles."""
        call, name = self.call, self.node.name
        return Actor(
            id=f"node:{name}",
            kind="node",
            person=f"{call.person}@{name}" if call.person else "",
            organisation=f"{call.organisation}@{name}" if call.organisation else "",
            roles=frozenset(call.roles),
        )


class Receiving:
    """Checks signed calls; what it remembers survives a restart."""

    def __init__(self, url: str, register: Register, nonces: Nonces, clock: Clock) -> None:
        """`url` is our own address, as neighbours call it."""
        self._url, self._register, self._nonces, self._clock = url, register, nonces, clock
        self._knocks = Bucket(rate=200, burst=400)
        self._failed = Bucket(rate=0.2, burst=20)
        self._joins = Bucket(rate=0.05, burst=10)
        self._calls = Bucket(rate=200, burst=400)
        self._asked = Bucket(rate=0.1, burst=3)
        self.refresh: Callable[[Node], Awaitable[Node]] | None = None

    async def check(self, received: Received) -> From:
        """Whose call it is. Raises TooManyRequests, Unauthorized (what is wrong with the
        signature), Forbidden (a node that is not joined, a claim that is not its own)."""
        node = await self.known(received)
        try:
            return From(node=node, call=claim(node, received.body))
        except Forbidden:
            newer = await self._newer(node, self._clock.now_us())
            return From(node=newer, call=claim(newer, received.body))

    async def known(self, received: Received) -> Node:
        """The neighbour that signed a request, whatever its body is; raises as `check` does."""
        now_us = self._clock.now_us()
        self._knock(received.peer, now_us)
        try:
            params = self._read(received, now_us)
            node, public = self._node(params)
            self._nonces.check(f"{params.keyid}/{params.nonce}")
            await self._verify(received, params, public)
        except Unauthorized:
            self._failed.take(received.peer, now_us, f"calls from {received.peer} that fail")
            raise
        self._calls.take(node.name, now_us, f"calls of node {node.name}")
        if node.state != "joined":
            raise Forbidden(f"Node {node.name} is not joined here: it is {node.state}")
        return node

    async def _newer(self, node: Node, now_us: int) -> Node:
        """What the node tells of itself by now: it may have an organisation more. Asked seldom."""
        if self.refresh is None or self._asked.level(node.name, now_us) < 1:
            return node
        self._asked.take(node.name, now_us, "questions")
        try:
            return await self.refresh(node)
        except PintuError:
            return node

    async def check_stranger(self, received: Received, public: str) -> None:
        """A call of a node that is about to be known, signed with the key it tells."""
        now_us = self._clock.now_us()
        self._knock(received.peer, now_us)
        self._joins.take(received.peer, now_us, f"requests to join from {received.peer}")
        params = self._read(received, now_us)
        from pintu.kernel.exchange.nodes.documents import id_of

        if params.keyid != id_of(public):
            raise Unauthorized("The call is signed with another key than its document tells")
        self._nonces.check(f"{params.keyid}/{params.nonce}")
        await self._verify(received, params, public)

    def _knock(self, peer: str, now_us: int) -> None:
        self._knocks.take(peer, now_us, f"calls from {peer}")
        if self._failed.level(peer, now_us) < 1:
            self._failed.take(peer, now_us, f"calls from {peer} that fail")

    def _read(self, received: Received, now_us: int) -> Params:
        if len(received.body) > MOST_BODY:
            raise TooLarge(f"A call between nodes has at most {MOST_BODY:,} bytes")
        header = received.headers.get("signature-input", "")
        params = httpsig.read_params(header, httpsig.REQUEST)
        if not NONCE.fullmatch(params.nonce):
            raise Unauthorized("A nonce has 16 to 64 letters and digits")
        off_s = params.created - now_us // 1_000_000
        if abs(off_s) > WINDOW_S:
            way = "ahead of" if off_s > 0 else "behind"
            raise Unauthorized(
                f"The clock of the calling node is {abs(off_s)} s {way} ours; {WINDOW_S} s are let "
                "through: set the clock"
            )
        return params

    def _node(self, params: Params) -> tuple[Node, str]:
        found = self._register.by_key(params.keyid)
        if found is None:
            self._register.look()
            found = self._register.by_key(params.keyid)
        if found is None:
            raise Unauthorized(f"No node with key {params.keyid[:40]!r} has joined here")
        return found

    async def _verify(self, received: Received, params: Params, public: str) -> None:
        digest = received.headers.get("content-digest", "")
        httpsig.check_digest(digest, received.body)
        uri = f"{self._url}{received.path}"
        values = httpsig.request_values(received.method, uri, digest)
        message = httpsig.base_of(values, params.covered, params.text)
        signature = httpsig.read_signature(received.headers.get("signature", ""))
        if not verified(public, signature, message):
            raise Unauthorized(
                f"The signature does not hold for {received.method} {uri[:200]}: another key, "
                "another address or another message was signed"
            )
        now_s = self._clock.now_us() // 1_000_000
        until_s = params.created + 2 * WINDOW_S
        await self._nonces.take(f"{params.keyid}/{params.nonce}", until_s, now_s)


def claim(node: Node, body: bytes) -> Call:
    """What the body says of who acts; BadRequestData, Forbidden for what the node may not say."""
    try:
        call = _CALL.decode(body)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BadRequestData(f"The body of a call cannot be read: {error}") from error
    if call.organisation and not any(
        one.id == call.organisation for one in node.document.organisations
    ):
        raise Forbidden(
            f"Node {node.name} has no organisation {call.organisation[:60]!r}: "
            "a node speaks for its own"
        )
    if call.person and not PERSON.fullmatch(call.person):
        raise BadRequestData("A person of another node is told as a pseudonym")
    strange = sorted(set(call.roles) - ROLES)
    if strange:
        raise Forbidden(f"A node cannot claim the role {strange[0][:40]!r} here")
    return call
