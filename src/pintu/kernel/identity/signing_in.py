"""Signing in: a password, a passkey, a link; each ends in a `Proof` that opens a session."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection

from pintu.kernel.access import Actor
from pintu.kernel.errors import BadRequestData, Forbidden, TooManyRequests, Unauthorized
from pintu.kernel.identity.browsers import Proof
from pintu.kernel.identity.notices import Notices
from pintu.kernel.identity.once import Once
from pintu.kernel.identity.passkeys import Passkeys
from pintu.kernel.identity.passwords import (
    check_password,
    hashed_password,
    kept_password,
    matches,
    put_password,
)
from pintu.kernel.identity.people import People, plain_login
from pintu.kernel.identity.roles import ADMIN, MAKES_PEOPLE
from pintu.kernel.identity.sign_in_schema import TABLES
from pintu.kernel.identity.waiting import Waiting, network_of
from pintu.kernel.identity.words import CITY, Person
from pintu.kernel.tables import CityTables

LINK_S: Final = 24 * 3600
KNOWN_S: Final = 180 * 86_400
MOST_AT_ONCE: Final = 32
WRONG: Final = "The login or the password is wrong"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who knocks: the address, the browser as it calls itself, and what it was given when it
    signed in before."""

    address: str
    label: str = ""
    known: str = ""


