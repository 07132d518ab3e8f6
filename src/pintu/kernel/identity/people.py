"""People and organisations of this city, in memory: who is who, and in whose name they act."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.access.audited import AuditLog, Entry
from pintu.kernel.clock import CityClock, Clock
from pintu.kernel.errors import (
    AlreadyExists,
    BadRequestData,
    PintuError,
    ResourceNotFound,
    Unavailable,
)
from pintu.kernel.identity import accounts
from pintu.kernel.identity.citizens import read_credit_code, read_name
from pintu.kernel.identity.people_schema import DELEGATION, GLASS, ORGANISATION, PERSON, TABLES
from pintu.kernel.identity.roles import ADMIN, acting_for, grants_of, roles_in
from pintu.kernel.identity.words import (
    CITY,
    ROLES,
    Delegation,
    Glass,
    Membership,
    Organisation,
    Person,
)
from pintu.kernel.tables import CityTables

log = logging.getLogger("pintu.identity")

LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{1,63}")
ORGANISATION_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,62}")
TENANT: Final = re.compile(r"[A-Za-z0-9_.-]{0,64}")
MOST_MEMBERSHIPS: Final = 20
KINDS: Final[dict[sa.Table, type[Any]]] = {
    PERSON: Person,
    ORGANISATION: Organisation,
    DELEGATION: Delegation,
    GLASS: Glass,
}


class People:
    """Every account and organisation; what is asked never waits for a disk.

    What another process changed is seen within 0.2 s, as `Identity` looks. Deeds are written to
    the audit log first, where there is one: no change without its row.
    """

    def __init__(self, tables: CityTables, clock: Clock, *, shown: str = "") -> None:
        """`shown` is the tenant of the city's screens, "" for the default one."""
        self.clock = CityClock() if getattr(clock, "rate", 1.0) != 1.0 else clock
        self.tables = tables.register(TABLES)
        self.audit: AuditLog | None = None
        self._shown = shown
        self._version = -1
        self._seen = dict.fromkeys(KINDS, 0)
        self._people: dict[str, Person] = {}
        self._logins: dict[str, str] = {}
        self._organisations: dict[str, Organisation] = {}
        self._delegations: dict[str, Delegation] = {}
        self._glasses: dict[str, Glass] = {}
        self._open_glass: dict[str, Glass] = {}  # person → the newest
        self._actors: dict[tuple[str, str, bool], Actor] = {}
        self._own: set[str] = set()  # what this process is changing at the moment
        self._noting: set[asyncio.Task[None]] = set()
        self.look(always=True)

    # --- in memory --------------------------------------------------------------------------------
    def look(self, *, always: bool = False) -> None:
        """Read what anybody changed since; costs microseconds when nobody did."""
        version = self.tables.data_version()
        if version == self._version and not always:
            return
        read: dict[sa.Table, tuple[int, list[Any]]]
        try:
            read = self.tables.read_now(
                lambda connection: {
                    table: accounts.changed_since(connection, table, kind, self._seen[table])
                    for table, kind in KINDS.items()
                }
            )
        except Unavailable:
            if self._version == -1:  # nothing was ever read
                raise
            return
        if self._version != -1 and self.audit is not None:
            self._note_others(
                [one.id for table in (PERSON, ORGANISATION) for one in read[table][1]]
            )
        self._version = version
        for table, (newest, _) in read.items():
            self._seen[table] = newest
        for person in read[PERSON][1]:
            self._people[person.id] = person
            self._logins[person.login] = person.id
        self._organisations |= {one.id: one for one in read[ORGANISATION][1]}
        self._delegations |= {one.id: one for one in read[DELEGATION][1]}
        self._glasses |= {one.id: one for one in read[GLASS][1]}
        now_us = self.clock.now_us()
        if read[GLASS][1]:
            still = (one for one in self._glasses.values() if one.holds(now_us))
            self._open_glass = {one.person: one for one in sorted(still, key=_opened)}
        self._actors.clear()

    def _note_others(self, changed: list[str]) -> None:
        """What the command line changed is in the log too, as soon as it is seen: the log is the
        running city's, no other process writes to it."""
        for id in changed:
            if id not in self._own:
                task = asyncio.ensure_future(self._note_other(id))
                self._noting.add(task)
                task.add_done_callback(self._noting.discard)

    async def _note_other(self, id: str) -> None:
        try:
            await self.note("changed from the command line", by="command line", person=id)
        except PintuError as error:
            log.error("A change of %s could not be written to the log: %s", id, error)

    def find_person(self, id: str) -> Person | None:
        """An account by its id (`person:ID` is understood too)."""
        return self._people.get(id.removeprefix("person:"))

    def find_login(self, login: str) -> Person | None:
        """An account by its login, in any case of letters."""
        return self._people.get(self._logins.get(plain_login(login), ""))

    def list_people(self) -> list[Person]:
        """Every account, by login; the disabled ones too."""
        return sorted(self._people.values(), key=lambda one: one.login)

    def find_organisation(self, id: str) -> Organisation | None:
        """One of our organisations."""
        return self._organisations.get(id)

    def organisations(self) -> list[Organisation]:
        """Every organisation, by id."""
        return sorted(self._organisations.values(), key=lambda one: one.id)

    def members(self, organisation: str, role: str = "") -> list[Person]:
        """Who belongs to an organisation (as what, when told), or to any for ""; nobody who is
        disabled."""
        return [
            one
            for one in self.list_people()
            if not one.disabled
            and any(
                organisation in ("", its.organisation) and role in ("", its.role)
                for its in one.memberships
            )
        ]

    def name_of(self, id: str) -> str:
        """What to call `person:ID`, a person's id or an organisation; others by what was given."""
        person = self.find_person(id)
        if person is not None:
            return person.name
        found = self._organisations.get(id)
        return id if found is None else found.name.get("zh") or found.name.get("en") or id

    def actor(self, person: str, wish: str, local: bool) -> Actor | None:
        """Somebody signed in who acts for an organisation of theirs; None when they may not."""
        glass = self._open_glass.get(person)
        if glass is not None and not glass.holds(self.clock.now_us()):
            del self._open_glass[person]
            self._actors.clear()
            glass = None
        key = (person, wish, local)
        found = self._actors.get(key)
        if found is None:
            known = self._people.get(person)
            if known is None or known.disabled:
                return None
            if len(self._actors) > 10_000:
                self._actors.clear()
            found = self._actors[key] = self._actor(known, wish, local, glass)
        return found

    def _actor(self, person: Person, wish: str, local: bool, glass: Glass | None) -> Actor:
        organisation = acting_for(person, wish)
        roles = roles_in(person, organisation)
        return Actor(
            id=f"person:{person.id}",
            kind="person",
            grants=grants_of(self._organisations.get(organisation), roles, self._shown),
            local=local,
            person=person.id,
            organisation=organisation,
            roles=roles,
            broken_glass="" if glass is None else glass.id,
        )

    def glasses(self) -> list[Glass]:
        """Every breaking of the glass, newest first."""
        return sorted(self._glasses.values(), key=_opened, reverse=True)

    def find_glass(self, id: str) -> Glass | None:
        """One of them."""
        return self._glasses.get(id)

    def delegations(self, *, person: str = "", subject: str = "") -> list[Delegation]:
        """Delegations to a person, about a subject, or all; ended ones too, newest first."""
        found = [
            one
            for one in self._delegations.values()
            if person in ("", one.to_person) and subject in ("", one.from_subject)
        ]
        return sorted(found, key=lambda one: one.since_us, reverse=True)

    def theirs(self, actor: Actor, subject: str) -> str:
        """On which basis somebody may look at the record of a person (the keyed digest): "own",
        "delegation ID" for who acts for that person, "" for everybody else."""
        person = self.find_person(actor.person) if actor.person else None
        if person is None or person.disabled or not subject:
            return ""
        if person.subject == subject:
            return "own"
        now_us = self.clock.now_us()
        for one in self.delegations(person=person.id, subject=subject):
            if one.holds(now_us) and "look" in one.scopes:
                return f"delegation {one.id}"
        return ""

    # --- deeds ------------------------------------------------------------------------------------
    async def note(self, deed: str, *, by: str, person: str = "", **detail: str) -> None:
        """Write a deed to the log where there is one; Unavailable when it cannot be written."""
        if self.audit is not None:
            entry = Entry(what="identity", deed=deed, actor=by, person=person, detail=detail)
            await self.audit.enter(entry)

    async def create_organisation(
        self, organisation: Organisation, *, by: str = ""
    ) -> Organisation:
        """Keep a new organisation; BadRequestData names what is wrong, AlreadyExists."""
        self._checked_organisation(organisation)
        if organisation.id in self._organisations:
            raise AlreadyExists(f"Organisation {organisation.id!r} exists already")
        await self.note("organisation created", by=by, organisation=organisation.id)
        await self._change(
            organisation.id, lambda c: accounts.put_organisation(c, organisation, new=True)
        )
        return organisation

    async def change_organisation(
        self, organisation: Organisation, *, by: str = ""
    ) -> Organisation:
        """Keep what is said of an organisation now; ResourceNotFound, BadRequestData."""
        if organisation.id not in self._organisations:
            raise ResourceNotFound(f"Organisation {organisation.id!r} does not exist")
        self._checked_organisation(organisation)
        await self.note("organisation changed", by=by, organisation=organisation.id)
        await self._change(
            organisation.id, lambda c: accounts.put_organisation(c, organisation, new=False)
        )
        return organisation

    def _checked_organisation(self, one: Organisation) -> None:
        wrong = []
        if not ORGANISATION_ID.fullmatch(one.id):
            wrong.append(f"id {one.id[:80]!r} is not of small letters, digits and hyphens")
        for text in one.name.values():
            if not 1 <= len(text) <= 200 or not text.isprintable():
                wrong.append("a name needs 1 to 200 printable characters")
        if not one.name:
            wrong.append("it has no name")
        if one.code and read_credit_code(one.code) is None:
            wrong.append(f"{one.code[:40]!r} is no unified social credit code")
        if one.parent and (one.parent == one.id or one.parent not in self._organisations):
            wrong.append(f"its parent {one.parent[:80]!r} does not exist")
        if not all(TENANT.fullmatch(tenant) for tenant in one.tenants):
            wrong.append("a tenant's name has letters, digits, _, . and - only")
        if wrong:
            raise BadRequestData("An organisation cannot be kept: " + "; ".join(wrong))

    async def create_person(
        self,
        login: str,
        name: str,
        password: str | None = None,
        memberships: Iterable[Membership] = (),
        *,
        by: str = "",
    ) -> Person:
        """Make an account; without a password its owner comes in by passkey, OpenID or a link.

        BadRequestData for a login, name, membership or password that will not do, AlreadyExists.
        """
        from pintu.kernel.identity.passwords import check_password, hashed_password, put_password

        login, told = plain_login(login), tuple(memberships)
        if not LOGIN.fullmatch(login):
            raise BadRequestData(
                f"A login has 2 to 64 letters a-z, digits or ._@+-, not {login[:80]!r}"
            )
        if login in self._logins:
            raise AlreadyExists(f"The login {login!r} is taken")
        self._checked_memberships(told)
        person = Person(
            id=secrets.token_hex(6), login=login, name=read_name(name), memberships=told
        )
        kept = None
        if password is not None:
            check_password(password, login=login, name=person.name)
            kept = await hashed_password(password)
        await self.note("account created", by=by, person=person.id)
        now_us = self.clock.now_us()

        def work(connection: Connection) -> None:
            accounts.add_person(connection, person, now_us)
            if kept is not None:
                put_password(connection, person.id, kept, now_us)

        await self._change(person.id, work)
        return person

    def get_person(self, id: str) -> Person:
        """An account by its id; ResourceNotFound."""
        found = self.find_person(id)
        if found is None:
            raise ResourceNotFound(f"Account {id[:80]!r} does not exist")
        return found

    def _checked_memberships(self, told: tuple[Membership, ...]) -> None:
        if len(told) > MOST_MEMBERSHIPS or len(set(told)) != len(told):
            raise BadRequestData(
                f"An account has up to {MOST_MEMBERSHIPS} memberships, each named once"
            )
        for one in told:
            if one.role not in ROLES:
                raise BadRequestData(f"{one.role!r} is no role of an organisation")
            if one.organisation != CITY and one.organisation not in self._organisations:
                raise BadRequestData(f"Organisation {one.organisation[:80]!r} does not exist")
            if one.role == ADMIN and one.organisation != CITY:
                raise BadRequestData("Only the city has an administrator")

    async def set_memberships(
        self, person: str, memberships: Iterable[Membership], *, by: str = ""
    ) -> Person:
        """What somebody is from now on, in every organisation."""
        told = tuple(memberships)
        self._checked_memberships(told)
        roles = ", ".join(f"{one.role}@{one.organisation}" for one in told)
        return await self.change(person, "roles given", by=by, roles=roles, memberships=told)

    async def disable(self, person: str, *, by: str = "") -> Person:
        """Nobody signs in to this account, and who is signed in is nobody from now on."""
        return await self.change(person, "account disabled", by=by, disabled=True)

    async def enable(self, person: str, *, by: str = "") -> Person:
        """An account may be used again."""
        return await self.change(person, "account enabled", by=by, disabled=False)

    async def rename(self, person: str, name: str, *, by: str = "") -> Person:
        """What somebody is called."""
        return await self.change(person, "account renamed", by=by, name=read_name(name))

    async def prove(self, person: str, subject: str, *, by: str = "") -> Person:
        """An account belongs to the resident whose keyed digest is told."""
        return await self.change(person, "resident proved", by=by, subject=subject)

    async def change(
        self, id: str, deed: str, *, by: str, roles: str = "", **changes: object
    ) -> Person:
        """Keep an account with some members changed, after its row in the log."""
        self.get_person(id)
        detail = {"roles": roles} if roles else {}
        await self.note(deed, by=by, person=id, **detail)
        changed = msgspec.structs.replace(self.get_person(id), **changes)
        await self._change(id, lambda c: accounts.update_person(c, changed))
        return changed

    async def _change(self, id: str, work: Callable[[Connection], None]) -> None:
        self._own.add(id)
        try:
            await self.tables.run(work)
            self.look(always=True)
        finally:
            self._own.discard(id)


def plain_login(login: str) -> str:
    """A login as it is kept: small letters, no white space around."""
    return login.strip().casefold()[:80]


def _opened(glass: Glass) -> tuple[int, str]:
    return glass.opened_us, glass.id
