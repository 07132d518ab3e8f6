"""What may be sent as a subscription, and what is kept and shown of it (5.2.12 to 5.2.15)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.selection import Q
from pintu.kernel.errors import BadRequestData, TooComplex
from pintu.kernel.jsonld import CORE
from pintu.kernel.jsonld.compile import compile_context
from pintu.kernel.jsonld.terms import Terms
from pintu.kernel.subscriptions.asking import kept_q, q_of, q_text
from pintu.kernel.subscriptions.reading import changed_document, read_document
from pintu.kernel.subscriptions.showing import shown, status
from pintu.kernel.subscriptions.words import State
from tests.kernel.subscriptions.made import NOW_US, Doc, subscribed

CONTEXT = {
    "Lamp": "https://example.org/Lamp", "level": "https://example.org/level",
    "Pole": "https://example.org/Pole", "on": "https://example.org/on",
}  # fmt: skip
THEIRS = Terms(compile_context(CONTEXT), CONTEXT)
ENDPOINT: Doc = {"uri": "http://ear.example/n"}
GEO = {"georel": "within", "geometry": "Point", "coordinates": [1, 2]}


def notification(**members: Any) -> Doc:
    """A notification member."""
    return {"notification": {"endpoint": ENDPOINT, **members}}


def endpoint(**members: Any) -> Doc:
    """The same with an endpoint."""
    return {"notification": {"endpoint": {**ENDPOINT, **members}}}


WRONG: list[tuple[str, Doc]] = [
    ("entities", {"entities": None}),
    ("entities", {"entities": []}),
    ("type", {"entities": [{"id": "urn:x:1"}]}),
    ("id of entities", {"entities": [{"type": "A", "id": []}]}),
    ("URI", {"entities": [{"type": "A", "id": "x"}]}),
    ("does not compile", {"entities": [{"type": "A", "idPattern": "("}]}),
    ("type cannot be read", {"entities": [{"type": "A;"}]}),
    ("watchedAttributes", {"watchedAttributes": []}),
    ("watchedAttributes", {"watchedAttributes": ["a b"]}),
    ("notificationTrigger", {"notificationTrigger": ["entityChanged"]}),
    ("notificationTrigger", {"notificationTrigger": []}),
    ("timeInterval", {"timeInterval": 0}),
    ("timeInterval", {"timeInterval": "5"}),
    ("do not go together", {"timeInterval": 5, "throttling": 5}),
    ("do not go together", {"timeInterval": 5, "watchedAttributes": ["a"]}),
    ("throttling", {"throttling": -1}),
    ("throttling", {"throttling": True}),
    ("q cannot be read", {"q": "a=="}),
    ("q", {"q": ""}),
    ("csf cannot be read", {"csf": "(("}),
    ("geoQ", {"geoQ": {}}),
    ("geometry", {"geoQ": {**GEO, "geometry": "Blob"}}),
    ("scopeQ", {"scopeQ": "//"}),
    ("isActive", {"isActive": "yes"}),
    ("has passed", {"expiresAt": "2000-01-01T00:00:00Z"}),
    ("expiresAt", {"expiresAt": "tomorrow"}),
    ("lang", {"lang": 5}),
    ("datasetId", {"datasetId": "no uri"}),
    ("jsonldContext", {"jsonldContext": "unknown"}),
    ("jsonldContext", {"jsonldContext": "ftp://x.example/c"}),
    ("endpoint", {"notification": {"endpoint": {}}}),
    ("attributes", notification(attributes=[])),
    ("pick", notification(pick=[])),
    ("omit", notification(omit="")),
    ("together with pick", notification(attributes=["a"], pick=["a"])),
    ("both name", notification(pick=["a"], omit=["a"])),
    ("format", notification(format="xml")),
    ("showChanges", notification(format="keyValues", showChanges=True)),
    ("showChanges", notification(showChanges="true")),
    ("sysAttrs", notification(sysAttrs=1)),
    ("join", notification(join="deep")),
    ("joinLevel", notification(joinLevel=1)),
    ("joinLevel", notification(join="flat", joinLevel=0)),
    ("uri", endpoint(uri="ftp://ear.example")),
    ("uri", endpoint(uri="http://")),
    ("topic", endpoint(uri="mqtt://ear.example")),
    ("accept", endpoint(accept="text/html")),
    ("timeout", endpoint(timeout=0)),
    ("cooldown", endpoint(cooldown=-1)),
    ("both texts", endpoint(receiverInfo=[{"key": "K", "value": 42}])),
    ("both texts", endpoint(notifierInfo=[{"key": "K"}])),
    ("control character", endpoint(receiverInfo=[{"key": "K", "value": "a\r\nB: c"}])),
    ("header", endpoint(receiverInfo=[{"key": "a b", "value": "c"}])),
    ("sets itself", endpoint(receiverInfo=[{"key": "content-length", "value": "5"}])),
    ("QoS", endpoint(notifierInfo=[{"key": "MQTT-QoS", "value": "3"}])),
    ("Version", endpoint(notifierInfo=[{"key": "MQTT-Version", "value": "4"}])),
    ("null", {"throttling": "urn:ngsi-ld:null"}),
]  # fmt: skip


@pytest.mark.parametrize(("told", "members"), WRONG, ids=[f"{n}{m}" for n, m in WRONG])
def test_what_cannot_be_is_refused_by_name(told: str, members: Doc) -> None:
    """Each member has its values; the refusal names it."""
    with pytest.raises(BadRequestData, match=told):
        subscribed(**members)


def test_a_subscription_has_a_type_and_a_notification() -> None:
    """Without either it is none."""
    for document in ({}, {"type": "Thing"}, {"type": "Subscription", "entities": [{"type": "A"}]}):
        with pytest.raises(BadRequestData):
            read_document(document, CORE, NOW_US)


def test_a_q_that_explodes_is_refused() -> None:
    """Depth, parts and length of conditions are bounded when they are read."""
    for q in ("(" * 40 + "a" + ")" * 40, ";".join(["a"] * 500), "a" * 9000, "a~=" + "(a" * 600):
        with pytest.raises((BadRequestData, TooComplex)):
            subscribed(q=q)


def test_unknown_and_read_only_members_are_left_out() -> None:
    """What only the city says is ignored when it is sent (5.2.12-2)."""
    one = subscribed(status="expired", __context="x", **{"@q": ["absent", ["a", [], []]]})
    assert ({"entities", "notification"}, None) == ({*one.document}, one.q)


FULL: Doc = {
    "subscriptionName": "名", "description": "d",
    "entities": [{"type": "(Lamp;Pole),Other", "idPattern": "x$"}, {"id": "urn:x:1", "type": "*"}],
    "watchedAttributes": ["level", "other"],
    "notificationTrigger": ["entityDeleted"],
    "q": "level>5;on{Pole:level}==\"a b\"|!other[x.y]", "csf": "name==\"x\"",
    "geoQ": {**GEO, "geoproperty": "on"}, "scopeQ": "/a/#", "throttling": 5, "isActive": False,
    "expiresAt": "2999-01-01T00:00:00Z", "lang": "zh", "datasetId": ["urn:d:1"],
    "notification": {
        "attributes": ["level"], "format": "concise", "sysAttrs": True, "showChanges": True,
        "join": "inline", "joinLevel": 2,
        "endpoint": {
            "uri": "mqtts://u:p@ear.example:8883/a/b", "accept": "application/ld+json",
            "timeout": 500, "cooldown": 1000,
            "receiverInfo": [{"key": "A", "value": "b"}],
            "notifierInfo": [{"key": "MQTT-Version", "value": "mqtt5.0"}],
        },
    },
}  # fmt: skip


def test_what_was_sent_comes_back_to_whoever_has_the_same_names() -> None:
    """Everything but the counters is echoed as it was sent (5.8.3)."""
    one = subscribed(terms=THEIRS, **FULL)
    document = shown(one, State(), THEIRS, NOW_US)
    assert FULL == {name: document[name] for name in FULL}
    assert ("paused", "Subscription") == (document["status"], document["type"])


def test_others_see_it_in_their_names() -> None:
    """Names are the reader's: IRIs for one without a @context, in q and in pick too."""
    members: Doc = FULL | notification(pick=["id", "on{level}"])
    one = subscribed(terms=THEIRS, **members)
    document = shown(one, State(), CORE, NOW_US)
    lamp, level = "https://example.org/Lamp", "https://example.org/level"
    assert [level, "other"] == document["watchedAttributes"]
    assert f"({lamp};https://example.org/Pole),Other" == document["entities"][0]["type"]
    assert ["id", f"https://example.org/on{{{level}}}"] == document["notification"]["pick"]
    plain = subscribed(terms=THEIRS, q="level>5;!other")
    assert f"{level}>5;!other" == shown(plain, State(), CORE, NOW_US)["q"]


