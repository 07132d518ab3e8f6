"""The vocabulary: its files are valid, its checks agree with JSON Schema, its words are told."""

from __future__ import annotations

import re
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from pintu.kernel.errors import BadRequestData
from pintu.kernel.jsonld import CORE
from pintu.vocabulary import (
    attribute_title,
    check,
    context_document,
    type_title,
    unit_sign,
    value_title,
    vocabulary,
)
from pintu.vocabulary.book import ADDRESS, MISTAKES_LIMIT
from pintu.vocabulary.page import markdown
from pintu.vocabulary.rules import Schemas

ROOT = files("pintu.vocabulary")
DOCUMENTS = {
    f"{ADDRESS}{folder}/{file.name}": orjson.loads(file.read_bytes())
    for folder in ("types", "codes")
    for file in ROOT.joinpath(folder).iterdir()
}
REGISTRY: Registry[Any] = Registry().with_resources(
    [(address, Resource.from_contents(document)) for address, document in DOCUMENTS.items()]
)
FORMATS = FormatChecker(formats=[])


@FORMATS.checks("date-time")
def is_instant(value: Any) -> bool:
    """RFC 3339: a date, T, a time, a zone."""
    if not isinstance(value, str):
        return True
    try:
        return "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


@FORMATS.checks("date")
def is_day(value: Any) -> bool:
    """RFC 3339: a full date."""
    if not isinstance(value, str):
        return True
    try:
        return len(value) == 10 and bool(datetime.strptime(value, "%Y-%m-%d"))
    except ValueError:
        return False


@FORMATS.checks("uri")
def is_uri(value: Any) -> bool:
    """A scheme, a colon, and something after it."""
    return not isinstance(value, str) or bool(re.fullmatch(r"[A-Za-z][^: ]*:[^ ]+", value))


LAMP = {
    "id": "urn:ngsi-ld:Streetlight:street_lights:L00017",
    "type": "Streetlight",
    "powerState": {"type": "Property", "value": "on", "observedAt": "2026-11-22T10:00:00Z"},
    "illuminanceLevel": {"type": "Property", "value": 80, "unitCode": "P1"},
    "activePower": {"type": "Property", "value": 61.2, "unitCode": "WTT"},
    "voltage": {"type": "Property", "value": 229.3, "unitCode": "VLT"},
    "workingHours": {"type": "Property", "value": 5122.3, "unitCode": "HUR"},
    "lampTemperature": {"type": "Property", "value": 31.0, "unitCode": "CEL"},
    "status": {"type": "VocabProperty", "vocab": "ok"},
    "name": {"type": "LanguageProperty", "languageMap": {"zh": "十七号灯", "en": "Lamp 17"}},
    "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [120.1, 30.2]}},
    "refStreetlightGroup": [
        {"type": "Relationship", "object": "urn:ngsi-ld:StreetlightGroup:street_lights:G1"},
        {"type": "Relationship", "object": ["urn:x:1", "urn:x:2"], "datasetId": "urn:d:1"},
    ],
    "dateLastLampChange": {
        "type": "Property",
        "value": {"@type": "DateTime", "@value": "2025-01-01T00:00:00Z"},
        "quality": {"type": "Property", "value": "estimated"},
    },
}


@pytest.mark.parametrize("address", sorted(DOCUMENTS))
def test_every_file_is_a_schema_at_its_own_address(address: str) -> None:
    """A file is valid draft 2020-12, says where it is, and is titled like its name."""
    document = DOCUMENTS[address]
    Draft202012Validator.check_schema(document)
    assert address == document["$id"]
    assert address.rpartition("/")[2] == document["title"] + ".json"


def test_every_word_is_said_in_both_languages() -> None:
    """Types, attributes and codes have a zh and an en label; types an owner too."""
    for word in vocabulary().types():
        texts = [word.label, word.description, word.owner]
        for attribute in word.attributes.values():
            texts += [attribute.label, attribute.description or attribute.label]
        for said in texts:
            assert {"zh", "en"} == said.keys(), word.name
            assert all(said.values()), word.name
    for codes in vocabulary().code_lists():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", codes.published)
        for said in (codes.label, *(code.label for code in codes.codes)):
            assert {"zh", "en"} == said.keys(), codes.name


