"""What is a reason and what only looks like one."""

from __future__ import annotations

import pytest

from pintu.kernel.access.reasons import check_reason
from pintu.kernel.errors import BadRequestData


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("school entry, pupil of class 1", "school entry, pupil of class 1"),
        ("入学", "入学"),
        ("  核对 一年级新生 接种情况\n", "核对 一年级新生 接种情况"),
        ("ｓｃｈｏｏｌ　entry", "school entry"),
        ("𠮷祥街 12 号住户来电", "𠮷祥街 12 号住户来电"),
        ("case 2026-118", "case 2026-118"),
    ],
)
def test_a_reason_is_kept_as_it_was_meant(text: str, kept: str) -> None:
    """White space and full-width letters are no part of it."""
    assert kept == check_reason(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "abc", "查", "123456", "２０２６１１２３", "......", "aaaaaa", "啊啊啊啊"),
        *(
            "test",
            "TEST",
            "Test!",
            "t e s t",
            "测试",
            "测 试",
            "无",
            "none",
            "N/A",
            "查询",
            "查询。",
        ),
        *("asdf", "qwerty", "工作需要", "same as above", "abababab", "哈哈", "test\u202etset okay"),
        *("12345a", "look\x00up of a pupil", "x" * 501, "abcabcabcabc"),
    ],
)
def test_what_tells_a_reader_nothing_is_refused(text: str) -> None:
    """Too short, digits, one sign repeated, a placeholder, unseen characters, too long."""
    with pytest.raises(BadRequestData, match=r"[Rr]eason"):
        check_reason(text)
