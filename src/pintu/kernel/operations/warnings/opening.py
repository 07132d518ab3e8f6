"""Opening the room of warnings: its doors to playbooks and to people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import orjson
import shapely

from pintu.kernel.access import Actor
from pintu.kernel.context.selection import Selection, TypeSelection
from pintu.kernel.errors import PintuError
from pintu.kernel.jsonld import CORE
from pintu.kernel.operations.warnings.entity import area_of
from pintu.kernel.operations.warnings.geometry import geojson, mended
from pintu.kernel.operations.warnings.warnings import Warnings
from pintu.kernel.store.port import settled

if TYPE_CHECKING:
    from pintu.kernel.operations.opening import OperationsRoom
    from pintu.kernel.operations.warnings.words import PublicWarning
    from pintu.kernel.store.port import Store
    from pintu.kernel.tables import CityTables

MOST_DIVISIONS: Final = 1_000
CODE: Final = CORE.stored("administrativeCode")
SELF: Final = Actor(id="operations/warnings", kind="service", grants=frozenset(("admin",)))
"""Who proposes plans because of a warning; people approve them."""


def open_warnings(rooms: Any, tables: CityTables, room: OperationsRoom) -> Warnings:
    """The room over a city's others; playbooks and messages are found when they are needed, so
    that it does not matter which part is opened first."""
    warnings = Warnings(tables, rooms.timers, rooms.clock, rooms.gate, room.journal)
    plans = Plans(room)
    warnings.places = Divisions(rooms.store).find
    warnings.following.on("start", plans.start)
    warnings.following.on("narrow", plans.narrow)
    warnings.following.on("undo", plans.undo)
    return warnings


def our_name(public_url: str | None) -> str:
    """Who we are in messages: `sender` of CAP 1.2, 3.2.1, unique among senders."""
    host = urlsplit(public_url or "").netloc or "pintu.invalid"
    return f"operations@{host.replace(',', '')}"


class Divisions:
    """Districts and cities of the context by their codes (GB/T 2260), whatever list names them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, tenant: str, codes: frozenset[str]) -> dict[str, Any] | None:
        """The union of those that have one of the codes; None when there is none."""
        number = self._store.tenant(tenant)
        if number is None:
            return None
        types = tuple(frozenset((CORE.stored(one),)) for one in ("District", "City"))
        page = await settled(
            self._store.select(
                Selection(tenant=number, types=TypeSelection(types), limit=MOST_DIVISIONS)
            )
        )
        found = []
        for record in page.records:
            entity = orjson.loads(record.body)
            code = str(entity.get(CODE, {}).get("value", ""))
            place = entity.get("location", {}).get("value")
            if code in codes and place:
                found.append(mended(shapely.from_geojson(orjson.dumps(place))))
        return geojson(shapely.union_all(found)) if found else None


class Plans:
    """What playbooks do because of warnings."""

    def __init__(self, room: OperationsRoom) -> None:
        self._room = room

    async def start(self, warning: PublicWarning, key: str) -> None:
        """Propose every playbook that fits; the same for the same cause is proposed once."""
        plays: Any = self._room.plays
        if plays is None or area_of(warning) is None:
            return  # without a place it would be a plan for the whole city
        failed: PintuError | None = None
        for book in plays.list_playbooks():
            if not fits(book.fit, warning):
                continue
            try:
                await plays.propose(
                    SELF,
                    book.name,
                    warning.cause,
                    area=area_of(warning),
                    tenant=warning.tenant,
                )
            except PintuError as error:  # one that cannot be proposed keeps no other back
                failed = failed or error
        if failed is not None:
            raise failed

    async def narrow(self, warning: PublicWarning, key: str) -> None:
        """Take back what lies outside of the area as it is now."""
        plays: Any = self._room.plays
        area = area_of(warning)
        if plays is not None and area is not None:
            reason = f"warning updated to version {warning.version}"
            await plays.narrow(warning.cause, area, who=SELF.id, reason=reason)

    async def undo(self, warning: PublicWarning, key: str) -> None:
        """Take everything back."""
        plays: Any = self._room.plays
        if plays is not None:
            await plays.undo(warning.cause, SELF.id, f"warning {warning.state}")


def fits(fit: Any, warning: PublicWarning) -> bool:
    """Whether a playbook is for such a warning."""
    message = warning.message
    return (
        "warning" in fit.kinds
        and (not fit.categories or message.category in fit.categories)
        and (not fit.severities or message.severity in fit.severities)
    )
