"""What a new version of a word does to those who use it: what they may go on with, what breaks."""

from __future__ import annotations

from dataclasses import dataclass

from pintu.vocabulary.town import TownAttribute, TownWord


@dataclass(frozen=True, slots=True, kw_only=True)
class WordChange:
    """One difference between two versions; `breaks` says that data or readers of the old version
    no longer fit."""

    attribute: str  # empty: the type itself
    what: dict[str, str]
    breaks: bool


def changes(before: TownWord, after: TownWord) -> list[WordChange]:
    """Every difference that matters, by attribute.

    An attribute more breaks nobody unless it is required; one less, another kind, unit or JSON
    type, a narrower range or list of values, and a new duty do.
    """
    found: list[WordChange] = []
    if before.type != after.type:
        said = (f"类型名由 {before.type} 改为 {after.type}", f"it is no longer {before.type}")
        found.append(_said("", *said, True))
    old = {one.name: one for one in before.attributes}
    new = {one.name: one for one in after.attributes}
    for name in sorted(old.keys() - new.keys()):
        found.append(_said(name, "被删除", "is gone", True))
    for name in sorted(new.keys() - old.keys()):
        if new[name].required:
            found.append(_said(name, "新增且必填", "is new and required", True))
        else:
            found.append(_said(name, "新增", "is new", False))
    for name in sorted(old.keys() & new.keys()):
        found += _attribute(old[name], new[name])
    return found


def _attribute(old: TownAttribute, new: TownAttribute) -> list[WordChange]:
    found = []
    pairs = (
        ("kind", "种类"), ("json", "数据类型"), ("unit", "单位"), ("target", "指向的类型"),
    )  # fmt: skip
    for member, zh in pairs:
        was, now = getattr(old, member), getattr(new, member)
        if was != now:
            widened = member == "json" and (was, now) == ("integer", "number")
            found.append(
                _said(
                    old.name,
                    f"{zh}由 {was or '无'} 改为 {now or '无'}",
                    f"its {member} goes from {was or 'none'} to {now or 'none'}",
                    not widened,
                )
            )
    if new.required and not old.required:
        found.append(_said(old.name, "变为必填", "becomes required", True))
    return found + _range(old, new) + _values(old, new)


def _range(old: TownAttribute, new: TownAttribute) -> list[WordChange]:
    if (old.minimum, old.maximum) == (new.minimum, new.maximum):
        return []
    low_up = new.minimum is not None and (old.minimum is None or new.minimum > old.minimum)
    high_down = new.maximum is not None and (old.maximum is None or new.maximum < old.maximum)
    if low_up or high_down:
        return [_said(old.name, "取值范围变窄", "its range is narrower", True)]
    return [_said(old.name, "取值范围变宽", "its range is wider", False)]


def _values(old: TownAttribute, new: TownAttribute) -> list[WordChange]:
    gone = set(old.values) - set(new.values)
    if old.values and new.values and gone:
        names = ", ".join(sorted(gone))
        return [_said(old.name, f"不再允许取值 {names}", f"no longer allows {names}", True)]
    if new.values and not old.values:
        return [_said(old.name, "改为固定取值", "now allows listed values only", True)]
    if old.values != new.values:
        return [_said(old.name, "允许更多取值", "allows more values", False)]
    return []


def _said(attribute: str, zh: str, en: str, breaks: bool) -> WordChange:
    return WordChange(attribute=attribute, what={"zh": zh, "en": en}, breaks=breaks)
