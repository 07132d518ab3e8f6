"""Opens the limits over the rooms of a city: what is counted, and which doors ask."""

from __future__ import annotations

from typing import Any

from pintu.kernel.limits.quotas import Quotas


def open_limits(rooms: Any) -> Quotas:
    """Quotas over the configuration and store of `rooms`; its intake asks them."""
    quotas = Quotas(rooms.configuration, rooms.store)

    def subscriptions(tenant: str) -> int:
        number = rooms.store.tenant(tenant)
        room = rooms.subscriptions
        return 0 if room is None or number is None else int(room.count(number))

    def registrations(tenant: str) -> int:
        room = rooms.federation
        return 0 if room is None else len(room.registry.list(tenant))

    quotas.counts = {"subscriptions": subscriptions, "registrations": registrations}
    rooms.intake.allow = quotas.hand_in
    if rooms.history is not None:
        rooms.history.tenant_days = quotas.history_days
    return quotas
