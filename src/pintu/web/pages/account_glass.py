"""People's own pages."""

from __future__ import annotations

from typing import Any, Final

PAGES: Final[tuple[Any, ...]] = ()
