"""How a request asks for linked entities: join, joinLevel, containedBy (5.7.1.4)."""

from __future__ import annotations

from typing import Any

from pintu.kernel.context.linking import MOST_LEVELS, Links
from pintu.kernel.context.picking import WHOLE, Tree, split_names
from pintu.kernel.context.record import Record
from pintu.kernel.context.render import View
from pintu.kernel.errors import BadRequestData
from pintu.kernel.store.port import settled
from pintu.web.ngsi_ld.agreed import there
from pintu.web.ngsi_ld.operation import Call
from pintu.web.ngsi_ld.params import number

JOIN_PARAMS = frozenset(("join", "joinLevel", "containedBy"))


def read_join(call: Call, params: dict[str, Any], view: View, tree: Tree) -> Links | None:
    """The join a request asks for, or None; raises BadRequestData, also when pick or omit speak
    of linked entities that it does not reach (5.7.1.4, 5.7.2.4).
    """
    kind = params.get("join")
    if kind is None or kind == "@none":
        if "joinLevel" in params and kind is None:
            raise BadRequestData("joinLevel is only read together with join")
        if tree is not WHOLE and tree.depth:
            raise BadRequestData("pick or omit speaks of linked entities: that needs join")
        return None
    if kind not in ("flat", "inline"):
        raise BadRequestData(f"join is {str(kind)[:50]!r}, not flat, inline or @none")
    levels = params.get("joinLevel", "1")
    if isinstance(levels, int):
        levels = str(levels)
    depth = number({"joinLevel": str(levels)}, "joinLevel", 1, least=1, most=MOST_LEVELS)
    if tree.depth > depth:
        raise BadRequestData(f"pick or omit goes {tree.depth} relationships deep, join {depth}")
    contained = params.get("containedBy")
    visited = frozenset(split_names(contained, "containedBy")) if contained else frozenset()

    async def look(id: str) -> Record | None:
        return there(call, await settled(call.rooms.store.retrieve(call.tenant, id)))

    return Links(
        terms=call.terms, inline=kind == "inline", levels=depth, view=view, tree=tree, look=look,
        visited=visited,
    )  # fmt: skip
