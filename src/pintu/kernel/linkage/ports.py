"""What linkage needs of whoever keeps the rows: reading them by key, and correcting one value;
`city.py` hands in the exchange's `Correcting`, which linkage may not import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Protocol

from pintu.kernel.linkage.words import Ref, Value


class Known(Protocol):
    """One value as a row has it now."""

    @property
    def value(self) -> Any:
        """The value; never empty."""

    @property
    def source(self) -> str:
        """Who brought it: SOURCE/MAPPING."""

    @property
    def at_us(self) -> int:
        """When its row last changed."""

    @property
    def corrected(self) -> bool:
        """Whether it was corrected, and its source has not changed since."""


class Corrections(Protocol):
    """Rows of table data sets by their key. Asks no gate: whoever calls has asked it, or is the
    matching, whose rows nobody sees."""

    def owner(self, data_set: str) -> str:
        """The organisation a data set belongs to, empty for none; ResourceNotFound."""

    def rows(
        self, data_set: str, columns: Sequence[str]
    ) -> AsyncIterator[list[tuple[str, Mapping[str, Any]]]]:
        """Every row that has a key, as (key, values), some thousands at a time."""

    async def told(self, data_set: str, keys: Sequence[str], column: str) -> Mapping[str, Known]:
        """One column of some rows, by key. What is not there or empty is not told."""

    async def correct(
        self, place: tuple[str, str, str], value: Any, why: Mapping[str, str]
    ) -> Known:
        """Write one value of (data set, key, column), keep what it was, and hold it against loads
        that bring the old one; tells what it was. ResourceNotFound for what is not there."""


async def values_of(
    rows: Corrections, refs: Iterable[Ref], columns: Mapping[str, str]
) -> dict[Ref, Value]:
    """One attribute of some records; `columns`: data set → what its column is called there."""
    keys: dict[str, list[str]] = {}
    for one in refs:
        if one.data_set in columns:
            keys.setdefault(one.data_set, []).append(one.key)
    found: dict[Ref, Value] = {}
    for data_set, some in keys.items():
        column = columns[data_set]
        for key, known in (await rows.told(data_set, some, column)).items():
            found[Ref(data_set, key)] = Value(
                value=known.value,
                data_set=data_set,
                key=key,
                column=column,
                source=known.source,
                at_us=known.at_us,
                corrected=known.corrected,
            )
    return found
