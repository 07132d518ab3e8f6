"""/api/v1/store: which store the city has, and a pause of its writing for whoever moves it."""

from __future__ import annotations

import os
from typing import Annotated

from litestar import Response, delete, get, post
from litestar.params import Parameter

from pintu.kernel.access import Deed
from pintu.kernel.errors import OperationNotSupported
from pintu.kernel.store.address import is_postgres, parse_address
from pintu.kernel.store.pausing import LONGEST_S, Pausable
from pintu.web.api.reading import as_json
from pintu.web.house import House, house_of
from pintu.web.visit import AnyRequest, enter


@get("/store", summary="Which store the city has")
async def store(request: AnyRequest) -> Response[bytes]:
    """Its address without a password, the newest position, whether writing is paused."""
    house = house_of(request)
    enter(request, house.rooms, Deed.OPERATE, "store")
    return as_json(_told(house))


@post("/store/pause", status_code=200, summary="Let nobody write for a while")
async def pause(
    request: AnyRequest,
    seconds: Annotated[
        float, Parameter(gt=0, le=LONGEST_S, description="unless it is asked again meanwhile")
    ] = 30.0,
) -> Response[bytes]:
    """Writers get 503 with Retry-After, readers notice nothing; it ends by itself."""
    house = house_of(request)
    enter(request, house.rooms, Deed.OPERATE, "store")
    position = await _pausable(house).pause(seconds)
    return as_json({**_told(house), "position": position})


@delete("/store/pause", status_code=200, summary="Let everybody write again")
async def resume(request: AnyRequest) -> Response[bytes]:
    """Writing goes on, unless the city's settings name another store by now."""
    house = house_of(request)
    enter(request, house.rooms, Deed.OPERATE, "store")
    _pausable(house).resume()
    return as_json(_told(house))


def _told(house: House) -> dict[str, object]:
    address, found = house.rooms.settings.store, house.rooms.store
    return {
        "address": parse_address(address).shown if is_postgres(address) else address,
        "position": found.head(),
        "paused": isinstance(found, Pausable) and found.paused,
        "process": os.getpid(),
    }


def _pausable(house: House) -> Pausable:
    found = house.rooms.store
    if not isinstance(found, Pausable):
        raise OperationNotSupported("The store of this city cannot be paused")
    return found


HANDLERS = (store, pause, resume)
