"""Whether a reason somebody typed is one: what stands in the log must tell a reader something."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from pintu.kernel.errors import BadRequestData

MOST: Final = 500
"""Characters of a reason that are kept."""

FEWEST_LETTERS: Final = 4
FEWEST_HAN: Final = 2

PLACEHOLDERS: Final = """
test, testing, tests, test reason, reason, reasons, because, none, null, nil, undefined, nothing,
no, no reason, nan, n/a, na, todo, tbd, xxx, abc, abcd, abcde, asdf, asdfgh, asdfghjkl, qwer, qwert,
qwerty, foo, foobar, lorem ipsum, dummy, sample, example, query, search, look, lookup, look up,
check, checking, read, access, data, view, work, for work, job, business, required, need, needed,
other, others, whatever, hello, same as above, ditto, routine,
测试, 测试一下, 测试用, 测试理由, 试试, 试一下, 无, 没有,
没有理由, 无理由, 理由, 原因, 查询, 查一下,
查看, 查看一下, 看看, 看一下, 看一看, 查数据, 查询数据,
工作, 工作需要, 业务, 业务需要, 需要, 其他, 其它,
暂无, 不详, 不知道, 未知, 同上, 如题, 随便,
随便看看, 例行, 例行查询, 正常, 正常查询, 数据, 访问, 使用, 你好
"""
"""What says nothing by itself; compared without signs, spaces and case."""

_SIGNS = re.compile(r"[\W_]+")


def check_reason(text: str) -> str:
    """The reason, without white space around it and with full-width letters as usual ones.

    BadRequestData says what is wrong: fewer than 4 letters (2 in Chinese), only digits or signs,
    one sign or group of signs repeated, a placeholder, control characters, or over 500 characters.
    """
    reason = " ".join(unicodedata.normalize("NFKC", text).split())
    if len(reason) > MOST:
        raise BadRequestData(f"A reason has {len(reason)} characters; it may have {MOST}")
    if any(unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co", "Cn") for one in reason):
        raise BadRequestData("A reason contains characters that cannot be seen")
    bare = _SIGNS.sub("", reason).casefold()
    letters = [one for one in bare if one.isalpha()]
    if not letters:
        raise BadRequestData("A reason needs words: say in a few what this is for")
    han = sum(unicodedata.name(one, "").startswith("CJK UNIFIED") for one in letters)
    if len(letters) < FEWEST_LETTERS and han < FEWEST_HAN:
        raise BadRequestData("A reason is too short: say in a few words what this is for")
    if _repeated(bare) or bare in _BARE:
        raise BadRequestData(f"{reason[:40]!r} is not a reason: say what this is for")
    return reason


def _repeated(bare: str) -> bool:
    """One sign again and again, or one group of up to three signs of which nothing is left over."""
    if len(set(bare)) == 1:
        return True
    return any(
        len(bare) >= 3 * size and bare == (bare[:size] * len(bare))[: len(bare)] for size in (2, 3)
    )


_BARE: Final = frozenset(_SIGNS.sub("", one).casefold() for one in PLACEHOLDERS.split(","))
