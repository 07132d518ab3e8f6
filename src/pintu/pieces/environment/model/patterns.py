"""Patterns in hours: does one hold at a station's newest hour? Each gives the values that led to
it, in words a person can check."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean, median
from typing import Any, Final

from pintu.pieces.environment.model.air import BY_CODE, date_of, day_of, hour_word
from pintu.pieces.environment.model.book import Book
from pintu.pieces.environment.model.index import Limits
from pintu.pieces.environment.model.means import rolling

Told = dict[str, Any] | None
"""The evidence when a pattern holds, else None."""

LEAST_AROUND: Final = 2
DROP_FROM: Final = {"PM2.5": 40.0, "PM10": 80.0}
"""Below this a fall is no news; water in front of an inlet takes particles away, not gases."""
REPEAT_LENGTH, REPEAT_BACK, REPEAT_KINDS = 12, 72, 5
FLAGS_OF_24, MARKED = 6, "MCDSF"


def exceedance(book: Book, code: str, pollutant: str, limits: Limits, area_class: int) -> Told:
    """A valid hour above the 1 h limit, or the mean to that hour above the 24 h (O3: 8 h) limit of
    GB 3095."""
    hour = book.stations[code].newest

    def valid(one: int, name: str) -> float | None:
        return book.valid(code, one, name)

    found = None
    for period, classes in limits.limits[pollutant].items():
        limit = classes[area_class - 1]
        told = (
            valid(hour, pollutant)
            if period == "1h"
            else rolling(valid, hour, pollutant, int(period[:-1]))
        )
        if told is not None and told > limit and (found is None or told / limit > found[0]):
            found = told / limit, period, told, limit
    if found is None:
        return None
    times, period, told, limit = found
    unit = "mg/m³" if BY_CODE[pollutant].milli else "µg/m³"
    hours = period[:-1]
    return {
        "pollutant": pollutant, "period": period, "concentration": round(told, 2), "limit": limit,
        "times": round(times, 2), "edition": limits.edition,
        "zh": f"{hours} 小时均值 {told:.4g} {unit}，超过{limits.title['zh']}限值 {limit:g}",
        "en": f"The mean of {hours} h is {told:.4g} {unit}, above the limit {limit:g} of "
              f"{limits.title['en']}",
    }  # fmt: skip


def flat_line(book: Book, code: str, pollutant: str) -> Told:
    """The newest value stands in a line of equal ones, and stations around moved meanwhile (where
    there are any)."""
    hour = book.stations[code].newest
    doubt = book.doubts(code, hour).get(pollutant)
    if doubt is None or doubt.code != "flat":
        return None
    moved = book.moved(code, hour, pollutant)
    if moved is not None and moved < 0.1:
        return None
    return {"pollutant": pollutant, "zh": doubt.zh, "en": doubt.en}


def sudden_drop(book: Book, code: str, pollutant: str) -> Told:
    """Two hours below half of the two before, while the stations around (two at least) rose and
    none of them fell; and before it the station stood with them: what only it had before may well
    be gone now."""
    if pollutant not in DROP_FROM:
        return None
    hour = book.stations[code].newest
    mine = [book.plain(code, one, pollutant) for one in range(hour - 3, hour + 1)]
    around = []
    for one in book.around(code):
        told = [book.plain(one, at, pollutant) for at in range(hour - 3, hour + 1)]
        if None not in told:
            around.append([value for value in told if value is not None])
    if None in mine or len(around) < LEAST_AROUND:
        return None
    values = [value for value in mine if value is not None]
    before, after = mean(values[:2]), mean(values[2:])
    theirs_before = median(mean(one[:2]) for one in around)
    theirs_after = median(mean(one[2:]) for one in around)
    fell = any(mean(one[2:]) < 0.9 * mean(one[:2]) for one in around)
    if fell or not (
        before >= DROP_FROM[pollutant]
        and max(values[2:]) < 0.5 * before
        and theirs_after >= theirs_before
        and before <= 1.8 * theirs_before
        and after < 0.5 * theirs_after
    ):
        return None
    return {
        "pollutant": pollutant, "before": round(before, 1), "after": round(after, 1),
        "aroundBefore": round(theirs_before, 1), "aroundAfter": round(theirs_after, 1),
        "stationsAround": len(around),
        "zh": f"两小时内由 {before:.4g} 降至 {after:.4g}，周边 {len(around)} 站中位数由 "
              f"{theirs_before:.4g} 变为 {theirs_after:.4g}",
        "en": f"Within two hours from {before:.4g} to {after:.4g}, while the median of "
              f"{len(around)} stations around went from {theirs_before:.4g} to {theirs_after:.4g}",
    }  # fmt: skip


def repeated(book: Book, code: str, pollutant: str) -> Told:
    """The newest twelve hours are, value by value, twelve earlier ones of the last three days."""
    hour = book.stations[code].newest
    newest = _line(book, code, pollutant, hour)
    if newest is None or len(set(newest)) < REPEAT_KINDS:
        return None
    for back in range(REPEAT_LENGTH, REPEAT_BACK + 1):
        if book.plain(code, hour - back, pollutant) != newest[-1]:
            continue
        if _line(book, code, pollutant, hour - back) == newest:
            return {
                "pollutant": pollutant, "hours": REPEAT_LENGTH, "back": back,
                "zh": f"最近 {REPEAT_LENGTH} 小时与 {back} 小时前逐时相同",
                "en": f"The newest {REPEAT_LENGTH} hours are those of {back} hours before, "
                      "hour by hour",
            }  # fmt: skip
    return None


def _line(book: Book, code: str, pollutant: str, hour: int) -> list[float] | None:
    told = [book.plain(code, one, pollutant) for one in range(hour - REPEAT_LENGTH + 1, hour + 1)]
    known = [one for one in told if one is not None]
    return known if len(known) == REPEAT_LENGTH else None


def flag_abuse(book: Book, code: str, limits: Mapping[str, float]) -> Told:
    """Of the last 24 hours at least six marked as maintenance, calibration, fault, by hand or out
    of operation, and in most of those the stations around were above the 24 h limit."""
    station, marked, high = book.stations[code], 0, 0
    used: set[str] = set()
    for hour in range(station.newest - 23, station.newest + 1):
        told = station.hours.get(hour)
        flagged = [] if told is None else [
            (name, flag) for name, flag in told.flags.items() if flag and flag in MARKED
        ]  # fmt: skip
        if not flagged:
            continue
        marked += 1
        used.update(flag for _, flag in flagged)
        high += any(_high_around(book, code, hour, name, limits) for name, _ in flagged)
    if marked < FLAGS_OF_24 or high * 2 <= marked:
        return None
    flags = "、".join(sorted(used))
    return {
        "markedHours": marked, "highAround": high, "flags": sorted(used),
        "zh": f"24 小时内 {marked} 小时标记为 {flags}，其中 {high} 小时周边站点超过限值",
        "en": f"{marked} of 24 hours marked {', '.join(sorted(used))}; in {high} of them the "
              "stations around were above the limit",
    }  # fmt: skip


def _high_around(
    book: Book, code: str, hour: int, pollutant: str, limits: Mapping[str, float]
) -> bool:
    told = [book.plain(one, hour, pollutant) for one in book.around(code)]
    known = [one for one in told if one is not None]
    return len(known) >= LEAST_AROUND and median(known) > limits.get(pollutant, float("inf"))


def rewritten(book: Book, code: str) -> Told:
    """Hours that were told before and are told again with other values: a correction, a clock that
    is a day behind, or somebody's hand."""
    told = book.rewritten.pop(code, None)
    if not told:
        return None
    hour, (before, after) = next(iter(told.items()))
    name = next(one for one in {**before.values, **after.values}
                if before.values.get(one) != after.values.get(one))  # fmt: skip
    was, now = before.values.get(name), after.values.get(name)
    at = f"{date_of(day_of(hour))} {int(hour_word(hour)[4:]):02d}:00"
    return {
        "hours": len(told), "at": at, "pollutant": name, "before": was, "after": now,
        "zh": f"{len(told)} 个已上报的小时被改写，如 {at} 的 {name} 由 {was} 变为 {now}；"
              "请核对是更正、时钟慢一天还是人为改动",
        "en": f"{len(told)} hours told before were told anew, such as {name} of {at} from {was} to "
              f"{now}: a correction, a clock a day behind, or somebody's hand",
    }  # fmt: skip
