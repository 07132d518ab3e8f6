"""What a caller names of itself in headers: an agreement, a purpose, a reason in its own words."""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

from pintu.kernel.access import Receipt
from pintu.kernel.errors import BadRequestData

LONGEST: Final = 2_000
AGREEMENT, PURPOSE, REASON = b"pintu-agreement", b"pintu-purpose", b"pintu-reason"


def spoken(header: bytes) -> str:
    """A header's value as text: percent-encoded UTF-8, with RFC 8187's `UTF-8''` before it or
    without, or UTF-8 as it is; raises BadRequestData for anything else.
    """
    if not header:
        return ""
    raw = header[7:] if header[:7].lower() == b"utf-8''" else header
    try:
        text = unquote(raw.decode(), errors="strict").strip()
    except UnicodeError as error:
        raise BadRequestData("A header that names a reason is not UTF-8") from error
    if len(text) > LONGEST:
        raise BadRequestData(f"A header that names a reason is longer than {LONGEST} signs")
    return text


def receipt_line(receipt: Receipt) -> str:
    """The value of `Pintu-Receipt`: where the row of an answer stands in the log."""
    return f"{receipt.number}; leaf={receipt.leaf}"
