"""What the room of warnings keeps: warnings, the messages they are made of, what is awaited."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from pintu.kernel.operations.journal import create_journal, journal_tables
from pintu.kernel.tables import PrivateTables, row_number

if TYPE_CHECKING:
    from alembic.operations import Operations

METADATA: Final = sa.MetaData()


def _text(name: str, **more: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.String, nullable=False, **more)


def _whole(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _warning() -> list[sa.Column[Any]]:
    return [
        _text("id", primary_key=True),
        _text("tenant"),
        _text("state"),
        _whole("until_us"),
        _whole("changed_us"),
        _text("body"),  # the whole PublicWarning as JSON
    ]


def _message() -> list[sa.Column[Any]]:
    return [
        sa.Column("number", row_number(), primary_key=True),
        _text("tenant"),
        _text("sender"),
        _text("identifier"),
        _whole("sent_us"),
        _text("msg_type"),
        _text("warning"),  # the warning it made or touched first; "" for none
        _text("effect"),
        _text("reason"),
        _text("who"),
        _whole("at_us"),
        _text("digest"),
        _text("body"),
        sa.Column("document", sa.LargeBinary, nullable=False),  # as it came; empty for ours
    ]


def _awaited() -> list[sa.Column[Any]]:
    """What an Update or Cancel referred to before it was here."""
    return [
        _text("tenant", primary_key=True),
        _text("sender", primary_key=True),
        _text("identifier", primary_key=True),
        sa.Column("sent_us", sa.BigInteger, primary_key=True, autoincrement=False),
        _whole("message"),  # the number of the message that referred to it
        _text("msg_type"),
        _text("warning"),  # the warning that replaced it; "" for a Cancel
    ]


def _todo() -> list[sa.Column[Any]]:
    """What other rooms must still do because of a warning, in order."""
    return [
        sa.Column("number", row_number(), primary_key=True),
        _text("warning"),
        _text("what"),  # start, narrow, undo, tell, clear
        _text("key"),
        _text("body"),  # the warning as it was then
    ]


WARNING: Final = sa.Table(
    "warning",
    METADATA,
    *_warning(),
    sa.Index("warning_state", "tenant", "state"),
    sa.Index("warning_changed", "tenant", "changed_us"),
)
MESSAGE: Final = sa.Table(
    "message",
    METADATA,
    *_message(),
    sa.UniqueConstraint("tenant", "sender", "identifier", "sent_us", name="one_message"),
    sa.Index("message_warning", "warning"),
)
AWAITED: Final = sa.Table("awaited", METADATA, *_awaited())
TODO: Final = sa.Table("todo", METADATA, *_todo())
journal_tables(METADATA)


def _first(op: Operations) -> None:
    create_journal(op)
    op.create_table("warning", *_warning())
    op.create_index("warning_state", "warning", ["tenant", "state"])
    op.create_index("warning_changed", "warning", ["tenant", "changed_us"])
    op.create_table(
        "message",
        *_message(),
        sa.UniqueConstraint("tenant", "sender", "identifier", "sent_us", name="one_message"),
    )
    op.create_index("message_warning", "message", ["warning"])
    op.create_table("awaited", *_awaited())
    op.create_table("todo", *_todo())


TABLES: Final = PrivateTables(name="warnings", metadata=METADATA, migrations=(_first,))
