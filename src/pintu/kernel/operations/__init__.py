"""Operations: the command ledger, from a wish to a measured effect or an honest failure.

Wiring: `commands = Commands(tables, timers, clock, gate, patience={"street_lights": Patience(…)})`
before
`timers.start()`; the socket server calls `commands.on_dispatch`, pages call `commands.listen`.
States: (held →) desired → sent → acknowledged → confirmed | failed | timed_out | cancelled
(`states.TABLE`).
"""

from pintu.kernel.operations.asking import Ask, Many
from pintu.kernel.operations.commands import Commands
from pintu.kernel.operations.ledger import Entry, Step
from pintu.kernel.operations.states import FINAL, STATES, TABLE
from pintu.kernel.operations.stepping import Patience

__all__ = ["FINAL", "STATES", "TABLE", "Ask", "Commands", "Entry", "Many", "Patience", "Step"]
