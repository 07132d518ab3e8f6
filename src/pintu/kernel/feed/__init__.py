"""Reading changes as they happen: durable cursors, catch-up and live as one stream, coalescing."""

from pintu.kernel.feed.coalesce import Coalescer, Watch
from pintu.kernel.feed.cursor import cursor_of, position_of
from pintu.kernel.feed.stream import Feed, Subscription

__all__ = ["Coalescer", "Feed", "Subscription", "Watch", "cursor_of", "position_of"]
