"""Nobody edits the log unseen: a city writes, a neighbour countersigns, then somebody who has the
machine, its files and even its key changes the past, and a stranger's `pintu-verify` finds it each
time (`python -m claims.exchange_tampering [TIMES]`).

The stranger has: the log's public key, and heads that a neighbour countersigned while the city ran.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from claims.words import Claim, Finding, judged
from pintu.city import City
from pintu.kernel.access.audited import Entry
from pintu.kernel.audit import Audit
from pintu.kernel.audit.heads import COSIGNATURE, verifier_key
from pintu.kernel.audit.sealing import told_of
from pintu.kernel.clock import CityClock
from pintu.kernel.identity.keys import Keys
from pintu.kernel.store.opening import open_store
from pintu.kernel.tables import open_tables
from pintu.settings import Settings

ROWS = 1_200
TIMES = 5
DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies outside of the city when it is harmed."""

    data: Path  # the city's folder, stopped
    backup: Path  # its city.db, as it was in the middle
    heads: Path  # countersigned heads, as the neighbour kept them
    key: str
    witness: str


# --- a city that runs -----------------------------------------------------------------------------
async def live(data: Path, rows: int, reason: str) -> None:
    """The city runs, and people look at records."""
    city = await City.open(Settings(data=data, store="sqlite:", pieces=False))
    try:
        assert city.rooms.audit is not None
        await write(city.rooms.audit, rows, reason)
    finally:
        await city.close()


async def write(audit: Audit, rows: int, reason: str) -> None:
    """So many looks, sealed."""
    for start in range(0, rows, 50):
        entries = (
            Entry(
                what="read", actor=f"person:{n % 9}", organisation="health", reason=f"{reason} {n}",
                subjects=(audit.digest(f"demo person {n % 70}"),),
            )
            for n in range(start, min(rows, start + 50))
        )  # fmt: skip
        await asyncio.gather(*(audit.enter(one) for one in entries))
    await audit.sealer.seal()


