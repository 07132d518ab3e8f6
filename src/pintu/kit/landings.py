"""Table data sets as sources fill them: found by name, told apart by what their file says, landed
in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pintu.kernel.clock import Clock
from pintu.kernel.configuration import Configuration
from pintu.kernel.errors import PintuError
from pintu.kernel.tables import CityTables

if TYPE_CHECKING:
    from pintu.kernel.exchange.arriving import Lands
    from pintu.kernel.exchange.words import DataSet


class TableSets:
    """The table data sets of one city: those that people saved and those that pieces declare."""

    def __init__(
        self,
        configuration: Configuration,
        tables: CityTables,
        clock: Clock,
        *,
        zone: str,
        declared: Iterable[DataSet] = (),
    ) -> None:
        self._configuration, self._tables, self._clock = configuration, tables, clock
        self._zone, self._declared = zone, {one.name: one for one in declared}

    def get(self, name: str) -> DataSet:
        """One; ResourceNotFound, ConfigurationError."""
        found = self._declared.get(name)
        return found or data_set_called(self._configuration, name)

    def told(self, name: str) -> object:
        """What the file of a data set says now, to see when it changes; None without one."""
        with contextlib.suppress(PintuError):
            saved = self._configuration.find("datasets", name)
            return saved.content if saved is not None else None
        return None

    def arrivals(self, source: str) -> Lands:
        """Where the rows of a source's messages land; opens nothing yet."""
        from pintu.kernel.exchange.arriving import Arrivals, opening

        return Arrivals(source, opening(self._tables, self._clock, self.get, self._zone)).land


def data_set_called(configuration: Configuration, name: str) -> DataSet:
    """A data set that somebody saved; ResourceNotFound, ConfigurationError."""
    from pintu.kernel.exchange.catalogue import read_data_set

    content: dict[str, Any] = configuration.get("datasets", name).content
    return read_data_set(name, content)
