"""The address of a city's store: `sqlite:` or `postgresql://USER@HOST/DATABASE?…`."""

from __future__ import annotations


def is_postgres(address: str) -> bool:
    """Does this address of a store name a PostgreSQL server?"""
    return address.startswith(("postgresql://", "postgres://"))
