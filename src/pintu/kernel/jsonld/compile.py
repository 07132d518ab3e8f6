"""A user's @context compiled: JSON-LD 1.1 term definitions, as far as names need them.

Pure: whatever is remote must already be among `documents`; `remote_parts` says what is still
missing.
Scoped contexts (@context inside a term), @reverse and @nest are not followed: NGSI-LD names have
none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urljoin

from pintu.kernel.errors import BadRequestData, TooLarge
from pintu.kernel.jsonld.core import (
    CORE_IRIS,
    CORE_PREFIXES,
    CORE_URLS,
    DEFAULT_VOCABULARY,
    KEYWORD_ALIASES,
)

DEPTH_LIMIT: Final = 10
TERM_LIMIT: Final = 10_000
PART_LIMIT: Final = 100
STEP_LIMIT: Final = 500
"""Parts walked in all, repeated ones counted again: documents that list one another grow fast."""
_GEN_DELIMS: Final = tuple(":/?#[]@")


@dataclass(frozen=True, slots=True)
class Definition:
    """One term: its IRI and how values of it are to be understood."""

    iri: str
    type: str | None = None
    container: str | None = None
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Definitions:
    """All terms of one @context."""

    terms: dict[str, Definition] = field(default_factory=dict)
    size: int = 0  # characters of names and IRIs


NO_DEFINITIONS = Definitions()


def normal_parts(context: Any) -> list[Any]:
    """A @context as a flat list of URLs and objects, core @contexts left out.

    Raises BadRequestData when it is neither a URL, an object nor a list of these.
    """
    parts: list[Any] = []
    _flatten(context, parts, 0)
    if len(parts) > PART_LIMIT:
        raise TooLarge(f"A @context has {len(parts)} parts, at most {PART_LIMIT} are read")
    return parts


def _flatten(context: Any, parts: list[Any], depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise TooLarge(f"A @context is nested deeper than {DEPTH_LIMIT}")
    if isinstance(context, list):
        for part in context:
            _flatten(part, parts, depth + 1)
    elif isinstance(context, str):
        if not context or any(character.isspace() for character in context):
            raise BadRequestData(f"@context {context!r} is not a URL")
        if context not in CORE_URLS:
            parts.append(context)
    elif isinstance(context, dict):
        inner = context.get("@context")
        if inner is not None and len(context) == 1:
            _flatten(inner, parts, depth + 1)
        else:
            parts.append(context)
    elif context is None:
        parts.append(None)
    else:
        raise BadRequestData("@context is neither a URL, an object nor a list of these")


def remote_parts(context: Any, base: str = "") -> Iterator[str]:
    """The URLs a @context refers to directly, absolute; core @contexts left out."""
    for part in normal_parts(context):
        url = part if isinstance(part, str) else None
        if isinstance(part, dict):
            url = part.get("@import")
        if isinstance(url, str):
            absolute = urljoin(base, url) if base else url
            if absolute not in CORE_URLS:
                yield absolute


class _Compiler:
    """Walks the parts in order; a later definition of a term replaces an earlier one."""

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self.documents = documents
        self.terms: dict[str, Definition] = {}
        self.vocabulary = DEFAULT_VOCABULARY
        self.within: list[str] = []
        self.steps = 0
        self.defined = 0

    def add(self, context: Any, base: str, depth: int) -> None:
        if depth > DEPTH_LIMIT:
            raise TooLarge(f"@context refers to others more than {DEPTH_LIMIT} deep")
        for part in normal_parts(context):
            self.steps += 1
            if self.steps > STEP_LIMIT:
                raise TooLarge(f"@context has more than {STEP_LIMIT} parts in all")
            if part is None:
                self.terms, self.vocabulary = {}, DEFAULT_VOCABULARY
            elif isinstance(part, str):
                url = urljoin(base, part) if base else part
                if url not in CORE_URLS:
                    self.follow(url, depth)
            else:
                self.add_object(part, base, depth)

    def follow(self, url: str, depth: int) -> None:
        """The document at a URL, which may lead on but not back to itself."""
        if url in self.within:
            raise BadRequestData(f"@context {url[:500]} includes itself")
        self.within.append(url)
        self.add(self.documents[url], url, depth + 1)
        self.within.pop()

    def add_object(self, part: dict[str, Any], base: str, depth: int) -> None:
        imported = part.get("@import")
        if isinstance(imported, str):
            self.add(imported, base, depth)
        if "@vocab" in part:
            self.set_vocabulary(part["@vocab"])
        self.defined += len(part)
        if self.defined > 2 * TERM_LIMIT:
            raise TooLarge(f"@context defines more than {2 * TERM_LIMIT} terms, one over another")
        state: dict[str, bool] = {}
        for name in part:
            self.define(name, part, state)
        if len(self.terms) > TERM_LIMIT:
            raise TooLarge(f"@context defines more than {TERM_LIMIT} terms")

    def set_vocabulary(self, value: Any) -> None:
        if value is None:
            self.vocabulary = ""
        elif isinstance(value, str):
            self.vocabulary = value if ":" in value else self.vocabulary + value
        else:
            raise BadRequestData("@vocab of a @context is not a string")

    def define(self, name: str, part: dict[str, Any], state: dict[str, bool]) -> None:
        """Put one term of `part` into the map, after those its IRI is written with."""
        if name.startswith("@") or name in KEYWORD_ALIASES or state.get(name):
            return
        if name in state:
            raise BadRequestData(f"@context defines {name!r} by way of itself")
        state[name] = False
        value = part[name]
        if isinstance(value, str) or value is None:
            value, simple = {"@id": value}, True
        elif isinstance(value, dict):
            simple = False
        else:
            raise BadRequestData(f"@context term {name!r} is neither a string nor an object")
        if name == "":
            raise BadRequestData("@context defines an empty term")
        self.terms.pop(name, None)
        definition = self.definition(name, value, part, state, simple=simple)
        if definition is not None:
            self.terms[name] = definition
        state[name] = True

    def definition(
        self,
        name: str,
        value: dict[str, Any],
        part: dict[str, Any],
        state: dict[str, bool],
        *,
        simple: bool,
    ) -> Definition | None:
        if "@context" in value:
            raise BadRequestData(
                f"@context term {name!r} has a scoped @context: NGSI-LD has none (5.5.7)"
            )
        if "@reverse" in value or ("@id" in value and value["@id"] is None):
            return None
        identifier = value.get("@id", name)
        if not isinstance(identifier, str):
            raise BadRequestData(f"@id of @context term {name!r} is not a string")
        if identifier == name:
            iri = self.own_iri(name, part, state)
        else:
            iri = self.iri(identifier, part, state)
        if iri.startswith("@"):
            return None
        if ":" not in iri:
            raise BadRequestData(f"@context term {name!r} does not lead to an IRI")
        kind, container = value.get("@type"), value.get("@container")
        if kind is not None and not isinstance(kind, str):
            raise BadRequestData(f"@type of @context term {name!r} is not a string")
        if isinstance(container, list):
            container = container[0] if container else None
        prefix = value.get("@prefix")
        if prefix is None:
            prefix = simple and ":" not in name and "/" not in name and iri.endswith(_GEN_DELIMS)
        return Definition(
            iri, kind, container if isinstance(container, str) else None, bool(prefix)
        )

    def own_iri(self, name: str, part: dict[str, Any], state: dict[str, bool]) -> str:
        if ":" in name[1:]:
            return self.iri(name, part, state, itself=True)
        return self.vocabulary + name if self.vocabulary else name

    def iri(
        self, text: str, part: dict[str, Any], state: dict[str, bool], *, itself: bool = False
    ) -> str:
        """Expand what a definition says against the map so far and the same object (JSON-LD
        5.2)."""
        if text.startswith("@"):
            return text
        if text in KEYWORD_ALIASES:
            return KEYWORD_ALIASES[text]
        if not itself:
            if text in part and not state.get(text):
                self.define(text, part, state)
            if text in self.terms:
                return self.terms[text].iri
            if text in CORE_IRIS:
                return CORE_IRIS[text]
        prefix, colon, rest = text.partition(":")
        if not colon:
            return self.vocabulary + text
        if prefix == "_" or rest.startswith("//"):
            return text
        if prefix in part and not state.get(prefix):
            self.define(prefix, part, state)
        found = self.terms.get(prefix)
        if found is not None and found.prefix:
            return found.iri + rest
        core = CORE_PREFIXES.get(prefix)
        return core + rest if core is not None else text


def compile_context(context: Any, documents: Mapping[str, Any] | None = None) -> Definitions:
    """The terms of a @context; `documents` holds every remote part by absolute URL.

    Raises BadRequestData naming the term that cannot be understood, TooLarge over a limit.
    """
    compiler = _Compiler(documents or {})
    compiler.add(context, "", 0)
    terms = compiler.terms
    return Definitions(terms, sum(len(name) + len(d.iri) for name, d in terms.items()))
