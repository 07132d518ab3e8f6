"""What no document ever had need not be looked for: known before the first that has it can be read,
after every start, and for files of before.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import apsw
import pytest

from pintu.kernel.context.record import Put, Record
from pintu.kernel.store.port import Op, settled
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.schema import MIGRATIONS, migrate
from tests.kernel.store.conftest import Opening, create, delete, lamp, put
from tests.kernel.store.test_statements import around, expected, strokes

PLACE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.0, 30.0]}}
TWO: Any = [PLACE, {**PLACE, "value": {**PLACE["value"], "coordinates": [120.001, 30.0]}}]  # type: ignore[dict-item]
TWO[1]["datasetId"] = "urn:d"


def _sqlite(stores: str) -> None:
    """Another broker may write to a PostgreSQL at any moment: what is there cannot be told."""
    if not stores.startswith("sqlite"):
        pytest.skip("this store cannot tell")


async def test_a_scope_is_known_before_it_can_be_read(opening: Opening, stores: str) -> None:
    """While its transaction is still open; then for good, at every start and when it is gone."""
    _sqlite(stores)
    store = await opening()
    await store.submit([create(lamp(1)), create(lamp(2))])
    assert not store.scoped()
    await store.close()
    store = await opening()
    assert not store.scoped()
    seen: list[bool] = []

    def transform(record: Record | None, now: int) -> Put:
        seen.append(store.scoped())
        return Put(lamp(3), "created")

    with_scope = lamp(1, scope=["/a"])
    last = Op(1, lamp(3)["id"], transform)
    await store.submit([last, delete(lamp(3)["id"]), put(with_scope), last])
    assert [False, True] == seen
    await store.submit([delete(with_scope["id"])])
    await store.close()
    store = await opening()
    assert store.scoped()
    await store.close()


async def test_a_new_document_with_a_scope_is_known_too(opening: Opening) -> None:
    """One that was never there before."""
    store = await opening()
    await store.submit([create(lamp(1, scope=["/a", "/b"]))])
    assert store.scoped()
    await store.close()
    store = await opening()
    assert store.scoped()
    await store.close()


@pytest.mark.parametrize(
    ("documents", "left"),
    [
        ([lamp(1)], {"scope", "several"}),
        ([lamp(1), lamp(2, scope=["/a"])], {"several"}),
        ([lamp(1, location=TWO), lamp(2)], {"scope"}),
        ([], {"scope", "several"}),
    ],
)
async def test_a_file_of_before_is_looked_through_once(
    opening: Opening, stores: str, tmp_path: Path, documents: list[Any], left: set[str]
) -> None:
    """What it says of itself is what its documents say."""
    _sqlite(stores)
    store = await opening()
    await store.submit([create(one) for one in documents])
    await store.close()
    db = apsw.Connection(str(next(tmp_path.rglob("city.db"))))
    db.execute("DELETE FROM meta WHERE key LIKE 'never %'")
    db.pragma("user_version", len(MIGRATIONS) - 1)
    db.close()
    again: Any = await opening()
    assert left == again._names.never
    await again.close()


def test_what_was_rolled_back_is_told_anew(tmp_path: Path) -> None:
    """Whoever reads errs on the safe side; the file follows with the next that has one."""
    db = apsw.Connection(str(tmp_path / "city.db"))
    migrate(db)
    names = Names(db)
    assert {"scope", "several"} == names.never
    for lasting in (False, True):
        db.execute("BEGIN")
        names.see("scope")
        names.flush()
        db.execute("COMMIT" if lasting else "ROLLBACK")
        names.commit() if lasting else names.rollback()
        assert {"several"} == names.never
        assert (set() if lasting else {"scope"}) == Names(db).never - {"several"}
    db.close()


async def test_a_count_near_a_place_before_and_after_one_has_two(
    opening: Opening, stores: str
) -> None:
    """Rows are counted as they are until then, entities afterwards."""
    _sqlite(stores)
    store = await opening()
    statement = store.prepare(around(0, 0, 1_000.0, count=True))
    assert statement is not None
    chance = random.Random(5)
    await store.submit([create(lamp(n)) for n in range(700)])
    served = 0
    for turn in range(30):
        writes = [one for _ in range(8) for one in strokes(chance, twice=0.0)]
        if turn == 15:
            writes.append(put(lamp(800, location=TWO)))
        await store.submit(writes)
        for lon, lat in ((120.0, 30.0), (120 + chance.random() / 20, 30 + chance.random() / 20)):
            found = statement.page((lon, lat))
            if found is not None:
                served += 1
                selection = around(lon, lat, 1_000.0, count=True)
                assert await expected(store, selection) == (found.body, found.more, found.count)
        names: Any = store
        assert ("several" in names._names.never) is (turn < 15)
        await settled(store.select(around(0, 0, 1.0)))
    assert served
    await store.close()
