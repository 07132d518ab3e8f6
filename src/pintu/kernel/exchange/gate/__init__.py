"""The gate: one decision a call, over grants, agreements, roles, broken glass; what it lets through
is counted or written down, what it refuses is written down too.

Wiring: `gate = open_gate(...)` around the thin gate, before any room that asks it; then
`gate.join(find=exchange.catalogue.get, agreements=…, audit=…)` once those rooms are there.
"""

from pintu.kernel.exchange.gate.deciding import ExchangeGate
from pintu.kernel.exchange.gate.recording import Rows
from pintu.kernel.exchange.gate.words import Agreements, Compiled, Told

__all__ = ["Agreements", "Compiled", "ExchangeGate", "Rows", "Told"]
