"""Plays: proposed for a cause, approved by people, done, and taken back by cause."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Connection

from pintu.kernel.access import Act, Actor, Gate
from pintu.kernel.access import Deed as Right
from pintu.kernel.errors import PintuError, ResourceNotFound, StateConflict
from pintu.kernel.operations.guarding import person_of
from pintu.kernel.operations.journal import Deed
from pintu.kernel.operations.playbooks import rows
from pintu.kernel.operations.playbooks.acting import Acting
from pintu.kernel.operations.playbooks.approving import approved, lapsed, refused
from pintu.kernel.operations.playbooks.desk import Desk
from pintu.kernel.operations.playbooks.fitting import BEGINS, ENDS, fits, is_night
from pintu.kernel.operations.playbooks.following import follow
from pintu.kernel.operations.playbooks.looking import Area
from pintu.kernel.operations.playbooks.proposing import Proposal, Proposing
from pintu.kernel.operations.playbooks.putting_back import value_of
from pintu.kernel.operations.playbooks.reading import KIND, list_playbooks, mistakes_of
from pintu.kernel.operations.playbooks.rows import Approval, Kept
from pintu.kernel.operations.playbooks.running import Hand, Running
from pintu.kernel.operations.playbooks.showing import shown
from pintu.kernel.operations.playbooks.states import DEPENDS, play_after
from pintu.kernel.operations.playbooks.taking_back import hashes, narrowed, taken_back
from pintu.kernel.operations.playbooks.telling import CAUSES
from pintu.kernel.operations.playbooks.widening import Widening
from pintu.kernel.operations.playbooks.words import Play, Playbook
from pintu.kernel.timers import Firing, Timers

if TYPE_CHECKING:
    from pintu.kernel.configuration import Configuration
    from pintu.kernel.operations.commands import Commands

log = logging.getLogger("pintu.operations")
TIMER: Final = "operations.play"
SELF: Final = Actor(id="playbook", kind="service", grants=frozenset(("admin",)))
"""Who proposes what fits an incident; people approve it."""
__all__ = ["Hand", "Plays"]


class Plays:
    """The part of the operations room that runs playbooks."""

    def __init__(
        self,
        desk: Desk,
        commands: Commands,
        timers: Timers,
        gate: Gate,
        configuration: Configuration | None = None,
        *,
        zone: str = "UTC",
    ) -> None:
        self._desk, self._commands, self._timers, self._gate = desk, commands, timers, gate
        self._configuration, self._zone = configuration, zone
        self.hands: dict[str, Hand] = {}  # "order", "message": set by opening
        self._acting = Acting(desk, commands)
        self.running = Running(desk, self._acting, self.hands)
        self._proposing = Proposing(desk.looking, commands.guarding, desk.clock)
        self._widening = Widening(desk, self._proposing, timers, TIMER)
        self._unheard: list[Callable[[], None]] = []
        self._books: tuple[object, list[Playbook]] | None = None  # of which files
        timers.on(TIMER, self._due)

    async def start(self) -> None:
        """Go on where an earlier life ended."""
        self._unheard.append(self._desk.journal.listen(self._heard))
        for tenant, cause in await self._desk.opened.read(rows.causes):
            await self._merged(tenant, cause)  # a crash may have come between
        await self.running.start()

    async def stop(self) -> None:
        """What is under way goes on at the next start."""
        for stop in self._unheard:
            stop()
        await self.running.stop()
        await self._commands.stop()

    # --- proposing --------------------------------------------------------------------------------
    def list_playbooks(self) -> list[Playbook]:
        """Those built in, and those of the town's configuration, which take their place."""
        seen = self._configuration.signature() if self._configuration is not None else ()
        now = tuple(one for one in seen if one[0].startswith(KIND))
        if self._books is None or self._books[0] != now:
            self._books = (now, list_playbooks(self._configuration))
        return list(self._books[1])

    def find_playbook(self, name: str) -> Playbook:
        """The playbook of that name; ResourceNotFound."""
        for book in self.list_playbooks():
            if book.name == name:
                return book
        raise ResourceNotFound(f"There is no playbook called {name!r}")

    def mistakes(self) -> list[str]:
        """Why some of the town's own playbooks cannot be used."""
        return mistakes_of(self._configuration) if self._configuration is not None else []

    async def area_of(self, tenant: str, cause: str) -> Area | None:
        """Where a cause is: the place of its incident or warning, or of the thing it names."""
        kind, _, local = cause.partition(":")
        id = f"urn:ngsi-ld:{CAUSES[kind]}:operations:{local}" if kind in CAUSES else cause
        entity = await self._desk.looking.entity(tenant, id)
        place = value_of(entity, "location") if entity is not None else None
        return place if isinstance(place, dict) else None

    async def propose(
        self,
        actor: Actor,
        playbook: str,
        cause: str,
        *,
        area: Area | None = None,
        targets: Sequence[str] = (),
        tenant: str = "",
    ) -> Play:
        """Work out what a playbook would do in an area (or with named things; with neither,
        everywhere) and keep it for approval. The same playbook for the same cause again, while one
        is alive, is that play. Raises what the gate raises, ResourceNotFound for a playbook."""
        self._gate.decide(actor, Act(deed=Right.RESPOND, tenant=tenant))
        book = self.find_playbook(playbook)
        known = await self._desk.opened.read(lambda c: rows.alive(c, tenant, book.name, cause))
        if known is not None:
            return await self.get(known)
        proposal = await self._proposing.work_out(
            book, cause, who=actor.id, tenant=tenant, area=area, targets=targets
        )
        return await self._keep(proposal)

    async def _keep(self, proposal: Proposal) -> Play:
        kept = proposal.kept

        def work(connection: Connection) -> str:
            known = rows.alive(connection, kept.tenant, kept.book.name, kept.cause)
            if known is None:
                rows.insert(connection, kept, proposal.targets)
            return known or kept.id

        def told(connection: Connection, now: Kept) -> list[Deed]:
            targets = sum(one.targets for one in now.steps)
            return [self._desk.deed(now, "proposed", now.who, targets=targets)]

        id = await self._desk.opened.run(work)
        if id == kept.id:
            for group in kept.groups:
                key = f"{kept.id}/{group.number}"
                await self._timers.set(TIMER, key, group.until_us, group.number)
            await self._desk.change(id, told)
        return await self.get(id)

    async def dry_run(
        self,
        actor: Actor,
        playbook: str,
        cause: str,
        *,
        area: Area | None = None,
        targets: Sequence[str] = (),
        tenant: str = "",
    ) -> Play:
        """What `propose` would propose, with the interlocks that are shut now; nothing is kept."""
        self._gate.decide(actor, Act(deed=Right.RESPOND, tenant=tenant))
        book = self.find_playbook(playbook)
        proposal = await self._proposing.work_out(
            book, cause, who=actor.id, tenant=tenant, area=area, targets=targets
        )
        return shown(proposal.kept, dry=True)

    # --- approving --------------------------------------------------------------------------------
    async def approve(self, actor: Actor, play: str, group: str) -> Play:
        """Approve one group of steps; it begins when as many persons as it asks for have.

        StateConflict when it was approved before, or by the same person, or its time is over.
        Raises Forbidden for who may not, or lacks the role that one of them must have."""
        kept = await self._desk.kept(play)
        yes = self._may(actor, kept, group)

        def work(connection: Connection, now: Kept) -> list[Deed]:
            verb, left = approved(connection, now, group, yes)
            return [self._desk.deed(now, verb, actor.id, group=group, left=left)]

        await self._desk.change(play, work)
        self.running.wake(play)
        return await self.get(play)

    def _may(self, actor: Actor, kept: Kept, group: str) -> Approval:
        """Ask the gate; what will be written down of who said yes."""
        word = kept.book.group(group)
        if word is None:
            raise ResourceNotFound(f"Play {kept.id} has no group {group!r}")
        basis = self._gate.decide(actor, Act(deed=Right.RESPOND, tenant=kept.tenant)).basis
        if any(one.do == "command" for one in word.steps):
            basis = self._gate.decide(actor, Act(deed=Right.COMMAND, tenant=kept.tenant)).basis
        return Approval(
            who=actor.id,
            person=person_of(actor),
            at_us=self._desk.now_us(),
            basis=basis,
            roles=tuple(sorted(actor.roles)),
        )

    async def refuse(self, actor: Actor, play: str, group: str, reason: str) -> Play:
        """Say no to one group of steps; a play of which nothing is left is refused."""
        kept = await self._desk.kept(play)
        self._may(actor, kept, group)

        def work(connection: Connection, now: Kept) -> list[Deed]:
            refused(connection, now, group, self._desk.now_us(), reason)
            return [self._desk.deed(now, "refused", actor.id, group=group, reason=reason)]

        await self._desk.change(play, work)
        self.running.wake(play)
        return await self.get(play)

    async def _due(self, firing: Firing) -> None:
        """The time to approve a group is over."""
        play, _, number = firing.key.rpartition("/")

        def work(connection: Connection, now: Kept) -> list[Deed]:
            if not lapsed(connection, now, int(number), self._desk.now_us()):
                return []
            name = now.groups[int(number)].name
            return [self._desk.deed(now, "expired", "timer", group=name)]

        try:
            await self._desk.change(play, work)
        except ResourceNotFound:
            return
        self.running.wake(play)

    # --- taking back ------------------------------------------------------------------------------
    async def undo(self, cause: str, who: str, reason: str) -> list[Play]:
        """Take back everything that depends on a cause, newest play first, each step in reverse:
        what was proposed is withdrawn, what was done is put back as it was. Resolves when the
        taking back is written down and under way; `list_for(cause)` tells when it ended."""
        ids = await self._desk.opened.read(lambda c: rows.depending(c, cause))
        return [await self._undo(id, who, reason) for id in ids]

    async def undo_play(self, actor: Actor, play: str, reason: str) -> Play:
        """Take one play back, by a person. StateConflict when it is over already."""
        kept = await self._desk.kept(play)
        self._gate.decide(actor, Act(deed=Right.RESPOND, tenant=kept.tenant))
        if kept.state not in DEPENDS:
            raise StateConflict(f"Play {play} is {kept.state}: there is nothing to take back")
        return await self._undo(play, actor.id, reason)

    async def _undo(self, id: str, who: str, reason: str) -> Play:
        def work(connection: Connection, now: Kept) -> list[Deed]:
            if now.state not in DEPENDS:
                return []
            verb = taken_back(self._desk, connection, now, reason)
            return [self._desk.deed(now, verb, who, reason=reason)]

        async with self.running.turn_of(id):
            now = await self._desk.change(id, work)
            await self._acting.take_back(now, who, f"undo: {reason}"[:500])
        self.running.wake(id)
        return await self.get(id)

    async def narrow(
        self, cause: str, area: Area, *, who: str = "playbook", reason: str = ""
    ) -> list[Play]:
        """The area of a cause is another one: what of it lies outside is taken back, the rest
        stays; what came into it is to be approved by people, as it was at first."""
        ids = await self._desk.opened.read(lambda c: rows.depending(c, cause))
        found = []
        for id in ids:
            async with self.running.turn_of(id):
                kept = await self._desk.kept(id)
                out = await narrowed(self._desk, kept, area, who=who, reason=reason)
                await self._acting.call_back(out, who, f"narrow: {reason}"[:500])
                if kept.area is not None:  # one of named things, or of everything, has no area
                    await self._widening.widen(id, area, who=who, reason=reason)
            self.running.wake(id)
            found.append(await self.get(id))
        return found

    async def go_on(self, actor: Actor, play: str) -> Play:
        """After a stop was released: a person lets a halted play go on; StateConflict for one that
        is not halted (any more)."""
        kept = await self._desk.kept(play)
        self._gate.decide(actor, Act(deed=Right.COMMAND, tenant=kept.tenant))
        self._commands.stops.check(kept.tenant)
        async with self.running.turn_of(play):
            kept = await self._desk.kept(play)
            play_after(kept.state, "go_on")
            await self._acting.ask_anew(kept)
            await self._desk.play_moved(kept, "go_on", actor.id)
        self.running.wake(play)
        return await self.get(play)

    # --- reading ----------------------------------------------------------------------------------
    async def get(self, id: str) -> Play:
        """One play with its groups and steps; ResourceNotFound."""
        return shown(await self._desk.kept(id))

    async def list_for(self, cause: str) -> list[Play]:
        """Every play of a cause, newest first."""
        ids = await self._desk.opened.read(lambda c: rows.ids_of(c, cause=cause))
        return [await self.get(id) for id in ids]

    async def list_plays(self, tenant: str, *, limit: int = 100) -> list[Play]:
        """The newest plays of a tenant."""
        ids = await self._desk.opened.read(lambda c: rows.ids_of(c, tenant=tenant, limit=limit))
        return [await self.get(id) for id in ids]

    async def targets(self, play: str, step: int) -> list[Any]:
        """The things of one step: entity, command, what was refused and what was put back."""
        return list(await self._desk.targets(play, step))

    async def state_hash(self, cause: str) -> str:
        """What the things that plays of this cause touched are like now, and which of their orders
        and messages stand, as one hash: after an undo it is what it was before the first play
        (`hash_before`)."""
        return (await hashes(self._desk, cause))[0]

    async def hash_before(self, cause: str) -> str:
        """The same hash as it was before the cause's first play."""
        return (await hashes(self._desk, cause))[1]

    # --- the stop ---------------------------------------------------------------------------------
    def _heard(self, deed: Deed) -> None:
        if deed.subject.startswith("incident:"):
            if deed.verb in BEGINS:
                self.running.later(self._fitting(deed))
            elif deed.verb in ENDS:
                self.running.later(self._over(deed))
            elif deed.verb == "merged":
                self.running.later(self._merged(deed.tenant, deed.subject))
        if deed.subject.startswith("stop:") and deed.verb in ("stopped", "released"):
            self.running.later(self._stopped(deed))

    async def _fitting(self, deed: Deed) -> None:
        """Propose what fits an incident: the same for the same cause is proposed once."""
        try:
            id = f"urn:ngsi-ld:Incident:operations:{deed.subject[9:]}"
            entity = await self._desk.looking.entity(deed.tenant, id)
            if entity is None:
                return
            night = is_night(self._desk.now_us(), self._zone)
            area = await self.area_of(deed.tenant, deed.subject)
            for book in self.list_playbooks():
                if area is not None and fits(book.fit, "incident", entity, night=night):
                    where: dict[str, Any] = {"area": area, "tenant": deed.tenant}
                    dry = await self.dry_run(SELF, book.name, deed.subject, **where)
                    if any(one.targets for one in dry.steps):
                        await self.propose(SELF, book.name, deed.subject, **where)
        except PintuError as error:
            log.warning("No playbook is proposed for %s: %s", deed.subject, error.detail)

    async def _merged(self, tenant: str, cause: str) -> None:
        """An incident became part of another: its plans are that one's, and end with it."""
        try:
            await follow(self._desk, tenant, cause)
        except PintuError as error:
            log.warning("Plans of %s do not follow: %s", cause, error.detail)

    async def _over(self, deed: Deed) -> None:
        """An incident is closed: what was done because of it is taken back."""
        try:
            await self.undo(deed.subject, deed.who, deed.reason or "the incident is closed")
        except PintuError as error:
            log.warning("Plans of %s are not taken back: %s", deed.subject, error.detail)

    async def _stopped(self, deed: Deed) -> None:
        """Everything was stopped: plays halt; or released: what was being put back goes on."""
        states = frozenset({"running" if deed.verb == "stopped" else "undoing"})
        ids = await self._desk.opened.read(
            lambda c: rows.ids_of(c, tenant=deed.tenant, states=states, limit=10_000)
        )
        for id in ids:
            async with self.running.turn_of(id):
                kept = await self._desk.kept(id)
                if deed.verb == "stopped" and kept.state == "running":
                    await self._desk.play_moved(kept, "halt", deed.who, deed.reason)
                elif deed.verb == "released" and kept.state == "undoing":
                    await self._acting.ask_anew(kept)
            self.running.wake(id)
