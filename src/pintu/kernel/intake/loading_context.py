"""Chunks that land in the context: batches through the link, bad records into quarantine."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import orjson

from pintu.kernel.errors import TooLarge
from pintu.kernel.intake.loading_gone import Leaving
from pintu.kernel.intake.loading_words import Accepts, Landed
from pintu.kernel.intake.mapping.words import BadRecord
from pintu.kernel.intake.runs import Run, Runs
from pintu.kernel.intake.words import Batch, Envelope, Receipt, Unreadable, Update

PIECE: Final = "loads"
"""The first half of every load's name: `loads/NAME`."""

BATCH: Final = 1_000
HELD_BYTES: Final = 60_000  # of one envelope: what is longer than intake keeps cannot be retried
IN_FLIGHT: Final = 4


class ContextLanding:
    """Implements `Landing`: updates in batches of 1,000, several under way, the position kept when
    all of them are durable.

    Updates that say when they were observed may overtake each other (intake keeps the newest);
    others go one batch after the other where two name one entity. Killed between commit and
    position, the chunk comes again with the same keys and is answered, not applied. A chunk that
    the last whole run landed already is passed over. `leaving` ends what a source no longer has;
    without it nothing does.
    """

    def __init__(
        self, link: Accepts, source: str, tenant: str, runs: Runs, *, run: Run,
        leaving: Leaving | None = None,
    ) -> None:  # fmt: skip
        self._link, self._tenant, self._runs, self._leaving = link, tenant, runs, leaving
        self._name, self._source, self._run = f"{PIECE}/{source}", source, run
        self._before: frozenset[str] | None = None

    async def position(self) -> str:
        """Where the source stands."""
        return await self._runs.position(self._source, self._run.mapping)

    async def land(
        self,
        chunk_key: str,
        position: str,
        items: Sequence[Any],
        bad: Sequence[BadRecord],
    ) -> Landed:
        """Hand a chunk in and keep the position; see `Landing`."""
        if self._before is None:
            self._before = await self._runs.chunks_before(self._run)
        updates = [one for one in items if isinstance(one, Update)]
        ids = [one.entity["id"] for one in updates]
        landed = unchanged = refused = 0
        back = await self._leaving.returned(ids) if self._leaving is not None else []
        if back:
            await self._link.accept(
                Batch(self._name, self._tenant, f"{self._run.number}/{chunk_key} back", back)
            )
        if chunk_key in self._before:
            unchanged = len(updates)
        else:
            for receipts in await self._hand_in(chunk_key, updates):
                landed += receipts.accepted - receipts.unchanged
                unchanged += receipts.unchanged
                refused += receipts.quarantined
        seen = ids if self._leaving is not None else ()
        await self._runs.place(self._run, chunk_key, position, seen=seen)
        return Landed(landed=landed, unchanged=unchanged, bad=len(bad) + refused)

    async def present(self, ids: Sequence[str]) -> None:
        """These are in the source, whatever it says of them."""
        if self._leaving is not None:
            await self._runs.things.see(self._run.source, self._run.mapping, ids)

    async def finish(self, *, whole: bool) -> Landed:
        """Everything the source has was read; see `Leaving`."""
        if self._leaving is None:
            return Landed(landed=0)
        return await self._leaving.finish(self._name, whole=whole)

    async def remove(self, ids: Sequence[str]) -> Landed:
        """The source says that it deleted these."""
        if self._leaving is None:
            return Landed(landed=0)
        return await self._leaving.removed(self._name, ids)

    async def _hand_in(self, chunk_key: str, updates: list[Update]) -> list[Receipt]:
        prefix = f"{self._run.number}/{self._run.mapping}/{chunk_key}"
        batches = [
            Batch(self._name, self._tenant, f"{prefix}#{start}", updates[start : start + BATCH],
                  past=True, quiet=True)
            for start in range(0, len(updates), BATCH)
        ]  # fmt: skip
        receipts: list[Receipt] = []
        for group in _groups(batches):
            receipts += await asyncio.gather(*map(self._link.accept, group))
        return receipts


