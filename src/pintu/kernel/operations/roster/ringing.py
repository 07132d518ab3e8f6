"""The rows of rings: plain functions of a connection, parts of a transaction."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.operations.roster.schema import RING
from pintu.kernel.operations.roster.words import Ring


def select(connection: Connection, state: str) -> list[Ring]:
    """Every ring of a state."""
    return [
        ring_of(row) for row in connection.execute(sa.select(RING).where(RING.c.state == state))
    ]


def rung(connection: Connection, new: Ring, key: str, at_us: int) -> Ring | None:
    """The ring of the same key, or one about the same subject that went on after a moment: what
    made it worse while it rang has no key of its own."""
    asked = sa.select(RING)
    if key:
        row = connection.execute(asked.where(RING.c.key == key)).first()
        if row is not None:
            return ring_of(row)
    if not at_us:
        return None
    asked = asked.where(RING.c.tenant == new.tenant, RING.c.subject == new.subject)
    asked = asked.where(RING.c.began_us <= at_us, RING.c.changed_us > at_us)
    row = connection.execute(asked.limit(1)).first()
    return None if row is None else ring_of(row)


def row_of(ring: Ring) -> dict[str, Any]:
    """A ring as a row."""
    return {
        **msgspec.to_builtins(ring),
        "text": json.dumps(ring.text, ensure_ascii=False),
        "rung": json.dumps(ring.rung),
    }


def write(connection: Connection, ring: Ring) -> None:
    """Keep a ring as it is now."""
    connection.execute(RING.update().where(RING.c.id == ring.id).values(**row_of(ring)))


def ring_of(row: Any) -> Ring:
    """A row as a ring."""
    values = {name: value for name, value in row._mapping.items() if name != "key"}
    values["text"] = json.loads(row.text)
    values["rung"] = tuple(json.loads(row.rung))
    return Ring(**values)
