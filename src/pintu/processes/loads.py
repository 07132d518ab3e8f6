"""The loads process: files and databases that people connected, read at their times and on wish.

A city without such a source keeps it nearly empty: what loads need is imported when there is one.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import signal
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pintu
from pintu.kernel.clock import parse_clock
from pintu.kernel.configuration import Configuration
from pintu.processes.child import run_child, told
from pintu.processes.several_role import until_leading, while_leading
from pintu.settings import Settings

if TYPE_CHECKING:
    from pintu.kit.declared import Declared
    from pintu.processes.loads_desk import Desk

log = logging.getLogger("pintu.loads")
LOOK_S = 1.0
LOADING = frozenset(("folder", "upload", "fetch", "database"))
"""Doors of kind `load`; told here so that a city without one imports none (a test compares)."""


def main() -> None:
    """Load until told to stop."""
    settings, _ = told()
    asyncio.run(_run(settings))


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.create_task(_beside_the_leader(settings, stop))
    await stop.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def _beside_the_leader(settings: Settings, stop: asyncio.Event) -> None:
    await until_leading(settings)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(while_leading(settings, stop.set))
        tasks.create_task(_keep(settings))


async def _keep(settings: Settings) -> None:
    """Wait for the first source there is, then run the desk for ever."""
    configuration = Configuration(settings.data / "config", parse_clock(settings.clock))
    declared = _declared(settings) if _pieces_load() else []
    if not any(one.source.door in LOADING for one in declared):
        while not _somebody_loads(configuration):
            await asyncio.sleep(LOOK_S)
    desk = _desk(settings, configuration, declared)
    try:
        await desk.run()
    finally:
        await desk.close()


def _pieces_load() -> bool:
    """Whether a piece declares a source that loads: looked up without importing what reads pieces
    properly, which the desk does once there is something to do."""
    if importlib.metadata.entry_points(group="pintu.pieces"):
        return True
    for path in Path(pintu.__file__).parent.glob("pieces/*/piece.toml"):
        try:
            told = tomllib.loads(path.read_text("utf-8")).get("sources", [])
        except (OSError, ValueError):
            continue
        if isinstance(told, list) and any(
            isinstance(one, dict) and one.get("door") in LOADING for one in told
        ):
            return True
    return False


def _somebody_loads(configuration: Configuration) -> bool:
    if not any(name.startswith("sources/") for name, *_ in configuration.signature()):
        return False
    return any(one.content.get("door") in LOADING for one in configuration.list_saved("sources"))


def _declared(settings: Settings) -> list[Declared]:
    """The sources that pieces bring, those that are told enough to run."""
    from pintu.kernel.errors import ConfigurationError
    from pintu.kit.declared import declared_sources
    from pintu.kit.manifest import find_pieces
    from pintu.processes.field import piece_settings

    try:
        return declared_sources(
            find_pieces(), lambda one: piece_settings(one, settings), settings.data
        )
    except ConfigurationError as error:
        for mistake in error.mistakes:
            log.error("the sources of pieces are not loaded: %s", mistake)
        return []


def _desk(settings: Settings, configuration: Configuration, declared: list[Declared]) -> Desk:
    """Everything a load stands on; imported now, because there is something to load."""
    from pintu.kernel.egress import Egress
    from pintu.kernel.intake.link import FieldLink
    from pintu.kernel.intake.loading_context import PIECE
    from pintu.kernel.tables import open_tables
    from pintu.kit.manifest import find_pieces
    from pintu.processes.loads_desk import Desk, Ground

    ground = Ground(
        data=settings.data,
        clock=parse_clock(settings.clock),
        egress=Egress(allow=settings.may_reach, allow_loopback=settings.open),
        link=FieldLink(settings.data / "broker.sock", name=PIECE, pieces=[PIECE]),
        tables=open_tables(settings.data, settings.store),
        words=_words(configuration),
        zone=settings.tz,
        folders=settings.inbox_allow,
        declared=tuple(declared),
        data_sets=tuple(one for piece in find_pieces() for one in piece.datasets),
    )
    return Desk(configuration, ground)


def _words(configuration: Configuration) -> Callable[[], Any]:
    def words() -> Any:
        from pintu.vocabulary import adopt_saved
        from pintu.vocabulary.mapping_words import mapping_words

        adopt_saved(configuration)
        return mapping_words()

    return words


if __name__ == "__main__":
    run_child("loads", main)
