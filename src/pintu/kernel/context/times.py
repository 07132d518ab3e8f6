"""When each attribute was created and last modified, kept beside the document (see
record.Times)."""

from __future__ import annotations

import orjson

from pintu.kernel.context.record import Record, Times

DEFAULT = "*"


def time_key(name: str, dataset_id: str | None = None) -> str:
    """The key of an attribute instance: its stored name, then its datasetId after a blank."""
    return name if dataset_id is None else f"{name} {dataset_id}"


def times_of(record: Record) -> Times:
    """The parsed times of a record; a new dict."""
    if record.times is None:
        return {}
    found: Times = orjson.loads(record.times)
    return found


class Stamps:
    """The times of a record while a write goes over it: one entry an instance that differs."""

    __slots__ = ("_created_us", "_now_us", "times")

    def __init__(self, record: Record, now_us: int) -> None:
        self.times = times_of(record)
        default = self.times.get(DEFAULT)
        self._created_us = record.created_us if default is None else default[0]
        self._now_us = now_us

    def written(self, name: str, dataset_id: str | None, there: bool) -> None:
        """An instance was written; one that was `there` keeps the time it was created."""
        key = name if dataset_id is None else f"{name} {dataset_id}"
        known = self.times.get(key)
        created = self._now_us
        if there:
            created = self._created_us if known is None else known[0]
        self.times[key] = [created, self._now_us]

    def gone(self, name: str, dataset_id: str | None) -> None:
        """An instance was deleted."""
        self.times.pop(time_key(name, dataset_id), None)
