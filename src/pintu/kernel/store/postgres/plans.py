"""Plans of selections that are asked again and again, kept while they are the right ones."""

from __future__ import annotations

from pintu.kernel.context.selection import Selection
from pintu.kernel.store.postgres.names import Names
from pintu.kernel.store.postgres.plan import Plan, plans

KEPT = 1_024


class Plans:
    """Makes plans; keeps those of selections that are held by whoever repeats a query."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._kept: dict[int, tuple[Selection, int, list[Plan]]] = {}

    def holds(self, selection: Selection, plan: Plan) -> bool:
        """Is what a plan finds still all there is? Not when a kind, a shape or an index came or
        went while its statement was under way.

        Whatever a statement can see was numbered before, and made another version of the names.
        """
        if plan.version == self._names.version:
            return True
        now = self.find(selection)
        return any(one.steps == plan.steps and one.shapes == plan.shapes for one in now)

    def find(self, selection: Selection) -> list[Plan]:
        """The plans for a selection as things are now; see `plan.plans`."""
        # before planning: what changes meanwhile makes this plan an old one
        key, version = id(selection), self._names.version
        kept = self._kept.get(key)
        if kept is not None and kept[0] is selection and kept[1] == version:
            return kept[2]
        made = plans(self._names.by_tenant.get(selection.tenant, ()), selection)
        for one in made:
            one.version = version
        # a count is what it is now
        if selection.bodies and not selection.count:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[key] = (selection, version, made)
        return made
