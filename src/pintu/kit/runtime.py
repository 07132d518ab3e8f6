"""Running one piece: connectors kept alive, envelopes normalised and handed in, changes watched,
commands acted on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from pintu.kernel.clock import Clock
from pintu.kernel.tables import CityTables
from pintu.kit.acting import Acting
from pintu.kit.link import Link
from pintu.kit.manifest import Manifest
from pintu.kit.piece import load_piece, settings_of
from pintu.kit.sources import SourceRunner
from pintu.kit.watching import Watching

log = logging.getLogger("pintu.kit")
REPORT_EVERY_S = 3.0


async def run_piece(
    manifest: Manifest,
    link: Link,
    clock: Clock,
    *,
    told: Mapping[str, Any] | None = None,
    tables: CityTables | None = None,
) -> None:
    """Run a piece until cancelled. `told` are its settings from `pintu.toml`; with `tables` its
    service runs too.

    Raises ConfigurationError before anything starts; after that nothing a device sends ends it.
    """
    piece = load_piece(manifest)
    settings = piece.read_settings(settings_of(manifest, told or {}))
    tenant = str(getattr(settings, "tenant", "") or manifest.tenant)
    file = (
        tables.register(piece.tables) if tables is not None and piece.tables is not None else None
    )
    service = piece.service(file, clock) if piece.service is not None and file is not None else None
    sources = [
        SourceRunner(connector, piece, link, clock, tenant=tenant)
        for connector in piece.connectors(settings, clock)
    ]
    watching = Watching(
        manifest, list(piece.watchers(settings)), link, clock, tenant=tenant, service=service
    )
    acting = Acting(manifest, piece, link, clock, tenant=tenant, watching=watching, sources=sources)
    async with asyncio.TaskGroup() as group:
        for source in sources:
            group.create_task(source.run(), name=f"{source.source} receiving")
        group.create_task(_report(sources, link), name=f"{piece.name} reporting")
        group.create_task(_retry(piece.name, sources, link), name=f"{piece.name} retrying")
        group.create_task(watching.run(), name=f"{piece.name} watching")
        group.create_task(watching.run_ticks(), name=f"{piece.name} ticking")
        group.create_task(acting.run(), name=f"{piece.name} acting")


async def _report(sources: list[SourceRunner], link: Link) -> None:
    """Tell every few seconds how the sources are; a city that is away hears it later."""
    while True:
        for source in sources:
            await link.report_source(source.report())
        await asyncio.sleep(REPORT_EVERY_S)


async def _retry(piece: str, sources: list[SourceRunner], link: Link) -> None:
    """Read again what somebody took out of quarantine."""
    by_name = {one.source: one for one in sources}
    async for envelope in link.retries(piece):
        source = by_name.get(envelope.source)
        if source is None:
            log.warning("Source %s of a retried envelope does not run", envelope.source)
            continue
        await source.take_again(envelope)
