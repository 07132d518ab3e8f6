"""The life of an agreement as a table: what may happen in which state, who may do it, what it
needs, and which deadline follows; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from pintu.kernel.errors import StateConflict
from pintu.kernel.exchange.agreements.words import State

What = Literal[
    "request",
    "approve",
    "refuse",
    "sign",
    "withdraw",
    "suspend",
    "resume",
    "revoke",
    # by the city itself
    "escalate",
    "overdue",
    "remind",
    "break",
    "expire",
    "supersede",
]
Side = Literal["consumer", "provider", "city"]
Need = Literal["reason", "other_person", "not_approver", "policy", "valid"]
Due = Literal["", "owner", "deputy", "signature"]

DEEDS: Final[tuple[What, ...]] = get_args(What)
STATES: Final[tuple[State, ...]] = get_args(State)
OWNER: Final = frozenset({"owner"})
EITHER: Final = frozenset({"owner", "deputy"})
ASKER: Final = frozenset({"officer", "owner"})
NOBODY: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of the table. `tells`: (side, role) of those who hear of it; the side "city" is the
    city's own organisation."""

    after: State
    side: Side
    roles: frozenset[str] = NOBODY
    needs: frozenset[Need] = frozenset()
    due: Due = ""
    tells: tuple[tuple[Side, str], ...] = ()
    recalls: bool = False  # copies are asked back


_REASON: Final = frozenset[Need]({"reason"})
_DECIDES: Final = frozenset[Need]({"other_person", "policy"})
_ASKS: Final = frozenset[Need]({"reason", "policy", "valid"})
_BOTH: Final[tuple[tuple[Side, str], ...]] = (("provider", "owner"), ("consumer", "officer"))
_CONSUMER: Final[tuple[tuple[Side, str], ...]] = (("consumer", "officer"),)
_PROVIDER: Final[tuple[tuple[Side, str], ...]] = (("provider", "owner"),)
_EXPIRES: Final = Move(after="expired", side="city", tells=_BOTH, recalls=True)
_REVOKES: Final = Move(
    after="revoked", side="provider", roles=OWNER, needs=_REASON, tells=_CONSUMER, recalls=True
)
_GIVES_UP: Final = Move(
    after="withdrawn", side="consumer", roles=ASKER, tells=_PROVIDER, recalls=True
)
_REPLACED: Final = Move(after="superseded", side="city")

TABLE: Final[dict[tuple[str, What], Move]] = {
    ("", "request"): Move(
        after="requested",
        side="consumer",
        roles=ASKER,
        needs=_ASKS,
        due="owner",
        tells=_PROVIDER,
    ),
    # --- the owner's clock runs
    ("requested", "approve"): Move(
        after="approved",
        side="provider",
        roles=OWNER,
        needs=_DECIDES,
        due="signature",
        tells=_CONSUMER,
    ),
    ("requested", "refuse"): Move(
        after="refused", side="provider", roles=OWNER, needs=_REASON, tells=_CONSUMER
    ),
    ("requested", "escalate"): Move(
        after="escalated",
        side="city",
        due="deputy",
        tells=(("provider", "deputy"), ("provider", "owner"), ("consumer", "officer")),
    ),
    ("requested", "withdraw"): _GIVES_UP,
    ("requested", "expire"): _EXPIRES,
    # --- it passed: the deputy may decide as well
    ("escalated", "approve"): Move(
        after="approved",
        side="provider",
        roles=EITHER,
        needs=_DECIDES,
        due="signature",
        tells=_CONSUMER,
    ),
    ("escalated", "refuse"): Move(
        after="refused", side="provider", roles=EITHER, needs=_REASON, tells=_CONSUMER
    ),
    ("escalated", "overdue"): Move(
        after="escalated",
        side="city",
        tells=(("city", "auditor"), ("provider", "deputy"), ("provider", "owner")),
    ),
    ("escalated", "withdraw"): _GIVES_UP,
    ("escalated", "expire"): _EXPIRES,
    # --- the owner's side signed
    ("approved", "sign"): Move(
        after="active",
        side="consumer",
        roles=ASKER,
        needs=frozenset({"not_approver", "policy"}),
        tells=_PROVIDER,
    ),
    ("approved", "remind"): Move(
        after="approved", side="city", tells=(("consumer", "officer"), ("consumer", "owner"))
    ),
    ("approved", "withdraw"): _GIVES_UP,
    ("approved", "revoke"): _REVOKES,
    ("approved", "expire"): _EXPIRES,
    # --- in force
    ("active", "suspend"): Move(
        after="suspended", side="provider", roles=EITHER, needs=_REASON, tells=_CONSUMER
    ),
    ("active", "break"): Move(
        after="suspended",
        side="city",
        needs=_REASON,
        tells=(*_BOTH, ("city", "auditor")),
    ),
    ("active", "withdraw"): _GIVES_UP,
    ("active", "revoke"): _REVOKES,
    ("active", "expire"): _EXPIRES,
    ("active", "supersede"): _REPLACED,
    # --- nothing passes
    ("suspended", "resume"): Move(
        after="active",
        side="provider",
        roles=OWNER,
        needs=frozenset({"policy"}),
        tells=_CONSUMER,
    ),
    ("suspended", "withdraw"): _GIVES_UP,
    ("suspended", "revoke"): _REVOKES,
    ("suspended", "expire"): _EXPIRES,
    ("suspended", "supersede"): _REPLACED,
}

WAITING: Final[dict[str, What]] = {
    "requested": "escalate",
    "escalated": "overdue",
    "approved": "remind",
}
"""What the city does when the deadline of a state passes."""

IN_FORCE: Final = frozenset(("active", "suspended"))
UNDECIDED: Final = frozenset(("requested", "escalated", "approved"))


def move_of(state: str, deed: What) -> Move:
    """The step of a deed in a state; StateConflict when the table has none."""
    found = TABLE.get((state, deed))
    if found is None:
        was = f"An agreement that is {state}" if state else "An agreement that is not there"
        word = {"break": "be suspended for broken limits", "overdue": "be overdue"}.get(
            deed, f"be {_PAST.get(deed, deed + 'd')}"
        )
        raise StateConflict(f"{was} cannot {word}", state=state)
    return found


_PAST: Final[dict[str, str]] = {
    "request": "requested",
    "sign": "signed",
    "withdraw": "withdrawn",
    "suspend": "suspended",
    "remind": "reminded of",
}
