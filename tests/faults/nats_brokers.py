"""Several brokers of one city relay both ways through NATS while whoever leads is killed -9, again
and again: `python -m tests.faults.nats_brokers --rounds N`.

What leaves the city and what comes to it is held row by row against the original: nothing
acknowledged lost, nothing twice, order kept, whoever was killed in the middle of a page.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import tomli_w

from pintu.kernel.store.port import Change
from tests.faults.brokers_town import LAMP, Town, Writer, wait_until, writing
from tests.faults.brokers_town import Told as Heard
from tests.faults.callers import Line
from tests.faults.nats_sites import Told, load, said, stream_in_order
from tests.faults.postgres_load import address_of, make_city
from tests.faults.seen import Seen
from tests.kernel.relay.conftest import Site, until
from tests.nats import NatsServer, ask, nats_server
from tests.real_databases import PASSWORD, postgres

SETTINGS: Final = {"max_connections": "120", "recovery_init_sync_method": "syncfs"}
STORE_PORTS: Final = (9760, 9769)
WRITERS: Final = 3
WITHIN_S: Final = 120.0


def measure(way: str, tries: int) -> Seen:
    """So many kills of whoever leads a city of two brokers (three when there are more than two)."""
    seen = Seen(tries=0, acknowledged=0)
    with (
        tempfile.TemporaryDirectory(prefix="pintu-relaying-") as text,
        postgres(settings=SETTINGS, ports=STORE_PORTS) as server,
        nats_server() as nats,
        ExitStack() as ends,
    ):
        make_city(server)
        heard = Heard()
        ends.callback(heard.close)
        store = address_of([server], PASSWORD, wait_s=5)
        town = Town(Path(text), store, 2 if tries <= 2 else 3, heard)
        ends.callback(town.stop)
        asyncio.run(_measured(Path(text), town, (nats, store), tries, seen))
    return seen


async def _measured(
    folder: Path, town: Town, places: tuple[NatsServer, str], tries: int, seen: Seen
) -> None:
    nats, store = places
    await _told(folder / "maker", town, nats.url, store)
    await asyncio.to_thread(town.start)
    told, hill = Told(), Site("hill", folder / "hill")
    await hill.open()
    try:
        into = {"river": {"tenants": {"default": "copy"}}}
        await hill.relay(urls=nats.url, max_mb=100, out={"own": {}}, **{"in": into})
        await until(lambda: hill.room is not None and hill.room.incoming[0].state == "up", 60)
        writers = [_writer(town, f"{LAMP}{at}", at) for at in range(WRITERS)]
        loading = asyncio.create_task(load(hill, "own", told, 1))
        with writing(writers):
            while seen.tries < tries:
                await _killed(town, hill, seen)
        loading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loading
        await hill.store.submit(())
        seen.acknowledged = told.answers + sum(len(one.acknowledged) for one in writers)
        await _even(nats, hill, seen)
        await asyncio.to_thread(town.stop)
        await _compared(folder / "maker", store, hill, writers, seen)
        for stream in ("pintu_river", "pintu_hill"):
            seen.wrong += await asyncio.to_thread(stream_in_order, nats, stream)
    finally:
        await hill.close()


async def _told(folder: Path, town: Town, url: str, store: str) -> None:
    """The token the city reads as, and the same `[relay]` for each of its brokers."""
    maker = Site("river", folder, store)
    await maker.open()
    try:
        relay = {
            "city": "river", "token": maker.token, "urls": url, "max_mb": 100,
            "out": {"default": {"types": ["Lamp"]}}, "in": {"hill": {"tenants": {"own": "theirs"}}},
        }  # fmt: skip
    finally:
        await maker.close()
    for one in town.brokers:
        one.data.mkdir(parents=True)
        (one.data / "pintu.toml").write_text(tomli_w.dumps({"relay": relay}), "utf-8")


def _writer(town: Town, id: str, seed: int) -> Writer:
    """Each write to any broker there is, on lines of its own."""
    chance = random.Random(seed)
    lines = {one.name: Line(one.port, town.token, timeout_s=20) for one in town.brokers}

    def choose() -> Line:
        there = [one.name for one in town.brokers if one.alive] or [town.brokers[0].name]
        return lines[chance.choice(there)]

    return Writer(id, choose)


async def _killed(town: Town, hill: Site, seen: Seen) -> None:
    """One kill in the middle of relaying; until changes of the city come to the other again."""
    assert hill.room is not None
    coming = hill.room.incoming[0]
    landed = coming.landed
    await until(lambda: coming.landed > landed + 20, WITHIN_S)
    leader = await asyncio.to_thread(town.leader)
    began, landed = time.monotonic(), coming.landed
    await asyncio.to_thread(leader.kill)
    await until(lambda: coming.landed > landed + 20, WITHIN_S)
    seen.recovered_s = max(seen.recovered_s, time.monotonic() - began)
    seen.tries += 1
    await asyncio.to_thread(leader.start)
    await asyncio.to_thread(leader.ready)


async def _even(nats: NatsServer, hill: Site, seen: Seen) -> None:
    """Wait until both halves of both sites have nothing more to do."""

    def rest() -> str:
        try:
            river: Any = ask(nats.port, "pintu-ask.river", b"{}")
            last = {city: _last(nats, city) for city in ("river", "hill")}
        except (OSError, ValueError) as error:
            return f"nobody answers: {error}"
        assert hill.room is not None and hill.room.outgoing is not None
        behind = river["out"]["behind"], hill.room.outgoing.behind
        at = river["in"][0]["position"], hill.room.incoming[0].position
        even = behind == (0, 0) and at == (last["hill"], last["river"])
        return "" if even else f"behind {behind}, landed {at} of {last}"

    late = await asyncio.to_thread(lambda: wait_until(lambda: not rest(), WITHIN_S, 0.5))
    if late >= WITHIN_S:
        seen.lost.append(
            f"they are not even after {WITHIN_S:.0f} s: {await asyncio.to_thread(rest)}"
        )


def _last(nats: NatsServer, city: str) -> int:
    state: Any = ask(nats.port, f"$JS.API.STREAM.INFO.pintu_{city}", b"")["state"]
    return int(state["last_seq"])


async def _compared(
    folder: Path, store: str, hill: Site, writers: list[Writer], seen: Seen
) -> None:
    """Both copies row by row, when the brokers have ended."""
    river = Site("river", folder, store, token="0")
    await river.open()
    try:
        own = [one for one in await river.rows("") if one.types == ("Lamp",)]
        there, back = await hill.rows("own"), await river.rows("theirs")
        _differ("the copy at the other city", own, await hill.rows("copy"), seen)
        _differ("the copy in the city of several brokers", there, back, seen)
        for one in writers:
            document = (await river.holds(""))[one.id]
            if document["n"]["value"] < one.acknowledged[-1]:
                seen.lost.append(f"{one.id} is behind {one.acknowledged[-1]}, acknowledged")
        seen.told = f"{len(own)} rows there, {len(there)} back, equal in order"
    finally:
        await river.close()


def _differ(what: str, rows: list[Change], copied: list[Change], seen: Seen) -> None:
    one, other = said(rows), said(copied)
    if one != other:
        pairs = enumerate(zip(one, other, strict=False))
        at = next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
        counts = f"{len(other)} rows of {len(one)}"
        seen.wrong.append(f"{what}: {counts}, differs from row {at} on: {other[at : at + 1]}")


def main() -> int:
    """The figures on one line; what is lost or wrong on lines of its own."""
    parser = argparse.ArgumentParser(prog="tests.faults.nats_brokers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    seen = measure("", parser.parse_args().rounds)
    print(
        f"{seen.tries} kills of the leading broker while it relays both ways: {seen.acknowledged} "
        f"acknowledged, {len(seen.lost)} lost, {len(seen.wrong)} wrong, "
        f"{seen.recovered_s:.1f} s at most until changes came again; {seen.told}"
    )
    for text in [*seen.lost, *seen.wrong]:
        print(f"  {text}", file=sys.stderr)
    return 1 if seen.lost or seen.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
