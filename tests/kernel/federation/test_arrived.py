"""What a source answered, cut to what it may tell; what it may not is counted."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pintu.kernel.errors import BadRequestData
from pintu.kernel.federation.arrived import read_answer
from pintu.kernel.federation.words import Share
from pintu.kernel.jsonld import CORE
from tests.kernel.federation.registering import registration, types

NOW = "2026-06-01T00:00:00Z"
LAMP: dict[str, Any] = {
    "id": "urn:ngsi-ld:Lamp:1",
    "type": "Lamp",
    "level": {
        "type": "Property", "value": 4, "createdAt": "2026-01-01T00:00:00Z",
        "modifiedAt": "2026-01-02T00:00:00Z",
    },
    "createdAt": "2026-01-01T00:00:00Z",
}  # fmt: skip


def share(*names: str, pattern: str | None = None, **entity: Any) -> Share:
    """The share of a source of lamps."""
    information: dict[str, Any] = {"entities": [{"type": "Lamp"} | entity]}
    if names:
        information["propertyNames"] = list(names)
    made = registration("a", information)
    return Share(
        registration=made, types=types("Lamp"), names=frozenset(names), id_pattern=pattern,
        selectors=made.information[0].selectors,
    )  # fmt: skip


def answered(document: Any, of: Share | None = None) -> Any:
    """The answer read."""
    return read_answer(orjson.dumps(document), CORE, of or share(), NOW)


def test_times_of_the_source_are_kept_beside_its_document() -> None:
    """sysAttrs were asked for to compare; the document is stored as ours are."""
    (part,) = answered([LAMP]).parts
    assert {"type": "Property", "value": 4} == part.document["level"]
    created, modified = part.stamps("level", None)
    assert 86_400_000_000 == modified - created
    assert created == part.created_us == part.stamps("none", None)[1]


def test_one_entity_answers_any_question() -> None:
    """A list of one and an entity by itself are the same."""
    assert [LAMP["id"]] == [one.id for one in answered(LAMP).parts]


def test_what_is_not_registered_is_not_taken() -> None:
    """Other attributes are cut off, other entities thrown away and counted."""
    other = LAMP | {"type": "Pump", "id": "urn:ngsi-ld:Pump:1"}
    lamp = LAMP | {"secret": {"type": "Property", "value": "x"}}
    found = answered([lamp, other], share("level"))
    assert ["id", "type", "level"] == list(found.parts[0].document)
    assert (1, 1) == (len(found.parts), found.strange)


def test_another_id_than_the_one_asked_for_is_garbage() -> None:
    """A source that answers a retrieve with somebody else gives nothing."""
    with pytest.raises(BadRequestData):
        answered(LAMP | {"id": "urn:ngsi-ld:Lamp:2"}, share(id=LAMP["id"]))


@pytest.mark.parametrize("body", [b"", b"<html>", b"5", b'"x"', b"null", b"{}", b'{"id": 5}'])
def test_what_is_no_entity_is_garbage(body: bytes) -> None:
    """Nothing of it is incorporated (6.3.17)."""
    with pytest.raises(BadRequestData):
        read_answer(body, CORE, share(), NOW)


def test_one_bad_entity_does_not_spoil_the_others() -> None:
    """It is counted, with the reason."""
    found = answered([LAMP, {"id": "no uri", "type": "Lamp"}, 7])
    assert (1, 2, 3) == (len(found.parts), found.strange, found.size)


def test_what_is_over_is_not_there() -> None:
    """A transient entity whose end has passed is discarded without a word (4.5.5.2)."""
    found = answered([LAMP | {"expiresAt": "2026-05-31T23:59:59Z"}])
    assert ([], 0) == (found.parts, found.strange)


def test_two_patterns_are_taken_to_fit() -> None:
    """Whoever asks by a pattern is told what fits theirs (5.12), not what fits neither."""
    of = share(pattern="Lamp:1$", idPattern="^urn:ngsi-ld:Lamp:9")
    assert 1 == len(answered([LAMP], of).parts)
    assert 1 == answered([LAMP | {"id": "urn:ngsi-ld:Lamp:2"}], of).strange
