"""Who is a neighbour, in memory and durable; nonces that were seen; invitations; what is still to
be told."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Collection
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ResourceNotFound, TooManyRequests, Unauthorized, Unavailable
from pintu.kernel.exchange.nodes.documents import id_of
from pintu.kernel.exchange.nodes.schema import ENDORSEMENT, INVITATION, NODE, NONCE, OUTGOING
from pintu.kernel.exchange.nodes.words import Endorsement, Node
from pintu.kernel.tables import OpenTables, put_rows

MOST_NODES: Final = 2_000
MOST_ASKING: Final = 200
"""Strangers that wait for an administrator; who comes later hears that there are too many."""

MOST_NONCES: Final = 400_000
INVITED_US: Final = 24 * 3_600_000_000
_NODE: Final = msgspec.json.Decoder(Node)


class Register:
    """Every node we know, by name and by key; what another process changed is seen by `look`."""

    def __init__(self, file: OpenTables, clock: Clock) -> None:
        self._file, self._clock = file, clock
        self._nodes: dict[str, Node] = {}
        self._by_key: dict[str, tuple[str, str, int]] = {}  # key id → (name, public, until)
        self._version = -1
        self.look()

    def look(self) -> None:
        """Read again what changed; costs microseconds when nothing did."""
        version = self._file.data_version()
        if version == self._version:
            return
        try:
            rows = self._file.read_now(lambda c: c.execute(sa.select(NODE.c.body)).scalars().all())
        except Unavailable:
            if self._version == -1:
                raise
            return
        self._version = version
        self._nodes = {one.name: one for one in map(_NODE.decode, rows)}
        self._by_key = {}
        for one in self._nodes.values():
            for public, until_us in ((one.document.public, 0), *one.keys):
                self._by_key[id_of(public)] = (one.name, public, until_us)

    def list_nodes(self) -> list[Node]:
        """All of them, by name."""
        return [self._nodes[name] for name in sorted(self._nodes)]

    def find(self, name: str) -> Node | None:
        """One."""
        return self._nodes.get(name)

    def get(self, name: str) -> Node:
        """One; ResourceNotFound."""
        found = self._nodes.get(name)
        if found is None:
            raise ResourceNotFound(f"There is no neighbour called {name[:40]!r}")
        return found

    def by_key(self, key_id: str) -> tuple[Node, str] | None:
        """Whose key it is, and the key (base64); older keys as long as they are good."""
        known = self._by_key.get(key_id)
        if known is None or (known[2] and known[2] <= self._clock.now_us()):
            return None
        return self._nodes[known[0]], known[1]

    async def put(self, node: Node) -> None:
        """Keep what is known of a node now."""
        if node.name not in self._nodes and len(self._nodes) >= MOST_NODES:
            raise TooManyRequests(f"This node knows {MOST_NODES} others already")
        if node.state == "asked":
            others = [one for one in self._nodes.values() if one.state == "asked"]
            if len(others) >= MOST_ASKING and node.name not in self._nodes:
                raise TooManyRequests("Too many nodes wait for this administrator")
        row = {"name": node.name, "body": msgspec.json.encode(node)}
        await self._file.run(lambda c: put_rows(c, NODE, [row]))
        self._version = -2
        self.look()

    async def remove(self, name: str) -> None:
        """Forget a node that was never a neighbour."""
        await self._file.run(lambda c: c.execute(NODE.delete().where(NODE.c.name == name)))
        self._version = -2
        self.look()

    # --- invitations ----------------------------------------------------------------------------
    async def invite(self, by: str, key_id: str) -> str:
        """A code that lets one node join at once, within a day: a secret, and our key's id, so that
        whoever uses it knows whom it speaks to."""
        secret = secrets.token_hex(10)
        row = {"hash": _hash(secret), "until_us": self._clock.now_us() + INVITED_US, "by": by}
        await self._file.run(lambda c: put_rows(c, INVITATION, [row]))
        return f"{secret}-{key_id}"

    async def use(self, code: str) -> str:
        """Use a code up: who made it; "" for one that nobody made, that was used or is too old."""
        secret = code.partition("-")[0]
        now_us = self._clock.now_us()

        def work(connection: Connection) -> str:
            where = (INVITATION.c.hash == _hash(secret)) & (INVITATION.c.until_us > now_us)
            by = connection.execute(sa.select(INVITATION.c.by).where(where)).scalar()
            connection.execute(INVITATION.delete().where(where | (INVITATION.c.until_us <= now_us)))
            return str(by or "")

        return await self._file.run(work)

    # --- our own keys ---------------------------------------------------------------------------
    def chain(self) -> tuple[Endorsement, ...]:
        """How our own key came to follow older ones, oldest first."""
        query = sa.select(ENDORSEMENT.c.body).order_by(ENDORSEMENT.c.at_us)
        rows = self._file.read_now(lambda c: c.execute(query).scalars().all())
        return tuple(msgspec.json.decode(one, type=Endorsement) for one in rows)

    async def endorse(self, step: Endorsement) -> None:
        """Keep that one key of ours follows another."""
        row = {"public": step.public, "body": msgspec.json.encode(step), "at_us": step.at_us}
        await self._file.run(lambda c: put_rows(c, ENDORSEMENT, [row]))

    # --- what is still to be told ---------------------------------------------------------------
    async def tell(self, node: str, key: str, path: str, body: bytes) -> None:
        """Keep something to be told; what was to be told under the same key is replaced."""
        row = {"node": node, "key": key, "path": path, "body": body}
        await self._file.run(
            lambda c: put_rows(c, OUTGOING, [{**row, "at_us": self._clock.now_us()}])
        )

    async def untold(self, away: Collection[str] = ()) -> list[tuple[str, str, str, bytes, int]]:
        """(node, key, path, body, since) of what is still to be told, oldest first, some hundred;
        without what nodes that are `away` wait for."""
        query = sa.select(OUTGOING).order_by(OUTGOING.c.at_us).limit(500)
        if away:
            query = query.where(OUTGOING.c.node.not_in(sorted(away)))
        return await self._file.read(
            lambda c: [(r.node, r.key, r.path, r.body, r.at_us) for r in c.execute(query)]
        )

    async def told(self, node: str, key: str, at_us: int) -> None:
        """It was taken; what came under the same key since stays."""
        same = (OUTGOING.c.node == node) & (OUTGOING.c.key == key) & (OUTGOING.c.at_us == at_us)
        await self._file.run(lambda c: c.execute(OUTGOING.delete().where(same)))


class Nonces:
    """Every nonce of the last minutes, durable before the call it came with is done."""

    def __init__(self, file: OpenTables, now_s: int) -> None:
        self._file = file
        self._seen: dict[str, int] = {}
        self._waiting: list[tuple[str, int, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        query = sa.select(NONCE).where(NONCE.c.until_s >= now_s)
        for row in file.read_now(lambda c: c.execute(query).all()):
            self._seen[row.nonce] = row.until_s

    def check(self, key: str) -> None:
        """Unauthorized for a nonce that came before."""
        if key in self._seen:
            raise Unauthorized("This call came before: a nonce is used once")

    async def take(self, key: str, until_s: int, now_s: int) -> None:
        """Remember one until its signature is too old anyway; Unauthorized when it is known."""
        self.check(key)
        if len(self._seen) >= MOST_NONCES:
            self._seen = {one: until for one, until in self._seen.items() if until >= now_s}
            if len(self._seen) >= MOST_NONCES:
                raise TooManyRequests("Too many calls within ten minutes", retryAfter=60)
        self._seen[key] = until_s
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((key, until_s, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write(now_s), name="nonces")
        await done

    async def _write(self, now_s: int) -> None:
        """Those that came while the ones before were written share a commit."""
        while self._waiting:
            taken, self._waiting = self._waiting, []
            rows = [{"nonce": key, "until_s": until} for key, until, _ in taken]

            def work(connection: Connection, rows: list[dict[str, object]] = rows) -> None:
                connection.execute(NONCE.delete().where(NONCE.c.until_s < now_s))
                put_rows(connection, NONCE, rows)

            failed: Unavailable | None = None
            try:
                await self._file.run(work)
            except Unavailable as error:
                failed = error
            for _, _, done in taken:
                if done.done():
                    continue
                if failed is None:
                    done.set_result(None)
                else:
                    done.set_exception(failed)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(b"pintu-invitation\n" + secret.encode()).digest()
