"""What an inspector is told of: exceedances, and patterns as tampering leaves them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

from pintu.pieces.environment.model.air import BY_CODE, PIECE, Pollutant


class Case(StrEnum):
    """The kinds, the gravest first."""

    SUDDEN_DROP = "sudden_drop"
    REPEATED = "repeated"
    FLAG_ABUSE = "flag_abuse"
    REWRITTEN = "rewritten"
    FLAT_LINE = "flat_line"
    EXCEEDANCE = "exceedance"
    SILENT = "silent_station"


CASES: Final = {str(one): one for one in Case}
SUSPICIONS: Final = frozenset(
    {Case.SUDDEN_DROP, Case.REPEATED, Case.FLAG_ABUSE, Case.REWRITTEN, Case.FLAT_LINE}
)
"""They stay with the inspector until somebody has looked, also when the values are right again."""

TITLES: Final = {
    Case.SUDDEN_DROP: {"zh": "周边升高而本站骤降", "en": "Sudden drop while others stay"},
    Case.REPEATED: {"zh": "数据重复", "en": "Repeated values"},
    Case.FLAG_ABUSE: {"zh": "高值时段频繁标记无效", "en": "Flagged away when it matters"},
    Case.REWRITTEN: {"zh": "历史数据被改写", "en": "Past hours rewritten"},
    Case.FLAT_LINE: {"zh": "数值长时间不变", "en": "Flat line"},
    Case.EXCEEDANCE: {"zh": "超标", "en": "Exceedance"},
    Case.SILENT: {"zh": "站点无数据", "en": "Station silent"},
}
SEVERITY: Final = {
    Case.SUDDEN_DROP: "high",
    Case.REPEATED: "high",
    Case.FLAG_ABUSE: "high",
    Case.REWRITTEN: "medium",
    Case.FLAT_LINE: "medium",
    Case.EXCEEDANCE: "medium",
    Case.SILENT: "low",
}


def target_of(code: str, pollutant: Pollutant | None = None) -> str:
    """What an alert is about: a station, or one pollutant there (`MN~pm25`)."""
    return f"{code}~{pollutant.attribute}" if pollutant is not None else code


def alert_id(case: Case, target: str) -> str:
    """One alert for one thing that is wrong with one target, raised and cleared again and again."""
    return f"urn:ngsi-ld:Alert:{PIECE}:{case}:{target}"


def parts_of(alert: str) -> tuple[Case, str] | None:
    """(case, target) of an alert of this piece, None for any other."""
    parts = alert.split(":", 5)
    if len(parts) != 6 or parts[3] != PIECE or parts[4] not in CASES:
        return None
    return CASES[parts[4]], parts[5]


def title_of(case: Case, pollutant: str, station: str) -> dict[str, str]:
    """`PM2.5 超标：站名`."""
    name = BY_CODE[pollutant].code if pollutant else ""
    zh, en = TITLES[case]["zh"], TITLES[case]["en"]
    return {
        "zh": f"{name} {zh}：{station}".lstrip(),
        "en": f"{en}{', ' + name if name else ''}: {station}",
    }


Finding = tuple[bool, dict[str, Any]]
"""Whether a case holds, and the values that led to it with a reason in `zh` and `en`."""
