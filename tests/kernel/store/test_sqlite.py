"""What is SQLite's own: migrations, one owner, limits, deadlines, the log folded back, backups."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest

from pintu.kernel.clock import CityClock
from pintu.kernel.context.selection import Compare, GeoSelection, OrderKey, Selection
from pintu.kernel.context.selection import Path as QPath
from pintu.kernel.errors import (
    ConfigurationError,
    DeadlineExceeded,
    DiskFull,
    PintuError,
    TooComplex,
    Unavailable,
)
from pintu.kernel.store.sqlite import SqliteStore, Tuning, open_sqlite
from pintu.kernel.store.sqlite.schema import MIGRATIONS, migrate
from tests.kernel.store.conftest import create, ids, lamp, page, update

POWER = QPath("power")


def opened(path: Path, **tuning: float) -> SqliteStore:
    """A store with some knobs turned."""
    return open_sqlite(path, clock=CityClock(), tuning=Tuning(**tuning))  # type: ignore[arg-type]


def test_every_earlier_version_is_brought_to_the_newest(tmp_path: Path) -> None:
    """From each version: the steps that are missing, once; then nothing."""
    steps = (
        "CREATE TABLE one(a)",
        "CREATE TABLE two(b); INSERT INTO two VALUES(1)",
        lambda db: db.execute("UPDATE two SET b = b + 1"),
    )
    for version in range(len(steps) + 1):
        db = apsw.Connection(str(tmp_path / f"{version}.db"))
        assert (0, version) == migrate(db, steps[:version])
        assert (version, len(steps)) == migrate(db, steps)
        assert (len(steps), len(steps)) == migrate(db, steps)
        assert [(2,)] == db.execute("SELECT b FROM two").fetchall()
        db.close()


def test_a_migration_that_breaks_leaves_the_version_before(tmp_path: Path) -> None:
    """Each step is one transaction with its number."""
    db = apsw.Connection(str(tmp_path / "x.db"))
    with pytest.raises(apsw.SQLError):
        migrate(db, ("CREATE TABLE one(a)", "CREATE TABLE two(b); CREATE TABLE broken("))
    assert 1 == db.pragma("user_version")
    assert db.table_exists("main", "one") and not db.table_exists("main", "two")
    db.close()


def test_a_file_of_a_newer_pintu_is_refused(tmp_path: Path) -> None:
    """Rather than written by somebody who does not know it."""
    db = apsw.Connection(str(tmp_path / "city.db"))
    db.pragma("user_version", len(MIGRATIONS) + 1)
    db.close()
    with pytest.raises(ConfigurationError, match="newer than this Pintu"):
        opened(tmp_path / "city.db")


async def test_a_second_process_is_told_who_has_the_store(tmp_path: Path) -> None:
    """And may have it once the first is done."""
    path = tmp_path / "city.db"
    program = (
        "import sys; from pathlib import Path; from pintu.kernel.clock import CityClock\n"
        "from pintu.kernel.store.sqlite import open_sqlite\n"
        "try: open_sqlite(Path(sys.argv[1]), clock=CityClock())\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )

    def second() -> str:
        words = [sys.executable, "-c", program, str(path)]
        done = subprocess.run(
            words, env={"PYTHONPATH": "src"}, capture_output=True, text=True, check=False
        )
        return done.stdout

    store = opened(path)
    said = await asyncio.to_thread(second)
    assert said.startswith("Unavailable") and "open in another process" in said
    await store.close()
    assert "" == await asyncio.to_thread(second)


async def test_a_full_queue_says_so_and_nothing_of_the_call_is_stored(tmp_path: Path) -> None:
    """The sizes are in the message; one call alone may be larger than the queue."""
    store = opened(tmp_path / "city.db", queue_ops=10)
    first = store.submit([create(lamp(i)) for i in range(11)])
    with pytest.raises(Unavailable, match="11 of 10"):
        await store.submit([create(lamp(100))])
    await first
    assert list(range(11)) == await ids(store)
    await store.close()
    with pytest.raises(Unavailable, match="closed"):
        await store.submit([create(lamp(100))])


async def test_a_scan_past_its_deadline_is_given_up(tmp_path: Path) -> None:
    """With an error that says what to do, and the next read is answered."""
    store = opened(tmp_path / "city.db", deadline_s=0.02, learn_rows=10**9)
    for start in range(0, 20_000, 2_000):
        await store.submit([create(lamp(i)) for i in range(start, start + 2_000)])
    with pytest.raises(DeadlineExceeded, match="narrow it"):
        await page(store, q=Compare(POWER, "!=", -1), count=True)
    assert [7] == await ids(store, ids=("urn:ngsi-ld:Lamp:7",))
    assert 1 == store.statistics()["reader_late"]
    await store.close()


async def test_reads_go_on_while_another_scans(tmp_path: Path) -> None:
    """A scan runs on its own thread: point reads and writes do not wait for it."""
    store = opened(tmp_path / "city.db", learn_rows=10**9, learn_after=10**9)
    for start in range(0, 20_000, 2_000):
        await store.submit([create(lamp(i)) for i in range(start, start + 2_000)])
    scan = asyncio.ensure_future(page(store, q=Compare(POWER, "!=", -1), count=True))
    reads = 0
    while not scan.done():
        assert store.retrieve(1, "urn:ngsi-ld:Lamp:5") is not None
        await store.submit([update("urn:ngsi-ld:Lamp:5", power=reads)])
        reads += 1
    assert 20_000 == (await scan).count and reads > 3
    await store.close()


async def test_too_much_to_sort_is_refused(tmp_path: Path) -> None:
    """An order over more entities than it may look at."""
    store = opened(tmp_path / "city.db", sort_rows=50)
    await store.submit([create(lamp(i)) for i in range(51)])
    with pytest.raises(TooComplex, match="narrow it"):
        await page(store, order=(OrderKey(POWER),))
    await store.close()


async def test_the_write_ahead_log_stays_small_under_load_with_readers(tmp_path: Path) -> None:
    """It is folded back and begun anew although reads never pause."""
    store = opened(tmp_path / "city.db", checkpoint_pages=100, wal_limit_pages=1_000)
    await store.submit([create(lamp(i)) for i in range(500)])
    going = True

    async def read() -> None:
        while going:
            store.retrieve(1, "urn:ngsi-ld:Lamp:5")
            await asyncio.sleep(0)

    async def write(which: int) -> None:
        for step in range(150):
            await store.submit([update(f"urn:ngsi-ld:Lamp:{which * 30 + step % 30}", power=step)])

    reader = asyncio.ensure_future(read())
    await asyncio.gather(*[write(which) for which in range(16)])
    going = False
    await reader
    figures = store.statistics()
    assert figures["checkpoints"] > 3
    assert figures["wal_most_pages"] < 4_000
    await store.close()
    assert not (tmp_path / "city.db-wal").exists()


async def test_a_backup_taken_under_load_is_whole(tmp_path: Path) -> None:
    """A copy of one moment, opened as a city.db of its own; a target that exists is refused."""
    store = opened(tmp_path / "city.db")
    await store.submit([create(lamp(i)) for i in range(500)])
    copying = asyncio.ensure_future(store.backup(tmp_path / "copy.db"))
    for i in range(500, 600):
        await store.submit([create(lamp(i))])
    await copying
    with pytest.raises(DiskFull, match=r"copy\.db"):
        await store.backup(tmp_path / "copy.db")
    await store.close()
    copy = opened(tmp_path / "copy.db")
    found = await ids(copy)
    assert list(range(len(found))) == found and 500 <= len(found) <= 600
    assert len(found) == copy.head()
    await copy.close()


async def test_learned_indexes_survive_a_restart_and_keep_to_their_budget(tmp_path: Path) -> None:
    """A half-built one is finished after reopening; over the budget the least used goes."""
    path = tmp_path / "city.db"
    attributes = ["a", "b", "c"]
    docs = [lamp(i, **dict.fromkeys(attributes, i)) for i in range(1_000)]
    store = opened(path, learned_paths=2)
    await store.submit([create(doc) for doc in docs])
    await ask(store, "a")
    await store.close()
    store = opened(path, learned_paths=2)
    for name in ("a", "b", "a", "c"):
        await ask(store, name)
        await built(store)
    shown = {one["path"]: one["state"] for one in store.statistics()["learned"]}
    assert {"a": "ready", "c": "ready"} == shown
    await store.close()
    db = apsw.Connection(str(path))
    assert [(2,)] == db.execute("SELECT count(DISTINCT path) FROM value").fetchall()
    assert [(2,)] == db.execute("SELECT count(*) FROM path WHERE form='value'").fetchall()
    db.close()


async def ask(store: SqliteStore, name: str) -> None:
    """Ask for an attribute often enough."""
    for _ in range(4):
        await page(store, q=Compare(QPath(name), "==", 5))


async def built(store: SqliteStore) -> None:
    """Wait for what is being learned."""
    until = time.monotonic() + 20
    while store.statistics()["learning"]:
        assert time.monotonic() < until
        await asyncio.sleep(0.005)


async def test_selections_on_the_loop_are_answered_at_once(tmp_path: Path) -> None:
    """Ids, types, places and learned values need no thread."""
    store = opened(tmp_path / "city.db")
    await store.submit([create(lamp(i)) for i in range(1_000)])
    await ask(store, "power")
    await built(store)
    before = store.statistics()["reader_reads"]
    for wanted in ({"q": Compare(POWER, ">", 5)}, {}, {"ids": ("urn:ngsi-ld:Lamp:1",)}):
        answer = store.select(Selection(tenant=1, **wanted))  # type: ignore[arg-type]
        assert not isinstance(answer, asyncio.Future)
    assert before == store.statistics()["reader_reads"]
    await store.close()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    """Not a traceback of SQLite."""
    with pytest.raises(Unavailable, match="cannot be opened"):
        opened(tmp_path / "none" / "city.db")


async def test_points_that_wait_are_written_when_nobody_writes(tmp_path: Path) -> None:
    """Found while they wait, found once they are written, and found after they were not."""
    path = tmp_path / "city.db"
    store = opened(path)
    around = GeoSelection("near", {"type": "Point", "coordinates": [120, 30]}, max_distance_m=1e5)
    await store.submit([create(lamp(i)) for i in range(300)])
    assert 300 == store.statistics()["points_waiting"]
    assert list(range(300)) == await ids(store, geo=around)
    until = time.monotonic() + 20
    while store.statistics()["points_waiting"]:
        assert time.monotonic() < until
        assert list(range(300)) == await ids(store, geo=around)
        await asyncio.sleep(0.02)
    assert list(range(300)) == await ids(store, geo=around)
    await store.submit([create(lamp(i)) for i in range(300, 310)])
    await store.close()
    again = opened(path)
    assert 0 == again.statistics()["points_waiting"]
    assert list(range(310)) == await ids(again, geo=around)
    await again.close()


async def test_a_task_that_breaks_fails_alone_and_the_writer_goes_on(tmp_path: Path) -> None:
    """It has no operation that could be left out: tried for ever, nothing else would be written."""
    store = opened(tmp_path / "x.db")
    with pytest.raises(PintuError, match="ZeroDivisionError"):
        await store._task(lambda: 1 / 0)
    await store.submit([create(lamp(1))])
    assert store.document(1, lamp(1)["id"]) is not None
    await store.close()
