"""What things of the journal are called, as the parts that own them say."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

from pintu.kernel.errors import PintuError
from pintu.kernel.operations.roster.words import Ring, Text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pintu.kernel.access import Actor

OWNERS: Final = {"incident": "incidents", "order": "orders", "warning": "warnings", "play": "plays"}
SAID: Final = ("name", "title", "what", "headline")


def namer(room: Any) -> Callable[[str], Awaitable[Text | None]]:
    """Asks the part of the operations room that owns a subject; parts that are not there, or do
    not know it, name nothing."""

    async def named(subject: str) -> Text | None:
        kind, _, id = subject.partition(":")
        part = getattr(room, OWNERS.get(kind, ""), None)
        if part is None or not hasattr(part, "get"):
            return None
        try:
            found = await part.get(id)
        except PintuError:
            return None
        return said_of(found)

    return named


def taker(room: Any) -> Callable[[Actor, Ring], Awaitable[None]]:
    """Whoever answers a ring about an incident has taken the incident too, where nobody had."""

    async def take(actor: Actor, ring: Ring) -> None:
        kind, _, id = ring.subject.partition(":")
        incidents = getattr(room, "incidents", None)
        if kind != "incident" or incidents is None:
            return
        with contextlib.suppress(PintuError):  # somebody has it already, or it is over
            await incidents.acknowledge(id, actor.id, tenant=ring.tenant)

    return take


def said_of(thing: Any) -> Text | None:
    """What a thing is called, in both languages."""
    for name in SAID:
        value = getattr(thing, name, None)
        if isinstance(value, dict) and value:
            return {str(lang): str(text)[:300] for lang, text in value.items()}
        if isinstance(value, str) and value:
            return {"zh": value[:300], "en": value[:300]}
    return None
