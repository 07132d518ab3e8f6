"""Finds in which encoding a text file was written: by its mark, else by its first foreign bytes."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import BinaryIO, Final

from pintu.kernel.intake.tabular.words import Said, refused

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_KNOWN: Final = frozenset(
    ("utf-8", "gb18030", "utf-16-le", "utf-16-be", "big5hkscs", "cp1252", "iso8859-1", "shift_jis")
)
_OTHER_NAMES: Final = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "big5": "big5hkscs",
    "ascii": "utf-8",
    "utf-16": "utf-16-le",
    "windows-1252": "cp1252",
    "latin-1": "cp1252",
    "iso8859-1": "cp1252",
}
_SAMPLE: Final = 1 << 20
_HAN: Final = re.compile(rb"[\xb0-\xf7][\xa1-\xfe]")


def find_encoding(path: Path, told: str = "") -> tuple[str, int, list[Said]]:
    """Codec, length of the byte order mark, and what may surprise.

    A file that begins in ASCII is searched to its first byte that is not: a Chinese name in line
    900,000 decides as well as one in line 1. BadRequestData for an encoding nobody knows.
    """
    with path.open("rb") as file:
        head = file.read(_SAMPLE)
        for mark, codec in _MARKS:
            if head.startswith(mark):
                return codec, len(mark), []
        if told:
            return _known(told), 0, []
        wide = _wide(head)
        if wide:
            return wide, 0, []
        foreign = _foreign_lines(file, head)
    if not foreign:
        return "utf-8", 0, []
    return _narrow(foreign)


def _known(told: str) -> str:
    plain = told.strip().lower().replace("_", "-").replace("utf8", "utf-8")
    try:
        name = codecs.lookup(_OTHER_NAMES.get(plain, plain)).name
    except LookupError:
        name = ""
    name = _OTHER_NAMES.get(name, name)
    if name not in _KNOWN:
        names = "UTF-8, UTF-16, GB 18030, Big5, Shift_JIS, Windows-1252"
        raise refused(
            f"不认识编码 {told[:40]!r}，可用：{names}",
            f"Encoding {told[:40]!r} is not known; there are {names}",
        )
    return name


def _wide(head: bytes) -> str:
    """UTF-16 without a mark: nearly every second byte of Latin text is zero."""
    sample = head[:4000]
    if len(sample) < 8 or b"\0" not in sample:
        return ""
    odd, even = sample[1::2].count(0), sample[0::2].count(0)
    enough = len(sample) // 8
    if odd > enough and odd > 4 * even:
        return "utf-16-le"
    return "utf-16-be" if even > enough and even > 4 * odd else ""


def _foreign_lines(file: BinaryIO, head: bytes) -> list[bytes]:
    """Lines with bytes beyond ASCII, from the first block that has any; cut ends left out."""
    block, rest = head, b""
    while block:
        block = rest + block
        if not block.isascii():
            more = file.read(_SAMPLE)
            end = (block + more).rfind(b"\n")
            whole = (block + more)[: end + 1] if end > 0 and len(more) == _SAMPLE else block + more
            return [line for line in whole.split(b"\n") if not line.isascii()][:20_000]
        rest = block[block.rfind(b"\n") + 1 :][-_SAMPLE:]
        block = file.read(_SAMPLE)
    return []


def _narrow(lines: list[bytes]) -> tuple[str, int, list[Said]]:
    if _share(lines, "utf-8") >= 0.9:
        return "utf-8", 0, []
    text = b"\n".join(lines)
    beyond = sum(1 for one in text if one >= 0x80)
    han = 2 * len(_HAN.findall(text))
    if _share(lines, "gb18030") >= 0.9 and han >= beyond * 0.5:
        return "gb18030", 0, []
    return (
        "cp1252",
        0,
        [
            {
                "zh": "文件既不是 UTF-8 也不是 GB 18030，按西欧编码读取；有乱码时请写明编码",
                "en": "The file is neither UTF-8 nor GB 18030 and was read as Western European; "
                "if letters look wrong, say its encoding in the settings",
            }
        ],
    )


def _share(lines: list[bytes], codec: str) -> float:
    good = 0
    for one in lines:
        try:
            one.decode(codec)
        except UnicodeDecodeError:
            continue
        good += 1
    return good / len(lines)
