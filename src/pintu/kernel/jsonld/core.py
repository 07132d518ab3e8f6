"""The core @context of NGSI-LD as our own table: which term means which IRI, since which version.

A core @context is known by its exact URL and never fetched. The table was read from the published
versions 1.3, 1.7, 1.8 and 1.9; a term first seen in 1.7 may be as old as 1.4 (those three documents
were not at hand), which matters to nobody but a reader of the served old document.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

NGSI_LD = "https://uri.etsi.org/ngsi-ld/"
GEOJSON = "https://purl.org/geojson/vocab#"
DEFAULT_VOCABULARY = NGSI_LD + "default-context/"
NULL = "urn:ngsi-ld:null"
"""What stands for JSON's null in NGSI-LD, where JSON-LD would drop a null (4.5.0)."""

CORE_VERSIONS = ("1.3", "1.4", "1.5", "1.6", "1.7", "1.8", "1.9")
CORE_URL = NGSI_LD + "v1/ngsi-ld-core-context-v1.9.jsonld"
_UNVERSIONED = NGSI_LD + "v1/ngsi-ld-core-context.jsonld"
CORE_PREFIXES = {"ngsi-ld": NGSI_LD, "geojson": GEOJSON}


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreTerm:
    """One row of the table; `removed` is the first version without it (None: still there)."""

    name: str
    iri: str  # as the document writes it: `ngsi-ld:hasValue`, `@id`
    type: str | None
    container: str | None
    introduced: str
    removed: str | None

    @property
    def full_iri(self) -> str:
        """The IRI without a prefix; keywords stay keywords."""
        prefix, colon, rest = self.iri.partition(":")
        return CORE_PREFIXES[prefix] + rest if colon and prefix in CORE_PREFIXES else self.iri


def _read_table() -> tuple[CoreTerm, ...]:
    text = files(__package__).joinpath("core_terms.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return tuple(
        CoreTerm(
            name=name,
            iri=iri,
            type=None if kind == "-" else kind,
            container=None if container == "-" else container,
            introduced=introduced,
            removed=None if removed == "-" else removed,
        )
        for name, iri, kind, container, introduced, removed in rows
    )


CORE_TERMS = _read_table()
CORE_IRIS: dict[str, str] = {
    term.name: term.full_iri
    for term in CORE_TERMS
    if term.removed is None and not term.iri.startswith("@") and term.name not in CORE_PREFIXES
}
"""The terms of the newest core @context, without keywords (`id`, `type`) and prefixes."""
CORE_NAMES: dict[str, str] = {iri: name for name, iri in CORE_IRIS.items()}
KEYWORD_ALIASES = {"id": "@id", "type": "@type"}


def _urls() -> dict[str, str]:
    known = {_UNVERSIONED: "1.9"}
    for version in CORE_VERSIONS:
        known[f"{NGSI_LD}v1/ngsi-ld-core-context-v{version}.jsonld"] = version
    known |= {url.replace("https://", "http://"): version for url, version in list(known.items())}
    return known


CORE_URLS: dict[str, str] = _urls()
"""URL → version. Only these are built in: a URL that merely looks like one is fetched, and
fails."""


@cache
def core_document(version: str = "1.9") -> dict[str, Any]:
    """The core @context of a version as a JSON-LD document, made from the table."""
    key = _order(version)
    context: dict[str, Any] = {"@version": 1.1, "@protected": True} if key >= (1, 8) else {}
    context |= CORE_PREFIXES
    for term in CORE_TERMS:
        newer = _order(term.introduced) > key
        if newer or (term.removed is not None and _order(term.removed) <= key):
            continue
        if term.name not in CORE_PREFIXES:
            context[term.name] = _definition(term)
    context["@vocab"] = DEFAULT_VOCABULARY
    return {"@context": context}


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _definition(term: CoreTerm) -> str | dict[str, str]:
    if term.type is None and term.container is None:
        return term.iri
    definition = {"@id": term.iri}
    if term.type is not None:
        definition["@type"] = term.type
    if term.container is not None:
        definition["@container"] = term.container
    return definition
