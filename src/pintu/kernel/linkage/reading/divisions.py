"""Districts that are no more and what became of them, with the day and, where one was split, the
streets that tell which part; from the State Council's replies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One district until a day. `became`: its successor, unless a street in `streets` (street →
    successor) says another; `also`: the other successors, when nothing says which it is."""

    city: str
    district: str
    until: str  # YYYY-MM-DD, the first day it was no more
    became: str
    streets: dict[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()


def _all(streets: str, district: str) -> dict[str, str]:
    return dict.fromkeys(streets.split(), district)


_HANGZHOU: Final = "2021-04-09"

CHANGES: Final = (
    Change(city="杭州市", district="下城区", until=_HANGZHOU, became="拱墅区"),
    Change(
        city="杭州市",
        district="江干区",
        until=_HANGZHOU,
        became="上城区",
        streets=_all("下沙 白杨", "钱塘区"),
    ),
    Change(
        city="杭州市",
        district="余杭区",
        until=_HANGZHOU,
        became="余杭区",
        streets=_all("临平 南苑 东湖 星桥 运河 乔司 塘栖 崇贤", "临平区"),
        also=("临平区",),
    ),
    Change(
        city="杭州市",
        district="萧山区",
        until=_HANGZHOU,
        became="萧山区",
        streets=_all("河庄 义蓬 新湾 临江 前进", "钱塘区"),
    ),
    Change(city="杭州市", district="富阳市", until="2015-02-15", became="富阳区"),
    Change(city="杭州市", district="临安市", until="2017-09-15", became="临安区"),
    Change(
        city="杭州市",
        district="余杭市",
        until="2001-03-25",
        became="余杭区",
        streets=_all("临平 南苑 东湖 星桥 运河 乔司 塘栖 崇贤", "临平区"),
        also=("临平区",),
    ),
    Change(
        city="杭州市",
        district="萧山市",
        until="2001-03-25",
        became="萧山区",
        streets=_all("河庄 义蓬 新湾 临江 前进", "钱塘区"),
    ),
    Change(city="绍兴市", district="绍兴县", until="2013-10-18", became="柯桥区"),
    Change(city="绍兴市", district="上虞市", until="2013-10-18", became="上虞区"),
    Change(city="宁波市", district="江东区", until="2016-09-27", became="鄞州区"),
    Change(city="宁波市", district="奉化市", until="2016-09-27", became="奉化区"),
    Change(city="北京市", district="崇文区", until="2010-07-01", became="东城区"),
    Change(city="北京市", district="宣武区", until="2010-07-01", became="西城区"),
    Change(city="上海市", district="南市区", until="2000-06-13", became="黄浦区"),
    Change(city="上海市", district="卢湾区", until="2011-06-08", became="黄浦区"),
    Change(city="上海市", district="南汇区", until="2009-05-06", became="浦东新区"),
    Change(city="上海市", district="闸北区", until="2015-11-04", became="静安区"),
)

OF: Final[dict[str, list[Change]]] = {}
for _one in CHANGES:
    OF.setdefault(_one.district, []).append(_one)

MUNICIPALITIES: Final = frozenset(("北京市", "上海市", "天津市", "重庆市"))
CITIES_OF: Final[dict[str, str]] = {
    "上城区": "杭州市", "下城区": "杭州市", "江干区": "杭州市", "拱墅区": "杭州市",
    "西湖区": "杭州市", "滨江区": "杭州市", "萧山区": "杭州市", "余杭区": "杭州市",
    "临平区": "杭州市", "钱塘区": "杭州市", "富阳区": "杭州市", "临安区": "杭州市",
}  # fmt: skip
"""Districts whose city is clear without being told, to the cities this table knows: 西湖区 and
some others exist elsewhere too, and are taken as another city's only when that is told."""


def districts_of(city: str, district: str, street: str = "", on: str = "") -> tuple[str, ...]:
    """What a district named in an address is called now; several when nothing tells which part of a
    split one it is. `on`: the day of the address: what was written after a change keeps its name.
    """
    for change in OF.get(district, ()):
        if city and change.city != city:
            continue
        if on and on >= change.until and change.district == change.became:
            return (district,)
        base = street.removesuffix("街道").removesuffix("镇").removesuffix("乡")
        if base in change.streets:
            return (change.streets[base],)
        return (change.became,) if street or not change.also else (change.became, *change.also)
    return (district,) if district else ()
