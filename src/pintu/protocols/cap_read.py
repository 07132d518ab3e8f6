"""From a document to a `CapAlert`: the structure of the schema, then what its texts must mean."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from pintu.protocols.cap_words import (
    CATEGORY,
    CERTAINTY,
    MOST_CIRCLES,
    MOST_INFOS,
    MOST_POINTS,
    MSG_TYPE,
    NAMESPACES,
    RESPONSE,
    SCOPE,
    SEVERITY,
    STATUS,
    URGENCY,
    CapAlert,
    CapArea,
    CapInfo,
    CapReference,
    CapResource,
    Pair,
)
from pintu.protocols.cap_xml import XMLDSIG, CapError, Node, read_tree

MANY: Final = 10**9
Read = Callable[[Node, str], Any]
Rule = tuple[str, str, int, int, Read]
"""(element, field, least, most, how it is read), in the order of the schema."""

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[-+]\d\d:\d\d|Z)", re.ASCII)
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)", re.ASCII)
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_BANNED = re.compile(r"[\s,<&]")


def read(document: bytes) -> CapAlert:
    """Read a message of CAP 1.2 (or 1.1, which differs in what may be missing).

    Structure as in the schema: names, order, counts, code words. Besides: times must be times,
    rings are closed (one that is not, is), coordinates lie on the earth. More liberal than the
    schema in two things that lose nothing: space around texts, and `Z` or parts of seconds in
    times. Raises CapError, which says which element.
    """
    root = read_tree(document)
    version = NAMESPACES.get(root.space)
    if root.name != "alert" or version is None:
        raise CapError(f"The document is no CAP alert but {root.name!r} of {root.space[:80]!r}")
    signed = any(one.space == XMLDSIG for one in root.children)
    found = fields(root, ALERT, "The alert", version)
    points = sum(len(ring) for one in found["infos"] for a in one.areas for ring in a.polygons)
    if points > MOST_POINTS:
        raise CapError(f"The alert has {points} points, more than {MOST_POINTS}", over=True)
    circles = sum(len(a.circles) for one in found["infos"] for a in one.areas)
    if circles > MOST_CIRCLES:
        raise CapError(f"The alert has {circles} circles, more than {MOST_CIRCLES}", over=True)
    return CapAlert(**found, version=version, signed=signed)


def fields(node: Node, rules: Sequence[Rule], where: str, version: str) -> dict[str, Any]:
    """The children of an element by the names of their fields; CapError for one that is missing,
    too often, out of order or unknown."""
    children = [one for one in node.children if one.space != XMLDSIG]
    found: dict[str, Any] = {}
    at = 0
    for element, name, least, most, reading in rules:
        values: list[Any] = []
        while at < len(children) and children[at].name == element:
            if children[at].space not in (node.space, ""):
                break
            number = f" {len(values) + 1}" if most > 1 else ""
            values.append(reading(children[at], f"{where}: {element}{number}"))
            at += 1
        if len(values) < least and not (version == "1.1" and element in OPTIONAL_IN_1_1):
            raise CapError(f"{where} has no {element}")
        if len(values) > most:
            over = most > 1
            raise CapError(f"{where} has {element} {len(values)} times, not {most}", over=over)
        if most > 1:
            found[name] = tuple(values)
        elif values:
            found[name] = values[0]
    if at < len(children):
        raise CapError(f"{where} has {children[at].name[:60]!r} where it may not stand")
    return found


OPTIONAL_IN_1_1: Final = frozenset(("mimeType",))


# --- single texts ---------------------------------------------------------------------------------
def text(node: Node, where: str) -> str:
    """A text without elements in it."""
    if node.children:
        raise CapError(f"{where} is a text and has elements in it")
    return node.text


def name_of(node: Node, where: str) -> str:
    """Something that references name: no space, comma, < or &."""
    said = text(node, where)
    if not said or _BANNED.search(said) or len(said) > 1_000:
        raise CapError(f"{where} {said[:60]!r} is empty or has a space, a comma, < or &")
    return said


def one_of(words: tuple[str, ...]) -> Read:
    """A code word of a list."""

    def word(node: Node, where: str) -> str:
        said = text(node, where)
        if said not in words:
            raise CapError(f"{where} {said[:60]!r} is not one of {', '.join(words)}")
        return said

    return word


def time(node: Node, where: str) -> str:
    """A time with its zone, as it is written."""
    return checked_time(text(node, where), where)


def checked_time(said: str, where: str) -> str:
    """The same text; CapError when it is no time."""
    try:
        if TIME.fullmatch(said):
            datetime.fromisoformat(said)
            return said
    except ValueError:
        pass
    raise CapError(f"{where} {said[:60]!r} is no time like 2026-09-08T16:00:00+08:00")


def language(node: Node, where: str) -> str:
    """A language tag; empty is the schema's own default."""
    said = text(node, where) or "en-US"
    if not LANGUAGE.fullmatch(said):
        raise CapError(f"{where} {said[:60]!r} is no language tag")
    return said


def whole(node: Node, where: str) -> int:
    """A whole number of bytes."""
    said = text(node, where)
    if not re.fullmatch(r"[-+]?\d{1,15}", said, re.ASCII):
        raise CapError(f"{where} {said[:60]!r} is no whole number")
    return int(said)


def decimal(node: Node, where: str) -> float:
    """A number without an exponent."""
    return number_of(text(node, where), where)


def number_of(said: str, where: str) -> float:
    """The number; CapError when it is none."""
    if len(said) > 40 or not _DECIMAL.fullmatch(said):
        raise CapError(f"{where} {said[:60]!r} is no number")
    return float(said)


def words(node: Node, where: str) -> tuple[str, ...]:
    """Words with spaces between them, those with a space inside in quotes."""
    return tuple(quoted or plain for quoted, plain in _WORD.findall(text(node, where)))


