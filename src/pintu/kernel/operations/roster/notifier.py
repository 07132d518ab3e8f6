"""The notifier: says something to people by the ways they left, until it was taken or given up.

`send` returns once everything is written down; nothing that is sent waits for anything else than
its own endpoint. A crash repeats an attempt rather than losing it: every envelope carries a key.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
import sqlalchemy as sa
from sqlalchemy import Connection

from pintu.kernel.errors import BadRequestData, Forbidden, TooLarge
from pintu.kernel.operations.journal import Deed
from pintu.kernel.operations.roster import quiet, receipts
from pintu.kernel.operations.roster.book import Book, account, new_id
from pintu.kernel.operations.roster.roster import Roster
from pintu.kernel.operations.roster.schema import MESSAGE, RECEIPT
from pintu.kernel.operations.roster.sending import Channels, Sender
from pintu.kernel.operations.roster.ways import Ways
from pintu.kernel.operations.roster.words import SEVERITIES, Message, Reach, Receipt
from pintu.kernel.timers import Firing

MOST_PEOPLE: Final = 5_000
MOST_KEY: Final = 300
KEPT_US: Final = 180 * 86_400_000_000
TRIM_TIMER: Final = "operations.roster.trim"
TRIM_AT_ONCE: Final = 500
CHANNEL: Final = "channel:"
NO_WAY: Final = "Nobody knows a way to this person"


class Notifier:
    """Sends, keeps receipts, tries again, says the all-clear."""

    def __init__(
        self, book: Book, roster: Roster, ways: Ways, channels: Channels, *, public_url: str = ""
    ) -> None:
        """`public_url` begins the links in messages; without it they name the page alone."""
        self._book, self._roster, self._ways, self._channels = book, roster, ways, channels
        self.sender = Sender(book, ways, channels, public_url=public_url)
        book.timers.on(TRIM_TIMER, self._trim)

    # --- saying something -------------------------------------------------------------------------
    async def send(self, tenant: str, what: Message, to: Iterable[str], key: str) -> list[Receipt]:
        """Tell people something; the receipts as they are once it is written down.

        `to` are accounts (`person:ID`), `post:duty` (all who work as that for the tenant),
        `on_duty` (who is on duty now) or `channel:NAME` (a channel with an address of its own).
        The same key again is no second message; StateConflict when it says something else.
        """
        message = _checked(what, key)
        people = self._who(tenant, to)

        def work(connection: Connection) -> tuple[list[Receipt], list[Deed]]:
            new, found = self.put(connection, tenant, message, people, key)
            detail = {"message": message.kind, "people": len(people), "severity": message.severity}
            deed = self._book.deed(message.subject, "notified", "notifier", tenant, detail=detail)
            return found, [deed] if new else []

        found = await self._book.do(work)
        self.sender.go(found)
        return found

    def put(
        self, connection: Connection, tenant: str, message: Message, people: Sequence[str], key: str
    ) -> tuple[bool, list[Receipt]]:
        """(whether it is new, its receipts): the same in a transaction of somebody else, who calls
        `sender.go` with them afterwards. `people` are account ids and `channel:NAME`."""
        known = receipts.find_message(connection, key, message)
        if known is not None:
            return False, receipts.select(connection, [RECEIPT.c.message == known], 100_000)
        now_us, id = self._book.clock.now_us(), new_id()
        receipts.add_message(connection, id, key, message, (tenant, now_us))
        on_duty = {one.person for one in self._roster.on_duty(tenant, now_us)}
        made: list[tuple[Receipt, str]] = []
        for person in people:
            ways = self._ways_of(person, message)
            for reach in ways:
                due = quiet.due_at(
                    message, reach, now_us, self._book.zone, on_duty=person in on_duty
                )
                made.append((_new(reach, id, message, (tenant, person, now_us, due)), reach.id))
            if not ways:
                made.append((_unreached(id, message, tenant, person, now_us), ""))
        receipts.add_receipts(connection, made)
        return True, [one for one, _ in made]

    async def all_clear(
        self,
        subject: str,
        *,
        tenant: str = "",
        text: dict[str, str] | None = None,
        key: str = "",
        public: bool = True,
    ) -> list[Receipt]:
        """Tell everybody who got something about a subject, or may have, that it is over, by the
        ways they got it; what was not sent yet is sent no more. Once for each `key`, and nobody
        hears it twice of the same. `public` False leaves out channels that everybody hears (a
        loudspeaker, a group), and says nothing where nobody is left.
        """
        now_us = self._book.clock.now_us()

        name = f"all-clear/{tenant}/{subject}/{key}"
        on_duty = {one.person for one in self._roster.on_duty(tenant, now_us)}

        def work(connection: Connection) -> tuple[list[Receipt], list[Deed]]:
            known = receipts.find_key(connection, name)
            if known is not None:
                return receipts.select(connection, [RECEIPT.c.message == known], 100_000), []
            receipts.withdraw(connection, tenant, subject, "", now_us)
            got = self._got(connection, tenant, subject)
            if not public:
                got = [one for one in got if not one[0].startswith(CHANNEL)]
                if not got:
                    return [], []
            message, id = self._over(connection, tenant, subject, text), new_id()
            receipts.add_message(connection, id, name, message, (tenant, now_us))
            made = []
            for person, reach in got:
                due = quiet.due_at(
                    message, reach, now_us, self._book.zone, on_duty=person in on_duty
                )
                made.append((_new(reach, id, message, (tenant, person, now_us, due)), reach.id))
            receipts.add_receipts(connection, made)
            people = len({person for person, _ in got})
            deed = self._book.deed(
                subject, "all_clear_sent", "notifier", tenant, detail={"people": people}
            )
            return [one for one, _ in made], [deed]

        found = await self._book.do(work)
        self.sender.go(found)
        return found

    async def withdraw(self, tenant: str, subject: str, kind: str = "") -> int:
        """What was not sent yet about a subject is sent no more; how many it were."""
        now_us = self._book.clock.now_us()
        gone = await self._book.opened.run(
            lambda c: receipts.withdraw(c, tenant, subject, kind, now_us)
        )
        for one in gone:
            self.sender.tell(one)
        return len(gone)

    def _who(self, tenant: str, to: Iterable[str]) -> list[str]:
        found: dict[str, None] = {}
        for one in to:
            kind, _, name = one.partition(":")
            if one == "on_duty":
                found |= dict.fromkeys(shift.person for shift in self._roster.on_duty(tenant))
            elif kind == "post":
                found |= {person.id: None for person in self._roster.staff(tenant, name)}
            elif kind == "channel" and self._channels.audience(name) is None:
                raise BadRequestData(f"Channel {name[:40]!r} has no address of its own")
            else:
                found[one if kind == "channel" else account(one)] = None
            if len(found) > MOST_PEOPLE:
                raise TooLarge(f"A message goes to at most {MOST_PEOPLE} people")
        return list(found)

    def _ways_of(self, person: str, message: Message) -> list[Reach]:
        kind, _, name = person.partition(":")
        if kind == "channel":
            way = self._channels.audience(name)
            return [way] if way is not None else []
        there = self._ways.of(person)
        return [one for one in there if not one.broken and quiet.wanted(message, one)]

    async def unheard(self, tenant: str, subject: str) -> list[str]:
        """Channels that everybody hears which said something about a subject and not yet that it
        is over, by name."""
        got = await self._book.opened.read(lambda c: self._got(c, tenant, subject))
        return sorted(one.removeprefix(CHANNEL) for one, _ in got if one.startswith(CHANNEL))

    def _got(self, connection: Connection, tenant: str, subject: str) -> list[tuple[str, Reach]]:
        """Who got something about a subject, or may have (it was tried), and heard no all-clear
        since."""
        told = sa.select(RECEIPT.c.person, RECEIPT.c.reach, RECEIPT.c.attempts, MESSAGE.c.kind)
        told = told.join(MESSAGE, MESSAGE.c.id == RECEIPT.c.message)
        told = told.where(RECEIPT.c.tenant == tenant, RECEIPT.c.subject == subject)
        found: dict[tuple[str, str], Reach] = {}
        last = (MESSAGE.c.at_us, MESSAGE.c.kind == "all_clear")  # of one moment: it came after
        for row in connection.execute(told.order_by(*last)):
            if row.kind == "all_clear":
                found.pop((row.person, row.reach), None)
            elif row.attempts and (reach := self.sender.way(str(row.reach))) is not None:
                found[row.person, row.reach] = reach
        return [(person, reach) for (person, _), reach in found.items()]

    def _over(
        self, connection: Connection, tenant: str, subject: str, text: dict[str, str] | None
    ) -> Message:
        """The all-clear of a subject: as loud as the loudest that was said about it."""
        where = [MESSAGE.c.tenant == tenant, MESSAGE.c.subject == subject]
        rows = connection.execute(MESSAGE.select().where(*where).order_by(MESSAGE.c.at_us))
        said = [msgspec.json.decode(row.told, type=Message) for row in rows]
        said = [one for one in said if one.kind != "all_clear"]
        worst = min((SEVERITIES.index(one.severity) for one in said), default=len(SEVERITIES) - 1)
        first = said[0].title if said else {"zh": subject, "en": subject}
        return Message(
            subject=subject,
            title={"zh": f"解除：{first.get('zh', '')}", "en": f"All clear: {first.get('en', '')}"},
            text=text or {"zh": "警情已解除。", "en": "It is over."},
            severity=SEVERITIES[worst],
            link=said[0].link if said else "",
            kind="all_clear",
        )

    # --- what became of it ------------------------------------------------------------------------
    async def list_receipts(
        self, tenant: str, *, subject: str = "", person: str = "", limit: int = 200
    ) -> list[Receipt]:
        """Receipts of a tenant, the newest first; of one subject or person where one is named."""
        where = [RECEIPT.c.tenant == tenant]
        if subject:
            where.append(RECEIPT.c.subject == subject)
        if person:
            where.append(RECEIPT.c.person == account(person))
        return await self._book.opened.read(lambda c: receipts.select(c, where, min(limit, 5_000)))

    async def arrived(self, id: str, mark: str, *, failed: str = "") -> Receipt:
        """A channel reports that a message arrived, or why it did not; the mark it was handed
        proves that it was asked. Forbidden for another."""
        if not hmac.compare_digest(self._ways.mark(id).encode(), mark.encode()):
            raise Forbidden("This report is not about a message of ours")
        now_us = self._book.clock.now_us()

        def work(connection: Connection) -> Receipt:
            known = receipts.get(connection, id)
            if known.state not in ("queued", "delivered"):
                return known
            told = msgspec.structs.replace(known, detail=failed[:300])
            return receipts.mark(connection, told, "failed" if failed else "arrived", now_us)

        found = await self._book.opened.run(work)
        self.sender.tell(found)
        return found

    # --- life -------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Go on with what was not taken yet."""
        if self._book.timers.due(TRIM_TIMER, "messages") is None:
            await self._book.timers.set(TRIM_TIMER, "messages", self._book.after(3600))
        await self.sender.start()

    async def stop(self) -> None:
        """What is under way is sent in the next life."""
        await self.sender.stop()

    async def _trim(self, _: Firing) -> None:
        """Forget what is older than half a year, a little at a time."""
        before_us = self._book.clock.now_us() - KEPT_US
        gone = await self._book.opened.run(lambda c: receipts.trim(c, before_us, TRIM_AT_ONCE))
        pause_s = 1.0 if gone == TRIM_AT_ONCE else 86_400.0
        await self._book.timers.set(TRIM_TIMER, "messages", self._book.after(pause_s))


