"""Names: what a caller writes, what is stored, what is shown; with pyld as the judge of
expansion."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyld import jsonld

from pintu.kernel.errors import BadRequestData, TooLarge
from pintu.kernel.jsonld import CORE, CORE_URL, Terms, core_document
from pintu.kernel.jsonld.compile import compile_context
from pintu.kernel.jsonld.core import CORE_IRIS, DEFAULT_VOCABULARY


def terms_of(context: Any) -> Terms:
    """A compiled @context of one document."""
    return Terms(compile_context(context), context)


def expanded_by_pyld(context: Any, name: str) -> str:
    """The IRI pyld gives an attribute name with the caller's @context and the core after it."""
    core = core_document()["@context"]
    plain = {key: value for key, value in core.items() if key not in ("@protected", "@version")}
    found = jsonld.expand({"@context": [context, plain], name: {"@id": "urn:x:y"}})
    members = [key for key in found[0] if key != "@id"] if found else []
    return members[0] if members else ""


letters = st.text("abcxyzABC", min_size=1, max_size=5)
iris = st.builds(
    "https://{}.example/{}{}".format, letters, letters, st.sampled_from(["", "#", "/", "#x", "/y"])
)
short_names = st.one_of(letters, st.sampled_from(sorted(CORE_IRIS)[:40]))


@st.composite
def contexts(draw: st.DrawFn) -> dict[str, Any]:
    """Term maps with IRIs, prefixed names, references to other terms and containers."""
    prefixes = draw(st.dictionaries(letters.map("p{}".format), iris, max_size=3))
    terms: dict[str, Any] = dict(prefixes)
    for name in draw(st.lists(letters.map("t{}".format), max_size=5, unique=True)):
        target: Any = draw(iris)
        if prefixes and draw(st.booleans()):
            target = f"{draw(st.sampled_from(sorted(prefixes)))}:{draw(letters)}"
        if draw(st.booleans()):
            target = {"@id": target, "@type": draw(st.sampled_from(["@id", "@vocab"]))}
        terms[name] = target
    return terms


@settings(max_examples=150, deadline=None)
@given(contexts(), st.data())
def test_expansion_is_what_pyld_says(context: dict[str, Any], data: st.DataObject) -> None:
    """Any name expands with a user @context and the core exactly as a JSON-LD processor expands
    it."""
    names = sorted(context)
    prefixed = [f"{name}:{suffix}" for name in names for suffix in ("q", "Rs")]
    name = data.draw(st.sampled_from([*names, *prefixed, "speed", "location", "geojson:z"]))
    assert expanded_by_pyld(context, name) == terms_of(context).expand(name)


@settings(max_examples=150, deadline=None)
@given(contexts(), st.data())
def test_what_is_shown_is_stored_again_as_the_same(
    context: dict[str, Any], data: st.DataObject
) -> None:
    """stored(shown(stored(name))) = stored(name): nothing is lost or changed on the way out and
    in."""
    names = [*context, "speed", "value", f"{DEFAULT_VOCABULARY}value", "https://a.example/zz"]
    terms = terms_of(context)
    stored = terms.stored(data.draw(st.sampled_from(names)))
    assert stored == terms.stored(terms.shown(stored))
    assert terms.expanded(stored) == terms.expand(terms.shown(stored))


@settings(deadline=None)
@given(short_names)
def test_without_a_user_context_names_stay(name: str) -> None:
    """What came without a @context is stored as it came and shown as it is stored."""
    assert name == CORE.stored(name) == CORE.shown(name)


@pytest.mark.parametrize(
    ("iri", "stored"),
    [
        (DEFAULT_VOCABULARY + "speed", "speed"),
        (DEFAULT_VOCABULARY + "value", DEFAULT_VOCABULARY + "value"),
        (DEFAULT_VOCABULARY + "type", DEFAULT_VOCABULARY + "type"),
        (DEFAULT_VOCABULARY + "a:b", DEFAULT_VOCABULARY + "a:b"),
        ("https://uri.etsi.org/ngsi-ld/observedAt", "observedAt"),
        ("ngsi-ld:observedAt", "observedAt"),
        ("https://example.org/speed", "https://example.org/speed"),
    ],
)
def test_collisions_with_core_terms_stay_whole_iris(iri: str, stored: str) -> None:
    """A name of the default vocabulary is short unless that would be a core term."""
    assert stored == CORE.stored(iri)
    assert stored == CORE.stored(CORE.shown(stored))


def test_a_default_name_is_not_shown_as_a_term_that_means_something_else() -> None:
    """When the caller's `speed` is another IRI, the default vocabulary's `speed` is shown by the
    core's own prefix, as JSON-LD compaction does."""
    terms = terms_of({"speed": "https://example.org/speed"})
    assert "https://example.org/speed" == terms.stored("speed")
    assert "ngsi-ld:default-context/speed" == terms.shown("speed")
    assert "speed" == terms.stored("ngsi-ld:default-context/speed")
    assert "speed" == terms.stored(DEFAULT_VOCABULARY + "speed")


def test_the_core_wins_over_the_user() -> None:
    """A user @context cannot redefine a core term (4.4)."""
    terms = terms_of({"location": "https://evil.example/l", "ngsi-ld": "https://evil.example/"})
    assert "location" == terms.stored("location")
    assert "observedAt" == terms.stored("ngsi-ld:observedAt")


