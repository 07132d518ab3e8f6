"""What a notification says of a change, in every representation and as far as it may be seen."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pintu.kernel.access import WHOLE, Mask, Projection
from pintu.kernel.access.narrowing import Kept, Narrowing
from pintu.kernel.clock import CityClock
from pintu.kernel.context.parse import parse_q
from pintu.kernel.context.record import Record
from pintu.kernel.errors import Forbidden
from pintu.kernel.jsonld import CORE, ContextLibrary
from pintu.kernel.store.port import Change
from pintu.kernel.subscriptions.composing import CORE_CONTEXT, Composer
from pintu.kernel.subscriptions.matching import Matcher
from pintu.kernel.subscriptions.words import Message, Subscription
from tests.kernel.subscriptions.made import Doc, changed, lamp, subscribed

pytestmark = pytest.mark.asyncio
EVERY = [
    "entityCreated", "entityUpdated", "entityDeleted",
    "attributeCreated", "attributeUpdated", "attributeDeleted",
]  # fmt: skip
VALUES: dict[str, tuple[Any, Any]] = {
    "Property": (1, 2),
    "GeoProperty": (
        {"type": "Point", "coordinates": [120.0, 30.0]},
        {"type": "Point", "coordinates": [121.0, 31.0]},
    ),
    "Relationship": ("urn:x:a", "urn:x:b"),
    "LanguageProperty": ({"en": "a"}, {"en": "b"}),
    "VocabProperty": ("old", "new"),
    "JsonProperty": ({"a": None}, {"b": [1]}),
    "ListProperty": ([1], [2]),
    "ListRelationship": ([{"object": "urn:x:a"}], [{"object": "urn:x:b"}]),
}
MEMBER = {
    "Property": "value", "GeoProperty": "value", "Relationship": "object",
    "LanguageProperty": "languageMap", "VocabProperty": "vocab", "JsonProperty": "json",
    "ListProperty": "valueList", "ListRelationship": "objectList",
}  # fmt: skip
PREVIOUS = {
    "value": "previousValue", "object": "previousObject", "languageMap": "previousLanguageMap",
    "vocab": "previousVocab", "json": "previousJson", "valueList": "previousValueList",
    "objectList": "previousObjectList",
}  # fmt: skip
NULL = "urn:ngsi-ld:null"
AT = "2023-11-14T22:13:25Z"


class Town:
    """Entities that relationships lead to, and a composer among them."""

    def __init__(self, *others: Doc) -> None:
        self._others = {one["id"]: one for one in others}
        clock = CityClock()
        self.composer = Composer(self.retrieve, ContextLibrary(clock=clock), clock)

    def retrieve(self, tenant: int, id: str) -> Record | None:
        """An entity as it is."""
        found = self._others.get(id)
        return None if found is None else Record(0, id, ("Lamp",), orjson.dumps(found), 5, 6)

    async def message(
        self, change: Change, one: Subscription, projection: Projection = WHOLE
    ) -> Message | None:
        """The message a subscription gets of a change it hears of."""
        matcher = Matcher()
        matcher.add(one)
        hits = matcher.concerned(change)
        assert hits, "the change concerns nobody"
        return await self.composer.compose(one, hits, projection)

    async def told(self, change: Change, projection: Projection = WHOLE, **members: Any) -> Any:
        """The only entity of the notification, without times that differ each run."""
        members.setdefault("notificationTrigger", EVERY)
        message = await self.message(change, subscribed(**members), projection)
        assert message is not None
        data = orjson.loads(message.body)["data"]
        return data[0] if isinstance(data, list) and len(data) == 1 else data


@pytest.fixture
def town() -> Town:
    """A town without anybody else."""
    return Town()


def attribute(kind: str, value: Any, **more: Any) -> Doc:
    """An instance of an attribute type."""
    return {"type": kind, MEMBER[kind]: value, **more}


async def test_a_notification_is_made_of_the_words_of_5_3_1(town: Town) -> None:
    """Id, type, subscription, time and data; stored bytes as they are where nothing is asked."""
    document = lamp(level=1)
    message = await town.message(changed(None, document), subscribed())
    assert message is not None
    body = orjson.loads(message.body)
    assert ["id", "type", "subscriptionId", "notifiedAt", "data"] == [*body]
    assert ("Notification", "urn:ngsi-ld:Subscription:1", [document]) == (
        body["type"], body["subscriptionId"], body["data"],
    )  # fmt: skip
    assert (message.id, "application/json", 1) == (
        body["id"], message.content_type, message.entities,
    )  # fmt: skip
    link = f'<{CORE_CONTEXT}>; rel="http://www.w3.org/ns/json-ld#context"'
    assert (("Link", f'{link}; type="application/ld+json"'),) == message.headers


@pytest.mark.parametrize("kind", VALUES)
async def test_what_an_attribute_was_is_told_beside_it(town: Town, kind: str) -> None:
    """showChanges: previous… for every attribute type, normalized and concise (5.2.14)."""
    old, new = VALUES[kind]
    change = changed(lamp(it=attribute(kind, old)), lamp(it=attribute(kind, new)), names=("it",))
    member = MEMBER[kind]
    shown = await town.told(change, notification={"showChanges": True})
    assert {"type": kind, member: new, PREVIOUS[member]: old} == shown["it"]
    concise = await town.told(change, notification={"showChanges": True, "format": "concise"})
    assert {member: new, PREVIOUS[member]: old} == concise["it"]


@pytest.mark.parametrize("kind", VALUES)
async def test_what_is_gone_is_told_as_null(town: Town, kind: str) -> None:
    """A deleted attribute is NGSI-LD Null in its own member; `{"@none": …}` in a languageMap."""
    old = VALUES[kind][0]
    change = changed(lamp(it=attribute(kind, old), on=1), lamp(on=1), names=("it",))
    member = MEMBER[kind]
    null: Any = {"@none": NULL} if kind == "LanguageProperty" else NULL
    shown = await town.told(change)
    assert {"type": kind, member: null} == shown["it"]
    shown = await town.told(change, notification={"showChanges": True, "sysAttrs": True})
    assert {"type": kind, member: null, PREVIOUS[member]: old, "deletedAt": AT} == shown["it"]
    simplified = await town.told(change, notification={"format": "simplified"})
    assert (NULL, 1) == (simplified["it"], simplified["on"])


async def test_nothing_is_told_of_what_is_gone_unless_asked(town: Town) -> None:
    """Without a trigger for deletions a deleted attribute is just not there."""
    change = changed(lamp(a=1, b=1), lamp(b=2), names=("a", "b"))
    assert {"id", "type", "b"} == {*await town.told(change, notificationTrigger=None)}


async def test_instances_come_and_go_by_themselves(town: Town) -> None:
    """One instance of several that is gone stands beside those that are left (4.5.5)."""
    one, other = attribute("Property", 1), attribute("Property", 2, datasetId="urn:d:2")
    change = changed(lamp(it=[one, other]), lamp(it=one), names=("it",))
    gone = {"type": "Property", "value": NULL, "datasetId": "urn:d:2"}
    assert [one, gone] == (await town.told(change))["it"]
    simplified = await town.told(change, notification={"format": "keyValues"})
    assert {"dataset": {"@none": 1, "urn:d:2": NULL}} == simplified["it"]
    change = changed(lamp(it=[one, other]), lamp(), names=("it",))
    assert {"type": "Property", "value": NULL} == (await town.told(change))["it"]
    shown = await town.told(changed(lamp(it=[one, other]), lamp(it=other), names=("it",)))
    assert [other, {"type": "Property", "value": NULL}] == shown["it"]


async def test_a_deleted_entity_tells_when_it_went(town: Town) -> None:
    """id, type and deletedAt; with sysAttrs its times; with showChanges what it was (5.8.6)."""
    change = changed(lamp(level=1), None)
    only = ["entityDeleted"]
    gone = await town.told(change, notificationTrigger=only)
    assert {**lamp(), "deletedAt": AT} == gone
    gone = await town.told(change, notificationTrigger=only, notification={"sysAttrs": True})
    assert {"id", "type", "createdAt", "modifiedAt", "deletedAt"} == {*gone}
    gone = await town.told(change, notificationTrigger=only, notification={"showChanges": True})
    assert {"type": "Property", "value": NULL, "previousValue": 1} == gone["level"]
    gone = await town.told(change, watchedAttributes=["level"])
    assert {"type": "Property", "value": NULL} == gone["level"]


async def test_system_times_are_told_on_request(town: Town) -> None:
    """sysAttrs adds createdAt and modifiedAt to the entity and its attributes."""
    change = changed(lamp(level=1), lamp(level=2), names=("level",))
    shown = await town.told(change, notification={"sysAttrs": True})
    assert ("2023-11-14T22:13:20Z", AT) == (shown["createdAt"], shown["modifiedAt"])
    assert {"type", "value", "createdAt", "modifiedAt"} == {*shown["level"]}


async def test_attributes_pick_and_omit_choose_what_is_told(town: Town) -> None:
    """notification.attributes, pick and omit narrow what is shown, of what is gone too."""
    change = changed(lamp(a=1, b=1, c=1), lamp(a=2, b=1), names=("a", "c"))
    for told, expected in (
        ({"attributes": ["b", "c"]}, {"id", "type", "b", "c"}),
        ({"pick": ["id", "a"]}, {"id", "a"}),
        ({"omit": ["a", "c"]}, {"id", "type", "b"}),
    ):
        assert expected == {*await town.told(change, notification=told)}


async def test_datasets_and_languages_choose_instances_and_texts(town: Town) -> None:
    """datasetId and lang of a subscription are those of a query (4.5.5, 4.15)."""
    both = [attribute("Property", 1), attribute("Property", 2, datasetId="urn:d:2")]
    text = attribute("LanguageProperty", {"en": "lamp", "zh": "灯"})
    change = changed(None, lamp(it=both, text=text))
    shown = await town.told(change, datasetId=["urn:d:2"])
    assert ({"it"}, both[1]) == ({*shown} - {"id", "type"}, shown["it"])
    shown = await town.told(change, lang="zh")
    assert {"type": "Property", "value": "灯", "lang": "zh"} == shown["text"]


@pytest.mark.parametrize(("prefer", "linked"), [(None, False), ("body=json", True)])
async def test_geojson_is_a_feature_collection(
    town: Town, prefer: str | None, linked: bool
) -> None:
    """accept geo+json: data is a FeatureCollection with its @context, or with `Prefer: body=json`
    one that the Link header names (6.3.6)."""
    place = attribute("GeoProperty", VALUES["GeoProperty"][0])
    endpoint: Doc = {"uri": "http://ear.example/n", "accept": "application/geo+json"}
    if prefer is not None:
        endpoint["notifierInfo"] = [{"key": "Prefer", "value": prefer}]
    one = subscribed(notification={"endpoint": endpoint})
    message = await town.message(changed(None, lamp(level=1, location=place)), one)
    assert message is not None
    data = orjson.loads(message.body)["data"]
    assert ("FeatureCollection", place["value"]) == (data["type"], data["features"][0]["geometry"])
    assert ("@context" not in data, linked) == (linked, bool(message.headers))
    assert "application/geo+json" == message.content_type


async def test_json_ld_carries_the_context_and_plain_json_a_link(town: Town) -> None:
    """Names are the subscriber's own; ld+json has their @context in the body, json in the Link."""
    library = ContextLibrary(clock=CityClock())
    source = {"level": "https://example.org/level", "Lamp": "https://example.org/Lamp"}
    terms = await library.terms(source)
    endpoint = {"uri": "http://ear.example/n", "accept": "application/ld+json"}
    one = subscribed(terms=terms, notification={"endpoint": endpoint})
    document = lamp(kind="https://example.org/Lamp") | {
        "https://example.org/level": attribute("Property", 1)
    }
    message = await town.message(changed(None, document), one)
    assert message is not None
    body = orjson.loads(message.body)
    assert (source, source, ()) == (
        body["@context"], body["data"][0]["@context"], message.headers
    )  # fmt: skip
    assert ("Lamp", attribute("Property", 1)) == (
        body["data"][0]["type"], body["data"][0]["level"],
    )  # fmt: skip


