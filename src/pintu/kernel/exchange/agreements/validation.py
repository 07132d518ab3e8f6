"""What is wrong with terms, said before they are sent; and what a consumer could put together of
one person. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pintu.kernel.access import Mask
from pintu.kernel.errors import PintuError
from pintu.kernel.exchange import conditions
from pintu.kernel.exchange.agreements.sensitivity import (
    LEAST_K,
    OF_DUTY,
    WITHOUT_SUBJECT,
    may_be_whole,
    strong_enough,
)
from pintu.kernel.exchange.agreements.words import Agreement, Finding, Terms
from pintu.kernel.exchange.words import Column, DataSet, Question

LONGEST_RETENTION_DAYS: Final = 3_650
LONGEST_TERM_DAYS: Final = 3 * 366
MOST_ROWS_A_CALL: Final = 10_000
DAY_US: Final = 86_400_000_000
ORGANISATION: Final = re.compile(r"[a-z][a-z0-9-]{0,62}(@[\w.:-]{1,200})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What terms are held against."""

    data_set: DataSet
    purposes: frozenset[str]
    bases: frozenset[str]
    now_us: int
    organisation: Callable[[str], bool] | None = None  # whether one is there; None: nobody knows


def error(code: str, en: str, zh: str, field: str = "") -> Finding:
    """What keeps terms from being sent."""
    return Finding(code=code, level="error", text={"en": en, "zh": zh}, field=field)


def warning(code: str, en: str, zh: str, field: str = "") -> Finding:
    """What who decides should know."""
    return Finding(code=code, level="warning", text={"en": en, "zh": zh}, field=field)


def findings(terms: Terms, known: Known) -> list[Finding]:
    """Everything that was found, errors first."""
    found = [
        *_sides(terms, known),
        *_words(terms, known),
        *_fields(terms, known.data_set),
        *_rows(terms, known.data_set),
        *_numbers(terms),
        *_time(terms, known),
    ]
    if known.data_set.persons:
        found += [*_persons(terms, known.data_set), *_masks(terms, known.data_set)]
    return sorted(found, key=lambda one: one.level != "error")


def _sides(terms: Terms, known: Known) -> Iterator[Finding]:
    owner = known.data_set.owner
    if not owner:
        yield error(
            "no-owner",
            "This data set has no owner: nobody can approve; the administrator may name one",
            "该数据集没有归口部门，无人可以审批；可由管理员指定",
        )
    elif terms.provider != owner:
        yield error(
            "wrong-provider",
            f"This data set belongs to {owner}, not to {terms.provider or 'nobody'}",
            f"该数据集属于 {owner}，不属于 {terms.provider or '无'}",
        )
    if not terms.consumer or terms.consumer == terms.provider:
        yield error(
            "same-side",
            "An agreement is between two organisations",
            "协议须在两个单位之间达成",
        )
    elif not ORGANISATION.fullmatch(terms.consumer) or (
        known.organisation is not None and not known.organisation(terms.consumer)
    ):
        yield error(
            "unknown-consumer",
            f"Nobody knows the organisation {terms.consumer[:60]!r}",
            f"没有名为 {terms.consumer[:60]} 的单位",
        )


def _words(terms: Terms, known: Known) -> Iterator[Finding]:
    if terms.purpose not in known.purposes:
        yield error(
            "purpose",
            f"{terms.purpose[:40]!r} is no purpose of the city's list",
            "使用目的不在目录之内",
        )
    if terms.basis not in known.bases:
        yield error(
            "basis",
            f"{terms.basis[:40]!r} is no legal basis of the city's list",
            "法律依据不在目录之内",
        )


def _fields(terms: Terms, data_set: DataSet) -> Iterator[Finding]:
    columns = {one.name for one in data_set.columns}
    if not terms.fields:
        yield error("no-fields", "Name the fields that the work needs", "请列出工作所需的字段")
    for name, mask in terms.fields.items():
        if name == "*":
            yield error(
                "everything",
                "Nobody gets everything: name the fields that the work needs",
                "不得索取全部字段：请列出工作所需的字段",
                name,
            )
        elif name not in columns:
            yield error(
                "unknown-field",
                f"Field {name[:60]!r} is not in this data set",
                f"数据集中没有字段 {name[:60]}",
                name,
            )
        yield from _mask(name, mask, terms)


