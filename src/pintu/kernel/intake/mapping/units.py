"""Units: usual signs and names to UN/CEFACT Recommendation 20 codes, and between codes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

# code: (what is measured, factor and offset to its first unit, signs); value*factor+offset
_UNITS: Final[dict[str, tuple[str, float, float, str]]] = {
    "C62": ("share", 1, 0, "1"),
    "P1": ("share", 0.01, 0, "% 百分比 percent pct"),
    "KMQ": ("density", 1, 0, "kg/m3"),
    "A93": ("density", 1e-3, 0, "g/m3"),
    "GP": ("density", 1e-6, 0, "mg/m3 mg/nm3 毫克/立方米 毫克每立方米"),
    "GQ": ("density", 1e-9, 0, "ug/m3 微克/立方米 微克每立方米 ug/nm3"),
    "GL": ("density", 1, 0, "g/l 克/升"),
    "M1": ("density", 1e-3, 0, "mg/l 毫克/升"),
    "H29": ("density", 1e-6, 0, "ug/l 微克/升"),
    "59": ("fraction", 1e-6, 0, "ppm"),
    "61": ("fraction", 1e-9, 0, "ppb"),
    "KEL": ("temperature", 1, 0, "K"),
    "CEL": ("temperature", 1, 273.15, "℃ °C degC 摄氏度 度C"),
    "FAH": ("temperature", 5 / 9, 273.15 - 160 / 9, "℉ °F degF 华氏度"),
    "MTR": ("length", 1, 0, "m 米 metre meter"),
    "KMT": ("length", 1000, 0, "km 公里 千米"),
    "CMT": ("length", 0.01, 0, "cm 厘米"),
    "MMT": ("length", 0.001, 0, "mm 毫米"),
    "4H": ("length", 1e-6, 0, "um 微米"),
    "FOT": ("length", 0.3048, 0, "ft feet"),
    "INH": ("length", 0.0254, 0, "inch"),
    "SMI": ("length", 1609.344, 0, "mi mile"),
    "MTK": ("area", 1, 0, "m2 平方米 ㎡"),
    "KMK": ("area", 1e6, 0, "km2 平方公里 平方千米"),
    "HAR": ("area", 1e4, 0, "ha 公顷"),
    "MTQ": ("volume", 1, 0, "m3 立方米 方"),
    "LTR": ("volume", 1e-3, 0, "l 升"),
    "MLT": ("volume", 1e-6, 0, "ml 毫升"),
    "MTS": ("speed", 1, 0, "m/s 米/秒 米每秒"),
    "KMH": ("speed", 1 / 3.6, 0, "km/h kmh kph 公里/小时 千米/时 公里每小时"),
    "KNT": ("speed", 1852 / 3600, 0, "kn kt knot 节"),
    "MQS": ("flow", 1, 0, "m3/s 立方米/秒"),
    "MQH": ("flow", 1 / 3600, 0, "m3/h 立方米/小时"),
    "G51": ("flow", 1e-3, 0, "l/s 升/秒"),
    "PAL": ("pressure", 1, 0, "Pa 帕"),
    "A97": ("pressure", 100, 0, "hPa 百帕"),
    "MBR": ("pressure", 100, 0, "mbar 毫巴"),
    "KPA": ("pressure", 1000, 0, "kPa 千帕"),
    "MPA": ("pressure", 1e6, 0, "MPa 兆帕"),
    "BAR": ("pressure", 1e5, 0, "bar 巴"),
    "HN": ("pressure", 133.322387415, 0, "mmHg 毫米汞柱"),
    "WTT": ("power", 1, 0, "W 瓦 瓦特"),
    "C31": ("power", 1e-3, 0, "mW"),
    "KWT": ("power", 1000, 0, "kW 千瓦"),
    "MAW": ("power", 1e6, 0, "MW 兆瓦"),
    "D44": ("reactive", 1, 0, "var 乏"),
    "KVR": ("reactive", 1000, 0, "kvar 千乏"),
    "D46": ("apparent", 1, 0, "VA"),
    "KVA": ("apparent", 1000, 0, "kVA 千伏安"),
    "JOU": ("energy", 1, 0, "J 焦"),
    "KJO": ("energy", 1000, 0, "kJ 千焦"),
    "3B": ("energy", 1e6, 0, "MJ 兆焦"),
    "GV": ("energy", 1e9, 0, "GJ 吉焦"),
    "WHR": ("energy", 3600, 0, "Wh 瓦时"),
    "KWH": ("energy", 3.6e6, 0, "kWh 千瓦时 度 kW·h"),
    "MWH": ("energy", 3.6e9, 0, "MWh 兆瓦时"),
    "VLT": ("voltage", 1, 0, "V 伏 伏特"),
    "2Z": ("voltage", 1e-3, 0, "mV 毫伏"),
    "KVT": ("voltage", 1000, 0, "kV 千伏"),
    "AMP": ("current", 1, 0, "A 安 安培"),
    "4K": ("current", 1e-3, 0, "mA 毫安"),
    "HTZ": ("frequency", 1, 0, "Hz 赫兹"),
    "KHZ": ("frequency", 1000, 0, "kHz 千赫"),
    "MHZ": ("frequency", 1e6, 0, "MHz 兆赫"),
    "SEC": ("time", 1, 0, "s 秒 sec"),
    "C26": ("time", 1e-3, 0, "ms 毫秒"),
    "MIN": ("time", 60, 0, "min 分钟 分"),
    "HUR": ("time", 3600, 0, "h 小时 时 hour"),
    "DAY": ("time", 86400, 0, "d 天 日 day"),
    "KGM": ("mass", 1, 0, "kg 千克 公斤"),
    "GRM": ("mass", 1e-3, 0, "g 克"),
    "MGM": ("mass", 1e-6, 0, "mg 毫克"),
    "MC": ("mass", 1e-9, 0, "ug 微克"),
    "TNE": ("mass", 1000, 0, "t 吨"),
    "LUX": ("illuminance", 1, 0, "lx lux 勒克斯"),
    "LUM": ("luminous flux", 1, 0, "lm 流明"),
    "2N": ("level", 1, 0, "dB dB(A) dBA 分贝"),
    "DBM": ("signal", 1, 0, "dBm"),
    "DD": ("angle", 1, 0, "° deg degree 角度"),
    "D54": ("irradiance", 1, 0, "W/m2 瓦/平方米"),
    "Q30": ("acidity", 1, 0, "pH"),
    "H61": ("conductivity", 0.1, 0, "mS/cm"),
    "G42": ("conductivity", 1e-4, 0, "uS/cm"),
    "OHM": ("resistance", 1, 0, "Ω ohm 欧姆"),
}
_ANY_SHARE: Final = frozenset({"C62", "P1"})


def _folded(sign: str) -> str:
    text = unicodedata.normalize("NFKC", sign).replace("μ", "u").replace("µ", "u")
    text = text.replace("^", "").replace("³", "3").replace("²", "2").replace("／", "/")
    text = re.sub(r"[\s*·()（）]", "", text)
    text = text.replace("m-3", "/m3").replace("//", "/")
    return text


_BY_SIGN: Final[dict[str, str]] = {
    _folded(sign): code for code, row in reversed(_UNITS.items()) for sign in row[3].split()
}
_BY_LOWER: Final[dict[str, str]] = {
    sign.lower(): code
    for sign, code in _BY_SIGN.items()
    if len({other for name, other in _BY_SIGN.items() if name.lower() == sign.lower()}) == 1
}


def unit_code(sign: str) -> str | None:
    """The UN/CEFACT code of a code, sign or name; None when nobody knows it. `mW` and `MW` differ;
    where case cannot change the meaning it does not matter."""
    if sign in _UNITS:
        return sign
    text = _folded(sign)
    return _BY_SIGN.get(text) or _BY_LOWER.get(text.lower())


def unit_sign(code: str) -> str:
    """How a code is written for people: `GQ` is µg/m³; the code itself when nobody knows it."""
    known = _UNITS.get(code)
    if known is None:
        return code
    sign = known[3].split()[0]
    if sign.startswith("u"):
        sign = "µ" + sign[1:]
    return sign.replace("m3", "m³").replace("m2", "m²")


def conversion(
    source: str, target: str, more: Mapping[str, float] | None = None
) -> Callable[[float], float] | None:
    """How a number in one unit (code) is said in another; None when it cannot be. `more` has what a
    word says itself: code → factor to the target."""
    if source == target:
        return lambda value: value
    factor = (more or {}).get(source)
    offset = 0.0
    if factor is None:
        here, there = _UNITS.get(source), _UNITS.get(target)
        if here is None or there is None or here[0] != there[0]:
            return None
        factor, offset = here[1] / there[1], (here[2] - there[2]) / there[1]
    scale, shift = factor, offset
    # 12 digits: 0.035 mg is 35 µg and not 35.00000000000001
    if shift:
        return lambda value: float(f"{value * scale + shift:.12g}")
    return lambda value: float(f"{value * scale:.12g}")


def unit_in_header(header: str) -> tuple[str, str]:
    """A column's name and the unit code written behind it: `浓度(mg/m³)` → (`浓度`, `GP`); an empty
    code when there is none."""
    text = unicodedata.normalize("NFKC", header).strip()
    for opening, closing in (("(", ")"), ("[", "]"), ("【", "】")):
        if text.endswith(closing) and opening in text:
            name, _, inside = text[:-1].rpartition(opening)
            if opening == "(" and inside.count("(") != inside.count(")"):
                continue
            code = unit_code(inside)
            if code is not None:
                return name.strip(" _-:/"), code
    name, separator, last = text.rpartition("_")
    if separator and len(last) > 1:
        code = unit_code(last.replace("ugm3", "ug/m3").replace("mgm3", "mg/m3"))
        if code is not None and name:
            return name, code
    name, separator, last = text.rpartition("/")
    if separator and name and (code := unit_code(last)) and code not in _ANY_SHARE:
        return name, code
    return text, ""
