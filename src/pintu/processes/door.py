"""The broker's door: which HTTP is spoken, and how many may stand in it."""

from __future__ import annotations

import contextlib
import resource
from dataclasses import replace
from typing import Any, Final

from pintu.web.ngsi_ld.broker import Broker
from pintu.web.ngsi_ld.fast_lane import fast_lane
from pintu.web.ngsi_ld.plain_door import Strict, plain_door
from pintu.web.ngsi_ld.wire import LIMITS, Limits

OWN_FILES: Final = 1_000
"""Files and connections of our own that callers must leave room for."""


def door_limits() -> Limits:
    """As many connections as this process may have files open, less what it needs itself: one too
    many is told so, instead of the store finding no file to open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return LIMITS
    most = max(soft - OWN_FILES, soft // 2)
    return replace(LIMITS, connections=min(LIMITS.connections, most))


def door(application: Any, broker: Broker, *, plain: bool) -> dict[str, Any]:
    """What uvicorn is told of its application and its HTTP. h11 writes header names as they are
    told, httptools in small letters: there are clients that look for Location letter by letter.
    """
    limits = door_limits()
    if plain:
        return {"app": Strict(application), "http": plain_door(limits)}
    return {"app": application, "http": fast_lane(broker, limits)}
