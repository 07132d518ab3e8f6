"""How what is known is written down: attributes in the words of the vocabulary."""

from __future__ import annotations

from typing import Any

from pintu.pieces.environment.model.air import date_of, day_id, station_id
from pintu.pieces.environment.model.index import Report
from pintu.pieces.environment.model.outlook import Outlook
from pintu.pieces.environment.model.quality import Doubt

NULL = "urn:ngsi-ld:null"
"""Takes an attribute away."""


def measured(value: float, milli: bool, at: str, doubt: Doubt | None) -> dict[str, Any]:
    """One concentration as an attribute, with its quality and, in doubt, the reason."""
    attribute: dict[str, Any] = {
        "type": "Property",
        "value": value,
        "unitCode": "GP" if milli else "GQ",
        "observedAt": at,
        "quality": {"type": "Property", "value": doubt.quality if doubt else "good"},
    }
    if doubt is not None:
        attribute["reason"] = {
            "type": "LanguageProperty",
            "languageMap": {"zh": doubt.zh, "en": doubt.en},
        }
    return attribute


def basis(told: Outlook) -> dict[str, str]:
    """What a forecast rests on, with its measured error, in words."""
    errors = told.errors
    zh = (
        f"由本站 {told.learnt_hours} 个小时学得；在未参与训练的 {errors.count} 个预报时刻上，"
        f"平均误差 {errors.model:.1f}，“保持不变”为 {errors.persistence:.1f}。级别只按 PM2.5。"
    )
    en = (
        f"Learnt from {told.learnt_hours} hours of this station; on {errors.count} forecast hours "
        f"not learnt from, off by {errors.model:.1f} on average, saying that nothing changes by "
        f"{errors.persistence:.1f}. The level is by PM2.5 alone."
    )
    if told.method == "persistence":
        zh = "模型不优于“保持不变”，故发布后者。" + zh
        en = "The model is no better than saying that nothing changes, so that is told. " + en
    return {"zh": zh, "en": en}


def reported(told: Report, at: str) -> dict[str, Any]:
    """A report as attributes; what there is none of is taken away."""
    primary: Any = list(told.primary) if len(told.primary) > 1 else next(iter(told.primary), NULL)
    subs = {
        name: {
            "index": sub.index,
            "period": sub.period,
            "concentration": round(sub.concentration, 3),
        }
        for name, sub in told.subs.items()
    }
    return {
        "airQualityIndex": NULL if told.index is None else with_unit(told.index, at, "C62"),
        "airQualityLevel": NULL if told.level is None else plain(told.level.code, at),
        "primaryPollutant": primary if primary == NULL else plain(primary, at),
        "indexTable": plain(told.edition, at),
        "subIndices": {"type": "JsonProperty", "json": subs, "observedAt": at},
        "indexRemark": said(told.reason, at) if told.missing else NULL,
    }


def station_head(code: str) -> dict[str, Any]:
    """What every update of a station begins with."""
    return {"id": station_id(code), "type": "AirQualityObserved", "stationCode": plain(code)}


def day_head(code: str, day: int) -> dict[str, Any]:
    """What every update of a day begins with."""
    return {
        "id": day_id(code, day),
        "type": "AirQualityDay",
        "date": plain(date_of(day)),
        "stationCode": plain(code),
        "refAirQualityObserved": {"type": "Relationship", "object": station_id(code)},
    }


def differs(new: Any, stands: Any) -> bool:
    """Whether an attribute says something that does not stand there yet."""
    if new == NULL:
        return stands is not None
    return stands is None or any(stands.get(name) != one for name, one in new.items())


def plain(value: Any, at: str = "") -> dict[str, Any]:
    """A Property without a unit."""
    told = {"type": "Property", "value": value}
    return {**told, "observedAt": at} if at else told


def with_unit(value: float | None, at: str, unit: str) -> Any:
    """A Property with its unit, or its removal."""
    return NULL if value is None else {**plain(value, at), "unitCode": unit}


def said(texts: dict[str, str], at: str) -> dict[str, Any]:
    """A text in both languages."""
    return {"type": "LanguageProperty", "languageMap": texts, "observedAt": at}


def instant(at: str) -> dict[str, Any]:
    """A time as a value."""
    return plain({"@type": "DateTime", "@value": at})
