"""The registry of schemas and the finder of a city, told who uses what and who must hear of it."""

from __future__ import annotations

from typing import Any

from pintu.kernel.errors import PintuError
from pintu.kernel.exchange.finding.opening import open_finder
from pintu.kernel.exchange.finding.systems import Systems
from pintu.kernel.exchange.finding.uses import Uses
from pintu.kernel.exchange.schemas import Broken, open_schemas
from pintu.kernel.exchange.schemas.telling import Telling
from pintu.kernel.exchange.words import DataSet
from pintu.kernel.tables import CityTables


def open_finding(rooms: Any, tables: CityTables) -> None:
    """Set `rooms.schemas` and `rooms.finder`. `rooms` are the city's: rooms that open later, as
    agreements and notices do, are asked when they are needed."""
    clock, timers, exchange = rooms.clock, rooms.timers, rooms.exchange
    described = exchange.described
    rooms.schemas = schemas = open_schemas(tables, clock, timers, described)
    rooms.finder = finder = open_finder(tables, clock, timers, exchange, schemas)
    uses = Uses(
        configuration=rooms.configuration,
        described=described,
        pieces=[(one.name, one.title, one.reads) for one in rooms.pieces],
        agreements=[lambda actor: rooms.agreements.list_for(actor) if rooms.agreements else []],
    )
    finder.uses_of = uses.all
    systems = Systems(
        configuration=rooms.configuration,
        described=described,
        heard=rooms.intake.sources,
        pieces=[(one.name, one.title, one.owner, one.writes) for one in rooms.pieces],
    )
    finder.systems_of = systems.all

    async def landed_in() -> dict[str, int]:
        fills = systems.fills(described())
        found: dict[str, int] = {}
        for (_, mapping), run in (await rooms.runs.latest()).items():
            for name in fills.get(mapping, ()):
                found[name] = max(found.get(name, 0), run.ended_us)
        return found

    finder.landed_in = landed_in

    def users(data_set: str) -> list[Broken]:
        return [
            Broken(kind="agreement", id=one.id, consumer=one.consumer, fields=one.fields)
            for one in uses.of_agreements()
            if one.data_set == data_set
        ]

    def find(name: str) -> DataSet | None:
        try:
            found: DataSet = exchange.get(name)
        except PintuError:
            return None
        return found

    telling = Telling(notices=lambda: getattr(rooms, "notices", None), users=users, find=find)
    schemas.listen(telling.changed)