def test_a_name_means_one_thing() -> None:
    """Every stored name is its own stored name, and short: none collides with the core."""
    for word in vocabulary().types():
        for name in (word.name, *word.attributes):
            assert name == CORE.stored(name)
            assert ":" not in name


def test_targets_of_relationships_are_types() -> None:
    """A relationship points to a type that the vocabulary has."""
    for word in vocabulary().types():
        for attribute in word.attributes.values():
            if attribute.target is not None:
                assert vocabulary().find_type(attribute.target) is not None, attribute.name


def test_the_served_context_keeps_names_short() -> None:
    """Terms stand for IRIs of the default vocabulary; core terms are not defined again."""
    terms = context_document()["@context"]
    assert terms["Streetlight"] == "https://uri.etsi.org/ngsi-ld/default-context/Streetlight"
    assert "location" not in terms
    assert "status" not in terms
    assert all(CORE.expanded(name) == iri for name, iri in terms.items())


def test_a_good_lamp_is_good() -> None:
    """All kinds of attributes, units, instances and sub-attributes that are known pass."""
    assert [] == vocabulary().check(LAMP)
    check(LAMP)


@pytest.mark.parametrize(
    ("name", "attribute", "field", "reason", "nearest"),
    [
        ("activPower", {"type": "Property", "value": 1}, "activPower", "attribute", "activePower"),
        (
            "https://smartdatamodels.org/dataModel.Streetlighting/circuit",
            {"type": "Property", "value": "c"},
            "https://smartdatamodels.org/dataModel.Streetlighting/circuit",
            "no attribute",
            "circuit",
        ),
        ("powerState", {"type": "Property", "value": "ON"}, "powerState", "one of on, off", None),
        ("powerState", {"type": "Property", "value": ["on"]}, "powerState", "one of", None),
        ("voltage", {"type": "Relationship", "object": "urn:x:1"}, "voltage", "must be", None),
        ("voltage", {"type": "Property", "value": "230"}, "voltage", "type", None),
        ("powerFactor", {"type": "Property", "value": 80}, "powerFactor", "at most 1", None),
        (
            "illuminanceLevel",
            {"type": "Property", "value": 120, "unitCode": "P1"},
            "illuminanceLevel",
            "at most 1",
            None,
        ),
        (
            "workingHours",
            {"type": "Property", "value": 3, "unitCode": "SEC"},
            "workingHours",
            "unit HUR",
            None,
        ),
        ("circuit", {"type": "Property", "value": "c", "unitCode": "MTR"}, "circuit", "none", None),
        ("workingHours", {"type": "Property", "value": -1}, "workingHours", "at least 0", None),
        ("dateObserved", {"type": "Property", "value": "2025"}, "dateObserved", "date-time", None),
        (
            "address",
            {"type": "Property", "value": {"street": "x"}},
            "address",
            "member street",
            None,
        ),
        (
            "refDevice",
            {"type": "Relationship", "object": ["urn:x:1", "no uri"]},
            "refDevice",
            "uri",
            None,
        ),
        (
            "voltage",
            [
                {"type": "Property", "value": 1},
                {"type": "Property", "value": 1, "datasetId": "urn:d:1", "acuracy": {}},
            ],
            "voltage.acuracy",
            "no sub-attribute",
            "accuracy",
        ),
        (
            "voltage",
            {"type": "Property", "value": 1, "accuracy": {"type": "Property", "value": -1}},
            "voltage.accuracy",
            "at least 0",
            None,
        ),
    ],
)  # fmt: skip
def test_a_mistake_names_its_field(
    name: str, attribute: Any, field: str, reason: str, nearest: str | None
) -> None:
    """What is not known or not allowed is told with its field, why, and the nearest known word."""
    entity = {"id": "urn:x:1", "type": "Streetlight", name: attribute}
    (mistake,) = vocabulary().check(entity)
    assert field == mistake.field
    assert reason in mistake.reason
    assert nearest == mistake.nearest
    with pytest.raises(BadRequestData, match=re.escape(field)):
        check(entity)


def test_types_are_known_too() -> None:
    """An invented type is one mistake, not one for each attribute; several types may meet."""
    (mistake,) = vocabulary().check(
        {"id": "urn:x:1", "type": "StreetLamp", "a": {"type": "Property", "value": 1}}
    )
    assert ("type", "Streetlight") == (mistake.field, mistake.nearest)
    both = {
        "id": "urn:x:1",
        "type": ["Device", "Streetlight"],
        "batteryLevel": {"type": "Property", "value": 0.5},
        "circuit": {"type": "Property", "value": "A"},
    }
    assert [] == vocabulary().check(both)
    (missing,) = vocabulary().check({"id": "urn:x:1", "type": "Alert"})
    assert "category" == missing.field


