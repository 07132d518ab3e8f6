"""What a data set or a field tells of that Pintu refuses to search, follow, list or score; pure.

Found by its names in Chinese and English: a piece or a source that names its columns honestly is
recognised, one that lies about them is a matter for the auditor.
"""

from __future__ import annotations

import re
from typing import Final

from pintu.kernel.exchange.words import Column, DataSet

WORDS: Final[dict[str, str]] = {
    "face": r"\bface(_?id|_?image|_?print|s)?\b|facial|人脸|面部|刷脸|人像",
    "gait": r"\bgait|步态",
    "plate": r"(licen[cs]e|number|car|vehicle)_?plate|\bplate(_?(no|number))?\b|车牌|号牌",
    "trajectory": r"trajector|\bimsi\b|\bimei\b|cell_?(id|tower)|phone_?(track|location)"
    r"|device_?track|轨迹|信令|基站|手机定位|行踪",
    "camera_track": r"re_?id\b|cross_?camera|camera_?track|跨镜|跨摄像头|追踪",
    "score": r"(social|credit|citizen|person|risk|behaviou?r)_?(score|rating|grade)"
    r"|信用分|个人评分|征信分|打分|积分排名|人员评分",
    "asthma": r"asthma|哮喘",
    "absence": r"\babsen(t|ce|ces|tee)|truan|缺勤|缺课|未到校|请假学生",
    "nobody_home": r"nobody_?home|vacan(t|cy)|unoccupied|(home|house|flat)_?occupancy"
    r"|无人在家|空户|空置|外出未归|长期外出|独居",
}
_COMPILED: Final = {name: re.compile(words, re.IGNORECASE) for name, words in WORDS.items()}

LISTS_THAT_SERVE_BURGLARS: Final = frozenset(("asthma", "absence", "nobody_home"))


def topics_of(column: Column) -> frozenset[str]:
    """What a field tells of."""
    return _found(" ".join((column.name, *column.title.values())))


def topics_of_set(data_set: DataSet) -> frozenset[str]:
    """What a data set as a whole tells of, by its own name, title and summary."""
    told = (data_set.name, data_set.type, *data_set.title.values(), *data_set.summary.values())
    return _found(" ".join(told))


def _found(text: str) -> frozenset[str]:
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", text).replace("-", "_").replace(".", " ")
    split = words + " " + words.replace("_", " ")
    return frozenset(name for name, known in _COMPILED.items() if known.search(split))
