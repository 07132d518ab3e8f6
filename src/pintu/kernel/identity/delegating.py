"""Delegation: a parent, a carer or a firm's employee acts for somebody else, as far as granted.

What an officer grants opens a person's own record to somebody else, wherever it is kept: so it is
never granted in silence. Every auditor and the person themself, where they have an account, hear
of it before it holds.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from pintu.kernel.access import Actor
from pintu.kernel.access.audited import Entry
from pintu.kernel.access.reasons import check_reason
from pintu.kernel.errors import BadRequestData, Forbidden, ResourceNotFound, StateConflict
from pintu.kernel.identity.accounts import put_told
from pintu.kernel.identity.notices import Notices
from pintu.kernel.identity.people import People
from pintu.kernel.identity.people_schema import DELEGATION
from pintu.kernel.identity.words import Delegation

SCOPES: Final = ("look", "object", "consent")
KINDS: Final = ("parent", "carer", "company", "guardian")
GRANTS: Final = frozenset(("officer", "owner", "steward"))
LONGEST_US: Final = 5 * 366 * 86_400_000_000
MOST: Final = 50
GRANTED: Final = {"zh": "您现在可以代他人办理", "en": "You may act for somebody else now"}
ENDED: Final = {"zh": "您不再代他人办理", "en": "You no longer act for somebody else"}


class Delegations:
    """Grants and ends; what holds, `People` knows (`delegations`)."""

    def __init__(self, people: People, notices: Notices) -> None:
        self._people, self._notices = people, notices

    async def grant(self, actor: Actor, wish: Delegation) -> Delegation:
        """Let `wish.to_person` act for the subject; id, time and who granted it are set here.

        By the subject themself, or by an officer, owner or steward (not of a firm) with a reason,
        never to themself. Forbidden, BadRequestData, ResourceNotFound for an account there is none
        of.
        """
        person = self._people.get_person(wish.to_person)
        own = self._is_subject(actor, wish.from_subject)
        if not own and not (actor.person and actor.roles & GRANTS):
            raise Forbidden("Only the person themself or an officer may let somebody act for them")
        house = self._people.find_organisation(actor.organisation)
        if not own and (house is None or house.kind == "firm"):
            raise Forbidden("A firm lets nobody act for others")
        if person.id == actor.person:
            raise Forbidden("Nobody lets themself act for somebody else")
        now_us = self._people.clock.now_us()
        if wish.kind not in KINDS or not wish.scopes or not set(wish.scopes) <= set(SCOPES):
            raise BadRequestData(f"A delegation is one of {KINDS} with some of {SCOPES}")
        if not now_us < wish.until_us <= now_us + LONGEST_US:
            raise BadRequestData("A delegation ends within five years, and not in the past")
        if not 8 <= len(wish.from_subject) <= 200 or not wish.from_subject.isprintable():
            raise BadRequestData("A delegation names whom it is about")
        if len(self.holding(person.id)) >= MOST:
            raise BadRequestData(f"Somebody acts for at most {MOST} others")
        made = msgspec.structs.replace(
            wish,
            id=secrets.token_hex(6),
            to_person=person.id,
            since_us=now_us,
            proved_by=actor.id,
            reason=check_reason(wish.reason),
            ended_us=0,
            ended_by="",
        )
        await self._write("delegation granted", actor, made)
        if not own:
            await self._alert(actor, made)
        await self._keep(made)
        await self._notices.tell(person.id, "delegation", GRANTED, link="/account")
        return made

    async def _alert(self, actor: Actor, made: Delegation) -> None:
        names = [self._people.name_of(one) for one in (actor.id, made.to_person)]
        text = {
            "zh": f"{names[0]}授权{names[1]}代他人办理：{made.reason}",
            "en": f"{names[0]} lets {names[1]} act for somebody else: {made.reason}",
        }
        key = f"delegation/{made.id}"
        await self._notices.tell("auditor@*", "delegation", text, link="/auditing", key=key)
        for person in self._people.list_people():
            if person.subject and person.subject == made.from_subject and not person.disabled:
                told = {
                    "zh": f"{names[0]}授权{names[1]}代您办理。如有疑问，请联系该单位",
                    "en": f"{names[0]} lets {names[1]} act for you. If in doubt ask there",
                }
                link = "/account"
                await self._notices.tell(person.id, "delegation", told, link=link, key=f"{key}/own")

    async def end(self, actor: Actor, id: str, reason: str) -> Delegation:
        """End a delegation: the subject, whoever acts by it, who granted it, or an officer of that
        kind. ResourceNotFound, Forbidden, StateConflict when it has ended."""
        found = next((one for one in self._people.delegations() if one.id == id), None)
        if found is None:
            raise ResourceNotFound(f"Delegation {id[:40]!r} does not exist")
        mine = actor.person == found.to_person or actor.id == found.proved_by
        if not (
            mine
            or self._is_subject(actor, found.from_subject)
            or (actor.person and actor.roles & GRANTS)
        ):
            raise Forbidden("This delegation is not yours to end")
        if not found.holds(self._people.clock.now_us()):
            raise StateConflict("This delegation has ended already")
        ended = msgspec.structs.replace(
            found,
            ended_us=self._people.clock.now_us(),
            ended_by=actor.id,
            reason=check_reason(reason),
        )
        await self._write("delegation ended", actor, ended)
        await self._keep(ended)
        await self._notices.tell(found.to_person, "delegation", ENDED, link="/account")
        return ended

    def holding(self, person: str) -> list[Delegation]:
        """Those by which somebody acts now."""
        now_us = self._people.clock.now_us()
        return [one for one in self._people.delegations(person=person) if one.holds(now_us)]

    def may(self, person: str, subject: str, scope: str) -> bool:
        """Whether a person may do that for the subject of a digest now."""
        return any(
            one.from_subject == subject and scope in one.scopes for one in self.holding(person)
        )

    def _is_subject(self, actor: Actor, subject: str) -> bool:
        person = self._people.find_person(actor.person) if actor.person else None
        return person is not None and bool(person.subject) and person.subject == subject

    async def _keep(self, one: Delegation) -> None:
        await self._people.tables.run(
            lambda connection: put_told(connection, DELEGATION, one, person=one.to_person)
        )
        self._people.look(always=True)

    async def _write(self, deed: str, actor: Actor, one: Delegation) -> None:
        if self._people.audit is not None:
            entry = Entry(
                what="identity",
                deed=deed,
                actor=actor.id,
                person=one.to_person,
                organisation=actor.organisation,
                reason=one.reason,
                subjects=(one.from_subject,),
                detail={"kind": one.kind, "scopes": " ".join(one.scopes)},
            )
            await self._people.audit.enter(entry)
