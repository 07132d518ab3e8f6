"""Applications of one process that differ in what they keep, not in their routes."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from litestar.datastructures import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from litestar import Litestar
    from litestar.types import LifespanHook


def with_routes_of(
    made: Litestar,
    kept: Mapping[str, Any],
    *,
    first: Sequence[LifespanHook],
    last: Sequence[LifespanHook],
) -> Litestar:
    """An application with the routes of `made`, a state of its own, and hooks `first` at its start
    and `last` at its end.

    Registering hundreds of handlers takes Litestar most of a second; this takes a moment. `made`
    must keep nothing of its own: it is never served.
    """
    app = copy(made)
    app.state = State(dict(kept))
    app.on_startup, app.on_shutdown = list(first), list(last)
    app.event_emitter = type(made.event_emitter)(listeners=[])
    # requests find their application in their scope; only the lifespan asks the router for it
    app.asgi_router = copy(made.asgi_router)
    app.asgi_router.app = app
    return app
