"""What is called alike, what is not, and values brought to one form."""

from __future__ import annotations

import time

import pytest

from pintu.kernel.errors import BadRequestData
from pintu.kernel.exchange.finding.canonical import canonical, number_of
from pintu.kernel.exchange.finding.names import called, likeness
from pintu.kernel.exchange.finding.proposals import check, read_planned
from pintu.kernel.exchange.words import Column, DataSet


def alike(left: tuple[str, str], right: tuple[str, str]) -> float:
    one, other = (
        called(name, {"zh": title} if title else {}) for name, title in (left, right)
    )  # fmt: skip
    return likeness(one, other)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("sfzh", ""), ("f1", "公民身份号码")),
        (("xm", ""), ("patient_name", "")),
        (("csrq", ""), ("birthDate", "")),
        (("lxdh", ""), ("mobile_number", "")),
        (("x", "PM2.5浓度"), ("pm25", "")),
        (("huanjing", ""), ("x", "环境")),
        (("a", "灯杆编号（必填）"), ("dgbh", "")),
        (("x", "水位(米)"), ("water_level", "")),
    ],
)
def test_one_thing_under_two_names(left: tuple[str, str], right: tuple[str, str]) -> None:
    """Chinese, English, whole pinyin, first letters."""
    assert alike(left, right) >= 0.8


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (("jd", "街道"), ("jd", "经度")),
        (("name", "姓名"), ("name", "企业名称")),
        (("birth", ""), ("vaccination_date", "")),
        (("height", ""), ("depth", "")),
        (("", "温度"), ("", "湿度")),
    ],
)
def test_two_things_under_like_names(left: tuple[str, str], right: tuple[str, str]) -> None:
    """What the titles say counts more than letters that mean many things."""
    assert alike(left, right) < 0.8


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("2026-01-02", "2026/1/2"),
        ("20260102", "2026年1月2日"),
        ("2026-01-02 00:00:00", "2026-01-02"),
        ("2026-01-02T08:30:00+08:00", "2026-01-02 00:30"),
        ("LD-000123", "ld 000123"),
        ("１２３", "123"),
        ("1,234.50", 1234.5),
        ("+86 138 0013 8000", "13800138000"),
        ("是", True),
        ("浙江省杭州市滨江区江南大道1号", "滨江区江南大道1号"),
        ("330108491231002", "33010819491231002X"),
    ],
)
def test_one_value_written_twice(left: object, right: object) -> None:
    """Dates, times, codes, numbers, telephones, truth, addresses, numbers of fifteen digits."""
    one = canonical(left, "date" if "20" in str(left)[:2] else "text")
    assert one[:17] == canonical(right, "date" if "20" in str(right)[:2] else "text")[:17]


@pytest.mark.parametrize("value", ["", "  ", "-", "NULL", "无", None, float("nan"), "n/a"])
def test_nothing_is_nothing(value: object) -> None:
    """What departments write where nobody knows."""
    assert "" == canonical(value)


def test_hostile_values_cost_little() -> None:
    """No expression explodes, no length hurts, no number is infinite."""
    began = time.thread_time()
    for value in ("1" * 100_000, "1,1" * 50_000, "-" * 100_000, "2026-" * 40_000, "省市" * 50_000,
                  "9" * 400 + "e999", "1e999", "\ud800bad", "A" * 100_000,
                  "2024-01-01 10:00:00+99:99", "0001-01-01 00:00:01+08:00",
                  "9999-12-31 23:59:59-08:00", "+11010700101123"):  # fmt: skip
        assert isinstance(canonical(value), str)
        assert number_of(value, "time") != float("inf")
        called(value, {"zh": value})
    assert time.thread_time() - began < 2


def test_a_proposal_is_read_however_it_is_pasted() -> None:
    """Lines, commas, tabs, full-width signs, a mark of Excel; each name once."""
    told = read_planned("﻿身份证号,公民\n姓名\t全名\n姓名\n\n出生日期；年月日")
    assert ["身份证号", "姓名", "出生日期"] == [one.name for one in told]
    assert "公民" == told[0].about
    for bad in ("", " \n ,,\n"):
        with pytest.raises(BadRequestData):
            read_planned(bad)
    with pytest.raises(BadRequestData):
        read_planned("\n".join(f"字段{n}" for n in range(501)))


def test_what_every_data_set_has_makes_no_duplicate() -> None:
    """Times, names and remarks found again say nothing."""
    everywhere = DataSet(
        name="log", provider="table",
        columns=[Column(name="name"), Column(name="updated_at"), Column(name="remark")],
    )  # fmt: skip
    answer = check(read_planned("名称\n更新时间\n备注"), [everywhere])
    assert ("new", ()) == (answer.verdict, answer.holders)
