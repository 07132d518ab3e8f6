"""What looks wrong in the log: found by rules that are data, told with the rows that show it.

A finding accuses nobody: it says what an auditor should look at. Read `words`, `rules`, `watching`.
"""

from pintu.kernel.audit.anomalies.rules import detect
from pintu.kernel.audit.anomalies.words import KINDS, Finding, Thresholds

__all__ = ["KINDS", "Finding", "Thresholds", "detect"]
