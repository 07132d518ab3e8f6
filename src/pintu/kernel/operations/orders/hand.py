"""A playbook's hand in the orders room: its steps open orders, its roll-back calls them off."""

from __future__ import annotations

from typing import Any, Protocol

from pintu.kernel.errors import BadRequestData, StateConflict
from pintu.kernel.operations.orders.orders import Orders


class Run(Protocol):
    """What a hand needs to know of a play."""

    @property
    def id(self) -> str:
        """Its own number."""
        ...

    @property
    def tenant(self) -> str:
        """Where its things are."""
        ...

    @property
    def cause(self) -> str:
        """What it was proposed for."""
        ...


class OrderHand:
    """Opens and cancels orders for plays, once for each key."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders

    async def do(self, play: Run, given: dict[str, Any], *, key: str, targets: list[str]) -> str:
        """One order for a step: `given` says `what`, `severity` and perhaps a `crew`; it is about
        the first of `targets`, or about what `given` names as `target`. Its id."""
        target = str(given.get("target") or (targets[0] if targets else ""))
        if not target:
            raise BadRequestData("An order of a playbook needs a thing to be about")
        order = await self._orders.open_order(
            "playbook",
            play.tenant,
            str(given.get("what", "inspect")),
            target,
            cause=play.cause,
            severity=str(given.get("severity", "medium")),
            key=key,
            also=(f"play:{play.id}",),
        )
        crew = str(given.get("crew", ""))
        if crew and order.state == "open":
            order = await self._orders.deed(
                "playbook", order.id, "assign", f"{key}/assign", crew=crew
            )
        return order.id

    async def undo(self, play: Run, ref: str, *, key: str, reason: str) -> None:
        """Call an order off, unless it ended or others need it too; what was done is done."""
        order = await self._orders.get(ref)
        mine = {play.cause, f"play:{play.id}"}
        if order.final or set(order.causes) - mine:
            return
        why = reason.strip() or "The plan it was part of was taken back"
        try:
            await self._orders.deed("playbook", ref, "cancel", key, why)
        except StateConflict:
            return  # a crew was quicker and finished it
