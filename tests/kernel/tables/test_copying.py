"""Private tables copied between stores: equal afterwards, whatever happened on the way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pintu.kernel.errors import BadRequestData, ConfigurationError
from pintu.kernel.tables import (
    OpenTables,
    PrivateTables,
    add_rows,
    open_tables,
    put_rows,
    row_number,
)
from pintu.kernel.tables.copying import AT_ONCE, checksums, make_equal

METADATA = sa.MetaData()
POLE = sa.Table(
    "pole",
    METADATA,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("height", sa.Double),
    sa.Column("photo", sa.LargeBinary),
    sa.Column("lit", sa.Boolean),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
)
VISIT = sa.Table(
    "visit",
    METADATA,
    sa.Column("number", row_number(), primary_key=True),
    sa.Column("pole", sa.String, sa.ForeignKey("pole.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at_us", sa.BigInteger, nullable=False),
    sa.UniqueConstraint("pole", "at_us", name="visited_once"),
    sa.Index("visit_at", "at_us"),
    sqlite_autoincrement=True,
)
PART = sa.Table(
    "part",
    METADATA,
    sa.Column("pole", sa.String, primary_key=True),
    sa.Column("kind", sa.LargeBinary, primary_key=True),
    sa.Column("count", sa.BigInteger, primary_key=True),
)


def first(op: Any) -> None:
    """All at once."""
    METADATA.create_all(op.get_bind(), checkfirst=False)


POLES = PrivateTables(name="poles", metadata=METADATA, migrations=(first,), place="pieces")
WAYS = [("sqlite", "postgres"), ("postgres", "sqlite"), ("sqlite", "sqlite")]


@pytest.fixture(params=WAYS, ids=["there", "back", "files"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[OpenTables, OpenTables]]:
    """The poles of one city with something in them, and the same place in another, empty."""
    way: tuple[str, str] = request.param
    told = {"sqlite": "sqlite:"}
    if "postgres" in way:
        told["postgres"] = request.getfixturevalue("city_address")
    cities = [
        open_tables(tmp_path / name, told[sort]) for name, sort in zip("ab", way, strict=True)
    ]
    source, target = cities[0].register(POLES), cities[1].open("pieces", "poles")
    source.run_now(_fill)
    yield source, target
    target.close()
    for one in cities:
        one.close()


def _fill(c: sa.Connection) -> None:
    poles = [
        {
            "id": f"杆{n}",
            "height": n / 7,
            "photo": bytes([n % 256]),
            "lit": n % 2 == 0,
            "note": "é'\\\t",
        }
        for n in range(300)
    ]
    put_rows(c, POLE, [*poles, {"id": "P", "height": None, "photo": None, "lit": None, "note": ""}])
    c.execute(
        VISIT.insert(), [{"pole": f"杆{n % 300}", "at_us": n} for n in range(2 * AT_ONCE + 5)]
    )
    c.execute(VISIT.delete().where(VISIT.c.number > 2 * AT_ONCE))
    c.execute(
        PART.insert(), [{"pole": f"{n}", "kind": b"\x00\xff", "count": -n} for n in range(50)]
    )


def test_many_rows_are_what_each_alone_would_be(both: tuple[OpenTables, OpenTables]) -> None:
    """Values of every kind, none at all in a whole column, large numbers beside small ones."""
    source, _ = both
    few: list[dict[str, Any]] = [
        {"id": "a", "height": None, "photo": None, "lit": None, "note": "{,}\"\\'"},
        {"id": "b", "height": None, "photo": None, "lit": None, "note": "NULL"},
    ]
    more = [
        {**one, "height": 1.5, "photo": b"\x00\xff'", "lit": n > 0} for n, one in enumerate(few)
    ]
    parts: list[dict[str, Any]] = [
        {"pole": "a", "kind": b"", "count": count} for count in (1, -(2**63), 2**63 - 1)
    ]
    asked = sa.select(POLE).where(POLE.c.id.in_(["a", "b"])).order_by(POLE.c.id)
    for rows in (few, more):
        source.run_now(partial(put_rows, table=POLE, rows=rows))
        assert rows == source.read_now(lambda c: [dict(r) for r in c.execute(asked).mappings()])
    source.run_now(lambda c: add_rows(c, PART, [*parts, parts[0]]))
    counts = sa.select(PART.c.count).where(PART.c.pole == "a", PART.c.kind == b"")
    found = source.read_now(lambda c: sorted(c.execute(counts).scalars()))
    assert sorted(one["count"] for one in parts) == found


def test_everything_is_there_afterwards(both: tuple[OpenTables, OpenTables]) -> None:
    """Rows, kinds of values, rules, the version; a second walk writes nothing."""
    source, target = both
    steps: list[tuple[str, int, int]] = []
    assert 301 + 2 * AT_ONCE + 50 == make_equal(source, target, lambda *one: steps.append(one))
    assert checksums(source) == checksums(target)
    assert [("visit", AT_ONCE, AT_ONCE), ("visit", 2 * AT_ONCE, 2 * AT_ONCE)] == [
        one for one in steps if one[0] == "visit"
    ]
    assert (1, 0) == (target.version(), make_equal(source, target))
    rows = [
        one.read_now(lambda c: c.execute(sa.select(POLE).order_by(POLE.c.id)).all()) for one in both
    ]
    assert rows[0] == rows[1]


def test_a_table_goes_on_numbering_where_it_was(both: tuple[OpenTables, OpenTables]) -> None:
    """A number that was given and taken back is given to nobody else."""
    source, target = both
    make_equal(source, target)
    numbers = [
        one.run_now(
            lambda c: c.execute(
                VISIT.insert().values(pole="P", at_us=-1).returning(VISIT.c.number)
            ).scalar_one()
        )
        for one in (source, target)
    ]
    assert [2 * AT_ONCE + 6] * 2 == numbers


def test_what_changed_meanwhile_is_brought(both: tuple[OpenTables, OpenTables]) -> None:
    """New, changed and removed rows; what is referred to stays while it is referred to."""
    source, target = both
    make_equal(source, target)

    def change(c: sa.Connection) -> None:
        c.execute(POLE.update().where(POLE.c.id == "杆1").values(note="new"))
        c.execute(POLE.delete().where(POLE.c.id == "杆2"))
        c.execute(POLE.insert().values(id="A"))
        c.execute(VISIT.insert().values(pole="A", at_us=7))
        c.execute(PART.delete().where(PART.c.count < -40))

    source.run_now(change)
    visits = len(range(2, 2 * AT_ONCE, 300))
    assert 1 + 1 + visits + 1 + 1 + 9 == make_equal(source, target)
    assert checksums(source) == checksums(target)


def test_cut_off_it_goes_on(both: tuple[OpenTables, OpenTables]) -> None:
    """What was written before is looked at, not written again."""
    source, target = both

    class Cut(Exception):
        pass

    def cut(table: str, looked: int, _: int) -> None:
        if (table, looked) == ("visit", AT_ONCE):
            raise Cut

    with pytest.raises(Cut):
        make_equal(source, target, cut)
    done = sum(one.rows for one in checksums(target).values())
    assert 301 + 2 * AT_ONCE + 50 == done + make_equal(source, target)
    assert (True, checksums(source)) == (done >= AT_ONCE, checksums(target))


def test_tables_that_only_the_target_has_are_emptied(both: tuple[OpenTables, OpenTables]) -> None:
    """A target that held something else holds what the source does."""
    source, target = both
    target.version()
    target.run_now(lambda c: c.exec_driver_sql("CREATE TABLE other (id INTEGER PRIMARY KEY)"))
    target.run_now(lambda c: c.exec_driver_sql("INSERT INTO other VALUES (1)"))
    make_equal(source, target)
    sums = checksums(target)
    assert (0, checksums(source)) == (sums.pop("other").rows, sums)


def test_a_piece_finds_its_tables_moved(city_address: str, tmp_path: Path) -> None:
    """Copied without its piece and registered afterwards: as if it had always been there."""
    here, there = open_tables(tmp_path), open_tables(tmp_path, city_address)
    here.register(POLES).run_now(_fill)
    target = there.open("pieces", "poles")
    make_equal(here.register(POLES), target)
    target.close()
    again = open_tables(tmp_path, city_address)
    poles = again.register(POLES)
    with pytest.raises(Exception, match="breaks a rule"):
        poles.run_now(lambda c: c.execute(VISIT.insert().values(pole="杆3", at_us=3)))
    poles.run_now(lambda c: c.execute(POLE.delete()))
    assert 0 == checksums(poles)["visit"].rows
    for one in (here, there, again):
        one.close()


def test_rows_that_cannot_be_told_apart_are_refused(both: tuple[OpenTables, OpenTables]) -> None:
    """A table needs a primary key; the sentence names it."""
    source, target = both
    source.run_now(lambda c: c.exec_driver_sql("CREATE TABLE heap (x INTEGER)"))
    with pytest.raises(ConfigurationError, match="Table heap has no primary key"):
        make_equal(source, target)


def test_a_nul_is_refused_in_words(city_address: str, tmp_path: Path) -> None:
    """SQLite keeps it, PostgreSQL cannot: the copy says so."""
    here, there = open_tables(tmp_path), open_tables(tmp_path, city_address)
    source = here.register(POLES)
    source.run_now(lambda c: put_rows(c, POLE, [{"id": "a\x00b"}]))
    with pytest.raises(BadRequestData, match="character NUL"):
        make_equal(source, there.register(POLES))
    for one in (here, there):
        one.close()


WORDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=5)
ROWS = st.dictionaries(
    WORDS,
    st.tuples(
        st.none() | st.floats(allow_nan=False), st.none() | st.binary(max_size=4), st.booleans()
    ),
    max_size=12,
)


@given(before=ROWS, after=ROWS)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_rows_become_any_others(
    both: tuple[OpenTables, OpenTables], before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Whatever the target held, afterwards it holds what the source does."""
    source, target = both
    for told in (before, after):
        rows = [
            {"id": id, "height": height, "photo": photo, "lit": lit, "note": ""}
            for id, (height, photo, lit) in told.items()
        ]
        source.run_now(lambda c: c.execute(POLE.delete()))
        source.run_now(lambda c, rows=rows: put_rows(c, POLE, rows))  # type: ignore[misc]
        make_equal(source, target)
        assert checksums(source) == checksums(target)
