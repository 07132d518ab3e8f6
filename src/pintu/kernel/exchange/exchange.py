"""The thin exchange itself: one decision of the gate a call, then the provider is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pintu.kernel.access import Act, Actor, Deed, Gate, Projection
from pintu.kernel.clock import Clock
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import Forbidden, Unauthorized
from pintu.kernel.exchange.catalogue import Catalogue
from pintu.kernel.exchange.words import DataSet, Question, Rows, Sample

if TYPE_CHECKING:
    from pintu.kernel.store.port import Store
    from pintu.kernel.tables import CityTables

ADMINISTRATOR = frozenset(("admin", "open"))
"""Bases of a decision under which rows with persons are read, until agreements exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readable:
    """What the providers read from."""

    store: Store
    gate: Gate
    clock: Clock


class Exchange:
    """Implements DataSets."""

    def __init__(
        self,
        configuration: Configuration,
        tables: CityTables,
        readable: Readable,
        *,
        declared: Iterable[DataSet] = (),
        tenant: str = "",
    ) -> None:
        self._readable = readable
        self.catalogue = Catalogue(configuration, declared, list)
        self._tenant = tenant

    def list_sets(self, actor: Actor) -> list[DataSet]:
        """The data sets whose existence the actor may know, by name."""
        return [one for one in self.catalogue.list_sets() if self._may_know(actor, one)]

    def get(self, name: str) -> DataSet:
        """One; ResourceNotFound."""
        return self.catalogue.get(name)

    async def ask(self, actor: Actor, name: str, question: Question) -> Rows:
        """Rows of a data set; Forbidden for rows with persons and no administrator."""
        found = self.catalogue.get(name)
        self.decide(actor, found)
        return Rows(columns=found.columns, rows=[], as_of_us=self._readable.clock.now_us())

    async def series(
        self, actor: Actor, name: str, value: tuple[str, str], *, since_us: int, until_us: int
    ) -> list[Sample]:
        """The past of one value, `(row id, column)`, oldest first, at most 5,000."""
        self.decide(actor, self.catalogue.get(name))
        return []

    async def profile(self, actor: Actor, name: str) -> dict[str, Any]:
        """Measured, never typed in: rows, completeness, distinct, range and freshness a column."""
        self.decide(actor, self.catalogue.get(name))
        return {}

    def decide(self, actor: Actor, data_set: DataSet) -> Projection:
        """Ask the gate once; Forbidden when rows tell of persons and no administrator asks."""
        act = Act(
            deed=Deed.READ,
            tenant=data_set.tenant,
            data_set=data_set.name,
            types=(data_set.type,) if data_set.type else (),
        )
        projection = self._readable.gate.decide(actor, act)
        if data_set.persons and projection.basis not in ADMINISTRATOR:
            raise Forbidden(
                f"Data set {data_set.name!r} tells of persons; until there are agreements only "
                "the administrator reads it, its counts too"
            )
        return projection

    def _may_know(self, actor: Actor, data_set: DataSet) -> bool:
        try:
            self._readable.gate.decide(
                actor, Act(deed=Deed.READ, tenant=data_set.tenant, data_set=data_set.name)
            )
        except (Unauthorized, Forbidden):
            return False
        return True
