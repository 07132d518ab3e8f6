"""PostgreSQL's own log of changes, read by SQL functions: inserts, updates and deletes, in order.

The owner makes the publication and the slot; this door peeks, and lets the slot go on only behind
what has landed, so a crash on either side loses nothing. The slot is all that ever moves there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sql
from msgspec.structs import replace
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData
from pintu.kernel.intake.doors.database import pgoutput
from pintu.kernel.intake.doors.database import place as places
from pintu.kernel.intake.doors.database.kinds import converters, records
from pintu.kernel.intake.doors.database.pgoutput import lsn_number, lsn_text
from pintu.kernel.intake.doors.database.place import Place
from pintu.kernel.intake.doors.database.sheet import Record, Sheet, chunk_key
from pintu.kernel.intake.doors.database.slots import Slot, advance, slot_of
from pintu.kernel.intake.doors.database.told import Told
from pintu.kernel.intake.loading_words import Chunk

CHANGES: Final = 20_000  # of one poll, to the end of the transaction that reaches it
FETCHED: Final = 2_000
MOST_CHUNKS: Final = 40  # in memory at once
BEAT: Final = 16 * 1024 * 1024
"""After so many bytes of other tables' log an empty chunk lands, so that the slot may let them
go."""

_PEEK: Final = sql.text(
    "SELECT data FROM pg_logical_slot_peek_binary_changes(:slot, CAST(:upto AS pg_lsn), :most,"
    " 'proto_version', '1', 'publication_names', :publication)"
)


class Replicating:
    """Polls one slot for one table."""

    def __init__(self, sheet: Sheet, told: Told, page_rows: int) -> None:
        self._sheet, self._told, self._rows = sheet, told, page_rows
        self.pause_s = told.every_s
        self._landed = 0
        self._warned = False

    def landed(self, place: Place) -> None:
        """Chunks up to this place are durable: the slot may go on."""
        if place.follow == "replication" and place.since and place.stage == "follow":
            self._landed = max(self._landed, lsn_number(place.since[0]))

    async def poll(self, place: Place) -> AsyncIterator[Chunk]:
        """Chunks of what was committed since; none when nothing was."""
        slot: Slot = await self._sheet.run(lambda c: slot_of(c, self._told), "asking for the slot")
        if self._landed > slot.confirmed:
            landed = self._landed
            await self._sheet.run(lambda c: advance(c, self._told, landed), "letting the slot go")
        said = self._bloated(slot)
        reading = _Reading(self._sheet, self._told, place, self._rows)
        chunks = await self._sheet.run(lambda c: reading.run(c, slot.now), "reading the slot")
        for chunk in chunks:
            if said:
                chunk, said = replace(chunk, messages=said), []
            yield chunk
        self.pause_s = self._told.every_s if reading.at_end else 0.0
        far = reading.at_end and slot.now - lsn_number(place.since[0]) >= BEAT
        if not chunks and (said or far):
            at = replace(place, since=[lsn_text(slot.now)], skip=0)
            position = places.written(at if reading.at_end else place)
            yield Chunk(records=[], position=position, key=chunk_key(position, []), messages=said)

    def _bloated(self, slot: Slot) -> list[dict[str, str]]:
        held_mb = slot.held / 1e6
        if self._warned or held_mb <= self._told.slot_limit_mb:
            return []
        self._warned = True
        name, limit = self._told.slot, self._told.slot_limit_mb
        return [
            {
                "en": f"Slot {name} holds back {held_mb:.0f} MB of the database's log (limit"
                f" {limit:g}): its disk may fill. If this stays so, ask the owner to drop the slot",
                "zh": f"复制槽 {name} 已积压 {held_mb:.0f} MB 日志（上限 {limit:g}），"
                "可能占满数据库磁盘；若持续如此，请数据库所有者删除该槽",
            }
        ]


class _Reading:
    """One peek: messages into chunks. Changes of one row within a chunk are one: the last."""

    def __init__(self, sheet: Sheet, told: Told, place: Place, page_rows: int) -> None:
        self._sheet, self._told, self._place, self._most = sheet, told, place, page_rows
        self._since = lsn_number(place.since[0]) if place.since else 0
        self._names: dict[int, pgoutput.Relation] = {}
        self._rows: dict[tuple[Any, ...], dict[str, Any] | None] = {}
        self._unchanged: set[tuple[Any, ...]] = set()
        self._gone: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._skip, self._done, self._old = place.skip, 0, False
        self._truncated = False
        self.at_end = False

    def run(self, connection: Connection, upto: int) -> list[Chunk]:
        """Everything committed up to a place of the log, at most 20,000 changes and the rest of
        their transaction."""
        from psycopg.adapt import Transformer

        raw: Any = connection.connection.driver_connection
        self._transformer = Transformer(raw)
        told = self._told
        values = {
            "slot": told.slot,
            "upto": lsn_text(upto),
            "most": CHANGES,
            "publication": told.publication,
        }
        options = connection.execution_options(stream_results=True, yield_per=FETCHED)
        chunks: list[Chunk] = []
        count = 0
        with options.execute(_PEEK, values) as result:
            for (data,) in result:
                count += 1
                chunks += self._take(connection, pgoutput.decode(bytes(data)))
                if len(chunks) >= MOST_CHUNKS:  # of one huge transaction
                    return chunks
        self.at_end = count < CHANGES
        if self._rows or self._gone or self._truncated:
            chunks.append(self._chunk(connection))
        return chunks

    def _take(self, connection: Connection, message: pgoutput.Message) -> Iterator[Chunk]:
        if isinstance(message, pgoutput.Relation):
            self._names[message.number] = message
        elif isinstance(message, pgoutput.Begin):
            self._old = message.at < self._since  # it landed; the slot has not gone on yet
            self._done = 0
        elif isinstance(message, pgoutput.Commit):
            if not self._old:
                self._since, self._skip, self._done = message.end, 0, 0
        elif isinstance(message, pgoutput.Truncate) and not self._old:
            self._truncated |= any(self._is_ours(one) for one in message.relations)
        elif isinstance(message, pgoutput.Change) and not self._old:
            if not self._is_ours(message.relation):
                return
            self._done += 1
            if self._done <= self._skip:
                return
            self._change(message)
            if len(self._rows) + len(self._gone) >= self._most:
                yield self._chunk(connection)

    def _is_ours(self, number: int) -> bool:
        found = self._names.get(number)
        table = self._sheet.table
        return found is not None and (
            found.name == table.name and table.schema in (None, found.schema)
        )

    def _change(self, change: pgoutput.Change) -> None:
        relation = self._names[change.relation]
        if change.old:
            old = self._values(relation, change.old)
            key = self._key(old, relation)
            self._rows.pop(key, None)
            self._unchanged.discard(key)
            self._gone[key] = {
                name: value for name, value in old.items() if name in self._sheet.names
            }
        if change.new:
            new = self._values(relation, change.new)
            key = self._key(new, relation)
            self._gone.pop(key, None)
            self._rows[key] = new
            if pgoutput.UNCHANGED in change.new:
                self._unchanged.add(key)
            else:
                self._unchanged.discard(key)

    def _values(self, relation: pgoutput.Relation, cells: Sequence[Any]) -> dict[str, Any]:
        """By column, as a SELECT of this connection would give them."""
        load = self._transformer.get_loader
        text: Any = 0  # the text format
        return {
            name: load(oid, text).load(cell) if isinstance(cell, bytes) else None
            for (name, oid), cell in zip(relation.columns, cells, strict=False)
        }

    def _key(self, values: dict[str, Any], relation: pgoutput.Relation) -> tuple[Any, ...]:
        key = tuple(values.get(one) for one in self._sheet.table.key)
        if not key or None in key:
            raise BadRequestData(
                f"The log of {relation.name} does not tell its key"
                f" ({', '.join(self._sheet.table.key) or 'none'}): ask the owner for"
                f" ALTER TABLE {relation.name} REPLICA IDENTITY FULL"
            )
        return key

    def _chunk(self, connection: Connection) -> Chunk:
        sheet, place = self._sheet, self._place
        if self._unchanged:
            lines = sheet.pages.by_keys(connection, sheet.table.key, sorted(self._unchanged))
            for key, line in zip(sheet.keys(lines, sheet.table.key), lines, strict=True):
                self._rows[key] = dict(zip(sheet.names, line, strict=True))
        rows = [[one.get(name) for name in sheet.names] for one in self._rows.values() if one]
        found = sheet.records(rows)
        gone = self._removed()
        first = place.line + 1
        before = places.written(place)
        place = replace(
            place,
            line=place.line + len(found),
            since=[lsn_text(self._since)],
            skip=self._done,
            begun_us=0 if self._truncated else place.begun_us,
        )
        self._place = place
        self._rows, self._gone, self._unchanged = {}, {}, set()
        self._truncated = False
        return Chunk(
            records=list(enumerate(found, first)),
            removed=gone,
            position=places.written(place),
            key=chunk_key(before + places.written(place), [*found, *gone]),
        )

    def _removed(self) -> list[Record]:
        """What is known of the rows that are gone: their key, or all of them."""
        columns = [one for one in self._sheet.table.columns if one.name in self._sheet.names]
        change = converters(columns, "postgresql")
        names = list(self._sheet.names)
        rows = [[one.get(name) for name in names] for one in self._gone.values()]
        return records(names, rows, change)
