"""The field process: the built-in pieces' connectors, normalisers, detectors and actions."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Any

from pintu.kernel.clock import parse_clock
from pintu.kernel.configuration import Configuration
from pintu.kernel.egress import Egress
from pintu.kernel.errors import ConfigurationError
from pintu.kernel.intake.link import FieldLink
from pintu.kernel.intake.mapping.words import Words
from pintu.kernel.tables import CityTables, open_tables
from pintu.kit.declared import declared_sources
from pintu.kit.doors import DOORS_PIECE, DoorRunner, Ground
from pintu.kit.landings import TableSets
from pintu.kit.manifest import Manifest, demo_settings, find_pieces
from pintu.kit.runtime import run_piece
from pintu.kit.sources import SourceRunner
from pintu.processes.child import run_child, told
from pintu.processes.several_role import until_leading, while_leading
from pintu.processes.supervisor import BACK_OFF_S
from pintu.settings import Settings

log = logging.getLogger("pintu.field")


def main() -> None:
    """Run every piece until told to stop."""
    settings, _ = told()
    import uvloop

    uvloop.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waiting = asyncio.create_task(until_leading(settings))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([waiting, stopped], return_when=asyncio.FIRST_COMPLETED)
    if stop.is_set():
        return
    leading = asyncio.create_task(while_leading(settings, stop.set), name="leading")
    pieces = find_pieces()
    link = FieldLink(
        settings.data / "broker.sock",
        name="field",
        pieces=[*(one.name for one in pieces), DOORS_PIECE],
    )
    await link.start()
    follower = _follower(settings)
    tables = open_tables(settings.data, settings.store)
    running = [
        asyncio.create_task(_keep(piece, link, settings, tables), name=piece.name)
        for piece in pieces
        if piece.entry
    ]
    doors = _doors(pieces, link, settings, tables)
    running.append(asyncio.create_task(doors.run(), name="doors"))
    await stop.wait()
    for task in (leading, *running):
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await link.stop()
    tables.close()
    if follower is not None:
        follower.close()


def _follower(settings: Settings) -> Any:
    if not settings.traces_endpoint:
        return None
    from pintu.traced import FieldFollower  # the extra `traces`

    SourceRunner.follower = FieldFollower(settings)
    return SourceRunner.follower


async def _keep(piece: Manifest, link: FieldLink, settings: Settings, tables: CityTables) -> None:
    """Run one piece for ever: one that fails neither ends the others nor stays away."""
    clock = parse_clock(settings.clock)
    failures = 0
    while True:
        try:
            await run_piece(piece, link, clock, told=piece_settings(piece, settings), tables=tables)
        except ConfigurationError as error:
            for mistake in error.mistakes:
                log.error("piece %s is not started: %s", piece.name, mistake)
            return
        except Exception:  # a loop's edge: a piece's own mistake is logged, and it starts again
            delay = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            failures += 1
            log.exception("piece %s failed and starts again in %g s", piece.name, delay)
            await asyncio.sleep(delay)


def _doors(
    pieces: list[Manifest], link: FieldLink, settings: Settings, tables: CityTables
) -> DoorRunner:
    """The sources that people connected, and those that pieces declare."""
    clock = parse_clock(settings.clock)
    configuration = Configuration(settings.data / "config", clock)
    try:
        declared = declared_sources(
            pieces, lambda one: piece_settings(one, settings), settings.data
        )
    except ConfigurationError as error:
        declared = []
        for mistake in error.mistakes:
            log.error("the sources of pieces are not started: %s", mistake)
    ground = Ground(
        data=settings.data,
        egress=Egress(allow=settings.may_reach, allow_loopback=settings.open),
        clock=clock,
        words=lambda: read_words(configuration),
        declared=declared,
        sets=TableSets(
            configuration,
            tables,
            clock,
            zone=settings.tz,
            declared=[one for piece in pieces for one in piece.datasets],
        ),
    )
    return DoorRunner(configuration, link, ground)


def read_words(configuration: Configuration) -> Words:
    """The vocabulary with the town's own words, as mappings need it."""
    # A city without doors never reads the vocabulary here.
    from pintu.vocabulary import adopt_saved
    from pintu.vocabulary.mapping_words import mapping_words

    adopt_saved(configuration)
    return mapping_words()


def piece_settings(piece: Manifest, settings: Settings) -> dict[str, object]:
    """What `[pieces.NAME]` says; beside the demo city, the piece's address of it where unsaid."""
    beside_demo = demo_settings(piece, settings.port, settings.data) if settings.demo else {}
    return {**beside_demo, **settings.piece_settings.get(piece.name, {})}


if __name__ == "__main__":
    run_child("field", main)
