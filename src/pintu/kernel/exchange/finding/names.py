"""How alike two fields or data sets are called: in Chinese, English and the letters of pinyin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from pintu.kernel.exchange.finding.synonyms import table

HAN: Final = re.compile(r"[㐀-鿿豈-﫿\U00020000-\U0003ffff]+")
PART: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
BRACKETS: Final = re.compile(r"[(（\[【<《].*?[)）\]】>》]")
DULL: Final = frozenset(("the", "of", "a", "an", "and", "for", "in", "at", "by", "on"))
GENERIC: Final = frozenset(
    ("name", "code", "number", "time", "date", "type", "level", "status", "count", "class", "unit")
)
"""What alone, at the end of an English name, says nothing: `school_type` is no type."""
DULL_ZH: Final = re.compile(r"信息|数据|情况|记录|明细|列表|字段|的|表$|演示")
LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class Called:
    """What something is called, in every form it is compared by."""

    concepts: frozenset[str]
    words: frozenset[str]  # English words and Chinese texts as they stand, folded
    latin: frozenset[str]  # names of Latin letters alone, whole
    pairs: frozenset[str]  # neighbouring Chinese signs
    pinyin: frozenset[str]
    initials: frozenset[str]


def called(name: str, title: Mapping[str, str]) -> Called:
    """A field's or data set's name and titles; equal ones are read once."""
    return _called(name[:LONGEST], tuple(text[:LONGEST] for text in title.values() if text))


@lru_cache(maxsize=50_000)
def _called(name: str, titles: tuple[str, ...]) -> Called:
    sure: set[str] = set()
    letters_mean: set[str] = set()  # few letters mean many things
    words: set[str] = set()
    latin: set[str] = set()
    pairs: set[str] = set()
    spelled: set[str] = set()
    initials: set[str] = set()
    for told in (name.rpartition(".")[2] or name, *titles):
        text = BRACKETS.sub("", unicodedata.normalize("NFKC", told)).strip()
        flat = re.sub(r"[\s_\-./:]+", "", text).casefold()
        short = len(flat) <= 5 and flat.isascii() and told is name
        (letters_mean if short else sure).update(meanings().get(flat, ()))
        parts = [one.casefold() for one in PART.findall(text)]
        parts = [one for one in parts if one not in DULL]
        if parts and not HAN.search(text):
            latin.add(flat)
            words |= {_singular(one) for one in parts}
            sure |= _of_parts(parts)
        for han in HAN.findall(text):
            plain = DULL_ZH.sub("", han) or han
            sure |= meanings().get(plain, frozenset()) or _inside(plain)
            pairs |= {plain[n : n + 2] for n in range(len(plain) - 1)} or {plain}
            letters = pinyin_of(plain)
            spelled.add("".join(letters))
            initials.add("".join(one[:1] for one in letters))
    return Called(
        frozenset(sure or letters_mean), frozenset(words), frozenset(latin), frozenset(pairs),
        frozenset(spelled), frozenset(initials),
    )  # fmt: skip


def likeness(left: Called, right: Called) -> float:
    """0 (nothing alike) … 1 (called the same)."""
    shared = left.concepts & right.concepts
    if shared:
        # of several possible meanings, few are likely the same
        return 1.0 if min(len(left.concepts), len(right.concepts)) == 1 else 0.85
    found = max(_share(left.pairs, right.pairs), _share(left.words, right.words))
    if left.latin & right.latin:
        found = 0.95
    for one, other in ((left, right), (right, left)):
        if one.latin & other.pinyin:
            found = max(found, 0.95)
        letters = one.latin & other.initials
        if letters:
            found = max(found, 0.85 if max(map(len, letters)) >= 3 else 0.5)
    if left.concepts and right.concepts:
        return min(found, 0.6)  # both are known words, and different ones
    return found


def _share(left: frozenset[str], right: frozenset[str]) -> float:
    """Dice's coefficient, a little less than equal names earn."""
    if not left or not right:
        return 0.0
    return 0.95 * 2 * len(left & right) / (len(left) + len(right))


@cache
def meanings() -> dict[str, frozenset[str]]:
    """Word → concepts, read once."""
    return table()


def _inside(text: str) -> frozenset[str]:
    """The concept of the longest known word that a Chinese name ends with, else begins with."""
    for size in range(len(text) - 1, 1, -1):
        for part in (text[-size:], text[:size]):
            found = meanings().get(part)
            if found:
                return found
    return frozenset()


def _of_parts(parts: list[str]) -> frozenset[str]:
    """The concept of the last words of an English name: `lamp_serial_no` is no lamp."""
    for size in range(min(3, len(parts)), 0, -1):
        word = "".join(parts[-size:])
        found = meanings().get(word)
        if found and (size > 1 or (len(word) > 3 and word not in GENERIC)):
            return found
    return frozenset()


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


@lru_cache(maxsize=50_000)
def pinyin_of(text: str) -> tuple[str, ...]:
    """The syllables of a Chinese text, without tones; signs it does not know as they are."""
    from pypinyin import lazy_pinyin  # 30 MB that only who searches in Chinese needs

    return tuple(one.casefold() for one in lazy_pinyin(text))


def best_of(wanted: Called, among: Iterable[Called]) -> float:
    """The greatest likeness among several."""
    return max((likeness(wanted, one) for one in among), default=0.0)
