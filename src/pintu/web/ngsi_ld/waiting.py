"""Answers of the store that may be there at once or have to be waited for."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def settled(answer: T | Awaitable[T]) -> T:
    """The answer itself, awaited when it is not there yet."""
    if isinstance(answer, Awaitable):
        return await answer
    return answer
