"""Intake: batches in, quarantine, the health of sources, and both ends of the broker's socket.

Wiring in the broker:
`intake = Intake(store, library, clock, tables, strict_tenants=…, vocabulary=…, context=…)`,
`await intake.start()` and, before the store closes, `await intake.stop()`;
`server = await socket_server(intake, commands, store, DATA / "broker.sock")`, `await
server.close()`.
In the field process: `link = FieldLink(DATA / "broker.sock", name="field", pieces=[…])`,
`await link.start()`, `await link.accept(batch)`, … `await link.stop()`.
"""

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
