"""A little markup for text blocks: headings, lists, bold, italic, code, links; all else is text."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from markupsafe import Markup, escape

INLINE: Final = re.compile(
    r"`(?P<code>[^`\n]{1,500})`"
    r"|\*\*(?P<bold>[^*\n]{1,500})\*\*"
    r"|\*(?P<italic>[^*\n]{1,500})\*"
    r"|\[(?P<words>[^\]\n]{1,300})\]\((?P<link>[^)\s]{1,1000})\)"
)
HEADING: Final = re.compile(r"(#{1,3})\s+(.{1,300})")
ITEM: Final = re.compile(r"(?:[-*]|(\d{1,3})[.)])\s+(.+)")
SCHEMES: Final = ("http", "https", "mailto")


def shown(text: str) -> Markup:
    """HTML of a text: every character escaped, only this module's own elements added.

    Headings begin at the third level, because the block's title is one of the second.
    """
    out: list[Markup] = []
    for part in re.split(r"\n\s*\n", text.replace("\r\n", "\n").strip()):
        lines = [line.strip() for line in part.split("\n") if line.strip()]
        if lines:
            out += _paragraph(lines)
    return Markup("\n").join(out)


def _paragraph(lines: list[str]) -> list[Markup]:
    out: list[Markup] = []
    held: list[str] = []
    items: list[re.Match[str]] = []

    def close() -> None:
        if held:
            out.append(Markup("<p>{}</p>").format(Markup("<br>").join(map(_inline, held))))
            held.clear()
        if items:
            tag = Markup("ol" if items[0][1] else "ul")
            rows = Markup("").join(Markup("<li>{}</li>").format(_inline(one[2])) for one in items)
            out.append(Markup("<{0}>{1}</{0}>").format(tag, rows))
            items.clear()

    for line in lines:
        heading, item = HEADING.fullmatch(line), ITEM.fullmatch(line)
        if heading:
            close()
            level = len(heading[1]) + 2
            out.append(Markup("<h{0}>{1}</h{0}>").format(level, _inline(heading[2])))
        elif item:
            if held or (items and bool(items[0][1]) != bool(item[1])):
                close()
            items.append(item)
        else:
            if items:
                close()
            held.append(line)
    close()
    return out


def _inline(text: str) -> Markup:
    out, last = Markup(""), 0
    for found in INLINE.finditer(text):
        out += escape(text[last : found.start()]) + _one(found)
        last = found.end()
    return out + escape(text[last:])


def _one(found: re.Match[str]) -> Markup:
    if found["code"]:
        return Markup("<code>{}</code>").format(found["code"])
    if found["bold"]:
        return Markup("<strong>{}</strong>").format(found["bold"])
    if found["italic"]:
        return Markup("<em>{}</em>").format(found["italic"])
    if not _may_lead(found["link"]):
        return escape(found[0])
    return Markup('<a href="{}" rel="noopener">{}</a>').format(found["link"], found["words"])


def _may_lead(link: str) -> bool:
    """To a page of this city or to an address of the web; never to a script."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    if not parts.scheme:
        return link.startswith(("/", "?", "#")) and not link.startswith("//")
    return parts.scheme in SCHEMES