def test_mistakes_are_counted() -> None:
    """A sender of a thousand invented attributes gets a short answer."""
    invented = {f"x{number}": {"type": "Property", "value": 1} for number in range(1000)}
    entity = {"id": "urn:x:1", "type": "Device", **invented}
    assert MISTAKES_LIMIT == len(vocabulary().check(entity))


def test_words_are_told_to_pages() -> None:
    """Titles in both languages, signs of units, meanings of codes; None for what is unknown."""
    assert {"zh": "路灯", "en": "Street light"} == type_title("Streetlight")
    assert {"zh": "有功功率", "en": "Active power"} == attribute_title("activePower")
    assert {"zh": "亮", "en": "On"} == value_title("powerState", "on")
    assert "°C" == unit_sign("CEL")
    assert (
        None is type_title("x") is attribute_title("x") is value_title("x", "y") is unit_sign("x")
    )
    lamp = vocabulary().find_type("Streetlight")
    assert lamp is not None
    assert "城市照明管理单位" == lamp.owner["zh"]
    assert "WTT" == lamp.attributes["activePower"].unit
    assert "powerState" == lamp.attributes["powerState"].codes


def simplified() -> st.SearchStrategy[Any]:
    """Values of all kinds, likely and unlikely ones for any attribute."""
    scalars = (
        st.none()
        | st.booleans()
        | st.integers(-10, 30_000)
        | st.floats(-1e6, 1e6)
        | st.sampled_from(
            ["", "on", "ok", "urn:x:1", "no uri", "2026-01-01T00:00:00Z", "2026-01-01"]
        )
        | st.sampled_from(["uri:", "night-ON", "PM10", "sensor", "x" * 5000])
    )
    points = st.just({"type": "Point", "coordinates": [1, 2]})
    objects = st.dictionaries(
        st.sampled_from(["streetAddress", "telephone", "zh", "type", "coordinates", "L1"]),
        scalars | st.lists(scalars, max_size=2),
        max_size=3,
    )
    return scalars | points | objects | st.lists(scalars, max_size=3)


ATTRIBUTES = sorted(
    {
        (address, name)
        for address, document in DOCUMENTS.items()
        for name in document.get("properties", {})
    }
)


@settings(max_examples=1500)
@given(st.sampled_from(ATTRIBUTES), simplified())
def test_compiled_rules_agree_with_json_schema(where: tuple[str, str], value: Any) -> None:
    """Our tests and a whole JSON Schema implementation accept and refuse the same values."""
    address, name = where
    pointer = f"{address}#/properties/{name}"
    oracle = Draft202012Validator({"$ref": pointer}, registry=REGISTRY, format_checker=FORMATS)
    ours = SCHEMAS.rule(DOCUMENTS[address]["properties"][name], address)(value)
    assert oracle.is_valid(value) is (ours is None), ours


SCHEMAS = Schemas(DOCUMENTS)


def test_the_schemas_take_a_simplified_entity() -> None:
    """Other programs can check the simplified form of an entity with the files as they are."""
    entity = {
        "id": "urn:ngsi-ld:Streetlight:street_lights:L1",
        "type": "Streetlight",
        "powerState": "on",
        "location": {"type": "Point", "coordinates": [120.1, 30.2]},
        "name": "十七号灯",
    }
    oracle = Draft202012Validator(
        {"$ref": f"{ADDRESS}types/Streetlight.json"}, registry=REGISTRY, format_checker=FORMATS
    )
    assert oracle.is_valid(entity)
    assert not oracle.is_valid({**entity, "powerStat": "on"})


def test_the_page_of_words_is_up_to_date() -> None:
    """docs/words.md is what `python -m pintu.vocabulary` prints."""
    page = Path(__file__).parents[2] / "docs" / "words.md"
    assert page.read_text(encoding="utf-8") == markdown(vocabulary())


def test_a_keyword_that_is_not_understood_is_not_ignored() -> None:
    """A schema cannot ask for something that nobody checks."""
    with pytest.raises(ValueError, match="contains"):
        Schemas({}).rule({"contains": {}}, "x")