async def prepared(folder: Path) -> Kept:
    """A city with a past, a backup from its middle, and a neighbour's heads."""
    data, backup, heads = folder / "data", folder / "backup.db", folder / "heads.jsonl"
    data.mkdir()
    settings = Settings(data=data, store="sqlite:", pieces=False)
    told = [json.dumps({"format": "pintu-log/1", "origin": "kept by the neighbour"})]
    city = await City.open(settings)
    try:
        audit = city.rooms.audit
        assert audit is not None
        async with neighbour_of(folder / "neighbour") as neighbour:
            for part in range(4):
                await write(audit, ROWS // 4, f"预约 {part}")
                told.append(json.dumps({"head": await countersigned(audit, neighbour)}))
                if part == 1:
                    await city.rooms.store.backup(backup)
            witness = neighbour.sealer
            key = audit.public()
    finally:
        await city.close()
    heads.write_text("\n".join(told) + "\n", encoding="utf-8")
    name = witness.name
    return Kept(data, backup, heads, key, vkey(name, witness.key.public))


@contextlib.asynccontextmanager
async def neighbour_of(folder: Path) -> AsyncIterator[Audit]:
    """Another city's log."""
    folder.mkdir()
    clock = CityClock()
    store, tables = await open_store("sqlite:", folder, clock=clock), open_tables(folder, "sqlite:")
    yield Audit(store, tables, Keys(folder / "keys"), clock, name="neighbour.example")
    await store.close()
    tables.close()


async def countersigned(audit: Audit, neighbour: Audit) -> str:
    """The newest head, with the line of a neighbour who saw that it goes on from the last one."""
    head = audit.head()
    assert head is not None
    seen = await neighbour.witness.last_seen(head.origin)
    proof = await audit.consistency(seen.size) if seen is not None else []
    public = audit.sealer.key.public
    line = await neighbour.witness.cosign(told_of(head), public=public, proof=proof)
    name, its = neighbour.sealer.name, neighbour.sealer.key.public
    await audit.witness.add_cosignature(head.size, line, name=name, public=its)
    return told_of(await audit.proofs.checkpoint())


def vkey(name: str, public: str) -> str:
    """A witness's key as one word."""
    return verifier_key(name, public, COSIGNATURE)


# --- harms ----------------------------------------------------------------------------------------
@contextmanager
def opened(data: Path) -> Iterator[sqlite3.Connection]:
    """The notes of a stopped city, as whoever has the machine opens them."""
    with closing(sqlite3.connect(data / "city.db")) as db:
        with db:
            yield db
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def some(chance: random.Random) -> int:
    """A sealed row, neither the first nor the last."""
    return chance.randrange(2, ROWS - 2)


def flip(kept: Kept, data: Path, chance: random.Random) -> None:
    """One bit of one row."""
    number = some(chance)
    with opened(data) as db:
        [body] = db.execute("SELECT body FROM note WHERE number = ?", (number,)).fetchone()
        changed = bytearray(body)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        db.execute("UPDATE note SET body = ? WHERE number = ?", (bytes(changed), number))


def drop(kept: Kept, data: Path, chance: random.Random) -> None:
    """One row is gone."""
    with opened(data) as db:
        db.execute("DELETE FROM note WHERE number = ?", (some(chance),))


def drop_and_count_on(kept: Kept, data: Path, chance: random.Random) -> None:
    """One row is gone, and the later ones are numbered as if it had never been."""
    number = some(chance)
    with opened(data) as db:
        db.execute("DELETE FROM note WHERE number = ?", (number,))
        db.execute("UPDATE note SET number = -number WHERE number > ?", (number,))
        db.execute("UPDATE note SET number = -number - 1 WHERE number < 0")


def reorder(kept: Kept, data: Path, chance: random.Random) -> None:
    """Two rows change places."""
    one, other = some(chance), some(chance)
    with opened(data) as db:
        bodies = dict(db.execute("SELECT number, body FROM note WHERE number IN (?, ?)",
                                 (one, other if other != one else one + 1)))  # fmt: skip
        (first, a), (second, b) = bodies.items()
        db.execute("UPDATE note SET body = ? WHERE number = ?", (b, first))
        db.execute("UPDATE note SET body = ? WHERE number = ?", (a, second))


def back_date(kept: Kept, data: Path, chance: random.Random) -> None:
    """A sealed row says another day."""
    number = some(chance)
    with opened(data) as db:
        [body] = db.execute("SELECT body FROM note WHERE number = ?", (number,)).fetchone()
        at_us = json.loads(body)["at_us"]
        dated = body.replace(str(at_us).encode(), str(at_us - DAY_US).encode(), 1)
        db.execute("UPDATE note SET body = ? WHERE number = ?", (dated, number))


def add_dated_back(kept: Kept, data: Path, chance: random.Random) -> None:
    """A new row, behind the last head, that says it is of yesterday."""
    with opened(data) as db:
        [body] = db.execute("SELECT body FROM note WHERE number = ?", (some(chance),)).fetchone()
        at_us = json.loads(body)["at_us"]
        dated = body.replace(str(at_us).encode(), str(at_us - DAY_US).encode(), 1)
        db.execute("INSERT INTO note SELECT max(number) + 1, ? FROM note", (dated,))


def cut(kept: Kept, data: Path, chance: random.Random) -> None:
    """The last rows are gone."""
    with opened(data) as db:
        db.execute("DELETE FROM note WHERE number > ?", (ROWS - chance.randrange(1, 200),))


def old_backup(kept: Kept, data: Path, chance: random.Random) -> None:
    """What was written since the backup was never written."""
    for one in data.glob("city.db*"):
        one.unlink()
    shutil.copy(kept.backup, data / "city.db")


def fork(kept: Kept, data: Path, chance: random.Random) -> None:
    """An old backup of everything, and the city runs on from there with its own key: other rows,
    new heads that fit them."""
    old_backup(kept, data, chance)
    _forget_heads(data)
    asyncio.run(live(data, ROWS, f"别的 {chance.random()}"))


def sealed_anew(kept: Kept, data: Path, chance: random.Random) -> None:
    """A row is changed, every head is thrown away, and the city's own key signs new ones."""
    flip(kept, data, chance)
    _forget_heads(data)
    asyncio.run(live(data, 10, "其后"))


def _forget_heads(data: Path) -> None:
    for one in [*data.glob("rooms/audit.db*"), data / "keys" / "log-sealed.secret"]:
        one.unlink(missing_ok=True)


HARMS: dict[str, Callable[[Kept, Path, random.Random], None]] = {
    "a flipped bit": flip,
    "a dropped row": drop,
    "a dropped row, the rest renumbered": drop_and_count_on,
    "two rows that changed places": reorder,
    "a row dated back": back_date,
    "a new row dated back": add_dated_back,
    "the end cut off": cut,
    "an old backup restored": old_backup,
    "a fork behind a countersigned head": fork,
    "the past changed and sealed anew with the city's key": sealed_anew,
}


# --- found ----------------------------------------------------------------------------------------
def verify(kept: Kept, data: Path) -> tuple[int, str]:
    """A stranger's program over a copy of the file, with the neighbour's heads."""
    command = [
        sys.executable, "-m", "pintu_verify", "log", str(data / "city.db"), "--key", kept.key,
        "--heads", str(kept.heads), "--witness", kept.witness,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


async def notices(data: Path) -> bool:
    """Does the city itself say, when it starts again, that its log is not what was sealed?"""
    city = await City.open(Settings(data=data, store="sqlite:", pieces=False))
    try:
        audit = city.rooms.audit
        assert audit is not None
        if not audit.trouble:
            await audit.checker.compare_all(0)
        return bool(audit.trouble)
    finally:
        await city.close()


def measure(times: int = TIMES) -> list[Finding]:
    """Each harm so many times, in places drawn anew."""
    seed = random.SystemRandom().randrange(10**9)
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="claim-audit-tampering-") as name:
        folder = Path(name)
        kept = asyncio.run(prepared(folder))
        code, told = verify(kept, kept.data)
        found = [judged("an honest log", f"exit {code}", "exit 0", code == 0, f"seed {seed}")]
        if code:
            print(told)
        for harm, do in HARMS.items():
            found.append(_harmed(kept, folder / "harmed", harm, (do, chance, times)))
        found.append(_city_finds(kept, folder / "harmed", chance))
    return found


def _harmed(
    kept: Kept,
    data: Path,
    harm: str,
    how: tuple[Callable[[Kept, Path, random.Random], None], random.Random, int],
) -> Finding:
    do, chance, times = how
    seen = 0
    sentence = ""
    for _ in range(times):
        shutil.copytree(kept.data, data, ignore=shutil.ignore_patterns("*.sock"))
        do(kept, data, chance)
        code, told = verify(kept, data)
        seen += code == 1
        sentence = next((line for line in told.splitlines() if line.startswith("WRONG")), told)
        shutil.rmtree(data)
    return judged(harm, f"found {seen} of {times}", "all", seen == times, sentence[7:120])


def _city_finds(kept: Kept, data: Path, chance: random.Random) -> Finding:
    """What the city finds alone, with its own heads, before a stranger comes."""
    alone = [flip, drop, drop_and_count_on, reorder, back_date, cut, old_backup]
    seen = 0
    for do in alone:
        shutil.copytree(kept.data, data, ignore=shutil.ignore_patterns("*.sock"))
        do(kept, data, chance)
        seen += asyncio.run(notices(data))
        shutil.rmtree(data)
    shown = f"{seen} of {len(alone)}"
    return judged("harms that the city itself says at its start", shown, "all", seen == len(alone))


CLAIMS: list[Claim] = [Claim(name="a log that was tampered with", measure=measure)]


def main() -> int:
    """Print the findings; 0 when all hold."""
    found = measure(int(sys.argv[1]) if len(sys.argv) > 1 else TIMES)
    for one in found:
        print(one.line())
    return 0 if all(one.verdict == "ok" for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
