"""What doors, mappings and files say of their mistakes, in the visitor's language; pure."""

from __future__ import annotations

import re
from typing import Final

from pintu.kernel.errors import ConfigurationError, PintuError
from pintu.web.pages.connect_sentences import OF_A_SETTING, SENTENCES
from pintu.web.words import Words

BOTH: Final = " / "  # between the Chinese and the English of a sentence that comes in both
_HAN: Final = re.compile(r"[一-鿿]")
_SETTING: Final = re.compile(r"Source (\S+): (\w+) (.*)")


def in_language(text: str, lang: str) -> str:
    """One sentence in a language: of both the right half, of a known English one its Chinese;
    any other as it is; of several the parts that are known."""
    chinese, sign, english = text.partition(BOTH)
    if sign and _HAN.search(chinese) and not _HAN.search(english):
        return chinese if lang.startswith("zh") else english
    if not lang.startswith("zh"):
        return text
    return _chinese(text) or "；".join(_chinese(one) or one for one in text.split("; "))


def _chinese(text: str) -> str:
    for pattern, said in SENTENCES:
        found = pattern.fullmatch(text)
        if found is not None:
            return found.expand(said)
    setting = _SETTING.fullmatch(text)
    if setting is not None:
        for pattern, said in OF_A_SETTING:
            found = pattern.fullmatch(setting[3])
            if found is not None:
                return f"来源 {setting[1]} 的 {setting[2]} {found.expand(said)}"
    return ""


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
