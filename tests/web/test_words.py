"""No text of the screens is untranslated or written where the catalogue cannot reach it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from pintu.web.words import LANGUAGES, LOCALE, Words, choose_language

WEB = LOCALE.parent
TEMPLATES = WEB / "pages" / "templates"
METHODS = [("**.py", "python"), ("pages/templates/**.html", "jinja2")]
OPTIONS = {"pages/templates/**.html": {"newstyle_gettext": "true", "trimmed": "true"}}
KEYWORDS = {
    "_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "mark": None,
    "text": None,
    "plural": (1, 2),
}
AGAIN = (
    "pybabel extract -F src/pintu/web/locale/babel.cfg -k mark -k text -k plural:1,2"
    " -o pintu.pot src/pintu/web && pybabel update -D pintu -i pintu.pot -d src/pintu/web/locale"
)


def used() -> set[str | tuple[str, str]]:
    found: set[str | tuple[str, str]] = set()
    for *_, message, _, _ in extract_from_dir(str(WEB), METHODS, OPTIONS, KEYWORDS):
        if isinstance(message, tuple):
            found.add((message[0], message[1]))
        else:
            found.add(message)
    return found - {""}


def texts(lang: str) -> dict[str | tuple[str, str], object]:
    source = LOCALE / LANGUAGES[lang] / "LC_MESSAGES" / "pintu.po"
    with source.open("rb") as file:
        found = read_po(file, locale=LANGUAGES[lang])
    return {
        (tuple(m.id) if isinstance(m.id, list | tuple) else m.id): m.string
        for m in found
        if m.id and not m.fuzzy
    }


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_every_text_is_translated(lang: str) -> None:
    """Every text in code and templates has a translation in the catalogue of each language."""
    known = texts(lang)
    missing = [text for text in used() if not known.get(text)]
    assert [] == missing, AGAIN


@pytest.mark.parametrize("lang", sorted(LANGUAGES))
def test_no_text_is_left_over(lang: str) -> None:
    """The catalogues hold nothing that nobody says any more."""
    assert set() == set(texts(lang)) - used(), AGAIN


def test_chinese_is_chinese() -> None:
    """A Chinese text holds a Chinese character, and the same placeholders as the English."""
    for source, said in texts("zh-CN").items():
        text = said if isinstance(said, str) else said[0]  # type: ignore[index]
        first = source if isinstance(source, str) else source[1]
        assert re.search(r"[一-鿿]", text) or "NGSI-LD" in text, source
        holes = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
        assert sorted(holes.findall(first)) == sorted(holes.findall(text)), source


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_no_template_hard_codes_text(path: Path) -> None:
    """Templates hold no words of their own: text and named attributes come from the catalogue."""
    source = path.read_text(encoding="utf-8")
    source = re.sub(r"\{% block body_class %\}.*?\{% endblock %\}", " ", source)
    source = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", source, flags=re.S)
    for name in ("title", "placeholder", "aria-label", "alt"):
        for value in re.findall(rf'\s{name}="([^"]*)"', source):
            assert not re.search(r"[A-Za-z一-鿿]{2}", value), (name, value)
    visible = re.sub(r"<[^>]*>", " ", source)
    words = set(re.findall(r"[A-Za-z一-鿿]{2,}", visible)) - {"context"}
    assert set() == words


@pytest.mark.parametrize("path", sorted((WEB / "static").glob("*.js")), ids=lambda path: path.name)
def test_no_script_hard_codes_chinese_or_sentences(path: Path) -> None:
    """Scripts say only what the page handed them."""
    source = re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8"))
    assert [] == re.findall(r"[一-鿿]+", source)
    shown = re.findall(r"(?:textContent|innerText)\s*=\s*\"([^\"]*[A-Za-z]{3}[^\"]*)\"", source)
    assert [] == shown


def test_language_choice() -> None:
    """?lang, cookie, Accept-Language by weight, then the city's own; nonsense is passed over."""
    assert "en" == choose_language("en", "zh-CN", "zh", "zh-CN")
    assert "zh-CN" == choose_language(None, "zh-CN", "en", "en")
    assert "en" == choose_language(None, None, "fr;q=0.9, en-GB;q=0.8, zh;q=0.1", "zh-CN")
    assert "zh-CN" == choose_language("xx", "yy", "en;q=0, de", "zh-CN")
    assert "zh-CN" == choose_language(None, None, ";q=x,,;", "nonsense")


def test_numbers_times_and_ages() -> None:
    """Numbers are grouped, large counts use 万 and 亿, times are local, ages round down."""
    zh = Words("zh-CN", "Asia/Shanghai", 1_767_225_600_000_000)
    en = Words("en", "Asia/Shanghai", 1_767_225_600_000_000)
    assert "4.95 万" == zh.large(49_451)
    assert "1.2 亿" == zh.large(120_000_000)
    assert "49,451" == en.large(49_451)
    assert "1,234.5" == en.number(1234.5)
    assert "2026-01-01 08:00:00" == zh.time(1_767_225_600_000_000)
    assert "3 分钟前" == zh.age(1_767_225_600_000_000 - 200_000_000)
    assert "1 minute ago" == en.age(1_767_225_600_000_000 - 61_000_000)
    assert "–" == en.age(0)
