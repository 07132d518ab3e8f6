"""What a parser lets through and RFC 9112 does not: versions, Host, forms of targets. Pure; asked
by both doors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

Pairs = Sequence[tuple[bytes, bytes]]
Mistake = tuple[int, str]
"""The status of the refusal, and what is wrong in a sentence."""

_VERSIONS = ("1.1", "1.0")
_HOST = re.compile(rb"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_ABSOLUTE = re.compile(rb"(?i:https?)://([^/?#]+)(/[^#]*|\?[^#]*|)")


def mistake_in(version: str, target: bytes, headers: Pairs) -> Mistake | None:
    """What is wrong with a request whose header lines a parser has read (names in small letters);
    None: nothing.
    """
    if version not in _VERSIONS:
        return 505, f"HTTP/{version} is not spoken here, HTTP/1.1 is"
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        return 400, "The request has more than one Host"
    if not hosts and version != "1.0":
        return 400, "The request has no Host"
    if hosts and not _HOST.fullmatch(hosts[0].strip(b" \t")):
        return 400, "Host is not a host and a port"
    names = {name for name, _ in headers}
    if b"transfer-encoding" in names and b"content-length" in names:
        return 400, "The request has both Content-Length and Transfer-Encoding"
    if not target.startswith(b"/") and target != b"*":
        return 400, "The request target is neither a path nor an address"
    return None


def origin_form(target: bytes, headers: Pairs) -> tuple[bytes, Pairs]:
    """An address as a target becomes its path, and its authority the Host (RFC 9112, 3.2.2); any
    other target stays."""
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        return target, headers
    rest = found[2] if found[2].startswith(b"/") else b"/" + found[2]
    if not any(name == b"host" for name, _ in headers):
        return rest, headers  # a Host is missed all the same
    return rest, [(name, found[1] if name == b"host" else value) for name, value in headers]
