"""Crews, who is in them and when they work: rows, called inside one transaction.

Who is in a crew decides what a person may do on a phone, and is used for nothing else: nothing here
counts what anybody did.
"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, ResourceNotFound
from pintu.kernel.operations.orders.schema import CREW, MEMBER, SHIFT
from pintu.kernel.operations.orders.words import Crew, Shift
from pintu.kernel.tables import put_rows

LONGEST_SHIFT_US = 36 * 3_600_000_000


def get(connection: Connection, id: str) -> Crew:
    """One crew; ResourceNotFound when there is none."""
    row = connection.execute(sa.select(CREW.c.body).where(CREW.c.id == id)).first()
    if row is None:
        raise ResourceNotFound(f"Crew {id[:60]} does not exist")
    return msgspec.json.decode(row.body.encode(), type=Crew)


def of_tenant(connection: Connection, tenant: str) -> list[Crew]:
    """Every crew of a tenant, by id."""
    asked = sa.select(CREW.c.body).where(CREW.c.tenant == tenant).order_by(CREW.c.id)
    return [msgspec.json.decode(row.body.encode(), type=Crew) for row in connection.execute(asked)]


def save(connection: Connection, crew: Crew) -> None:
    """Keep a crew, new or changed."""
    body = msgspec.json.encode(crew).decode()
    put_rows(connection, CREW, [{"id": crew.id, "tenant": crew.tenant, "body": body}])


def members(connection: Connection, crew: str) -> list[str]:
    """The accounts of a crew's people."""
    asked = sa.select(MEMBER.c.person).where(MEMBER.c.crew == crew).order_by(MEMBER.c.person)
    return list(connection.execute(asked).scalars())


def set_members(connection: Connection, crew: str, persons: list[str]) -> None:
    """These people and nobody else are in a crew."""
    connection.execute(MEMBER.delete().where(MEMBER.c.crew == crew))
    put_rows(connection, MEMBER, [{"crew": crew, "person": one} for one in sorted(set(persons))])


def of_person(connection: Connection, person: str) -> list[str]:
    """The crews somebody is in."""
    if not person:
        return []
    asked = sa.select(MEMBER.c.crew).where(MEMBER.c.person == person).order_by(MEMBER.c.crew)
    return list(connection.execute(asked).scalars())


def add_shift(connection: Connection, shift: Shift) -> Shift:
    """Keep a shift; BadRequestData when it ends before it begins, lasts longer than 36 hours or
    lies over another of the same crew."""
    if not 0 < shift.until_us - shift.since_us <= LONGEST_SHIFT_US:
        raise BadRequestData("A shift lasts up to 36 hours and ends after it begins")
    get(connection, shift.crew)
    over = sa.select(SHIFT.c.number).where(
        SHIFT.c.crew == shift.crew,
        SHIFT.c.since_us < shift.until_us,
        SHIFT.c.until_us > shift.since_us,
    )
    if connection.execute(over).first() is not None:
        raise BadRequestData(f"Crew {shift.crew} has a shift at that time already")
    done = connection.execute(
        SHIFT.insert().values(crew=shift.crew, since_us=shift.since_us, until_us=shift.until_us)
    )
    number = int(done.inserted_primary_key[0]) if done.inserted_primary_key else 0
    return msgspec.structs.replace(shift, number=number)


def drop_shift(connection: Connection, crew: str, number: int) -> None:
    """Forget a shift; nothing when there is none."""
    gone = SHIFT.delete().where(SHIFT.c.crew == crew, SHIFT.c.number == number)
    connection.execute(gone)


def shifts(connection: Connection, crew: str, since_us: int, until_us: int) -> list[Shift]:
    """A crew's shifts that touch a span, in order."""
    asked = (
        sa.select(SHIFT)
        .where(SHIFT.c.crew == crew, SHIFT.c.since_us < until_us, SHIFT.c.until_us > since_us)
        .order_by(SHIFT.c.since_us)
        .limit(500)
    )
    return [Shift(**row) for row in connection.execute(asked).mappings()]


def on_shift(connection: Connection, tenant: str, at_us: int) -> set[str]:
    """The crews that work at an instant. One for which no shift was ever planned is always on
    call: a town need not plan shifts."""
    working = sa.select(SHIFT.c.crew).where(SHIFT.c.since_us <= at_us, SHIFT.c.until_us > at_us)
    planned = sa.select(SHIFT.c.crew)
    asked = sa.select(CREW.c.id).where(
        CREW.c.tenant == tenant, CREW.c.id.in_(working) | CREW.c.id.not_in(planned)
    )
    return set(connection.execute(asked).scalars())
