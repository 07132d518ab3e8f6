"""What doors, mappings and files say of their mistakes, in the visitor's language; pure."""

from __future__ import annotations

import re
from typing import Final

from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.web.words import Words

BOTH: Final = " / "  # between the Chinese and the English of a sentence that comes in both
_HAN: Final = re.compile(r"[一-鿿]")
_SENTENCES: Final = tuple(
    (re.compile(english), chinese)
    for english, chinese in (
        (r"(\S+) leads to (\S+), which may not be reached from here",
         r"\1 指向 \2，本系统不允许访问；如确需访问，请管理员在 PINTU_EGRESS_ALLOW 中放行"),
        (r"(\S+) cannot be resolved: .*", r"找不到主机 \1：请检查地址是否写对"),
        (r"(\S+) has no address", r"主机 \1 没有地址"),
        (r"(\S+) did not answer within ([\d.]+) s", r"\1 在 \2 秒内没有应答"),
        (r"(\S+) answered (\d+)", r"\1 应答 \2"),
        (r"(\S+) cannot be fetched: (.*)", r"无法读取 \1：\2"),
        (r"Source (\S+) did not answer within ([\d.]+) seconds", r"来源 \1 在 \2 秒内没有应答"),
        (r"(config/\S+) cannot be read: (.*)", r"\1 无法读取：\2"),
        (r"(config/\S+) names no door: (.+); doors are (.*)",
         r"\1 中没有这种接入方式：\2；可用：\3"),
        (r"(config/sources/\S+): (.*)", r"\1 有误：\2"),
        (r"column '(.+)' mostly holds (\w+), but also (\w+): (.*)",
         r"列“\1”大多是同一种类，但也有不同的（\4）"),
        (r"(\d+): line (\d+) has (\d+) values for (\d+) columns",
         r"\1 行的列数不符：如第 \2 行有 \3 个值，而表有 \4 列"),
        (r"The vocabulary has no type ''", "请先选择事物类型"),
        (r"The vocabulary has no type (\S+)", r"词汇表中没有类型 \1"),
        (r"The vocabulary has no type (\S+); did you mean (\S+)\?",
         r"词汇表中没有类型 \1；是否为 \2？"),
        (r"(\S+) has no attribute (\S+)", r"\1 没有属性 \2"),
        (r"(\S+) has no attribute (\S+); did you mean (\S+)\?", r"\1 没有属性 \2；是否为 \3？"),
        (r"A mapping into the context needs a type", "请选择事物类型"),
        (r"A mapping into the context needs an id such as (.*)", r"请填写编号，如 \1"),
        (r"A mapping needs at least one field", "至少要使用一列"),
        (r"(\S+) is filled twice", r"“\1”被填了两次：两列对应了同一个词"),
        (r"Unit (.+) of (\S+) is not known", r"“\2”的单位 \1 无法识别"),
        (r"(\S+) is kept in (\S+); (.+) cannot be turned into it",
         r"“\1”以 \2 保存，\3 无法换算"),
        (r"Frame (.+) is not one of (.*)", r"坐标系 \1 不在其中：\2"),
        (r"Frame (EPSG:\d+) is not one that is known", r"不认识坐标系 \1"),
        (r"(.+) comes from (.+), which says something of a person \((\w*)\): .*",
         r"“\1”取自 \2，涉及个人：公共情境不含个人信息，请改为数据表"),
        (r"(\S+) comes from (\d+) columns: a point needs two, a time two to six",
         r"“\1”取自 \2 列：位置需两列，时间需二至六列"),
        (r"(.+) among the (\w+) is at version (\d+), not (\d+): .*",
         r"\1 已被他人改为第 \3 版（您看到的是第 \4 版）：请重新打开后再保存"),
    )
)  # fmt: skip
"""English sentences of the kernel that a data officer meets often, and their Chinese."""


def in_language(text: str, lang: str) -> str:
    """One sentence in a language: of both the right half, of a known English one its Chinese;
    any other as it is."""
    chinese, sign, english = text.partition(BOTH)
    if sign and _HAN.search(chinese) and not _HAN.search(english):
        return chinese if lang.startswith("zh") else english
    if lang.startswith("zh"):
        for pattern, said in _SENTENCES:
            found = pattern.fullmatch(text)
            if found is not None:
                return found.expand(said)
    return text


def said(error: PintuError, words: Words) -> str:
    """An error as a sentence for the page."""
    return "; ".join(said_each(error, words))


def said_each(error: PintuError, words: Words) -> list[str]:
    """Each mistake of an error as a sentence."""
    if isinstance(error, ConfigurationError):
        return [in_language(one, words.lang) for one in error.mistakes]
    if words.lang.startswith("zh") and error.extra.get("zh"):
        return [str(error.extra["zh"])]
    return [in_language(error.detail or error.title, words.lang)]