def _mask(name: str, mask: Mask, terms: Terms) -> Iterator[Finding]:
    if mask.kind == "truncate" and mask.keep < 1:
        yield error(
            "mask", f"The mask of {name!r} keeps nothing", f"字段 {name} 的遮盖不保留任何内容", name
        )
    if mask.kind == "generalise" and mask.keep < 1 and not 0 < mask.step < float("inf"):
        yield error(
            "mask", f"The mask of {name!r} has no width", f"字段 {name} 的概化没有设定宽度", name
        )
    if terms.deed == "write" and mask.kind != "plain":
        yield error(
            "mask-write",
            f"{name!r} is written: it has no mask",
            f"写入的字段 {name} 不能遮盖",
            name,
        )


def _rows(terms: Terms, data_set: DataSet) -> Iterator[Finding]:
    columns = {one.name: one for one in data_set.columns}
    if terms.subject and terms.subject not in columns:
        yield error(
            "unknown-subject",
            f"Field {terms.subject[:60]!r}, by which one person is asked, is not in this data set",
            f"数据集中没有用于逐人查询的字段 {terms.subject[:60]}",
            terms.subject,
        )
    for one in terms.where:
        yield from _condition(one.column, terms, columns)
    if all(one.column in columns for one in terms.where):
        try:
            conditions.check(Question(where=terms.where), data_set.columns)
            conditions.fitted(terms.where, columns, "UTC")
        except PintuError as problem:
            yield error("condition", problem.detail, f"行条件有误：{problem.detail}")


def _condition(name: str, terms: Terms, columns: dict[str, Column]) -> Iterator[Finding]:
    """A condition must not tell what the fields do not."""
    column = columns.get(name)
    if column is None:
        yield error(
            "unknown-field",
            f"Field {name[:60]!r} is not in this data set",
            f"数据集中没有字段 {name[:60]}",
            name,
        )
        return
    mask = terms.fields.get(name)
    masked = mask is not None and mask.kind != "plain"
    if masked or (mask is None and column.person):
        yield error(
            "masked-condition",
            f"Rows cannot be chosen by {name!r}: its value is not to be seen",
            f"不能按 {name} 选取数据行：该字段的值不可见",
            name,
        )
    if name == terms.subject:
        yield error(
            "subject-condition",
            f"{name!r} is asked for at each call; it cannot stand in the terms too",
            f"{name} 在每次查询时给出，不能写入协议条件",
            name,
        )


def _numbers(terms: Terms) -> Iterator[Finding]:
    limits = terms.limits
    told = [limits.calls_a_minute, limits.rows_a_call, limits.rows_a_day, limits.subjects_a_day]
    told += [limits.looks_at_one, terms.k, terms.retention_days]
    if any(one < 0 or one > 10**12 for one in told):
        yield error("limits", "A limit is a number from 0 on", "限额须为非负整数")
    if limits.rows_a_call > MOST_ROWS_A_CALL:
        yield error(
            "rows-a-call",
            f"A call tells at most {MOST_ROWS_A_CALL} rows",
            f"一次调用最多提供 {MOST_ROWS_A_CALL} 行",
        )
    if terms.retention_days > LONGEST_RETENTION_DAYS:
        yield error(
            "retention",
            f"Copies are kept for at most {LONGEST_RETENTION_DAYS} days",
            f"留存期限最长 {LONGEST_RETENTION_DAYS} 天",
        )
    if terms.subject and terms.k:
        yield error(
            "subject-and-k",
            "One person a call or counts, not both",
            "逐人查询与统计不能同时选择",
        )


