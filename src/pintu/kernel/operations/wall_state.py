"""The state of a wall as a pure function of what it was told, and one number for all of it: equal
live and replayed, whatever order the same things came in.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

Doc = Mapping[str, Any]
Point = tuple[int, int, int, int]
"""Longitude and latitude in millionths of a degree, look, level."""


def after(
    state: Mapping[str, Doc], event: Mapping[str, Any], over: Callable[[Any, int], bool]
) -> dict[str, Doc]:
    """The documents by id after one event of the wall (`{entities, gone, at_us}`): what is `over`
    by then has left it."""
    at_us = int(event["at_us"])
    gone = set(event["gone"])
    found = {id: one for id, one in state.items() if id not in gone and not over(one, at_us)}
    for one in event["entities"]:
        found.pop(one["id"], None)
        if not over(one, at_us):
            found[one["id"]] = one
    return found


def state_hash(documents: Iterable[Doc], points: Iterable[tuple[str, Point]] = ()) -> str:
    """32 hexadecimal digits for documents (by their ids, members in any order) and points."""
    sort = orjson.OPT_SORT_KEYS
    told = [orjson.dumps([one["id"], one], option=sort) for one in documents]
    told += [orjson.dumps([id, list(point)]) for id, point in points]
    found = hashlib.sha256()
    for one in sorted(told):
        found.update(len(one).to_bytes(8, "big"))
        found.update(one)
    return found.hexdigest()[:32]
