"""Intake: batches in, quarantine, the health of sources, and both ends of the broker's socket.

Wiring in the broker:
`intake = Intake(store, library, clock, tables, strict_tenants=…, vocabulary=…, context=…)`,
`await intake.start()` and, before the store closes, `await intake.stop()`;
`server = await socket_server(intake, commands, store, DATA / "broker.sock")`, `await
server.close()`.
In the field process: `link = FieldLink(DATA / "broker.sock", name="field", pieces=[…])`,
`await link.start()`, `await link.accept(batch)`, … `await link.stop()`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pintu.kernel.intake.intake import Intake
    from pintu.kernel.intake.limits import Limits
    from pintu.kernel.intake.link import FieldLink
    from pintu.kernel.intake.quarantine import Held, Quarantine, SourceCount
    from pintu.kernel.intake.server import SocketServer, socket_server
    from pintu.kernel.intake.sources import Source

__all__ = [
    "FieldLink",
    "Held",
    "Intake",
    "Limits",
    "Quarantine",
    "SocketServer",
    "Source",
    "SourceCount",
    "socket_server",
]

_MODULES = {
    "FieldLink": "link",
    "Held": "quarantine",
    "Intake": "intake",
    "Limits": "limits",
    "Quarantine": "quarantine",
    "SocketServer": "server",
    "Source": "sources",
    "SourceCount": "quarantine",
    "socket_server": "server",
}


def __getattr__(name: str) -> Any:
    # one end of the socket needs no store, the other no link: 30 MB that a small process saves
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
