"""What history keeps beside the log: packs, day files, rows that always come, roll-ups, how far
each is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA = sa.MetaData()

PACKED: Final = "packed"
"""Every row of the log up to this position is in packs or files, and in the roll-ups."""
SAFE: Final = "safe"
"""What `packed` was a round ago: as far as the log may be trimmed."""

BEGINS: Final = "begins"
"""The first moment (µs) of which everything is still known; raw rows before it were let go."""
ALWAYS_VERBS: Final = frozenset({"created", "amended", "erased"})


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String, primary_key=key, nullable=False)


def _big(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=False, autoincrement=False)


def _mark() -> list[sa.Column[int] | sa.Column[str]]:
    return [_text("name", key=True), _big("position")]


def _pack() -> list[sa.Column[int] | sa.Column[str] | sa.Column[bytes]]:
    """`day` is the UTC day of arrival since 1970; times are µs; `observed_*` 0: none observed."""
    numbers = ["last", "day", "rows", "since_us", "until_us", "observed_us", "observed_to_us"]
    return [
        _big("tenant", key=True),
        _text("id", key=True),
        _big("first", key=True),
        *map(_big, numbers),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("base", sa.LargeBinary),  # how the entity stood before the first row
    ]


def _stand() -> list[sa.Column[int] | sa.Column[str] | sa.Column[bytes]]:
    """How an entity stood after the last of its rows that were packed."""
    return [
        _big("tenant", key=True),
        _text("id", key=True),
        _big("position"),
        sa.Column("told", sa.LargeBinary, nullable=False),
    ]


def _day() -> list[sa.Column[int] | sa.Column[str]]:
    """A UTC day of arrival since 1970: its rows up to `filed` are in files, those up to `dropped`
    in no pack any more."""
    return [_big("day", key=True), _big("filed"), _big("dropped")]


def _file() -> list[sa.Column[int] | sa.Column[str]]:
    """One Parquet file: rows of a tenant's entities from `low` to `high`. `packed`: its rows are in
    packs still, which are read instead. `gone_us`: when another took its place (0: none); it is
    deleted a day later, so that a backup or a reader under way still finds it."""
    numbers = ["first", "last", "rows", "bytes", "since_us", "until_us", "observed_us"]
    return [
        _text("path", key=True),
        _big("tenant"),
        _big("day"),
        _text("low"),
        _text("high"),
        *map(_big, numbers),
        _big("observed_to_us"),
        _big("packed"),
        _big("gone_us"),
        _text("types"),  # JSON: every set of types in it
    ]


def _always() -> list[sa.Column[int] | sa.Column[str] | sa.Column[bytes]]:
    """Rows that come whatever time is asked for, each as a pack of its own: those that begin a
    life or change other rows."""
    return [
        _big("tenant", key=True),
        _text("id", key=True),
        _big("position", key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    ]


def _retyped() -> list[sa.Column[int] | sa.Column[str]]:
    """Entities that had other types once than they have now: a question about types then looks at
    them as well."""
    return [_big("tenant", key=True), _text("id", key=True)]


def _rollup() -> list[sa.Column[int] | sa.Column[str] | sa.Column[bytes]]:
    """`span`: a UTC day since 1970 of hours ("h"), 64 days of days ("d")."""
    return [
        _big("tenant", key=True),
        _text("attribute", key=True),
        _text("dataset", key=True),
        _text("level", key=True),
        _text("id", key=True),
        _big("span", key=True),
        _big("until_us"),  # when the last of it arrived
        _text("types"),  # JSON: the entity's, then
        sa.Column("body", sa.LargeBinary, nullable=False),
    ]


MARK = sa.Table("mark", METADATA, *_mark())
PACK = sa.Table("pack", METADATA, *_pack(), sa.Index("pack_day", "day", "tenant", "id"))
DAY = sa.Table("day", METADATA, *_day())
FILE = sa.Table("file", METADATA, *_file())
STAND = sa.Table("stand", METADATA, *_stand())
ALWAYS = sa.Table("always", METADATA, *_always())
RETYPED = sa.Table("retyped", METADATA, *_retyped())
ROLLUP = sa.Table("rollup", METADATA, *_rollup())


def _first(op: Operations) -> None:
    op.create_table("mark", *_mark())
    op.create_table("pack", *_pack())
    op.create_index("pack_day", "pack", ["day", "tenant", "id"])
    op.create_table("day", *_day())
    op.create_table("file", *_file())
    op.create_table("stand", *_stand())
    op.create_table("always", *_always())
    op.create_table("retyped", *_retyped())
    op.create_table("rollup", *_rollup())


TABLES = PrivateTables(name="history", metadata=METADATA, migrations=(_first,))
