"""Break-glass: an emergency's look at what somebody may not see otherwise, never in silence.

The row of the log comes first, then every auditor's notice, then the glass is open: whoever can
stop one of the first two has stopped the third. It closes by itself, and waits for a judgement.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from pintu.kernel.access import Actor
from pintu.kernel.access.audited import Entry
from pintu.kernel.access.reasons import check_reason
from pintu.kernel.errors import (
    BadRequestData,
    Forbidden,
    ResourceNotFound,
    StateConflict,
    Unavailable,
)
from pintu.kernel.identity.accounts import put_told
from pintu.kernel.identity.notices import Notices
from pintu.kernel.identity.people import People
from pintu.kernel.identity.people_schema import GLASS
from pintu.kernel.identity.words import CITY, Glass

MINUTE_US: Final = 60_000_000
MOST_MINUTES: Final = 60
MAY_BREAK: Final = frozenset(("officer", "owner", "deputy", "steward", "clerk"))


class BreakGlass:
    """Opens, closes and judges; what is open, `People` knows."""

    def __init__(self, people: People, notices: Notices) -> None:
        self._people, self._notices = people, notices

    async def open_glass(
        self, actor: Actor, purpose: str, reason: str, minutes: int = 15, *, strong: bool
    ) -> Glass:
        """Open the glass for a person for up to 60 minutes; every auditor hears of it.

        `strong`: they proved again, minutes ago, who they are (`Browsers.is_strong`). Forbidden
        without that or for who is no member of an organisation; BadRequestData for a reason that
        is none; StateConflict while one is open; Unavailable when the log cannot be written.
        """
        if not actor.person or not actor.roles & MAY_BREAK:
            raise Forbidden("Only a member of an organisation may break the glass")
        if not strong:
            raise Forbidden("Sign in again before you break the glass", again=True)
        told = check_reason(reason)
        if not 1 <= len(purpose) <= 100 or not purpose.isprintable():
            raise BadRequestData("Breaking the glass needs a purpose")
        if not 1 <= minutes <= MOST_MINUTES:
            raise BadRequestData(f"The glass is open for 1 to {MOST_MINUTES} minutes")
        if actor.broken_glass:
            raise StateConflict("The glass is open already")
        if not any(one.id != actor.person for one in self._people.members("", "auditor")):
            raise StateConflict("The glass stays whole where no auditor would hear of it")
        audit = self._people.audit
        if audit is None:
            raise Unavailable("There is no log here, so the glass stays whole")
        entry = _entry("opened", actor, Glass(
            id="", person=actor.person, organisation=actor.organisation, purpose=purpose,
            reason=told, opened_us=0, until_us=0, row=0,
        ), minutes=str(minutes))  # fmt: skip
        receipt = await audit.enter(entry)
        await self._alert(actor, told, receipt.number)
        now_us = self._people.clock.now_us()
        glass = Glass(
            id=str(receipt.number),
            person=actor.person,
            organisation=actor.organisation,
            purpose=purpose,
            reason=told,
            opened_us=now_us,
            until_us=now_us + minutes * MINUTE_US,
            row=receipt.number,
        )
        await self._keep(glass)
        return glass

    async def _alert(self, actor: Actor, reason: str, number: int) -> None:
        who = self._people.name_of(actor.person)
        where = self._people.name_of(actor.organisation)
        await self._notices.tell(
            "auditor@*",
            "glass",
            {
                "zh": f"{who}（{where}）启用了应急查看：{reason}",
                "en": f"{who} ({where}) broke the glass: {reason}",
            },
            link=f"/glass/{number}",
            key=f"glass/{number}",
        )

    async def close(self, actor: Actor) -> Glass:
        """Close the glass of somebody before its time; StateConflict when it is whole."""
        glass = self._people.find_glass(actor.broken_glass)
        now_us = self._people.clock.now_us()
        if glass is None or glass.person != actor.person or not glass.holds(now_us):
            raise StateConflict("The glass is not open")
        await self._write("closed", actor, glass)
        closed = msgspec.structs.replace(glass, closed_us=now_us)
        await self._keep(closed)
        return closed

    async def judge(
        self, actor: Actor, id: str, judgement: Literal["justified", "unjustified"], note: str
    ) -> Glass:
        """An auditor's word on one that is over, once; never on their own.

        Forbidden for anybody else, ResourceNotFound, StateConflict while it is open or judged,
        BadRequestData for a note that says nothing.
        """
        glass = self._people.find_glass(id)
        if glass is None or not self.may_see(actor, glass):
            raise ResourceNotFound(f"No glass {id[:40]!r} was broken")
        its = actor.organisation in (CITY, glass.organisation)
        if not its or "auditor" not in actor.roles or actor.person == glass.person:
            raise Forbidden("Only an auditor judges, and never their own breaking of the glass")
        if judgement not in ("justified", "unjustified"):
            raise BadRequestData("A judgement is justified or unjustified")
        now_us = self._people.clock.now_us()
        if glass.holds(now_us) or glass.judgement:
            raise StateConflict("This glass is still open, or was judged already")
        told = check_reason(note)
        judged = msgspec.structs.replace(
            glass, judgement=judgement, judged_by=actor.person, judged_us=now_us, note=told
        )
        await self._write(f"judged {judgement}", actor, judged)
        await self._keep(judged)
        said = {"justified": "理由成立", "unjustified": "理由不成立"}[judgement]
        text = {
            "zh": f"您的应急查看已由审计员判定：{said}",
            "en": f"An auditor judged your breaking of the glass: {judgement}",
        }
        await self._notices.tell(glass.person, "glass", text, link=f"/glass/{glass.id}")
        return judged

    def may_see(self, actor: Actor, glass: Glass) -> bool:
        """The person themself, every auditor, and the owners of the organisation."""
        if actor.person and actor.person == glass.person:
            return True
        if "auditor" in actor.roles:
            return True
        return "owner" in actor.roles and actor.organisation == glass.organisation

    def list_for(self, actor: Actor) -> list[Glass]:
        """Every breaking of the glass somebody may know of, newest first."""
        return [one for one in self._people.glasses() if self.may_see(actor, one)]

    async def _keep(self, glass: Glass) -> None:
        await self._people.tables.run(
            lambda connection: put_told(connection, GLASS, glass, person=glass.person)
        )
        self._people.look(always=True)

    async def _write(self, deed: str, actor: Actor, glass: Glass) -> None:
        audit = self._people.audit
        if audit is None:
            raise Unavailable("There is no log here")
        await audit.enter(_entry(deed, actor, glass, number=glass.id))


def _entry(deed: str, actor: Actor, glass: Glass, **detail: str) -> Entry:
    return Entry(
        what="glass",
        deed=deed,
        actor=actor.id,
        person=glass.person,
        organisation=glass.organisation,
        purpose=glass.purpose,
        reason=glass.reason,
        detail=detail,
    )