class SignIn:
    """Recognises people; `Identity.open_for_person` opens the session."""

    def __init__(self, tables: CityTables, people: People, notices: Notices) -> None:
        self.people, self.notices = people, notices
        self.tables = tables.register(TABLES)
        self.once = Once(self.tables, people.clock)
        self.passkeys = Passkeys(people, self.once)
        self.waiting = Waiting(self.tables, people.clock)
        self._at_once = 0

    async def by_password(self, login: str, password: str, caller: Caller) -> Proof:
        """Recognise somebody by login and password, as slowly for a login nobody has.

        Unauthorized says only that one of both is wrong; TooManyRequests, with seconds.
        """
        person = self.people.find_login(login)
        keys = [("address", network_of(caller.address))]
        if await self._knows(caller.known, person):
            keys = [("browser", caller.known)]
        else:
            keys.append(("account", plain_login(login)))
        if self._at_once >= MOST_AT_ONCE:
            raise TooManyRequests("Too many sign in at this moment", retryAfter=2)
        await self.waiting.count(*keys)
        right = await self._matches(person, password)
        if person is None or not right or person.disabled:
            raise Unauthorized(WRONG)
        await self.waiting.forgive(*keys)
        await self.people.note("signed in", by=f"person:{person.id}", person=person.id)
        return Proof(person=person.id, method="password", label=caller.label)

    async def _matches(self, person: Person | None, password: str) -> bool:
        self._at_once += 1
        try:
            kept = None
            if person is not None:
                id = person.id
                kept = await self.people.tables.read(lambda c: kept_password(c, id))
            return await matches(password, kept)
        finally:
            self._at_once -= 1

    async def _knows(self, known: str, person: Person | None) -> bool:
        if not known or person is None:
            return False
        kept = await self.once.look("known", known)
        return kept is not None and kept.person == person.id

    async def remember(self, person: str) -> str:
        """What a browser shows next time, so that strangers' failures do not keep it waiting."""
        return await self.once.make("known", KNOWN_S, person=person)

    async def has_password(self, person: str) -> bool:
        """Whether an account has a password."""
        return await self.people.tables.read(lambda c: kept_password(c, person)) is not None

    async def change_password(
        self, person: str, old: str, new: str, *, strong: bool = False
    ) -> None:
        """Another password, for who knows the old one, or has none and was recognised minutes ago.

        Unauthorized for a wrong old one (counted as when signing in), BadRequestData.
        """
        found = self.people.get_person(person)
        key = ("account", f"change {person}")
        if await self.has_password(person):
            await self.waiting.count(key)
            if not await self._matches(found, old):
                raise Unauthorized("The password until now is another")
            await self.waiting.forgive(key)
        elif not strong:
            raise Forbidden("Sign in again before you set a password", again=True)
        await self._set_password(found, new, by=f"person:{person}", deed="password changed")

    async def _set_password(self, person: Person, new: str, *, by: str, deed: str) -> None:
        check_password(new, login=person.login, name=person.name)
        kept = await hashed_password(new)
        now_us = self.people.clock.now_us()
        await self.people.note(deed, by=by, person=person.id)

        def work(connection: Connection) -> None:
            put_password(connection, person.id, kept, now_us)

        await self.people.tables.run(work)

    # --- links ------------------------------------------------------------------------------------
    def may_manage(self, actor: Actor, person: Person | None = None) -> bool:
        """Whether somebody makes accounts, and may manage this one: the administrator everybody,
        an owner whoever is nothing anywhere but in the owner's organisation."""
        if ADMIN in actor.grants or "*" in actor.grants:
            return True
        if not actor.person or not actor.roles & MAKES_PEOPLE or actor.organisation in ("", CITY):
            return False
        return person is None or (
            bool(person.memberships)
            and all(one.organisation == actor.organisation for one in person.memberships)
        )

    async def make_link(self, actor: Actor, person: str) -> str:
        """A code with which an account's owner sets a password, once, within a day; links made
        before are good no longer. Forbidden for who does not manage this account."""
        found = self.people.get_person(person)
        if not self.may_manage(actor, found):
            raise Forbidden("Only the administrator or the organisation's owner makes such a link")
        await self.people.note("sign-in link made", by=actor.id, person=found.id)
        await self.once.forget("recovery", found.id)
        return await self.once.make("recovery", LINK_S, person=found.id, by=actor.id)

    async def link_of(self, code: str) -> Person | None:
        """Whose link it is, without using it up; None when it is unknown, used or too old."""
        kept = await self.once.look("recovery", code)
        person = None if kept is None else self.people.find_person(kept.person)
        return None if person is None or person.disabled else person

    async def by_link(self, code: str, new: str, caller: Caller) -> Proof:
        """Set a password with a link and recognise its owner, who hears who made the link.

        Unauthorized for a link that is unknown, used or too old; BadRequestData for a password
        that will not do: the link stays good then.
        """
        person = await self.link_of(code)
        if person is None:
            await self.waiting.count(("address", network_of(caller.address)))
            raise Unauthorized("This link is unknown, used or older than a day")
        check_password(new, login=person.login, name=person.name)
        kept = await self.once.take("recovery", code)
        if kept is None:
            raise Unauthorized("This link is unknown, used or older than a day")
        by = kept.told.get("by", "")
        await self._set_password(person, new, by=by, deed="password set with a link")
        who = self.people.name_of(by)
        text = {
            "zh": f"您的密码已通过 {who} 生成的链接重新设置",
            "en": f"Your password was set with a link that {who} made",
        }
        await self.notices.tell(person.id, "account", text, link="/account")
        await self.waiting.forgive(("account", person.login))
        return Proof(person=person.id, method="link", label=caller.label)

    async def by_passkey(self, answer: str, site: tuple[str, str], caller: Caller) -> Proof:
        """Recognise somebody by a passkey's answer to a challenge of ours; `site` is (relying
        party, origin). Unauthorized, without a word on what was wrong."""
        person = await self.passkeys.recognise(answer, site)
        if person is None or person.disabled:
            await self.waiting.count(("address", network_of(caller.address)))
            raise Unauthorized("This passkey opens nothing here")
        await self.people.note("signed in", by=f"person:{person.id}", person=person.id)
        return Proof(person=person.id, method="passkey", label=caller.label)

    async def unlock(self, actor: Actor, person: str) -> None:
        """Let an account in again at once, after too many wrong passwords."""
        found = self.people.get_person(person)
        if not self.may_manage(actor, found):
            raise Forbidden("Only the administrator or the organisation's owner unlocks an account")
        await self.people.note("account unlocked", by=actor.id, person=found.id)
        await self.waiting.forgive(("account", found.login))

    def checked_name(self, name: str) -> str:
        """A passkey's name as it is kept; BadRequestData."""
        told = " ".join(name.split())
        if not 1 <= len(told) <= 60 or not told.isprintable():
            raise BadRequestData("A passkey's name has 1 to 60 printable characters")
        return told
