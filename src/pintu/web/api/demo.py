"""/api/v1/demo: parting with the departments that the demo made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Response, delete

from pintu.kernel.access import Deed
from pintu.kernel.errors import PintuError
from pintu.kernel.exchange.landing import open_landing
from pintu.web.api.reading import as_json
from pintu.web.house import house_of
from pintu.web.visit import AnyRequest, enter

if TYPE_CHECKING:
    from pintu.kernel.exchange.words import DataSet, Rows
    from pintu.web.rooms import Rooms

PREFIX: Final = "demo_"
SOURCE: Final = "demo/departments"
REASON: Final = "演示数据已清空 / the demo was emptied"
MOST: Final = 100_000


@delete("/demo/departments", status_code=200, summary="Part with the demo's departments")
async def departments(request: AnyRequest) -> Response[bytes]:
    """Ends their agreements, removes their data sets with every row, and closes their accounts;
    the log of what happened stays. Says how many of each."""
    house = house_of(request)
    visit = enter(request, house.rooms, Deed.OPERATE)
    rooms = house.rooms
    told = {"agreements": await _agreements(rooms), "data_sets": 0, "accounts": 0}
    for one in rooms.exchange.described():
        if one.name.startswith(PREFIX) and one.provider == "table":
            await _data_set(rooms, one)
            told["data_sets"] += 1
    people = rooms.identity.people
    for person in people.list_people():
        if person.login.startswith(PREFIX) and not person.disabled:
            await people.disable(person.id, by=visit.actor.id)
            told["accounts"] += 1
    return as_json(told)


async def _agreements(rooms: Rooms) -> int:
    """Revoked by the demo's own owners: nobody else may."""
    room, people, ended = rooms.agreements, rooms.identity.people, 0
    if room is None:
        return 0
    for person in people.list_people():
        actor = people.actor(person.id, "", True) if person.login.startswith(PREFIX) else None
        if actor is None or "owner" not in actor.roles:
            continue
        for one in room.list_for(actor):
            if one.terms.provider != actor.organisation:
                continue
            deed = room.refuse if one.state in ("requested", "escalated") else room.revoke
            try:
                await deed(actor, one.id, version=one.version, reason=REASON)
            except PintuError:
                continue  # a newer version was ended with an older one
            ended += 1
    return ended


async def _data_set(rooms: Rooms, data_set: DataSet) -> None:
    keys: list[str] = []
    column = next((one.name for one in data_set.columns if one.key), "")

    def take(page: Rows) -> None:
        keys.extend(str(row[column]) for row in page.rows)

    if rooms.tables is not None and column:
        await rooms.exchange.measure(data_set.name, take, MOST)
        zone = rooms.settings.tz
        landing = open_landing(rooms.tables, rooms.clock, data_set, source=SOURCE, zone=zone)
        await landing.remove(keys)
    rooms.configuration.delete("datasets", data_set.name)


HANDLERS: Final[tuple[Any, ...]] = (departments,)
