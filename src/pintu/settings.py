"""Everything the city is told from outside: `pintu.toml`, then the environment; read once, frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One value for every setting; `docs/operate.md` documents each (tests/test_docs.py)."""

    data: Path
    store: str = "sqlite:"
    host: str = "127.0.0.1"
    port: int = 8800
    admin_token_file: Path | None = None  # default: DATA/admin.token
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    egress_allow: tuple[str, ...] = ()
    tz: str = "Asia/Shanghai"
    lang: str = "zh-CN"
    clock: str = "real"
    temporal_page: int = 1000
    tls_cert: Path | None = None
    tls_key: Path | None = None
    # how it was started
    demo: bool = False
    pieces: bool = True
    open: bool = False  # loopback only: an allow-all grant
    plain: bool = False  # without the fast lane
    strict_tenants: frozenset[str] = frozenset()
    piece_settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def demo_tenant(self) -> str:
        """The tenant demo devices write to and anybody on this machine may read."""
        return "demo"
