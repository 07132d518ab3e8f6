"""Whether a column says something of a person: by its name, by examples, by the company it is in.

Persons never enter the context. A column's own name may be enough (身份证号), or need the others:
the telephone of a public place stands beside opening hours, that of a patient beside a date of
birth.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from pintu.kernel.intake.mapping.people_pinyin import AGAINST, BESIDE, LEAST, fits, in_pinyin
from pintu.kernel.intake.mapping.people_words import OF_A_PLACE, STRONG, SURNAMES, WEAK
from pintu.kernel.intake.mapping.words import PersonMark


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is thought of a column; `sure` False: a person must be asked."""

    mark: PersonMark
    sure: bool
    zh: str = ""
    en: str = ""


_MOBILE: Final = re.compile(r"(?:\+?86[- ]?)?1[3-9]\d{9}")
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def _folded(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold()
    text = re.sub(r"[(\[【].*?[)\]】]", "", text)
    return re.sub(r"[\s_\-./:*#]+", "", text)


def _names(words: Mapping[PersonMark, str]) -> dict[str, PersonMark]:
    return {name: mark for mark, text in words.items() for name in text.split()}


_STRONG_NAMES: Final = _names(STRONG)
_WEAK_NAMES: Final = _names(WEAK)
_PLACES: Final = frozenset(OF_A_PLACE.split())


def is_id_number(value: str) -> bool:
    """Whether a text is an 18-character citizen's number with a right check digit (GB 11643)."""
    if len(value) != 18 or not value[:17].isascii() or not value[:17].isdigit():
        return False
    month, day = int(value[10:12]), int(value[12:14])
    if not (1 <= month <= 12 and 1 <= day <= 31 and value[6:8] in ("18", "19", "20")):
        return False
    rest = sum(int(one) * weight for one, weight in zip(value, _WEIGHTS, strict=False)) % 11
    return value[17].upper() == "10X98765432"[rest]


def is_mobile(value: str) -> bool:
    """Whether a text is a mobile telephone number of the mainland."""
    return _MOBILE.fullmatch(value.strip().replace(" ", "").replace("-", "")) is not None


def looks_like_a_name(value: str) -> bool:
    """Whether a text looks like a Chinese person's name: a frequent surname and one or two more
    characters."""
    return 2 <= len(value) <= 3 and value[0] in SURNAMES and all("一" <= c <= "鿿" for c in value)


def strong_mark(name: str, examples: Sequence[str] = ()) -> PersonMark:
    """The mark a column's name earns alone, whatever stands beside it; empty: none. The first
    letters of a pinyin earn it only when the examples do not speak against it."""
    text = _folded(name.rpartition(".")[2] or name)
    found = _STRONG_NAMES.get(text)
    if found is not None:
        return found
    letters = in_pinyin(text)
    if letters is not None and letters[2]:
        return letters[0] if fits(letters[0], examples) > AGAINST else ""
    for known, mark in _STRONG_NAMES.items():
        if len(known) > 2 and not known.isascii() and (text.endswith(known) or known in text):
            return mark
    return ""


def _by_examples(examples: Sequence[str]) -> PersonMark:
    told = [one.strip() for one in examples if one and one.strip()]
    if not told:
        return ""
    if sum(map(is_id_number, told)) * 2 >= len(told):
        return "id_number"
    if sum(map(is_mobile, told)) * 2 > len(told):
        return "phone"
    return ""


def person_mark(name: str, examples: Sequence[str] = ()) -> PersonMark:
    """What a column says of a person, judged alone; careful: a telephone is a person's unless its
    examples are numbers of a landline or a service."""
    found = strong_mark(name, examples) or _by_examples(examples)
    if found:
        return found
    weak = _weak_mark(name, examples)
    told = [one for one in examples if one]
    if weak == "phone":
        return "" if told and not any(map(is_mobile, told)) else "phone"
    if weak == "name" and told:
        return "name" if sum(map(looks_like_a_name, told)) * 2 > len(told) else ""
    return ""


def person_marks(columns: Mapping[str, Sequence[str]]) -> dict[str, Judgement]:
    """What the columns of one table say of persons, each judged in the company of the others;
    `columns` has examples by name. Only columns with a mark or a doubt are named."""
    found: dict[str, Judgement] = {}
    folded = {_folded(name.rpartition(".")[2] or name) for name in columns}
    strong = {name: mark for name in columns if (mark := strong_mark(name, columns[name]))}
    strong.update(
        (name, "id_number") for name, told in columns.items() if _by_examples(told) == "id_number"
    )
    of_persons = bool(strong)
    of_places = len(folded & _PLACES) >= 2 and not of_persons
    for name, examples in columns.items():
        if name in strong:
            found[name] = Judgement(mark=strong[name], sure=True)
            continue
        judged = _weak(name, examples, of_persons=of_persons, of_places=of_places)
        if judged is not None:
            found[name] = judged
    return found


def _weak_mark(name: str, examples: Sequence[str]) -> PersonMark:
    text = _folded(name)
    letters = in_pinyin(text.rpartition(".")[2] or text)
    if letters is not None and not letters[2]:
        return letters[0] if fits(letters[0], examples) >= LEAST else ""
    return _WEAK_NAMES.get(text, "")


def title_of(name: str, mark: PersonMark) -> str:
    """What a column called by the first letters of its pinyin stands for; empty when it is none, or
    is held to be something else."""
    text = _folded(name.rpartition(".")[2] or name)
    letters = in_pinyin(text)
    if letters is not None:
        return letters[1] if letters[0] == mark else ""
    return BESIDE.get(text, "")


def _weak(
    name: str, examples: Sequence[str], *, of_persons: bool, of_places: bool
) -> Judgement | None:
    mark = _weak_mark(name, examples)
    told = [one for one in examples if one]
    mobiles = sum(map(is_mobile, told))
    if not mark and mobiles * 2 > len(told):
        mark = "phone"
    if mark == "name":
        names = sum(map(looks_like_a_name, told))
        if names * 2 <= len(told) or (not told and not of_persons):
            return None
    if not mark:
        return None
    if of_persons:
        return Judgement(mark=mark, sure=True)
    if mark == "phone":
        if of_places and mobiles * 2 <= len(told):
            return None  # the telephone of a public place
        return Judgement(
            mark="phone",
            sure=bool(told) and mobiles * 2 > len(told) and not of_places,
            en=f"Is {name} the telephone of a person, or of a place or office?",
            zh=f"“{name}”是个人电话，还是场所或单位的电话？",
        )
    if mark == "name":
        return Judgement(
            mark="name",
            sure=False,
            en=f"Does {name} hold names of persons?",
            zh=f"“{name}”是人的姓名吗？",
        )
    return None  # an address or an account of nobody we know of


def masked(value: str, mark: PersonMark) -> str:
    """An example of a person's column as a page may show it."""
    text = value.strip()
    if not mark or not text:
        return value
    kept = {"name": 1, "id_number": 2, "phone": 3, "address": 3, "birth": 2}.get(mark, 0)
    kept = min(kept, len(text) // 2)
    return text[:kept] + "*" * min(len(text) - kept, 16)
