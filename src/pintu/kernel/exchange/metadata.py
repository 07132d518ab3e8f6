"""Core metadata of data sets: the code lists, what follows from other members, what is missing.

The six mandatory elements of GB/T 21063.3-2007 are 信息资源名称, 信息资源摘要, 信息资源提供方,
信息资源分类, 信息资源标识符 and 元数据标识符; 共享属性, 更新周期, 格式 and 发布日期 are those of
the national guide to catalogues of 2017. Pure.
"""

from __future__ import annotations

from typing import Final

from pintu.kernel.exchange.words import Column, DataSet

DAY_US: Final = 86_400_000_000

THEMES: Final[dict[str, dict[str, str]]] = {
    "health": {"zh": "卫生健康", "en": "health"},
    "education": {"zh": "教育", "en": "education"},
    "ecology": {"zh": "生态环境", "en": "ecology and environment"},
    "construction": {"zh": "城乡建设", "en": "construction"},
    "transport": {"zh": "交通运输", "en": "transport"},
    "safety": {"zh": "公共安全", "en": "public safety"},
    "population": {"zh": "人口", "en": "population"},
    "enterprise": {"zh": "法人与市场主体", "en": "enterprises"},
    "space": {"zh": "自然资源与空间地理", "en": "natural resources and space"},
    "credit": {"zh": "信用", "en": "credit"},
    "licence": {"zh": "电子证照", "en": "electronic licences"},
    "welfare": {"zh": "社会保障与民政", "en": "social security and civil affairs"},
    "economy": {"zh": "宏观经济", "en": "economy"},
    "energy": {"zh": "能源与市政公用", "en": "energy and utilities"},
    "agriculture": {"zh": "农业与水利", "en": "agriculture and water"},
    "culture": {"zh": "文化旅游体育", "en": "culture, tourism and sport"},
    "other": {"zh": "其他", "en": "other"},
}
"""Themes, with the base and subject catalogues of the national guide among them."""

FREQUENCIES: Final[dict[str, tuple[dict[str, str], int]]] = {
    "live": ({"zh": "实时", "en": "live"}, DAY_US // 24),
    "daily": ({"zh": "每日", "en": "daily"}, 2 * DAY_US),
    "weekly": ({"zh": "每周", "en": "weekly"}, 10 * DAY_US),
    "monthly": ({"zh": "每月", "en": "monthly"}, 40 * DAY_US),
    "quarterly": ({"zh": "每季度", "en": "quarterly"}, 110 * DAY_US),
    "yearly": ({"zh": "每年", "en": "yearly"}, 400 * DAY_US),
    "irregular": ({"zh": "不定期", "en": "irregular"}, 0),
}
"""Update frequencies with the age from which data are late; 0: nobody can say."""

SHARING: Final[dict[str, dict[str, str]]] = {
    "unconditional": {"zh": "无条件共享", "en": "shared without condition"},
    "conditional": {"zh": "有条件共享", "en": "shared under conditions"},
    "none": {"zh": "不予共享", "en": "not shared"},
}
SHARING_CODES: Final = {"unconditional": "1", "conditional": "2", "none": "3"}
"""共享类型 as the national guide numbers it."""

SENSITIVITY: Final[dict[int, dict[str, str]]] = {
    1: {"zh": "一级：可公开", "en": "1: public"},
    2: {"zh": "二级：政务内部", "en": "2: within government"},
    3: {"zh": "三级：敏感", "en": "3: sensitive"},
    4: {"zh": "四级：高度敏感", "en": "4: highly sensitive"},
}
OF_MARK: Final = {
    "name": 3, "phone": 3, "address": 3, "birth": 3, "account": 3, "id_number": 4, "health": 4,
}  # fmt: skip

FORMATS: Final = {
    "context": {"zh": "接口（NGSI-LD）", "en": "API (NGSI-LD)"},
    "table": {"zh": "数据库表", "en": "database table"},
    "file": {"zh": "电子文件", "en": "files"},
}
"""信息资源格式 by provider."""


def sensitivity_of(column: Column) -> int:
    """1 to 4: as told, never below what a person mark means; 2 where nobody said."""
    least = OF_MARK.get(column.person, 3 if column.person else 0)
    return max(column.sensitivity, least) or 2


def sensitivity_of_set(data_set: DataSet) -> int:
    """That of its most sensitive field."""
    return max((sensitivity_of(one) for one in data_set.columns), default=2)


def sharing_of(data_set: DataSet) -> str:
    """How it is shared: as told; persons never without condition; else under conditions."""
    if data_set.persons and data_set.sharing in ("", "unconditional"):
        return "conditional"
    return data_set.sharing or "conditional"


def late_after_us(frequency: str) -> int:
    """The age from which data of that update frequency are late; 0: never."""
    found = FREQUENCIES.get(frequency)
    return found[1] if found is not None else 0


def missing_of(data_set: DataSet) -> list[str]:
    """Which core elements nobody told, by the name of the member: what keeps an entry out of a
    provincial catalogue."""
    found = []
    if not any(data_set.title.values()):
        found.append("title")
    if not any(data_set.summary.values()):
        found.append("summary")
    if not data_set.owner:
        found.append("owner")
    if not data_set.theme:
        found.append("theme")
    if not data_set.sharing:
        found.append("sharing")
    if data_set.sharing in ("conditional", "none") and not data_set.sharing_reason:
        found.append("sharing_reason")
    if not data_set.frequency:
        found.append("frequency")
    return found
