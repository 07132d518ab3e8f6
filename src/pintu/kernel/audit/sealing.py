"""Seals the log: each second the rows that are new become leaves of the tree, and its head is
signed.

What is durable in the notes is sealed later, never the other way round. A tree that does not fit
the notes any more (they were changed, rewound, forked, or an old backup lies there) is said loudly
and not sealed again until an auditor has accepted it by name, which begins a new era of the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.audit.heads import Head, body_of, is_signed, read_head, signed, verifier_key
from pintu.kernel.audit.places import SPAN, entries_of
from pintu.kernel.audit.schema import FACT, HEAD, PLACE, TILE
from pintu.kernel.audit.tree import HASH, WIDTH, Tiles, Tree, leaf_hash
from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError, StateConflict, Unavailable
from pintu.kernel.identity.keys import SigningKey
from pintu.kernel.store.port import Store, settled
from pintu.kernel.tables import OpenTables, add_rows, put_rows

EVERY_S: Final = 1.0
log = logging.getLogger("pintu.audit")


def tiles_in(connection: Connection, era: int) -> Tiles:
    """Reads tiles inside a transaction; each once."""
    known: dict[tuple[int, int], bytes] = {}

    def tile(level: int, place: int) -> bytes:
        found = known.get((level, place))
        if found is None:
            where = (TILE.c.era == era) & (TILE.c.level == level) & (TILE.c.place == place)
            row = connection.execute(sa.select(TILE.c.hashes).where(where)).scalar()
            if row is None:
                raise PintuError(f"Tile {level}/{place} of the log's tree is not there")
            found = known[level, place] = bytes(row)
        return found

    return tile


class Marks(Protocol):
    """What is known of a log outside of its tables."""

    name: str

    def begun(self) -> bool:
        """Was a head ever signed?"""
        ...

    def begin(self) -> None:
        """The first head is signed: remember it."""
        ...


class Sealer:
    """The tree of one era, grown by one task of the loop."""

    def __init__(
        self, store: Store, tables: OpenTables, key: SigningKey, clock: Clock, *, marks: Marks
    ) -> None:
        """`name` and `begun` are told by `marks`: whose log it is, whether it was ever sealed."""
        self.name = marks.name  # of the node, as its log is called in the first era
        self._marks = marks
        self.era = 1
        self.key = key
        self.trouble = ""  # why it is not sealed any more
        self.sealed_rows = 0  # since the start
        self.on_trouble: Callable[[str], Awaitable[None]] = _nobody
        self.on_sealed: list[Callable[[Head], None]] = []
        self._store = store
        self._tables = tables
        self._clock = clock
        self._tree = Tree()
        self._head: Head | None = None
        self._placed = 0
        self._loaded = False
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def origin(self) -> str:
        """The first line of every head: whose log, in which era."""
        return self.name if self.era == 1 else f"{self.name}#{self.era}"

    @property
    def public(self) -> str:
        """What a stranger needs to check our heads."""
        return verifier_key(self.origin, self.key.public)

    @property
    def head(self) -> Head | None:
        """The newest signed head; None before the first row."""
        return self._head

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Take up the tree where it was left, then seal each second."""
        await self.load()
        self._task = asyncio.create_task(self._run(), name="audit-seal")

    async def stop(self) -> None:
        """Seal what is left, then stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            with contextlib.suppress(PintuError):
                await self.seal()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                if not self._loaded and not self.trouble:
                    await self.load()
                await self.seal()
            except PintuError as error:
                log.warning("The log is not sealed now: %s", error.detail)
            except Exception:  # the loop's edge: it is tried again in a second
                log.exception("The log cannot be sealed")

    # --- where it stands --------------------------------------------------------------------------
    async def load(self) -> None:
        """Know the tree of the newest head, and whether it is what we signed."""
        try:
            self._head, self._tree = await self._tables.read(self._newest)
        except Unavailable as error:
            log.warning("The log's tree cannot be read yet: %s", error.detail)
            return
        except PintuError as error:
            await self.doubt(error.detail)
            return
        self._loaded = True
        if self._head is None and self._marks.begun():
            await self.doubt("The log was sealed before, and its heads are gone")
            return
        try:
            await self.compare_end()
        except Unavailable as error:
            self._loaded = False  # nothing is sealed before the end was compared; the city starts
            log.warning("The end of the log cannot be compared yet: %s", error.detail)

    def _newest(self, connection: Connection) -> tuple[Head | None, Tree]:
        placed = connection.execute(sa.select(FACT.c.value).where(FACT.c.name == "placed")).scalar()
        self._placed = int(placed or 0)
        newest = sa.select(HEAD.c.era, HEAD.c.told).order_by(HEAD.c.era.desc(), HEAD.c.size.desc())
        row = connection.execute(newest.limit(1)).first()
        if row is None:
            return None, Tree()
        self.era = row.era
        head = read_head(row.told)
        tree = Tree.load(head.size, tiles_in(connection, self.era))
        if tree.root() != head.root:
            raise PintuError(f"The tree of the log does not lead to its head of {head.size} rows")
        if not is_signed(head, self.origin, self.key.public):
            raise PintuError(f"The head of {head.size} rows is not signed by this node's key")
        return head, tree

    async def compare_end(self) -> None:
        """Do the newest rows fit the tree? What lies before is compared by `checking`."""
        size = self._tree.size
        have = self._store.notes_head()
        if have < size:
            await self.doubt(
                f"The log has {have} rows, and a head over {size} rows was signed: it was rewound, "
                "or an old backup lies here"
            )
            return
        edge = bytes(self._tree.edges[0]) if self._tree.edges else b""
        first = size - len(edge) // HASH
        for number, body in await settled(self._store.notes(first, WIDTH)):
            at = (number - first - 1) * HASH
            if number <= size and edge[at : at + HASH] != leaf_hash(body):
                await self.doubt(f"Row {number} of the log is not the one that was sealed")
                return

    async def doubt(self, why: str) -> None:
        """The log is not what we signed: nothing is sealed any more, and it is said loudly."""
        if not self.trouble:
            self.trouble = why
            log.critical("THE LOG IS NOT WHAT WAS SEALED. %s", why)
            await self.on_trouble(why)

    # --- sealing ----------------------------------------------------------------------------------
    async def seal(self) -> Head | None:
        """Bring every durable row into the tree and sign its head; the newest head.

        Raises Unavailable when the tables cannot be written: then it goes on from where it was.
        """
        async with self._turn:
            await self._place_missing()
            while self._loaded and not self.trouble and self._store.notes_head() > self._tree.size:
                rows = await settled(self._store.notes(self._tree.size, SPAN))
                if not rows:
                    break
                if [number for number, _ in rows] != list(
                    range(self._tree.size + 1, self._tree.size + len(rows) + 1)
                ):
                    await self.doubt(f"A row is missing behind row {self._tree.size} of the log")
                    break
                last = rows[-1][0] >= self._store.notes_head()
                tree = self._tree.copy()
                head = await self._tables.run(partial(self._keep, tree=tree, rows=rows, last=last))
                self._tree = tree
                self._placed = tree.size
                self.sealed_rows += len(rows)
                if head is not None:
                    if self._head is None:
                        self._marks.begin()
                    self._head = head
                    for listener in self.on_sealed:
                        listener(head)
            return self._head

    def _keep(
        self, connection: Connection, *, tree: Tree, rows: list[tuple[int, bytes]], last: bool
    ) -> Head | None:
        """One slice, in a transaction: leaves, tiles, where to look, and at its end the head."""
        era = self.era
        for _, body in rows:
            tree.add(leaf_hash(body))
        tiles = [
            {"era": era, "level": level, "place": place, "hashes": hashes}
            for level, place, hashes in tree.changed()
        ]
        put_rows(connection, TILE, tiles)
        self._place(connection, rows)
        if not last:
            return None
        head = self.sign(tree, self._clock.now_us())
        told: dict[str, Any] = {"era": era, "size": head.size, "at_us": head.at_us}
        put_rows(connection, HEAD, [{**told, "told": told_of(head)}])
        return head

    # --- where to look ----------------------------------------------------------------------------
    def _place(self, connection: Connection, rows: list[tuple[int, bytes]]) -> None:
        """Note where these rows are found, and that they are."""
        add_rows(connection, PLACE, entries_of(rows))
        put_rows(connection, FACT, [{"name": "placed", "value": str(rows[-1][0])}])

    async def _place_missing(self) -> None:
        """Rows that were sealed and are not in the places: after those were made anew."""
        while self._placed < self._tree.size and not self.trouble:
            most = min(SPAN, self._tree.size - self._placed)
            rows = await settled(self._store.notes(self._placed, most))
            if not rows:
                return
            await self._tables.run(partial(self._place, rows=rows))
            self._placed = rows[-1][0]

    async def root_at(self, size: int) -> bytes:
        """The root over the first rows, as the tree of this era has it."""
        era = self.era
        return await self._tables.read(lambda c: Tree.load(size, tiles_in(c, era)).root())

    async def begin_era(self) -> None:
        """An auditor has seen what is wrong and says that the log goes on: all rows there are now
        become a new tree, under a name of its own, so that nobody takes it for the old one.
        """
        async with self._turn:
            if not self.trouble:
                raise StateConflict("The log is what was sealed: there is nothing to accept")
            await self._tables.run(_no_places)
            self.era += 1
            self._tree, self._head, self._placed = Tree(), None, 0
            self.trouble, self._loaded = "", True
        await self.seal()

    def sign(self, tree: Tree, at_us: int) -> Head:
        """The head of a tree, signed with the log's key."""
        text = body_of(self.origin, tree.size, tree.root(), at_us)
        return read_head(signed(text, self.origin, self.key))


def told_of(head: Head) -> str:
    """A head with its signatures as one text."""
    return head.text + "\n" + "".join(f"{line}\n" for line in head.signatures)


def _no_places(connection: Connection) -> None:
    connection.execute(PLACE.delete())
    connection.execute(FACT.delete().where(FACT.c.name == "placed"))


async def _nobody(why: str) -> None:
    return None
