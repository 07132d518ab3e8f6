"""The foreman's work: faults from first sight to verified repair."""

from __future__ import annotations

from typing import Any, Final

from pintu.kit import Changed, Clock, StateConflict
from pintu.kit.tables import OpenTables
from pintu.kit.work_list import Flow, FlowService, FlowTables, Noticed
from pintu.pieces.street_lights.model import FAULTS, PIECE, TITLES, Fault

LIST = "lamp_faults"
TABLE: Final = {
    ("open", "assign"): "assigned",
    ("assigned", "assign"): "assigned",  # to another crew
    ("assigned", "release"): "open",
    ("assigned", "report_repair"): "repaired",
    ("repaired", "verify"): "closed",
    ("repaired", "reopen"): "open",
    # What is measured moves it too: gone by itself, or back again.
    ("open", "cleared"): "closed",
    ("closed", "raised"): "open",
    ("repaired", "raised"): "open",
}


def _notice(change: Changed) -> Noticed | None:
    parts = change.id.split(":", 5)
    if len(parts) != 6 or parts[3] != PIECE or parts[4] not in FAULTS:
        return None
    return Noticed(kind=parts[4], target=parts[5])


def _check(row: dict[str, Any], action: str, _note: str) -> None:
    if action == "verify" and row["cleared_us"] is None:
        raise StateConflict("A repair cannot be verified while the lamp still measures as faulty")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    fault = FAULTS[row["kind"]]
    return {
        "kind": {"value": str(fault), "title": TITLES[fault]},
        "measured": "cleared" if row["cleared_us"] else "faulty",
    }


FLOW: Final = Flow(
    piece=PIECE,
    name=LIST,
    row="fault",
    who="crew",
    steps=TABLE,
    kinds=[str(one) for one in Fault],
    notice=_notice,
    check=_check,
    shown=_shown,
)
FLOW_TABLES: Final = FlowTables(FLOW)
TABLES: Final = FLOW_TABLES.private


class FaultService(FlowService):
    """The work list `lamp_faults`."""

    def __init__(self, opened: OpenTables, clock: Clock) -> None:
        super().__init__(FLOW, FLOW_TABLES, opened, clock)