def _groups(batches: list[Batch]) -> list[list[Batch]]:
    """Batches that may be under way together, in order."""
    groups: list[list[Batch]] = []
    ids: set[str] = set()
    for batch in batches:
        mine = {one.entity["id"] for one in batch.updates if not _observed(one.entity)}
        if not groups or len(groups[-1]) >= IN_FLIGHT or not ids.isdisjoint(mine):
            groups.append([])
            ids = set()
        groups[-1].append(batch)
        ids |= mine
    return groups


def _observed(entity: dict[str, Any]) -> bool:
    return all("observedAt" in value for value in entity.values() if value.__class__ is dict)


async def hold(
    link: Accepts, tenant: str, template: Envelope, bad: Sequence[BadRecord], *, key: str
) -> None:
    """Bring bad records into quarantine, durable when it returns: one envelope a reason and 60 kB,
    each made after `template` (source, the chunk's key, time, meta) and read again as a whole.
    `key` begins the batches' keys."""
    held = [
        Unreadable(
            Envelope(template.source, name, template.received_us, body, template.meta), reason
        )
        for name, body, reason in envelopes(template.key, bad)
    ]
    for start in range(0, len(held), 100):
        part = held[start : start + 100]
        await link.accept(Batch(template.source, tenant, f"{key}!{start}", [], part))


def envelopes(chunk_key: str, bad: Sequence[BadRecord]) -> list[tuple[str, bytes, str]]:
    """(key, body, reason) of what is held: NDJSON `{"line", "record", "reason", "field", "zh"}`,
    records with one reason of one column together."""
    together: dict[tuple[str, str], list[BadRecord]] = defaultdict(list)
    for one in bad:
        together[one.field, _kind(one)].append(one)
    found = []
    for (field, _), ones in together.items():
        lines: list[bytes] = []
        size, part = 0, 0
        first = ones[0]
        for number, one in enumerate(ones):
            line = _line(one)
            if lines and size + len(line) > HELD_BYTES:
                found.append(_envelope(chunk_key, field, part, lines, first))
                lines, size, part, first = [], 0, part + 1, ones[number]
            lines.append(line)
            size += len(line)
        found.append(_envelope(chunk_key, field, part, lines, first))
    return found


def _kind(one: BadRecord) -> str:
    """A reason without the value it quotes."""
    before, _, rest = one.reason.partition("'")
    return before + rest.rpartition("'")[2]


def _envelope(
    chunk_key: str, field: str, part: int, lines: list[bytes], first: BadRecord
) -> tuple[str, bytes, str]:
    body = b"".join(lines)
    digest = hashlib.blake2b(field.encode() + body, digest_size=8).hexdigest()
    key = f"{chunk_key[:200]}!{digest}.{part}"
    count = len(lines)
    reason = f"Line {first.line}: {first.reason}"
    if count > 1:
        reason = f"{count} records, the first in line {first.line}: {first.reason}"
    if first.zh:
        many = f"{count} 条记录，首条在第 {first.line} 行" if count > 1 else f"第 {first.line} 行"
        reason = f"{reason} ({many}：{first.zh})"
    return key, body, reason


def _line(one: BadRecord) -> bytes:
    told: dict[str, Any] = {"line": one.line, "record": one.record, "reason": one.reason}
    if one.field:
        told["field"] = one.field
    if one.zh:
        told["zh"] = one.zh
    try:
        line = orjson.dumps(told, default=str, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, ValueError, RecursionError):
        told["record"] = {"": repr(one.record)[:2000]}
        line = orjson.dumps(told)
    if len(line) > HELD_BYTES:  # only to be looked at: the source has the rest
        told["record"] = {"": line[:2000].decode("utf-8", "replace")}
        line = orjson.dumps(told)
    return line + b"\n"


def held_records(body: bytes) -> list[tuple[int, dict[str, Any]]]:
    """The records of a held envelope, to be mapped again; TooLarge when it is not one of ours."""
    found = []
    for line in body.splitlines():
        try:
            told = orjson.loads(line)
            found.append((int(told["line"]), dict(told["record"])))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise TooLarge(f"A held record cannot be read: {error}") from error
    return found
