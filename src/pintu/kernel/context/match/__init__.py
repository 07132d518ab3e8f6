"""Does an entity satisfy a selection? Queries compiled over stored documents, and index hints."""

from pintu.kernel.context.match.distance import EARTH_RADIUS_M, boxes_around, distance_m
from pintu.kernel.context.match.geometry import geometry_distance_m, geometry_test
from pintu.kernel.context.match.hints import (
    TEXT_LIMIT,
    index_value,
    index_values,
    points,
    sargable,
    search_boxes,
    shapes,
)
from pintu.kernel.context.match.order import compile_order, sort_key
from pintu.kernel.context.match.pattern import compile_pattern
from pintu.kernel.context.match.query import (
    Lookup,
    Test,
    attributes_of,
    compile_q,
    linked_depth,
    match_q,
)
from pintu.kernel.context.match.select import compile_selection, matches
from pintu.kernel.context.match.text import text_key

__all__ = [
    "EARTH_RADIUS_M",
    "TEXT_LIMIT",
    "Lookup",
    "Test",
    "attributes_of",
    "boxes_around",
    "compile_order",
    "compile_pattern",
    "compile_q",
    "compile_selection",
    "distance_m",
    "geometry_distance_m",
    "geometry_test",
    "index_value",
    "index_values",
    "linked_depth",
    "match_q",
    "matches",
    "points",
    "sargable",
    "search_boxes",
    "shapes",
    "sort_key",
    "text_key",
]