def test_counters_are_told_once_something_was_sent() -> None:
    """timesSent, status and the last times (5.2.14.2)."""
    one = subscribed()
    assert {"endpoint"} == {*shown(one, State(), CORE, NOW_US)["notification"]}
    state = State(
        times_sent=3, times_failed=1, last_notification_us=9_000_000, last_success_us=5_000_000,
        last_failure_us=9_000_000,
    )  # fmt: skip
    told = shown(one, state, CORE, NOW_US)["notification"]
    assert ("failed", 3, 1, "1970-01-01T00:00:09Z", "1970-01-01T00:00:05Z") == (
        told["status"], told["timesSent"], told["timesFailed"], told["lastFailure"],
        told["lastSuccess"],
    )  # fmt: skip


def test_a_fragment_takes_the_place_of_what_was() -> None:
    """Members are replaced whole, null takes them away, what was derived goes with them."""
    kept = subscribed(q="a>1", throttling=5).document
    changed = changed_document(kept, {"q": None, "throttling": 7, "isActive": False}, CORE, NOW_US)
    assert ({"entities", "throttling", "isActive", "notification"}, 7) == (
        {*changed}, changed["throttling"],
    )  # fmt: skip
    assert "@q" in changed_document(changed, {"q": "b"}, CORE, NOW_US)


