"""The inspector's work: exceedances and suspicions from first sight to a finding."""

from __future__ import annotations

from typing import Any, Final

from pintu.kit import Changed, Clock, StateConflict
from pintu.kit.tables import OpenTables
from pintu.kit.work_list import Flow, FlowService, FlowTables, Noticed
from pintu.pieces.environment.model.air import PIECE
from pintu.pieces.environment.model.cases import CASES, SUSPICIONS, TITLES, Case, parts_of

LIST = "air_cases"
TABLE: Final = {
    ("open", "assign"): "assigned",
    ("assigned", "assign"): "assigned",  # to another inspector
    ("assigned", "release"): "open",
    ("assigned", "report_finding"): "found",
    ("found", "close"): "closed",
    ("found", "reopen"): "open",
    # What is measured moves it too: over by itself, or there again.
    ("open", "cleared"): "closed",
    ("closed", "raised"): "open",
}


def _notice(change: Changed) -> Noticed | None:
    parts = parts_of(change.id)
    if parts is None:
        return None
    said = change.entity.get("description", {}).get("languageMap", {})
    reason = f"{said.get('zh', '')} / {said.get('en', '')}"[:1_000]
    return Noticed(kind=str(parts[0]), target=parts[1], more={"reason": reason})


def _check(row: dict[str, Any], action: str, note: str) -> None:
    if action == "report_finding" and not note.strip():
        raise StateConflict("A finding without a text says nothing", state=row["state"])


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    case = CASES[row["kind"]]
    zh, _, en = row["reason"].partition(" / ")
    return {
        "kind": {"value": str(case), "title": TITLES[case]},
        "pollutant": row["target"].partition("~")[2].upper().replace("PM25", "PM2.5"),
        "reason": {"value": zh, "title": {"zh": zh, "en": en}},
        "measured": "cleared" if row["cleared_us"] else "holds",
    }


FLOW: Final = Flow(
    piece=PIECE,
    name=LIST,
    row="case",
    prefix="air_",
    who="inspector",
    more=("reason",),
    steps=TABLE,
    kinds=[str(one) for one in Case],
    notice=_notice,
    check=_check,
    shown=_shown,
    # a station that is right again may have been tampered with all the same
    stays=frozenset(map(str, SUSPICIONS)),
)
FLOW_TABLES: Final = FlowTables(FLOW)
TABLES: Final = FLOW_TABLES.private


class CaseService(FlowService):
    """The work list `air_cases`."""

    def __init__(self, opened: OpenTables, clock: Clock) -> None:
        super().__init__(FLOW, FLOW_TABLES, opened, clock)
