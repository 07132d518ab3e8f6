"""What a thing shows at a moment (演示): its reading, and the alarm it raises by itself. Pure: the
moment and what happens are handed in."""

from __future__ import annotations

import math
from typing import Any, Final

from pintu.demo.events import Course
from pintu.demo.lamps import air_celsius
from pintu.demo.things import ALERT_M, DANGER_M, Thing

DAY_S: Final = 86_400.0
ALARMS: Final = {
    "pumps_down": ("infrastructure", "critical"),
    "high_water": ("infrastructure", "high"),
    "overflow": ("infrastructure", "high"),
    "open": ("infrastructure", "high"),
    "hot": ("security", "high"),
    "smoke": ("security", "high"),
    "crash": ("traffic", "high"),
    "knocked": ("traffic", "medium"),
    "dark": ("traffic", "high"),
    "offline": ("infrastructure", "medium"),
    "full": ("service", "informational"),
}
"""Sign → category and severity of the alarm a thing raises with it."""
SAID: Final = {
    "pumps_down": ("泵站停机", "Pumps stopped"),
    "high_water": ("水位超限", "High water"),
    "overflow": ("检查井冒溢", "Manhole overflows"),
    "open": ("井盖开启", "Cover open"),
    "hot": ("垃圾箱高温", "Bin is hot"),
    "smoke": ("画面有烟", "Smoke seen"),
    "crash": ("疑似碰撞", "Crash suspected"),
    "knocked": ("信号灯受损", "Signal damaged"),
    "dark": ("信号灯灭灯", "Signal dark"),
    "offline": ("设备离线", "Device offline"),
    "full": ("垃圾箱已满", "Bin is full"),
}
"""What the owner's platform calls it."""
OWN_SIGN: Final = {
    "river": "high_water", "underpass": "high_water", "drain": "high_water", "manhole": "overflow",
    "bin": "hot", "camera": "offline", "signal": "dark", "station": "pumps_down",
}  # fmt: skip
"""What a thing of a kind says when it lies."""
FULL, CHATTER_S, HOT_C = 0.92, 25.0, 86.0


def shown(thing: Thing, at_s: float, course: Course) -> str:
    """The sign a thing shows now: of an incident, of a lie, or of its own daily round; or none."""
    sign = course.sign(thing.id, at_s)
    if sign:
        return sign
    lie = course.lie(thing.id, at_s)
    if lie == "stuck" or (lie == "chatter" and int(at_s / CHATTER_S) % 2):
        return OWN_SIGN[thing.kind]
    if lie == "glitch":
        return "offline"
    if thing.kind == "bin" and _filled(thing, at_s) >= FULL:
        return "full"
    return ""


def told_at(thing: Thing, at_s: float, course: Course) -> float:
    """The moment a thing believes it is: some have a clock that is a day off."""
    lie = course.lie(thing.id, at_s)
    return at_s + DAY_S * ((lie == "clock_ahead") - (lie == "clock_behind"))


def reading(thing: Thing, at_s: float, sign: str, rain: float) -> dict[str, Any]:
    """What a thing measures, rounded as its kind does. `rain`: 0 to 1."""
    item: dict[str, Any] = {"id": thing.id, "state": "offline" if sign == "offline" else "ok"}
    if thing.kind in ALERT_M:
        item["level_m"] = _level(thing, at_s, sign, rain)
    elif thing.kind == "manhole":
        item |= {"open": sign == "open", "overflow": sign == "overflow"}
    elif thing.kind == "bin":
        warm = HOT_C if sign == "hot" else air_celsius(at_s)
        item |= {"full_percent": round(_filled(thing, at_s) * 50) * 2, "celsius": round(warm)}
    elif thing.kind == "station":
        item["pumps"] = 0 if sign == "pumps_down" else 3 if rain > 0.2 else 1
    elif thing.kind == "camera":
        item["on"] = sign != "offline"
    else:
        mode = {"dark": "off", "knocked": "flashing"}.get(sign)
        item["mode"] = mode or ("adaptive" if thing.turn % 3 else "plan")
        if sign == "knocked":
            item["state"] = "fault"
    return item


def alarm(thing: Thing, sign: str, at_s: float, *, raised: bool) -> dict[str, Any]:
    """What a thing tells when its sign comes or goes."""
    category, severity = ALARMS[sign]
    if thing.kind == "river" and sign == "high_water":
        category = "naturalDisaster"
    return {
        "id": f"{thing.id}-{sign}",
        "thing": thing.id,
        "what": sign,
        "category": category,
        "severity": severity,
        "by": f"{thing.kind}/{thing.id}",
        "raised": raised,
        "at_s": round(at_s, 3),
    }


def _level(thing: Thing, at_s: float, sign: str, rain: float) -> float:
    alert, danger = ALERT_M[thing.kind], DANGER_M[thing.kind]
    usual = {"river": 0.55, "underpass": 0.02, "drain": 0.2}[thing.kind] * alert
    wave = 0.03 * alert * math.sin(at_s / 7_200 + thing.turn)
    if sign == "high_water":
        return round(danger * 1.02 + wave, 2)
    wet = rain * (alert - usual) * 0.8 * (0.6 + thing.turn / 4096 * 0.4)
    return round(max(0.0, usual + wave + wet), 2)


def _filled(thing: Thing, at_s: float) -> float:
    """A bin fills through its own day and is emptied once; a few are full before that."""
    day = (at_s / DAY_S + thing.turn / 4096) % 1.0
    quick = 1.05 if thing.turn % 97 == 0 else 0.5 + thing.turn % 50 / 125
    return min(1.0, day * quick)