def references(node: Node, where: str) -> tuple[CapReference, ...]:
    """Earlier messages, each `sender,identifier,sent`."""
    found = []
    for one in text(node, where).split():
        parts = one.split(",")
        if len(parts) != 3 or not all(parts):
            raise CapError(f"{where} {one[:80]!r} is not sender,identifier,sent")
        checked_time(parts[2], where)
        found.append(CapReference(sender=parts[0], identifier=parts[1], sent=parts[2]))
    return tuple(found)


def pair(node: Node, where: str) -> Pair:
    """`valueName` and `value`."""
    return Pair(**fields(node, PAIR, where, "1.2"))


# --- places ---------------------------------------------------------------------------------------
def polygon(node: Node, where: str) -> tuple[tuple[float, float], ...]:
    """At least three corners, and the first again at the end."""
    said = text(node, where).split()
    if len(said) > MOST_POINTS:
        raise CapError(f"{where} has {len(said)} points, more than {MOST_POINTS}", over=True)
    points = [point(one, where) for one in said]
    if points and points[0] != points[-1]:
        points.append(points[0])
    if len(set(points)) < 3:
        raise CapError(f"{where} has fewer than three corners")
    return tuple(points)


def point(said: str, where: str) -> tuple[float, float]:
    """`latitude,longitude` on the earth."""
    parts = said.split(",")
    if len(parts) != 2:
        raise CapError(f"{where} {said[:60]!r} is not latitude,longitude")
    latitude, longitude = (number_of(one, where) for one in parts)
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise CapError(f"{where} {said[:60]!r} lies not on the earth")
    return latitude, longitude


def circle(node: Node, where: str) -> tuple[float, float, float]:
    """`latitude,longitude radius`, in km."""
    said = text(node, where).split()
    if len(said) != 2:
        raise CapError(f"{where} is not latitude,longitude radius")
    latitude, longitude = point(said[0], where)
    radius = number_of(said[1], where)
    if not 0 <= radius <= 20_040 or math.isnan(radius):
        raise CapError(f"{where} has a radius of {said[1][:40]} km")
    return latitude, longitude, radius


# --- the schema -----------------------------------------------------------------------------------
def resource(node: Node, where: str) -> CapResource:
    """A file that belongs to the message."""
    found = fields(node, RESOURCE, where, "1.1" if NAMESPACES.get(node.space) == "1.1" else "1.2")
    found.pop("inline", None)
    return CapResource(**found)


def area(node: Node, where: str) -> CapArea:
    """One place."""
    return CapArea(**fields(node, AREA, where, "1.2"))


def info(node: Node, where: str) -> CapInfo:
    """What is said in one language."""
    return CapInfo(**fields(node, INFO, where, "1.2"))


PAIR: Final[tuple[Rule, ...]] = (("valueName", "name", 1, 1, text), ("value", "value", 1, 1, text))
RESOURCE: Final[tuple[Rule, ...]] = (
    ("resourceDesc", "description", 1, 1, text),
    ("mimeType", "mime_type", 1, 1, text),
    ("size", "size", 0, 1, whole),
    ("uri", "uri", 0, 1, text),
    ("derefUri", "inline", 0, 1, text),
    ("digest", "digest", 0, 1, text),
)
AREA: Final[tuple[Rule, ...]] = (
    ("areaDesc", "description", 1, 1, text),
    ("polygon", "polygons", 0, MANY, polygon),
    ("circle", "circles", 0, MANY, circle),
    ("geocode", "geocodes", 0, MANY, pair),
    ("altitude", "altitude", 0, 1, decimal),
    ("ceiling", "ceiling", 0, 1, decimal),
)
INFO: Final[tuple[Rule, ...]] = (
    ("language", "language", 0, 1, language),
    ("category", "categories", 1, MANY, one_of(CATEGORY)),
    ("event", "event", 1, 1, text),
    ("responseType", "responses", 0, MANY, one_of(RESPONSE)),
    ("urgency", "urgency", 1, 1, one_of(URGENCY)),
    ("severity", "severity", 1, 1, one_of(SEVERITY)),
    ("certainty", "certainty", 1, 1, one_of(CERTAINTY)),
    ("audience", "audience", 0, 1, text),
    ("eventCode", "event_codes", 0, MANY, pair),
    ("effective", "effective", 0, 1, time),
    ("onset", "onset", 0, 1, time),
    ("expires", "expires", 0, 1, time),
    ("senderName", "sender_name", 0, 1, text),
    ("headline", "headline", 0, 1, text),
    ("description", "description", 0, 1, text),
    ("instruction", "instruction", 0, 1, text),
    ("web", "web", 0, 1, text),
    ("contact", "contact", 0, 1, text),
    ("parameter", "parameters", 0, MANY, pair),
    ("resource", "resources", 0, MANY, resource),
    ("area", "areas", 0, MANY, area),
)
ALERT: Final[tuple[Rule, ...]] = (
    ("identifier", "identifier", 1, 1, name_of),
    ("sender", "sender", 1, 1, name_of),
    ("sent", "sent", 1, 1, time),
    ("status", "status", 1, 1, one_of(STATUS)),
    ("msgType", "msg_type", 1, 1, one_of(MSG_TYPE)),
    ("source", "source", 0, 1, text),
    ("scope", "scope", 1, 1, one_of(SCOPE)),
    ("restriction", "restriction", 0, 1, text),
    ("addresses", "addresses", 0, 1, words),
    ("code", "codes", 0, MANY, text),
    ("note", "note", 0, 1, text),
    ("references", "references", 0, 1, references),
    ("incidents", "incidents", 0, 1, words),
    ("info", "infos", 0, MOST_INFOS, info),
)
