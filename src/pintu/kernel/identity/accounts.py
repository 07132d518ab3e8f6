"""Rows of people and organisations: one transaction each, read again by what changed."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import AlreadyExists, BadRequestData
from pintu.kernel.identity.people_schema import ORGANISATION, PERSON
from pintu.kernel.identity.words import Organisation, Person
from pintu.kernel.tables import put_rows

T = TypeVar("T")

MOST_PEOPLE = 1_000_000
MOST_ORGANISATIONS = 10_000


def next_change(connection: Connection, table: sa.Table) -> int:
    """The number of a change of a table; writing transactions of a room never overlap."""
    return int(connection.execute(sa.select(sa.func.max(table.c.changed))).scalar() or 0) + 1


def changed_since(
    connection: Connection, table: sa.Table, kind: type[T], seen: int
) -> tuple[int, list[T]]:
    """(the newest change, what changed after `seen`)."""
    query = sa.select(table.c.told, table.c.changed).where(table.c.changed > seen)
    found = connection.execute(query).all()
    newest = max((row.changed for row in found), default=seen)
    return newest, [msgspec.json.decode(row.told, type=kind) for row in found]


def put_told(connection: Connection, table: sa.Table, one: Any, **more: Any) -> None:
    """Keep a struct under its id."""
    row = {"id": one.id, "told": msgspec.json.encode(one)}
    put_rows(connection, table, [{**row, **more, "changed": next_change(connection, table)}])


def put_organisation(connection: Connection, organisation: Organisation, *, new: bool) -> None:
    """Keep an organisation; AlreadyExists, BadRequestData when there are too many."""
    if new:
        same = sa.select(ORGANISATION.c.id).where(ORGANISATION.c.id == organisation.id)
        if connection.execute(same).first() is not None:
            raise AlreadyExists(f"Organisation {organisation.id!r} exists already")
        room_for(connection, ORGANISATION, MOST_ORGANISATIONS)
    put_told(connection, ORGANISATION, organisation)


def add_person(connection: Connection, person: Person, now_us: int) -> None:
    """Keep a new account; AlreadyExists for a login that is taken."""
    same = sa.select(PERSON.c.id).where(
        sa.or_(PERSON.c.id == person.id, PERSON.c.login == person.login)
    )
    if connection.execute(same).first() is not None:
        raise AlreadyExists(f"The login {person.login!r} is taken")
    room_for(connection, PERSON, MOST_PEOPLE)
    put_told(connection, PERSON, person, login=person.login, created_us=now_us)


def update_person(connection: Connection, person: Person) -> None:
    """Keep an account that changed."""
    change = PERSON.update().where(PERSON.c.id == person.id)
    number = next_change(connection, PERSON)
    connection.execute(change.values(told=msgspec.json.encode(person), changed=number))


def room_for(connection: Connection, table: sa.Table, most: int) -> None:
    """BadRequestData when a table holds as many rows as it may."""
    if connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one() >= most:
        raise BadRequestData(f"There are {most} of {table.name} already: that is the limit")
