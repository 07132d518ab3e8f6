"""Whether the broker beside a process leads: of several brokers of a city, devices and loads are
looked after beside the one that does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pintu.settings import Settings

LOOK_S: Final = 0.25


def role_file(data: Path) -> Path:
    """There while the broker of this folder leads."""
    return data / "leads"


async def until_leading(settings: Settings) -> None:
    """Return at once for a broker that is alone, else when ours leads."""
    while settings.node and not role_file(settings.data).exists():
        await asyncio.sleep(LOOK_S)


async def while_leading(settings: Settings, stop: Callable[[], None]) -> None:
    """Call `stop` when our broker leads no more; never for one that is alone."""
    while settings.node:
        await asyncio.sleep(LOOK_S)
        if not role_file(settings.data).exists():
            stop()
            return
