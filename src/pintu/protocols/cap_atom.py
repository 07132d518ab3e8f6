"""A feed of warnings (Atom, RFC 4287): an entry for each, with a link to its CAP document."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

import msgspec

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml; charset=utf-8"


class FeedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One warning; times as RFC 3339, `link` the address of its document."""

    id: str
    title: str
    updated: str
    published: str
    author: str
    link: str
    summary: str = ""
    category: str = ""


def write_feed(
    title: str, address: str, updated: str, entries: Iterable[FeedEntry], *, author: str
) -> bytes:
    """The feed as XML, entries in the order given."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<feed xmlns="{ATOM}">',
        f"<id>{escape(address)}</id>",
        f"<title>{escape(title)}</title>",
        f"<updated>{escape(updated)}</updated>",
        f"<author><name>{escape(author)}</name></author>",
        f'<link rel="self" type="application/atom+xml" href={quoteattr(address)}/>',
    ]
    for one in entries:
        lines += [
            "<entry>",
            f"<id>{escape(one.id)}</id>",
            f"<title>{escape(one.title)}</title>",
            f"<updated>{escape(one.updated)}</updated>",
            f"<published>{escape(one.published)}</published>",
            f"<author><name>{escape(one.author)}</name></author>",
            f'<link rel="alternate" type="application/cap+xml" href={quoteattr(one.link)}/>',
            f"<category term={quoteattr(one.category)}/>",
            f"<summary>{escape(one.summary)}</summary>",
            "</entry>",
        ]
    lines.append("</feed>\n")
    return "\n".join(lines).encode()
