"""Streets: each stretch of road has a state, what causes it, and how much of it anything watches.

States and reaches are data (`words`), places are reckoned in `placing`, states in `deriving`, both
pure; `room` follows the city and tells it.
"""

from pintu.kernel.operations.streets.room import Streets
from pintu.kernel.operations.streets.words import STATES, Cause, Street

__all__ = ["STATES", "Cause", "Street", "Streets"]
