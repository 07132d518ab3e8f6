"""What things are called on NATS: subjects, streams, consumers, ids of messages; pure.

A token of a subject must hold neither dots, wildcards nor spaces: everything but ASCII letters,
digits, `-` and `_` is percent-encoded, so that different names stay different.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

LONGEST: Final = 120
"""Characters of a token; a longer one ends in a digest of the whole."""

PARTS: Final = "~"
"""The token in the place of types under which the present of a tenant is told, a part a message."""

DEFAULT: Final = "default"
"""How the tenant without a name is called, as in grants; a tenant of that name is escaped."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")


def token(text: str) -> str:
    """A text as one token of a subject; different texts give different tokens."""
    if _PLAIN.fullmatch(text) and len(text) <= LONGEST:
        return text
    told = "".join(
        chr(byte) if (chr(byte).isalnum() and byte < 128) or byte in b"-_" else f"%{byte:02X}"
        for byte in text.encode("utf-8", "surrogatepass")
    )
    if len(told) <= LONGEST:
        return told or "%"
    digest = hashlib.sha256(told.encode()).hexdigest()[:32]
    return f"{told[: LONGEST - 33]}~{digest}"


def tenant_token(tenant: str) -> str:
    """A tenant as one token; the default tenant is called `default`."""
    if not tenant:
        return DEFAULT
    return "%64efault" if tenant == DEFAULT else token(tenant)


def subject(city: str, tenant: str, types: tuple[str, ...]) -> str:
    """Where the changes of entities of these types are: several types are joined by `+`."""
    return f"pintu.{city}.{tenant_token(tenant)}.{'+'.join(map(token, types))}"


def parts_subject(city: str, tenant: str) -> str:
    """Where the parts of a tenant's present are."""
    return f"pintu.{city}.{tenant_token(tenant)}.{PARTS}"


def all_of(city: str, tenant: str | None = None) -> str:
    """Everything of a tenant, or of a city."""
    return f"pintu.{city}.>" if tenant is None else f"pintu.{city}.{tenant_token(tenant)}.>"


def asking(city: str) -> str:
    """Where a city can be asked how it is and for the present; outside of its stream."""
    return f"pintu-ask.{city}"


def stream(city: str) -> str:
    """The stream of a city."""
    return f"pintu_{city}"


def consumer(reader: str, tenant: str) -> str:
    """The durable consumer with which a city reads a tenant of another."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", tenant_token(tenant))
    digest = hashlib.sha256(tenant.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{reader}_{name[:40]}_{digest}"


def message_id(city: str, position: int, at_us: int) -> str:
    """The id by which JetStream knows a change it has already: city, position, time. With the time
    a log that was restored from a backup does not have its new changes taken for the lost ones."""
    return f"{city}:{position}:{at_us:x}"


def source(city: str, *, holds: bool) -> str:
    """Who wrote a landed row, for the log: what somebody wrote over NGSI-LD holds whenever it was
    observed (`context.late`), so it keeps a caller's prefix."""
    return f"node:relay/{city}" if holds else f"relay/{city}"


def came_by_relay(source: str) -> bool:
    """Whether a row of the log was landed by a relay: such rows are never relayed on."""
    return source.startswith(("relay/", "node:relay/"))


def route_mark(city: str, tenant: str) -> str:
    """The mark of how far a tenant of another city was landed: a sequence of its stream."""
    return f"relay {city}/{tenant}"


def born_mark(city: str, tenant: str) -> str:
    """The mark of which stream that was: when it was made."""
    return f"relay of {city}/{tenant}"


def whole_mark(tenant: str) -> str:
    """The mark that a tenant's present was told to the end; 0: it is to be told again."""
    return f"relay out {tenant}"


CURSOR: Final = "relay"
"""The durable cursor of the outgoing half."""
