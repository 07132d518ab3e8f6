"""Doubts about values: by themselves, beside the others of their hour, the hours before and the
stations around. A value in doubt is kept and shown with its reason, and enters no mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from pintu.pieces.environment.model.air import BY_CODE

FLAGS: Final[Mapping[str, tuple[str, str, str]]] = {
    "F": ("bad", "停运", "out of operation"),
    "M": ("bad", "维护", "maintenance"),
    "S": ("estimated", "手工输入", "entered by hand"),
    "D": ("bad", "故障", "fault"),
    "C": ("bad", "校准", "calibration"),
    "T": ("uncertain", "超测量上限", "above the range of measurement"),
    "B": ("bad", "通讯异常", "communication failure"),
}
"""HJ 212, data flags of analysers: only N (working normally) gives a value that may be used."""

STEP: Final = {"PM2.5": 250.0, "PM10": 500.0, "SO2": 300.0, "NO2": 150.0, "O3": 150.0, "CO": 8.0}
"""A rise or fall in one hour that a station alone does not have, in the unit of the table."""
FLAT_HOURS: Final = {"PM2.5": 8, "PM10": 8, "SO2": 24, "NO2": 8, "O3": 8, "CO": 24}
"""So many equal hours are a line, not weather; SO2 and CO stay near the limit for days."""
FLAT_BESIDE, MOVED = 8, 0.2
"""So many are enough for each of them while the stations around moved by a fifth."""
FLAT_ABOVE: Final = {"PM2.5": 5.0, "PM10": 5.0, "SO2": 10.0, "NO2": 4.0, "O3": 10.0, "CO": 0.6}
"""Below this the digits are noise around the limit of detection, and equal ones mean nothing: real
nights hold O3 at 2 for up to thirty hours, real weeks SO2 at 3 for a day; PM10, NO2 never stay."""
NOISE: Final = {"PM2.5": 5.0, "PM10": 10.0, "SO2": 5.0, "NO2": 5.0, "O3": 5.0, "CO": 0.3}
LEAST_NEIGHBOURS: Final = 3
TIMES_APART: Final = 6.0
PEAK_TIMES, LEAST_AROUND_PEAK = 5.0, 2
PEAK_HOURS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why a value may not be used: its `quality` in the vocabulary, a code, the reason in words."""

    quality: str
    code: str
    zh: str
    en: str


Doubts = dict[str, Doubt]
"""By pollutant."""


def of_flag(flag: str) -> Doubt | None:
    """What the analyser itself says of a value; a flag nobody knows is a doubt as well."""
    if flag in ("", "N"):
        return None
    quality, zh, en = FLAGS.get(flag, ("uncertain", f"未知标记 {flag}", f"unknown flag {flag}"))
    return Doubt(quality=quality, code=f"flag_{flag}", zh=f"仪器标记：{zh}（{flag}）",
                 en=f"The analyser says: {en} ({flag})")  # fmt: skip


def of_values(values: Mapping[str, float], flags: Mapping[str, str]) -> Doubts:
    """Doubts that need nothing but the values of one hour: flags, negative, beyond the range, in
    the wrong unit, PM2.5 above PM10."""
    found: Doubts = {}
    for code, value in values.items():
        doubt = of_flag(flags.get(code, "")) or _of_one(code, value)
        if doubt is not None:
            found[code] = doubt
    for code in _looks_like_milligrams(values):
        found.setdefault(code, Doubt(
            quality="uncertain", code="unit", zh="数值约小一千倍，疑以 mg/m³ 上报",
            en="About a thousand times too small: mg/m³ told as µg/m³?"))  # fmt: skip
    fine, coarse = values.get("PM2.5"), values.get("PM10")
    if fine is not None and coarse is not None and fine > 1.1 * coarse + NOISE["PM10"]:
        for code in ("PM2.5", "PM10"):
            found.setdefault(code, Doubt(
                quality="uncertain", code="pm_order",
                zh=f"PM2.5（{fine:g}）高于 PM10（{coarse:g}）",
                en=f"PM2.5 ({fine:g}) is above PM10 ({coarse:g})"))  # fmt: skip
    return found


