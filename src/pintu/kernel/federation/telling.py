"""The notification that tells of registrations (5.3.2), as bytes for an endpoint."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import orjson

from pintu.kernel.clock import iso
from pintu.kernel.federation.reading import shown
from pintu.kernel.federation.watching import Watcher, Why
from pintu.kernel.federation.words import Registration
from pintu.kernel.jsonld import Terms

CORE_CONTEXT = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-v1.8.jsonld"
_REL = "http://www.w3.org/ns/json-ld#context"
Pairs = tuple[tuple[str, str], ...]
Telling = Sequence[tuple[Registration, list[dict[str, Any]]]]
"""Registrations with the information of each that is wanted, in stored names."""


class Counts(msgspec.Struct):
    """What was sent to one subscriber; times in µs, 0: never."""

    sent: int = 0
    failed: int = 0
    last_us: int = 0
    succeeded_us: int = 0
    failed_us: int = 0
    why: str = ""  # of the last failure

    def shown(self) -> dict[str, Any]:
        """The members of `notification` that tell of it (5.2.14.2); none before the first one."""
        if not self.sent:
            return {}
        told: dict[str, Any] = {
            "status": "failed" if self.failed_us > self.succeeded_us else "ok",
            "timesSent": self.sent,
            "lastNotification": iso(self.last_us),
        }
        if self.failed:
            told["timesFailed"] = self.failed
            told["lastFailure"] = iso(self.failed_us)
        if self.succeeded_us:
            told["lastSuccess"] = iso(self.succeeded_us)
        return told


def notification(
    watcher: Watcher, why: Why, telling: Telling, terms: Terms, now_us: int
) -> tuple[Pairs, bytes]:
    """Headers and body of one notification, in the subscriber's names."""
    context = CORE_CONTEXT if terms.source is None else terms.source
    ld = watcher.endpoint.accept == "application/ld+json"
    document: dict[str, Any] = {
        "id": f"urn:ngsi-ld:ContextSourceNotification:{uuid.uuid4()}",
        "type": "ContextSourceNotification",
        "subscriptionId": watcher.id,
        "notifiedAt": iso(now_us),
        "triggerReason": why,
        "data": [_told(registration, part, terms) for registration, part in telling],
    }
    headers: list[tuple[str, str]] = [("Content-Type", watcher.endpoint.accept)]
    if ld:
        document["@context"] = context
    elif isinstance(context, str):
        headers.append(("Link", f'<{context}>; rel="{_REL}"; type="application/ld+json"'))
    if watcher.tenant:
        headers.append(("NGSILD-Tenant", watcher.tenant))
    own = {name.lower() for name, _ in headers}
    headers += [pair for pair in watcher.endpoint.headers if pair[0].lower() not in own]
    return tuple(headers), orjson.dumps(document)


def _told(registration: Registration, part: list[dict[str, Any]], terms: Terms) -> dict[str, Any]:
    return shown({**registration.document, "information": part}, terms)
