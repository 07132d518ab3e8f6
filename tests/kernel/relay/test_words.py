"""Names, settings and messages of the relay, without NATS."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pintu.kernel.context.record import Keep, Put, Record, Remove
from pintu.kernel.errors import BadRequestData
from pintu.kernel.relay import names
from pintu.kernel.relay.applying import foreseen, replacing, transform_of
from pintu.kernel.relay.reading import places
from pintu.kernel.relay.rows import (
    MOST_BYTES,
    Headers,
    Part,
    Row,
    decode,
    encode,
    headers_of,
    place,
)
from pintu.kernel.relay.words import read_relay

ID = "urn:ngsi-ld:Lamp:1"
LAMP = {"id": ID, "type": "Lamp", "power": {"type": "Property", "value": 1}}


# --- names --------------------------------------------------------------------------------------
@given(st.text(), st.text())
def test_different_names_are_different_tokens(one: str, other: str) -> None:
    """A token holds nothing that means something in a subject, and tells names apart."""
    for make in (names.token, names.tenant_token):
        token = make(one)
        assert 0 < len(token) <= names.LONGEST and token.isascii() and token.isprintable()
        assert not set(token) & set(".*> ")
        assert (token == make(other)) == (one == other)


def test_the_default_tenant_is_not_a_tenant_called_default() -> None:
    """Both may leave, and parts are at a place where no type is."""
    assert "pintu.river.default.>" == names.all_of("river", "")
    assert "pintu.river.%64efault.>" == names.all_of("river", "default")
    assert "pintu.river.a%2Eb.Lamp+Pole" == names.subject("river", "a.b", ("Lamp", "Pole"))
    assert names.PARTS not in (names.token("~"), names.token(""))


def test_what_came_by_relay_is_known_again() -> None:
    """Both sources of landed rows; what devices and people write is ours."""
    assert all(names.came_by_relay(names.source("hill", holds=one)) for one in (True, False))
    assert not any(map(names.came_by_relay, ("token:1", "node:hill", "push/relay", "relaying/x")))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("$JS.ACK.s.c.1.7.3.1700.5", (7, 3, 5)),
        ("$JS.ACK.domain.account.s.c.1.7.3.1700.5.random", (7, 3, 5)),
        ("$JS.ACK.s.c.1.x.3.1700.5", None),
        ("_INBOX.x", None),
    ],
)
def test_places_of_a_message(reply: str, told: Any) -> None:
    """Old and new servers say in their own form which message it is."""
    assert told == places(reply)


# --- settings -----------------------------------------------------------------------------------
GOOD: dict[str, Any] = {
    "city": "river",
    "urls": ["nats://127.0.0.1:4222"],
    "token": "12ab",
    "out": {"lamps": {}, "default": {"types": ["Lamp"]}},
    "in": {"hill": {"tenants": {"air": "hill-air", "default": "hill"}}},
}


def test_settings_are_read() -> None:
    """`default` is the tenant without a name; a city without a table has no relay."""
    told, mistakes = read_relay(GOOD)
    assert [] == mistakes and told is not None
    assert [("lamps", None), ("", frozenset({"Lamp"}))] == [(o.tenant, o.types) for o in told.out]
    routes = [(one.tenant, one.here) for one in told.coming[0].routes]
    assert [("air", "hill-air"), ("", "hill")] == routes
    assert (None, []) == read_relay({}) == read_relay(None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"city": "River!"}, "relay.city"),
        ({"urls": []}, "relay.urls"),
        ({"urls": ["nats://user:secret@host:4222"]}, "credentials"),
        ({"urls": ["http://host"]}, "relay.urls"),
        ({"token": ""}, "relay.token is missing"),
        ({"token": "../x"}, "relay.token"),
        ({"credentials": "/nowhere/at/all"}, "relay.credentials"),
        ({"replicas": 9}, "relay.replicas"),
        ({"replicas": True}, "relay.replicas"),
        ({"window": 1.5}, "relay.window"),
        ({"surprise": 1}, "relay.surprise"),
        ({"out": []}, "relay.out"),
        ({"out": {"a b": {}}}, "relay.out.a b"),
        ({"out": {"lamps": {"types": []}}}, "types"),
        ({"out": {"lamps": {"purpose": "x"}}}, "agreement"),
        ({"in": {"river": {"tenants": {"a": "b"}}}}, "this city itself"),
        ({"in": {"hill": {"tenants": {}}}}, "tenants"),
        ({"in": {"hill": {"tenants": {"a": "lamps"}}}}, "cannot leave as ours"),
        ({"in": {"hill": {"tenants": {"a": "x", "b": "x"}}}}, "told to be a copy of"),
        ({"in": {"hill": {"tenants": {"a": 3}}}}, "not two tenants"),
    ],
)
def test_a_mistake_names_where_it_stands(change: dict[str, Any], said: str) -> None:
    """Nothing is guessed, and no secret is in an address."""
    told, mistakes = read_relay({**GOOD, **change})
    assert told is None and any(said in one for one in mistakes), mistakes
    assert not any("secret" in one for one in mistakes)


# --- messages -----------------------------------------------------------------------------------
def row(verb: Any, data: Any = None, **more: Any) -> Row:
    raw = msgspec.Raw(orjson.dumps(data))
    return Row(id=ID, types=("Lamp",), verb=verb, at_us=5, data=raw, **more)


def record(document: dict[str, Any]) -> Record:
    return Record(1, document["id"], (document["type"],), orjson.dumps(document), 1, 1)


def test_messages_come_back_as_they_went() -> None:
    """Rows and parts, with their documents byte by byte."""
    part = Part(after="", upto=ID, entities=[msgspec.Raw(b'{"a": 1}')], at_us=1)
    for one in (row("created", LAMP), row("deleted"), row("updated", {}, held=True), part):
        assert encode(one) == encode(decode(encode(one)))


def test_a_document_too_large_for_a_message_is_named() -> None:
    """The copy holds its name and size where people see it; the rest goes on."""
    body = encode(row("created", {**LAMP, "text": {"type": "Property", "value": "x" * 1_100_000}}))
    assert len(body) < 300 < MOST_BYTES
    with pytest.raises(BadRequestData, match="more than a message holds"):
        transform_of(decode(body))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b'{"what":"row"}', b'{"what":"other"}', b"\xff\xfe",
        b"[" * 9000,
        b'{"what":"row","id":1,"types":[],"verb":"created","at_us":1}',
        b'{"what":"row","id":"a","types":["T"],"verb":"erased","at_us":1}',
        b'{"what":"part","after":"","upto":"","entities":{},"at_us":1}',
    ],
)  # fmt: skip
def test_what_is_no_message_is_refused(body: bytes) -> None:
    """In words, never by breaking."""
    with pytest.raises(BadRequestData):
        decode(body)


@pytest.mark.parametrize(
    "one",
    [
        row("created", {**LAMP, "id": "urn:ngsi-ld:Lamp:2"}),
        row("created", {"id": ID}),
        row("created", {**LAMP, "power": {"type": "Nonsense"}}),
        row("created", [LAMP]),
        row("updated", {"id": ID}),
        row("updated", [1]),
        row("updated", {"power": 3, "": {"type": "Property", "value": 1}}),
        row("updated", {"power": {"type": "Property"}}),
        row("updated", {"": None}),
        Row(id="not a uri", types=("Lamp",), verb="deleted", at_us=1),
        Row(id=ID, types=(), verb="updated", at_us=1, data=msgspec.Raw(b"{}")),
        Row(id=ID, types=("B", "A"), verb="updated", at_us=1, data=msgspec.Raw(b"{}")),
    ],
)
def test_what_no_city_writes_is_refused(one: Row) -> None:
    """A row is believed no more than a request."""
    with pytest.raises(BadRequestData):
        transform_of(one)


def test_headers_are_ours_or_refused() -> None:
    """City, position and the message before."""
    assert ("river", 7, 3) == headers_of({"Pintu": "river 7 3"})
    assert Headers("river", 7, 3) == headers_of({"Pintu": place(Headers("river", 7, 3))})
    for wrong in (None, {}, {"Pintu": "river x 3"}, {"Pintu": "river 7 -1"}, {"Pintu": "a b c d"}):
        with pytest.raises(BadRequestData):
            headers_of(wrong)


# --- applying -----------------------------------------------------------------------------------
def test_rows_do_to_a_copy_what_they_did() -> None:
    """Created, updated with null for what went, deleted, and nothing where nothing is."""
    made = transform_of(row("created", LAMP))(None, 9)
    assert isinstance(made, Put) and (LAMP, "created") == (made.entity, made.verb)
    fragment = {"power": None, "level": {"type": "Property", "value": 2}}
    changed = transform_of(row("updated", fragment))(record(LAMP), 9)
    assert isinstance(changed, Put) and ("power", "level") == changed.changed
    assert {"id": ID, "type": "Lamp", "level": fragment["level"]} == changed.entity
    assert isinstance(transform_of(row("deleted"))(record(LAMP), 9), Remove)
    assert isinstance(transform_of(row("deleted"))(None, 9), Keep)


@pytest.mark.parametrize("held", [True, False])
def test_a_late_reading_stays_late(held: bool) -> None:
    """What somebody wrote over NGSI-LD holds; an older reading of a device changes the past."""
    power = {"type": "Property", "value": 1, "observedAt": "2026-01-02T00:00:00Z"}
    late = {"type": "Property", "value": 2, "observedAt": "2026-01-01T00:00:00Z"}
    change = transform_of(row("updated", {"power": late}, held=held))
    effect = change(record({**LAMP, "power": power}), 9)
    assert isinstance(effect, Put)
    assert (late if held else power) == effect.entity["power"]
    assert (effect.payload is None) == held


def test_the_present_writes_nothing_over_its_equal() -> None:
    """Told again, a tenant that is equal has no new rows."""
    body = orjson.dumps(LAMP)
    assert isinstance(replacing(body)(record(LAMP), 9), Keep)
    other = {**LAMP, "power": {"type": "Property", "value": 2}}
    assert isinstance(replacing(body)(record(other), 9), Put)


def test_refusals_are_foreseen_step_by_step() -> None:
    """As the store will find them: each step sees what the ones before it made of the entity."""
    owner = {"type": "Property", "value": "x"}
    refuse = lambda doc: ["owner is unknown"] if "owner" in doc else []  # noqa: E731
    told = [
        row("created", LAMP),
        row("updated", {"owner": owner}),
        row("updated", {"power": {"type": "Property", "value": 3}}),
        row("deleted"),
        row("updated", {"owner": owner}),
        row("created", LAMP),
    ]
    records: dict[str, Record | None] = {}
    found = foreseen(((one.id, transform_of(one, refuse)) for one in told), records, 9)
    assert [1, 4] == [number for number, error in enumerate(found) if error is not None]
    left = records[LAMP["id"]]
    assert left is not None and LAMP == orjson.loads(left.body)


def test_a_strict_tenant_is_asked() -> None:
    """What its vocabulary does not know is refused, with the field's name."""
    with pytest.raises(BadRequestData, match="power is unknown"):
        transform_of(row("created", LAMP), lambda document: ["power is unknown"])(None, 9)
