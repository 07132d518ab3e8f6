"""What things are called on a page: types, attributes, units and values, from the vocabulary."""

from __future__ import annotations

import importlib
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from pintu.web.api.states import parse_time, value_of
from pintu.web.words import Words

if TYPE_CHECKING:
    from pintu.web.visit import Visit


@cache
def vocabulary() -> Any:
    """The vocabulary's own tables, or None when this city has none."""
    try:
        return importlib.import_module("pintu.vocabulary")
    except ImportError:
        return None


def unit_sign(code: str | None) -> str:
    """The sign of a unit code; the code itself when it has none here."""
    if not code:
        return ""
    told = getattr(vocabulary(), "unit_sign", None)
    sign = told(code) if told is not None else None
    return code if sign is None else str(sign)


def said(value: Any, words: Words) -> str:
    """A value as text: numbers grouped, truth as a word, languages chosen, the rest as JSON."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return words.text("yes") if value else words.text("no")
    if isinstance(value, int | float):
        return words.number(value)
    if isinstance(value, str):
        at_us = parse_time(value) if len(value) >= 19 and value[10:11] == "T" else 0
        return words.time(at_us) if at_us else value
    if isinstance(value, dict):
        return _said_dict(value, words)
    if isinstance(value, list):
        return ", ".join(said(part, words) for part in value[:20])
    return str(value)


def _said_dict(value: dict[str, Any], words: Words) -> str:
    if "@value" in value:
        return said(value["@value"], words)
    if value.get("type") == "Point" and isinstance(value.get("coordinates"), list):
        longitude, latitude = (value["coordinates"] + [0, 0])[:2]
        return f"{latitude:.5f}, {longitude:.5f}"
    for lang in (words.lang, words.lang[:2], "@none", "en"):
        if isinstance(value.get(lang), str):
            return str(value[lang])
    if isinstance(value.get("type"), str) and "coordinates" in value:
        return str(value["type"])
    return ", ".join(f"{key}: {said(part, words)}" for key, part in list(value.items())[:12])


def name_of(entity: dict[str, Any], words: Words) -> str:
    """What to call a thing: its name, else the last part of its id."""
    name = value_of(entity, "name")
    if isinstance(name, dict):
        return _said_dict(name, words)
    return str(name) if name else str(entity["id"]).rpartition(":")[2]


def attribute_label(name: str, words: Words) -> str:
    """What an attribute is called; the last part of its name when nobody says."""
    told = words.pick(_told("attribute_title", name))
    return told or _short(name)


def value_label(name: str, value: Any, words: Words) -> str:
    """What a coded value of an attribute means; empty when it is not from a list of codes."""
    ask = getattr(vocabulary(), "value_title", None)
    told = ask(name, value) if ask is not None and isinstance(value, str) else None
    return words.pick(told or {})


def alert_title(category: str, visit: Visit) -> str:
    """What kind of alert it is: as a piece's legend or work list calls it, else as a list of codes
    does."""
    words = visit.words
    for manifest in visit.rooms.pieces:
        for layer in manifest.layers:
            for rule in layer.rules:
                if rule.alarm and rule.state == category:
                    return words.pick(rule.title)
        for work_list in manifest.work_lists:
            if category in work_list.words:
                return words.pick(work_list.words[category])
    told = value_label("subCategory", category, words) or value_label("category", category, words)
    return told or words.value(category)


def severity_title(severity: str, words: Words) -> str:
    """How bad an alert is."""
    return value_label("severity", severity, words) or words.value(severity)


def type_label(types: tuple[str, ...], words: Words) -> str:
    """What a thing of these types is called."""
    return ", ".join(words.pick(_told("type_title", one)) or _short(one) for one in types)


def _told(function: str, name: str) -> Any:
    ask = getattr(vocabulary(), function, None)
    return (ask(name) if ask is not None else None) or {}


def _short(name: str) -> str:
    return name.rstrip("/#").replace("#", "/").rpartition("/")[2] if "://" in name else name


def context_bytes() -> bytes:
    """The vocabulary's served @context."""
    told = getattr(vocabulary(), "context_document", None)
    if told is None:
        return b'{"@context": {}}'
    document = told()
    return document if isinstance(document, bytes) else orjson.dumps(document)
