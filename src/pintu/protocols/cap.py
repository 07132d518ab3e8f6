"""Common Alerting Protocol 1.2: messages of warnings read from XML and written to it.

`read` takes what the schema of CAP 1.2 takes (and 1.1 from before it), `write` writes what it
takes; both are pure. Nothing in a document is followed: no entity, no address.
"""

from pintu.protocols.cap_read import read
from pintu.protocols.cap_words import (
    MOST_BYTES,
    MOST_POINTS,
    CapAlert,
    CapArea,
    CapInfo,
    CapReference,
    CapResource,
    Pair,
)
from pintu.protocols.cap_write import WRITTEN, write
from pintu.protocols.cap_xml import CapError

__all__ = [
    "MOST_BYTES",
    "MOST_POINTS",
    "WRITTEN",
    "CapAlert",
    "CapArea",
    "CapError",
    "CapInfo",
    "CapReference",
    "CapResource",
    "Pair",
    "read",
    "write",
]
