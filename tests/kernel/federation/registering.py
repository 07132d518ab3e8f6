"""Registrations as short as they can be said, for the tests of this folder."""

from __future__ import annotations

from typing import Any

from pintu.kernel.context.selection import TypeSelection
from pintu.kernel.federation.reading import read
from pintu.kernel.federation.words import Registration

NOW_US = 1_700_000_000_000_000


def document(id: str, *information: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The document of a registration; without information it has Lamps."""
    return {
        "id": f"urn:ngsi-ld:ContextSourceRegistration:{id}",
        "type": "ContextSourceRegistration",
        "information": list(information) or [{"entities": [{"type": "Lamp"}]}],
        "endpoint": "http://source.example",
        **more,
    }


def registration(id: str, *information: dict[str, Any], **more: Any) -> Registration:
    """The registration of such a document, in the default tenant."""
    return read(document(id, *information, **more), tenant="", now_us=NOW_US)


def types(*names: str) -> TypeSelection:
    """Any of these types."""
    return TypeSelection(tuple(frozenset((name,)) for name in names))
