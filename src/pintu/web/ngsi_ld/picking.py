"""pick and omit of a request (4.21)."""

from __future__ import annotations

from typing import Any

from pintu.kernel.context.picking import WHOLE, Tree, parse_tree

__all__ = ["WHOLE", "Tree", "read_tree"]


def read_tree(params: dict[str, Any]) -> Tree:
    """The pick and omit of a request; raises BadRequestData."""
    if "pick" not in params and "omit" not in params:
        return WHOLE
    return parse_tree(params.get("pick"), params.get("omit"))
