"""The sealed log: rows, the tree over them, signed heads, proofs, and who looked at a record.

Wiring: `audit = Audit(store, tables, keys, clock)`, then `await audit.start()` and, before the
store closes, `await audit.stop()`. `audit` is the `access.AuditLog` everybody writes to. Read
`rows`, `tree`, `heads`, `sealing`, `audit`; then what is asked of it: `proofs`, `witnessing`,
`searching`, `looking`, `anomalies`.
"""

from pintu.kernel.audit.audit import Audit
from pintu.kernel.audit.heads import Head
from pintu.kernel.audit.looking import Look, Protection, Rules, Viewer
from pintu.kernel.audit.rows import Numbered, Row

__all__ = ["Audit", "Head", "Look", "Numbered", "Protection", "Row", "Rules", "Viewer"]
