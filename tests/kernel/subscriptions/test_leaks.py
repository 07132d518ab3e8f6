"""No notification tells more than the agreement in force lets be seen, however it is asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.access import Mask, Projection
from pintu.kernel.access.narrowing import Kept, Narrowing
from pintu.kernel.clock import CityClock
from pintu.kernel.context.match import match_q
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.record import Record
from pintu.kernel.errors import Forbidden
from pintu.kernel.jsonld import CORE, ContextLibrary
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions.composing import Composer
from pintu.kernel.subscriptions.matching import Matcher
from pintu.kernel.subscriptions.words import Message, Trigger
from tests.kernel.subscriptions.made import Doc, changed, lamp, subscribed

NAMES = ("open", "masked", "secret", "district", "at")
MARK = "SECRET"
TRIGGERS = [one.value for one in Trigger]


def instance(name: str, text: str, dataset: str | None, kind: str) -> Doc:
    """One instance of an attribute: what must not be told carries the mark."""
    value = text if name in ("open", "district") else f"{MARK}-{text}"
    member: Any = {"LanguageProperty": ("languageMap", {"en": value}),
                   "JsonProperty": ("json", {"a": value}),
                   "ListProperty": ("valueList", [value]),
                   "VocabProperty": ("vocab", value)}.get(kind, ("value", value))  # fmt: skip
    if name == "at":
        kind, member = "Relationship", ("object", "urn:ngsi-ld:Lamp:2")
    if name == "district":
        kind, member = "Property", ("value", text)
    found: Doc = {"type": kind, member[0]: member[1]}
    if name != "district":
        found["inside"] = {"type": "Property", "value": f"{MARK}-inside"}
        if name in ("open", "at"):
            del found["inside"]
    return found if dataset is None else {**found, "datasetId": dataset}


kinds = st.sampled_from(["Property", "LanguageProperty", "JsonProperty", "ListProperty"])


@st.composite
def documents(draw: Any) -> Doc:
    """A lamp with some of the attributes, in one of two districts."""
    found = lamp(1)
    for name in NAMES:
        if draw(st.booleans()) or name == "district":
            texts = st.sampled_from(["D1", "D2"] if name == "district" else ["a", "bb"])
            one = instance(name, draw(texts), None, draw(kinds))
            both = name in ("open", "secret") and draw(st.booleans())
            other = instance(name, draw(texts), "urn:d:1", draw(kinds))
            found[name] = [one, other] if both else one
    return found


@st.composite
def told(draw: Any) -> Doc:
    """How somebody wants to be told."""
    how: Doc = {"format": draw(st.sampled_from(["normalized", "concise", "keyValues"]))}
    how["sysAttrs"] = draw(st.booleans())
    how["showChanges"] = how["format"] != "keyValues" and draw(st.booleans())
    how["join"] = draw(st.sampled_from(["flat", "inline", "@none"]))
    narrowing = draw(st.sampled_from(["", "attributes", "pick", "omit"]))
    if narrowing:
        names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
        how[narrowing] = names
    accept = draw(st.sampled_from(["application/json", "application/geo+json"]))
    return {**how, "endpoint": {"uri": "http://ear.example/n", "accept": accept}}


def agreement() -> Projection:
    """The first district alone; one attribute as it is, one masked, one not at all."""
    fields = {
        "open": Mask(), "district": Mask(), "at": Mask(), "masked": Mask(kind="yes_no"),
    }  # fmt: skip
    rows = parse_q('district=="D1"', CORE)
    seen = Narrowing(
        frozenset({"Lamp"}), fields, lambda one: match_q(one, rows), key=b"k", kept=Kept()
    )
    return Projection(
        rows=rows, types=frozenset({"Lamp"}), attributes=frozenset(fields),
        masks={"masked": fields["masked"]}, agreement="AG-1/1", recorded=True, seen=seen,
    )  # fmt: skip


LINKED = {**lamp(2, district="D2"), "open": instance("secret", "x", None, "Property")}


async def composed(change: Change, members: Doc) -> Message | None:
    """What is sent of a change."""
    clock = CityClock()
    body = orjson.dumps(LINKED)
    composer = Composer(
        lambda tenant, id: Record(0, id, ("Lamp",), body, 0, 0), ContextLibrary(clock=clock), clock
    )
    matcher = Matcher()
    one = subscribed(**members)
    matcher.add(one)
    hits = matcher.concerned(change)
    return await composer.compose(one, hits, agreement()) if hits else None


@settings(max_examples=150, deadline=None)
@given(documents(), documents(), st.sampled_from(["created", "replaced", "deleted", "updated"]),
       told(), st.sampled_from([None, "secret", "open"]))  # fmt: skip
def test_what_is_not_agreed_is_in_no_message(
    before: Doc, after: Doc, what: str, how: Doc, watched: str | None
) -> None:
    """Neither hidden nor masked values, nor rows outside, nor linked ones; and no message comes
    because of them."""
    members: Doc = {"notification": how, "notificationTrigger": TRIGGERS}
    if watched is not None:
        members["watchedAttributes"] = [watched]
    names = tuple(name for name in NAMES if before.get(name) != after.get(name))
    change = {
        "created": lambda: changed(None, after), "deleted": lambda: changed(before, None),
        "replaced": lambda: changed(before, after),
        "updated": lambda: changed(before, after, names=names),
    }[what]()  # fmt: skip
    try:
        message = asyncio.run(composed(change, members))
    except Forbidden:
        assert "secret" == watched
        return
    if message is None:
        return
    assert MARK.encode() not in message.body
    assert b"createdAt" not in message.body
    there = before if what == "deleted" else after
    assert "D1" == there["district"]["value"]
    if what in ("replaced", "updated"):
        seen = agreement().seen
        assert seen is not None
        assert seen.entity(before) != seen.entity(after)
