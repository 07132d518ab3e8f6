"""Settings that are right alone and wrong together."""

from __future__ import annotations

import ipaddress
from typing import Any

from pintu.kernel.store.address import is_postgres


def fit_together(values: dict[str, Any], mistakes: list[str]) -> None:
    """Settings that are right alone and wrong together."""
    if bool(values.get("tls_cert")) != bool(values.get("tls_key")):
        mistakes.append("tls_cert and tls_key belong together: one of them is missing")
    if values.get("relay"):
        from pintu.kernel.relay.words import read_relay  # what most cities are without

        city = str(values.get("node_name", ""))
        mistakes += [f"pintu.toml: {one}" for one in read_relay(values["relay"], city=city)[1]]
    if values.get("node"):
        if not is_postgres(str(values.get("store", ""))):
            mistakes.append("node is for several brokers on one PostgreSQL: --store names none")
        if values.get("demo"):
            mistakes.append("node and --demo exclude each other: the demo city has one broker")
        if values.get("plain"):
            mistakes.append("node and --plain exclude each other")
    if values.get("open"):
        host = str(values.get("host", "127.0.0.1"))
        if host != "localhost" and not _loopback(host):
            mistakes.append(f"--open is for this machine only, and host is {host}")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
