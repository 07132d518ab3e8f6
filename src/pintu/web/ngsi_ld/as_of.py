"""`?at=`: entities as they were at a moment, whatever else is asked of them; our extension.

Everything of a query holds as of that moment: types, q, geo, scope, order, pages, where
relationships lead, what an agreement's rows are. It is answered from here alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pintu.kernel.context.linking import Look
from pintu.kernel.context.record import Record
from pintu.web.api.past_picture import checked_moment
from pintu.web.ngsi_ld import consumption, entity_maps
from pintu.web.ngsi_ld.agreed import cut, there
from pintu.web.ngsi_ld.identifiers import uri
from pintu.web.ngsi_ld.message import Response
from pintu.web.ngsi_ld.operation import Call, Result
from pintu.web.ngsi_ld.paging import window

if TYPE_CHECKING:
    from pintu.kernel.analytics.moments import Moment


def query_entities(call: Call) -> Result:
    """5.7.2, now or as of a moment."""
    return _query(call) if "at" in call.params else entity_maps.query_entities(call)


def query_distributed(call: Call) -> Result:
    """The same over all sources; their past is not asked for."""
    return _query(call) if "at" in call.params else entity_maps.query_distributed(call)


def retrieve_entity(call: Call) -> Result:
    """5.7.1, now or as of a moment."""
    return _retrieve(call) if "at" in call.params else entity_maps.retrieve_entity(call)


def retrieve_distributed(call: Call) -> Result:
    """The same over all sources; their past is not asked for."""
    return _retrieve(call) if "at" in call.params else entity_maps.retrieve_distributed(call)


async def _query(call: Call) -> Response:
    moment = await moment_of(call)
    query = consumption.read_asked(call, call.params, cut(call, window(call.params)))
    if query.join is not None:
        query.join.look = _look(call, moment)
    selection = consumption.selection_of(query)
    return await consumption.later(query, moment.select(selection))


async def _retrieve(call: Call) -> Response:
    id = uri(call.parts[0], "Entity id")
    moment = await moment_of(call)
    found = moment.retrieve(call.tenant, id)
    return await consumption.entity_told(call, id, found, _look(call, moment))


async def moment_of(call: Call) -> Moment:
    """The moment a call asks for; raises BadRequestData for one that is not there to be seen."""
    at_us = call.at_us = await checked_moment(call.rooms, call.params["at"])
    history = call.rooms.history
    assert history is not None
    return history.moment(at_us)


def _look(call: Call, moment: Moment) -> Look:
    async def look(id: str) -> Record | None:
        return there(call, await moment.retrieve(call.tenant, id))

    return look
