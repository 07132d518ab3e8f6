"""What is sent to a context source, and what became of it: headers, the way a request has come, the
words of a failure (4.3.6.5, 6.3.17, 6.3.18). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from pintu.kernel.federation.words import Registration

Pairs = tuple[tuple[bytes, bytes], ...]

FROM_REQUEST: Final = "urn:ngsi-ld:request"
"""A value of contextSourceInfo: what the triggering request said of this header."""
NOT_CONVEYED: Final = frozenset(
    (
        b"ngsild-tenant", b"via", b"content-length", b"host", b"connection", b"transfer-encoding",
        b"content-type", b"accept", b"link", b"te", b"upgrade", b"expect", b"trailer",
        b"keep-alive", b"proxy-connection", b"jsonldcontext", b"contenttype",
    )
)  # fmt: skip
"""Headers a registration cannot set: they are the interaction's own (4.3.6.5)."""
_PROOFS: Final = frozenset((b"authorization", b"cookie", b"x-csrf-token"))
"""With these somebody proves to us who they are. A source that got them could be them, so that
whoever may register one could become anybody who asks: they are never copied from a request."""
_VIA_LIMIT: Final = 4096
_ROOT: Final = "/ngsi-ld/v1"
_SPELLED: Final = {b"accept": b"Accept", b"content-type": b"Content-Type", b"link": b"Link"}
"""Header names as most servers' logs have them; none is read by its capitals."""

Kind = Literal["stale", "invalid", "away", "cooling", "refused", "loop"]
WARNING: Final[dict[Kind, int]] = {
    "stale": 110, "invalid": 111, "away": 199, "cooling": 199, "refused": 299, "loop": 199,
}  # fmt: skip
"""The NGSILD-Warning code of each way to fail (6.3.17)."""
STATUS: Final[dict[Kind, int]] = {
    "stale": 200, "invalid": 502, "away": 504, "cooling": 504, "refused": 502, "loop": 508,
}  # fmt: skip
"""The HTTP status of a request that only this source could have answered (6.3.17)."""


class Question(msgspec.Struct, frozen=True, gc=False):
    """One request for a source. `path` is below `/ngsi-ld/v1/`, percent-encoded; `query` without
    `?`; `headers` are its own (Accept, Link, Content-Type), all others are added by `Sources`.
    """

    method: str
    path: str
    query: str = ""
    headers: Pairs = ()
    body: bytes = b""


class Came(msgspec.Struct, frozen=True, gc=False):
    """The request that triggers a forwarded one: its headers, and our alias for its tenant."""

    alias: str
    headers: Mapping[bytes, bytes]

    @property
    def seen(self) -> frozenset[str]:
        """The aliases it has passed already."""
        return passed(self.headers.get(b"via", b""))

    @property
    def returned(self) -> bool:
        """Whether it has been here before: whatever is forwarded now is a loop. So is a way that is
        longer than what is read of it: nobody can say where it has not been."""
        via = self.headers.get(b"via")
        return via is not None and (len(via) > _VIA_LIMIT or self.alias in passed(via))


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What a source said: 2xx, 404, or with `refused` any other status it chose."""

    status: int
    headers: Mapping[str, str]  # lower-case names
    body: bytes
    stale: bool = False  # kept from earlier: the source did not answer this time


class Failed(msgspec.Struct, frozen=True, gc=False):
    """Why a source gave nothing. `status` and `body` are its own words, 0 when it said none."""

    kind: Kind
    detail: str
    status: int = 0
    body: bytes = b""

    @property
    def http_status(self) -> int:
        """What a request ends with that only this source could have answered."""
        return STATUS[self.kind]


def passed(via: bytes) -> frozenset[str]:
    """The aliases in a Via header: `1.1 alias, 1.1 other (comment)`."""
    found = set()
    for member in via[:_VIA_LIMIT].decode("latin-1").split(","):
        words = member.split()
        if len(words) > 1:
            found.add(words[1])
    return frozenset(found)


def via_onward(came: Came) -> bytes:
    """The Via header of what is forwarded: the way so far, then us."""
    own = b"1.1 " + came.alias.encode("latin-1", "replace")
    before = came.headers.get(b"via", b"").strip()
    return before + b", " + own if before else own


def looped(registration: Registration, came: Came) -> bool:
    """Whether asking this source would go in a circle (6.3.18)."""
    return came.returned or bool(registration.alias and registration.alias in came.seen)


def onward_headers(registration: Registration, question: Question, came: Came) -> Pairs:
    """Every header of the forwarded request but those of the connection."""
    own = dict(question.headers)
    for key, value in registration.context_source_info:
        if key.lower() == "accept":
            own[b"accept"] = value.encode("latin-1", "replace")
    headers = [(_SPELLED.get(name, name), value) for name, value in own.items()]
    headers.append((b"Via", via_onward(came)))
    if registration.source_tenant:
        headers.append((b"NGSILD-Tenant", registration.source_tenant.encode("latin-1", "replace")))
    headers.extend(conveyed(registration.context_source_info, came.headers))
    return tuple(headers)


def conveyed(info: Iterable[tuple[str, str]], came: Mapping[bytes, bytes]) -> Pairs:
    """The headers of contextSourceInfo; those of the triggering request where it says so, but
    never what the caller proves to us who they are with."""
    found = []
    for key, value in info:
        spelled = key.strip().encode("latin-1", "replace")
        name = spelled.lower()
        if name in NOT_CONVEYED or not name:
            continue
        if value == FROM_REQUEST:
            own = came.get(name)
            if own is not None and name not in _PROOFS:
                found.append((spelled, own))
        else:
            found.append((spelled, value.encode("latin-1", "replace")))
    return tuple(found)


def url_of(registration: Registration, question: Question) -> str:
    """Where a question goes."""
    endpoint = registration.endpoint.rstrip("/").removesuffix(_ROOT)  # many write it to its end
    base = f"{endpoint}{_ROOT}/{question.path}"
    query = question.query
    if registration.management.local_only and "local=" not in query:
        query = f"{query}&local=true" if query else "local=true"
    return f"{base}?{query}" if query else base


def warning(failed: Failed, agent: str) -> tuple[bytes, bytes]:
    """One NGSILD-Warning header (6.3.17): `199 alias "text"`."""
    text = " ".join(failed.detail.replace("\\", "").replace('"', "'").split())[:300]
    line = f'{WARNING[failed.kind]} {agent.replace(" ", "_")} "{text}"'
    return b"ngsild-warning", line.encode("latin-1", "replace")
