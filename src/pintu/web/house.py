"""What the handlers of the screens share: the rooms, the living pictures and the event hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from litestar.datastructures import State

if TYPE_CHECKING:
    from litestar import Request

    from pintu.web.api.picture import Pictures
    from pintu.web.events import Hub
    from pintu.web.pages.connect_looks import Looks
    from pintu.web.rooms import Rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Made once by `build_app`, found by handlers in the application's state."""

    rooms: Rooms
    pictures: Pictures
    hub: Hub
    looks: Looks


def house_of(request: Request[Any, Any, State]) -> House:
    """The house of the application that handles this request."""
    house: House = request.app.state["house"]
    return house
