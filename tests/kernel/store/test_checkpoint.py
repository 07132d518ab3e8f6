"""The helper that folds the write-ahead log back goes on until what others wrote meanwhile is
little."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from pintu.kernel.store.sqlite import checkpoint
from pintu.kernel.store.sqlite.checkpoint import FEW_PAGES, PASSES, Checkpoints
from pintu.kernel.store.sqlite.schema import Tuning, connect, migrate
from tests.faults.disks import disk

WAIT_S = 60
_WRITE = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
    "INSERT INTO note(body) SELECT zeroblob(3000) FROM n"
)


class City:
    """A city.db whose writer commits while the helper folds, as often as the test says."""

    def __init__(self, path: Path, vfs: str | None = None) -> None:
        self.path, self.vfs = path, vfs
        self.db = self.connect()
        migrate(self.db)
        self.checkpoints = Checkpoints(self.db, self.connect, Tuning(checkpoint_pages=100))
        self.checkpoints.archive = self
        self.writes = 0  # that come while the helper folds
        self.taken = 0

    def connect(self) -> apsw.Connection:
        """One more connection."""
        return connect(self.path, vfs=self.vfs, cache_kib=64, read_only=False)

    def write(self) -> None:
        """A commit of more pages than are few."""
        with self.db:
            self.db.execute(_WRITE, (FEW_PAGES + 50,))

    def take(self) -> None:
        """Called by the helper once its read transaction stands: a commit now is not folded."""
        self.taken += 1
        if self.writes:
            self.writes -= 1
            self.write()

    def folded(self) -> int:
        """Write, have the helper fold until it is through, and return in how many passes."""
        self.write()
        self.checkpoints.after_group()
        assert self.checkpoints._done.wait(WAIT_S)
        return self.taken


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    """An empty one."""
    made = City(tmp_path / "city.db")
    yield made
    assert 0 == made.checkpoints.failed
    made.checkpoints.close()


def test_what_came_meanwhile_is_folded_by_the_helper(city: City) -> None:
    """Two commits come while it folds: it takes them too, and leaves the writer nothing."""
    city.writes = 2
    assert 3 == city.folded()
    log, done = city.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
    assert log == done == city.checkpoints.pages
    city.checkpoints.after_group()
    city.write()
    assert city.checkpoints.pages < log  # the log began anew


def test_closing_closes_the_file_that_is_only_synced(tmp_path: Path) -> None:
    """And the writer's connection before it: whoever closes a file has no locks on it any more."""
    city = City(tmp_path / "city.db")
    city.folded()
    city.checkpoints.after_group()
    assert 1 == city.checkpoints.count
    file = city.checkpoints._file
    assert os.fstat(file).st_ino == city.path.stat().st_ino
    city.checkpoints.close()
    assert not city.path.with_name("city.db-wal").exists()
    with pytest.raises(apsw.ConnectionClosedError):
        city.db.execute("SELECT 1")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file)


def test_who_writes_faster_than_the_disk_folds_ends_the_passes(city: City) -> None:
    """The helper does not go on for ever."""
    city.writes = 2 * PASSES
    assert PASSES == city.folded()


def test_a_reader_of_an_old_state_ends_them_too(city: City) -> None:
    """Nothing is folded that it may not see: trying again would change nothing."""
    reader = city.connect()
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM note").fetchall()
    city.write()
    assert 2 == city.folded()
    reader.execute("COMMIT")
    reader.close()


def test_a_full_disk_is_tried_again_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It failed, and a log as long as before is folded as soon as that can be: no second one has to
    be written first."""
    monkeypatch.setattr(checkpoint, "AGAIN_S", 0)
    with disk("full-for-checkpoints") as made:
        city = City(tmp_path / "city.db", made.name)
        checkpoints = city.checkpoints
        city.write()
        made.full = True
        checkpoints.after_group()
        assert checkpoints._done.wait(WAIT_S)
        checkpoints.after_group()  # the writer's part fails, too
        assert (2, 1) == (checkpoints.failed, checkpoints.count)
        assert checkpoints.patience() is not None
        made.full = False
        checkpoints.after_group()
        assert checkpoints._done.wait(WAIT_S)
        checkpoints.after_group()
        assert (2, 2) == (checkpoints.failed, checkpoints.count)
        log, done = city.db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        assert log == done == checkpoints.pages
        assert checkpoints.pages < checkpoints._next_at
        checkpoints.close()
