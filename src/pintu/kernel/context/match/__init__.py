"""Does an entity satisfy a selection? Queries compiled to closures over stored documents, and index hints."""

from pintu.kernel.context.match.distance import EARTH_RADIUS_M, boxes_around, distance_m
from pintu.kernel.context.match.hints import (
    TEXT_LIMIT,
    index_value,
    index_values,
    points,
    sargable,
    search_boxes,
    shapes,
)
from pintu.kernel.context.match.text import text_key

__all__ = [
    "EARTH_RADIUS_M",
    "TEXT_LIMIT",
    "boxes_around",
    "distance_m",
    "index_value",
    "index_values",
    "points",
    "sargable",
    "search_boxes",
    "shapes",
    "text_key",
]