@pytest.mark.parametrize("fragment", [
    {"notification": None}, {"notification": {"format": "keyValues"}}, {"type": "Thing"},
    {"entities": None}, {"timeInterval": 5}, {"expiresAt": "2000-01-01T00:00:00Z"},
    {"notification": {"endpoint": None}},
])  # fmt: skip
def test_no_fragment_makes_it_none(fragment: Doc) -> None:
    """Mandatory members stay; what does not go together is refused (5.8.2)."""
    kept = subscribed(throttling=5).document
    with pytest.raises(BadRequestData):
        changed_document(kept, fragment, CORE, NOW_US)


def test_one_that_is_over_can_be_changed_and_renewed() -> None:
    """Its end is only checked when it is sent again."""
    kept = subscribed(expiresAt="2030-01-01T00:00:00Z")
    later = NOW_US * 2
    assert "expired" == status(kept, later)
    changed = changed_document(kept.document, {"description": "x"}, CORE, later)
    assert "2030-01-01T00:00:00Z" == changed["expiresAt"]


# --- conditions ---------------------------------------------------------------------------------
names = st.sampled_from(
    ["a", "level", "https://example.org/a.b", "urn:x:y.z", "é", "https://example.org/Type"]
)
values = st.one_of(
    st.integers(-5, 5), st.booleans(), st.floats(-1, 1), st.text('a"\\ %;|,.)é', max_size=4)
)


@st.composite
def queries(draw: Any) -> str:
    """A q as somebody may write it."""
    from urllib.parse import quote

    def path(safe: bool = False) -> str:
        name = quote(draw(names), safe="")
        trail = draw(st.sampled_from(["", "", "[x.y]", ".b", "[*]"]))
        return name + trail

    def term(depth: int) -> str:
        kind = draw(st.integers(0, 6 if depth else 4))
        if kind == 0:
            return path()
        if kind == 1:
            return "!" + path()
        if kind == 2:
            return path() + draw(st.sampled_from(["==", "!=", ">", "<="])) + literal()
        if kind == 3:
            return path() + "==" + ",".join(literal() for _ in range(2))
        if kind == 4:
            pattern = draw(st.sampled_from(["a.*", "^x\\\\.y$", "[a;b]", 'a\\"b']))
            return f'{path()}~="{pattern}"'
        joined = draw(st.sampled_from(";|"))
        return f"({joined.join(term(depth - 1) for _ in range(2))})"

    def literal() -> str:
        value = draw(values)
        if isinstance(value, str):
            return orjson.dumps(value.replace("%", "%25")).decode()
        return orjson.dumps(value).decode() if not isinstance(value, bool) else '"b"'

    if draw(st.booleans()):
        return f"{path()}{{{quote('a', safe='')}}}=={literal()}"
    return draw(st.sampled_from(";|")).join(term(2) for _ in range(draw(st.integers(1, 3))))


@settings(max_examples=150)
@given(queries())
def test_a_condition_is_kept_exactly_and_written_out_alike(text: str) -> None:
    """Kept as data it is the same tree; written out it reads back as a tree that says the same."""
    tree: Q = parse_q(text, CORE)
    assert tree == q_of(orjson.loads(orjson.dumps(kept_q(tree))))
    again = parse_q(q_text(tree, lambda name: name), CORE)
    assert _plain(tree) == _plain(again)


def _plain(tree: Q) -> str:
    """A tree as text in which a quotation mark of a pattern has one spelling."""
    return (
        repr(tree)
        .replace(r"\\x22", '"')
        .replace(r"\\\"", '"')
        .replace(r'\\"', '"')
        .replace("'", '"')
    )
