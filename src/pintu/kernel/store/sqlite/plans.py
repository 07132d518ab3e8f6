"""Plans of selections that are asked again and again, kept while they are the right ones."""

from __future__ import annotations

from pintu.kernel.context.selection import Selection
from pintu.kernel.store.sqlite.names import Names
from pintu.kernel.store.sqlite.pending import PendingPoints
from pintu.kernel.store.sqlite.plan import Plan, Probe, plan

KEPT = 1_024


class Plans:
    """Makes plans; keeps those of selections that are held by whoever repeats a query.

    Choosing the index and writing the statement anew was a quarter of what a repeated page cost
    (docs/decisions/0010).
    """

    def __init__(self, names: Names, pending: PendingPoints, probe: Probe) -> None:
        self._names = names
        self._pending = pending
        self._probe = probe
        self._kept: dict[int, tuple[Selection, int, Plan]] = {}

    def find(self, selection: Selection) -> Plan:
        """The plan for a selection, as things are now."""
        # before planning: what changes meanwhile makes this plan an old one
        key, version = id(selection), self._names.version
        kept = self._kept.get(key)
        if kept is not None and kept[0] is selection and kept[1] == version:
            return kept[2]
        made = plan(self._names, selection, self._probe, self._pending)
        # a place looks at points that wait in memory, a count is what it is now
        if selection.bodies and selection.geo is None and not selection.count:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = (selection, version, made)
        return made
