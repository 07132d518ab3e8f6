"""What must happen at a time, on the city's clock; kept over restarts.

Wiring: `timers = Timers(tables, clock)`; rooms call `timers.on(name, handler)` while they are
built;
then `await timers.start()`, and `await timers.stop()` at the end.
"""

from pintu.kernel.timers.timers import Firing, Timers

__all__ = ["Firing", "Timers"]
