"""Operations: the command ledger, from a wish to a measured effect or an honest failure.

Wiring: `commands = Commands(tables, timers, clock, gate, patience={"street_lights": Patience(…)})`
before
`timers.start()`; the socket server calls `commands.on_dispatch`, pages call `commands.listen`.
States: desired → sent → acknowledged → confirmed | failed | timed_out | cancelled (`states.TABLE`).
"""

from pintu.kernel.operations.commands import Commands, Patience
from pintu.kernel.operations.ledger import Entry, Step
from pintu.kernel.operations.states import FINAL, STATES, TABLE

__all__ = ["FINAL", "STATES", "TABLE", "Commands", "Entry", "Patience", "Step"]