def _checked(message: Message, key: str) -> Message:
    if not 1 <= len(key) <= MOST_KEY:
        raise BadRequestData(f"A message needs a key of 1 to {MOST_KEY} characters")
    if ":" not in message.subject or len(message.subject) > 300:
        raise BadRequestData("A message is about a subject like incident:ID")
    if message.severity not in SEVERITIES:
        raise BadRequestData(f"Severity {message.severity[:40]!r} is none of {SEVERITIES}")
    if not message.title or not message.text:
        raise BadRequestData("A message has a title and a text")
    long = [one for one in (*message.title.values(), *message.text.values()) if len(one) > 10_000]
    if long:
        raise TooLarge("A message is at most 10,000 characters long")
    return message


def _new(reach: Reach, id: str, message: Message, at: tuple[str, str, int, int]) -> Receipt:
    tenant, person, now_us, due_us = at
    return Receipt(
        id=new_id(),
        message=id,
        tenant=tenant,
        subject=message.subject,
        person=person,
        kind=reach.kind,
        channel=reach.channel,
        state="queued" if due_us <= now_us else "held",
        attempts=0,
        due_us=due_us,
        changed_us=now_us,
    )


def _unreached(id: str, message: Message, tenant: str, person: str, now_us: int) -> Receipt:
    return Receipt(
        id=new_id(),
        message=id,
        tenant=tenant,
        subject=message.subject,
        person=person,
        kind="",
        channel="",
        state="failed",
        attempts=0,
        due_us=now_us,
        changed_us=now_us,
        detail=NO_WAY,
    )