def _of_one(code: str, value: float) -> Doubt | None:
    if not math.isfinite(value):
        return Doubt(quality="bad", code="range", zh="不是数值", en="Not a number")
    if value < 0:
        return Doubt(quality="bad", code="negative", zh=f"浓度为负（{value:g}）",
                     en=f"Negative concentration ({value:g})")  # fmt: skip
    top = BY_CODE[code].range_top
    if value > top:
        if BY_CODE[code].milli and value >= 100:
            return Doubt(quality="uncertain", code="unit",
                         zh="数值约大一千倍，疑以 µg/m³ 上报",
                         en="About a thousand times too large: µg/m³ told as mg/m³?")  # fmt: skip
        return Doubt(quality="bad", code="range", zh=f"超出仪器量程（{value:g} > {top:g}）",
                     en=f"Beyond the analyser's range ({value:g} > {top:g})")  # fmt: skip
    return None


def _looks_like_milligrams(values: Mapping[str, float]) -> list[str]:
    """Pollutants of µg/m³ when three and more are known and all lie below one: clean air has tens
    of O3 or PM10, a station that tells mg/m³ has 0.05 of them."""
    known = [one for one, value in values.items() if not BY_CODE[one].milli and value > 0]
    return known if len(known) >= 3 and all(values[one] < 1.0 for one in known) else []


def of_past(
    code: str, value: float, before: Sequence[float | None], moved: float | None = None
) -> Doubt | None:
    """Doubts from the hours before, newest first (None: no usable value then); `moved` is by which
    share the stations around went up and down in the last eight."""
    equal = 1
    for one in before:
        if one is None or abs(one - value) > 1e-9:
            break
        equal += 1
    beside = moved is not None and moved >= MOVED
    least = min(FLAT_HOURS[code], FLAT_BESIDE) if beside else FLAT_HOURS[code]
    if equal >= least and value > FLAT_ABOVE[code]:
        return Doubt(quality="uncertain", code="flat", zh=f"连续 {equal} 小时数值不变（{value:g}）",
                     en=f"The same value for {equal} hours ({value:g})")  # fmt: skip
    return None


def of_step(
    code: str, value: float, last: float | None, around: Sequence[tuple[float, float]]
) -> Doubt | None:
    """A jump of one hour that the stations around did not have; `around` holds their (value before,
    value now). Alone, a station is judged by the step itself."""
    if last is None or abs(value - last) <= STEP[code]:
        return None
    way = 1 if value > last else -1
    moved = [way * (now - before) for before, now in around]
    if moved and median(moved) > 0.3 * abs(value - last):
        return None
    zh, en = ("上升", "rose") if way > 0 else ("下降", "fell")
    return Doubt(quality="uncertain", code="step",
                 zh=f"一小时内{zh} {abs(value - last):g}，周边站点没有随之变化",
                 en=f"It {en} by {abs(value - last):g} in an hour, the stations around did not",
                 )  # fmt: skip


def of_peak(
    code: str, value: float, beside: tuple[float, float], around: Sequence[float]
) -> Doubt | None:
    """One or two hours many times above those before and after, while the stations around had
    nothing like it. `beside` are the least of the two hours before and of the two after; `around`
    by how much each of them rose above its own. Told when the hours after are there."""
    low = max(beside)
    rise = value - low
    if len(around) < LEAST_AROUND_PEAK or value <= PEAK_TIMES * low + 2 * NOISE[code]:
        return None
    if median(around) > 0.2 * rise or max(around) > 0.5 * rise:
        return None
    return Doubt(quality="uncertain", code="peak",
                 zh=f"只高了一两个小时（{value:g}，前后为 {low:g}），周边站点没有",
                 en=f"High for an hour or two alone ({value:g}, {low:g} before and after), the "
                    "stations around were not")  # fmt: skip


def of_neighbours(code: str, value: float, around: Sequence[float]) -> Doubt | None:
    """A value many times apart from the middle of at least three stations around, and further than
    all of them."""
    if len(around) < LEAST_NEIGHBOURS:
        return None
    middle, noise = median(around), 4 * NOISE[code]
    too_high = value > TIMES_APART * middle + noise and value > 2 * max(around)
    too_low = value * TIMES_APART + noise < middle and value * 2 < min(around)
    if not (too_high or too_low):
        return None
    return Doubt(quality="uncertain", code="neighbours",
                 zh=f"与周边站点相差过大（{value:g}，周边中位数 {middle:g}）",
                 en=f"Far from the stations around ({value:g}, their median is {middle:g})",
                 )  # fmt: skip