def test_later_definitions_win_and_null_forgets() -> None:
    """In a list the later @context replaces terms of the earlier; null starts anew."""
    context = [
        {"a": "https://x.example/1", "b": "https://x.example/b"},
        {"a": "https://x.example/2"},
    ]
    assert "https://x.example/2" == terms_of(context).stored("a")
    assert "b" == terms_of([*context, None]).stored("b")


def test_vocab_serves_the_definitions_after_it() -> None:
    """@vocab completes relative IRIs of definitions; names without one are the core's own
    business."""
    terms = terms_of({"@vocab": "https://v.example/", "a": "b", "c": {"@type": "@id"}})
    assert "https://v.example/b" == terms.stored("a")
    assert "https://v.example/c" == terms.stored("c")
    assert "free" == terms.stored("free")


def test_remote_documents_may_refer_to_others() -> None:
    """URLs inside a document are read from what was fetched, relative to it."""
    documents = {
        "https://c.example/d/one": {"@context": ["two", {"a": "https://x.example/a"}]},
        "https://c.example/d/two": {"@context": {"b": "https://x.example/b"}},
    }
    terms = Terms(compile_context("https://c.example/d/one", documents))
    assert "https://x.example/b" == terms.stored("b")


@pytest.mark.parametrize(
    "context",
    [
        {"a": "b:c", "b": "a:c"},
        {"a": 5},
        {"a": {"@id": 5}},
        {"": "https://x.example/"},
        {"a": {"@id": "https://x.example/a", "@context": {"b": "https://x.example/b"}}},
        "not a url",
        7,
    ],
)
def test_senseless_contexts_are_refused(context: Any) -> None:
    """What cannot be understood is named, not guessed (scoped @contexts too, 5.5.7)."""
    with pytest.raises(BadRequestData):
        terms_of(context)


def test_limits_hold() -> None:
    """Too many terms, too deep nesting, too many parts: refused before they cost anything."""
    nested: Any = {"a": "https://x.example/a"}
    for _ in range(20):
        nested = [nested]
    for context in (
        {f"t{index}": "https://x.example/" for index in range(10_001)},
        nested,
        [{"a": "https://x.example/a"}] * 101,
    ):
        with pytest.raises(TooLarge):
            terms_of(context)


def test_documents_that_list_one_another_do_not_explode() -> None:
    """Ten documents that each list the next fifty times are refused, not walked."""
    documents = {
        f"https://c.example/{n}": {"@context": [f"https://c.example/{n + 1}"] * 50}
        for n in range(9)
    }
    documents["https://c.example/9"] = {"@context": {"a": "https://x.example/a"}}
    with pytest.raises(TooLarge):
        compile_context("https://c.example/0", documents)
    large = {"@context": {f"t{n}": "https://x.example/a" for n in range(9_000)}}
    with pytest.raises(TooLarge):
        compile_context(["https://c.example/l"] * 50, {"https://c.example/l": large})


@pytest.mark.parametrize(
    ("context", "name", "iri"),
    [
        ({"a": {"@id": "https://x.example/a", "@container": ["@set", "@index"]}}, "a", "a"),
        ({"p": {"@id": "https://x.example/", "@prefix": True}, "a": "p:a"}, "a", "a"),
        ({"p": "https://x.example/", "p:a": "p:b"}, "p:a", "b"),
        ({"p": "https://x.example/", "p:a": {"@type": "@id"}}, "p:a", "a"),
        ({"b": "a", "a": "https://x.example/a"}, "b", "a"),
        ({"@context": {"a": "https://x.example/a"}}, "a", "a"),
    ],
)
def test_ways_to_write_a_definition(context: Any, name: str, iri: str) -> None:
    """Containers, explicit prefixes, prefixed names as terms, terms by way of others."""
    assert f"https://x.example/{iri}" == terms_of(context).stored(name)


def test_aliases_of_keywords_and_forgotten_terms_are_no_names() -> None:
    """A term for a keyword, a null and a reverse property leave the name to the default
    vocabulary."""
    context = {"a": "@id", "b": None, "c": {"@reverse": "https://x.example/c"}, "id": "@id"}
    assert ["a", "b", "c"] == [terms_of(context).stored(name) for name in "abc"]


def test_definitions_keep_type_and_container() -> None:
    """What a term says of its values is there for who asks; core terms have nothing of the
    user's."""
    terms = terms_of(
        {"a": {"@id": "https://x.example/a", "@type": "@vocab", "@container": "@list"}}
    )
    found = terms.definition("a")
    assert found is not None and ("@vocab", "@list") == (found.type, found.container)
    assert terms.definition("location") is None


def test_a_flood_of_names_is_not_remembered() -> None:
    """The caches stop growing; the answers stay right."""
    terms = terms_of({"a": "https://x.example/a"})
    for index in range(30_000):
        terms.stored(f"name{index}")
    assert len(terms._stored) <= 2_000
    assert "name29999" == terms.stored("name29999")


def test_the_core_alone_is_the_core() -> None:
    """A core URL is nothing of the user's own."""
    assert CORE.is_core and CORE.source is None
    assert not compile_context([CORE_URL]).terms
