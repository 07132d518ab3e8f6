"""What became of a commit that was under way when its connection broke."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg

from pintu.kernel.store.port import VERB_NUMBER
from pintu.kernel.store.postgres.apply import Group


async def committed(connection: Any, xid: str) -> bool:
    """Did a transaction of a session that is gone reach its end?"""
    try:
        while True:
            status = await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid)
            if status != "in progress":
                return bool(status == "committed")
            await asyncio.sleep(0.05)
    except asyncpg.InvalidParameterValueError:
        return False  # this server never heard of it


async def kept(connection: Any, group: Group, base: int, noted: int) -> bool:
    """Are the group's first row of the log and its first note right after these numbers?"""
    if group.entries:
        first = group.entries[0]
        sql = "SELECT id, at, verb FROM log WHERE position = $1"
        row = await connection.fetchrow(sql, base + 1)
        if row is None or tuple(row) != (first.id, first.at, VERB_NUMBER[first.verb]):
            return False
    if group.notes:
        sql = "SELECT body FROM note WHERE number = $1"
        return bool(await connection.fetchval(sql, noted + 1) == group.notes[0][0])
    return True