async def test_what_the_receiver_asked_for_goes_with_it(town: Town) -> None:
    """receiverInfo becomes headers; a tenant that has a name is told (6.3.14)."""
    endpoint = {"uri": "http://ear.example/n", "receiverInfo": [{"key": "X-A", "value": "1"}]}
    one = subscribed(notification={"endpoint": endpoint})
    message = await town.message(changed(None, lamp(a=1)), one)
    assert message is not None
    assert ("X-A", "1") == message.headers[0]


@pytest.mark.parametrize("how", ["flat", "inline"])
async def test_linked_entities_come_along(how: str) -> None:
    """join: linked entities after the first one or inside of its relationships (4.5.23)."""
    other = lamp(2, name="b", secret=1)
    town = Town(other)
    link = attribute("Relationship", other["id"])
    change = changed(None, lamp(1, at=link, level=1))
    told = {"join": how, "joinLevel": 1, "attributes": ["at"]}
    shown = await town.told(change, notification=told)
    if how == "flat":
        assert [lamp(1, at=link), other] == shown
    else:
        assert {**link, "entity": other} == shown["at"]


# --- the gate -------------------------------------------------------------------------------------
def agreed(**fields: Mask) -> Projection:
    """An agreement about some attributes of lamps."""
    seen = Narrowing(frozenset({"Lamp"}), fields, None, key=b"k", kept=Kept())
    masks = {name: mask for name, mask in fields.items() if mask.kind != "plain"}
    return Projection(
        types=frozenset({"Lamp"}), attributes=frozenset(fields), masks=masks, agreement="AG-1/1",
        recorded=True, seen=seen,
    )  # fmt: skip


