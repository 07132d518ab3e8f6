"""Plays: proposed for a cause, approved by people, done, and taken back by cause."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pintu.kernel.access import Actor
from pintu.kernel.errors import OperationNotSupported
from pintu.kernel.operations.playbooks.words import Play, Playbook

if TYPE_CHECKING:
    from pintu.kernel.operations.journal import Journal

Area = dict[str, Any]
"""GeoJSON, WGS 84, longitude first."""


class Hand(Protocol):
    """Does a kind of step that is no command: opens orders, sends messages. Both deeds are done
    once for each `key`, however often they are asked for."""

    async def do(self, play: Play, given: dict[str, Any], *, key: str, targets: list[str]) -> str:
        """Do it; how the one who does it calls it (an order's id, a message's)."""
        ...

    async def undo(self, play: Play, ref: str, *, key: str, reason: str) -> None:
        """Take it back as far as that is possible: cancel the order, send the all-clear."""
        ...


class Plays:
    """The part of the operations room that runs playbooks."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.hands: dict[str, Hand] = {}  # "order", "message": set by opening

    async def start(self) -> None:
        """Go on where an earlier life ended."""

    async def stop(self) -> None:
        """What is under way goes on at the next start."""

    def list_playbooks(self) -> list[Playbook]:
        """Those built in, and those of the town's configuration, which take their place."""
        return []

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
        """Work out what a playbook would do in an area (or with named things) and keep it for
        approval. The same playbook for the same cause again, while one is alive, is that play."""
        raise OperationNotSupported("Playbooks are being built")

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
        """What `propose` would propose; nothing is kept."""
        raise OperationNotSupported("Playbooks are being built")

    async def approve(self, actor: Actor, play: str, group: str) -> Play:
        """Approve one group of steps; it begins when as many persons as it asks for have.

        StateConflict when it was approved before, or by the same person, or its time is over."""
        raise OperationNotSupported("Playbooks are being built")

    async def refuse(self, actor: Actor, play: str, group: str, reason: str) -> Play:
        """Say no to one group of steps."""
        raise OperationNotSupported("Playbooks are being built")

    async def undo(self, cause: str, who: str, reason: str) -> list[Play]:
        """Take back everything that depends on a cause, newest play first, each step in reverse:
        what was proposed is withdrawn, what was done is put back as it was. Resolves when the
        taking back is written down and under way; `list_for(cause)` tells when it ended."""
        return []

    async def narrow(
        self, cause: str, area: Area, *, who: str = "playbook", reason: str = ""
    ) -> list[Play]:
        """Take back what of a cause lies outside of an area; the rest stays."""
        return []

    async def get(self, id: str) -> Play:
        """One play with its groups and steps; ResourceNotFound."""
        raise OperationNotSupported("Playbooks are being built")

    async def list_for(self, cause: str) -> list[Play]:
        """Every play of a cause, newest first."""
        return []

    async def list_plays(self, tenant: str, *, limit: int = 100) -> list[Play]:
        """The newest plays of a tenant."""
        return []

    async def state_hash(self, cause: str) -> str:
        """What the things that plays of this cause touch are told to be like, as one hash: after
        an undo it is what it was before the first play (`hash_before`)."""
        return ""

    async def hash_before(self, cause: str) -> str:
        """The same hash as it was before the cause's first play."""
        return ""
