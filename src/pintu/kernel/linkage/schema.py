"""What linkage keeps: plans, references with keyed marks, clusters, events, pairs, objections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pintu.kernel.tables import PrivateTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA: Final = sa.MetaData()


def _text(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.String, nullable=False, **more)


def _whole(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _plan() -> list[sa.Column[Any]]:
    return [_text("name", primary_key=True), _text("body"), _text("by"), _whole("at_us")]


def _record() -> list[sa.Column[Any]]:
    return [
        _text("plan", primary_key=True),
        _text("data_set", primary_key=True),
        _text("key", primary_key=True),
        _text("id_mark"),  # keyed digest of a valid number, else empty
        _text("mark"),  # keyed digest of all that was compared
        _text("cluster"),  # empty: alone
    ]


def _cluster() -> list[sa.Column[Any]]:
    return [
        _text("id", primary_key=True),
        _text("plan"),
        sa.Column("state", sa.LargeBinary, nullable=False),
        _whole("members"),
    ]


def _event() -> list[sa.Column[Any]]:
    return [
        sa.Column("number", row_number(), primary_key=True),
        _text("plan"),
        _text("what"),
        _text("cluster"),  # the first of those it made, else of those it undid
        _whole("at_us"),
        _text("by"),
        _text("reason"),
        sa.Column("before", sa.LargeBinary, nullable=False),
        sa.Column("after", sa.LargeBinary, nullable=False),
        _whole("undoes"),
        _whole("undone"),
    ]


def _touched() -> list[sa.Column[Any]]:
    return [_text("cluster", primary_key=True), sa.Column("event", sa.BigInteger, primary_key=True)]


def _pair() -> list[sa.Column[Any]]:
    return [
        sa.Column("number", row_number(), primary_key=True),
        _text("plan"),
        _text("left_set"),
        _text("left_key"),
        _text("right_set"),
        _text("right_key"),
        sa.Column("score", sa.Float, nullable=False),
        _text("why"),
        _text("state"),
        _text("by"),
        _whole("at_us"),
        _text("reason"),
        _whole("event"),
        _text("mark"),  # of both records as they were compared
    ]


def _objection() -> list[sa.Column[Any]]:
    return [
        sa.Column("number", row_number(), primary_key=True),
        _text("data_set"),
        _text("key"),
        _text("column"),
        _text("state"),
        _text("owner"),
        _text("by"),
        _whole("due_us"),
        _text("body"),
    ]


def _run() -> list[sa.Column[Any]]:
    return [
        sa.Column("number", row_number(), primary_key=True),
        _text("plan"),
        _text("state"),
        _text("body"),
    ]


def _secret() -> list[sa.Column[Any]]:
    return [_text("name", primary_key=True), sa.Column("key", sa.LargeBinary, nullable=False)]


PLAN = sa.Table("plan", METADATA, *_plan())
RECORD = sa.Table("record", METADATA, *_record(), sa.Index("record_cluster", "cluster"))
CLUSTER = sa.Table("cluster", METADATA, *_cluster(), sa.Index("cluster_plan", "plan", "id"))
EVENT = sa.Table("event", METADATA, *_event(), sa.Index("event_plan", "plan", "number"))
TOUCHED = sa.Table("touched", METADATA, *_touched())
SIDES: Final = ("plan", "left_set", "left_key", "right_set", "right_key")
PAIR = sa.Table(
    "pair",
    METADATA,
    *_pair(),
    sa.Index("pair_sides", *SIDES, unique=True),
    sa.Index("pair_state", "plan", "state", "score"),
)
OBJECTION = sa.Table("objection", METADATA, *_objection(), sa.Index("objection_owner", "owner"))
RUN = sa.Table("run", METADATA, *_run())
SECRET = sa.Table("secret", METADATA, *_secret())


def _first(op: Operations) -> None:
    op.create_table("plan", *_plan())
    op.create_table("record", *_record())
    op.create_index("record_cluster", "record", ["cluster"])
    op.create_table("cluster", *_cluster())
    op.create_index("cluster_plan", "cluster", ["plan", "id"])
    op.create_table("event", *_event())
    op.create_index("event_plan", "event", ["plan", "number"])
    op.create_table("touched", *_touched())
    op.create_table("pair", *_pair())
    op.create_index("pair_sides", "pair", list(SIDES), unique=True)
    op.create_index("pair_state", "pair", ["plan", "state", "score"])
    op.create_table("objection", *_objection())
    op.create_index("objection_owner", "objection", ["owner"])
    op.create_table("run", *_run())
    op.create_table("secret", *_secret())


TABLES = PrivateTables(name="linkage", metadata=METADATA, migrations=(_first,))
