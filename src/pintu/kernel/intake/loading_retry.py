"""Records out of quarantine through the mapping as it is now: what it can read by then lands, the
rest is held again."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from pintu.kernel.clock import Clock
from pintu.kernel.errors import PintuError
from pintu.kernel.intake.loading_context import envelopes, held_records
from pintu.kernel.intake.loading_words import Accepts
from pintu.kernel.intake.mapping.mapper import Mapper
from pintu.kernel.intake.mapping.words import Row
from pintu.kernel.intake.words import Batch, Envelope, Unreadable

LandRows = Callable[[str, Sequence[Row]], Awaitable[object]]
"""(chunk key, rows) → durable in the data set when it returns."""


async def read_again(
    link: Accepts,
    tenant: str,
    envelope: Envelope,
    mapper: Mapper,
    *,
    clock: Clock,
    land: LandRows | None = None,
) -> None:
    """Map a held envelope once more. Nothing is let go before what it became is durable: first what
    is still bad is held under its own name, then the good is landed, then the envelope leaves."""
    now_us = clock.now_us()
    again = f"{envelope.key[:200]} again {now_us}"
    try:
        records = held_records(envelope.body)
    except PintuError as error:
        await _still(link, tenant, envelope, error.detail, again)
        return
    context = mapper.mapping.target == "context"
    updates, bad = mapper.context(records, now_us) if context else ([], [])
    rows, wrong = ([], []) if context else mapper.rows(records)
    bad = [*bad, *wrong]
    if len(bad) == len(records):
        held = envelopes(envelope.key, bad)
        await _still(link, tenant, envelope, held[0][2] if held else "", again)
        return
    if bad:
        rest = [
            Unreadable(msgspec.structs.replace(envelope, key=_rest(envelope, key), body=body), why)
            for key, body, why in envelopes(envelope.key, bad)
        ]
        await link.accept(Batch(envelope.source, tenant, f"{again} rest", [], rest))
    if rows and land is not None:
        digest = hashlib.blake2b(envelope.body, digest_size=8).hexdigest()
        await land(f"held {envelope.key[:100]} {digest}", rows)
    await link.accept(
        Batch(
            envelope.source,
            tenant,
            again,
            updates,
            retry_of=envelope.key,
            past=True,
            quiet=True,
        )
    )


def _rest(envelope: Envelope, key: str) -> str:
    """A name for what remains that is not the envelope's own."""
    digest = hashlib.blake2b(key.encode(), digest_size=6).hexdigest()
    return f"{envelope.key[:180]}~{digest}"


async def _still(link: Accepts, tenant: str, envelope: Envelope, reason: str, again: str) -> None:
    """All of it stays as it is; the attempt is counted and the reason is the newest."""
    held = [Unreadable(envelope, reason)]
    await link.accept(Batch(envelope.source, tenant, again, [], held, retry_of=envelope.key))
