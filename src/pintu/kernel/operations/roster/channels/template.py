"""Templates of webhooks: places in a text filled so that no message can leave its place. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Final
from urllib.parse import quote

from pintu.kernel.operations.roster.words import Envelope

PLACE: Final = re.compile(r"\{(to|title|text|severity|subject|link|receipt|key|kind|city)\}")
LONGEST: Final = 2_000
"""Of one value: a gateway takes no page of text."""


def values_of(envelope: Envelope) -> dict[str, str]:
    """What can be put into places."""
    message, lang = envelope.message, envelope.lang
    return {
        "to": envelope.reach.address,
        "title": said(message.title, lang),
        "text": said(message.text, lang)[:LONGEST],
        "severity": message.severity,
        "subject": message.subject,
        "link": envelope.link,
        "receipt": envelope.receipt,
        "key": envelope.key,
        "kind": message.kind,
        "city": envelope.city,
    }


def said(text: dict[str, str], lang: str) -> str:
    """A sentence in a language, or in the other one."""
    return text.get(lang) or text.get("zh") or text.get("en") or ""


def fill(template: str, values: dict[str, str], content_type: str) -> str:
    """A body; values are written as the content type writes them: no quote and no & of a message
    ends its place."""
    if content_type == "application/json":

        def write(value: str) -> str:
            return json.dumps(value, ensure_ascii=False)[1:-1]

    elif content_type == "application/x-www-form-urlencoded":

        def write(value: str) -> str:
            return quote(value, safe="")

    else:

        def write(value: str) -> str:
            return value

    return PLACE.sub(lambda found: write(values[found[1]]), template)


def fill_url(template: str, values: dict[str, str]) -> str:
    """An address; values are percent-encoded."""
    return PLACE.sub(lambda found: quote(values[found[1]], safe=""), template)


def fill_header(template: str, values: dict[str, str]) -> str:
    """A header; line ends of a value become spaces."""
    return PLACE.sub(lambda found: " ".join(values[found[1]].split()), template)


def plain(values: dict[str, str]) -> str:
    """The body of a webhook without a template: everything but whom it is for, as JSON."""
    told = {name: value for name, value in values.items() if name != "to" and value}
    return json.dumps(told, ensure_ascii=False)


def says(answer: bytes, success: str) -> bool:
    """Whether an answer says `success` (`errcode=0`, `data.state=ok`); an empty one is always
    said. An answer that is no JSON says nothing."""
    if not success:
        return True
    path, _, expected = success.partition("=")
    try:
        found: Any = json.loads(answer)
    except ValueError:
        return False
    for name in path.split("."):
        if not isinstance(found, dict) or name not in found:
            return False
        found = found[name]
    return str(found) == expected or json.dumps(found) == expected
