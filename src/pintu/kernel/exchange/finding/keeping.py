"""What the finder writes and reads of its tables; plain functions of a connection."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.exchange.catalogue_measured import Measured
from pintu.kernel.exchange.finding.tables import DAY, FOUND, KEPT, MEASURED, SKETCH
from pintu.kernel.exchange.finding.words import Day, Finding, Sketch, Twin
from pintu.kernel.tables import put_rows

KEPT_MEASURED: Final = 30  # of one data set
KEPT_DAYS: Final = 3_660
MOST_GONE: Final = 5_000


def salt(connection: Connection) -> bytes:
    """The node's own salt, made when it is first asked for."""
    row = connection.execute(sa.select(KEPT.c.value).where(KEPT.c.name == "salt")).first()
    if row is not None:
        return bytes(row.value)
    made = secrets.token_bytes(32)
    put_rows(connection, KEPT, [{"name": "salt", "value": made}])
    return made


def keep_salt(connection: Connection, value: bytes) -> None:
    """Another salt, agreed with other nodes: what was measured under the old one is of no use."""
    put_rows(connection, KEPT, [{"name": "salt", "value": value}])
    connection.execute(SKETCH.delete())


def used(connection: Connection) -> dict[str, int]:
    """Data set → when it was last seen to be used."""
    row = connection.execute(sa.select(KEPT.c.value).where(KEPT.c.name == "used")).first()
    return msgspec.json.decode(row.value, type=dict[str, int]) if row is not None else {}


def keep_used(connection: Connection, told: Mapping[str, int]) -> None:
    """As `used` says it."""
    put_rows(connection, KEPT, [{"name": "used", "value": msgspec.json.encode(dict(told))}])


def keep_measured(connection: Connection, measured: Measured, sketch: Sketch) -> None:
    """What was measured of one data set now; the last thirty stay."""
    put_rows(connection, MEASURED, [{
        "data_set": measured.data_set, "at_us": measured.at_us,
        "body": msgspec.json.encode(measured),
    }])  # fmt: skip
    keep_sketch(connection, sketch)
    mine = MEASURED.c.data_set == measured.data_set
    kept = (
        sa.select(MEASURED.c.at_us).where(mine).order_by(MEASURED.c.at_us.desc())
        .limit(1).offset(KEPT_MEASURED)
    )  # fmt: skip
    oldest = connection.execute(kept).scalar()
    if oldest is not None:
        connection.execute(MEASURED.delete().where(mine, MEASURED.c.at_us <= oldest))


def keep_sketch(connection: Connection, sketch: Sketch) -> None:
    """One data set's sketch, ours or another node's."""
    put_rows(connection, SKETCH, [{
        "data_set": sketch.name, "node": sketch.node, "at_us": sketch.at_us,
        "body": msgspec.msgpack.encode(sketch),
    }])  # fmt: skip


def drop_sketches(connection: Connection, names: Sequence[str]) -> None:
    """Data sets that are gone."""
    for name in names:
        connection.execute(SKETCH.delete().where(SKETCH.c.data_set == name))


def keep_found(
    connection: Connection, what: str, found: Sequence[Twin] | Sequence[Finding], now_us: int
) -> None:
    """What is so now; what was so before and is not among it ends now."""
    rows = [
        {
            "what": what, "id": one.id, "since_us": one.since_us, "seen_us": one.seen_us,
            "gone_us": 0, "body": msgspec.json.encode(one),
        }
        for one in found
    ]  # fmt: skip
    mine = FOUND.c.what == what
    ended = FOUND.update().where(mine, FOUND.c.gone_us == 0).values(gone_us=now_us)
    connection.execute(ended)
    put_rows(connection, FOUND, rows)
    old = (
        sa.select(FOUND.c.gone_us).where(mine, FOUND.c.gone_us > 0)
        .order_by(FOUND.c.gone_us.desc()).limit(1).offset(MOST_GONE)
    )  # fmt: skip
    oldest = connection.execute(old).scalar()
    if oldest is not None:
        connection.execute(FOUND.delete().where(mine, FOUND.c.gone_us.between(1, oldest)))


def keep_day(connection: Connection, day: Day) -> None:
    """The row of a day; the last one of a day stays."""
    put_rows(connection, DAY, [{"day": day.day, "body": msgspec.json.encode(day)}])
    count = connection.execute(sa.select(sa.func.count()).select_from(DAY)).scalar_one()
    if count > KEPT_DAYS:
        first = connection.execute(sa.select(sa.func.min(DAY.c.day))).scalar_one()
        connection.execute(DAY.delete().where(DAY.c.day == first))
