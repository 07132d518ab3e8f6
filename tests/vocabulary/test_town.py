"""A town adds words of its own, knows what a new version breaks, and starts from known models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pintu.kernel.errors import ConfigurationError
from pintu.vocabulary import adopt, vocabulary
from pintu.vocabulary.compatible import changes
from pintu.vocabulary.smart_data_models import find_models, proposal_of
from pintu.vocabulary.town import TownWord, read_word

UNITS = ("MTR", "CEL")
LEVEL: dict[str, Any] = {
    "type": "WaterLevelObserved",
    "label": {"zh": "水位观测", "en": "Water level observed"},
    "state": "adopted",
    "since": "2026-11-22",
    "attributes": [
        {"name": "waterLevel", "json": "number", "unit": "MTR", "minimum": -5, "required": True},
        {"name": "trend", "values": ["rising", "falling"], "label": {"zh": "趋势"}},
        {"name": "refStation", "kind": "Relationship", "target": "Device"},
    ],
}


def word(**changed: Any) -> TownWord:
    return read_word({**LEVEL, **changed}, units=UNITS)


@pytest.fixture
def adopted() -> Iterator[None]:
    adopt([word()])
    yield
    adopt([])


@pytest.mark.usefixtures("adopted")
def test_an_adopted_word_is_in_the_book() -> None:
    """What the town adopted is known, labelled, and served in the @context."""
    found = vocabulary().find_type("WaterLevelObserved")
    assert found is not None
    assert "水位观测" == found.label["zh"]
    assert "MTR" == found.attributes["waterLevel"].unit
    assert "WaterLevelObserved" in vocabulary().context()["@context"]


@pytest.mark.usefixtures("adopted")
def test_a_strict_tenant_keeps_to_an_adopted_word() -> None:
    """Values outside its range or list, and a missing duty, are named."""
    entity = {
        "id": "urn:ngsi-ld:WaterLevelObserved:x:1",
        "type": "WaterLevelObserved",
        "trend": {"type": "Property", "value": "sideways"},
    }
    fields = {one.field for one in vocabulary().check(entity)}
    assert {"trend", "waterLevel"} == fields


def test_a_proposed_word_is_not_yet_in_the_book() -> None:
    """Nobody may build on a proposal."""
    assert not adopt([word(state="proposed")])
    assert vocabulary().find_type("WaterLevelObserved") is None


def test_every_mistake_of_a_word_is_said_at_once() -> None:
    """A wrong word comes back with all that is wrong."""
    wrong = {
        "type": "Streetlight",
        "attributes": [
            {"name": "Bad Name"},
            {"name": "depth", "unit": "FOOT", "minimum": 3, "maximum": 1},
            {"name": "depth", "kind": "Nothing"},
        ],
    }
    with pytest.raises(ConfigurationError) as raised:
        read_word(wrong, known=["Streetlight"], units=UNITS)
    said = "\n".join(raised.value.mistakes)
    for part in ("built-in", "label", "Bad Name", "FOOT", "above", "kind is none", "stands twice"):
        assert part in said


@pytest.mark.parametrize(
    ("attribute", "breaks"),
    [
        ({"name": "waterLevel", "json": "number", "unit": "MTR", "minimum": -5}, False),
        ({"name": "waterLevel", "json": "number", "unit": "CEL", "minimum": -5}, True),
        ({"name": "waterLevel", "json": "number", "unit": "MTR", "minimum": 0}, True),
        ({"name": "waterLevel", "json": "number", "unit": "MTR", "minimum": -9}, False),
        ({"name": "waterLevel", "json": "integer", "unit": "MTR", "minimum": -5}, True),
    ],
)
def test_what_a_new_version_breaks(attribute: dict[str, Any], breaks: bool) -> None:
    """Another unit, a narrower range or type breaks; a wider one does not."""
    after = word(attributes=[attribute, *LEVEL["attributes"][1:]])
    assert breaks == any(one.breaks for one in changes(word(), after))


def test_more_attributes_break_nobody() -> None:
    """A new attribute that nobody must fill is compatible; one taken away is not."""
    more = word(attributes=[*LEVEL["attributes"], {"name": "flow", "json": "number"}])
    assert [False] == [one.breaks for one in changes(word(), more)]
    assert [True] == [one.breaks for one in changes(more, word())]


def test_the_same_word_has_no_changes() -> None:
    """Nothing changed, nothing said."""
    assert [] == changes(word(), word())


def test_a_proposal_from_a_model_has_its_own_attributes_only() -> None:
    """Parts of values and what every thing has are left out; units become codes."""
    rows = [
        {"property": "waterLevel", "type": "number", "units": "metre", "schemaVersion": "0.1.0"},
        {"property": "street", "type": "string", "parentId": "address"},
        {"property": "name", "type": "string"},
        {"property": "refDevice", "typeNGSI": "Relationship", "type": "string"},
    ]
    made = proposal_of(rows, "dataModel.X", "WaterObserved", frozenset(UNITS))
    assert ["refDevice", "waterLevel"] == [one["name"] for one in made["attributes"]]
    assert "MTR" == made["attributes"][1]["unit"]
    assert read_word(made, units=UNITS).source.endswith("WaterObserved 0.1.0")


def test_models_are_found_by_name_first() -> None:
    """A model that is called so comes before one that only speaks of it."""
    models = [
        {"dataModel": "Pump", "subject": "dataModel.A", "description": "moves water"},
        {"dataModel": "WaterObserved", "subject": "dataModel.B", "description": ""},
    ]
    assert ["WaterObserved", "Pump"] == [one["model"] for one in find_models(models, "water")]
