"""The languages of asking, from text to `selection` trees; every mistake names its place."""

from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.parse.choices import parse_scope, parse_types
from pintu.kernel.context.parse.geo import geometry_of, parse_geo
from pintu.kernel.context.parse.order import parse_order
from pintu.kernel.context.parse.path import PATH_LIMIT
from pintu.kernel.context.parse.query import parse_q
from pintu.kernel.context.parse.reader import DEPTH_LIMIT, PARTS_LIMIT, TEXT_LIMIT


def parse_id_pattern(pattern: str) -> str:
    """The idPattern itself when it compiles (5.7.2); raises BadRequestData."""
    compile_pattern(pattern)
    return pattern


__all__ = [
    "DEPTH_LIMIT",
    "PARTS_LIMIT",
    "PATH_LIMIT",
    "TEXT_LIMIT",
    "geometry_of",
    "parse_geo",
    "parse_id_pattern",
    "parse_order",
    "parse_q",
    "parse_scope",
    "parse_types",
]
