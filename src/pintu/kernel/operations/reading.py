"""Reading the ledger: one command, one thing's commands, the newest, those of one cause."""

from __future__ import annotations

from pintu.kernel.operations import ledger
from pintu.kernel.operations.ledger import Entry, Step
from pintu.kernel.operations.schema import COMMAND
from pintu.kernel.tables import OpenTables


class Reading:
    """What may be asked of the ledger; `Commands` writes it."""

    file: OpenTables
    _waiting: dict[str, Entry]

    async def get(self, id: str) -> Entry:
        """One command as it is now; ResourceNotFound when there is none."""
        entry = self._waiting.get(id)
        if entry is not None:
            return entry
        return await self.file.read(lambda connection: ledger.get(connection, id))

    async def get_many(self, ids: list[str]) -> dict[str, Entry]:
        """Commands by id; those there are none of are absent."""
        found = {id: self._waiting[id] for id in ids if id in self._waiting}
        left = [id for id in ids if id not in found]
        if left:
            found |= await self.file.read(lambda connection: ledger.get_many(connection, left))
        return found

    async def history(self, id: str) -> list[Step]:
        """Every step of a command, oldest first; ResourceNotFound when there is none."""
        await self.get(id)
        return await self.file.read(lambda connection: ledger.steps(connection, id))

    async def histories(self, ids: list[str]) -> dict[str, list[Step]]:
        """Every step of several commands, by command, oldest first."""
        return await self.file.read(lambda connection: ledger.steps_of(connection, ids))

    async def for_target(self, entity_id: str, *, tenant: str = "", limit: int = 50) -> list[Entry]:
        """The commands to one entity, newest first."""
        where = [COMMAND.c.tenant == tenant, COMMAND.c.target == entity_id]
        return await self.file.read(lambda connection: ledger.select(connection, where, limit))

    async def for_cause(self, cause: str, *, limit: int = 1_000) -> list[Entry]:
        """The commands that are part of something ("play:ID"), newest first."""
        where = [COMMAND.c.cause == cause]
        return await self.file.read(lambda connection: ledger.select(connection, where, limit))

    async def told_since(self, tenant: str, piece: str, since: dict[str, int]) -> set[str]:
        """Which things were told something by a piece that was no part of a play, each since its
        own time; what did not reach them does not count."""
        return await self.file.read(lambda c: ledger.told_otherwise(c, tenant, piece, since))

    async def recent(
        self,
        *,
        tenant: str | None = None,
        before_us: int | None = None,
        states: tuple[str, ...] = (),
        limit: int = 50,
    ) -> list[Entry]:
        """The newest commands, at most 1,000; those in some states only, where any is named."""
        where = [] if tenant is None else [COMMAND.c.tenant == tenant]
        if before_us is not None:
            where.append(COMMAND.c.created_us < before_us)
        if states:
            where.append(COMMAND.c.state.in_(states))
        return await self.file.read(lambda connection: ledger.select(connection, where, limit))

    async def counts(self, tenant: str, since_us: int) -> dict[str, int]:
        """How many commands asked for since a time are in each state."""
        return await self.file.read(lambda connection: ledger.counts(connection, tenant, since_us))

    def waiting(self) -> list[Entry]:
        """Every command that is not final, oldest first; from memory."""
        return sorted(self._waiting.values(), key=lambda entry: entry.command.created_us)