def _time(terms: Terms, known: Known) -> Iterator[Finding]:
    if terms.from_us < 0 or terms.until_us < 0 or max(terms.from_us, terms.until_us) > 2**53:
        yield error("term", "The term is no time", "期限不是有效时间")
    elif terms.until_us and terms.until_us <= max(terms.from_us, known.now_us):
        yield error("term", "The term ends before it begins", "期限在开始之前就已结束")
    elif terms.until_us - max(terms.from_us, known.now_us) > LONGEST_TERM_DAYS * DAY_US:
        yield warning("long-term", "The term is longer than three years", "期限超过三年")


def _persons(terms: Terms, data_set: DataSet) -> Iterator[Finding]:
    if not terms.until_us:
        yield error(
            "no-end",
            "Data about persons is shared for a term: say until when",
            "涉及个人的数据须写明截止日期",
        )
    if terms.basis == "no_persons":
        yield error(
            "no-persons",
            "This data set tells of persons: choose another legal basis",
            "该数据集涉及个人，请选择相应的法律依据",
        )
    excepted = terms.purpose in WITHOUT_SUBJECT and terms.basis in OF_DUTY
    if not terms.subject and terms.k < LEAST_K:
        if not excepted:
            yield error(
                "subject-or-k",
                f"Ask one person a call (name the field), or only counts of {LEAST_K} or more",
                f"须逐人查询（指定字段），或只要不少于 {LEAST_K} 人的统计",
            )
        else:
            yield warning(
                "exception",
                "Rows about persons without naming each: only by statutory duty",
                "不逐人查询个人数据：仅限依法履职",
            )
    column = next((one for one in data_set.columns if one.name == terms.subject), None)
    if column is not None and not column.person and not column.key:
        yield error(
            "subject-no-person",
            f"Field {terms.subject!r} does not say who a person is",
            f"字段 {terms.subject} 不能确定是哪个人",
            terms.subject,
        )
    if terms.subject and not terms.limits.subjects_a_day:
        yield warning(
            "subjects-a-day",
            "No limit of persons a day: one after another, all could be looked up",
            "没有限定每日人数：可以逐个查完所有人",
        )
    if terms.onward:
        yield warning("onward", "It may be passed on to others", "允许转供第三方")


def _masks(terms: Terms, data_set: DataSet) -> Iterator[Finding]:
    for column in data_set.columns:
        mask = terms.fields.get(column.name)
        if mask is None or not column.person or strong_enough(column.person, mask):
            continue
        if terms.subject and column.name == terms.subject:
            continue  # whoever asks has named it
        if terms.subject and may_be_whole(column.person, terms.purpose):
            yield warning(
                "whole",
                f"{column.name!r} is seen as it is, one person a call",
                f"{column.name} 原样可见（逐人查询）",
                column.name,
            )
            continue
        yield error(
            "mask-needed",
            f"{column.name!r} needs a stronger mask for this purpose",
            f"按此目的，字段 {column.name} 须加强遮盖",
            column.name,
        )


def union_of(
    terms: Terms, agreements: Iterable[Agreement], persons: Callable[[str], bool]
) -> dict[str, tuple[str, ...]]:
    """Data set → fields of one person that a consumer could put together with these terms and all
    its agreements in force; empty when it is about no persons. Counts put nothing together."""
    found: dict[str, set[str]] = {}
    mine = [terms, *(one.terms for one in agreements)]
    for one in mine:
        if not one.k and persons(one.data_set):
            told = {name for name, mask in one.fields.items() if mask.kind != "drop"}
            found.setdefault(one.data_set, set()).update(told)
    return {name: tuple(sorted(fields)) for name, fields in sorted(found.items())}


def union_warning(union: dict[str, tuple[str, ...]]) -> list[Finding]:
    """Said when more than one data set can be put together."""
    if len(union) < 2:
        return []
    told = "; ".join(f"{name}: {', '.join(fields)}" for name, fields in union.items())
    return [
        warning(
            "union",
            f"With its agreements in force this consumer could put together of one person: {told}",
            f"加上已生效的协议，该单位可以拼出一个人的：{told}",
        )
    ]
