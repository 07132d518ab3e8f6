"""How much of a person's field may be seen, and when the whole of it; as a table.

A mask may always be stronger. Whole values are for those whose work is with one person at a time,
so they need a subject: one person a call.
"""

from __future__ import annotations

from typing import Final

from pintu.kernel.access import Mask

KEPT: Final[dict[str, int]] = {
    "name": 1,  # the family name
    "id_number": 6,  # the division it was given in
    "phone": 3,
    "address": 9,  # as far as the district
    "birth": 7,  # year and month
    "account": 0,
    "health": 3,  # the category of a classification of diseases
}
"""How many signs of a marked field anybody may see; bands of numbers too where it is more than 0.
"""

_SERVICES: Final = frozenset(["treatment", "insurance", "welfare", "licensing", "enrolment"])
_DUTIES: Final = frozenset(["enforcement", "emergency", "public_health", "correction"])
WHOLE_FOR: Final[dict[str, frozenset[str]]] = {
    "name": _SERVICES | _DUTIES,
    "id_number": frozenset(("treatment", "insurance", "enforcement", "correction")),
    "phone": _DUTIES | {"treatment"},
    "address": frozenset(("treatment", "welfare", "enforcement", "emergency", "correction")),
    "birth": _SERVICES | _DUTIES,
    "account": frozenset(("insurance", "welfare")),
    "health": frozenset(("treatment", "insurance", "public_health", "emergency", "correction")),
}
"""Purposes for which a marked field may be seen as it is, one person a call."""

WITHOUT_SUBJECT: Final = frozenset(("enforcement", "emergency"))
"""Purposes that may ask for rows of persons without naming each."""

OF_DUTY: Final = frozenset(("statutory_duty", "emergency"))
"""Legal bases that such an exception needs."""

LEAST_K: Final = 10


def strong_enough(mark: str, mask: Mask) -> bool:
    """Whether a mask hides enough of a marked field for anybody to see it."""
    if mask.kind in ("drop", "yes_no", "pseudonym"):
        return True
    most = KEPT.get(mark, 0)
    if mask.kind == "truncate" or (mask.kind == "generalise" and not mask.step):
        return 0 < mask.keep <= most
    return mask.kind == "generalise" and most > 0


def may_be_whole(mark: str, purpose: str) -> bool:
    """Whether a purpose needs a marked field as it is."""
    return purpose in WHOLE_FOR.get(mark, frozenset())
