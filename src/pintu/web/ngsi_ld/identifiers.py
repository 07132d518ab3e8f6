"""Ids of entities and datasets: URIs, checked once for each shape of mistake."""

from __future__ import annotations

import re
from typing import Any

from pintu.kernel.errors import BadRequestData

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`\x00-\x20]+")


def uri(text: Any, what: str) -> str:
    """The text itself when it is an absolute URI (RFC 3986); raises BadRequestData naming
    `what`.
    """
    if isinstance(text, str) and _URI.fullmatch(text):
        return text
    raise BadRequestData(f"{what} {str(text)[:100]!r} is not a URI")
