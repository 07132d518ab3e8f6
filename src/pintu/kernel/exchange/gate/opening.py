"""The gate of a city, opened before the rooms that ask it and joined to them afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pintu.kernel.exchange.gate.compiling import Compiler
from pintu.kernel.exchange.gate.deciding import ExchangeGate
from pintu.kernel.exchange.gate.schema import TABLES

if TYPE_CHECKING:
    from pintu.kernel.access import AuditLog
    from pintu.kernel.exchange.exchange import Exchange
    from pintu.kernel.exchange.gate.words import Agreements
    from pintu.kernel.identity.keys import Keys
    from pintu.kernel.tables import CityTables


def join_gate(
    gate: ExchangeGate,
    exchange: Exchange,
    tables: CityTables,
    keys: Keys,
    rooms: tuple[Agreements | None, AuditLog | None],
) -> None:
    """Hand the gate what it decides by: the catalogue, what was used of agreements, agreements and
    the log. Raises Unavailable while the tables are away."""
    agreements, audit = rooms
    secret = keys.secret("pseudonyms")
    assert secret is not None
    gate.join(
        agreements=agreements,
        audit=audit,
        compiler=Compiler(
            exchange.catalogue.get,
            exchange.whole,
            secret,
            zone=exchange.zone,
            shapes=exchange.shapes,
        ),
        tables=tables.register(TABLES),
    )
