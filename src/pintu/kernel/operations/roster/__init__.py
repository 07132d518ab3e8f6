"""The roster: who is on duty, what rings until somebody has it, messages with receipts, and the
handover from watch to watch.

Wiring: `open_roster(rooms, tables, journal)` gives the parts; `start()` them after the timers.
"""

from pintu.kernel.operations.roster.words import Handover, Message, Reach, Receipt, Ring, Shift

__all__ = ["Handover", "Message", "Reach", "Receipt", "Ring", "Shift"]