async def test_a_notification_shows_what_an_agreement_lets_be_seen(town: Town) -> None:
    """Attributes outside are not there, in what is gone and what was neither; no system times."""
    change = changed(lamp(a=1, b=1, c=1), lamp(a=2, b=2), names=("a", "b", "c"))
    told = {"showChanges": True, "sysAttrs": True}
    shown = await town.told(change, agreed(a=Mask()), notification=told)
    assert lamp(a={"type": "Property", "value": 2, "previousValue": 1}) == shown


async def test_a_change_of_what_is_hidden_is_no_news(town: Town) -> None:
    """A write that changes nothing that may be seen is told to nobody; nor is another type."""
    hidden = changed(lamp(a=1, b=1), lamp(a=1, b=2), names=("b",))
    one = subscribed(notificationTrigger=EVERY)
    assert None is await town.message(hidden, one, agreed(a=Mask()))
    step = Mask(kind="generalise", step=10)
    masked = changed(lamp(a=11), lamp(a=12), names=("a",))
    assert None is await town.message(masked, one, agreed(a=step))
    shown = await town.told(changed(lamp(a=11), lamp(a=25), names=("a",)), agreed(a=step))
    assert {"type": "Property", "value": 20} == shown["a"]


async def test_rows_outside_are_not_told(town: Town) -> None:
    """A projection's rows narrow notifications like answers."""
    rows = Projection(rows=parse_q("a>5", CORE))
    one = subscribed()
    assert None is await town.message(changed(None, lamp(a=1)), one, rows)
    assert lamp(a=6) == await town.told(changed(None, lamp(a=6)), rows)


async def test_conditions_on_what_is_hidden_are_refused(town: Town) -> None:
    """That a notification came would tell of the value: q, watched, geo and scope are questions."""
    change = changed(lamp(secret=1), lamp(secret=2), names=("secret",))
    projection = Projection(hidden=frozenset({"secret"}))
    for members in (
        {"q": "secret>0"},
        {"watchedAttributes": ["secret"]},
    ):
        with pytest.raises(Forbidden, match="secret"):
            await town.told(change, projection, **members)


async def test_linked_entities_are_narrowed_too() -> None:
    """A join shows of linked entities what the projection lets be seen."""
    other = lamp(2, name="b", secret=1)
    town = Town(other)
    link = attribute("Relationship", other["id"])
    change = changed(None, lamp(1, at=link))
    shown = await town.told(change, agreed(at=Mask(), name=Mask()), notification={"join": "inline"})
    assert lamp(2, name="b") == shown["at"]["entity"]
