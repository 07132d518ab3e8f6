"""The work lists of a city's pieces, for whoever shows them: each piece's service, opened when
first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pintu.kernel.clock import Clock
from pintu.kernel.errors import ConfigurationError, ResourceNotFound
from pintu.kernel.tables import CityTables
from pintu.kit.manifest import Manifest
from pintu.kit.piece import Service, load_piece
from pintu.kit.views import WorkList


class PieceWork:
    """Rows and deeds of work lists by the list's name.

    The piece's private file is then open in two processes: here for what people do, in the field
    for what is measured. Both use the standard library's SQLite in WAL mode, one short transaction
    at a time, and each deed reads the state it changes inside its own transaction.
    """

    def __init__(
        self,
        pieces: Sequence[Manifest],
        tables: CityTables,
        clock: Clock,
        tenants: Mapping[str, str],
    ) -> None:
        self._pieces = tuple(pieces)
        self._owners = {one.name: piece for piece in pieces for one in piece.work_lists}
        self._tables, self._clock, self._tenants = tables, clock, tenants
        self._open: dict[str, Service] = {}
        self._opening = asyncio.Lock()

    def lists(self, tenant: str) -> list[WorkList]:
        """The lists of pieces that write to this tenant, in the order of the manifests."""
        return [
            one
            for piece in self._pieces
            for one in piece.work_lists
            if self._tenants.get(piece.name, piece.tenant) == tenant
        ]

    async def rows(
        self, work_list: str, *, limit: int = 200, offset: int = 0
    ) -> list[dict[str, Any]]:
        """One page of rows, most urgent first, as the piece's service gives them."""
        service = await self._service(work_list)
        return await service.rows(work_list, limit=limit, offset=offset)

    async def do(
        self, work_list: str, row: str, *, action: str, actor: str, note: str = ""
    ) -> dict[str, Any]:
        """One deed on one row; StateConflict when the row's state does not allow it."""
        service = await self._service(work_list)
        return await service.do(work_list, row, action=action, actor=actor, note=note)

    async def _service(self, work_list: str) -> Service:
        manifest = self._owners.get(work_list)
        if manifest is None:
            raise ResourceNotFound(f"Work list {work_list} does not exist")
        async with self._opening:
            if manifest.name not in self._open:
                # importing a piece and opening its file take a while: not on the loop
                self._open[manifest.name] = await asyncio.to_thread(self._start, manifest)
            return self._open[manifest.name]

    def _start(self, manifest: Manifest) -> Service:
        piece = load_piece(manifest)
        if piece.tables is None or piece.service is None:
            raise ConfigurationError(
                [f"Piece {manifest.name!r} declares a work list and has no service for it"]
            )
        return piece.service(self._tables.register(piece.tables), self._clock)
