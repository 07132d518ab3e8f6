"""Why a value cannot be used, in words a data officer reads: each reason in English and Chinese."""

from __future__ import annotations

from typing import Any

from pintu.kernel.errors import BadRequestData


def wrong(en: str, zh: str) -> BadRequestData:
    """An error that says it in both languages; to be raised."""
    return BadRequestData(en, zh=zh)


def shown(value: Any) -> str:
    """A value as a reason quotes it: short, on one line."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split()) if "\n" in text or "\r" in text else text
    return f"'{text[:60]}…'" if len(text) > 60 else f"'{text}'"
