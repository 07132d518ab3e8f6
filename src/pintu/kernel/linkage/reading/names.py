"""Names of persons: Chinese, of minorities with ·, in pinyin; the same name comes out the same."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any, Final

import msgspec

from pintu.kernel.linkage.reading.surnames import CLASS, COMPOUND, READ

DOTS: Final = re.compile("[\u00b7\u2022\u2027\u2219\u22c5\u30fb\uff65\u16eb\u2024\uff0e]")
LATIN_DOT: Final = re.compile(r"(?<=[^\x00-\x7f])\s*[.。]\s*(?=[^\x00-\x7f])")
NOTES: Final = re.compile(r"[(\[{【〔].*?[)\]}】〕]")
TITLES: Final = re.compile("(先生|女士|小姐|同志)$")
_NOBODY: Final = (
    "无 无名 无名氏 不详 未知 未填 空 测试 姓名 本人 同上 家长 新生儿 null none nan test na "
    "n/a - xxx unknown"
)
NOBODY: Final = frozenset(_NOBODY.split())
UNREADABLE: Final = "\ufffd"
LONGEST: Final = 100
LONGEST_HAN: Final = 4  # characters of a name with surname and given name

TO_LATIN: Final = "Han-Latin; Latin-ASCII; Lower"
TO_SIMPLE: Final = "Traditional-Simplified"


@cache
def _way(name: str) -> Any:
    """ICU's transliterator, made at the first name: a city's start does not wait 0.2 s for it, nor
    holds 9 MB of ICU."""
    import icu

    return icu.Transliterator.createInstance(name)


class Name(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One name, read. `text`: the characters, empty for a name in letters; `surname` and `given`:
    how they are read, without tones or spaces; `family`: the class of the surname's reading, equal
    for what libraries misread. A sign nobody could read is U+FFFD in `text`."""

    text: str = ""
    surname: str = ""
    given: str = ""
    family: str = ""

    @property
    def reading(self) -> str:
        """Surname and given name as they are read."""
        return f"{self.surname} {self.given}".strip()


NOTHING: Final = Name()


def read_name(told: object) -> Name:
    """A name as it can be compared; empty when it says nobody's name. Full-width letters, spaces
    between characters, the many dots of minority names, notes in brackets and traditional forms are
    made one."""
    if not isinstance(told, str) or len(told) > LONGEST:
        return NOTHING
    text = told if told.isalpha() and not told.isascii() else _tidied(told)
    if not text or text.casefold() in NOBODY:
        return NOTHING
    return _latin(text) if text.isascii() else _han(text)


def _tidied(told: str) -> str:
    text = DOTS.sub("·", unicodedata.normalize("NFKC", DOTS.sub("·", told)))
    text = NOTES.sub("", text).strip(" ·,，;；*'\"")
    if text.isascii():
        return text
    text = LATIN_DOT.sub("·", text)
    text = "".join(text.split())
    return TITLES.sub("", text)


def _han(text: str) -> Name:
    text = _simple(text)
    if "·" in text or (len(text) > LONGEST_HAN and text[:2] not in COMPOUND):
        # a minority's name, whose dot not every register writes: all of it is compared as one
        joined = text.replace("·", "")
        return Name(text=joined, given="".join(map(sound, joined)))
    size = 2 if len(text) > 2 and text[:2] in COMPOUND else 1
    if text[:2] in READ and len(text) > 2 and len(text[:2]) == 2:
        size = 2
    surname = _surname(text[:size])
    given = "".join(map(sound, text[size:]))
    return Name(text=text, surname=surname, given=given, family=CLASS.get(surname, surname))


@lru_cache(20_000)
def _simple(text: str) -> str:
    return "".join(map(_simple_sign, text))


@lru_cache(30_000)
def _simple_sign(sign: str) -> str:
    if sign in "?？□■〇*＊" or unicodedata.category(sign) in ("Co", "Cn", "Cs"):
        return UNREADABLE
    found: str = _way(TO_SIMPLE).transliterate(sign)
    return found


@lru_cache(5_000)
def _surname(text: str) -> str:
    known = READ.get(text)
    return known[0] if known else "".join(map(sound, text))


@lru_cache(30_000)
def sound(sign: str) -> str:
    """How one character is read, in letters without tone; `?` for one nobody reads."""
    if sign in "吕绿律旅率屡闾侣缕铝驴虑氯滤履":
        return "lv"
    if sign in "女":
        return "nv"
    found = str(_way(TO_LATIN).transliterate(sign))
    return found if found.isascii() and found.isalpha() else "?"


_FREQUENT: Final = (
    "wang li zhang liu chen yang huang zhao wu zhou xu sun ma zhu hu guo he gao lin luo "
    "zheng liang xie song tang han feng deng cao peng zeng xiao tian dong yuan pan yu jiang "
    "cai du ye cheng su wei lv ding ren shen yao lu cui zhong tan fan jin shi liao jia xia "
    "fu fang bai zou meng xiong qin qiu yin xue yan duan lei hou long tao mao hao gong shao "
    "wan qian dai mo kong xiang shan ou zhai ge miao zha yue"
)
SURNAMES: Final = frozenset(_FREQUENT.split()) | frozenset(
    one for told in READ.values() for one in told
)
_PARTS: Final = re.compile(r"[a-z']+")


def _latin(text: str) -> Name:
    """`ZENG Wei`, `Zeng, Wei`, `Wei ZENG`: the surname is in front, unless only the end is one, or
    capitals or a comma say so."""
    low = text.casefold().replace("u:", "v").replace("lyu", "lv")
    parts = [one.replace("'", "") for one in _PARTS.findall(low.replace("-", ""))]
    parts = [one for one in parts if one]
    if not parts or len(parts) > 6:
        return NOTHING
    words = re.findall(r"[A-Za-z']+", text.replace("-", ""))
    last_is = len(parts) > 1 and (
        (parts[-1] in SURNAMES and parts[0] not in SURNAMES)
        or (words[-1].isupper() and len(words[-1]) > 1 and not words[0].isupper())
    )
    if last_is and "," not in text:
        parts = [parts[-1], *parts[:-1]]
    surname = parts[0]
    return Name(surname=surname, given="".join(parts[1:]), family=CLASS.get(surname, surname))
