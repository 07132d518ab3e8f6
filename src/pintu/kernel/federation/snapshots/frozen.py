"""Entities that do not change any more, asked as a store is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Final

import orjson

from pintu.kernel.context.match import compile_order, compile_selection
from pintu.kernel.context.record import Record
from pintu.kernel.context.selection import Selection
from pintu.kernel.store.port import Kind, Page

_AT_ONCE: Final = 200
"""Entities that are looked through on the loop; more are in a thread."""


class Frozen:
    """The reading side of a store over one set of records: the same answers, for one tenant."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = {record.id: record for record in records}
        self.weight = sum(len(record.body) + 300 for record in self.records.values())

    def retrieve(self, tenant: int, id: str) -> Record | None:
        """One entity by id."""
        return self.records.get(id)

    def select(self, selection: Selection) -> Page | Awaitable[Page]:
        """A page of entities, exact."""
        if len(self.records) <= _AT_ONCE or selection.ids:
            return self._select(selection)
        return asyncio.to_thread(self._select, selection)

    def _select(self, selection: Selection) -> Page:
        test = compile_selection(selection)
        if selection.ids:
            some = (self.records.get(id) for id in dict.fromkeys(selection.ids))
            candidates = [record for record in some if record is not None]
        else:
            candidates = list(self.records.values())
        found: list[tuple[Record, Any]] = []
        for record in candidates:
            document = orjson.loads(record.body)
            if test(document, record, self._document):
                found.append((record, document))
        if selection.order:
            key = compile_order(selection.order)
            found.sort(key=lambda pair: key(pair[0], pair[1]))
        start = selection.offset
        page = [record for record, _ in found[start : start + selection.limit]]
        return Page(page, len(found) if selection.count else None, "snapshot")

    def _document(self, id: str) -> Any:
        record = self.records.get(id)
        return None if record is None else orjson.loads(record.body)

    def kinds(self, tenant: int) -> list[Kind]:
        """What there is, for /types and /attributes."""
        counts: dict[tuple[tuple[str, ...], tuple[tuple[str, str], ...]], int] = {}
        for record in self.records.values():
            document = orjson.loads(record.body)
            pairs = {
                (name, one["type"])
                for name, value in document.items()
                if isinstance(value, (dict, list))
                for one in (value if isinstance(value, list) else [value])
                if isinstance(one, dict) and "type" in one
            }
            key = tuple(record.types), tuple(sorted(pairs))
            counts[key] = counts.get(key, 0) + 1
        return [Kind(types, attributes, count) for (types, attributes), count in counts.items()]
