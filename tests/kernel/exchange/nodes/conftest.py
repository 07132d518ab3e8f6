"""Two nodes on one machine that joined, with people of a department each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pintu.kernel.access import Actor
from tests.kernel.exchange.nodes.town import NodeCity, free_port, joined


@dataclass(slots=True)
class Pair:
    """`east` has the data, `west` asks for it."""

    east: NodeCity
    west: NodeCity
    owner: Actor
    asker: Actor


async def opened(folder: Path) -> Pair:
    ports = free_port(), free_port()
    allow = tuple(f"127.0.0.1:{one}" for one in ports)
    east = await NodeCity("east", folder / "east", ports[0], allow).open()
    west = await NodeCity("west", folder / "west", ports[1], allow).open()
    await east.organisation("health")
    await west.organisation("education")
    owner = await east.person("owner", "health", "owner")
    asker = await west.person("asker", "education", "officer", "clerk", "owner")
    await east.shots()
    return Pair(east, west, owner, asker)


@pytest.fixture
async def strangers(tmp_path: Path) -> AsyncIterator[Pair]:
    """Two nodes that never met."""
    found = await opened(tmp_path)
    yield found
    await found.east.close()
    await found.west.close()


@pytest.fixture
async def pair(strangers: Pair) -> Pair:
    """Two neighbours."""
    await joined(strangers.west, strangers.east)
    return strangers
