"""How long what is kept: rows, sums of hours, sums of days, by type; counted from arrival.

Only files are let go of, whole or written anew without some types, and never what a reader of the
feed has not passed. What packs and log hold is younger than any retention.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
import orjson
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.analytics.filing import file_row
from pintu.kernel.analytics.packing import DAY_US, mark, put_mark
from pintu.kernel.analytics.schema import ALWAYS, BEGINS, FILE, PACK, ROLLUP, STAND
from pintu.kernel.analytics.standing import NOBODY
from pintu.kernel.errors import PintuError
from pintu.kernel.tables import put_rows

if TYPE_CHECKING:
    from pintu.kernel.analytics.filing import Filing

LEVELS: Final = {"h": "hourly_days", "d": "daily_days"}

log = logging.getLogger("pintu.history")


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Days since arrival; 0: for ever."""

    raw_days: int = 30
    hourly_days: int = 365
    daily_days: int = 0


def nobodys_days(tenant: int) -> int:
    """No tenant has less than the city keeps."""
    return 0


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of every type, and of some types."""

    usual: Kept = Kept()
    types: Mapping[str, Kept] = {}
    tenant_days: Callable[[int], int] = nobodys_days  # of raw rows, at most; 0: not less

    def within(self, tenant_days: Callable[[int], int]) -> Retention:
        """The same, with tenants that may have fewer days of raw rows."""
        return msgspec.structs.replace(self, tenant_days=tenant_days)

    def in_tenant(self, tenant: int, types: tuple[str, ...] | list[str]) -> Kept:
        """Of an entity of these types in a tenant: never longer than the tenant may have."""
        kept, most = self.of(types), self.tenant_days(tenant)
        if not most or 0 < kept.raw_days <= most:
            return kept
        return msgspec.structs.replace(kept, raw_days=most)

    def of(self, types: tuple[str, ...] | list[str]) -> Kept:
        """Of an entity of these types: the longest of what is said of any of them."""
        said = [self.types[one] for one in types if one in self.types]
        if not said:
            return self.usual
        names = ("raw_days", "hourly_days", "daily_days")
        return Kept(**{name: _longest([getattr(one, name) for one in said]) for name in names})


def _longest(days: list[int]) -> int:
    return 0 if 0 in days else max(days)


def read_retention(told: Mapping[str, Any]) -> Retention:
    """`[history]` of pintu.toml; raises ValueError saying what is wrong with it."""
    told = dict(told)
    types = told.pop("types", {})
    if not isinstance(types, dict):
        raise ValueError("history.types is not a table; write [history.types.NAME]")
    usual = _read(told, Kept(), "history")
    return Retention(
        usual=usual,
        types={name: _read(one, usual, f"history.types.{name}") for name, one in types.items()},
    )


def _read(told: Any, usual: Kept, where: str) -> Kept:
    if not isinstance(told, dict):
        raise ValueError(f"{where} is not a table")
    try:
        kept = msgspec.convert({**msgspec.structs.asdict(usual), **told}, Kept)
    except msgspec.ValidationError as error:
        raise ValueError(f"{where}: {error}") from error
    for name, days in msgspec.structs.asdict(kept).items():
        if days < 0 or 0 < days < 2:
            raise ValueError(f"{where}.{name} = {days} is neither 0 (for ever) nor 2 days or more")
    return kept


async def retain(filing: Filing, retention: Retention, *, now_us: int, passed: int) -> int:
    """Let go of what is too old, up to a position that everybody passed; how many rows of raw
    history. Each file is one step that can be repeated.
    """
    gone = 0
    for row in await filing.opened.read(lambda c: _old(c, now_us, passed)):
        types = orjson.loads(row["types"])
        over = [one for one in types if _over(retention, row, one, now_us)]
        if over:
            whole = len(over) == len(types)
            try:
                gone += await _let_go(filing, row, over, whole=whole, now_us=now_us)
            except PintuError as error:
                log.warning("%s is kept until the next night: %s", row["path"], error)
    await filing.opened.run(lambda c: _forget_sums(c, retention, now_us))
    await filing.opened.run(_forget_nobody)
    return gone


def _over(retention: Retention, row: dict[str, Any], types: list[str], now_us: int) -> bool:
    return _is_over(retention.in_tenant(row["tenant"], types), row["until_us"], now_us)


def _is_over(kept: Kept, until_us: int, now_us: int) -> bool:
    return bool(kept.raw_days) and until_us < now_us - kept.raw_days * DAY_US


def _old(connection: Connection, now_us: int, passed: int) -> list[dict[str, Any]]:
    rule = (FILE.c.packed == 0, FILE.c.gone_us == 0, FILE.c.last <= passed)
    rows = connection.execute(sa.select(FILE).where(*rule, FILE.c.until_us < now_us - 2 * DAY_US))
    return [dict(row._mapping) for row in rows]


async def _let_go(
    filing: Filing, row: dict[str, Any], over: list[list[str]], *, whole: bool, now_us: int
) -> int:
    path = filing.folder / row["path"]
    files: list[tuple[int, dict[str, Any]]] = []
    if not whole:
        files = await filing.job(
            folder=str(path.parent), stamp=f"{row['last']}-{now_us // 1_000_000}", path=str(path),
            tenant=row["tenant"], types=over,
        )  # fmt: skip

    def record(connection: Connection) -> None:
        put_rows(connection, FILE, [file_row(*one, day=row["day"], packed=0) for one in files])
        this = FILE.c.path == row["path"]
        connection.execute(FILE.update().where(this).values(gone_us=now_us))
        put_mark(connection, BEGINS, max(mark(connection, BEGINS), row["until_us"] + 1))
        left = sa.select(sa.func.min(FILE.c.first)).where(FILE.c.gone_us == 0)
        first = connection.execute(left).scalar() or row["last"] + 1
        connection.execute(ALWAYS.delete().where(ALWAYS.c.position < first))

    await filing.opened.run(record)
    return int(row["rows"]) - sum(int(one["rows"]) for _, one in files)


def _forget_nobody(connection: Connection) -> None:
    """How those stood who are gone, and of whom no row is left: ids that come and go would add up
    for ever."""
    firsts = (
        connection.execute(sa.select(sa.func.min(FILE.c.first)).where(FILE.c.gone_us == 0)),
        connection.execute(sa.select(sa.func.min(PACK.c.first))),
    )
    known = [first for found in firsts if (first := found.scalar()) is not None]
    if known:
        rule = (STAND.c.position < min(known), STAND.c.told == NOBODY)
        connection.execute(STAND.delete().where(*rule))


def _forget_sums(connection: Connection, retention: Retention, now_us: int) -> None:
    """Sums whose last value arrived too long ago, by the types the entity had then."""
    known = connection.execute(sa.select(ROLLUP.c.types).distinct()).scalars().all()
    for told in known:
        kept = retention.of(orjson.loads(told))
        for level, name in LEVELS.items():
            days = getattr(kept, name)
            if days:
                rule = (ROLLUP.c.level == level, ROLLUP.c.types == told)
                old = ROLLUP.c.until_us < now_us - days * DAY_US
                connection.execute(ROLLUP.delete().where(*rule, old))
