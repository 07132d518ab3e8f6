"""The core @context is our own table, and the table is right."""

from __future__ import annotations

import os

import httpx
import pytest

from pintu.kernel.jsonld import CORE, CORE_URL, CORE_URLS, core_document
from pintu.kernel.jsonld.core import CORE_IRIS, CORE_NAMES, CORE_TERMS, CORE_VERSIONS


def test_every_term_has_one_iri_and_every_iri_one_term() -> None:
    """No two terms of the newest core mean the same, so compaction has one answer."""
    assert len(CORE_IRIS) == len(CORE_NAMES)


@pytest.mark.parametrize(
    ("name", "iri"),
    [
        ("value", "https://uri.etsi.org/ngsi-ld/hasValue"),
        ("location", "https://uri.etsi.org/ngsi-ld/location"),
        ("coordinates", "https://purl.org/geojson/vocab#coordinates"),
        ("description", "http://purl.org/dc/terms/description"),
        ("containedBy", "https://uri.etsi.org/ngsi-ld/isContainedBy"),
    ],
)
def test_core_terms_expand_to_the_iris_of_annex_b(name: str, iri: str) -> None:
    """A core term expands to the IRI the standard gives it."""
    assert iri == CORE.expand(name)


def test_a_version_holds_what_was_introduced_up_to_it_and_not_removed() -> None:
    """VocabularyProperty lived in 1.7 and was renamed; JsonProperty came with 1.8, valueType with
    1.9."""
    seven, eight, nine = (core_document(v)["@context"] for v in ("1.7", "1.8", "1.9"))
    assert "VocabularyProperty" in seven and "JsonProperty" not in seven
    assert "VocabularyProperty" not in eight and "JsonProperty" in eight
    assert "valueType" not in eight and "valueType" in nine


def test_only_exact_urls_are_the_core() -> None:
    """A URL that merely looks like a core @context is not one."""
    made_up = "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context-non-existing.jsonld"
    assert made_up not in CORE_URLS
    assert CORE_URL in CORE_URLS
    assert {*CORE_VERSIONS} == {*CORE_URLS.values()}


def test_containers_and_types_are_kept() -> None:
    """The table keeps what a term says of its values."""
    context = core_document()["@context"]
    assert {"@id": "ngsi-ld:hasLanguageMap", "@container": "@language"} == context["languageMap"]
    assert {"@id": "ngsi-ld:hasObject", "@type": "@id"} == context["object"]


def test_the_table_agrees_with_the_published_document() -> None:
    """Every term of the published newest core is in the table with the same IRI, and no other."""
    if os.environ.get("PINTU_OFFLINE"):
        pytest.skip("PINTU_OFFLINE is set")
    try:
        published = httpx.get(CORE_URL, timeout=5, follow_redirects=True).raise_for_status().json()
    except httpx.HTTPError as error:
        pytest.skip(f"the network does not lead to uri.etsi.org: {error}")
    theirs = {
        name: definition["@id"] if isinstance(definition, dict) else definition
        for name, definition in published["@context"].items()
        if not name.startswith("@")
    }
    ours = {term.name: term.iri for term in CORE_TERMS if term.removed is None}
    assert theirs == ours
